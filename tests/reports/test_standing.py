"""What is said of models that stand side by side: image size, training data, and timm's own numbers."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from vitobench.reports.data import ReportData
from vitobench.reports.headline import render_terminal, to_markdown
from vitobench.reports.page.html import render_html
from vitobench.reports.standing import exposure_lines, marks, match_lines, matches, mixed_line, standing_lines
from vitobench.results.schema import Score

from .conftest import described

LITE0 = "tf_efficientnet_lite0.in1k"
VAL = described(
    {"name": "imagenet-val", "title": "ImageNet", "kind": "clean", "images_from": "web", "world": "photographs"}
)
OBJECTS = described({"name": "objectnet", "title": "ObjectNet", "kind": "shift", "world": "photographs"})


def model(name: str, training: str = "in1k", pixels: int = 224, **extra: str) -> dict[str, Any]:
    return {"name": name, "training_class": training, "preprocessing": {"size": pixels}, "extra": extra}


def report(*models: dict[str, Any], value: float = 0.748, n: int = 50_000) -> ReportData:
    scores = tuple(
        Score(record["name"], task, "overall", "top1", value, value - 0.004, value + 0.004, n)
        for record in models
        for task in ("imagenet-val", "objectnet")
    )
    return ReportData("t", scores, models=models, tasks=(VAL, OBJECTS))


def test_models_of_one_class_and_size_need_no_words() -> None:
    data = report(model("a"), model("b"))
    assert (marks(data), standing_lines(data)) == ({"a": "", "b": ""}, [])
    assert "What the models have seen" not in render_html(data)


def test_models_of_several_classes_are_marked_and_named() -> None:
    data = report(model("a"), model("b", "web", 336), {"name": "old"}, {"name": "blind", "source": "baseline"})
    assert marks(data) == {"a": "224 px, in1k", "b": "336 px, web", "old": "unknown"}
    line = mixed_line(data)
    assert "ImageNet-1k: a; images of the web: b; unknown data: old" in line
    assert "blind" not in line


def test_a_chosen_size_is_told_even_where_all_are_equal() -> None:
    assert marks(report(model("a", pixels=288, size="test"))) == {"a": "288 px"}


def test_images_of_the_training_source_are_a_warning() -> None:
    (line,) = exposure_lines(report(model("a"), model("b", "web")))
    assert line.startswith("b: trained on images of the web, which may hold images of: ImageNet.")
    assert "ObjectNet" not in line
    assert not exposure_lines(report(model("a"), model("b", "in21k")))


@pytest.mark.parametrize(("value", "agrees"), [(0.7488, True), (0.7300, False)])
def test_a_run_of_timm_is_compared_with_its_row(value: float, agrees: bool) -> None:
    data = report(model("timm:x", timm_weights=LITE0), value=value)
    (match,) = matches(data)
    assert (match.agreement.published, match.agreement.agrees) == (pytest.approx(0.74846), agrees)
    (line,) = match_lines(data)
    if agrees:
        assert line == "timm:x: 1 of 1 numbers agree with those that timm published."
    else:
        assert line.startswith("timm:x: 0 of 1 numbers agree with those that timm published. Farthest is ImageNet: ")
        assert "73.00 here, 74.85 published, difference −1.85 with ±0.09 expected. Likely causes: images" in line


def test_another_size_or_crop_is_not_compared() -> None:
    (line,) = match_lines(report(model("timm:x", pixels=256, timm_weights=LITE0)))
    assert line == "timm:x: run at 256 pixels; timm's numbers that are known here are at 224."
    assert not matches(report(model("timm:x", timm_weights=LITE0, size="224")))
    assert not matches(report(model("timm:x", timm_weights=LITE0, size="test", resize="256")))
    assert not matches(report(model("mine")))


def test_the_terminal_markdown_and_the_page_say_the_same() -> None:
    data = report(model("timm:x", timm_weights=LITE0), model("b", "web", 336), value=0.73)
    console = Console(file=io.StringIO(), width=1000)
    render_terminal(data, console)
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    markdown, page = to_markdown(data), render_html(data)
    for line in standing_lines(data):
        assert f"Note: {line}" in printed
        assert f"Note: {line}" in markdown
        assert line in page
    assert "timm:x  224 px, in1k" in printed
    assert '<span class="against">336 px, web</span>' in page
    for words in ("What the models have seen", "Does the run match timm", "−1.85", "±0.09", "differs"):
        assert words in page
