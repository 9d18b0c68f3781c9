"""Checkpoints of the user: ``file:PATH``, or ``file:PATH?arch=timm:NAME`` if the file has no card."""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import CheckpointError, VitobenchError, unknown_name
from ...files import home_path
from ...identity import digest
from ..named_file import NamedFile, complete_path, digest_of, split
from ..safetensors_header import embedded_card, looks_like_safetensors
from ..spec import RESIZE, SIZE, WEIGHTS_NOTE, ModelSpec
from ..zoo_card import ZooCard
from . import timm_models, torchvision_models
from .source import Architecture, Source
from .timm_models import AS_TIMM, SHOWN, TEST, Shown

if TYPE_CHECKING:
    from torch import nn

    from .checkpoints import Wanted

PREFIX = "file:"

_LIBRARIES: tuple[Source, ...] = (timm_models.SOURCE, torchvision_models.SOURCE)
"""Sources whose architectures a checkpoint may be for."""

_OPTIONS = {
    "arch": "timm:NAME",
    "weights": "SET",
    **SHOWN,
    "head": "FILE",
    "layers": "N",
    "pool": "POOL",
    "classes": "FILE",
}
_ARCH = "?arch="
_SUFFIXES = (".safetensors", ".pt", ".pth", ".ckpt", ".tar", ".bin")
"""Usual extensions of checkpoints, for tab completion; files with other names can be read, too."""


@dataclass(frozen=True)
class FileName:
    """The parts of a ``file:`` name.

    Attributes:
        path: The checkpoint.
        architecture: Name of the architecture with its library (an optional tag chooses the preprocessing), or None if
            the file must contain a card.
        weights: Which of several sets of weights in the file to use; None for the default.
        shown: The images that the network is shown; a size of its own only for an architecture of timm.
        head: The file of a head of its own, ``"none"``, or None.
        layers: How many layers that head reads; 0 if not given.
        pool: How it reads them; empty if not given.
        classes: A list of classes, or None.
    """

    path: Path
    architecture: str | None
    weights: str | None = None
    shown: Shown = AS_TIMM
    head: str | None = None
    layers: int = 0
    pool: str = ""
    classes: str | None = None

    @classmethod
    def parse(cls, name: str) -> FileName:
        """Parse a name.

        Raises:
            CheckpointError: There is no path, an option is unknown or has no such value, or the architecture is of no
                known library.
        """
        parts = NamedFile.parse(name, PREFIX, _OPTIONS)
        options = dict(parts.options)
        arch = options.get("arch")
        valid = " or ".join(f"arch={source.prefix}NAME" for source in _LIBRARIES)
        if arch is not None and not any(source.has(arch) for source in _LIBRARIES):
            raise CheckpointError(
                f"The architecture {arch!r} in {name!r} is not understood; write {valid}, for instance "
                f"{PREFIX}{parts.path}{_ARCH}timm:resnet50."
            )
        others = [key for key in options if key not in ("arch", "weights")]
        if arch is None and others:
            raise CheckpointError(
                f"{name!r} has the option {others[0]}, which is for files without a card; write {valid} as well."
            )
        shown = Shown.parse(options, name)
        if shown.size != TEST and not str(arch).startswith(timm_models.PREFIX):
            raise CheckpointError(
                f"{name!r} has the option size, which is for arch={timm_models.PREFIX}NAME; leave it out."
            )
        layers = options.get("layers", "0")
        if not layers.isdecimal() or ("layers" in options and int(layers) < 1):
            raise CheckpointError(f"layers={layers} in {name!r} must be a whole number of 1 or more.")
        pool = options.get("pool", "")
        if "pool" in options or "layers" in options:
            from ..pooled_layers import LayerPool  # imports torch

            LayerPool(int(layers) or 1, pool or "cls+mean")
        head = options.get("head")
        return cls(
            parts.path,
            arch,
            options.get("weights"),
            shown,
            head if head in (None, "none") else str(home_path(str(head))),
            int(layers),
            pool,
            options.get("classes"),
        )

    @property
    def alone(self) -> bool:
        """Whether its outputs depend on no other file."""
        return self.head in (None, "none") and self.classes is None


def name_of(path: Path | str) -> str:
    """The name of a checkpoint with a card, for ``--model``."""
    return f"{PREFIX}{path}"


def architecture_of(name: str) -> Architecture:
    """The architecture of a library, such as ``timm:NAME``.

    Raises:
        UnknownNameError: No library has it.
    """
    if not any(source.has(name) for source in _LIBRARIES):
        raise unknown_name("architecture", name, [f"{source.prefix}NAME" for source in _LIBRARIES])
    architecture = next(source for source in _LIBRARIES if source.has(name)).architecture(name)
    assert architecture is not None
    return architecture


def _wanted(parts: FileName) -> Wanted:
    from .checkpoints import Wanted

    architecture = architecture_of(str(parts.architecture))
    if architecture.at is not None and isinstance(parts.shown.size, int):
        architecture = architecture.at(parts.shown.size)
    return Wanted(parts.path, architecture, parts.weights, parts.head, parts.layers, parts.pool, parts.classes)


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
            f"{PREFIX}{path}{_ARCH}timm:NAME, for instance {_ARCH[1:]}timm:resnet50."
        )
    return ZooCard.parse(text, str(path))


class FileSource(Source):
    """Checkpoints of the user."""

    name = "file"
    prefix = PREFIX
    form = "file:PATH"
    about = "a checkpoint of your own; file:PATH?arch=timm:NAME where it does not say what it is"
    can_reuse = True

    def file_of(self, name: str) -> Path:
        """The path as typed, whether it exists or not."""
        return Path(split(name.removeprefix(PREFIX), _OPTIONS)[0])

    def complete_after_prefix(self, typed: str) -> list[str]:
        """Folders and checkpoints in the folder typed so far."""
        try:
            return complete_path(typed, _SUFFIXES)
        except (OSError, VitobenchError):
            return []

    def resolve(self, name: str) -> ModelSpec:
        """Describe a checkpoint. This does not import torch for a file with a card; weights of other files are read.

        Args:
            name: ``file:PATH`` for a safetensors file with a card in its metadata, else ``file:PATH?arch=timm:NAME`` or
                ``arch=torchvision:NAME``. A named architecture overrides a card. ``weights=SET`` chooses one of several
                sets of weights, ``head=FILE`` an encoder's head, ``classes=FILE`` the order of its classes.

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
            file_hash = digest_of(parts.path)
            return card.spec(
                name, self.name, file_hash if parts.weights is None else digest([file_hash, parts.weights])
            )
        from ..state_dicts import check_file
        from .checkpoints import examine

        check_file(parts.path)
        wanted = _wanted(parts)
        file_hash = digest_of(parts.path)
        preprocessing = parts.shown.of(wanted.architecture.preprocessing(file_hash, parts.shown.size), name)
        checkpoint = examine(wanted)
        several = f", weights {checkpoint.chosen.weights.name}" if checkpoint.chosen.others else ""
        library, _, title = str(parts.architecture).partition(":")
        return ModelSpec(
            name=name,
            source=self.name,
            architecture=checkpoint.architecture,
            preprocessing=preprocessing,
            label_space=checkpoint.label_space,
            weights_hash=checkpoint.weights_hash(file_hash),
            description=f"{parts.path.name} as {library}'s {title}{several}",
            extra={
                "crop_mode": preprocessing.crop_mode,
                **parts.shown.facts,
                "weights": checkpoint.chosen.weights.name,
                **({WEIGHTS_NOTE: checkpoint.note} if checkpoint.note else {}),
                **wanted.architecture.facts,
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
        file_hash = digest_of(parts.path)
        if parts.architecture is None:
            spec.check_weights(
                file_hash if parts.weights is None else digest([file_hash, parts.weights]), str(parts.path)
            )
            from .zoo import build_from_card

            return build_from_card(_card(parts.path), parts.path, parts.weights)
        from .checkpoints import examine, load

        wanted = _wanted(parts)
        checkpoint = examine(wanted)
        spec.check_weights(checkpoint.weights_hash(file_hash), str(parts.path))
        return load(checkpoint, wanted)

    def still_describes(self, spec: ModelSpec) -> bool:
        """Whether an earlier description of a file is valid: the same bytes, and the same version of the library.

        This only hashes the file, and does not import torch or timm. Descriptions by earlier versions that did not
        record which weights they used are not valid.
        """
        parts = FileName.parse(spec.name)
        # Earlier versions treated every crop mode as "center" and did not record it, and took every size of training.
        if spec.extra.get("crop_mode") != spec.preprocessing.crop_mode:
            return False
        if any(spec.extra.get(key) != parts.shown.facts.get(key) for key in (SIZE, RESIZE)):
            return False
        if parts.architecture is None or not parts.alone:
            return False
        library = parts.architecture.partition(":")[0]
        if spec.extra.get(library) != importlib.metadata.version(library):
            return False
        if "weights" not in spec.extra or not parts.path.is_file():
            return False
        file_hash = digest_of(parts.path)
        return spec.weights_hash in (file_hash, digest([file_hash, spec.extra["weights"]]))


SOURCE = FileSource()
