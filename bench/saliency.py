"""``bench saliency``: an ordinary run of the saliency tasks, its tables, and its figure with some images' maps."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import unknown_name
from ..files import write_file
from ..models import registry
from ..reports.data import ReportData
from ..reports.figures.saliency import Example, SaliencyView, saliency_figure
from ..reports.figures.style import styled
from ..reports.wording import HOLE, MINUS
from ..results.metrics import metric
from ..results.schema import Comparison, Score
from ..tasks.images.geometry import Geometry
from ..tasks.kinds.saliency import ALIGNMENT, METRICS, protocol_of
from ..tasks.microworld.vocabulary import CLASSES
from ..tasks.saliency.agreement import spearman
from ..tasks.saliency.preparation import resize
from ..tasks.saliency.protocol import CENTRE, OBSERVERS, MapProtocol
from .engine.executors import choose_device
from .engine.maps import map_source, model_maps
from .planning.plan import BASELINE, Plan, PlannedTask, geometry_of
from .run import Outcome, execute
from .settings import Settings

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


# The run, and the tables of its scores.


MICRO, PEOPLE = "micro-saliency", "clickme"
_SMOOTHED = "-smoothgrad"


def settings_for(smooth: int | None, **values: Any) -> Settings:
    """The run that the options of the command ask for.

    Args:
        smooth: Samples of SmoothGrad; None for none.
        values: Fields of `Settings`.

    Raises:
        UnknownNameError: A folder without maps.
    """
    for name in values["data"]:
        if name != PEOPLE:
            raise unknown_name("data set with maps", name, (PEOPLE,), "Use --data NAME=DIR.")
    main = PEOPLE if values["data"] else MICRO
    tasks = [main, *([f"{main}{_SMOOTHED}"] if smooth is not None else [])]
    # Without a folder, a model of photographs lacks one; its task's error says how to provide it.
    tasks += [] if values["data"] else [PEOPLE]
    # Another folder is another task here; nothing is spent by surprise.
    return Settings(baselines=(), tasks=tuple(tasks), samples=smooth, new_data=True, **values)


def run(settings: Settings, console: Console | None = None, command: str = "") -> Outcome:
    """Run what is missing, and compare every model with every other and with the baselines.

    Args:
        settings: From `settings_for`.
        console: Where to show notes and progress; None is silent.
        command: The command line, for the record.

    Raises:
        VitobenchError: Wrong usage, or a store that cannot be written.
    """
    return execute(settings, console, command, pairs=_pairs)


def _pairs(plan: Plan) -> list[tuple[str, str]]:
    models = [spec.name for spec in plan.models if spec.source != BASELINE]
    return [*combinations(models, 2), *((model, name) for model in models for name in OBSERVERS)]


def main_task(outcome: Outcome) -> PlannedTask:
    """The task whose title and images the table names.

    Raises:
        ValueError: Nothing was run.
    """
    if outcome.plan is None:
        raise ValueError("an outcome without a plan has no tasks")
    return outcome.plan.tasks[0]


def render(outcome: Outcome, console: Console) -> None:
    """Print the table, the differences and what is undefined."""
    protocol = protocol_of(main_task(outcome).task)
    console.print(_score_table(outcome, protocol))
    if outcome.data.comparisons:
        console.print(_difference_table(outcome, protocol))
    console.print(_legend(protocol), style="dim", markup=False)
    for line in undefined_lines(outcome.data):
        console.print(f"Note: {line}", markup=False)


def undefined_lines(data: ReportData) -> list[str]:
    """A line for each measure and number of images on which it is undefined."""
    groups: dict[tuple[str, str], dict[str, None]] = {}
    for (model, _, of_map, name), reason in data.undefined.items():
        if name in ("spearman", "dice"):
            groups.setdefault((name, reason), {})[model if model in OBSERVERS else f"{model} ({of_map})"] = None
    return [f"{metric(name).label} is {reason}: {', '.join(who)}." for (name, reason), who in groups.items()]


def _metrics(protocol: MapProtocol) -> list[str]:
    # Where the ceiling is 1, alignment is the correlation itself.
    return [name for name in METRICS if name != ALIGNMENT or protocol.ceiling != 1]


def _legend(protocol: MapProtocol) -> str:
    ceiling = (
        "The masks are exact, so the ceiling is 1."
        if protocol.ceiling == 1
        else f"Alignment is the mean Spearman correlation over {protocol.ceiling}, that of people with one another."
    )
    extent = (
        "the mask and the same number of a map's highest pixels" if protocol.exact else "the upper tenth of each map"
    )
    return (
        f"Means over images with 95 % bootstrap intervals; 1 is agreement with the {protocol.reference}. {ceiling} "
        f"centre is a Gaussian in the middle, mean map the mean {protocol.reference} of all other images: neither sees "
        f"the image. Dice and IoU are of {extent}. Differences are paired, in bold where they are significant after "
        "Holm's correction."
    )


def _table(title: str, first: str, metrics: Sequence[str]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold", padding=(0, 1, 0, 0))
    table.add_column(first)
    table.add_column("Map")
    for name in metrics:
        table.add_column(metric(name).label, justify="right", no_wrap=True)
    return table


def _score_table(outcome: Outcome, protocol: MapProtocol) -> Table:
    from rich.markup import escape

    metrics, images = _metrics(protocol), main_task(outcome).images
    table = _table(f"{protocol.title}: saliency against the {protocol.reference}, {images:,} images", "Model", metrics)
    rows = {(row.model, row.condition, row.metric): row for row in outcome.data.scores}
    models = list(dict.fromkeys(model for model, _, _ in rows))
    blind = [model for model in models if model in OBSERVERS]
    for model in [*(model for model in models if model not in blind), *blind]:
        maps = sorted({of_map for own, of_map, _ in rows if own == model})
        if model in blind:
            maps = maps[:1]  # the same under every map
            if model == blind[0]:
                table.add_section()
        for number, of_map in enumerate(maps):
            cells = [_span(_score(rows[model, of_map, name]), ".3f") for name in metrics]
            table.add_row("" if number else escape(model), "" if model in blind else of_map, *cells)
    return table


def _difference_table(outcome: Outcome, protocol: MapProtocol) -> Table:
    from rich.markup import escape

    metrics = _metrics(protocol)
    table = _table("Differences", "Of", metrics)
    rows = {(row.a, row.b, row.condition, row.metric): row for row in outcome.data.comparisons}
    for a, b in dict.fromkeys((a, b) for a, b, _, _ in rows):
        if b == CENTRE:  # the stronger baseline says enough here; the JSON has both
            continue
        for of_map in sorted({own for c, d, own, _ in rows if (c, d) == (a, b)}):
            cells = []
            for name in metrics:
                row = rows.get((a, b, of_map, name))
                text = HOLE if row is None else _span(_difference(row), "+.3f")
                cells.append(f"[bold]{text}[/bold]" if row is not None and row.verdict != "tie" else text)
            table.add_row(escape(f"{a} {MINUS} {b}"), of_map, *cells)
    return table


def _score(row: Score) -> tuple[float, float, float]:
    return row.value, row.ci_low, row.ci_high


def _difference(row: Comparison) -> tuple[float, float, float]:
    return row.difference, row.ci_low, row.ci_high


def _span(values: tuple[float, float, float], form: str) -> str:
    value, low, high = values
    if not math.isfinite(value):
        return HOLE
    text = f"{value:{form}}" + (f" \\[{low:{form}}, {high:{form}}]" if math.isfinite(low) else "")
    return text.replace("-", MINUS)


# ``--figure``: the scores, and the maps of a few images, which are computed again.


EXAMPLES = 5
_LEFT_OUT = "attention "  # masks of single scales: the mean of them is shown


def write_figure(outcome: Outcome, path: Path, examples: int = EXAMPLES) -> None:
    """Draw an outcome to a file whose ending says the format.

    Args:
        outcome: From `saliency.run`.
        path: ``.png``, ``.svg`` or ``.pdf``.
        examples: Images to show, from the front of the task.

    Raises:
        StoreError: It cannot be written.
        VitobenchError: A model that cannot be loaded.
    """
    planned = main_task(outcome)
    assert outcome.plan is not None
    protocol = protocol_of(planned.task)
    broken = {failure.model for failure in outcome.data.failures}
    view = SaliencyView(
        title=protocol.title,
        reference=protocol.reference,
        examples=examples_of(outcome.plan, broken, min(examples, planned.images)),
        scores=outcome.data.scores,
        baselines=tuple(OBSERVERS),
        ceiling=protocol.ceiling,
    )
    buffer = io.BytesIO()
    kind = path.suffix.lower().removeprefix(".")
    with styled():
        metadata = {"Date": None} if kind == "svg" else {"CreationDate": None} if kind == "pdf" else None
        saliency_figure(view).savefig(buffer, format=kind, dpi=200, metadata=metadata)
    write_file(path, buffer.getvalue())


def examples_of(plan: Plan, broken: set[str], count: int) -> list[Example]:
    """The first images of a plan with the maps of its models; one that cannot be read is skipped.

    Args:
        plan: Saliency tasks on the same images.
        broken: Models that failed.
        count: Images.
    """
    planned = plan.tasks[0]
    source, preparation = map_source(planned.task, planned.source), protocol_of(planned.task).preparation
    indices = range(count)
    raw, failed = source.maps(indices)
    images, more = source.load(indices, Geometry(preparation.side, preparation.side, "bilinear"))
    usable = [i for i in indices if i not in failed and i not in more]
    if not usable:
        return []
    references = np.stack([preparation.apply(raw[i]) for i in usable])
    maps = _maps(plan, broken, usable)
    values = {key: spearman(own, references) for key, own in maps.items()}
    return [
        Example(
            title=_class_name(planned, int(source.labels[index])),
            image=images[index],
            reference=references[position],
            maps={key: own[position] for key, own in maps.items()},
            values={key: float(own[position]) for key, own in values.items()},
        )
        for position, index in enumerate(usable)
    ]


def _maps(plan: Plan, broken: set[str], indices: list[int]) -> dict[tuple[str, str], np.ndarray]:
    device = choose_device(plan.settings.device)
    maps: dict[tuple[str, str], np.ndarray] = {}
    for planned in plan.tasks:
        protocol, source = protocol_of(planned.task), map_source(planned.task, planned.source)
        image_ids, labels = [source.image_ids[i] for i in indices], source.labels[indices]
        for spec in plan.models:
            if spec.source == BASELINE or spec.name in broken:
                continue
            images, _ = source.load(indices, geometry_of(spec, planned.task))
            model = registry.load(spec).to(device)
            for name, own in model_maps(model, images, labels, image_ids, protocol.samples).items():
                if not name.startswith(_LEFT_OUT):
                    maps[spec.name, name] = resize(own, protocol.preparation.side)
    return maps


def _class_name(planned: PlannedTask, label: int) -> str:
    return CLASSES[label] if planned.task.label_space == "microworld-16" else f"class {label}"
