"""Checkpoints of the user: ``file:PATH``, or ``file:PATH?arch=timm:NAME&weights=SET`` if the file has no card."""

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
from ..safetensors_header import embedded_card, looks_like_safetensors
from ..spec import SIZE, WEIGHTS_NOTE, ModelSpec
from ..zoo_card import ZooCard, label_space_of
from .source import Source
from .timm_models import TEST, Size, check_name, preprocessing_of, size_from

if TYPE_CHECKING:
    from torch import nn

    from ..weight_sets import Chosen

PREFIX = "file:"

_ARCH = "?arch="
_WEIGHTS = "?weights="
_SIZE = "?size="
_TIMM = "timm:"
_SUFFIXES = (".safetensors", ".pt", ".pth", ".ckpt", ".tar", ".bin")
"""Usual extensions of checkpoints, for tab completion; files with other names can be read, too."""
_ANY_COUNT = 1000  # classes of the network that names are compared with, before the real number is read from the file


@dataclass(frozen=True)
class FileName:
    """The parts of a ``file:`` name.

    Attributes:
        path: The checkpoint.
        architecture: timm's name of the architecture (an optional tag chooses the preprocessing), or None if the file
            must contain a card.
        weights: Which of several sets of weights in the file to use; None for the default.
        size: Size of the images of a named architecture; see `timm_models.preprocessing_of`.
    """

    path: Path
    architecture: str | None
    weights: str | None = None
    size: Size = TEST

    @classmethod
    def parse(cls, name: str) -> FileName:
        """Parse a name.

        Raises:
            CheckpointError: There is no path, an option is unknown, or the architecture is not one of timm's.
        """
        path, options = _split(name)
        if not path:
            raise CheckpointError(f"{name!r} names no file; write {PREFIX}PATH or {PREFIX}PATH{_ARCH}{_TIMM}NAME.")
        if any(start in path for start in (_ARCH, _WEIGHTS, _SIZE)):
            raise CheckpointError(
                f"{name!r} has two question marks; join options by &: {_ARCH}{_TIMM}NAME&weights=SET."
            )
        given: dict[str, str] = {}
        for option in options.split("&") if options else ():
            key, _, value = option.partition("=")
            if key not in ("arch", "weights", "size") or key in given or not value:
                raise CheckpointError(
                    f"The option {option!r} in {name!r} is not understood; valid are arch={_TIMM}NAME, weights=SET and "
                    f"size=SIZE, each once and joined by &: {PREFIX}PATH{_ARCH}{_TIMM}resnet50&weights=ema."
                )
            given[key] = value
        arch = given.get("arch")
        if arch is not None and (not arch.startswith(_TIMM) or arch == _TIMM):
            raise CheckpointError(
                f"The architecture {arch!r} in {name!r} is not understood; write {_ARCH[1:]}{_TIMM}NAME, for instance "
                f"{PREFIX}{path}{_ARCH}{_TIMM}resnet50."
            )
        if "size" in given and arch is None:
            raise CheckpointError(
                f"{name!r} has a size but no architecture: the card of a checkpoint gives its size. Leave it out, or "
                f"write {_ARCH[1:]}{_TIMM}NAME too."
            )
        weights = given.get("weights")
        return cls(
            _path(path, name),
            None if arch is None else arch.removeprefix(_TIMM),
            None if weights is None else unquote(weights),
            size_from(given["size"], name) if "size" in given else TEST,
        )


def _split(name: str) -> tuple[str, str]:
    """The path of a name as typed, and its options without their question mark."""
    text = name.removeprefix(PREFIX)
    start = max(text.rfind(option) for option in (_ARCH, _WEIGHTS, _SIZE))
    return (text, "") if start < 0 else (text[:start], text[start + 1 :])


def name_of(path: Path | str) -> str:
    """The name of a checkpoint with a card, for ``--model``."""
    return f"{PREFIX}{path}"


def _path(text: str, name: str) -> Path:
    """The file for a name as typed by the user or, from records and tables, as escaped by `printable`.

    Raises:
        VitobenchError: The path is invalid, or both readings of the name are existing files.
    """
    if "\0" in text:
        raise CheckpointError(f"{name!r} holds a null character, which no path has.")
    typed, decoded = home_path(text), home_path(restored(text))
    try:
        if typed == decoded or not decoded.exists():
            return typed
        both = typed.exists()
    except OSError:  # the name is too long; opening the file will report it
        return typed
    if both:
        raise CheckpointError(f"{typed} may be this file or one whose name is not UTF-8; rename one of them.")
    return decoded


def _library() -> dict[str, str]:
    return {"timm": importlib.metadata.version("timm")}


def _digest(path: Path) -> str:
    try:
        return file_digest(path)
    except OSError as error:
        raise CheckpointError(f"The checkpoint {str(path)!r} cannot be read: {error.strerror or error}.") from None


def _hash(file: str, chosen: Chosen) -> str:
    """The weights hash. If the file has several sets, it must include the name of the one in use."""
    return file if chosen.plain or not chosen.others else digest([file, chosen.weights.name])


def _card(path: Path) -> ZooCard:
    try:
        exists = path.is_file() and path.stat().st_size > 0
        safe = exists and (path.suffix == ".safetensors" or looks_like_safetensors(path))
        text = embedded_card(path) if safe else None
    except OSError:
        exists = False
    if not exists:
        from ..state_dicts import check_file  # raises with an explanation

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

    check_name(architecture, name)
    cfg = timm.models.get_pretrained_cfg(architecture)
    return {} if cfg is None else cfg.to_dict()


def _weights(parts: FileName, cfg: dict[str, Any]) -> tuple[Chosen, int]:
    """The weights of a timm architecture in a file, and their number of classes."""
    import timm

    from ..state_dicts import check_fit, read_checkpoint, skeleton
    from ..weight_sets import choose, shown

    def network(classes: int) -> nn.Module:
        created: nn.Module = timm.create_model(str(parts.architecture), pretrained=False, num_classes=classes)
        return created

    classifier = cfg.get("classifier")
    heads = tuple(classifier) if isinstance(classifier, (tuple, list)) else (str(classifier),)
    where = str(parts.path)
    loaded = read_checkpoint(parts.path)
    entries = skeleton(lambda: network(_ANY_COUNT))
    chosen = choose(loaded, entries, heads, parts.weights, where, str(parts.architecture))
    tensors = chosen.weights.tensors
    weight = tensors.get(f"{heads[0]}.weight")
    if weight is None or weight.ndim == 0:
        if any(name not in tensors and not name.startswith(tuple(f"{head}." for head in heads)) for name in entries):
            check_fit(entries, tensors, where)
        raise CheckpointError(
            f"{parts.path} has no classifier ({heads[0]}.weight), which {parts.architecture} ends in; its entries "
            f"begin {shown(list(tensors))}. A backbone without a classifier cannot be scored, and another "
            "architecture needs another name after arch=timm:."
        )
    count = int(weight.shape[0])
    label_space_of(count, where)
    check_fit(entries if count == _ANY_COUNT else skeleton(lambda: network(count)), tensors, where)
    return chosen, count


class FileSource(Source):
    """Checkpoints of the user."""

    name = "file"
    prefix = PREFIX
    form = "file:PATH"
    about = "a checkpoint of your own; file:PATH?arch=timm:NAME where it does not say what it is"
    can_reuse = True

    def file_of(self, name: str) -> Path:
        """The path as typed, whether it exists or not."""
        return Path(_split(name)[0])

    def complete_after_prefix(self, typed: str) -> list[str]:
        """Folders and checkpoints in the folder typed so far."""
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
        """Describe a checkpoint. This does not import torch for a file with a card; weights of other files are read.

        Args:
            name: ``file:PATH`` for a safetensors file with a card in its metadata, else ``file:PATH?arch=timm:NAME``.
                A named architecture overrides a card. ``weights=SET`` chooses one of several sets of weights, and
                ``size=SIZE`` the size of the images as in ``timm:NAME?size=SIZE``.

        Returns:
            The description; its weights hash is that of the file. If a file has several sets of weights, the hash also
            includes the name of the set, unless it is the plain one, which earlier versions always used.

        Raises:
            CheckpointError: The file is missing, damaged, unsafe to open, has no card, or does not fit the
                architecture.
            UnknownNameError: timm has no architecture of that name.
        """
        parts = FileName.parse(name)
        if parts.architecture is None:
            card = _card(parts.path)
            file_hash = _digest(parts.path)
            return card.spec(
                name, self.name, file_hash if parts.weights is None else digest([file_hash, parts.weights])
            )
        cfg = _timm_config(parts.architecture, name)
        preprocessing = preprocessing_of(cfg, name, parts.size)
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
                SIZE: str(parts.size),
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
        from ..state_dicts import check_file

        check_file(parts.path)
        file_hash = _digest(parts.path)
        if parts.architecture is None:
            spec.check_weights(
                file_hash if parts.weights is None else digest([file_hash, parts.weights]), str(parts.path)
            )
            from .zoo import build_from_card

            return build_from_card(_card(parts.path), parts.path, parts.weights)
        import timm

        from ..state_dicts import TimmNetwork, fit

        chosen, count = _weights(parts, _timm_config(parts.architecture, spec.name))
        spec.check_weights(_hash(file_hash, chosen), str(parts.path))
        network = timm.create_model(parts.architecture, pretrained=False, num_classes=count)
        fit(network, chosen.weights.tensors, str(parts.path))
        return TimmNetwork(network)

    def still_describes(self, spec: ModelSpec) -> bool:
        """Whether an earlier description of a file is valid: the file has the same bytes, and timm the same version.

        This only hashes the file, and does not import torch or timm. Descriptions by earlier versions that did not
        record which weights they used are not valid.
        """
        parts = FileName.parse(spec.name)
        # Earlier versions treated every crop mode as "center" and did not record it, and took every size of training.
        if spec.extra.get("crop_mode") != spec.preprocessing.crop_mode or spec.extra.get(SIZE) != str(parts.size):
            return False
        if parts.architecture is None or any(spec.extra.get(key) != version for key, version in _library().items()):
            return False
        if "weights" not in spec.extra or not parts.path.is_file():
            return False
        file_hash = _digest(parts.path)
        return spec.weights_hash in (file_hash, digest([file_hash, spec.extra["weights"]]))


SOURCE = FileSource()
