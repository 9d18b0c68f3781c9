"""Checkpoints: ``file:PATH``, or ``file:PATH?arch=timm:NAME&weights=SET`` where the file alone says less."""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from ...errors import CheckpointError, VitobenchError
from ...files import home_path
from ...identity import digest, file_digest
from ...text import restored
from ..spec import WEIGHTS_NOTE, ModelSpec
from ..zoo_card import ZooCard, label_space_of
from .safetensors_header import embedded_card, looks_like_safetensors
from .source import Source

if TYPE_CHECKING:
    from torch import nn

    from .weight_sets import Chosen

PREFIX = "file:"

_ARCH = "?arch="
_WEIGHTS = "?weights="
_TIMM = "timm:"
_SUFFIXES = (".safetensors", ".pt", ".pth", ".ckpt", ".tar", ".bin")
"""How names of checkpoints usually end; completion offers these, and a file of any other name is read as well."""
_ANY_COUNT = 1000  # classes of the network that names are compared with, before the file tells how many it has


@dataclass(frozen=True)
class FileName:
    """A ``file:`` name taken apart.

    Attributes:
        path: The checkpoint.
        architecture: timm's name of the architecture (perhaps with a tag, which then chooses the preprocessing), or
            None where the file has to carry a card.
        weights: Which of several sets of weights in the file; None leaves the choice to the file.
    """

    path: Path
    architecture: str | None
    weights: str | None = None

    @classmethod
    def parse(cls, name: str) -> FileName:
        """Take a name apart.

        Raises:
            CheckpointError: No path, an unknown option, or an architecture that is not one of timm.
        """
        path, options = _split(name)
        if not path:
            raise CheckpointError(f"{name!r} names no file; write {PREFIX}PATH or {PREFIX}PATH{_ARCH}{_TIMM}NAME.")
        if _ARCH in path or _WEIGHTS in path:
            raise CheckpointError(
                f"{name!r} has two question marks; join options by &: {_ARCH}{_TIMM}NAME&weights=SET."
            )
        found: dict[str, str] = {}
        for option in options.split("&") if options else ():
            key, _, value = option.partition("=")
            if key not in ("arch", "weights") or key in found or not value:
                raise CheckpointError(
                    f"The option {option!r} in {name!r} is not understood; valid are arch={_TIMM}NAME and weights=SET, "
                    f"each once and joined by &: {PREFIX}PATH{_ARCH}{_TIMM}resnet50&weights=ema."
                )
            found[key] = value
        arch = found.get("arch")
        if arch is not None and (not arch.startswith(_TIMM) or arch == _TIMM):
            raise CheckpointError(
                f"The architecture {arch!r} in {name!r} is not understood; write {_ARCH[1:]}{_TIMM}NAME, for instance "
                f"{PREFIX}{path}{_ARCH}{_TIMM}resnet50."
            )
        weights = found.get("weights")
        return cls(
            _path(path, name),
            None if arch is None else arch.removeprefix(_TIMM),
            None if weights is None else unquote(weights),
        )


def _split(name: str) -> tuple[str, str]:
    """The path of a name as typed, and its options without their question mark."""
    text = name.removeprefix(PREFIX)
    start = max(text.rfind(_ARCH), text.rfind(_WEIGHTS))
    return (text, "") if start < 0 else (text[:start], text[start + 1 :])


def name_of(path: Path | str) -> str:
    """The name of a checkpoint that carries its card, as ``--model`` takes it."""
    return f"{PREFIX}{path}"


def _path(text: str, name: str) -> Path:
    """The file of a name as it is typed or, in records and tables, as `printable` shows it.

    Raises:
        VitobenchError: No path can be of this form, or there is a file of either name.
    """
    if "\0" in text:
        raise CheckpointError(f"{name!r} holds a null character, which no path has.")
    typed, meant = home_path(text), home_path(restored(text))
    try:
        if typed == meant or not meant.exists():
            return typed
        both = typed.exists()
    except OSError:  # a name that is too long; opening it says so
        return typed
    if both:
        raise CheckpointError(f"{typed} may be this file or one whose name is not UTF-8; rename one of them.")
    return meant


def _library() -> dict[str, str]:
    return {"timm": importlib.metadata.version("timm")}


def _digest(path: Path) -> str:
    try:
        return file_digest(path)
    except OSError as error:
        raise CheckpointError(f"The checkpoint {str(path)!r} cannot be read: {error.strerror or error}.") from None


def _hash(file: str, chosen: Chosen) -> str:
    """The weights hash; a file alone does not tell which of its sets was used."""
    return file if chosen.plain or not chosen.others else digest([file, chosen.weights.name])


def _card(path: Path) -> ZooCard:
    try:
        there = path.is_file() and path.stat().st_size > 0
        safe = there and (path.suffix == ".safetensors" or looks_like_safetensors(path))
        text = embedded_card(path) if safe else None
    except OSError:
        there = False
    if not there:
        from .torch_files import check_file  # has the words for it

        check_file(path)
        raise CheckpointError(f"The checkpoint {str(path)!r} cannot be read.")
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


def _weights(parts: FileName, cfg: dict[str, Any]) -> tuple[Chosen, int]:
    """The weights of an architecture of timm in a file, and how many classes they have."""
    import timm

    from .state_dicts import check_fit, read_checkpoint, skeleton
    from .weight_sets import choose, shown

    def network(classes: int) -> nn.Module:
        made: nn.Module = timm.create_model(str(parts.architecture), pretrained=False, num_classes=classes)
        return made

    classifier = cfg.get("classifier")
    heads = tuple(classifier) if isinstance(classifier, (tuple, list)) else (str(classifier),)
    where = str(parts.path)
    loaded = read_checkpoint(parts.path)
    own = skeleton(lambda: network(_ANY_COUNT))
    chosen = choose(loaded, own, heads, parts.weights, where, str(parts.architecture))
    tensors = chosen.weights.tensors
    weight = tensors.get(f"{heads[0]}.weight")
    if weight is None or weight.ndim == 0:
        if any(name not in tensors and not name.startswith(tuple(f"{head}." for head in heads)) for name in own):
            check_fit(own, tensors, where)
        raise CheckpointError(
            f"{parts.path} has no classifier ({heads[0]}.weight), which {parts.architecture} ends in; its entries "
            f"begin {shown(list(tensors))}. A backbone without a classifier cannot be scored, and another "
            "architecture needs another name after arch=timm:."
        )
    count = int(weight.shape[0])
    label_space_of(count, where)
    check_fit(own if count == _ANY_COUNT else skeleton(lambda: network(count)), tensors, where)
    return chosen, count


class FileSource(Source):
    """Checkpoints of the user."""

    name = "file"
    prefix = PREFIX
    form = "file:PATH"
    about = "a checkpoint of your own; file:PATH?arch=timm:NAME where it does not say what it is"
    can_reuse = True

    def file_of(self, name: str) -> Path:
        """The file as it is typed, without looking whether it is there."""
        return Path(_split(name)[0])

    def complete_after_prefix(self, typed: str) -> list[str]:
        """Folders and checkpoints below the folder that is typed so far."""
        folder, slash, start = typed.rpartition("/")
        try:
            entries = sorted(home_path(folder + slash or ".").iterdir())
            return [
                f"{folder}{slash}{path.name}{'/' if path.is_dir() else ''}"
                for path in entries
                if path.name.startswith(start)
                and path.name.startswith(".") == start.startswith(".")
                and (path.is_dir() or path.suffix in _SUFFIXES)
            ]
        except (OSError, VitobenchError):
            return []

    def resolve(self, name: str) -> ModelSpec:
        """Describe a checkpoint. A file with a card needs no torch for that; others are read for their weights.

        Args:
            name: ``file:PATH`` for a safetensors file with a card in its metadata, else ``file:PATH?arch=timm:NAME``.
                An architecture that is named wins over a card. ``weights=SET`` chooses among several sets of weights.

        Returns:
            The description; its weights hash is that of the file. Of a file with several sets of weights it covers the
            name of the set, too, unless that is the plain one, which earlier versions took without asking.

        Raises:
            CheckpointError: The file is missing, damaged, unsafe to open, does not say what it is, or does not fit the
                architecture.
            UnknownNameError: timm has no architecture of that name.
        """
        parts = FileName.parse(name)
        if parts.architecture is None:
            card = _card(parts.path)
            found = _digest(parts.path)
            return card.spec(name, self.name, found if parts.weights is None else digest([found, parts.weights]))
        from .timm_models import preprocessing_of

        cfg = _timm_config(parts.architecture, name)
        preprocessing = preprocessing_of(cfg, name)
        chosen, count = _weights(parts, cfg)
        several = f", weights {chosen.weights.name}" if chosen.others else ""
        return ModelSpec(
            name=name,
            source=self.name,
            architecture=_TIMM + str(cfg["architecture"]),
            preprocessing=preprocessing,
            label_space=label_space_of(count, str(parts.path)),
            weights_hash=_hash(_digest(parts.path), chosen),
            description=f"{parts.path.name} as timm's {parts.architecture}{several}",
            extra={
                "preprocessing_of": f"{cfg['architecture']}.{cfg.get('tag') or 'default'}",
                "crop_mode": preprocessing.crop_mode,
                "weights": chosen.weights.name,
                **({WEIGHTS_NOTE: chosen.note} if chosen.note else {}),
                **_library(),
            },
        )

    def build(self, spec: ModelSpec) -> nn.Module:
        """Build the network of a checkpoint.

        Raises:
            CheckpointError: The file changed after it was described, is damaged, or does not fit its architecture.
        """
        parts = FileName.parse(spec.name)
        from .torch_files import check_file

        check_file(parts.path)
        changed = CheckpointError(f"{parts.path} changed after the model was described; start again.")
        found = _digest(parts.path)
        if parts.architecture is None:
            if spec.weights_hash != (found if parts.weights is None else digest([found, parts.weights])):
                raise changed
            from .zoo import build_from_card

            return build_from_card(_card(parts.path), parts.path, parts.weights)
        import timm

        from .adapters import TimmNetwork
        from .state_dicts import fit

        chosen, count = _weights(parts, _timm_config(parts.architecture, spec.name))
        if spec.weights_hash != _hash(found, chosen):
            raise changed
        network = timm.create_model(parts.architecture, pretrained=False, num_classes=count)
        fit(network, chosen.weights.tensors, str(parts.path))
        return TimmNetwork(network)

    def still_describes(self, spec: ModelSpec) -> bool:
        """Whether an earlier description of a file holds: the same bytes, read by the same version of timm.

        Spares the reading of the weights and the import of torch and timm; the file is hashed. Descriptions by versions
        that did not say which weights they took hold no longer.
        """
        parts = FileName.parse(spec.name)
        # Earlier versions took every crop mode for "center" and did not note it.
        if spec.extra.get("crop_mode") != spec.preprocessing.crop_mode:
            return False
        if parts.architecture is None or any(spec.extra.get(key) != version for key, version in _library().items()):
            return False
        if "weights" not in spec.extra or not parts.path.is_file():
            return False
        found = _digest(parts.path)
        return spec.weights_hash in (found, digest([found, spec.extra["weights"]]))


SOURCE = FileSource()
