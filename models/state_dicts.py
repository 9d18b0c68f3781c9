"""Weights as data: torch files opened within bounds, state dicts read, hashed and fitted into a network."""

from __future__ import annotations

import hashlib
import mmap
import pickle
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..errors import CheckpointError, VitobenchError
from .dense_maps import NamedMap, timm_maps, token_map
from .pooled_layers import Layer
from .safetensors_header import looks_like_safetensors, read_header

# Open torch files as data; their unpacked size is limited before anything is read.


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


_FOREIGN = (
    (0, b"\x89HDF", "an HDF5 file, as Keras writes it. Export the network to ONNX and name that file as onnx:FILE"),
    (4, b"TFL3", "a file of TensorFlow Lite. The example litert_plugin of vitobench runs these"),
    (0, b"GGUF", "a GGUF file, which is for language models"),
    (0, b"\x93NUMPY", "an array of NumPy. Save a state dict with torch.save, or as safetensors"),
    (0, b"<", "text, perhaps the page of a server that refused a download. Download it once more"),
)
"""Where other formats have which bytes, and what to do with such a file."""


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
        start = content[:16]
        allocates = content.find(_ALLOCATES) >= 0
        # If something follows the list of entries, readers of zip files disagree on where it is.
        size = len(content) - trailing
        ends = content[max(0, size - _END_SIZE) : size].startswith(_END) and content[max(0, size - 2) : size] == b"\0\0"
    if start[:1] not in (b"\x80", b"P"):  # neither a pickle nor a zip archive
        what = next((f": it is {said}" for at, magic, said in _FOREIGN if start[at:].startswith(magic)), "")
        raise CheckpointError(f"{path} is truncated, damaged, or not a torch checkpoint{what}.")
    if allocates:
        raise CheckpointError(
            f"{path} was refused: its pickle makes a bytearray, which can fill the memory and which no weights need. "
            "Save the state dict alone."
        )
    if not start.startswith(b"PK\x03\x04"):
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


# Read state dicts safely, hash them, and load them into a network.


_WRAPPERS = ("state_dict", "model")
_PREFIXES = ("module.", "model.", "_orig_mod.")
_COUNTER = "num_batches_tracked"
_SHOWN = 3


def read_checkpoint(path: Path) -> Any:
    """Read a safetensors file or a torch checkpoint as it is, without running any code in the file.

    The format is recognised by the content, not the extension.

    Args:
        path: The checkpoint.

    Returns:
        The contents of the file, with tensors on the CPU; for safetensors, names and tensors.

    Raises:
        CheckpointError: It is missing, empty, truncated, not a checkpoint, or a pickle that would run code.
    """
    check_file(path)
    if path.suffix != ".safetensors" and not looks_like_safetensors(path):
        return load_torch(path)
    read_header(path)  # for its messages
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, ValueError, KeyError, OverflowError) as error:  # the last ones: a type unknown to torch
        raise CheckpointError(f"{path} is damaged: {error}.") from error


def read_state_dict(path: Path) -> dict[str, torch.Tensor]:
    """Read a file with a single set of weights in a known form; see `weight_sets` for arbitrary files.

    Wrappers (``{"state_dict": ...}``, ``{"model": ...}``) and prefixes that all keys share (``module.``, ``model.``)
    are removed.

    Args:
        path: The checkpoint.

    Returns:
        Names and tensors on the CPU, with their stored types.

    Raises:
        CheckpointError: It is missing, empty, truncated, not a checkpoint, or a pickle that would run code.
    """
    return _unwrap(read_checkpoint(path), path)


def _unwrap(loaded: Any, path: Path) -> dict[str, torch.Tensor]:
    state = loaded
    for _ in range(2):
        if isinstance(state, Mapping):
            state = next((state[key] for key in _WRAPPERS if isinstance(state.get(key), Mapping)), state)
    if not isinstance(state, Mapping) or not state or not all(isinstance(v, torch.Tensor) for v in state.values()):
        contents = f"the keys {_first([str(k) for k in state])}" if isinstance(state, Mapping) else type(state).__name__
        raise CheckpointError(
            f"{path} holds no state dict (names and tensors, alone or under {' or '.join(map(repr, _WRAPPERS))}); "
            f"it holds {contents}."
        )
    names = {str(k): v for k, v in state.items()}
    while prefix := next((p for p in _PREFIXES if all(k.startswith(p) for k in names)), None):
        names = {k.removeprefix(prefix): v for k, v in names.items()}
    return names


def tensors_digest(state: Mapping[str, torch.Tensor]) -> str:
    """Hash weights that have no file of their own.

    Returns:
        SHA-256 of the name, type, shape and bytes of every tensor, sorted by name, as 64 hexadecimal digits.
    """
    sha = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        sha.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
        sha.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return sha.hexdigest()


def skeleton(make: Callable[[], nn.Module]) -> dict[str, torch.Tensor]:
    """The entries of a network without values, which take memory and time.

    Args:
        make: Builds the network. If that needs values, it is built as usual.
    """
    try:
        with torch.device("meta"):
            network = make()
    except VitobenchError:
        raise
    except Exception:  # third-party code may read the value of a tensor, which a meta tensor does not have
        network = make()
    return dict(network.state_dict())


def fit(network: nn.Module, state: Mapping[str, torch.Tensor], where: str) -> None:
    """Load a complete state dict into a network, as float32.

    Counters of batches (``num_batches_tracked``) may be missing: they do not affect the output, and old files lack
    them.

    Args:
        network: The network; its parameters are overwritten.
        state: Names and tensors.
        where: Name of the file, for error messages.

    Raises:
        CheckpointError: See `check_fit`.
    """
    check_fit(network.state_dict(), state, where)
    network.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in state.items()}, strict=False)


def check_fit(own: Mapping[str, torch.Tensor], state: Mapping[str, torch.Tensor], where: str) -> None:
    """Check that a state dict fits a network.

    Args:
        own: The network's entries, possibly without values (on torch's meta device).
        state: Names and tensors.
        where: Name of the file, for error messages.

    Raises:
        CheckpointError: Entries are missing, unexpected, or have another shape or kind of number than in the network;
            the message counts them and names the first few.
    """
    missing = [k for k in own if k not in state and not k.endswith(_COUNTER)]
    unexpected = [k for k in state if k not in own]
    both = [k for k in own if k in state]
    shapes = [
        f"{k} {tuple(state[k].shape)} instead of {tuple(own[k].shape)}" for k in both if state[k].shape != own[k].shape
    ]
    kinds = [f"{k} {_kind(state[k])} instead of {_kind(own[k])}" for k in both if not _same_kind(k, state[k], own[k])]
    problems = [
        f"{len(names)} {kind} ({_first(names)})"
        for kind, names in (
            ("missing", missing),
            ("unexpected", unexpected),
            ("mis-shaped", shapes),
            ("of another kind", kinds),
        )
        if names
    ]
    if problems:
        raise CheckpointError(
            f"{where} does not fit its architecture: of {len(own)} entries, {'; '.join(problems)}. "
            "Name the architecture that it was trained with."
        )


def _same_kind(name: str, value: torch.Tensor, own: torch.Tensor) -> bool:
    """Whether numbers can be copied directly. Integers in place of floats are quantised, and their scale is missing."""
    if value.layout != torch.strided or value.device.type != "cpu" or value.is_quantized or value.is_complex():
        return False
    return name.endswith(_COUNTER) or value.is_floating_point() == own.is_floating_point()


def _kind(value: torch.Tensor) -> str:
    kind = str(value.dtype).removeprefix("torch.")
    return kind if value.layout == torch.strided else f"{kind} ({str(value.layout).removeprefix('torch.')})"


def _first(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")


# Wrap classifiers of other libraries for `models.model.Model`. Importing this imports torch.


class TimmNetwork(nn.Module):
    """A timm classifier with the two methods that `Model` needs."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of shape (N, K)."""
        return self.network(x)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """The input of the last linear layer, of shape (N, D)."""
        network: Any = self.network
        return network.forward_head(network.forward_features(x), pre_logits=True).flatten(1)

    def tokens(self, x: torch.Tensor) -> torch.Tensor:
        """Spatial tokens of the last layer, of shape (N, T, C): a map's positions, or a transformer's patches.

        Raises:
            VitobenchError: This network of timm has none.
        """
        network: Any = self.network
        if not hasattr(network, "forward_intermediates"):
            raise VitobenchError(f"timm's {type(network).__name__} has no spatial tokens.")
        last = network.forward_intermediates(x, indices=1, norm=True, output_fmt="NCHW", intermediates_only=True)[-1]
        return last.flatten(2).transpose(1, 2)

    def layers(self, x: torch.Tensor, count: int) -> list[Layer]:
        """The last layers, each after the network's last normalisation: blocks of a transformer, stages of others.

        Raises:
            VitobenchError: This network of timm gives no intermediate layers, or has fewer.
        """
        network: Any = self.network
        if not hasattr(network, "forward_intermediates"):
            raise VitobenchError(f"timm's {type(network).__name__} gives no intermediate layers.")
        if count > len(network.feature_info):
            raise VitobenchError(f"This network has {len(network.feature_info)} layers that can be read, not {count}.")
        # Registers are prefix tokens, too, and come after the class token.
        has_class = getattr(network, "cls_token", None) is not None
        options = {"return_prefix_tokens": True} if has_class else {}
        outputs = network.forward_intermediates(
            x, indices=count, norm=True, output_fmt="NCHW", intermediates_only=True, **options
        )
        return [
            Layer(output[0].flatten(2).transpose(1, 2), output[1][:, 0])
            if has_class
            else Layer(output.flatten(2).transpose(1, 2), None)
            for output in outputs
        ]

    def named_maps(self, x: torch.Tensor) -> list[NamedMap]:
        """See `dense_maps.timm_maps`."""
        return timm_maps(self.network, x)


class TorchvisionNetwork(nn.Module):
    """A torchvision classifier with the two methods that `Model` needs.

    torchvision has no common interface for features. But for all of its classifiers, the features are the input of the
    last layer with one output per class, which a hook captures.
    """

    def __init__(self, network: nn.Module, num_classes: int) -> None:
        super().__init__()
        self.network = network
        self._captured: torch.Tensor | None = None
        layers = [m for m in network.modules() if outputs_of(m) == num_classes]
        if not layers:
            raise CheckpointError(f"{type(network).__name__} has no layer with {num_classes} outputs.")
        layers[-1].register_forward_pre_hook(self._capture)

    def _capture(self, module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        self._captured = inputs[0]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of shape (N, K)."""
        logits = self.network(x)
        self._captured = None  # do not keep it alive between batches
        return logits

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """The input of the last layer, of shape (N, D); averaged over space if that layer is a convolution."""
        self.network(x)
        captured, self._captured = self._captured, None
        if captured is None:
            raise CheckpointError(f"{type(self.network).__name__} did not use its last layer.")
        return captured.mean((2, 3)) if captured.ndim == 4 else captured

    def named_maps(self, x: torch.Tensor) -> list[NamedMap]:
        """The outputs of its stages, or of the blocks of a transformer of patches."""
        network: Any = self.network
        blocks = getattr(getattr(network, "encoder", None), "layers", None)
        inner = getattr(network, "features", None)
        if blocks is not None:
            named = [(f"encoder.layers.{name}", child) for name, child in blocks.named_children()]
            named[-1] = (named[-1][0], network.encoder)  # after its last normalisation
        elif isinstance(inner, nn.Sequential):
            named = [(f"features.{name}", child) for name, child in inner.named_children()]
        else:
            named = []
            for name, child in network.named_children():  # a list of modules is never called itself
                listed = child.named_children() if isinstance(child, nn.ModuleList) else ()
                named += [(f"{name}.{number}", one) for number, one in listed] or [(name, child)]
        channels_last = type(network).__name__ == "SwinTransformer"
        found: list[NamedMap] = []

        def keep(name: str, output: Any) -> None:
            if not isinstance(output, torch.Tensor) or output.ndim not in (3, 4):
                return
            if output.ndim == 3:
                output = token_map(output[:, 1:], x)  # the class token comes first
            elif channels_last:
                output = output.permute(0, 3, 1, 2)
            if min(output.shape[2:]) < 2:  # what follows the pooling
                return
            found.append(NamedMap(name, output))

        hooks = [
            child.register_forward_hook(lambda _, inputs, output, name=name: keep(name, output))
            for name, child in named
        ]
        try:
            self.network(x)
        finally:
            for hook in hooks:
                hook.remove()
            self._captured = None
        return found


def outputs_of(module: nn.Module) -> int | None:
    """Outputs of a linear or convolutional layer; None for any other module."""
    if isinstance(module, nn.Linear):
        return module.out_features
    return module.out_channels if isinstance(module, nn.Conv2d) else None
