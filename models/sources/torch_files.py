"""Open torch files as data; their unpacked size is limited before anything is read."""

from __future__ import annotations

import mmap
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from ...errors import CheckpointError

_END = b"PK\x05\x06"
_END_SIZE = 22
_ALLOCATES = b"bytearray"

_CONVERT = """If you trust where it comes from, convert it once, in an environment where its code may run:
  import torch
  loaded = torch.load({name!r}, weights_only=False, map_location="cpu")
  loaded = loaded if isinstance(loaded, dict) else {{"model": loaded}}
  plain = {{k: v.state_dict() if hasattr(v, "state_dict") else v for k, v in loaded.items()}}
  kept = {{k: v for k, v in plain.items() if torch.is_tensor(v) or "model" in k or "state" in k or "ema" in k}}
  torch.save({{k: v for k, v in kept.items() if "optim" not in k}}, {converted!r})
and name the converted file instead; it keeps every set of weights, averaged ones too."""


def check_file(path: Path) -> None:
    """Check that a file exists and is not empty.

    Raises:
        CheckpointError: It does not exist, or is empty.
    """
    try:
        exists, is_file, is_folder = path.exists(), path.is_file(), path.is_dir()
        size = path.stat().st_size if is_file else 0
    except OSError as error:
        raise CheckpointError(f"The checkpoint {str(path)!r} cannot be read: {error.strerror or error}.") from None
    if not exists:
        raise CheckpointError(f"The checkpoint {path} does not exist.")
    if not is_file:
        kind = "a folder" if is_folder else "not a regular file"
        raise CheckpointError(f"The checkpoint {path} is {kind}; name a .safetensors, .pt or .pth file.")
    if size == 0:
        raise CheckpointError(f"The checkpoint {path} is empty (0 bytes). Copy or download it once more.")


def load_torch(path: Path, trailing: int = 0) -> Any:
    """Open a torch file without running any code in it, and without unpacking more than its own size.

    Args:
        path: An existing file, as written by `torch.save` (zip or the older format).
        trailing: Number of extra bytes after what `torch.save` wrote.

    Returns:
        The saved object, with tensors on the CPU.

    Raises:
        CheckpointError: It is truncated, damaged, not a torch file, a pickle that would run code, or would unpack to
            more than its size.
    """
    try:
        _check_size(path, trailing)
        return torch.load(path, map_location="cpu", weights_only=True)
    except CheckpointError:
        raise
    except pickle.UnpicklingError as error:
        if "nsupported" not in str(error):  # "Unsupported global/operand/class" means code; the rest is just damage
            raise CheckpointError(f"{path} is not a torch checkpoint, or is damaged.") from error
        offending = next((line.strip() for line in str(error).splitlines() if "nsupported" in line), "")
        raise CheckpointError(
            f"{path} was refused: besides tensors it holds Python objects, and opening those can run any code that "
            f"the file's author chose. ({offending[:200]})\n"
            + _CONVERT.format(name=path.name, converted=f"{path.stem}-weights.pth")
        ) from error
    except Exception as error:  # for damaged files, torch raises RuntimeError, EOFError, KeyError, struct.error, ...
        lines = str(error).splitlines() or [type(error).__name__]
        raise CheckpointError(f"{path} is truncated, damaged, or not a torch checkpoint: {lines[0][:200]}.") from error


def _check_size(path: Path, trailing: int) -> None:
    """Reject a file that unpacks to more than its own size.

    `torch.save` does not compress its entries, so a compressed entry, or two that share bytes, may be a zip bomb: a few
    megabytes that fill the memory before the name of a single tensor is read. ``bytearray(N)`` is the only call allowed
    in a pickle of tensors that can fill the memory with just a number.
    """
    with path.open("rb") as handle, mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as content:
        zipped = content[:4] == b"PK\x03\x04"
        allocates = content.find(_ALLOCATES) >= 0
        # If something follows the list of entries, readers of zip files disagree on where it is.
        size = len(content) - trailing
        ends = content[max(0, size - _END_SIZE) : size].startswith(_END) and content[max(0, size - 2) : size] == b"\0\0"
    if allocates:
        raise CheckpointError(
            f"{path} was refused: its pickle makes a bytearray, which can fill the memory and which no weights need. "
            "Save the state dict alone."
        )
    if not zipped:
        return
    if not ends:
        raise CheckpointError(f"{path} is truncated, damaged, or not a torch checkpoint: its zip archive has no end.")
    with zipfile.ZipFile(path) as archive:
        entries = sorted(archive.infolist(), key=lambda entry: entry.header_offset)
    for entry in entries:
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
            raise CheckpointError(
                f"{path} was refused: its entry {entry.filename!r} is compressed ({entry.compress_size:,} bytes that "
                f"unpack to {entry.file_size:,}), which torch.save never does (torch.jit.save does). Save the "
                "network's state_dict() with torch.save."
            )
    after = [entry.header_offset for entry in entries[1:]] + [size]
    for entry, following in zip(entries, after, strict=True):
        if entry.header_offset + entry.file_size > following:
            raise CheckpointError(
                f"{path} was refused: its entry {entry.filename!r} of {entry.file_size:,} bytes shares bytes with "
                "another or goes beyond the end of the file. Copy or download it once more."
            )
