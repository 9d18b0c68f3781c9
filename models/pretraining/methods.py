"""The pretraining methods: the settings that each has of its own, in a table of its name in a recipe."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from msgspec import Meta

from ... import plugins
from ...decoding import Count, NotNegative, Positive, Share, check
from ...errors import VitobenchError, unknown_name

if TYPE_CHECKING:
    from torch import Tensor


# The settings of the random views, as recipes give them.


@dataclass(frozen=True)
class Augmentation:
    """VITO's crop and the colour set of BYOL (Grill et al. 2020, appendix B), whose two views differ.

    Attributes:
        min_area: Smallest share of the frame that a crop covers; 0.4 because video frames are not object-centred.
        aspect: Largest aspect ratio of a crop, either way.
        flip: Probability of a horizontal flip.
        jitter: Probability of colour jitter.
        brightness: Jitter strength.
        contrast: Jitter strength.
        saturation: Jitter strength.
        hue: Jitter strength, in turns of the colour circle.
        grey: Probability of greyscale.
        blur: Probability of Gaussian blur, in the first and in the second view.
        sigma: Range of the blur's standard deviation, in pixels of a 224-pixel view; scaled to the view's size.
        solarise: Probability of solarisation at one half, in the first and in the second view.
    """

    min_area: Annotated[float, Meta(gt=0, le=1)] = 0.4
    aspect: Annotated[float, Meta(ge=1)] = 4.0 / 3.0
    flip: Share = 0.5
    jitter: Share = 0.8
    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.2
    hue: float = 0.1
    grey: Share = 0.2
    blur: tuple[Share, Share] = (1.0, 0.1)
    sigma: tuple[float, float] = (0.1, 2.0)
    solarise: tuple[Share, Share] = (0.0, 0.2)

    def __post_init__(self) -> None:
        check(self, "augmentation")
        if not 0 < self.sigma[0] <= self.sigma[1]:
            raise VitobenchError(f"augmentation.sigma = {self.sigma} must be a rising pair above 0")


# The settings of each method.
#
# This imports no torch, so that recipes can be read and listed; the networks and losses are in `learners`. A setting
# of one method is not part of other methods' recipes: a new one changes neither their cards nor the digests of their
# runs. The type of a setting says which values it takes, see `vitobench.decoding`. One that is added later ends no
# unfinished run of its method if its field has the metadata `OMITTED_IF_DEFAULT` of `vitobench.identity`.


@dataclass(frozen=True)
class MethodSettings:
    """Settings of a method that has none of its own; the others derive from it.

    Attributes:
        objective: What recipes call the method; also the name of its table.
        labelled: Whether it needs labels.
        learner: ``"module:class"`` of its `Learner`; empty for those whose learner is in the folder `learners`.

    Raises:
        VitobenchError: A value that cannot be; the message names the table, the setting and the rule.
    """

    objective: ClassVar[str]
    labelled: ClassVar[bool] = False
    learner: ClassVar[str] = ""

    def __post_init__(self) -> None:
        check(self, self.objective)


@dataclass(frozen=True)
class Projected(MethodSettings):
    """What methods with a projector share.

    Attributes:
        hidden: Hidden width of projector and predictor.
        projection: Width of the embedding.
    """

    hidden: Count = 512
    projection: Count = 128


@dataclass(frozen=True)
class TwoViews(Projected, ABC):
    """What methods share that are a loss of two views' projections by one network; a method only adds the loss."""

    @abstractmethod
    def loss(self, one: Tensor, two: Tensor) -> Tensor:
        """The loss of a batch, a scalar.

        Args:
            one: float32 (N, D), projections of the first views, of all devices together.
            two: Those of the second views.
        """


@dataclass(frozen=True)
class WithTarget(Projected):
    """What methods with a target network share.

    Attributes:
        momentum: Initial momentum of the target network; it rises to 1 along a cosine.
        target_statistics: With what the target's batch normalisation works: ``"batch"`` statistics of its own input, as
            in BYOL, or ``"running"`` ones, which are averaged along with the weights.
    """

    momentum: Share = 0.99
    target_statistics: Literal["batch", "running"] = "batch"


@dataclass(frozen=True)
class Contrastive(WithTarget):
    """VITO and MoCLR, which differ in window, pooling and scales.

    Attributes:
        temperature: Of the softmax.
        same_view_negatives: Also contrast with the targets of the other clips in the same view.
    """

    objective: ClassVar[str] = "contrastive"
    temperature: Positive = 0.1
    same_view_negatives: bool = False


@dataclass(frozen=True)
class Simclr(Projected):
    """SimCLR.

    Attributes:
        temperature: Of the softmax.
    """

    objective: ClassVar[str] = "simclr"
    temperature: Positive = 0.1


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
    temperature: Positive = 0.1
    teacher_temperature: Positive = 0.04
    centre_momentum: Share = 0.9
    prototypes: Count = 1024


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
    epsilon: NotNegative = 0.5
    attack_steps: Count = 3
    attack_step_size: NotNegative = 0.33


METHODS: Mapping[str, type[MethodSettings]] = MappingProxyType(
    {method.objective: method for method in (Contrastive, Simclr, Byol, Dino, Supervised, L2Robust)}
)
"""The methods above, by what recipes call them; `all_methods` also has those of files of their own and of plugins."""


@cache
def _own() -> Mapping[str, type[MethodSettings]]:
    """The methods of vitobench: each ``METHOD`` of a module ``method_…`` of this folder follows those above."""
    return {**METHODS, **{method.objective: method for method in plugins.added(str(__package__), "METHOD", "method_")}}


def get_method(objective: str) -> type[MethodSettings]:
    """A method by what recipes call it.

    Raises:
        UnknownNameError: With the nearest names.
        PluginError: It belongs to a plugin that fails.
    """
    if objective in _own():
        return _own()[objective]
    plugin = plugins.usable(plugins.METHODS, _own()).get(objective)
    if plugin is None:
        raise unknown_name("objective", objective, all_methods())
    return _of_plugin(plugin)


def all_methods() -> dict[str, type[MethodSettings]]:
    """Every method that can be used, by what recipes call it: vitobench's own, then those of plugins."""
    return {**_own(), **{plugin.name: method for plugin, method, _ in plugged() if method is not None}}


def plugged() -> list[tuple[plugins.Plugin, type[MethodSettings] | None, str]]:
    """Every method of a plugin: its entry point, the method or None, and what is wrong with it."""
    return plugins.looked_at(plugins.METHODS, _own(), _of_plugin)


def _of_plugin(plugin: plugins.Plugin) -> type[MethodSettings]:
    method = plugin.load()
    if not isinstance(method, type) or not issubclass(method, MethodSettings):
        raise plugin.refuse(f"{plugin.target} must be a subclass of MethodSettings, not {method!r}")
    if getattr(method, "objective", None) != plugin.name:
        raise plugin.refuse(f"its entry point is named {plugin.name!r}, so its objective must be {plugin.name!r}, too")
    return method


def keys_of(objective: str) -> tuple[str, ...]:
    """Names of the settings that a method has of its own."""
    return tuple(entry.name for entry in fields(get_method(objective)))


def owners_of(key: str) -> list[str]:
    """Objectives that have a setting of this name."""
    return [objective for objective in all_methods() if key in keys_of(objective)]
