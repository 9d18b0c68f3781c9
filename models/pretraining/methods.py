"""The pretraining methods: the settings that each has of its own, in a table of its name in a recipe.

This imports no torch, so that recipes can be read and listed; the networks and losses are in `learners`. A setting of
one method is no part of the recipes of another: a new one changes neither their cards nor the digests of their runs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, ClassVar

from ...errors import VitobenchError, unknown_name
from ...identity import OMITTED_IF_DEFAULT

TARGET_STATISTICS = ("batch", "running")


_Rule = tuple[Callable[[Any], bool], str]

_WHOLE: _Rule = (lambda value: value >= 1, "must be 1 or more")
_POSITIVE: _Rule = (lambda value: value > 0, "must be more than 0")
_NOT_NEGATIVE: _Rule = (lambda value: value >= 0, "must not be negative")
_SHARE: _Rule = (lambda value: 0 <= value <= 1, "must be from 0 to 1")


def _setting(default: Any, rule: _Rule, added_later: bool = False) -> Any:
    """A setting and what its values have to be. One that is added later ends no unfinished run of its method."""
    return field(default=default, metadata={"rule": rule} | (dict(OMITTED_IF_DEFAULT) if added_later else {}))


@dataclass(frozen=True)
class MethodSettings:
    """Settings of a method that has none of its own; the others derive from it.

    Attributes:
        objective: What recipes call the method; also the name of its table.
        labelled: Whether it needs labels.

    Raises:
        VitobenchError: A value that cannot be; the message names the table, the setting and the rule.
    """

    objective: ClassVar[str]
    labelled: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for entry in fields(self):
            value = getattr(self, entry.name)
            if (choices := entry.metadata.get("choices")) and value not in choices:
                raise unknown_name(f"{self.objective}.{entry.name}", str(value), choices)
            if isinstance(value, float) and not math.isfinite(value):
                raise VitobenchError(f"{self.objective}.{entry.name} = {value} must be a number")
            holds, rule = entry.metadata.get("rule", (lambda _: True, ""))
            if not holds(value):
                raise VitobenchError(f"{self.objective}.{entry.name} = {value} {rule}")


@dataclass(frozen=True)
class Projected(MethodSettings):
    """What methods with a projector share.

    Attributes:
        hidden: Hidden width of projector and predictor.
        projection: Width of the embedding.
    """

    hidden: int = _setting(512, _WHOLE)
    projection: int = _setting(128, _WHOLE)


@dataclass(frozen=True)
class WithTarget(Projected):
    """What methods with a target network share.

    Attributes:
        momentum: Initial momentum of the target network; it rises to 1 along a cosine.
        target_statistics: With what the target's batch normalisation works: ``"batch"`` statistics of its own input, as
            in BYOL, or ``"running"`` ones, which are averaged along with the weights.
    """

    momentum: float = _setting(0.99, _SHARE)
    target_statistics: str = field(default="batch", metadata={"choices": TARGET_STATISTICS})


@dataclass(frozen=True)
class Contrastive(WithTarget):
    """VITO and MoCLR, which differ in window, pooling and scales.

    Attributes:
        temperature: Of the softmax.
        same_view_negatives: Also contrast with the targets of the other clips in the same view.
    """

    objective: ClassVar[str] = "contrastive"
    temperature: float = _setting(0.1, _POSITIVE)
    same_view_negatives: bool = False


@dataclass(frozen=True)
class Simclr(Projected):
    """SimCLR.

    Attributes:
        temperature: Of the softmax.
    """

    objective: ClassVar[str] = "simclr"
    temperature: float = _setting(0.1, _POSITIVE)


@dataclass(frozen=True)
class Byol(WithTarget):
    """BYOL."""

    objective: ClassVar[str] = "byol"


@dataclass(frozen=True)
class Dino(WithTarget):
    """DINO.

    Attributes:
        temperature: Of the student's softmax.
        teacher_temperature: Of the teacher's, which sharpens it.
        centre_momentum: Of the centre that is taken off the teacher's outputs.
        prototypes: Outputs of the head.
    """

    objective: ClassVar[str] = "dino"
    temperature: float = _setting(0.1, _POSITIVE)
    teacher_temperature: float = _setting(0.04, _POSITIVE)
    centre_momentum: float = _setting(0.9, _SHARE)
    prototypes: int = _setting(1024, _WHOLE)


@dataclass(frozen=True)
class Supervised(MethodSettings):
    """Cross-entropy on labels."""

    objective: ClassVar[str] = "supervised"
    labelled: ClassVar[bool] = True


@dataclass(frozen=True)
class L2Robust(MethodSettings):
    """Cross-entropy on labels under an attack.

    Attributes:
        epsilon: Radius of the attack, on the scale of pixels from 0 to 1.
        attack_steps: Steps of projected gradient descent.
        attack_step_size: Length of a step, on the same scale as the radius.
    """

    objective: ClassVar[str] = "l2-robust"
    labelled: ClassVar[bool] = True
    epsilon: float = _setting(0.5, _NOT_NEGATIVE)
    attack_steps: int = _setting(3, _WHOLE)
    attack_step_size: float = _setting(0.33, _NOT_NEGATIVE)


METHODS: Mapping[str, type[MethodSettings]] = MappingProxyType(
    {method.objective: method for method in (Contrastive, Simclr, Byol, Dino, Supervised, L2Robust)}
)
"""Settings by what recipes call the method; a new method is added here, its learner in `learners`."""


def keys_of(objective: str) -> tuple[str, ...]:
    """Names of the settings that a method has of its own."""
    return tuple(entry.name for entry in fields(METHODS[objective]))


def owners_of(key: str) -> list[str]:
    """Objectives that have a setting of this name."""
    return [objective for objective in METHODS if key in keys_of(objective)]
