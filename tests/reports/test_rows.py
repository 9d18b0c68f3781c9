"""The headline's rows, and how numbers are written."""

from __future__ import annotations

import dataclasses
import math
import random
import subprocess
import sys

import pytest

from vitobench.reports.data import ReportData
from vitobench.reports.headline import failure_lines, headline_rows, hole_lines, tallies
from vitobench.reports.page.view import headline_view, leaderboard_view
from vitobench.reports.wording import (
    Verdict,
    change,
    change_interval,
    condition_label,
    labels,
    shorten,
    unit_words,
    value_text,
    verdict,
    visible,
)
from vitobench.results.schema import Comparison, Failure, Score

from .conftest import described


def pair(difference, low, high, metric="top1"):
    return Comparison("a", "b", "t", "overall", metric, difference, low, high, 0.01, 100)


def test_rows_follow_the_tasks_and_their_families(report):
    rows = [(row.task, row.condition, row.metric) for row in headline_rows(report)]
    assert rows == [
        ("micro-val", "overall", "top1"),
        ("micro-c", "overall", "top1"),
        *[("micro-c", family, "top1") for family in ("noise", "blur", "weather", "digital")],
        ("micro-c", "overall", "mce"),
        *[(f"micro-{s}", "overall", "top1") for s in ("viewpoints", "backgrounds", "light", "occlusion")],
        ("micro-cue-conflict", "overall", "shape_bias"),
    ]


def test_mce_row_needs_a_reference_or_a_score(make_report):
    rows = headline_rows(make_report(2, photographs=True))
    assert not [row for row in rows if row.task == "imagenet-c" and row.metric == "mce"]


def test_only_the_declared_baseline_is_compared(report):
    cells = headline_rows(report)[0].cells
    assert cells[0].comparison is not None
    assert cells[0].comparison.b == "supervised-micro"
    # The reference model has a comparison in the data but declares no baseline.
    assert cells[2].comparison is None


def test_a_baseline_that_is_absent_is_no_baseline(report):
    models = ({**report.models[0], "baseline": "elsewhere"}, *report.models[1:])
    assert dataclasses.replace(report, models=models).baseline("vito-micro") is None


def test_a_baseline_that_was_asked_for_takes_the_place_of_the_declared_one(report):
    vito, supervised, reference = report.model_names

    def baseline(*pairs, **changes):
        return dataclasses.replace(report, pairs=pairs, **changes).baseline(vito)

    assert baseline((vito, reference)) == reference
    assert baseline((vito, reference), (vito, supervised)) == supervised  # the declared one, if it was asked for
    assert baseline((vito, "elsewhere"), (supervised, reference)) is None
    colours = (*report.models[:2], {**report.models[2], "source": "baseline"})
    assert baseline((vito, reference), models=colours) is None  # compared beside, not instead
    asked = dataclasses.replace(
        report,
        pairs=((vito, reference),),
        comparisons=tuple(dataclasses.replace(c, b=reference) for c in report.comparisons if c.a == vito),
    )
    assert {row.cells[0].comparison.b for row in headline_rows(asked) if row.cells[0].comparison} == {reference}
    assert (tallies(asked)[0].baseline, tallies(asked)[0].missing) == (reference, tallies(report)[0].missing)


def test_the_page_has_empty_cells_where_a_baseline_takes_no_part_and_dashes_where_a_number_is_missing(report):
    *_, last = report.models
    task = headline_rows(report)[0].task
    scores = tuple(s for s in report.scores if (s.model, s.task) != (last["name"], task))
    for record, cell in ((last, "—"), ({**last, "source": "baseline"}, "")):
        data = dataclasses.replace(report, models=(*report.models[:-1], record), scores=scores)
        rows = headline_rows(data)
        assert {row.cells[-1].value for row in headline_view(data, rows).rows if row.task == task} == {cell}
        board = leaderboard_view(data, rows)
        (line,) = (row for row in board.rows if row.label == last["name"])
        assert {one.value for one, name in zip(line.cells, board.tasks, strict=True) if name == task} == {cell}


def test_scores_without_a_description_still_appear():
    data = ReportData("bare", (Score("m", "t", "overall", "top1", 0.5, 0.4, 0.6, 10),))
    (row,) = headline_rows(data)
    assert (row.title, row.cells[0].model, row.cells[0].measured) == ("t", "m", True)


def test_holes_are_said(make_report):
    data = make_report(3, holes=True)
    lines = hole_lines(headline_rows(data))
    assert lines == [
        "vito-micro, Micro-world, corrupted: Top-1 accuracy, Weather, mCE not measured",
        "vito-micro, Micro-world, light: Top-1 accuracy not measured",
    ]


def test_failures_of_one_kind_are_counted(make_report):
    assert failure_lines(make_report(3, holes=True)) == [
        "vito-micro, Micro-world, corrupted, Snow, severity 4 (3 images): the model returned NaN logits",
        "vito-micro, Micro-world, light: the data folder is missing",
    ]


def test_tasks_that_fail_for_the_same_reason_are_named_in_one_line():
    rows = [("*", "a", "*", "*"), ("*", "b", "*", "*"), ("m", "a", "*", "*"), ("*", "c", "fog", "1.png")]
    failures = tuple(Failure(model, task, condition, image, "it is absent") for model, task, condition, image in rows)
    assert failure_lines(ReportData("t", (), failures=failures, tasks=({"name": "b", "title": "Beta"},))) == [
        "every model, a, Beta: it is absent",
        "m, a: it is absent",
        "every model, c, Fog (1.png): it is absent",
    ]


def test_tallies_count_whole_tasks_once(report):
    (tally,) = tallies(report)
    assert (tally.model, tally.baseline) == ("vito-micro", "supervised-micro")
    assert tally.better + tally.worse + tally.open + tally.missing == len(report.tasks)


@pytest.mark.parametrize(("main", "better", "worse"), [("mce", 1, 0), ("top1", 0, 1), (None, 0, 1)])
def test_a_task_with_two_whole_lines_is_judged_by_its_main_metric(main, better, worse):
    task = described({"name": "c", "kind": "corruptions", "reference": "b", "metric": main})
    scores = [Score(m, "c", "overall", key, 0.5, 0.4, 0.6, 9) for m in ("a", "b") for key in ("top1", "mce")]
    compared = [
        Comparison("a", "b", "c", "overall", key, -0.2, -0.3, -0.1, 0.001, 9, verdict=said)
        for key, said in (("top1", "loss"), ("mce", "win"))
    ]
    models = ({"name": "a", "baseline": "b"}, {"name": "b"})
    (tally,) = tallies(ReportData("x", tuple(scores), tuple(compared), models=models, tasks=(task,)))
    assert (tally.better, tally.worse, tally.open, tally.missing) == (better, worse, 0, 0)


@pytest.mark.parametrize(
    ("difference", "expected"),
    [
        (pair(0.031, 0.012, 0.05), Verdict.BETTER),
        (pair(-0.031, -0.05, -0.012), Verdict.WORSE),
        (pair(0.004, -0.008, 0.016), Verdict.OPEN),
        (pair(0.03, 0.0, 0.06), Verdict.OPEN),
        (pair(-0.12, -0.15, -0.09, "mce"), Verdict.BETTER),
        (pair(0.12, 0.09, 0.15, "ce"), Verdict.WORSE),
        (pair(0.06, 0.03, 0.09, "shape_bias"), Verdict.BETTER),
        (pair(math.nan, math.nan, math.nan), Verdict.OPEN),
    ],
)
def test_verdict_knows_which_side_is_better(difference, expected):
    assert verdict(difference) is expected


def test_numbers_are_written_once_and_for_all():
    assert value_text(0.767, "top1") == "76.7"
    assert value_text(math.nan, "top1") == value_text(None, "top1") == "—"
    assert value_text(-0.00001, "top1", sign=True) == "0.0"
    assert change(pair(0.031, 0.012, 0.05)) == "▲ +3.1"
    assert change_interval(pair(0.031, 0.012, 0.05)) == "[+1.2, +5.0]"
    assert change(pair(-0.12, -0.15, -0.09, "mce")) == "▲ −12.0"
    assert change(pair(0.004, -0.008, 0.016)) == "+0.4"
    assert change(None) == "—"


def test_a_metric_that_is_no_share_is_written_in_its_own_unit():
    assert value_text(1.7684, "depth_rmse") == "1.768"
    assert value_text(12345.0, "error_consistency_stimuli") == "12,345"
    assert value_text(-0.0004, "depth_rmse", sign=True) == "0.000"
    assert change(pair(-0.1236, -0.2, -0.05, "depth_rmse")) == "▲ −0.124"
    assert change_interval(pair(-0.1236, -0.2, 0.05, "depth_rmse")) == "[−0.200, +0.050]"
    assert unit_words(["top1", "depth_rmse", "mce"]) == "In percent, except RMSE, mean over images"
    assert unit_words(["top1"]) == "In percent"


def test_names_for_people():
    assert condition_label("gaussian_noise/3") == "Gaussian noise, severity 3"
    assert condition_label("jpeg_compression") == "JPEG compression"
    for seed in (0, 1):
        assert shorten(f"file:runs/vito-seed{seed}/vito.safetensors") == f"runs/vito-seed{seed}/vito"
    assert shorten("file:/home/me/runs/a/vito-seed0/vito.safetensors") == "…/me/runs/a/vito-seed0/vito"
    assert shorten("litert:/home/me/mobilenet_v1_0.25_128_quant.tflite") == "…mobilenet_v1_0.25_128_quant"
    assert shorten("file:/home/me/runs/lite0.ckpt?arch=timm:tf_efficientnet_lite0") == "/home/me/runs/lite0"
    assert shorten("x" * 100, 21) == "x" * 10 + "…" + "x" * 10


def test_labels_that_fit_stay_and_long_ones_lose_their_middle():
    names = ["vito", "moclr", "file:runs/a-long-folder/of-mine/x.safetensors"]
    assert labels(names, 21) == {name: shorten(name, 21) for name in names}
    assert labels([]) == {}


@pytest.mark.parametrize(
    ("names", "width", "expected"),
    [
        (
            [f"file:runs/vito-seed{seed}/vito.safetensors" for seed in (0, 1)],
            28,
            ["runs/vito-seed0/vito", "runs/vito-seed1/vito"],
        ),
        (
            [f"file:runs/of-today/vito-seed{seed}/checkpoints/vito.safetensors" for seed in (0, 1)],
            28,
            ["…-today/vito-seed0/checkpoi…", "…-today/vito-seed1/checkpoi…"],
        ),
        ([f"{'x' * 30}{digit}{'y' * 30}" for digit in "12"], 11, ["…xxxxx1yyy…", "…xxxxx2yyy…"]),
        ([f"a{'x' * 30}@{digest * 16}" for digest in "ab"], 24, [f"axxxxxxxxxx…{d * 12}" for d in "ab"]),
        # They differ at the beginning and in the middle: both places are shown, for all four.
        (
            [f"run/{a}/{'x' * 30}/{b}/last.model" for a in ("one", "two") for b in ("k", "q")],
            20,
            ["…one/xxxx…xxxxxxx/k…", "…one/xxxx…xxxxxxx/q…", "…two/xxxx…xxxxxxx/k…", "…two/xxxx…xxxxxxx/q…"],
        ),
        (["Vito", "vito"], 28, ["Vito", "vito"]),
        # Alike in full, as a reader sees them.
        (["a b", "a  b", "a\u200b b"], 28, ["a b (2)", "a  b (1)", "a\u200b b (3)"]),
        # Two that no reader can tell apart leave the others as short as they are without them.
        (
            ["v", "v ", *(f"file:runs/of-today/vito-seed{seed}/checkpoints/vito.safetensors" for seed in (0, 1))],
            28,
            ["v (1)", "v  (2)", "…-today/vito-seed0/checkpoi…", "…-today/vito-seed1/checkpoi…"],
        ),
        (["a b", "a  b", "a b (1)"], 28, ["a b (3)", "a  b (2)", "a b (1)"]),
    ],
)
def test_labels_of_one_table_differ_where_their_names_do(names, width, expected):
    found = labels(names, width)
    assert [found[name] for name in names] == expected
    assert labels(reversed(names), width) == found
    assert len({visible(label) for label in found.values()}) == len(names)


def test_labels_are_unique_whatever_the_names():
    rng = random.Random(0)
    for _ in range(300):
        base = [rng.choice("ab-/") for _ in range(rng.randint(5, 80))]
        names = set()
        for _ in range(rng.randint(2, 8)):
            letters = list(base)
            for _ in range(rng.randint(0, 3)):
                letters[rng.randrange(len(letters))] = rng.choice("ab \u200b-…")
            names.add("".join(letters))
        for width in (12, 28, None):
            found = labels(names, width)
            assert len({visible(label) for label in found.values()}) == len(names) == len(found)
            if all(name.isprintable() and name.isascii() and " " not in name for name in names):
                assert all(len(label) <= len(name) or len(label) <= (width or 0) for name, label in found.items())


def test_light_modules_import_nothing_heavy():
    code = (
        "import sys, vitobench.reports.headline, vitobench.reports.page.html\n"
        "print([m for m in ('matplotlib', 'seaborn', 'pandas', 'jinja2', 'rich', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
