"""A loaded model, ready to predict."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import nn

from ..errors import VitobenchError
from .cpu_tuning import keep_freed_memory
from .folding import fold_batch_norms
from .precision import arithmetic, check_precision
from .spec import ModelSpec

PIXELS_AT_ONCE = 8 * 224 * 224
"""On a CPU a batch is computed in parts of this many pixels. Larger parts are not faster in the main thread, and two to
three times slower in other threads, where glibc does not keep freed memory for tensors above 64 MB."""


class Network(Protocol):
    """The interface of the networks that sources build: a ``torch.nn.Module`` on normalised float32 images."""

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
    another memory layout is used, and a large batch is computed in parts (logits are within `folding.TOLERANCE` of the
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
