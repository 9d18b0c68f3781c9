"""Scores as evaluation results of the Hugging Face Hub: ``.eval_results/*.yaml`` in a model's repository.

The form of 2026, beside the ``model-index`` of cards: https://huggingface.co/docs/hub/eval-results and
https://github.com/huggingface/hub-docs/blob/main/eval_results.yaml. A leaderboard belongs to a data set on the Hub
whose ``eval.yaml`` lists its tasks by id; a result names both. No package of the Hub is needed to write it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ...errors import DataError, VitobenchError
from ...reports.data import ReportData
from ...results import records
from ...results.metrics import metric
from ...results.schema import RunFacts, Score, TaskRecord
from ...results.store import Store
from .exporter import SCREEN, Handover, put

Entry = dict[str, Any]

_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def export_eval_results(handover: Handover) -> list[str]:
    """See `Exporter`."""
    if len(handover.models) != 1:
        raise VitobenchError(
            f"Evaluation results belong to one model; name it with --model. The store has: "
            f"{', '.join(handover.models)}."
        )
    (model,) = handover.models
    benchmark, source = checked(handover.options)
    path = Path(handover.to)
    if handover.to != SCREEN and path.suffix not in (".yaml", ".yml"):
        raise VitobenchError(f"--to {path}: the Hub reads .eval_results/NAME.yaml; the name must end in .yaml.")
    data = handover.outcome.data
    entries, absent = entries_of(data, model, benchmark, source)
    if not entries:
        reasons = "".join(f"\n{line}" for line in absent)
        raise VitobenchError(f"{model} has no result that the Hub has a place for.{reasons}")
    what = f"{len(entries)} result{'s' if len(entries) != 1 else ''} of {model}"
    if handover.to != SCREEN and path.exists():
        entries = merged(_read(path), entries, str(path))
        what += f", merged into a file of {len(entries)}"
    return [*put(handover, _dump(entries), what), *absent]


def checked(options: Mapping[str, str]) -> tuple[str, str]:
    """The benchmark and the source that were given, each empty where it was not.

    Raises:
        VitobenchError: They are not ``OWNER/NAME`` and an address.
    """
    benchmark, source = options.get("benchmark", ""), options.get("source", "")
    if benchmark and not _REPOSITORY.fullmatch(benchmark):
        raise VitobenchError(f"--benchmark {benchmark}: a data set on the Hub is named OWNER/NAME.")
    if source and not (urlsplit(source).scheme in ("http", "https") and urlsplit(source).netloc):
        raise VitobenchError(f"--source {source}: the Hub asks for an address that begins with https://.")
    return benchmark, source


def entries_of(data: ReportData, model: str, benchmark: str = "", source: str = "") -> tuple[list[Entry], list[str]]:
    """The main number of each task of a model, as plain data, and a line for each that was left out.

    Values are fractions. Revisions are left out: a store knows the content of the images, not the commit of the Hub
    that they came from, and the digest of the content is among the notes.

    Args:
        data: Scores and their provenance.
        model: Whose.
        benchmark: The Hub's data set that has all these tasks; empty takes the one that publishes each task's images.
        source: Address of what the results were made from, such as the page of a report.
    """
    version = str(data.run.get("versions", {}).get("vitobench", ""))
    entries, homeless, undefined = [], [], []
    for task in data.task_records:
        name = str(task["name"])
        score = data.score(model, name, data.main_condition(name), str(task.get("metric") or "top1"))
        if score is None:
            continue
        title = data.titles[name]
        if not math.isfinite(score.value):
            undefined.append(title)
            continue
        home = benchmark or str(task.get("hub") or "")
        if not home:
            homeless.append(title)
            continue
        entry: Entry = {"dataset": {"id": home, "task_id": name}, "value": score.value}
        predicted = next((other for other in data.task_records if other["name"] == task.get("made_of")), task)
        date = measured_on(data.run, predicted, _identity(data, model), model)
        if date:
            entry["date"] = date
        if source:
            entry["source"] = {"url": source, "name": f"vitobench {version}".strip()}
        entries.append(entry | {"notes": notes(task, score, version)})
    lines = []
    if undefined:
        lines.append(f"Left out, without a value: {'; '.join(undefined)}")
    if homeless:
        lines.append(
            f"Left out, on no data set of the Hub: {'; '.join(homeless)}. --benchmark OWNER/NAME names one that lists "
            "them."
        )
    return entries, lines


def _identity(data: ReportData, model: str) -> str:
    return next((str(record.get("identity", "")) for record in data.models if record["name"] == model), "")


def notes(task: TaskRecord, score: Score, version: str) -> str:
    """What the Hub has no field for: the number, its direction, its interval, and what it was measured on."""
    reading = metric(score.metric)
    words = [reading.label, *(["lower is better"] if reading.better < 0 else []), *(["a fraction"] * reading.percent)]
    parts = [
        ", ".join(words),
        f"95 % interval {score.ci_low:.4f} to {score.ci_high:.4f}" if math.isfinite(score.ci_low) else "",
        f"n = {score.n:,}",
        f"seed {task['seed']}" if task.get("seed") is not None else "",
        f"task {task['identity']}" if task.get("identity") else "",
        f"images {task['data_digest']}" if task.get("data_digest") else "",
        f"vitobench {version}" if version else "",
    ]
    return "; ".join(filter(None, parts))


def measured_on(run: RunFacts, task: TaskRecord, identity: str, model: str) -> str:
    """When the predictions were computed, ISO 8601; empty if no record says.

    Without a date the Hub takes that of the commit. That of the scoring would be wrong.

    Args:
        run: Of the scores; names the store and what was read from other stores.
        task: Record of the task whose predictions they are.
        identity: Of the model.
        model: Its name.
    """
    for layer in run.get("layers", []):
        if model in layer["models"] and task["name"] in layer["tasks"]:
            return _date(layer["date"])
    store = Store(run.get("store", ""))
    if not run.get("store") or not store.exists():
        return ""
    return _date(records.origin(store, records.runs(store), str(task.get("identity", "")), identity)["date"])


def _date(text: str) -> str:
    try:
        return datetime.fromisoformat(text).isoformat(timespec="seconds").replace("+00:00", "Z")
    except ValueError:
        return ""


# Results that are there already.


def merged(existing: Any, entries: list[Entry], where: str) -> list[Entry]:
    """Put results into a file: those of the same task of the same data set are replaced in place, others stay.

    Args:
        existing: What the file holds.
        entries: New results.
        where: The file, for messages.

    Raises:
        DataError: The file is not of the Hub's form.
    """
    if existing is not None and not (isinstance(existing, list) and all(map(_is_entry, existing))):
        raise DataError(
            f"{where} is not a list of results with dataset and value. Fix or remove it, or name another file with "
            "--to."
        )
    left = {_key(entry): entry for entry in entries}
    renewed = set(left)
    return [*_renewed(existing or [], left, renewed), *left.values()]


def _renewed(
    existing: list[Entry], left: dict[tuple[str, str], Entry], renewed: set[tuple[str, str]]
) -> Iterator[Entry]:
    for entry in existing:
        key = _key(entry)
        if key not in renewed:
            yield entry
        elif key in left:  # of several that are the same, one remains
            yield left.pop(key)


def _is_entry(other: Any) -> bool:
    return isinstance(other, dict) and isinstance(other.get("dataset"), dict) and "value" in other


def _key(entry: Entry) -> tuple[str, str]:
    return str(entry["dataset"].get("id")), str(entry["dataset"].get("task_id"))


def _read(path: Path) -> Any:
    import yaml

    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}.") from None
    except yaml.YAMLError as error:
        raise DataError(f"{path} is not YAML ({' '.join(str(error).split())}).") from None


def _dump(entries: list[Entry]) -> str:
    import yaml

    text: str = yaml.safe_dump(entries, sort_keys=False, allow_unicode=True, width=120)
    return text
