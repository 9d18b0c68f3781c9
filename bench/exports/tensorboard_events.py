"""Scores as event files of TensorBoard."""

from __future__ import annotations

import math
import shutil
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

from ...errors import StoreError
from ...reports.data import ReportData
from ...reports.table import escape_markdown
from ...reports.training_curves import trainings
from ...results.layout import safe_name
from .exporter import Handover
from .model_index import headline

SUFFIX = ".vitobench"
"""End of our files' names, by which an earlier export is found and replaced."""


def curves(data: ReportData, models: tuple[str, ...]) -> dict[str, dict[int, str]]:
    """Which models share a folder: checkpoints of one training by step, every other model alone at its step or 0."""
    found: dict[str, dict[int, str]] = {}
    placed: set[str] = set()
    for training in trainings(data.of(models)):
        found[training.name] = training.models
        placed |= set(training.models.values())
    steps = {str(record["name"]): record.get("training_step") for record in data.models}
    for model in models:
        if model not in placed:
            found[model] = {int(steps.get(model) or 0): model}
    return found


def export(handover: Handover) -> list[str]:
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
                title = str(data.task(score.task).get("title") or score.task)
                bands.setdefault(title, {})[label] = ["Margin", [tag, *ends]]
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
