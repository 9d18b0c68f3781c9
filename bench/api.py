"""The Python API: the commands as functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import VitobenchError
from ..models.registry import ModelRow
from ..models.registry import list_models as list_models
from ..reports.data import ReportData
from ..tasks.registry import SUITES, Suite, all_tasks
from ..tasks.task import Task
from ..terminal import open_console
from .exports.handover import hand_over
from .notebook import draw, summary_html
from .run import Outcome, execute, rescore
from .settings import Settings

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from ..models.model import Model

__all__ = [
    "ModelRow",
    "Result",
    "compare",
    "list_models",
    "list_suites",
    "list_tasks",
    "load_model",
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

    def export(self, form: str, to: str | Path | None = None, models: Sequence[str] = ()) -> list[str]:
        """Export the scores, as `bench export` does.

        Args:
            form: A format of `bench export --list`: ``"csv"``, ``"hugging-face"``, ``"mlflow"``, ...
            to: File, folder or address; the format's own default if None. ``"-"`` prints a text format.
            models: Models to export, for formats with a card or a run per model; all of them if empty.

        Returns:
            Messages that say what was written.

        Raises:
            UnknownNameError: No such format or model.
            VitobenchError: A package is missing, or the target cannot be written.
        """
        return hand_over(self.outcome, form, None if to is None else str(to), models)

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
    """Run a suite or tasks; predictions that the store already holds are not computed again.

    Args:
        models: One name or several, as for ``--model``.
        suite: A name of `list_suites`.
        data: Folders of your data sets, by name.
        progress: Show notes and a progress bar.
        **more: Further fields of `Settings`: ``tasks``, ``baselines``, ``store``, ``limit``, ``device``, ``precision``,
            ``executor``, ``workers``, ``threads``, ``address``, ``seed``, ``batch``, ``new_data``. With more than one
            worker, call it under ``if __name__ == "__main__":``, as for any program that starts processes.

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
        from .comparison import Request, compare_stored

        texts = tuple(f"{k}={v if isinstance(v, str) else ','.join(v)}" for k, v in (seeds or {}).items())
        settings = _settings(models, None, {"suite": suite, "seed": seed or 0, **more})
        found = compare_stored(Request(settings, texts, correction, seed=seed), "vitobench.compare")
        table = pd.DataFrame([asdict(row) for row in found.data.comparisons])
    if len(table) and condition:
        table = table[table["condition"] == condition]
    if len(table) and metric is not None:
        table = table[table["metric"] == metric]
    return table.reset_index(drop=True)


def report(result: Result, path: str | Path) -> Path:
    """Write the self-contained page; returns its path."""
    from ..reports.html import write_html

    write_html(result.data, Path(path))
    return Path(path)


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
