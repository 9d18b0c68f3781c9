"""Models of torchvision, with its weights and their preprocessing: ``torchvision:NAME``."""

from __future__ import annotations

import importlib.metadata
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...caches import user_cache
from ...errors import CheckpointError, VitobenchError, unknown_name
from ..spec import ModelSpec, Preprocessing
from ..training_data import of_torchvision
from ..zoo_card import label_space_of, triple
from .source import Architecture, Source, WeightsFolder

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


def _preprocessing(weights: Any) -> Preprocessing:
    transforms = weights.transforms()
    return Preprocessing(
        int(transforms.crop_size[0]),
        int(transforms.resize_size[0]),
        str(transforms.interpolation.value),
        triple(transforms.mean),
        triple(transforms.std),
    )


def _of_checkpoint(name: str, sha256: str) -> Preprocessing:
    """The preprocessing of a checkpoint: of the weights named, of those whose file it is, or of all there are.

    Raises:
        CheckpointError: It is none of torchvision's files, and their sets of weights differ in preprocessing.
    """
    import torchvision

    architecture, named = _weights(name)
    if "." in name.removeprefix(PREFIX):
        return _preprocessing(named)
    every = list(torchvision.models.get_model_weights(architecture))
    # torch.hub puts the first digits of a file's hash at the end of its name.
    for weights in every:
        if sha256.startswith(weights.url.rpartition("-")[2].partition(".")[0]):
            return _preprocessing(weights)
    if len({_preprocessing(weights) for weights in every}) > 1:
        choices = " or ".join(f"arch={PREFIX}{architecture}.{weights.name}" for weights in every)
        sizes = "; ".join(f"{w.name}: {p.size} from {p.resize}" for w in every for p in (_preprocessing(w),))
        raise CheckpointError(
            f"torchvision evaluates its weights of {architecture} with different preprocessing ({sizes}), and this "
            f"file is none of them. Choose one: {choices}."
        )
    return _preprocessing(named)


def _classifier(network: nn.Module, classes: int) -> str:
    """Name of the last layer with one output for each class."""
    from ..state_dicts import outputs_of

    return [name for name, module in network.named_modules() if outputs_of(module) == classes][-1]


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

    def architecture(self, name: str) -> Architecture:
        """A classifier of torchvision for a checkpoint: ``torchvision:NAME`` or ``torchvision:NAME.WEIGHTS``.

        The weights named only choose the preprocessing.

        Raises:
            UnknownNameError: torchvision has no such classifier.
        """
        import torch
        import torchvision

        from ..state_dicts import TorchvisionNetwork

        architecture, _ = _weights(name)

        def network(classes: int) -> nn.Module:
            options = {"init_weights": False} if architecture in ("googlenet", "inception_v3") else {}
            built: nn.Module = torchvision.models.get_model(architecture, weights=None, num_classes=classes, **options)
            return built

        with torch.device("meta"):
            head = _classifier(network(1000), 1000)
        return Architecture(
            name=PREFIX + architecture,
            heads=(head,),
            network=network,
            wrap=TorchvisionNetwork,
            preprocessing=lambda sha256, size: _of_checkpoint(name, sha256),
            facts={"torchvision": importlib.metadata.version("torchvision")},
        )

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
            _SPECS[name] = ModelSpec(
                name=name,
                source=self.name,
                architecture=PREFIX + architecture,
                preprocessing=_preprocessing(weights),
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
