"""The card of a checkpoint: everything needed to load and describe it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Annotated, Any

from msgspec import Meta

from ..decoding import Filled, decode, short
from ..errors import CheckpointError
from ..tasks.images.geometry import CropMode, Interpolation
from ..tasks.microworld.vocabulary import GENERATOR_VERSION
from .safetensors_header import unique_keys
from .spec import ModelSpec, Preprocessing
from .training_data import TrainingClass

LABEL_SPACES = {"imagenet-1k": 1000, "microworld-16": 16, "cifar-10": 10, "cifar-100": 100}
"""Label spaces with tasks, and their numbers of classes."""


LARGEST_SIDE = 8192
"""Maximum input size in a card; a single image of this size takes 200 MB."""

ENCODER_ONLY = "none"
"""The label space of a network without a classifier, which has 0 classes."""


def label_space_of(num_classes: int, where: str) -> str:
    """Name the label space of a classifier by its number of outputs.

    Args:
        num_classes: Number of outputs.
        where: Name of the model or file, for the error message.

    Returns:
        A key of `LABEL_SPACES`.

    Raises:
        CheckpointError: No label space has this number of classes.
    """
    for name, count in LABEL_SPACES.items():
        if count == num_classes:
            return name
    spaces = " or ".join(f"{count} ({name})" for name, count in LABEL_SPACES.items())
    raise CheckpointError(f"{where} has {num_classes} outputs; a classifier of {spaces} classes is needed.")


_GENERATOR = re.compile(r"\bof the micro-world \(set train, seed \d+, generator (\d+)\b")
"""How pretraining and probing describe their images of the micro-world."""

_Side = Annotated[int, Meta(ge=1, le=LARGEST_SIDE)]
_Mean = Annotated[float, Meta(ge=0, le=1)]
_Deviation = Annotated[float, Meta(ge=1e-4, le=1)]
_CHANNELS = "three numbers, for red, green and blue, from {} to 1 (divide those of a 0..255 scale by 255)"
_WHOLE = ("size", "resize", "num_classes")
_OPTIONAL = ("sha256", "training_data", "licence", "baseline", "description", "training_class")


@dataclass(frozen=True)
class _CardPreprocessing:
    """The fields of `Preprocessing` as a card gives them; elsewhere they have defaults."""

    size: _Side
    resize: _Side
    interpolation: Interpolation
    mean: Annotated[tuple[_Mean, _Mean, _Mean], Meta(description=_CHANNELS.format("0"))]
    std: Annotated[tuple[_Deviation, _Deviation, _Deviation], Meta(description=_CHANNELS.format("0.0001"))]
    crop_mode: CropMode = "center"


@dataclass(frozen=True)
class ZooCard:
    """The contents of a checkpoint's JSON card.

    Attributes:
        name: Name of the model.
        architecture: An architecture of ``vitobench.models.networks.build``.
        preprocessing: See `Preprocessing`.
        label_space: A key of `LABEL_SPACES`, or `ENCODER_ONLY`.
        num_classes: Number of outputs; 0 for an encoder without classifier.
        sha256: SHA-256 of the checkpoint's file; empty if the card is inside that file.
        training_data: What it was trained on.
        licence: Licence of the weights.
        baseline: Name of the model to compare with, or null.
        description: One line.
        training_class: See `ModelSpec`.
        extra: All other keys (including the recipe) except the training curve, as text.
    """

    name: Filled
    architecture: Filled
    preprocessing: Preprocessing
    label_space: Filled
    num_classes: Annotated[int, Meta(ge=0, le=10**9)]
    sha256: str = ""
    training_data: str = "unknown"
    licence: str = "unknown"
    baseline: str | None = None
    description: str = ""
    training_class: TrainingClass = "unknown"
    extra: dict[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str, where: str) -> ZooCard:
        """Read a card.

        Args:
            text: JSON.
            where: Name of the file, for error messages.

        Returns:
            The card.

        Raises:
            CheckpointError: It is not JSON, lacks a key, has invalid or contradictory values, or is of a model that
                was trained on another micro-world.
        """
        try:
            data = json.loads(text, object_pairs_hook=unique_keys)
        except RecursionError:
            raise CheckpointError(f"The card of {where} is nested too deeply to be read.") from None
        except ValueError as error:
            raise CheckpointError(f"The card of {where} is not JSON: {error}.") from error
        if not isinstance(data, dict):
            raise CheckpointError(f"The card of {where} is a JSON {type(data).__name__}, not an object.")
        card = cls._from(data, f"The card of {where}")
        if (LABEL_SPACES | {ENCODER_ONLY: 0}).get(card.label_space) != card.num_classes:
            valid = ", ".join(f"{name} with {count}" for name, count in LABEL_SPACES.items())
            raise CheckpointError(
                f"The card of {where} gives {card.num_classes} classes in the label space {card.label_space[:80]!r}; "
                f"valid are {valid}."
            )
        _check_world(card, where)
        return card

    @classmethod
    def _from(cls, data: Mapping[str, Any], where: str) -> ZooCard:
        named = {entry.name for entry in fields(cls)} - {"extra"}
        stated = {k: v for k, v in data.items() if k in named and not (k in _OPTIONAL and v in (None, ""))}
        table = {key: _line(key, value, where) for key, value in _with_whole_numbers(stated).items()}
        if "preprocessing" in data:
            table["preprocessing"] = card_preprocessing(data["preprocessing"], where)
        rest = {k: _plain(k, v, where) for k, v in data.items() if k not in named | {"curve"}}
        extra = {_encoded(k, k, where): _encoded(k, v, where) for k, v in rest.items()}
        return decode(cls, table | {"extra": extra}, where, error=CheckpointError)

    def spec(self, name: str, source: str, weights_hash: str) -> ModelSpec:
        """Describe the model.

        Args:
            name: What the user types.
            source: ``"zoo"`` or ``"file"``.
            weights_hash: SHA-256 of the file on disk.
        """
        return ModelSpec(
            name=name,
            source=source,
            architecture=self.architecture,
            preprocessing=self.preprocessing,
            label_space=self.label_space,
            weights_hash=weights_hash,
            training_data=self.training_data,
            licence=self.licence,
            baseline=self.baseline,
            description=self.description,
            extra=dict(self.extra),
            training_class=self.training_class,
        )


def _check_world(card: ZooCard, where: str) -> None:
    """Refuse a model of another micro-world: it would be measured on images of a kind that it never saw."""
    trained = _GENERATOR.search(card.training_data)
    if trained is not None and int(trained[1]) != GENERATOR_VERSION:
        raise CheckpointError(
            f"{where} is that of a model of another micro-world (generator version {trained[1]}, and this is version "
            f"{GENERATOR_VERSION}). Train it again, or use it with the version of vitobench that made it."
        )


def card_preprocessing(values: Any, where: str) -> Preprocessing:
    """The preprocessing in a card.

    Raises:
        CheckpointError: A key is missing or unknown, or a value is invalid.
    """
    # An unknown key is refused: if it were ignored, the network could get other pixels than it was trained with.
    table = _with_whole_numbers(values) if isinstance(values, dict) else values
    card = decode(_CardPreprocessing, table, where, "preprocessing", CheckpointError)
    if card.resize < card.size:
        valid = f"a whole number from {card.size}, which is the size, to {LARGEST_SIDE}"
        raise CheckpointError(f"{where}: preprocessing.resize = {card.resize} must be {valid}.")
    mean, std = triple(card.mean), triple(card.std)
    return Preprocessing(card.size, card.resize, card.interpolation, mean, std, card.crop_mode)


def _with_whole_numbers(table: Mapping[str, Any]) -> dict[str, Any]:
    """A table in which 64.0, as other languages write 64, is 64."""
    return {k: int(v) if k in _WHOLE and isinstance(v, float) and v.is_integer() else v for k, v in table.items()}


def _line(key: str, value: Any, where: str) -> Any:
    """A text as one line that a terminal and a file can take; any other value as it is."""
    if not isinstance(value, str) or value.isprintable():
        return value
    text = " ".join(value.split())
    if not text.isprintable():
        raise CheckpointError(f"{where}: {key} = {short(value)} must be text without control characters.")
    return text


def _plain(key: str, value: Any, where: str) -> str:
    try:
        return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    except RecursionError:
        raise CheckpointError(f"{where}: {key} holds values that are nested too deeply to be read.") from None


def _encoded(key: str, text: str, where: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise CheckpointError(f"{where}: {key!r} = {short(text)} must be text that UTF-8 can hold.") from None
    return text


def triple(values: Any) -> tuple[float, float, float]:
    """Three floats, one per colour channel.

    Raises:
        ValueError: There are not three values.
    """
    red, green, blue = (float(v) for v in values)
    return red, green, blue
