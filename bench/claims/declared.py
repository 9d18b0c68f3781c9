"""What is trained, which effects are estimated, and which claim each of them supports or contradicts."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field

SUITE = "claims"
STEPS = 400
"""Steps of every run. Budgets are equal: the same number of steps, of clips in a batch and of clips in all."""


@dataclass(frozen=True)
class Method:
    """A way of training, of which several runs are made.

    Attributes:
        name: What tables call it.
        recipe: A name of `bench recipes`.
        settings: Settings of the recipe that are replaced, as ``--set`` takes them.
        steps: Length of its runs, where it is not that of the others.
    """

    name: str
    recipe: str
    settings: tuple[str, ...] = ()
    steps: int | None = None


@dataclass(frozen=True)
class Asked:
    """A number of a task.

    Attributes:
        task: Task name.
        metric: As in `Score`; of the whole task.
    """

    task: str
    metric: str = "top1"


@dataclass(frozen=True)
class Claim:
    """A statement, and what would have to differ if it were true.

    Attributes:
        key: Letter.
        title: A few words.
        statement: What the paper claims.
        effects: Weights of methods by the name of the effect; where the claim holds, they are more than 0.
        numbers: In which numbers.
    """

    key: str
    title: str
    statement: str
    effects: Mapping[str, Mapping[str, float]] = field(hash=False)
    numbers: tuple[Asked, ...]


FACTORIAL: dict[tuple[int, int, int], str] = {
    (1, 1, 1): "vito",
    (1, 1, 0): "vito-still",
    (0, 1, 1): "vito-average",
    (0, 1, 0): "vito-average-still",
    (1, 0, 1): "vito-single-scale",
    (1, 0, 0): "vito-single-scale-still",
    (0, 0, 1): "moclr-video",
    (0, 0, 0): "moclr",
}
"""Methods by whether they use attention, two scales, and two frames apart in time; they differ in nothing else."""

FACTORS = ("attention", "scales", "time")

WINDOWS = {"vito-still": 0.0, "vito": 2.56, "vito-T5.12": 5.12}
"""Methods that differ in T alone, in seconds."""

UNTRAINED = {"untrained": "vito", "untrained-average": "moclr"}
"""Random networks with a trained head, by the method whose network it is: the score without any pretraining.

Their batch norms see some batches, their weights never move.
"""

LADDER: dict[str, tuple[str, ...]] = {
    "moclr-t0.2": ("temperature=0.2",),
    "moclr-t0.2-negatives": ("temperature=0.2", "same_view_negatives=true"),
}
"""From `moclr` to `simclr` in steps: temperature, then negatives; the last step replaces two networks by one."""

BASELINES = ("moclr", "moclr-video", "simclr", "byol", "dino", "supervised", "l2-robust")

METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        *(Method(name, f"micro/{name}") for name in FACTORIAL.values()),
        *(Method(name, f"micro/{name}") for name in BASELINES if name not in FACTORIAL.values()),
        Method("vito-uncurated", "micro/vito-uncurated"),
        *(Method(name, "micro/vito", (f"window={t}",)) for name, t in WINDOWS.items() if "-T" in name),
        *(Method(name, "micro/moclr", settings) for name, settings in LADDER.items()),
        *(Method(name, f"micro/{of}", ("learning_rate=0",), steps=50) for name, of in UNTRAINED.items()),
    )
}


def factor(name: str) -> dict[str, float]:
    """Weights of the main effect of a factor: the mean of the methods that have it less that of the others.

    Args:
        name: One of `FACTORS`.
    """
    place = FACTORS.index(name)
    return {method: (1 if cell[place] else -1) / 4 for cell, method in FACTORIAL.items()}


def together(first: str, second: str) -> dict[str, float]:
    """Weights of an interaction: how much more the first factor does where the second is present.

    Args:
        first: One of `FACTORS`.
        second: Another one.
    """
    one, two = FACTORS.index(first), FACTORS.index(second)
    return {method: (1 if cell[one] == cell[two] else -1) / 2 for cell, method in FACTORIAL.items()}


def difference(a: str, b: str) -> dict[str, dict[str, float]]:
    """One method minus another, with the effect's name."""
    return {f"{a} − {b}": {a: 1.0, b: -1.0}}


_CLEAN = (Asked("micro-val"),)
_SYNTHETIC = (Asked("micro-c"), Asked("micro-c-bar"), Asked("micro-3dcc"))
_NATURAL = tuple(Asked(f"micro-{shift}") for shift in ("viewpoints", "backgrounds", "light", "occlusion"))
DECODED = ("shape", "texture")
"""What is decoded from features, as metrics of the task `DECODING`, which is not in the registry."""

DECODING = "decoding"
TRACKED = ("j_and_f",)
"""What is measured where masks are carried along clips, as metrics of `TRACKING`, which is not in the registry."""

TRACKING = "tracking"
EXTRA = (DECODING, TRACKING)
"""What is measured in addition to the tasks of the registry."""

_VIDEO = (Asked("micro-vid-robust", "pm0"), Asked("micro-vid-robust", "pm10"), Asked(TRACKING, TRACKED[0]))
_HUMAN = (
    Asked("micro-cue-conflict", "shape_bias"),
    Asked(DECODING, "shape"),
    Asked("micro-alignment", "accuracy"),
    Asked("micro-alignment", "error_consistency"),
)
NUMBERS = (*_CLEAN, *_SYNTHETIC, *_NATURAL, *_VIDEO, *_HUMAN, Asked(DECODING, "texture"))
"""Everything that is measured, in the order of tables."""

CLAIMS = (
    Claim(
        "0",
        "Pretraining over none",
        "Before all claims: a pretrained network gives more than a random one with the same head.",
        {
            name: weights
            for random, trained in UNTRAINED.items()
            for name, weights in difference(trained, random).items()
        },
        NUMBERS,
    ),
    Claim(
        "a",
        "Video over images",
        "Pretraining on video gives better representations for image tasks than pretraining on images, and better ones "
        "for video tasks too.",
        {
            "time": factor("time"),
            **difference("vito", "vito-still"),
            **difference("moclr-video", "moclr"),
            **difference("vito-T5.12", "vito"),
        },
        (*_CLEAN, *_NATURAL, *_VIDEO),
    ),
    Claim(
        "b",
        "Robustness",
        "VITO is more robust to natural and synthetic shifts than models trained on images, on video or against "
        "attacks.",
        {name: weights for other in BASELINES for name, weights in difference("vito", other).items()},
        (*_SYNTHETIC, *_NATURAL),
    ),
    Claim(
        "c",
        "Human alignment",
        "VITO decides more by shape, and agrees better with people, than models trained otherwise.",
        {name: weights for other in BASELINES for name, weights in difference("vito", other).items()},
        _HUMAN,
    ),
    Claim(
        "d",
        "Curation",
        "The class statistics of ordinary video hurt; curation fixes this.",
        difference("vito", "vito-uncurated"),
        (*_CLEAN, *_SYNTHETIC, *_NATURAL, *_HUMAN),
    ),
    Claim(
        "e",
        "Attention, scales and time apart",
        "Attention that learns what is stable between frames, at several scales, is what makes video useful.",
        {
            **{name: factor(name) for name in FACTORS},
            **{f"{a} × {b}": together(a, b) for a, b in itertools.combinations(FACTORS, 2)},
        },
        (*_CLEAN, *_SYNTHETIC, *_NATURAL, *_HUMAN),
    ),
    Claim(
        "f",
        "From moclr to simclr",
        "No claim of the paper: each step from `moclr` to `simclr` (its temperature, its negatives, one network with "
        "no target and no predictor) makes decisions more by shape.",
        {
            name: weights
            for high, low in itertools.pairwise(("simclr", *reversed(LADDER), "moclr"))
            for name, weights in difference(high, low).items()
        },
        (*_CLEAN, Asked("micro-light"), Asked("micro-viewpoints"), *_HUMAN),
    ),
)
