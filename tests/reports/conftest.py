"""A made-up report of any size: what the layout has to cope with, without running a model."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields, replace
from typing import Any

import pytest

from vitobench.reports.data import ReportData
from vitobench.reports.page import sections
from vitobench.results.kept import digest_of
from vitobench.results.schema import Comparison, Failure, Score
from vitobench.tasks.kinds import KINDS
from vitobench.tasks.registry import TASKS

FAMILIES = {
    "noise": ["gaussian_noise", "shot_noise", "impulse_noise"],
    "blur": ["defocus_blur", "glass_blur", "motion_blur", "zoom_blur"],
    "weather": ["snow", "frost", "fog", "brightness"],
    "digital": ["contrast", "elastic_transform", "pixelate", "jpeg_compression"],
}
FEW = {
    "noise": ["gaussian_noise", "shot_noise"],
    "blur": ["defocus_blur"],
    "weather": ["snow"],
    "digital": ["contrast"],
}
"""For tests of what stands around the panels: drawing one of every corruption takes most of the time of a page."""

Families = Mapping[str, Sequence[str]]
SHAPES = [
    "airplane", "bear", "bicycle", "bird", "boat", "bottle", "car", "cat",
    "chair", "clock", "dog", "elephant", "keyboard", "knife", "oven", "truck",
]  # fmt: skip
NAMES = (
    "vito-micro",
    "supervised-micro",
    "resnet18-micro-reference",
    "a-model-with-a-rather-long-name-that-someone-gave-it",
    "dino-micro",
    "mae-micro",
    "clip-micro",
    "bagnet-micro",
)
SHIFTS = ("viewpoints", "backgrounds", "light", "occlusion")


def described(record: dict[str, Any]) -> dict[str, Any]:
    """A record with what its kind adds to it, as a run writes it."""
    kind = KINDS[record["kind"]]
    task = replace(
        TASKS["micro-val"],
        kind=kind,
        metric=record.get("metric") or "top1",
        families=record.get("families") or {},
        reference=record.get("reference"),
    )
    lines = [asdict(line) for line in kind.lines(task)]
    return record | {"views": [view.value for view in kind.views], "headline": lines}


def _task(name: str, title: str, kind: str, clean: str | None, world: str, **more: Any) -> dict[str, Any]:
    return described({
        "name": name, "identity": f"{name}@1b9caa71", "title": title, "kind": kind,
        "clean": clean, "world": world, "data": f"{world} test images", "data_digest": "5f0c1d9e77ab42c1",
        "conditions": [], "n": 800, "metric": "top1", "notes": "",
        "citation": "Hendrycks & Dietterich, Benchmarking Neural Network Robustness, ICLR 2019",
        **more,
    })  # fmt: skip


def tasks(photographs: bool, families: Families) -> list[dict[str, Any]]:
    world = "microworld"
    found = [_task("micro-val", "Micro-world, clean", "clean", None, world)]
    found.append(
        _task("micro-c", "Micro-world, corrupted", "corruptions", "micro-val", world,
              families=families, reference=NAMES[2])
    )  # fmt: skip
    found += [_task(f"micro-{s}", f"Micro-world, {s}", "shift", "micro-val", world) for s in SHIFTS]
    found.append(
        _task("micro-cue-conflict", "Micro-world, cue conflict", "cue-conflict", None, world,
              metric="shape_bias", shape_classes=SHAPES)
    )  # fmt: skip
    if photographs:
        found.append(_task("imagenet-val", "ImageNet", "clean", None, "photographs"))
        found.append(
            _task("imagenet-c", "ImageNet-C", "corruptions", "imagenet-val", "photographs",
                  families=families, reference=None)
        )  # fmt: skip
    return found


def build(
    models: int = 3,
    *,
    names: tuple[str, ...] = NAMES,
    holes: bool = False,
    photographs: bool = False,
    families: Families = FAMILIES,
) -> ReportData:
    """A report with plausible numbers; ``holes`` takes a family and a shift away from the first model."""
    rng = random.Random(7)
    chosen = names[:models]
    scores: list[Score] = []
    declared = tasks(photographs, families)

    def add(model: str, task: str, condition: str, metric: str, value: float, half: float, n: int = 800) -> None:
        scores.append(Score(model, task, condition, metric, value, value - half, value + half, n))

    for index, model in enumerate(chosen):
        level = max(0.1, 0.9 - 0.05 * index)
        for task in declared:
            name, kind = task["name"], task["kind"]
            if kind in ("clean", "shift"):
                add(model, name, "overall", "top1", level - (0.0 if kind == "clean" else rng.uniform(0.1, 0.3)), 0.02)
            if kind == "shift":
                for amount in ("near", "far"):
                    add(model, name, amount, "top1", level - rng.uniform(0.1, 0.3), 0.03, 400)
            if kind == "corruptions":
                means = []
                for family, kinds in families.items():
                    hole = holes and index == 0 and family == "weather"
                    drops = []
                    for corruption in kinds:
                        slope = rng.uniform(0.03, 0.13)
                        cells = [max(0.03, level - slope * s) for s in range(1, 6)]
                        for severity, value in enumerate(cells, 1):
                            broken = hole and corruption == "snow" and severity == 4
                            add(model, name, f"{corruption}/{severity}", "top1", math.nan if broken else value, 0.025)
                        mean = math.nan if hole and corruption == "snow" else sum(cells) / 5
                        add(model, name, corruption, "top1", mean, 0.02)
                        add(model, name, corruption, "ce", (1 - mean) / 0.6, 0.03)
                        drops.append(mean)
                    add(model, name, family, "top1", sum(drops) / len(drops), 0.018)
                    means += drops
                add(model, name, "overall", "top1", sum(means) / len(means), 0.015)
                if task["reference"]:
                    whole = not any(map(math.isnan, means))
                    add(model, name, "overall", "mce", 0.767 + 0.12 * index if whole else math.nan, 0.03)
                    add(model, name, "overall", "relative_mce", 0.95 + 0.1 * index if whole else math.nan, 0.05)
            if kind == "cue-conflict":
                add(model, name, "overall", "shape_bias", 0.62 - 0.06 * index, 0.04, 480)
                for row in _shape_rows(model):
                    add(model, name, row["category"], "shape_bias", row["shape"] / 28, 0.15, 28)
    if holes:
        scores = [s for s in scores if (s.model, s.task) != (chosen[0], "micro-light")]
    return ReportData(
        title="robustness",
        scores=tuple(scores),
        comparisons=tuple(_compare(scores, chosen)),
        failures=_failures(chosen[0]) if holes else (),
        models=tuple(_model(name, chosen) for name in chosen),
        tasks=tuple(declared),
        shape_decisions=tuple(row for name in chosen for row in _shape_rows(name)),
        run={
            "date": "2025-01-31T12:00:00+00:00", "seed": 0, "command": "bench report robustness",
            "store": "runs/robustness", "versions": {"vitobench": "0.1.0", "torch": "2.9.0", "numpy": "2.3.0"},
        },
    )  # fmt: skip


def _compare(scores: list[Score], chosen: tuple[str, ...]) -> list[Comparison]:
    """The first model against the second, the others but the reference against it too."""
    pairs = [(name, chosen[1]) for name in chosen if len(chosen) > 1 and name != chosen[1]]
    lookup = {(s.model, s.task, s.condition, s.metric): s for s in scores}
    found = []
    for a, b in pairs:
        for (model, task, condition, metric), score in lookup.items():
            other = lookup.get((b, task, condition, metric))
            if model == a and other is not None and "/" not in condition:
                gap = score.value - other.value
                found.append(Comparison(a, b, task, condition, metric, gap, gap - 0.031, gap + 0.031, 0.01, score.n))
    return found


def _model(name: str, chosen: tuple[str, ...]) -> dict[str, Any]:
    evaluated = len(chosen) > 1 and name not in chosen[1:3]
    return {
        "name": name, "identity": f"{name}@77ac01f2", "source": "zoo", "architecture": "vit_tiny_patch8_64",
        "label_space": "micro-16", "training_data": "micro-train, 20 000 clips", "licence": "Apache-2.0",
        "weights_hash": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "preprocessing": {"size": 64, "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]},
        "baseline": chosen[1] if evaluated else None, "description": "A small model for tests.", "extra": {},
    }  # fmt: skip


def _failures(model: str) -> tuple[Failure, ...]:
    return (
        *(Failure(model, "micro-c", "snow/4", f"img{i}", "the model returned NaN logits") for i in range(3)),
        Failure(model, "micro-light", "*", "*", "the data folder is missing"),
    )


def _shape_rows(model: str) -> list[dict[str, Any]]:
    rng = random.Random(model)
    rows = []
    for category in SHAPES:
        shape = rng.randint(5, 25)
        rows.append({
            "model": model, "task": "micro-cue-conflict", "category": category,
            "shape": shape, "texture": 28 - shape, "other": 2,
        })  # fmt: skip
    return rows


@pytest.fixture(scope="session")
def pictures() -> dict[str, str]:
    """Figures that a page has shown, by what they were drawn of; whoever wants them drawn again clears it."""
    return {}


@pytest.fixture(autouse=True)
def drawn_once(pictures: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of the same data share their figures, however the data were made."""
    draw = sections._drawn

    def drawn(spec: Any, data: ReportData, *rest: str) -> str:
        content = [getattr(data, field.name) for field in fields(data) if field.name != "keeper"]
        key = digest_of([spec.name, repr(spec.draw), content, list(rest)])
        if key not in pictures:
            pictures[key] = draw(spec, data, *rest)
        return pictures[key]

    monkeypatch.setattr(sections, "_drawn", drawn)


@pytest.fixture
def make_report() -> Callable[..., ReportData]:
    return build


@pytest.fixture
def report() -> ReportData:
    return build(3)
