"""The Python API: the commands as functions, and a result in a notebook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import VitobenchError, unknown_name
from ..files import home_path
from ..models.registry import ModelRow, list_models
from ..reports.data import ReportData
from ..reports.headline import Cell, failure_lines, headline_rows, hole_lines
from ..reports.wording import HOLE, MARKS, interval, unit_words, value_text, verdict
from ..tasks.registry import SUITES, Suite, all_tasks
from ..tasks.task import Task
from ..terminal import open_console
from .exports.exporter import hand_over
from .run import Outcome, execute, rescore
from .settings import Settings

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from ..models.model import Model
    from ..results.merging import Merged
    from .importing.predictions import Imported


# A result in a notebook: figures by name, and the headline as a small table.


def draw(data: ReportData, name: str, subject: str | None = None, highlight: Sequence[str] = ()) -> Figure:
    """Draw a figure of the registry; see `Result.figure`."""
    from ..reports.figures.registry import figure_spec
    from ..reports.focus import focus

    spec = figure_spec(name)
    subjects = list(spec.subjects(data))
    if not subjects:
        raise VitobenchError(f"The figure {name} cannot be drawn from this result: it needs {spec.needs}.")
    if subject is not None and subject not in subjects:
        raise unknown_name(f"subject of the figure {name} in this result", subject, subjects)
    return spec.draw(data, subjects[0] if subject is None else subject, focus(data, highlight))


def summary_html(data: ReportData) -> str:
    """The headline with intervals, then everything that is missing; safe against names from untrusted files."""
    rows = headline_rows(data)
    head = "".join(f"<th>{escape(model)}</th>" for model in data.model_names)
    body = []
    for row in rows:
        label = f"{row.title}: {row.label}"
        cells = "".join(f"<td>{_cell(cell)}</td>" for cell in row.cells)
        body.append(f'<tr><th style="text-align:left">{escape(label)}</th>{cells}</tr>')
    missing = [*failure_lines(data), *hole_lines(rows, data.undefined)]
    lines = "".join(f"<li>{escape(line)}</li>" for line in missing)
    return (
        f"<h4>{escape(data.title)}</h4><table><thead><tr><th></th>{head}</tr></thead><tbody>{''.join(body)}</tbody>"
        f"</table><p>{escape(unit_words(row.metric for row in rows))}, with 95 % intervals. ▲ ▼: significantly better "
        "or worse than the baseline.</p>" + (f"<p>Missing:</p><ul>{lines}</ul>" if lines else "")
    )


def _cell(cell: Cell) -> str:
    if not cell.measured or cell.score is None:
        return HOLE
    mark = MARKS[verdict(cell.comparison)] if cell.comparison is not None else ""
    score = cell.score
    span = interval(score.ci_low, score.ci_high, score.metric)
    return f"{escape(value_text(score.value, score.metric))} {mark} <small>{escape(span)}</small>"


# The Python API: the commands as functions.


__all__ = [
    "ModelRow",
    "Result",
    "compare",
    "import_predictions",
    "list_models",
    "list_suites",
    "list_tasks",
    "load_model",
    "merge",
    "report",
    "run",
    "score",
]


@dataclass(frozen=True)
class Result:
    """The result of `run` and `score`.

    Attributes:
        outcome: Everything, as the command line has it.
    """

    outcome: Outcome

    @property
    def data(self) -> ReportData:
        """Scores, comparisons, failures and provenance as frozen rows."""
        return self.outcome.data

    @property
    def scores(self) -> pd.DataFrame:
        """A row per score: model, task, condition, metric, value, ci_low, ci_high, n."""
        import pandas as pd

        return pd.DataFrame([asdict(row) for row in self.data.scores])

    @property
    def comparisons(self) -> pd.DataFrame:
        """A row per paired difference to a baseline."""
        import pandas as pd

        return pd.DataFrame([asdict(row) for row in self.data.comparisons])

    @property
    def failures(self) -> pd.DataFrame:
        """A row for everything that was requested and is missing."""
        import pandas as pd

        return pd.DataFrame([asdict(row) for row in self.data.failures], columns=list(_FAILURE_FIELDS))

    @property
    def ranks(self) -> pd.DataFrame:
        """A row per model that is ranked over the suite, best first: world, model, value, rank, its intervals, group.

        Empty for three models or fewer, and without a suite that declares what it ranks by.
        """
        import pandas as pd

        from ..results.suite_ranking import Placed

        rows = [{"world": one.world} | asdict(row) for one in self.data.rankings for row in one.rows]
        return pd.DataFrame(rows, columns=["world", *(field.name for field in fields(Placed))])

    def compare(self, metric: str | None = None, condition: str = "overall") -> pd.DataFrame:
        """Paired differences to the baselines; see `compare`."""
        return compare(self, metric=metric, condition=condition)

    def figure(self, name: str, subject: str | None = None, highlight: Sequence[str] = ()) -> Figure:
        """Draw a figure by its name in `bench figures --list`.

        Args:
            name: ``"headline"``, ``"corruptions"``, ``"clean-shifted"``, ...
            subject: For a figure with several subjects, a task, a world or a reference; the first by default.
            highlight: Models in colour, the others in grey.

        Raises:
            UnknownNameError: No such figure, subject or model.
            VitobenchError: The result has no data for the figure.
        """
        return draw(self.data, name, subject, highlight)

    def report(self, path: str | Path) -> Path:
        """Write the page; returns its path."""
        return report(self, path)

    def export(self, form: str, to: str | Path | None = None, models: Sequence[str] = (), **options: str) -> list[str]:
        """Export the scores, as `bench export` does.

        Args:
            form: A format of `bench export --list`: ``"csv"``, ``"hugging-face"``, ``"mlflow"``, ...
            to: File, folder or address; the format's own default if None. ``"-"`` prints a text format.
            models: Models to export, for formats with a card or a run per model; all of them if empty.
            **options: Further options of the format: ``benchmark``, ``source``.

        Returns:
            Messages that say what was written.

        Raises:
            UnknownNameError: No such format or model.
            VitobenchError: A package is missing, or the target cannot be written.
        """
        return hand_over(self.outcome, form, None if to is None else str(to), models, options)

    def _repr_html_(self) -> str:
        return summary_html(self.data)


_FAILURE_FIELDS = ("model", "task", "condition", "image_id", "reason")


def _settings(models: Sequence[str] | str, data: Mapping[str, str | Path] | None, more: Mapping[str, Any]) -> Settings:
    values = dict(more)
    for key in ("tasks", "baselines"):
        if values.get(key) is not None:
            values[key] = tuple(values[key])
    names = (models,) if isinstance(models, str) else tuple(models)
    return Settings(models=names, data={name: Path(folder) for name, folder in (data or {}).items()}, **values)


def run(
    models: Sequence[str] | str,
    suite: str | None = None,
    data: Mapping[str, str | Path] | None = None,
    progress: bool = False,
    **more: Any,
) -> Result:
    """Run a suite or tasks; predictions that the store already has are not computed again.

    Args:
        models: One name or several, as for ``--model``.
        suite: A name of `list_suites`.
        data: Folders of your data sets, by name.
        progress: Show notes and a progress bar.
        **more: Further fields of `Settings`: ``tasks``, ``baselines``, ``store``, ``also``, ``limit``, ``device``,
            ``precision``, ``executor``, ``workers``, ``threads``, ``address``, ``seed``, ``batch``, ``new_data``.
            With more than one worker, call it under ``if __name__ == "__main__":``, as for any program that starts
            processes.

    Raises:
        VitobenchError: Wrong usage, or a store that cannot be written.
    """
    console = None
    if progress:
        console = open_console()
    return Result(execute(_settings(models, data, {"suite": suite, **more}), console, "vitobench.run"))


def score(models: Sequence[str] | str = (), suite: str | None = None, seed: int | None = None, **more: Any) -> Result:
    """Score the predictions in a store, without loading a model or reading an image.

    Args:
        models: Names or identities; all models in the store by default.
        suite: A name of `list_suites`; all tasks if neither it nor ``tasks`` is given.
        seed: Use tasks of this seed; None uses the newest run's.
        **more: ``tasks``, ``baselines``, ``store``, ``limit`` of `Settings`.

    Raises:
        VitobenchError: There is no store, or it has nothing that was requested.
    """
    return Result(rescore(_settings(models, None, {"suite": suite, **more}), None, "vitobench.score", seed))


def compare(
    models: Sequence[str] | Result,
    suite: str | None = None,
    metric: str | None = None,
    condition: str = "overall",
    seeds: Mapping[str, Sequence[str] | str] | None = None,
    correction: str = "holm",
    seed: int | None = None,
    **more: Any,
) -> pd.DataFrame:
    """Paired differences with intervals, plain and corrected p-values, smallest detectable differences and verdicts.

    p-values are corrected over everything that is compared, even if only a part of it is returned.

    Args:
        models: Two or more names of models in the store, compared in all pairs; or a result of `run` or `score`, whose
            models are compared with their baselines.
        suite: A name of `list_suites`; all tasks if neither it nor ``tasks`` is given.
        metric: ``"top1"``, ``"mce"``, ...; None for all.
        condition: ``"overall"``, a family, a corruption or a single condition; empty for all.
        seeds: Runs of each method among ``models``, as names or a pattern: ``{"vito": "vito-s*"}``.
        correction: ``"holm"`` or ``"none"``.
        seed: Take tasks of this seed; None takes those of the newest run.
        **more: ``tasks``, ``store``, ``limit`` of `Settings`.

    Raises:
        VitobenchError: The store does not have a named model, or the models were run on different data.
    """
    import pandas as pd

    if isinstance(models, Result):
        if suite is not None or seeds or more:
            raise VitobenchError(
                "models is a result, which is already scored; suite, seeds, tasks and store only work with names of "
                "models."
            )
        table = models.comparisons
    else:
        from .scoring.comparison import Request, compare_stored

        texts = tuple(f"{k}={v if isinstance(v, str) else ','.join(v)}" for k, v in (seeds or {}).items())
        settings = _settings(models, None, {"suite": suite, "seed": seed or 0, **more})
        result = compare_stored(Request(settings, texts, correction, seed=seed), "vitobench.compare")
        table = pd.DataFrame([asdict(row) for row in result.data.comparisons])
    if len(table) and condition:
        table = table[table["condition"] == condition]
    if len(table) and metric is not None:
        table = table[table["metric"] == metric]
    return table.reset_index(drop=True)


def report(result: Result, path: str | Path) -> Path:
    """Write the self-contained page; returns its path."""
    from ..reports.page.html import write_html

    write_html(result.data, Path(path))
    return Path(path)


def import_predictions(
    file: str | Path,
    model: str,
    task: str,
    data: Mapping[str, str | Path] | None = None,
    labels: str | Path | None = None,
    names: str | Path | None = None,
    partial: bool = False,
    store: str | Path = Settings.store,
    seed: int = 0,
) -> Imported:
    """Store predictions that were made elsewhere, as ``bench results import`` does.

    Args:
        file: CSV or Parquet with ``file_name``, ``predicted_class`` and ``predicted_probability``, or logits as NumPy
            arrays.
        model: What to call the model; not a name of `list_models`.
        task: The task that is answered.
        data: Folder with the task's images, by the name of the data set.
        labels: Names and labels of the task's images, if there are no images.
        names: Names of the rows of an ``.npy`` file of logits, one a line.
        partial: Leave out what does not fit, and count it as missing, instead of refusing the file.
        store: Where to store them.
        seed: Seed of the micro-world and the corruptions.

    Returns:
        What was stored, and what was left out.

    Raises:
        DataError: The file does not fit the task, with counts and examples; nothing was written.
        VitobenchError: A name that is taken or unknown, or a store that cannot be written.
    """
    from .importing.predictions import Request, import_file

    settings = _settings(model, data, {"tasks": (task,), "store": store, "seed": seed})
    names, labels = (None if path is None else home_path(path) for path in (names, labels))
    command = "vitobench.import_predictions"
    return import_file(Request(home_path(file), model, task, names, labels, partial, settings, command))


def merge(stores: Sequence[str | Path], to: str | Path, keep_first: bool = False) -> Merged:
    """Copy what several stores hold into one, as ``bench results merge`` does; they themselves are only read.

    Args:
        stores: Folders or URLs of stores of the same schema.
        to: The store that gets everything; made if it is absent.
        keep_first: Where stores contradict one another, take what the first one says.

    Returns:
        What was copied.

    Raises:
        StoreError: A store that is absent, damaged or contradicted by another; nothing was written.
    """
    from ..results.merging import merge as copy
    from ..results.store import Store

    return copy([Store(store) for store in stores], Store(to), keep_first)


def load_model(name: str) -> Model:
    """Load a model by name, ready for ``logits(images)`` and ``features(images)`` on uint8 pixels."""
    from ..models.registry import load

    return load(name)


def list_tasks() -> list[Task]:
    """The tasks, those of plugins included."""
    return list(all_tasks().values())


def list_suites() -> list[Suite]:
    """The suites."""
    return list(SUITES.values())
