"""Human alignment on the page: names, verdicts, and that nobody takes simulated observers for people."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest

from vitobench.reports.alignment_data import AlignmentData
from vitobench.reports.data import ReportData
from vitobench.reports.page.html import render_html
from vitobench.reports.page.sections import alignment_sections
from vitobench.results.schema import Comparison, ObserverScore
from vitobench.tasks.alignment.experiments import ALIGNMENT_SETS
from vitobench.tasks.registry import TASKS

from .conftest import described

METRICS = ("accuracy", "accuracy_difference", "observed_consistency", "error_consistency")


def report(simulated: bool) -> ReportData:
    world = "micro-" if simulated else ""
    reference = "simulated observers" if simulated else "humans"
    kind = "simulated" if simulated else "human"
    names = ("vito", "moclr", reference)
    no_axis = {"axis": "", "conditions": ["0"], "ticks": [""], "excluded": [], "kind": "nonparametric"}
    sets: list[Any] = [
        {"name": f"{world}edge", "task": f"{world}alignment-edge", "title": "Edges", **no_axis},
        {"name": f"{world}cue-conflict", "task": f"{world}alignment-cue-conflict", "title": "Cue conflict", **no_axis},
    ]

    def score(observer, data_set, metric, value):
        task = f"{world}alignment" if data_set == "all" else f"{world}alignment-{data_set.removeprefix(world)}"
        return ObserverScore(
            observer, task, "overall", metric, value, value - 0.01, value + 0.01, 160, data_set, reference,
            people_ci_low=value, people_ci_high=value,
        )  # fmt: skip

    scores = [
        score(observer, data_set, metric, 0.2 + 0.1 * number)
        for (number, observer), data_set, metric in itertools.product(
            enumerate(names), ("all", f"{world}edge", f"{world}cue-conflict"), METRICS
        )
    ]
    scores += [score(observer, f"{world}cue-conflict", "shape_bias", 0.4) for observer in names]
    found = AlignmentData(
        scores=scores,
        data_sets=sets,
        observers=[
            {"name": "vito", "kind": "model", "label": "vito"},
            {"name": "moclr", "kind": "model", "label": "moclr"},
            {"name": reference, "kind": kind, "label": reference},
        ],
        reference=reference,
        agreement=[{"data_set": f"{world}edge", "observers": list(names), "values": [[1, 0.1, 0.2]] * 3}],
        notes=["a remark"],
    )
    compared = [
        Comparison("vito", "moclr", f"{world}alignment", "overall", "accuracy_difference", -0.111, -0.2, -0.05, 0.001,
                   160, verdict="win"),
        Comparison("vito", "moclr", f"{world}alignment", "overall", "accuracy", 0.022, 0.01, 0.03, 0.04, 160,
                   verdict="tie"),
        Comparison("vito", "moclr", f"{world}alignment-cue-conflict", "overall", "shape_bias", -0.333, -0.4, -0.3,
                   0.001, 160, verdict="loss"),
    ]  # fmt: skip
    seen = "microworld" if simulated else "photographs"
    task = {"name": f"{world}alignment-edge", "kind": "alignment", "world": seen, "metric": "error_consistency"}
    tasks = [described(task)]
    models = [{"name": "vito", "baseline": "moclr"}, {"name": "moclr"}]
    return ReportData("a", (), tuple(compared), models=tuple(models), tasks=tuple(tasks), alignment=(found,))


def test_forms_of_error_consistency_are_shown_beside_the_plain_one() -> None:
    """A column of the headline where the plain mean is undefined, and a table of all forms."""
    data = report(simulated=False)
    (world,) = data.alignment
    assert "κ of defined" not in alignment_sections(data)[0].tables[0].heads
    lost = [
        replace(row, value=float("nan"), ci_low=float("nan"), ci_high=float("nan"))
        if (row.model, row.metric) == ("vito", "error_consistency")
        else row
        for row in world.scores
    ]
    like = next(row for row in lost if (row.model, row.data_set) == ("vito", "all"))
    more = [
        replace(like, metric="error_consistency_defined", value=0.25, ci_low=0.2, ci_high=0.3),
        replace(like, metric="error_consistency_stimuli", value=12345.0, ci_low=float("nan"), ci_high=float("nan")),
    ]
    (section,) = alignment_sections(replace(data, alignment=(replace(world, scores=[*lost, *more]),)))
    rows = {row.label: dict(zip(section.tables[0].heads, row.cells, strict=True)) for row in section.tables[0].rows}
    assert rows["vito"]["κ"].hole
    assert (rows["vito"]["κ of defined"].value, rows["vito"]["κ of defined"].span) == ("0.250", "[0.200, 0.300]")
    (forms,) = dict(section.details)["Human alignment: agreement with people, error consistency in its other forms"]
    cells = {row.label: dict(zip(forms.heads, row.cells, strict=True)) for row in forms.rows}
    assert cells["vito"]["κ of defined"].value == "0.250"
    assert cells["vito"]["stimuli for ± 0.05"].value == "12,345"
    assert cells["moclr"]["κ of defined"].hole
    assert "Klein et al., NeurIPS 2025" in forms.note


@pytest.mark.parametrize("simulated", [True, False])
def test_the_headline_holds_every_observer_and_the_judged_differences(simulated: bool) -> None:
    (section,) = alignment_sections(report(simulated))
    (table,) = section.tables
    rows = {row.label: row for row in table.rows}
    cells = dict(zip(table.heads, rows["vito"].cells, strict=True))
    assert rows["vito"].note == "against moclr"
    assert cells["Accuracy difference ↓"].change == "▲ −0.111"
    assert cells["Accuracy difference ↓"].verdict == "better"
    assert cells["OOD accuracy"].change == "+0.022"
    assert cells["Shape bias"].change == "▼ −0.333"
    assert cells["Shape bias"].words == "more by texture"
    assert cells["κ"].change == ""
    assert not any(cell.change for cell in rows["moclr"].cells)
    assert section.notes == ("a remark",)
    assert section.details


def test_simulated_observers_are_called_so_in_heading_lede_rows_and_captions() -> None:
    (section,) = alignment_sections(report(True))
    assert "simulated" in section.title
    assert "not people" in section.lede
    assert any("simulated" in row.label for row in section.tables[0].rows)
    assert section.figures
    assert all("not people" in figure.caption for figure in section.figures)
    (people,) = alignment_sections(report(False))
    assert people.title == "Human alignment: agreement with people"
    assert not people.lede
    assert not any("not people" in figure.caption for figure in people.figures)


def test_matrices_of_all_pairs_are_folded_on_the_page() -> None:
    text = render_html(report(True))
    (section,) = alignment_sections(report(True))
    assert [figure.folded for figure in section.figures if "all pairs" in figure.title] == [True]
    assert "<details><summary>Error consistency of all pairs: Edges</summary>" in text


@pytest.mark.parametrize("world", ["", "micro-"])
def test_data_sets_lead_to_tasks_that_exist(world: str) -> None:
    names = [replace(one, name=f"{world}{name}").task for name, one in ALIGNMENT_SETS.items()]
    known = [name for name in names if name in TASKS]
    assert len(known) == (15 if world else 17)
