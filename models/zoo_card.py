"""The card of a checkpoint: everything needed to load and describe it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from ..errors import CheckpointError
from ..tasks.data.geometry import CROP_MODES, INTERPOLATIONS
from .spec import ModelSpec, Preprocessing

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
        extra: All other keys (including the recipe) except the training curve, as text.
    """

    name: str
    architecture: str
    preprocessing: Preprocessing
    label_space: str
    num_classes: int
    sha256: str = ""
    training_data: str = "unknown"
    licence: str = "unknown"
    baseline: str | None = None
    description: str = ""
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
            CheckpointError: It is not JSON, lacks a key, or has invalid or contradictory values.
        """
        try:
            data = json.loads(text, object_pairs_hook=_without_doubles)
        except RecursionError:
            raise CheckpointError(f"The card of {where} is nested too deeply to be read.") from None
        except ValueError as error:
            raise CheckpointError(f"The card of {where} is not JSON: {error}.") from error
        if not isinstance(data, dict):
            raise CheckpointError(f"The card of {where} is a JSON {type(data).__name__}, not an object.")
        try:
            card = cls._from(data)
        except KeyError as error:
            raise CheckpointError(f"The card of {where} lacks the key {error}.") from error
        except _WrongValueError as error:
            raise CheckpointError(f"The card of {where} has a value of the wrong form: {error}.") from error
        if (LABEL_SPACES | {ENCODER_ONLY: 0}).get(card.label_space) != card.num_classes:
            valid = ", ".join(f"{name} with {count}" for name, count in LABEL_SPACES.items())
            raise CheckpointError(
                f"The card of {where} gives {card.num_classes} classes in the label space {card.label_space[:80]!r}; "
                f"valid are {valid}."
            )
        return card

    @classmethod
    def _from(cls, data: Mapping[str, Any]) -> ZooCard:
        preprocessing = _preprocessing(data["preprocessing"])
        fields_read = set(cls.__dataclass_fields__) - {"extra"} | {"curve"}
        return cls(
            name=_text("name", data["name"], needed=True),
            architecture=_text("architecture", data["architecture"], needed=True),
            preprocessing=preprocessing,
            label_space=_text("label_space", data["label_space"], needed=True),
            num_classes=_whole("num_classes", data["num_classes"], 0, 10**9),
            sha256=_text("sha256", data.get("sha256")),
            training_data=_text("training_data", data.get("training_data")) or "unknown",
            licence=_text("licence", data.get("licence")) or "unknown",
            baseline=_text("baseline", data.get("baseline")) or None,
            description=_text("description", data.get("description")),
            extra={_encoded(k, k): _encoded(k, _plain(k, v)) for k, v in data.items() if k not in fields_read},
        )

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
        )


class _WrongValueError(ValueError):
    """A value of a card is invalid; the message gives the key, the value and the valid ones."""

    def __init__(self, key: str, value: Any, valid: str) -> None:
        text = repr(value)
        super().__init__(f"{key} is {text if len(text) <= 80 else text[:77] + '...'}; valid: {valid}")


def _without_doubles(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    unique: dict[str, Any] = {}
    for name, value in pairs:
        if name in unique:
            raise ValueError(f"the key {name[:80]!r} is there twice")
        unique[name] = value
    return unique


def _preprocessing(values: Any) -> Preprocessing:
    if not isinstance(values, dict):
        raise _WrongValueError("preprocessing", values, f"an object with {', '.join(_KEYS)}")
    for key in values:
        if key not in _KEYS:
            # Do not ignore unknown keys: one of them could be a setting that the network was trained with.
            raise _WrongValueError(f"preprocessing.{key}", values[key], f"no such key; the keys are {', '.join(_KEYS)}")
    if lacking := [key for key in _NEEDED if key not in values]:
        valid = f"an object with {', '.join(_KEYS)}; it lacks the key {lacking[0]!r}"
        raise _WrongValueError("preprocessing", values, valid)
    size = _whole("preprocessing.size", values["size"], 1, LARGEST_SIDE)
    return Preprocessing(
        size,
        _whole("preprocessing.resize", values["resize"], size, LARGEST_SIDE),
        _choice("preprocessing.interpolation", values["interpolation"], INTERPOLATIONS),
        _channels("preprocessing.mean", values["mean"], 0.0),
        _channels("preprocessing.std", values["std"], 1e-4),
        _choice("preprocessing.crop_mode", values.get("crop_mode", "center"), CROP_MODES),
    )


_NEEDED = ("size", "resize", "interpolation", "mean", "std")
_KEYS = tuple(entry.name for entry in fields(Preprocessing))


def _whole(key: str, value: Any, least: int, most: int) -> int:
    # Accept 64.0, which is how some other languages write 64, but do not silently truncate 64.5.
    number = int(value) if isinstance(value, float) and value.is_integer() else value
    if isinstance(number, bool) or not isinstance(number, int) or not least <= number <= most:
        raise _WrongValueError(key, value, f"whole numbers from {least} to {most}")
    return number


def _choice(key: str, value: Any, valid: Sequence[str]) -> str:
    if not isinstance(value, str) or value not in valid:
        raise _WrongValueError(key, value, " or ".join(map(repr, valid)))
    return value


def _channels(key: str, values: Any, least: float) -> tuple[float, float, float]:
    if isinstance(values, list) and len(values) == 3:
        plain = [v for v in values if isinstance(v, (int, float)) and not isinstance(v, bool) and least <= v <= 1]
        if len(plain) == 3:
            return triple(plain)
    valid = f"three numbers, for red, green and blue, from {least:g} to 1 (divide those of a 0..255 scale by 255)"
    raise _WrongValueError(key, values, valid)


def _text(key: str, value: Any, needed: bool = False) -> str:
    """A single line of printable text."""
    if value is None and not needed:
        return ""
    text = " ".join(value.split()) if isinstance(value, str) else ""
    if not isinstance(value, str) or not text.isprintable() or (needed and not text):
        raise _WrongValueError(
            key, value, "text without control characters" + (", not empty" if needed else ", or null")
        )
    return value if value.isprintable() else text


def _plain(key: str, value: Any) -> str:
    try:
        return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    except RecursionError:
        raise _WrongValueError(key, "...", "values that are not nested that deeply") from None


def _encoded(key: str, text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _WrongValueError(repr(key), text, "text that UTF-8 can hold") from None
    return text


def triple(values: Any) -> tuple[float, float, float]:
    """Three floats, one per colour channel.

    Raises:
        ValueError: There are not three values.
    """
    red, green, blue = (float(v) for v in values)
    return red, green, blue
