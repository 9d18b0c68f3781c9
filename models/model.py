"""A loaded model, ready to predict: in batches that fit, with batch normalisation folded on a CPU."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable
from itertools import chain
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ..errors import VitobenchError
from .arithmetic import arithmetic, check_precision, keep_freed_memory
from .dense_maps import MapLayer, at_size, choose, describe, finer, maps_of
from .spec import ModelSpec

# Fold batch normalisations into the convolutions before them, for inference on a CPU.


TOLERANCE = 1e-4
"""Largest difference between outputs of a folded network and the original, as a share of the largest magnitude."""


def fold_batch_norms(network: nn.Module, probe: Tensor) -> nn.Module:
    """Return a network whose batch normalisations are folded into the convolutions before them.

    In evaluation mode a batch normalisation is one scale and one shift per channel, so a convolution with other weights
    and a bias can compute both, which saves a pass over the activations. EfficientNet-Lite0 processes 1.2 times as many
    images per second on two cores.

    The pairs are found by hooks while the network runs, so it does not have to be traceable. The result is then
    compared with the original, and only used if logits and features of the probe stay within `TOLERANCE`. A network
    that uses the output of a convolution twice, computes its weights on the fly, or does anything else that prevents
    folding, is returned unchanged.

    Args:
        network: A module in evaluation mode with ``forward`` and ``features``. It is not changed.
        probe: float32 (N, 3, H, W), such as random values.

    Returns:
        A copy that shares every tensor but the weights of folded convolutions, or ``network`` itself if there is
        nothing to fold or folding fails.
    """
    # The caller may be in inference mode. Parameters created there could never be used outside of it.
    with torch.inference_mode(False), torch.no_grad():
        try:
            return _folded(network, probe)
        except Exception:  # users' networks can raise anything; one that cannot be folded is only slower
            return network


def _folded(network: nn.Module, probe: Tensor) -> nn.Module:
    if not any(isinstance(module, nn.BatchNorm2d) for module in network.modules()):
        return network
    shared = {id(tensor): tensor for tensor in chain(network.parameters(), network.buffers())}
    folded = copy.deepcopy(network, shared)
    logits, pairs = _watch(folded, probe)
    if not pairs:
        return network
    for convolution, norm in pairs:
        _absorb(convolution, norm)
    rest = {norm: _after_normalising(norm) for _, norm in pairs}
    for parent in folded.modules():
        for name, child in parent.named_children():
            if child in rest:
                setattr(parent, name, rest[child])
    folded.to(memory_format=torch.channels_last)
    unchanged = _close(folded(probe), logits) and _close(folded.features(probe), network.features(probe))  # type: ignore[operator]
    return folded if unchanged else network


def _watch(network: nn.Module, probe: Tensor) -> tuple[Tensor, list[tuple[nn.Conv2d, nn.BatchNorm2d]]]:
    """Logits of the probe, and the pairs in which the output of a convolution goes directly into a normalisation."""
    calls: Counter[nn.Module] = Counter()
    pairs: list[tuple[nn.Conv2d, nn.BatchNorm2d]] = []
    last: list[tuple[nn.Conv2d, Tensor]] = []

    def after_convolution(module: nn.Conv2d, _: tuple[Tensor, ...], output: Tensor) -> None:
        calls[module] += 1
        last[:] = [(module, output)]

    def before_norm(module: nn.BatchNorm2d, inputs: tuple[Tensor, ...]) -> None:
        calls[module] += 1
        if last and inputs and inputs[0] is last[0][1]:
            pairs.append((last[0][0], module))

    hooks = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and not parametrize.is_parametrized(module):
            hooks.append(module.register_forward_hook(after_convolution))
        elif isinstance(module, nn.BatchNorm2d) and not module.training and module.running_var is not None:
            hooks.append(module.register_forward_pre_hook(before_norm))
    logits = network(probe)
    for hook in hooks:
        hook.remove()
    return logits, [(c, n) for c, n in pairs if calls[c] == calls[n] == 1]


def _absorb(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    """Apply the scale and shift of a normalisation to the weights and the bias of a convolution."""
    mean, variance = norm.running_mean, norm.running_var
    if mean is None or variance is None:
        raise ValueError("a normalisation without running statistics cannot be folded")  # `_watch` leaves them out
    scale = (variance.double() + norm.eps).rsqrt()
    if norm.weight is not None:
        scale = scale * norm.weight.double()
    bias = -mean.double() if convolution.bias is None else convolution.bias.double() - mean.double()
    bias = bias * scale
    if norm.bias is not None:
        bias = bias + norm.bias.double()
    weight = convolution.weight.double() * scale.view(-1, 1, 1, 1)
    # Create new parameters, because the old ones belong to the original network, too.
    convolution.weight = nn.Parameter(weight.float(), requires_grad=False)
    convolution.bias = nn.Parameter(bias.float(), requires_grad=False)


def _after_normalising(norm: nn.BatchNorm2d) -> nn.Module:
    """The rest of a normalisation: timm's also contain dropout and an activation."""
    parts = [getattr(norm, name, None) for name in ("drop", "act")]
    layers = [part for part in parts if isinstance(part, nn.Module) and not isinstance(part, nn.Identity)]
    return layers[0] if len(layers) == 1 else nn.Sequential(*layers)


def _close(folded: Tensor, original: Tensor) -> bool:
    return bool((folded - original).abs().max() <= TOLERANCE * original.abs().max())


# A loaded model, ready to predict.


PIXELS_AT_ONCE = 8 * 224 * 224
"""On a CPU a batch is computed in parts of this many pixels. Larger parts are not faster in the main thread, and two to
three times slower in other threads, where glibc does not keep freed memory for tensors above 64 MB."""


class Network(Protocol):
    """The interface of the networks that sources build: a ``torch.nn.Module`` on normalised float32 images.

    One with feature maps also has ``named_maps``; see `dense_maps`.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of shape (N, K)."""
        ...

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """Penultimate features of shape (N, D)."""
        ...


class Model:
    """A loaded `ModelSpec`: a network in evaluation mode, with its normalisation.

    Images are uint8 pixels. The model normalises them itself, so that corruptions never see normalised values and
    nothing is normalised twice.

    Outputs are those of the plain network up to rounding: on a CPU, batch normalisations are folded into convolutions,
    another memory layout is used, and a large batch is computed in parts (logits are within `TOLERANCE` of the
    largest, usually within a hundredth of that); and the size of a batch affects the order of sums.

    Attributes:
        spec: The description.
        device: The device that the model runs on.
    """

    def __init__(self, spec: ModelSpec, network: nn.Module) -> None:
        """Wrap a network; it is switched to evaluation mode and float32 in place.

        Args:
            spec: Description of the network.
            network: A module with the methods of `Network`.
        """
        self.spec = spec
        self._network = network.float().eval().requires_grad_(False)
        self._mean = torch.tensor(spec.preprocessing.mean).view(1, 3, 1, 1)
        self._std = torch.tensor(spec.preprocessing.std).view(1, 3, 1, 1)
        self._place(torch.device("cpu"))

    def to(self, device: torch.device | str) -> Model:
        """Move the model.

        Args:
            device: For instance ``"cpu"`` or ``"cuda:0"``.

        Returns:
            The model itself.

        Raises:
            VitobenchError: The device does not support ``spec.precision``.
        """
        where = torch.device(device)
        check_precision(self.spec.precision, where)
        self._place(where)
        return self

    def _place(self, device: torch.device) -> None:
        self.device = device
        on_cpu = self.device.type == "cpu"
        if on_cpu:
            keep_freed_memory()
        # On a CPU, convolutions of channels-last tensors are 1.3 to 1.4 times as fast (measured). A batch made from
        # (N, H, W, 3) arrays already has this layout.
        self._layout = torch.channels_last if on_cpu else torch.contiguous_format
        self._network = self._network.to(self.device).to(memory_format=self._layout)
        self._mean, self._std = self._mean.to(self.device), self._std.to(self.device)
        # Folded lazily, at the first batch on a CPU, because a model that moves on to a GPU does not need it.
        self._folded: nn.Module | None = None
        self._mapping: tuple[tuple[int, ...], nn.Module, tuple[MapLayer, ...]] | None = None
        self._finer: dict[tuple[str, int], nn.Module] = {}

    @torch.inference_mode()
    def logits(self, images: torch.Tensor) -> torch.Tensor:
        """Classify a batch.

        Args:
            images: uint8 tensor of shape (N, 3, size, size), N >= 1, RGB, in any memory layout and on any device;
                ``size`` is ``spec.preprocessing.size``.

        Returns:
            float32 tensor of shape (N, K) on `device`; K is the number of classes of ``spec.label_space``.

        Raises:
            ValueError: The images have another type or shape; the message says what is expected.
            VitobenchError: The device does not support ``spec.precision``.
        """
        return self._answers(images, lambda network, x: network(x))

    @torch.inference_mode()
    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Compute penultimate features: the input of the classifier.

        Args:
            images: As for `logits`.

        Returns:
            float32 tensor of shape (N, D) on `device`.

        Raises:
            ValueError: As for `logits`.
            VitobenchError: As for `logits`.
        """
        return self._answers(images, lambda network, x: network.features(x))

    @torch.inference_mode()
    def tokens(self, images: torch.Tensor) -> torch.Tensor:
        """Compute spatial tokens of the last layer.

        Args:
            images: As for `logits`.

        Returns:
            float32 tensor of shape (N, T, C) on `device`.

        Raises:
            ValueError: As for `logits`.
            VitobenchError: As for `logits`, or the network has no tokens.
        """
        if not hasattr(self._network, "tokens"):
            raise VitobenchError(f"{self.spec.name} has no spatial tokens.")
        return self._answers(images, lambda network, x: network.tokens(x))

    def maps(
        self, images: torch.Tensor, stride: int | None = None, layer: str = "", within: int | None = None
    ) -> torch.Tensor:
        """Compute a feature map of each image.

        Args:
            images: uint8 (N, 3, H, W), N >= 1, RGB, of any size that the network can take: convolutional networks take
                any, transformers multiples of their patches.
            stride: Pixels between two neighbouring cells; None for the layer's own. Where it is finer than that, the
                layer's network is computed with its steps removed; see `dense_maps.finer`.
            layer: A name of `map_layers`; empty for the last one.
            within: Without a name, the last layer whose own stride is at most this. Transformers of patches have one
                stride only, and give their last layer.

        Returns:
            float32 (N, C, h, w) on `device`; h is H over the stride, rounded up.

        Raises:
            ValueError: The images have another type or shape.
            VitobenchError: The network has no maps, no such layer, cannot take this size or reach this stride.
        """
        if not isinstance(images, torch.Tensor):
            raise ValueError(f"{self.spec.name} makes maps of a torch.uint8 tensor; got a {type(images).__name__}")
        if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] != 3 or 0 in images.shape:
            raise ValueError(
                f"{self.spec.name} makes maps of a torch.uint8 tensor of shape (N, 3, H, W) with N >= 1; "
                f"got {images.dtype} of shape {tuple(images.shape)}"
            )
        network, layers = self._mapped(images.shape[2], images.shape[3])
        chosen = choose(layers, layer, within, self.spec.name)
        if stride is not None and stride != chosen.stride:
            network = self._at_stride(network, images[:1], chosen, stride)
        at_once = len(images)
        if self.device.type == "cpu":
            at_once = max(1, PIXELS_AT_ONCE // (images.shape[2] * images.shape[3]))
        parts = []
        with torch.inference_mode(), arithmetic(self.spec.precision, self.device):
            for part in images.split(at_once):
                found = dict(maps_of(network, self._normalised(part), self.spec.name))
                parts.append(found[chosen.name].float())
        return torch.cat(parts)

    def map_layers(self, height: int | None = None, width: int | None = None) -> tuple[MapLayer, ...]:
        """The layers that `maps` can read, from the first to the last.

        Args:
            height: Of the images; None for the model's own size.
            width: Likewise.

        Raises:
            VitobenchError: As for `maps`.
        """
        size = self.spec.preprocessing.size
        return self._mapped(height or size, width or size)[1]

    def _mapped(self, height: int, width: int) -> tuple[nn.Module, tuple[MapLayer, ...]]:
        """The network for images of a size, and its layers; the last size is kept."""
        if self._mapping is None or self._mapping[0] != (height, width):
            with torch.inference_mode(False), torch.no_grad():
                try:
                    network = at_size(self._ready(), height, width)
                except VitobenchError as error:
                    raise VitobenchError(f"{self.spec.name}: {error}.") from None
            grey = torch.full((1, 3, height, width), 127, dtype=torch.uint8)
            with torch.inference_mode(), arithmetic(self.spec.precision, self.device):
                layers = describe(maps_of(network, self._normalised(grey), self.spec.name), height, width)
            self._mapping, self._finer = ((height, width), network, layers), {}
        return self._mapping[1], self._mapping[2]

    def _at_stride(self, network: nn.Module, image: torch.Tensor, layer: MapLayer, stride: int) -> nn.Module:
        key = (layer.name, stride)
        if key not in self._finer:
            with torch.inference_mode(False), torch.no_grad():
                self._finer[key] = finer(network, self._normalised(image), layer, stride, self.spec.name)
        return self._finer[key]

    @property
    def network(self) -> nn.Module:
        """The plain network, in evaluation mode. It belongs to the model: copy it before changing it."""
        return self._network

    def differentiable(self, images: torch.Tensor) -> tuple[nn.Module, torch.Tensor]:
        """The plain network, without folded normalisations, and its input, to compute gradients with.

        Args:
            images: As for `logits`.

        Returns:
            The network in evaluation mode, without gradients of its own parameters, and the normalised images, a
            float32 leaf (N, 3, size, size) on `device` that requires a gradient.

        Raises:
            ValueError: As for `logits`.
        """
        self._check(images)
        return self._network, self._normalised(images).requires_grad_()

    def _answers(self, images: torch.Tensor, ask: Callable[[Any, torch.Tensor], torch.Tensor]) -> torch.Tensor:
        self._check(images)
        at_once = len(images)
        if self.device.type == "cpu":
            at_once = max(1, PIXELS_AT_ONCE // self.spec.preprocessing.size**2)
        network = self._ready()
        with arithmetic(self.spec.precision, self.device):
            return torch.cat([ask(network, self._normalised(part)).float() for part in images.split(at_once)])

    def _ready(self) -> nn.Module:
        """The network in the form that is fastest on its device."""
        check_precision(self.spec.precision, self.device)
        if self.device.type != "cpu" or self.spec.precision != "float32":
            return self._network
        if self._folded is None:
            size = self.spec.preprocessing.size
            probe = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(0))
            self._folded = fold_batch_norms(self._network, probe)
        return self._folded

    def _check(self, images: torch.Tensor) -> None:
        size = self.spec.preprocessing.size
        if not isinstance(images, torch.Tensor):
            raise ValueError(self._expectation(f"a {type(images).__name__}"))
        if images.dtype != torch.uint8 or images.shape[1:] != (3, size, size) or len(images) == 0:
            raise ValueError(self._expectation(f"{images.dtype} of shape {tuple(images.shape)}"))

    def _normalised(self, images: torch.Tensor) -> torch.Tensor:
        # Three in-place operations on one new tensor, with the order and rounding of torchvision's ToTensor and
        # Normalize.
        x = images.to(self.device).to(torch.float32, memory_format=self._layout)
        return x.div_(255.0).sub_(self._mean).div_(self._std)

    def _expectation(self, actual: str) -> str:
        size = self.spec.preprocessing.size
        return (
            f"{self.spec.name} expects a torch.uint8 tensor of shape (N, 3, {size}, {size}) with N >= 1; got {actual}"
        )
