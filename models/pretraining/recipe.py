"""Recipes: everything that decides a pretraining run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Literal

from msgspec import Meta

from ...decoding import Count, CountOrZero, NotNegative, Positive, Share, check
from ...errors import VitobenchError
from .augmentation import Augmentation
from .methods import MethodSettings, all_methods, owners_of


@dataclass(frozen=True)
class Recipe:
    """A pretraining run. Units: seconds, pixels, steps, clips.

    Attributes:
        name: Name of the resulting model.
        description: One line for listings and the model card.
        method: The pretraining method, with the settings of its own.
        architecture: A backbone of `vitobench.models.networks`: ``"micro-resnet"``, ``"resnet50"``, ``"timm/NAME"``.
        pooling: ``"attention"`` or ``"average"``, at every scale.
        scales: 1 pools the last feature map, 2 the last two. Attention adds no width, so that average pooling at the
            same scales is its control.
        window: T: the two frames of a clip are drawn from so many seconds of it; 0 makes both views of one frame.
        baseline: Registry name of the model that this one is compared with by default.
        data: ``"micro"``, ``"micro-uncurated"`` (the classes of its clips follow Zipf's law) or ``"clips"``, which are
            read from a folder.
        clips: Training clips of the micro-world; of other data, 0 < clips limits their number and 0 takes all.
        frames_per_clip: Frames rendered for each clip of the micro-world.
        size: Side of a view.
        augmentation: See `Augmentation`.
        batch: Clips per optimiser step, over all devices and accumulated parts.
        accumulate: Parts of a batch that are computed one after the other; negatives come from the same part.
        steps: Optimiser steps.
        optimiser: ``"adamw"`` or ``"lars"``.
        optimiser_momentum: Momentum of LARS.
        trust: Trust coefficient (eta) of LARS.
        schedule: ``"cosine"`` to 0 or ``"constant"``, after the warm-up.
        warmup: Steps of linear warm-up.
        learning_rate: Peak learning rate.
        weight_decay: Not applied to biases and norms.
        clip_norm: Largest norm of all gradients together; 0 leaves them.
        precision: ``"float32"`` or ``"bfloat16"`` (autocast; weights, losses and statistics stay float32).
        channels_last: Memory layout of images and convolutions.
        sync_batchnorm: Batch normalisation over the batch of all devices; else over each device's part.
        monitor_every: Steps between two nearest-neighbour checks of the features; 0 never.
        seed: Seed of world, initialisation, order and views.
    """

    name: str
    description: str
    method: MethodSettings
    architecture: str
    pooling: Literal["attention", "average"] = "average"
    scales: Literal[1, 2] = 1
    window: NotNegative = 0.0
    baseline: str | None = None
    data: Literal["micro", "micro-uncurated", "clips"] = "micro"
    clips: CountOrZero = 8192
    frames_per_clip: Count = 4
    size: Annotated[int, Meta(ge=8)] = 64  # of fewer pixels the micro-world cannot be rendered
    augmentation: Augmentation = field(default_factory=Augmentation)
    batch: Count = 128
    accumulate: Count = 1
    steps: Count = 1000
    optimiser: Literal["adamw", "lars"] = "adamw"
    optimiser_momentum: Share = 0.9
    trust: Positive = 1e-3
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup: CountOrZero = 50
    learning_rate: NotNegative = 1e-3
    weight_decay: NotNegative = 0.05
    clip_norm: NotNegative = 0.0
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    channels_last: bool = True
    sync_batchnorm: bool = True
    monitor_every: CountOrZero = 200
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0  # which every generator takes

    def __post_init__(self) -> None:
        check(self)
        if self.data != "clips" and self.clips < 1:
            self._refuse("clips", "must be 1 or more")
        if self.batch % self.accumulate:
            self._refuse("accumulate", f"must divide the batch of {self.batch}")
        if self.data != "clips" and self.window > 0 and self.frames_per_clip < 2:
            self._refuse("window", "needs frames_per_clip of 2 or more")

    def _refuse(self, key: str, rule: str) -> None:
        raise VitobenchError(f"recipe {self.name!r}: {key} = {getattr(self, key)} {rule}")

    @property
    def network(self) -> str:
        """What `vitobench.models.networks.build` is asked for: backbone and pooling."""
        return f"{self.architecture}/{self.pooling}{'-2scale' if self.scales == 2 else ''}"

    @property
    def objective(self) -> str:
        """What recipes call the method; a key of `methods.all_methods`. VITO and MoCLR are ``"contrastive"``."""
        return self.method.objective

    @property
    def labelled(self) -> bool:
        """Whether the method needs labels."""
        return self.method.labelled


def recipe_facts(recipe: Recipe) -> dict[str, Any]:
    """The recipe as plain data, for cards and logs, in the form of a recipe's file."""
    facts = asdict(recipe)
    own = facts.pop("method")
    start = {key: facts.pop(key) for key in ("name", "description")}
    return start | {"objective": recipe.objective} | facts | ({recipe.objective: own} if own else {})


def current_form(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The recipe of a card, brought to the form that `recipe_facts` has now.

    Args:
        facts: From the card of a finished run. Earlier versions wrote the settings of all methods beside the others.

    Returns:
        The same settings; those of other methods, which the run did not use, are left out.
    """
    objective = str(facts.get("objective"))
    if objective not in all_methods() or objective in facts:
        return dict(facts)
    own = {key: value for key, value in facts.items() if objective in owners_of(key)}
    shared = {key: value for key, value in facts.items() if not owners_of(key)}
    return shared | ({objective: own} if own else {})
