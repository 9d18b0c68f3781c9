"""Feature maps of an encoder: which layers can be read, at which stride, and for images of any size.

Networks give their maps by a method ``named_maps``; what is here brings a copy of a network to another size of images
or to a finer stride. A copy shares every tensor with the original that it does not change.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import VitobenchError, unknown_name
from .batching import is_out_of_memory


class NamedMap(NamedTuple):
    """The output of one layer.

    Attributes:
        name: As the network's library calls the layer: ``"layer3"``, ``"blocks.11"``.
        values: float32 (N, C, H, W).
    """

    name: str
    values: Tensor


@dataclass(frozen=True)
class MapLayer:
    """A layer whose map can be read.

    Attributes:
        name: As the network's library calls it.
        channels: Of its map.
        stride: Pixels of the image between two neighbouring cells.
        patches: Whether the network cuts images into patches of this size and keeps them to its end, as plain
            transformers do; such a map has no other stride.
    """

    name: str
    channels: int
    stride: int
    patches: bool = False


def maps_of(network: nn.Module, x: Tensor, who: str) -> list[NamedMap]:
    """All maps of a network, from the first layer to the last.

    Args:
        network: Any network of `models.model.Model`.
        x: Normalised float32 (N, 3, H, W).
        who: Name of the model, for messages.

    Raises:
        VitobenchError: It gives no maps, or none for images of this size.
    """
    if not hasattr(network, "named_maps"):
        raise VitobenchError(f"{who} has no feature maps ({type(network).__name__}), so dense tasks cannot ask it.")
    try:
        found: list[NamedMap] = network.named_maps(x)  # type: ignore[operator]
    except (RuntimeError, AssertionError, ValueError) as error:
        if is_out_of_memory(error):
            raise
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise VitobenchError(f"{who} gives no maps of images of {x.shape[2]} x {x.shape[3]} pixels: {reason}") from None
    if not found:
        raise VitobenchError(f"{who} has no layer with a feature map.")
    for name, values in found:
        if values.ndim != 4 or len(values) != len(x):
            raise VitobenchError(f"{who}: layer {name} gives {tuple(values.shape)}, not a map (N, C, H, W).")
    return found


def describe(found: Sequence[NamedMap], height: int, width: int) -> tuple[MapLayer, ...]:
    """The layers behind maps.

    Args:
        found: From `maps_of`.
        height: Of the image, in pixels.
        width: Likewise.
    """
    sizes = [tuple(values.shape[2:]) for _, values in found]
    # A transformer of patches has the same map size from its first block to its last.
    patches = len(found) > 1 and len(set(sizes)) == 1
    return tuple(
        MapLayer(
            name, values.shape[1], height // rows if patches else _stride((height, width), (rows, columns)), patches
        )
        for (name, values), (rows, columns) in zip(found, sizes, strict=True)
    )


def _stride(image: tuple[int, int], cells: tuple[int, int]) -> int:
    """How many pixels a cell is apart from the next: a power of two if that is possible."""
    for stride in (2**power for power in range(9)):
        if all(count in (side // stride, -(-side // stride)) for side, count in zip(image, cells, strict=True)):
            return stride
    return max(1, round(image[0] / cells[0]))


def choose(layers: Sequence[MapLayer], layer: str, within: int | None, who: str) -> MapLayer:
    """Which layer is meant.

    Args:
        layers: What there is, from the first to the last.
        layer: A name; empty for the last one.
        within: Without a name, the last layer whose own stride is at most this.
        who: Name of the model, for messages.

    Raises:
        UnknownNameError: There is no such layer.
        VitobenchError: No layer has so fine a stride.
    """
    if layer:
        for one in layers:
            if one.name == layer:
                return one
        raise unknown_name(f"layer of {who}", layer, [one.name for one in layers])
    fitting = [one for one in layers if within is None or one.patches or one.stride <= within]
    if not fitting:
        raise VitobenchError(f"{who} has no layer with a stride of {within} or less; its finest is {layers[0].stride}.")
    return fitting[-1]


# The maps of libraries.


def timm_maps(network: Any, x: Tensor) -> list[NamedMap]:
    """Every map of a network of timm: stages, or blocks of a transformer, each after the last normalisation.

    Raises:
        VitobenchError: This network of timm gives no maps.
    """
    if not hasattr(network, "forward_intermediates"):
        raise VitobenchError(f"timm's {type(network).__name__} gives no feature maps.")
    values = network.forward_intermediates(x, norm=True, output_fmt="NCHW", intermediates_only=True)
    names = [str(stage.get("module") or f"stage{number}") for number, stage in enumerate(network.feature_info)]
    if len(names) != len(values):
        names = [f"stage{number}" for number in range(len(values))]
    return [NamedMap(name, one) for name, one in zip(names, values, strict=True)]


def token_map(tokens: Tensor, x: Tensor) -> Tensor:
    """Tokens (N, T, C) in rows over an image as a map (N, C, H, W) of cells of equal sides.

    Raises:
        ValueError: T is not the number of cells of any such grid.
    """
    height, width = x.shape[2:]
    rows = math.sqrt(tokens.shape[1] * height / width)
    if round(rows) < 1 or round(rows) * round(tokens.shape[1] / rows) != tokens.shape[1]:
        raise ValueError(f"{tokens.shape[1]} tokens are no grid over {height} x {width} pixels")
    return tokens.transpose(1, 2).unflatten(2, (round(rows), -1))


# Copies of a network for images of another size, and at a finer stride.


def sharing_copy(network: nn.Module) -> nn.Module:
    """A copy whose tensors are those of the original."""
    shared: dict[int, Any] = {id(tensor): tensor for tensor in chain(network.parameters(), network.buffers())}
    return copy.deepcopy(network, shared)


def at_size(network: nn.Module, height: int, width: int) -> nn.Module:
    """The network for images of a size: timm's transformers are built for one, and a copy is set to another.

    Returns:
        The network itself if nothing in it has a size.

    Raises:
        VitobenchError: Its patches do not divide the size.
    """
    if not any(True for _ in _sized(network)):
        return network
    copied = sharing_copy(network)
    for module in _sized(copied):
        patch: int = module.patch_embed.patch_size[0]
        if height % patch or width % patch:
            raise VitobenchError(
                f"patches of {patch} pixels do not fill an image of {height} x {width}; give multiples of {patch}"
            )
        # Positions are interpolated, as timm does it for other sizes.
        module.set_input_size(img_size=(height, width))
    return copied


def _sized(network: nn.Module) -> Iterator[Any]:
    """Modules of timm that take images of one size, and can be given another."""
    for module in network.modules():
        if hasattr(module, "set_input_size") and hasattr(getattr(module, "patch_embed", None), "patch_size"):
            yield module


def finer(network: nn.Module, x: Tensor, layer: MapLayer, stride: int, who: str) -> nn.Module:
    """A network whose layer has a finer stride: steps of two beyond that stride become steps of one.

    The weights stay, so that convolutions see a neighbourhood in finer steps than in training. VFS reads the fourth
    stage of a ResNet at stride 8 in this way (Xu & Wang, ICCV 2021).

    Args:
        network: Has the layer.
        x: Normalised float32 (N, 3, H, W): the network runs on it to find its steps.
        layer: Which.
        stride: Wanted, less than the layer's own.
        who: Name of the model, for messages.

    Raises:
        VitobenchError: A map of patches, or steps that are no convolutions or poolings.
    """
    impossible = f"{who}: layer {layer.name} has stride {layer.stride} and cannot be read at stride {stride}"
    if layer.patches:
        raise VitobenchError(f"{impossible}: the model sees patches of {layer.stride} pixels.")
    if stride < 1 or layer.stride % stride:
        raise VitobenchError(f"{impossible}; give {layer.stride} or a part of it.")
    copied, height = sharing_copy(network), x.shape[2]
    steps: list[tuple[Any, int, float]] = []

    def watch(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        if inputs and isinstance(inputs[0], Tensor) and inputs[0].ndim == 4:
            steps.append((module, _step(module), height / inputs[0].shape[2]))

    hooks = [module.register_forward_hook(watch) for module in copied.modules() if _step(module) > 1]
    maps_of(copied, x, who)
    for hook in hooks:
        hook.remove()
    for module, step, before in steps:
        # Sizes are rounded up along the way, so what was seen is near a whole number.
        after = round(before) * step
        if after > stride:
            left = max(1, stride // round(before))
            kernel = module.kernel_size if isinstance(module.kernel_size, int) else module.kernel_size[0]
            padding = getattr(module, "padding", 0)
            bare = padding in (0, (0, 0)) and kernel == step and "Same" not in type(module).__name__
            module.stride = left if isinstance(module.stride, int) else (left, left)
            if bare:  # a step of patches, as in ConvNeXt: without its step it lacks the last row and column
                module.register_forward_pre_hook(_edge(kernel - left))
    reached = next(values for name, values in maps_of(copied, x, who) if name == layer.name)
    if any(math.ceil(side / stride) != cells for side, cells in zip(x.shape[2:], reached.shape[2:], strict=True)):
        raise VitobenchError(f"{impossible}: what makes it coarser is no convolution and no pooling.")
    return copied


def _step(module: nn.Module) -> int:
    """The stride of a convolution or pooling; 1 for everything else."""
    stride = getattr(module, "stride", 1)
    if not hasattr(module, "kernel_size"):
        return 1
    step = stride[0] if isinstance(stride, (tuple, list)) and stride else stride
    return step if isinstance(step, int) else 1


class _edge:  # noqa: N801 (a function that copies can be made of)
    """Repeats the last rows and columns of what a module gets."""

    def __init__(self, cells: int) -> None:
        self.cells = cells

    def __call__(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (F.pad(inputs[0], (0, self.cells, 0, self.cells), mode="replicate"), *inputs[1:])
