"""Made-up scores: two models, a hole, and names that other tools stumble over."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from vitobench.bench.exports.exporter import Handover
from vitobench.bench.run import Outcome
from vitobench.reports.data import ReportData
from vitobench.results.schema import Comparison, Failure, Score

MODELS = ("vito@500", "vito@1000", "file:a b/net.pth?arch=timm:x")


def scores_of(model: str, place: int) -> list[Score]:
    return [
        Score(model, "val", "overall", "top1", 0.9 - place / 10, 0.8 - place / 10, 0.95 - place / 10, 200),
        Score(model, "c", "snow/3", "top1", 0.5, 0.4, 0.6, 200),
        Score(model, "c", "overall", "top1", 0.51, 0.41, 0.61, 200),
        Score(model, "c", "overall", "mce", math.nan, math.nan, math.nan, 200),
    ]


def made_up() -> ReportData:
    scores = [score for place, model in enumerate(MODELS) for score in scores_of(model, place)]
    return ReportData(
        "made up",
        tuple(scores),
        (Comparison(MODELS[1], MODELS[0], "val", "overall", "top1", 0.1, 0.0, 0.2, 0.04, 200),),
        (Failure("*", "c", "fog/1", "*", "a reason"),),
        tuple({"name": name, "identity": f"{name}@{'0' * 16}", "weights_hash": "ab" * 32} for name in MODELS),
        (
            {
                "name": "val", "identity": "val@11", "title": "Clean | images", "kind": "clean", "metric": "top1",
                "world": "microworld", "data": "microworld/val", "data_digest": "d1", "seed": 4,
            },
            {
                "name": "c", "identity": "c@22", "title": "Corrupted", "kind": "corruptions", "metric": "top1",
                "conditions": ["snow/3"], "clean": "val", "views": ["severities", "against-clean"],
                "headline": [
                    {"condition": "overall", "metric": name, "part": False} for name in ("top1", "mce")
                ], "data": "imagenet", "data_digest": "d2", "seed": 4,
                "reference": MODELS[0],
            },
        ),
        undefined={(MODELS[0], "c", "overall", "mce"): "a reason"},
        run={"versions": {"vitobench": "9.9"}, "seed": 4, "store": "s", "command": "bench export"},
    )  # fmt: skip


@pytest.fixture
def handed() -> Callable[..., Handover]:
    """What an exporter gets, by the target and the models asked for."""

    def hand(to: object, *models: str, data: ReportData | None = None) -> Handover:
        return Handover(Outcome(data or made_up(), 0, 0, 0.0), models or MODELS, str(to))

    return hand
