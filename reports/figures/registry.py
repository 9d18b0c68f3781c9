"""The figures by name: what each needs, draws and says, and how it is written to files.

The page, `bench figures` and notebooks iterate over them. Importing this loads no matplotlib: a figure's module is
imported when it is drawn.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ... import plugins
from ...errors import unknown_name
from ...files import write_file
from ...identity import digest
from ...results.layout import safe_name
from ...results.schema import View
from ...text import utf8
from ..alignment_data import ALL, AlignmentData
from ..data import ReportData
from ..focus import trainings
from ..headline import headline_rows
from ..wording import csv_text
from .figure import Caption, FigureSpec, Place

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..focus import Focus


# The figures by name.


def _whole(data: ReportData, subject: str) -> tuple[Any, ...]:
    return (data,)


def _task(data: ReportData, subject: str) -> tuple[Any, ...]:
    return data, subject


def _headline(data: ReportData) -> list[str]:
    return [""] if any(cell.measured for row in headline_rows(data) for cell in row.cells) else []


def _overview_caption(data: ReportData, subject: str) -> Caption:
    return Caption(
        "Overview",
        "Each marker is one model's value and each bar its 95 % interval; grey labels are parts of the task above "
        "them. Two intervals may overlap although the paired difference is significant: rely on the table.",
    )


def _corrupted(data: ReportData) -> list[str]:
    tasks = [str(task["name"]) for task in data.tasks_with(View.SEVERITIES)]
    return [task for task in tasks if data.corruptions(task) and _graded(data, task)]


def _graded(data: ReportData, task: str) -> bool:
    return any(s.task == task and "/" in s.condition and math.isfinite(s.value) for s in data.scores)


def _in_families(data: ReportData) -> list[str]:
    return [task for task in _corrupted(data) if data.task(task).get("families")]


_BANDS = "Bands are 95 % intervals; severity 0 is the clean counterpart. A gap in a line is a missing value."
_FLAT = "The flatter the line, the more robust the model."


def _families_caption(data: ReportData, task: str) -> Caption:
    return Caption(f"{data.titles[task]}: accuracy by severity, family means", f"{_FLAT} {_BANDS}")


def _corruptions_caption(data: ReportData, task: str) -> Caption:
    hint = "One row per family." if data.task(task).get("families") else _FLAT
    return Caption(f"{data.titles[task]}: accuracy by severity, every corruption", f"{hint} {_BANDS}")


def _shifted(data: ReportData) -> list[str]:
    from .clean_shifted import spots

    tasks = [str(task["name"]) for task in data.tasks_with(View.AGAINST_CLEAN)]
    return [task for task in tasks if any(spot.kind == "measured" for spot in spots(data, task))]


def _shifted_caption(data: ReportData, task: str) -> Caption:
    return Caption(
        f"{data.titles[task]}: against clean accuracy",
        "A model above the line is more robust than its clean accuracy explains (effective robustness).",
        folded=True,
    )


def _conflicts(data: ReportData) -> list[str]:
    decided = {str(row["task"]) for row in data.shape_decisions}
    return [str(task["name"]) for task in data.tasks_with(View.SHAPE) if task["name"] in decided]


def _shape_caption(data: ReportData, task: str) -> Caption:
    return Caption(
        f"{data.titles[task]}: shape against texture",
        "Images whose shape and texture belong to different categories. Each marker is the share of texture "
        "decisions (further left: more by shape) on images of one shape category; vertical lines are the values "
        "over all categories, with 95 % intervals at the bottom. Decisions for neither cue are left out.",
    )


def _trained(data: ReportData) -> list[str]:
    return [""] if trainings(data) and _headline(data) else []


def _curves_caption(data: ReportData, subject: str) -> Caption:
    return Caption("Scores during training", "One line per training run, one marker per checkpoint.")


def _references(data: ReportData) -> list[str]:
    from .headline import ablation_rows, references

    return [name for name in references(data) if ablation_rows(data, name)]


def _ablation_caption(data: ReportData, reference: str) -> Caption:
    return Caption(
        f"Differences to {reference}",
        "Paired differences on the same images, with 95 % intervals; those in full colour are significant after "
        "correction.",
    )


def _world(data: AlignmentData) -> str:
    """Observers are simulated only in the micro-world."""
    return "microworld" if data.simulated else "photographs"


def _observers(data: ReportData, subject: str) -> tuple[Any, ...]:
    """A world's data, and the data set that the subject names beyond it."""
    for observed in data.alignment:
        world, _, data_set = subject.partition("-")
        if _world(observed) == world:
            return (observed, data_set) if data_set else (observed,)
    raise KeyError(subject)


def _worlds(enough: Callable[[AlignmentData], bool]) -> Callable[[ReportData], list[str]]:
    return lambda data: [_world(observed) for observed in data.alignment if enough(observed)]


def _has_mean(data: AlignmentData) -> bool:
    return any(score.data_set == ALL for score in data.scores)


def _matrices(data: ReportData) -> list[str]:
    return [f"{_world(observed)}-{record['data_set']}" for observed in data.alignment for record in observed.agreement]


_STIMULI = "Bands and bars are 95 % intervals over stimuli."


def _group(data: AlignmentData) -> str:
    return {"humans": "people"}.get(data.reference, data.reference)


def _says(title: str, text: str) -> Callable[[ReportData, str], Caption]:
    """A caption for a world; ``{group}`` becomes the observers that models are compared with."""

    def caption(data: ReportData, subject: str) -> Caption:
        observed = _observers(data, subject)[0]
        group = _group(observed)
        more = f" {group.capitalize()} are not people: they see what was rendered, plus noise of a known strength."
        return Caption(title, text.format(group=group) + (more if observed.simulated else ""))

    return caption


def _matrix_caption(data: ReportData, subject: str) -> Caption:
    observed, data_set = _observers(data, subject)
    titles = {record["name"]: record["title"] for record in observed.data_sets}
    words = _says("", "Every observer against every other, including individual {group}.")(data, subject).text
    return Caption(f"Error consistency of all pairs: {titles[data_set]}", words, folded=True)


def _bars_caption(data: ReportData, subject: str) -> Caption:
    published = "; hatched bars are numbers published by others, on the same stimuli and people"
    hatched = "" if _observers(data, subject)[0].simulated else published
    return _says("Benchmark", f"Means over data sets{hatched}. {_STIMULI}")(data, subject)


_ANY = "tasks of human alignment"
_GRADED = f"{_ANY} with graded distortions"
_WHOLE = f"{_ANY}, all data sets"

_FIRST: Mapping[str, FigureSpec] = MappingProxyType({
    spec.name: spec
    for spec in (
        FigureSpec(
            "headline", "All headline numbers of all models, as dots with intervals", "any task", Place.TOP,
            _headline, "headline", "overview", "overview_rows", _whole, _overview_caption,
        ),
        FigureSpec(
            "corruption-families", "Accuracy against severity, one panel per family; one file per task",
            "a task of corruptions in families", Place.FIGURES, _in_families,
            "severity", "accuracy_by_family", "severity_rows", _task, _families_caption, (True,),
        ),
        FigureSpec(
            "corruptions", "Accuracy against severity, one panel per corruption; one file per task",
            "a task of corruptions", Place.FIGURES, _corrupted,
            "severity", "accuracy_by_corruption", "severity_rows", _task, _corruptions_caption, (False,),
        ),
        FigureSpec(
            "clean-shifted",
            "Shifted against clean accuracy, with the line of effective robustness; one file per task",
            "a shift or corruptions, and the clean counterpart", Place.NOWHERE, _shifted,
            "clean_shifted", "clean_against_shifted", "clean_shifted_rows", _task, _shifted_caption,
        ),
        FigureSpec(
            "shape-bias", "Shape and texture decisions by category; one file per task", "a cue-conflict task",
            Place.FIGURES, _conflicts, "shape_bias", "shape_bias", "shape_bias_rows", _task, _shape_caption,
        ),
        FigureSpec(
            "curves", "All headline numbers over the steps of a training run",
            "two or more checkpoints of one training run (training_step in the card, or NAME@STEP)", Place.FIGURES,
            _trained, "headline", "checkpoint_curves", "curve_rows", _whole, _curves_caption,
        ),
        FigureSpec(
            "ablation", "Paired differences of variants to a reference; one file per reference",
            "two or more models compared with one --baseline", Place.FIGURES, _references,
            "headline", "ablation", "ablation_rows", _task, _ablation_caption,
        ),
        FigureSpec(
            "alignment-shape-bias", "Shape bias by category, models and people", f"{_ANY}, cue conflict",
            Place.ALIGNMENT, _worlds(lambda data: bool(data.shape_set)),
            "shape_bias", "shape_bias_with_people", "shape_bias_with_people_rows", _observers,
            _says(
                "Shape bias by category",
                "One row per shape category; each marker is the share of texture decisions (further left: more by "
                "shape). Vertical lines pool all trials, with 95 % intervals.",
            ),
        ),
        FigureSpec(
            "alignment-accuracy", "Accuracy against strength of distortion", _GRADED,
            Place.ALIGNMENT, _worlds(lambda data: bool(data.graded)),
            "severity", "accuracy_by_strength", "strength_rows", _observers,
            _says(
                "Accuracy against strength of distortion",
                "Shaded conditions do not count towards the score: the control, and those near chance (dotted). "
                f"{_STIMULI}",
            ), ("accuracy",),
        ),
        FigureSpec(
            "alignment-consistency", "Error consistency against strength of distortion", _GRADED,
            Place.ALIGNMENT, _worlds(lambda data: bool(data.graded)),
            "severity", "consistency_by_strength", "strength_rows", _observers,
            _says(
                "Error consistency against strength of distortion",
                "Agreement with {group} beyond what accuracy explains (0: chance); for {group}, the mean over "
                f"their pairs. {_STIMULI}",
            ), ("error_consistency",),
        ),
        FigureSpec(
            "alignment-matrix", "Error consistency of all pairs of observers; one file per data set", _ANY,
            Place.ALIGNMENT, _matrices,
            "alignment", "agreement_matrix", "agreement_rows", _observers, _matrix_caption,
        ),
        FigureSpec(
            "alignment-scatter", "Consistency with people against accuracy", _WHOLE,
            Place.ALIGNMENT, _worlds(_has_mean),
            "alignment", "accuracy_against_consistency", "scatter_rows", _observers,
            _says(
                "Accuracy against consistency",
                f"Means over data sets. The dashed line is the consistency expected from accuracy alone. {_STIMULI}",
            ),
        ),
        FigureSpec(
            "alignment-benchmark", "Means over data sets as bars, including published models", _WHOLE,
            Place.ALIGNMENT, _worlds(_has_mean),
            "alignment", "benchmark_bars", "benchmark_rows", _observers, _bars_caption,
        ),
    )
})  # fmt: skip
"""In the order of the page and the listing."""

_OTHERS = {"registry", "figure", "style", "claims", "saliency"}
"""Modules without a figure for the registry; the last three import matplotlib."""

_ADDED = plugins.added(__package__, "FIGURE", but=_OTHERS | {spec.module for spec in _FIRST.values()})

FIGURES: Mapping[str, FigureSpec] = MappingProxyType({**_FIRST, **{spec.name: spec for spec in _ADDED}})
"""Those of vitobench itself, with the ``FIGURE`` of each further module of this folder; `all_figures` also
has those of plugins."""


def figure_spec(name: str) -> FigureSpec:
    """A figure by name.

    Raises:
        UnknownNameError: With the nearest names.
    """
    if name in FIGURES:
        return FIGURES[name]
    plugin = plugins.usable(plugins.FIGURES, FIGURES).get(name)
    if plugin is None:
        raise unknown_name("figure", name, all_figures())
    return _of_plugin(plugin)


def all_figures() -> dict[str, FigureSpec]:
    """Every figure that can be used, by name: vitobench's own, then those of plugins."""
    return dict(FIGURES) | {spec.name: spec for _, spec, _ in plugged() if spec is not None}


def plugged() -> list[tuple[plugins.Plugin, FigureSpec | None, str]]:
    """Every figure of a plugin: its entry point, the figure or None, and what is wrong with it."""
    return plugins.looked_at(plugins.FIGURES, FIGURES, _of_plugin)


def _of_plugin(plugin: plugins.Plugin) -> FigureSpec:
    figure = plugins.given(plugin, FigureSpec)

    def subjects(data: ReportData) -> Sequence[str]:
        with plugin.doing("choosing its subjects"):
            return figure.subjects(data)

    def caption(data: ReportData, subject: str) -> Caption:
        with plugin.doing("writing its caption"):
            return figure.caption(data, subject)

    return replace(figure, name=plugin.name, subjects=subjects, caption=caption, plugin=plugin)


# Figures as files: PDF, SVG and PNG, with their numbers as CSV.


FORMATS = ("pdf", "svg", "png")
_DOTS = 220  # an inch
# With a date the file's bytes would change every day.
_METADATA = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {"Software": None}}


def figure_bytes(figure: Figure, form: str) -> bytes:
    """A figure as a file's content, the same bytes for the same figure.

    Args:
        figure: The figure.
        form: One of `FORMATS`.
    """
    from .style import styled

    buffer = io.BytesIO()
    with styled():
        figure.savefig(buffer, format=form, dpi=_DOTS, metadata=_METADATA[form])
    return buffer.getvalue()


def file_stem(spec: FigureSpec, subject: str) -> str:
    """``corruptions-micro-c``: stable names; with a digest if the subject is not a valid file name."""
    safe = safe_name(subject)
    apart = f"-{digest(subject)[:8]}" if safe != subject else ""
    return f"{spec.name}-{safe}{apart}" if subject else spec.name


def write_figures(
    data: ReportData, specs: Sequence[FigureSpec], models: Focus, folder: Path, formats: Sequence[str]
) -> Iterator[tuple[FigureSpec, list[Path]]]:
    """Draw and write figures, one after the other.

    Args:
        data: What to draw.
        specs: Which.
        models: Which models are in colour.
        folder: Created if missing.
        formats: Of `FORMATS`.

    Yields:
        Each figure with the files that were written of it; none where the data are not enough.

    Raises:
        StoreError: A file cannot be written.
    """
    for spec in specs:
        paths = []
        for subject in spec.subjects(data):
            stem = file_stem(spec, subject)
            figure = spec.draw(data, subject, models)
            contents = {form: figure_bytes(figure, form) for form in formats}
            contents["csv"] = utf8(csv_text(spec.rows(data, subject)))
            for ending, content in contents.items():
                path = folder / f"{stem}.{ending}"
                write_file(path, content)
                paths.append(path)
        yield spec, paths
