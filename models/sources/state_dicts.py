"""State dicts: reading them safely, hashing them, and fitting them into a network."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ...errors import CheckpointError
from .safetensors_header import looks_like_safetensors, read_header

_WRAPPERS = ("state_dict", "model")
_PREFIXES = ("module.", "model.", "_orig_mod.")
_SHOWN = 3

_CONVERT = """If you trust where it comes from, convert it once, in an environment where its code may run:
  import torch
  from safetensors.torch import save_file
  state = torch.load("{name}", weights_only=False, map_location="cpu")["state_dict"]  # or the key it has
  save_file({{k: v.contiguous().clone() for k, v in state.items()}}, "{stem}.safetensors")
and name the converted file instead."""


def read_state_dict(path: Path) -> dict[str, torch.Tensor]:
    """Read a safetensors file or a torch checkpoint, without running any code that the file may hold.

    Wrappers (``{"state_dict": ...}``, ``{"model": ...}``) and prefixes that all keys share (``module.``, ``model.``)
    are taken off. The format is told by the content, not by the extension.

    Args:
        path: The checkpoint.

    Returns:
        Names and tensors on the CPU, with their stored types.

    Raises:
        CheckpointError: Missing, empty, truncated, not a checkpoint, or a pickle that needs code to be opened.
    """
    check_file(path)
    if path.suffix == ".safetensors" or looks_like_safetensors(path):
        read_header(path)  # for its messages
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except SafetensorError as error:
            raise CheckpointError(f"{path} is damaged: {error}.") from error
    return _unwrap(_read_torch(path), path)


def check_file(path: Path) -> None:
    """Make sure that there is a file with something in it.

    Raises:
        CheckpointError: There is not.
    """
    if not path.exists():
        raise CheckpointError(f"The checkpoint {path} does not exist.")
    if not path.is_file():
        raise CheckpointError(f"The checkpoint {path} is a folder; name a .safetensors, .pt or .pth file.")
    if path.stat().st_size == 0:
        raise CheckpointError(f"The checkpoint {path} is empty (0 bytes). Copy or download it once more.")


def _read_torch(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "nsupported" not in str(error):  # "Unsupported global/operand/class": the rest is mere damage
            raise CheckpointError(f"{path} is not a torch checkpoint, or is damaged.") from error
        wanted = next((line.strip() for line in str(error).splitlines() if "nsupported" in line), "")
        raise CheckpointError(
            f"{path} was refused: besides tensors it holds Python objects, and opening those can run any code that "
            f"the file's author chose. ({wanted[:200]})\n" + _CONVERT.format(name=path.name, stem=path.stem)
        ) from error
    except Exception as error:  # torch meets damaged files with RuntimeError, EOFError, KeyError, struct.error, ...
        lines = str(error).splitlines() or [type(error).__name__]
        raise CheckpointError(f"{path} is truncated, damaged, or not a torch checkpoint: {lines[0][:200]}.") from error


def _unwrap(loaded: Any, path: Path) -> dict[str, torch.Tensor]:
    state = loaded
    for _ in range(2):
        if isinstance(state, Mapping):
            state = next((state[key] for key in _WRAPPERS if isinstance(state.get(key), Mapping)), state)
    if not isinstance(state, Mapping) or not state or not all(isinstance(v, torch.Tensor) for v in state.values()):
        held = f"the keys {_first([str(k) for k in state])}" if isinstance(state, Mapping) else type(state).__name__
        raise CheckpointError(
            f"{path} holds no state dict (names and tensors, alone or under {' or '.join(map(repr, _WRAPPERS))}); "
            f"it holds {held}."
        )
    names = {str(k): v for k, v in state.items()}
    while prefix := next((p for p in _PREFIXES if all(k.startswith(p) for k in names)), None):
        names = {k.removeprefix(prefix): v for k, v in names.items()}
    return names


def tensors_digest(state: Mapping[str, torch.Tensor]) -> str:
    """Hash weights that come without a file of their own.

    Args:
        state: Names and tensors.

    Returns:
        SHA-256 over the name, type, shape and bytes of every tensor in the order of names, as 64 hexadecimal digits.
    """
    sha = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        sha.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
        sha.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return sha.hexdigest()


def fit(network: nn.Module, state: Mapping[str, torch.Tensor], where: str) -> None:
    """Load a state dict into a network, all of it, as float32.

    Counters of batches (``num_batches_tracked``) may be absent: they do not enter any output, and old files lack them.

    Args:
        network: The network; its parameters are overwritten.
        state: Names and tensors.
        where: What the state dict belongs to, for messages.

    Raises:
        CheckpointError: Missing, unexpected or mis-shaped entries; the message gives their numbers and the first few.
    """
    own = network.state_dict()
    missing = [k for k in own if k not in state and not k.endswith("num_batches_tracked")]
    unexpected = [k for k in state if k not in own]
    shapes = [
        f"{k} {tuple(state[k].shape)} instead of {tuple(own[k].shape)}"
        for k in own
        if k in state and state[k].shape != own[k].shape
    ]
    problems = [
        f"{len(names)} {kind} ({_first(names)})"
        for kind, names in (("missing", missing), ("unexpected", unexpected), ("mis-shaped", shapes))
        if names
    ]
    if problems:
        raise CheckpointError(
            f"{where} does not fit its architecture: of {len(own)} entries, {'; '.join(problems)}. "
            "Name the architecture that it was trained with."
        )
    network.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in state.items()}, strict=False)


def _first(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
