"""Images on which two models disagree, rendered again or read again from their folder."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...errors import VitobenchError
from ...models.spec import ModelSpec
from ...reports.data import SHOWN, Disagreement, Gallery, Picture, Said, chosen, counted, strongest
from ...results.store import Store
from ...tasks.images.classes import imagenet_names
from ...tasks.images.geometry import Geometry
from ...tasks.microworld.vocabulary import CLASSES
from ...tasks.opening import available, open_source
from ...tasks.scoring.samples import Answers, collect
from ...tasks.task import Condition
from ...text import escaped
from ..planning.plan import Plan, PlannedTask, geometry_of
from .memory import Memory

PAIRS = 2
"""Pairs of models that are shown."""

BUDGET = 450_000
"""Bytes of all images together; a third more once they stand in the page as text."""

_EXACT = 128  # images up to this side are kept to the last bit
_QUALITY = 82


def gallery(plan: Plan, memory: Memory) -> Gallery:
    """Show where models and their baselines disagree: clean, and under a strong corruption.

    Args:
        plan: What was scored. Photographs are shown where their folder is named and still what it was.
        memory: The store with the predictions, and what was shown of them before.

    Returns:
        The images; if some cannot be shown, a note says why, never an error.
    """
    parts: list[Disagreement] = []
    notes: dict[str, None] = {}
    left = BUDGET
    for a, b in _pairs(plan):
        for planned in _tasks(plan, a, b):
            try:
                disagreement = _remembered(planned, a, b, plan, memory)
            except Exception as error:  # pictures are an addition: whatever fails here must not cost the numbers
                from ..engine.pixels import one_line

                notes[f"No images of {planned.task.title}: {one_line(error)}"] = None
                continue
            if disagreement is None:
                continue
            size = sum(len(picture.data) for picture in (*disagreement.only_a, *disagreement.only_b))
            if size > left:
                notes["The page's size limit is reached; further images are left out."] = None
                continue
            if planned.task.world == "photographs" and size:
                notes["This page contains photographs: share it only as their licence allows."] = None
            left -= size
            parts.append(disagreement)
    return Gallery(tuple(parts), tuple(notes))


def _pairs(plan: Plan) -> list[tuple[ModelSpec, ModelSpec]]:
    specs = {spec.name: spec for spec in plan.models}
    named = [(specs[a], specs[b]) for a, b in plan.pairs if a in specs and b in specs]
    return (named or ([(plan.models[0], plan.models[1])] if len(plan.models) > 1 else []))[:PAIRS]


def _tasks(plan: Plan, a: ModelSpec, b: ModelSpec) -> list[PlannedTask]:
    """Of each world the first clean and the first corrupted task that both models take."""
    first_of_kind: dict[tuple[str, str], PlannedTask] = {}
    for planned in plan.tasks:
        task = planned.task
        if task.kind.in_gallery and not task.needs_depth and plan.takes(a, task) and plan.takes(b, task):
            first_of_kind.setdefault((task.world, task.kind.name), planned)
    return list(first_of_kind.values())


def _remembered(planned: PlannedTask, a: ModelSpec, b: ModelSpec, plan: Plan, memory: Memory) -> Disagreement | None:
    # Photographs that have not been hashed by this command may have changed.
    known = planned.task.world == "microworld" or planned.source is not None
    request = ["disagreement", a.name, b.name, planned.task.title] if known else None
    pair = replace(plan, models=(a, b))
    return memory.of_tasks(pair, [planned], request, lambda: _disagreement(planned, a, b, plan, memory.store))


def _disagreement(planned: PlannedTask, a: ModelSpec, b: ModelSpec, plan: Plan, store: Store) -> Disagreement | None:
    task = planned.task
    first, second = (
        collect(task, spec.name, store.read(planned.identity, spec.identity, planned.ranges())[0]) for spec in (a, b)
    )
    ids = np.intersect1d(first.image_ids, second.image_ids)
    asked = [
        place
        for place in range(len(task.conditions))
        if len(ids) and not np.isnan(first.correct[0, place] + second.correct[0, place])
    ]
    if not asked:
        return None
    rows = first.rows(ids), second.rows(ids)
    right = [answers.correct[at] == 1 for answers, at in zip((first, second), rows, strict=True)]
    keys = [task.conditions[place].key for place in asked]
    place = asked[strongest(keys, [int((right[0][:, n] != right[1][:, n]).sum()) for n in asked])]
    condition = task.conditions[place]
    a_right, b_right = right[0][:, place].tolist(), right[1][:, place].tolist()
    sides = chosen(ids.tolist(), a_right, b_right, SHOWN)
    pixels = _pixels(planned, [*sides[0], *sides[1]], condition, geometry_of(a), plan)
    names = _names(task.label_space)

    def picture(image_id: str) -> Picture:
        said = tuple(_said(answers, image_id, place, names) for answers in (first, second))
        label = int(first.labels[first.rows(np.array([image_id]))[0]])
        media, data = _encoded(pixels[image_id])
        return Picture(image_id, _word(names, label), media, data, len(pixels[image_id]), said)

    return Disagreement(
        task.title,
        condition.key,
        a.name,
        b.name,
        counted(a_right, b_right),
        tuple(picture(image_id) for image_id in sides[0] if image_id in pixels),
        tuple(picture(image_id) for image_id in sides[1] if image_id in pixels),
        len({key for key in keys if key.partition("/")[2] == condition.key.partition("/")[2]}),
    )


def _said(answers: Answers, image_id: str, place: int, names: Sequence[str]) -> Said:
    row = int(answers.rows(np.array([image_id]))[0])
    return Said(
        answers.model,
        _word(names, int(answers.decisions[row, place])),
        float(answers.confidence[row, place]),
        bool(answers.correct[row, place] == 1),
    )


def _names(label_space: str) -> Sequence[str]:
    if label_space == "microworld-16":
        return CLASSES
    return imagenet_names() if label_space == "imagenet-1k" else ()


def _word(names: Sequence[str], label: int) -> str:
    return names[label] if 0 <= label < len(names) else f"class {label}"


def source_of(planned: PlannedTask, plan: Plan) -> Any:
    """The images of a task.

    Raises:
        VitobenchError: They are not here, or no longer what was run on.
    """
    if planned.source is not None:
        return planned.source
    if planned.labels_alone:
        raise VitobenchError(f"predictions were imported for {planned.labels_alone}")
    dataset, folders = planned.task.dataset, plan.settings.data
    if not available(dataset, folders):
        raise VitobenchError(f"its folder was not given; add --data {dataset}=DIR")
    source = open_source(dataset, folders, planned.images, planned.seed)
    if source.digest != planned.data_digest:
        raise VitobenchError("the images have changed since the predictions were made")
    return source


def _pixels(
    planned: PlannedTask, wanted: Sequence[str], condition: Condition, geometry: Geometry, plan: Plan
) -> dict[str, np.ndarray]:
    """uint8 (H, W, 3) of each image that can be read, as the first model of the pair saw it."""
    if not wanted:
        return {}
    # Only now: it loads what corrupts.
    from ..engine.pixels import apply_condition

    source = source_of(planned, plan)
    places = {escaped(str(image_id)): place for place, image_id in enumerate(source.image_ids)}
    present = [image_id for image_id in wanted if image_id in places]
    at = [places[image_id] for image_id in present]
    images, failed = source.load(at, geometry, condition.key if source.conditions else None)
    if not source.conditions:
        images = apply_condition(images, condition, [str(source.image_ids[place]) for place in at], planned.seed)
    return {image_id: images[n] for n, image_id in enumerate(present) if n not in failed}


def _encoded(pixels: np.ndarray) -> tuple[str, bytes]:
    from PIL import Image

    exact = len(pixels) <= _EXACT
    buffer = io.BytesIO()
    image = Image.fromarray(pixels)
    if exact:
        image.save(buffer, "WEBP", lossless=True, exact=True)
    else:
        image.save(buffer, "JPEG", quality=_QUALITY, optimize=True)
    return ("image/webp" if exact else "image/jpeg"), buffer.getvalue()
