"""Check a new model on a few images and a small part of every task, before spending hours on a run."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import VitobenchError
from ..models import registry
from ..models.spec import ModelSpec
from ..tasks.opening import available, open_source
from ..tasks.registry import all_tasks
from ..tasks.task import Task
from .executors.device import choose_device
from .model_checks import (
    CLASSES,
    FAIL,
    PASS,
    SKIP,
    WARN,
    Check,
    check_channels,
    check_labels,
    check_outputs,
    check_preprocessing,
    check_speed,
)
from .pixels import one_line
from .plan import geometry_of
from .run import execute
from .settings import Settings

if TYPE_CHECKING:
    from ..models.model import Model

LIMIT = 4
"""Images of each task."""

_IMAGES = 160  # ten of each class of the micro-world: enough to tell a permuted head from a weak one
_NUMERIC = 16  # images for checks that need no labels


def mock_run(name: str, data: Mapping[str, Path], device: str = "auto", precision: str = "float32") -> Iterator[Check]:
    """Check a model, one check at a time; nothing is stored.

    Args:
        name: As for ``--model``.
        data: Folders of data sets, by name; tasks without data are skipped.
        device: As in `Settings`.
        precision: As in `Settings`.

    Yields:
        The result of each check. If the model cannot be loaded, that check is the last.

    Raises:
        VitobenchError: No such model.
    """
    spec = replace(registry.resolve(name), precision=precision)
    yield Check("description", PASS, f"{spec.identity}: {spec.architecture}, {spec.label_space}")
    if note := spec.note:
        yield Check("weights", WARN, note, "Check that these are the weights you want.")
    yield check_preprocessing(spec)
    started = time.monotonic()
    try:
        model = registry.load(spec).to(choose_device(device))
    except (Exception, SystemExit) as error:  # other people's code may raise anything
        yield Check("loading", FAIL, one_line(error), "Fix this first; nothing else was checked.")
        return
    yield Check("loading", PASS, f"{time.monotonic() - started:.1f} s")
    try:
        images, _ = open_source("microworld/val", {}, _IMAGES, 0).load(range(_NUMERIC), geometry_of(spec))
        yield from check_outputs(model, images)
        yield check_speed(model, images)
        yield from _labels(model, data)
    except (Exception, SystemExit) as error:
        yield Check(
            "outputs",
            FAIL,
            one_line(error),
            "The network fails on uint8 images of its own input size; try it on its own.",
        )
        return
    yield from _tasks(spec, data, device)


def _labels(model: Model, data: Mapping[str, Path]) -> Iterator[Check]:
    """Label and channel order, on images that the model should recognise."""
    from ..models.batching import answer

    space = model.spec.label_space
    dataset = {"microworld-16": "microworld/val", "imagenet-1k": "imagenet"}.get(space)
    if dataset is None or not available(dataset, data):
        how = "Add --data imagenet=DIR: photographs in one folder per WordNet id." if dataset else ""
        advice = f"The class order of {space} cannot be checked on the micro-world. {how}".strip()
        yield Check("label order", SKIP, "no labelled images of this label space", advice)
        return
    source = open_source(dataset, data, _IMAGES, 0)
    at = range(min(_IMAGES, len(source.image_ids)))
    images, failed = source.load(at, geometry_of(model.spec))
    readable = [n for n in at if n not in failed]
    images, labels = images[readable], np.asarray(source.labels)[readable]
    predicted, swapped = (
        answer(model, pixels, 32)[0].argmax(dim=1).numpy()
        for pixels in (images, np.ascontiguousarray(images[..., ::-1]))
    )
    yield check_labels(predicted, labels, CLASSES[space])
    yield check_channels(predicted, swapped, labels)


def _tasks(spec: ModelSpec, data: Mapping[str, Path], device: str) -> Iterator[Check]:
    """Every task of the label space whose data are available, with `LIMIT` images each."""
    candidates = [task for task in all_tasks().values() if task.label_space == spec.label_space]
    ready = [task for task in candidates if available(task.dataset, data)]
    if not ready:
        yield Check(
            "tasks",
            SKIP,
            f"{len(candidates)} tasks of {spec.label_space} need data",
            "Give their folders with --data NAME=DIR.",
        )
        return
    with tempfile.TemporaryDirectory(prefix="vitobench-mock-") as folder:
        settings = Settings(
            models=(spec.name,),
            baselines=(),
            tasks=tuple(task.name for task in ready),
            data=data,
            store=Path(folder) / "store",
            limit=LIMIT,
            device=device,
            precision=spec.precision,
        )
        try:
            outcome = execute(settings)
        except VitobenchError as error:
            yield Check("tasks", FAIL, str(error), "Run one task after the other with `bench run --limit 4`.")
            return
    yield from _task_lines(ready, spec, [(f.model, f.task, f.condition, f.reason) for f in outcome.data.failures])
    without_data = len(candidates) - len(ready)
    if without_data:
        yield Check(
            "other tasks", SKIP, f"{without_data} tasks without data", "--data NAME=DIR; see `bench data list`."
        )


def _task_lines(
    tasks: Sequence[Task], spec: ModelSpec, failures: Sequence[tuple[str, str, str, str]]
) -> Iterator[Check]:
    conditions = {task.name: len(task.conditions) for task in tasks}
    for task in tasks:
        hit = [row for row in failures if row[1] in (task.name, "*") and row[0] in (spec.name, "*")]
        amount = f"{LIMIT} images under {conditions[task.name]} condition{'s' * (conditions[task.name] > 1)}"
        if hit:
            more = f" (and {len(hit) - 1} more)" if len(hit) > 1 else ""
            yield Check(
                task.name, FAIL, f"{hit[0][3]}{more}", f"bench run --model {spec.name} --task {task.name} --limit 4"
            )
        else:
            yield Check(task.name, PASS, amount)
    elsewhere = [row for row in failures if row[0] not in (spec.name, "*")]
    if elsewhere:
        yield Check(
            "reference model",
            WARN,
            f"{elsewhere[0][0]}: {elsewhere[0][3]}",
            "The fault is not in this model.",
        )
