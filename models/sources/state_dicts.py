"""Read state dicts safely, hash them, and load them into a network."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ...errors import CheckpointError, VitobenchError
from .safetensors_header import looks_like_safetensors, read_header
from .torch_files import check_file, load_torch

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


def check_unchanged(name: str, state: Mapping[str, torch.Tensor], weights_hash: str) -> None:
    """Check that weights are still those of a model's description.

    Args:
        name: Name of the model, for the error message.
        state: Names and tensors.
        weights_hash: `tensors_digest` at the time of the description.

    Raises:
        CheckpointError: They have changed.
    """
    if tensors_digest(state) != weights_hash:
        raise CheckpointError(f"The weights of {name} changed after the model was described; start again.")
