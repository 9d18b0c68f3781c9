"""Models of torchvision, with its weights and the preprocessing that belongs to them: ``torchvision:NAME``."""

from __future__ import annotations

from typing import Any

import torch
import torchvision
from torch import nn

from ...errors import CheckpointError, VitobenchError, unknown_name
from ..spec import ModelSpec, Preprocessing
from ..zoo_card import label_space_of, triple
from .state_dicts import tensors_digest

PREFIX = "torchvision:"

_SPECS: dict[str, ModelSpec] = {}


class TorchvisionNetwork(nn.Module):
    """A torchvision classifier with the two methods that `Model` needs.

    torchvision has no common way to ask for features; what enters the last layer with one output per class is the
    same thing for all of its classifiers.
    """

    def __init__(self, network: nn.Module, num_classes: int) -> None:
        super().__init__()
        self.network = network
        self._captured: torch.Tensor | None = None
        layers = [m for m in network.modules() if _outputs(m) == num_classes]
        if not layers:
            raise CheckpointError(f"{type(network).__name__} has no layer with {num_classes} outputs.")
        layers[-1].register_forward_pre_hook(self._capture)

    def _capture(self, module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        self._captured = inputs[0]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of shape (N, K)."""
        logits = self.network(x)
        self._captured = None  # not kept alive between batches
        return logits

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """What the last layer sees, of shape (N, D); averaged over space where that layer is a convolution."""
        self.network(x)
        seen, self._captured = self._captured, None
        if seen is None:
            raise CheckpointError(f"{type(self.network).__name__} did not use its last layer.")
        return seen.mean((2, 3)) if seen.ndim == 4 else seen


def resolve(name: str) -> ModelSpec:
    """Describe a torchvision classifier. Its weights are fetched, since their hash is part of the description.

    Args:
        name: ``torchvision:NAME`` for torchvision's default weights, or ``torchvision:NAME.WEIGHTS``, for instance
            ``torchvision:resnet50.IMAGENET1K_V1``.

    Returns:
        The description; kept in memory, so that a second call is free.

    Raises:
        UnknownNameError: torchvision has no such classifier or no such weights of it.
        CheckpointError: Not a classifier of a known label space.
        VitobenchError: The weights could not be fetched.
    """
    if name not in _SPECS:
        architecture, weights = _weights(name)
        count = len(weights.meta["categories"])
        transforms = weights.transforms()
        _SPECS[name] = ModelSpec(
            name=name,
            source="torchvision",
            architecture=PREFIX + architecture,
            preprocessing=Preprocessing(
                int(transforms.crop_size[0]),
                int(transforms.resize_size[0]),
                str(transforms.interpolation.value),
                triple(transforms.mean),
                triple(transforms.std),
            ),
            label_space=label_space_of(count, name),
            weights_hash=tensors_digest(_fetch(name).state_dict()),
            training_data=f"see {weights.meta.get('recipe', 'the documentation of torchvision')}",
            licence=str(weights.meta.get("license", "see the documentation of torchvision")),
            description=f"{architecture} of torchvision with the weights {weights.name}",
            extra={"torchvision": torchvision.__version__, "weights": str(weights)},
        )
    return _SPECS[name]


def build(spec: ModelSpec) -> nn.Module:
    """Build the network of a torchvision classifier, with its weights.

    Raises:
        CheckpointError: The weights are no longer those of the description.
        VitobenchError: See `resolve`.
    """
    network = _fetch(spec.name)
    if tensors_digest(network.state_dict()) != spec.weights_hash:
        raise CheckpointError(f"The weights of {spec.name} changed after the model was described; start again.")
    return TorchvisionNetwork(network, len(_weights(spec.name)[1].meta["categories"]))


def _weights(name: str) -> tuple[str, Any]:
    architecture, _, wanted = name.removeprefix(PREFIX).partition(".")
    classifiers = torchvision.models.list_models(module=torchvision.models)
    if architecture not in classifiers:
        raise unknown_name("torchvision classifier", architecture, classifiers)
    choices = torchvision.models.get_model_weights(architecture)
    if wanted and wanted not in choices.__members__:
        raise unknown_name(f"set of weights of {architecture}", wanted, choices.__members__)
    return architecture, choices[wanted] if wanted else choices.DEFAULT


def _fetch(name: str) -> nn.Module:
    architecture, weights = _weights(name)
    try:
        return torchvision.models.get_model(architecture, weights=weights, progress=False).eval()
    except Exception as error:  # URLError, a wrong hash, a full disk, ...
        raise VitobenchError(
            f"The weights of {name} could not be fetched ({type(error).__name__}: {error}). Without a network, put "
            f"the file of {weights.url} into torch's hub folder ({torch.hub.get_dir()}/checkpoints), or name a file of "
            "your own with file:PATH?arch=timm:NAME."
        ) from error


def _outputs(module: nn.Module) -> int | None:
    if isinstance(module, nn.Linear):
        return module.out_features
    return module.out_channels if isinstance(module, nn.Conv2d) else None
