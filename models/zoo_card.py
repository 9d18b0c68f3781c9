"""The card that travels with a checkpoint: all that is needed to load it and to say what it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import CheckpointError
from .spec import ModelSpec, Preprocessing

LABEL_SPACES = {"imagenet-1k": 1000, "microworld-16": 16, "cifar-10": 10, "cifar-100": 100}
"""Label spaces that tasks exist for, and their numbers of classes."""


ENCODER_ONLY = "none"
"""What stands for the label space of a network without a classifier, which has 0 classes."""


def label_space_of(num_classes: int, where: str) -> str:
    """Name the label space of a classifier by its number of outputs.

    Args:
        num_classes: Number of outputs.
        where: What the outputs belong to, for the message.

    Returns:
        A key of `LABEL_SPACES`.

    Raises:
        CheckpointError: No task asks for that many classes.
    """
    for name, count in LABEL_SPACES.items():
        if count == num_classes:
            return name
    spaces = " or ".join(f"{count} ({name})" for name, count in LABEL_SPACES.items())
    raise CheckpointError(f"{where} has {num_classes} outputs; a classifier of {spaces} classes is needed.")


@dataclass(frozen=True)
class ZooCard:
    """The facts of a checkpoint, as its JSON card gives them.

    Attributes:
        name: Name of the model.
        architecture: Understood by ``vitobench.models.networks.build``.
        preprocessing: See `Preprocessing`.
        label_space: A key of `LABEL_SPACES`, or `ENCODER_ONLY`.
        num_classes: Number of outputs; 0 for an encoder alone.
        sha256: Of the checkpoint's file; empty where the card lies inside that file.
        training_data: What it was trained on.
        licence: Licence of the weights.
        baseline: Name of the model to compare with, or null.
        description: One line.
        extra: All other keys (the recipe among them) but the training curve, as text.
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
            where: What the card belongs to, for messages.

        Returns:
            The card.

        Raises:
            CheckpointError: Not JSON, a missing key, or values that contradict each other.
        """
        try:
            data = json.loads(text)
        except ValueError as error:
            raise CheckpointError(f"The card of {where} is not JSON: {error}.") from error
        if not isinstance(data, dict):
            raise CheckpointError(f"The card of {where} is a JSON {type(data).__name__}, not an object.")
        try:
            card = cls._from(data)
        except KeyError as error:
            raise CheckpointError(f"The card of {where} lacks the key {error}.") from error
        except (TypeError, ValueError, AttributeError) as error:
            raise CheckpointError(f"The card of {where} has a value of the wrong form: {error}.") from error
        if (LABEL_SPACES | {ENCODER_ONLY: 0}).get(card.label_space) != card.num_classes:
            known = ", ".join(f"{name} with {count}" for name, count in LABEL_SPACES.items())
            raise CheckpointError(
                f"The card of {where} gives {card.num_classes} classes in the label space {card.label_space!r}; "
                f"known are {known}."
            )
        return card

    @classmethod
    def _from(cls, data: Mapping[str, Any]) -> ZooCard:
        pre = data["preprocessing"]
        preprocessing = Preprocessing(
            int(pre["size"]), int(pre["resize"]), str(pre["interpolation"]), triple(pre["mean"]), triple(pre["std"])
        )
        named = set(cls.__dataclass_fields__) - {"extra"} | {"curve"}
        return cls(
            name=str(data["name"]),
            architecture=str(data["architecture"]),
            preprocessing=preprocessing,
            label_space=str(data["label_space"]),
            num_classes=int(data["num_classes"]),
            sha256=str(data.get("sha256") or ""),
            training_data=str(data.get("training_data") or "unknown"),
            licence=str(data.get("licence") or "unknown"),
            baseline=data.get("baseline") or None,
            description=str(data.get("description") or ""),
            extra={
                k: v if isinstance(v, str) else json.dumps(v, sort_keys=True) for k, v in data.items() if k not in named
            },
        )

    def spec(self, name: str, source: str, weights_hash: str) -> ModelSpec:
        """Describe the model as it is called here.

        Args:
            name: What the user types.
            source: ``"zoo"`` or ``"file"``.
            weights_hash: SHA-256 of the file as it is on disk.

        Returns:
            The finished description.
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


def triple(values: Any) -> tuple[float, float, float]:
    """Three floats, one per colour channel.

    Raises:
        ValueError: Another number of values.
    """
    red, green, blue = (float(v) for v in values)
    return red, green, blue
