"""Models of torchvision, with its weights and their preprocessing: ``torchvision:NAME``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...caches import user_cache
from ...errors import VitobenchError, unknown_name
from ..spec import ModelSpec, Preprocessing
from ..training_data import of_torchvision
from ..zoo_card import label_space_of, triple
from .source import Source, WeightsFolder

if TYPE_CHECKING:
    from torch import nn

PREFIX = "torchvision:"

_SPECS: dict[str, ModelSpec] = {}


def _weights(name: str) -> tuple[str, Any]:
    import torchvision

    architecture, _, weights_name = name.removeprefix(PREFIX).partition(".")
    classifiers = _classifiers()
    if architecture not in classifiers:
        raise unknown_name("torchvision classifier", architecture, classifiers)
    choices = torchvision.models.get_model_weights(architecture)
    if weights_name and weights_name not in choices.__members__:
        raise unknown_name(f"set of weights of {architecture}", weights_name, choices.__members__)
    return architecture, choices[weights_name] if weights_name else choices.DEFAULT


def _classifiers() -> list[str]:
    import torchvision

    names: list[str] = torchvision.models.list_models(module=torchvision.models)
    return names


def _fetch(name: str) -> nn.Module:
    import torch
    import torchvision

    architecture, weights = _weights(name)
    try:
        return torchvision.models.get_model(architecture, weights=weights, progress=False).eval()
    except Exception as error:  # URLError, a wrong hash, a full disk, ...
        raise VitobenchError(
            f"The weights of {name} could not be fetched ({type(error).__name__}: {error}). Without a network, put "
            f"the file of {weights.url} into torch's hub folder ({torch.hub.get_dir()}/checkpoints), or name a file of "
            "your own with file:PATH?arch=timm:NAME."
        ) from error


class TorchvisionSource(Source):
    """Classifiers of torchvision."""

    name = "torchvision"
    prefix = PREFIX
    form = "torchvision:NAME"
    about = "any classifier of torchvision, fetched over the network"
    libraries = ("torchvision",)

    def complete_after_prefix(self, typed: str) -> list[str]:
        """Names of torchvision's classifiers; imports torchvision."""
        return [name for name in _classifiers() if name.startswith(typed)]

    def downloads_to(self) -> WeightsFolder:
        """The folder of torch.hub."""
        home = Path(os.environ.get("TORCH_HOME") or user_cache() / "torch")
        return WeightsFolder("weights of torchvision", home / "hub", "TORCH_HOME")

    def encoder(self, architecture: str) -> nn.Module:
        """An untrained classifier of torchvision; its features are only available through the classifier.

        Raises:
            UnknownNameError: torchvision has no such classifier.
        """
        import torchvision

        from ..state_dicts import TorchvisionNetwork

        name = architecture.removeprefix(PREFIX)
        if name not in _classifiers():
            raise unknown_name("torchvision classifier", name, _classifiers())
        return TorchvisionNetwork(torchvision.models.get_model(name, weights=None), 1000)

    def resolve(self, name: str) -> ModelSpec:
        """Describe a torchvision classifier. Its weights are downloaded, because their hash is part of the description.

        Args:
            name: ``torchvision:NAME`` for torchvision's default weights, or ``torchvision:NAME.WEIGHTS``, for instance
                ``torchvision:resnet50.IMAGENET1K_V1``.

        Returns:
            The description; it is cached in memory.

        Raises:
            UnknownNameError: torchvision has no such classifier, or no such weights for it.
            CheckpointError: It is not a classifier with a known label space.
            VitobenchError: The weights could not be downloaded.
        """
        if name not in _SPECS:
            import torchvision

            from ..state_dicts import tensors_digest

            architecture, weights = _weights(name)
            count = len(weights.meta["categories"])
            transforms = weights.transforms()
            _SPECS[name] = ModelSpec(
                name=name,
                source=self.name,
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
                training_class=of_torchvision(weights.name),
            )
        return _SPECS[name]

    def build(self, spec: ModelSpec) -> nn.Module:
        """Build the network of a torchvision classifier, with its weights.

        Raises:
            CheckpointError: The weights have changed since the description.
            VitobenchError: See `resolve`.
        """
        from ..state_dicts import TorchvisionNetwork, tensors_digest

        network = _fetch(spec.name)
        spec.check_weights(tensors_digest(network.state_dict()), spec.name)
        return TorchvisionNetwork(network, len(_weights(spec.name)[1].meta["categories"]))


SOURCE = TorchvisionSource()
