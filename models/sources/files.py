"""Checkpoints on disk: ``file:PATH``, or ``file:PATH?arch=timm:NAME`` where the file does not say what it is."""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import CheckpointError
from ...identity import file_digest
from ..spec import ModelSpec
from ..zoo_card import ZooCard, label_space_of
from .safetensors_header import embedded_card, looks_like_safetensors

if TYPE_CHECKING:
    from torch import nn

PREFIX = "file:"

_ARCH = "?arch="
_TIMM = "timm:"


@dataclass(frozen=True)
class FileName:
    """A ``file:`` name taken apart.

    Attributes:
        path: The checkpoint.
        architecture: timm's name of the architecture (perhaps with a tag, which then chooses the preprocessing), or
            None where the file has to carry a card.
    """

    path: Path
    architecture: str | None

    @classmethod
    def parse(cls, name: str) -> FileName:
        """Take a name apart.

        Raises:
            CheckpointError: No path, or an architecture that is not one of timm.
        """
        text, found, arch = name.removeprefix(PREFIX).rpartition(_ARCH)
        path = text if found else arch
        if not path:
            raise CheckpointError(f"{name!r} names no file; write {PREFIX}PATH or {PREFIX}PATH{_ARCH}{_TIMM}NAME.")
        if found and (not arch.startswith(_TIMM) or arch == _TIMM):
            raise CheckpointError(
                f"The architecture {arch!r} in {name!r} is not understood; write {_ARCH[1:]}{_TIMM}NAME, for instance "
                f"{PREFIX}{path}{_ARCH}{_TIMM}resnet50."
            )
        return cls(Path(path).expanduser(), arch.removeprefix(_TIMM) if found else None)


def resolve(name: str) -> ModelSpec:
    """Describe a checkpoint. A file with a card needs no torch for that; others are read for their classifier.

    Args:
        name: ``file:PATH`` for a safetensors file with a card in its metadata, else ``file:PATH?arch=timm:NAME``. An
            architecture that is named wins over a card.

    Returns:
        The description; its weights hash is that of the file.

    Raises:
        CheckpointError: The file is missing, damaged, unsafe to open, or does not say what it is.
        UnknownNameError: timm has no architecture of that name.
    """
    parts = FileName.parse(name)
    if parts.architecture is None:
        return _card(parts.path).spec(name, "file", file_digest(parts.path))
    from .state_dicts import read_state_dict
    from .timm_models import preprocessing_of

    cfg = _timm_config(parts.architecture, name)
    count = _num_classes(read_state_dict(parts.path), cfg, parts)
    return ModelSpec(
        name=name,
        source="file",
        architecture=_TIMM + str(cfg["architecture"]),
        preprocessing=preprocessing_of(cfg, name),
        label_space=label_space_of(count, str(parts.path)),
        weights_hash=file_digest(parts.path),
        description=f"{parts.path.name} as timm's {parts.architecture}",
        extra={"preprocessing_of": f"{cfg['architecture']}.{cfg.get('tag') or 'default'}", **_library()},
    )


def still_describes(spec: ModelSpec) -> bool:
    """Whether an earlier description of a file holds: the same bytes, read by the same version of timm.

    Spares the reading of the weights and the import of torch and timm; the file is hashed.
    """
    parts = FileName.parse(spec.name)
    if parts.architecture is None or any(spec.extra.get(key) != version for key, version in _library().items()):
        return False
    return parts.path.is_file() and file_digest(parts.path) == spec.weights_hash


def _library() -> dict[str, str]:
    return {"timm": importlib.metadata.version("timm")}


def build(spec: ModelSpec) -> nn.Module:
    """Build the network of a checkpoint.

    Raises:
        CheckpointError: The file changed after it was described, is damaged, or does not fit its architecture.
    """
    parts = FileName.parse(spec.name)
    from .state_dicts import check_file, fit, read_state_dict

    check_file(parts.path)
    if file_digest(parts.path) != spec.weights_hash:
        raise CheckpointError(f"{parts.path} changed after the model was described; start again.")
    if parts.architecture is None:
        from .zoo import build_from_card

        return build_from_card(_card(parts.path), parts.path)
    import timm

    from .timm_models import TimmNetwork

    state = read_state_dict(parts.path)
    cfg = _timm_config(parts.architecture, spec.name)
    network = timm.create_model(parts.architecture, pretrained=False, num_classes=_num_classes(state, cfg, parts))
    fit(network, state, str(parts.path))
    return TimmNetwork(network)


def _card(path: Path) -> ZooCard:
    if not path.is_file() or path.stat().st_size == 0:
        from .state_dicts import check_file  # has the words for it

        check_file(path)
    text = embedded_card(path) if path.suffix == ".safetensors" or looks_like_safetensors(path) else None
    if text is None:
        raise CheckpointError(
            f"{path} does not say which architecture it is for: it has no vitobench card. Name one of timm's: "
            f"{PREFIX}{path}{_ARCH}{_TIMM}NAME, for instance {_ARCH[1:]}{_TIMM}resnet50."
        )
    return ZooCard.parse(text, str(path))


def _timm_config(architecture: str, name: str) -> dict[str, Any]:
    import timm

    from .timm_models import check_name

    check_name(architecture, name)
    cfg = timm.models.get_pretrained_cfg(architecture)
    return {} if cfg is None else cfg.to_dict()


def _num_classes(state: dict[str, Any], cfg: dict[str, Any], parts: FileName) -> int:
    classifier = cfg.get("classifier")
    first = classifier[0] if isinstance(classifier, (tuple, list)) else classifier
    weight = state.get(f"{first}.weight")
    if weight is None:
        raise CheckpointError(
            f"{parts.path} has no classifier ({first}.weight), which {parts.architecture} ends in; its entries begin "
            f"{', '.join(list(state)[:3])}. A backbone without a classifier cannot be scored, and another "
            "architecture needs another name after arch=timm:."
        )
    return int(weight.shape[0])
