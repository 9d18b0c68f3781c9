"""What is trained, which effects are estimated, and which claim each of them supports or contradicts."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field

SUITE = "claims"
BY_FEATURES = "claims-understanding"
"""The suite of the claim that is judged by features alone."""

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
class Hypothesis:
    """What a plan expects of one effect of a claim.

    Attributes:
        key: As in the plan.
        statement: In words.
        effect: Name of the effect, expected to be more than 0.
        numbers: In which numbers.
    """

    key: str
    statement: str
    effect: str
    numbers: tuple[Asked, ...]


@dataclass(frozen=True)
class Claim:
    """A statement, and what would have to differ if it were true.

    Attributes:
        key: A letter for what the paper claims, a digit for what it does not.
        title: A few words.
        statement: What is claimed, and whether it is secondary or exploratory.
        effects: Weights of methods by the name of the effect; where the claim holds, they are more than 0.
        numbers: In which numbers.
        suite: The suite that measures them.
        on_demand: Judged only where it is asked for: it measures other tasks than the claims that were planned.
        hypotheses: Parts of it that have verdicts of their own.
    """

    key: str
    title: str
    statement: str
    effects: Mapping[str, Mapping[str, float]] = field(hash=False)
    numbers: tuple[Asked, ...]
    suite: str = SUITE
    on_demand: bool = False
    hypotheses: tuple[Hypothesis, ...] = ()

    @property
    def methods(self) -> set[str]:
        """Whose runs it needs."""
        return {method for weights in self.effects.values() for method in weights}


FACTORIAL: dict[tuple[int, int, int], str] = {
    (1, 1, 1): "vito",
    (1, 1, 0): "vito-still",
    (0, 1, 1): "vito-average",
    (0, 1, 0): "vito-average-still",
    (1, 0, 1): "vito-single-scale",
    (1, 0, 0): "vito-single-scale-still",
    (0, 0, 1): "moclr-video",
    (0, 0, 0): "moclr-frames",
}
"""Methods by whether they use attention, two scales, and two frames apart in time; they differ in nothing else, and all
see frames of filmed clips."""

FACTORS = ("attention", "scales", "time")

SOURCES: dict[str, dict[str, str]] = {
    "vito": {
        "time": "vito",
        "still": "vito-still",
        "ideal, time": "vito-ideal",
        "ideal, still": "vito-ideal-still",
        "photographs": "vito-photographs",
    },
    "moclr": {
        "time": "moclr-video",
        "still": "moclr-frames",
        "ideal, time": "moclr-video-ideal",
        "ideal, still": "moclr-frames-ideal",
        "photographs": "moclr",
    },
}
"""For either network the methods that differ in what they see alone: two frames of a clip apart in time or twice the
same one, filmed or by an ideal camera; or photographs."""

FILMED = "data=micro"
"""The setting that turns a recipe for photographs into one for frames of filmed clips, with `FRAMES`."""

FRAMES = "frames_per_clip=4"

ON_FRAMES = ("simclr", "supervised", "l2-robust")
"""Baselines that also learn from frames, as NAME-frames; `moclr-frames` is a recipe."""

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
"""What VITO is compared with: video is seen by `moclr-video` alone, the others see photographs, as in the paper."""

_RECIPES = dict.fromkeys(
    (
        *FACTORIAL.values(),
        *BASELINES,
        "vito-photographs",
        "vito-ideal",
        "vito-ideal-still",
        "vito-uncurated",
    )
)
"""Methods that are recipes of the same name."""

METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        *(Method(name, f"micro/{name}") for name in _RECIPES),
        Method("moclr-video-ideal", "micro/moclr-video", ("data=micro-ideal",)),
        Method("moclr-frames-ideal", "micro/moclr-frames", ("data=micro-ideal",)),
        Method("moclr-frames-one", "micro/moclr-frames", ("frames_per_clip=1",)),
        *(Method(f"{name}-frames", f"micro/{name}", (FILMED, FRAMES)) for name in ON_FRAMES),
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


def of_sources(**weights: float) -> dict[str, float]:
    """Weights of an effect of what is seen, averaged over the networks of `SOURCES`.

    Args:
        **weights: By the keys of one network in `SOURCES`; ``_`` stands for a comma and a space.
    """
    return {
        methods[source.replace("_", ", ")]: weight / len(SOURCES)
        for methods in SOURCES.values()
        for source, weight in weights.items()
    }


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
_SHAPE = (Asked("micro-cue-conflict", "shape_bias"), Asked(DECODING, "shape"))
_OBSERVERS = (Asked("micro-alignment", "accuracy"), Asked("micro-alignment", "error_consistency"))
_HUMAN = (*_SHAPE, *_OBSERVERS)
NUMBERS = (*_CLEAN, *_SYNTHETIC, *_NATURAL, *_VIDEO, *_HUMAN, Asked(DECODING, "texture"))
"""Everything that is measured, in the order of tables."""

FEATURES = (
    Asked("micro-davis", "j_and_f"),
    Asked("micro-segmentation", "miou"),
    Asked("micro-actions", "ordered_accuracy"),
    Asked("micro-arrow", "ordered_accuracy"),
)
"""What is measured of the runs of the claim that is judged by features alone, in the order of tables."""

_DECIDING = (*_SYNTHETIC, *_HUMAN)

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
        "1",
        "Pictures and time",
        "What video pretraining adds to robustness, to shape bias and to agreement with the simulated observers, in "
        "two parts: what the pictures give (data: single frames of filmed clips over photographs), and what time gives "
        "(two frames of a clip over one). Data × time: how much more time gives where clips are filmed than where the "
        "camera is ideal.",
        {
            "data": of_sources(still=1, photographs=-1),
            "time": factor("time"),
            "data × time": of_sources(time=1, still=-1, ideal_time=-1, ideal_still=1),
        },
        _DECIDING,
        hypotheses=(
            Hypothesis("H1", "Filmed frames make models robust", "data", _SYNTHETIC),
            Hypothesis("H2", "Filmed frames make models shape-biased", "data", _SHAPE),
            Hypothesis("H3", "With filmed frames models err where observers err", "data", _OBSERVERS),
            Hypothesis("H4", "Time makes models robust, beyond what the pictures give", "time", _SYNTHETIC),
            Hypothesis("H5", "Time makes models shape-biased", "time", _SHAPE),
            Hypothesis("H6", "With time models err where observers err", "time", _OBSERVERS),
            Hypothesis(
                "H7", "Time gives more where the camera's state changes from frame to frame", "data × time", _DECIDING
            ),
        ),
    ),
    Claim(
        "2",
        "What the pictures differ in",
        "Secondary. The effect of data in its parts: the camera's faults (filmed frames over those of an ideal "
        "camera), and framing and number (four frames of a clip over one photograph of its scene). Last, with one "
        "frame of each clip, as many pictures as photographs.",
        {
            "camera": of_sources(still=1, ideal_still=-1),
            "framing and number": of_sources(ideal_still=1, photographs=-1),
            "time, ideal camera": of_sources(ideal_time=1, ideal_still=-1),
            **difference("moclr-frames-one", "moclr"),
        },
        (*_CLEAN, *_DECIDING),
    ),
    Claim(
        "a",
        "Video over images",
        "Pretraining on video gives better representations for image tasks than pretraining on images, and better ones "
        "for video tasks too.",
        {
            "data": of_sources(still=1, photographs=-1),
            "time": factor("time"),
            **difference("moclr-video", "moclr"),
            **difference("vito", "vito-photographs"),
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
        "3",
        "Against the same frames",
        "Secondary. What is left of (b) and (c) where the others learn from frames of the same clips.",
        {
            name: weights
            for other in ("moclr-frames", *(f"{name}-frames" for name in ON_FRAMES))
            for name, weights in difference("vito", other).items()
        },
        (*_CLEAN, *_DECIDING),
    ),
    Claim(
        "4",
        "Video over images, by features alone",
        "Exploratory, declared after the plan: what (a) asks, with tasks that need no labels of images. Masks of "
        "several objects carried along clips, classes of pixels retrieved, and what moves how from frames in order. "
        "Last, what pretraining adds to a random network.",
        {
            "data": of_sources(still=1, photographs=-1),
            "time": factor("time"),
            **difference("moclr-video", "moclr"),
            **difference("vito", "vito-photographs"),
            **difference("vito", "moclr"),
            **difference("vito", "untrained"),
            **difference("moclr", "untrained-average"),
        },
        FEATURES,
        BY_FEATURES,
        on_demand=True,
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
        "Exploratory, and no claim of the paper: each step from `moclr` to `simclr` (its temperature, its negatives, "
        "one network with no target and no predictor) makes decisions more by shape.",
        {
            name: weights
            for high, low in itertools.pairwise(("simclr", *reversed(LADDER), "moclr"))
            for name, weights in difference(high, low).items()
        },
        (*_CLEAN, Asked("micro-light"), Asked("micro-viewpoints"), *_HUMAN),
    ),
)
