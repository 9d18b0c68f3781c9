"""Scores as runs of MLflow and as event files of TensorBoard."""

from __future__ import annotations

import math
import re
import shutil
import time
import uuid
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ...errors import StoreError, VitobenchError
from ...reports.data import ReportData
from ...reports.focus import trainings
from ...reports.headline import escape_markdown
from ...results.layout import safe_name
from ...results.schema import Score
from .exporter import Handover
from .files import as_json
from .hugging_face import headline

# Scores as runs of MLflow.


EXPERIMENT = "vitobench"
DOCUMENT = "vitobench.json"
"""Artifact of each run with the whole outcome of the scoring."""

_UNNAMEABLE = re.compile(r"[^\w\-./ ]", re.ASCII)
"""What versions of MLflow from 2 on refuse in a name; slashes make groups in its pages."""

_BATCH = 1000
_PARAMS = 100
_LONGEST_VALUE = 500


def metrics_of(scores: Iterable[Score]) -> dict[str, float]:
    """Numbers by the name ``TASK/CONDITION/METRIC``, each with ``.ci_low`` and ``.ci_high``.

    Undefined numbers are left out. Underscores replace characters that MLflow refuses; of two names that become equal,
    the second gets a number.
    """
    metrics: dict[str, float] = {}
    for score in scores:
        if not math.isfinite(score.value):
            continue
        plain = _UNNAMEABLE.sub("_", f"{score.task}/{score.condition}/{score.metric}")
        name, number = plain, 2
        while name in metrics:
            name, number = f"{plain}_{number}", number + 1
        metrics[name] = score.value
        for end, value in ((".ci_low", score.ci_low), (".ci_high", score.ci_high)):
            if math.isfinite(value):
                metrics[name + end] = value
    return metrics


def params_of(data: ReportData, model: str) -> dict[str, str]:
    """What identifies a model's numbers: the model's record, the identity of each task, versions and seed."""
    record = next((record for record in data.models if record["name"] == model), {})
    named = ("identity", "source", "architecture", "weights_hash", "label_space", "precision", "licence")
    params = {"model": model} | {f"model.{key}": str(record[key]) for key in named if record.get(key)}
    scored = {score.task for score in data.scores if score.model == model}
    params |= {f"task.{t['name']}": str(t["identity"]) for t in data.tasks if t["name"] in scored and t.get("identity")}
    params |= {f"version.{name}": str(version) for name, version in data.run.get("versions", {}).items()}
    params |= {key: str(data.run[key]) for key in ("seed", "store", "command") if key in data.run}
    return {_UNNAMEABLE.sub("_", key): value[:_LONGEST_VALUE] for key, value in params.items()}


def export_mlflow(handover: Handover) -> list[str]:
    """See `Exporter`."""
    import mlflow
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    uri = handover.to or mlflow.get_tracking_uri()
    try:
        client = MlflowClient(tracking_uri=uri)
        experiment = client.get_experiment_by_name(EXPERIMENT)
        identity = experiment.experiment_id if experiment is not None else client.create_experiment(EXPERIMENT)
        return [_one(client, identity, handover, model, uri) for model in handover.models]
    except (MlflowException, ImportError, OSError) as error:
        # A database address needs packages that a slim installation of MLflow lacks.
        reason = " ".join((str(error) or type(error).__name__).split())
        raise VitobenchError(f"MLflow at {uri} failed: {reason} (use --to for another tracking address)") from None


def _one(client: Any, experiment: str, handover: Handover, model: str, uri: str) -> str:
    from mlflow.entities import Metric, Param, RunTag

    data = handover.outcome.data
    record = next((record for record in data.models if record["name"] == model), {})
    step, now = int(record.get("training_step") or 0), int(time.time() * 1000)
    numbers = metrics_of(score for score in data.scores if score.model == model)
    run = client.create_run(experiment, run_name=model).info.run_id
    try:
        for part in _parts(list(params_of(data, model).items()), _PARAMS):
            client.log_batch(run, params=[Param(name, value) for name, value in part])
        for part in _parts(list(numbers.items()), _BATCH):
            client.log_batch(run, metrics=[Metric(name, value, now, step) for name, value in part])
        client.log_batch(run, tags=[RunTag("vitobench.identity", str(record.get("identity", "")))])
        client.log_dict(run, as_json(handover.outcome), DOCUMENT)
    except BaseException:
        client.set_terminated(run, "FAILED")
        raise
    client.set_terminated(run)
    return f"{model}: run {run} of experiment {EXPERIMENT} at {uri}, {len(numbers):,} metrics"


def _parts(items: Sequence[tuple[str, Any]], size: int) -> list[Sequence[tuple[str, Any]]]:
    return [items[start : start + size] for start in range(0, len(items), size)]


# Scores as event files of TensorBoard.


SUFFIX = ".vitobench"
"""End of our files' names, by which an earlier export is found and replaced."""


def curves(data: ReportData, models: tuple[str, ...]) -> dict[str, dict[int, str]]:
    """Which models share a folder: checkpoints of one training by step, every other model alone at its step or 0."""
    folders: dict[str, dict[int, str]] = {}
    placed: set[str] = set()
    for training in trainings(data.of(models)):
        folders[training.name] = training.models
        placed |= set(training.models.values())
    steps = {str(record["name"]): record.get("training_step") for record in data.models}
    for model in models:
        if model not in placed:
            folders[model] = {int(steps.get(model) or 0): model}
    return folders


def export_tensorboard(handover: Handover) -> list[str]:
    """See `Exporter`."""
    data = handover.outcome.data
    root = Path(handover.to)
    lines = []
    for name, steps in curves(data, handover.models).items():
        folder = root / safe_name(name)
        aside = root / f".{folder.name}.{uuid.uuid4().hex}"
        try:
            count = _write(data, steps, aside)
            folder.mkdir(parents=True, exist_ok=True)
            earlier = list(folder.glob(f"events.out.tfevents.*{SUFFIX}"))
            for file in aside.iterdir():
                file.replace(folder / file.name)
                earlier = [path for path in earlier if path.name != file.name]
            for path in earlier:  # TensorBoard would draw both over each other
                path.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(
                f"{folder} cannot be written: {error.strerror or error}; name another folder with --to."
            ) from None
        except UnicodeEncodeError:
            raise StoreError(
                f"TensorBoard cannot write to {folder}: the name is not UTF-8. Name another folder with --to."
            ) from None
        finally:
            with suppress(OSError):
                shutil.rmtree(aside)
        lines.append(f"{name}: {folder}, {count:,} numbers{f' at {len(steps)} steps' if len(steps) > 1 else ''}")
    return lines


def _write(data: ReportData, steps: dict[int, str], folder: Path) -> int:
    """Write one folder; returns how many numbers."""
    from torch.utils.tensorboard import SummaryWriter

    count = 0
    bands: dict[str, dict[str, list[Any]]] = {}
    writer = SummaryWriter(str(folder), filename_suffix=SUFFIX)
    try:
        for step, model in steps.items():
            for score in data.scores:
                if score.model == model and math.isfinite(score.value):
                    writer.add_scalar(f"{score.task}/{score.condition}/{score.metric}", score.value, step)
                    count += 1
            for score, label in headline(data, model):
                tag = f"{score.task}/{score.condition}/{score.metric}"
                ends = [f"{tag}.ci_low", f"{tag}.ci_high"]
                for end, value in zip(ends, (score.ci_low, score.ci_high), strict=True):
                    writer.add_scalar(end, value, step)
                bands.setdefault(data.titles[score.task], {})[label] = ["Margin", [tag, *ends]]
            writer.add_text("provenance", _origin(data, model), step)
        if bands:
            writer.add_custom_scalars(bands)
    finally:
        writer.close()
    return count


def _origin(data: ReportData, model: str) -> str:
    record = next((record for record in data.models if record["name"] == model), {})
    facts = {"model": record.get("identity", model), "weights": record.get("weights_hash", "")}
    facts |= {str(task["name"]): task.get("identity", "") for task in data.tasks}
    facts |= {"vitobench": data.run.get("versions", {}).get("vitobench", ""), "command": data.run.get("command", "")}
    lines = [f"| {escape_markdown(key)} | {escape_markdown(str(value))} |" for key, value in facts.items() if value]
    return "\n".join(["| what | which |", "|---|---|", *lines])
