"""The published VITO and its image-pretrained twin, from Brain-Score's public store.

Names in the files are torchvision's for a ResNet-50, with ``avgpool.module_list`` for the attention, according to
``models/resnet50_VITO_8deg_cc`` in brain-score/vision. Like its loader, this one ignores unknown entries.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...caches import user_cache
from ...identity import file_digest
from ...tasks.download.publication import RemoteFile
from ..spec import ModelSpec, Preprocessing
from ..training_data import IN1K, WEB
from .source import ModelRow, Source, WeightsFolder

if TYPE_CHECKING:
    from torch import Tensor, nn

_STORE = "https://brainscore-storage.s3.amazonaws.com/brainscore-vision/models"
_TRAINED = re.compile(r"^(conv1|bn1|layer[1-4])\.")
_ATTENTION = re.compile(r"^(?:avgpool|attnpool|attn|attention|spatial_attn|pool)\.(?:module_list\.|layers\.)?(\d+)\.")
_CLASSIFIER = re.compile(r"^(?:fc|linear|head|classifier)\.(weight|bias)$")


@dataclass(frozen=True)
class Released:
    """A published model.

    Attributes:
        file: Its weights.
        architecture: An architecture of `vitobench.models.networks.build`.
        training_data: What it was trained on.
        description: One line.
        baseline: Name of the model to compare with, or None.
        training_class: See `ModelSpec`.
    """

    file: RemoteFile
    architecture: str
    training_data: str
    description: str
    baseline: str | None
    training_class: str


RELEASED = {
    "vito-videonet": Released(
        RemoteFile(
            f"{_STORE}/resnet50-VITO-8deg-cc/resnet50_vito_linear_sdattn.pth",
            "resnet50_vito_linear_sdattn.pth",
            sha1="2103a1941017fdb5f58ac77e5587e7a73cd96bd8",
        ),
        "resnet50/attention",
        "VideoNet, without labels; a linear classifier on ImageNet-1k",
        "VITO as published: ResNet-50 with attention pooling, pretrained on video",
        "moclr-imagenet",
        WEB,
    ),
    "moclr-imagenet": Released(
        RemoteFile(
            f"{_STORE}/resnet50-moclr8deg/resnet50_moclr_linear_sdnoattn.pth",
            "resnet50_moclr_linear_sdnoattn.pth",
            sha1="e09f117c8e10c0a38ac914aff5b335327fcd4dbf",
        ),
        "resnet50/average",
        "ImageNet-1k, without labels; a linear classifier on ImageNet-1k",
        "MoCLR as published beside VITO: ResNet-50, pretrained on images",
        None,
        IN1K,
    ),
}


def weights_file(name: str) -> Path:
    """Path of a model's weights, in ``$VITOBENCH_CACHE`` or ``~/.cache/vitobench``; the file may not exist yet."""
    return _folder() / RELEASED[name].file.name


def _folder() -> Path:
    return Path(os.environ.get("VITOBENCH_CACHE") or user_cache() / "vitobench") / "models"


def translated(state: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename published entries to those of our network; entries without a counterpart are left out.

    Args:
        state: Published entries, with torchvision's names and an optional prefix such as ``resnet.``.
        own: The network's entries. A 1x1 convolution that is stored as a matrix is reshaped.
    """
    entries = {}
    layers = sorted({int(match[1]) for name in map(_bare, state) if (match := _ATTENTION.match(name))})
    for name, value in state.items():
        bare = _bare(name)
        if _TRAINED.match(bare):
            place = f"backbone.{bare}"
        elif match := _ATTENTION.match(bare):
            # Use the rank of the layer's number: numbers in the file may or may not count the non-linearities.
            place = f"pool.scales.0.score.{2 * layers.index(int(match[1]))}.{bare.rpartition('.')[2]}"
        elif match := _CLASSIFIER.match(bare):
            place = f"head.{match[1]}"
        else:
            continue
        if place in own:
            matrix = own[place].ndim == 4 and value.ndim == 2 and own[place].numel() == value.numel()
            entries[place] = value.reshape(own[place].shape) if matrix else value
    return entries


def _bare(name: str) -> str:
    return re.sub(r"^(?:module\.|model\.|resnet\.|backbone\.|encoder\.)+", "", name)


class ReleasedSource(Source):
    """Published models whose weights are downloaded once."""

    name = "released"

    def names(self) -> list[str]:
        """The keys of `RELEASED`."""
        return list(RELEASED)

    def listing(self) -> list[ModelRow]:
        """A row for each model, without network access; the description says whether the weights are downloaded."""
        return [self._row(name, model) for name, model in RELEASED.items()]

    def downloads_to(self) -> WeightsFolder:
        """Vitobench's own cache."""
        return WeightsFolder("weights of published models", _folder(), "VITOBENCH_CACHE")

    def _row(self, name: str, model: Released) -> ModelRow:
        downloaded = weights_file(name).is_file()
        description = (
            model.description if downloaded else f"{model.description}; its weights are fetched when it is first used"
        )
        return ModelRow(name, self.name, "imagenet-1k", model.training_data, "not stated", model.baseline, description)

    def resolve(self, name: str) -> ModelSpec:
        """Describe a published model. Its weights are downloaded once, because their hash is part of the description.

        Args:
            name: A key of `RELEASED`.

        Raises:
            DataError: The weights cannot be downloaded, or are not the published ones. The message says what to do.
        """
        from ...tasks.download.fetch import fetch

        released = RELEASED[name]
        path = fetch(released.file, weights_file(name))
        return ModelSpec(
            name=name,
            source=self.name,
            architecture=released.architecture,
            preprocessing=Preprocessing(),
            label_space="imagenet-1k",
            weights_hash=file_digest(path),
            training_data=released.training_data,
            licence="not stated",
            baseline=released.baseline,
            description=released.description,
            extra={"weights": released.file.url},
            training_class=released.training_class,
        )

    def build(self, spec: ModelSpec) -> nn.Module:
        """Build the network of a published model, with its weights.

        Raises:
            CheckpointError: The file changed, or does not fit the architecture.
        """
        from ..networks import build as build_network
        from ..state_dicts import fit, read_state_dict

        path = weights_file(spec.name)
        state = read_state_dict(path)
        spec.check_weights(file_digest(path), str(path))
        network = build_network(spec.architecture, 1000)
        fit(network, translated(state, network.state_dict()), str(path))
        return network


SOURCE = ReleasedSource()
