"""Carried masks and segmented images as pictures: computed anew for a few examples, and only when that is asked.

The store has how good a mask is, not the mask. So models are loaded and encode the examples again, which is never done
unless it was asked; what was computed once is kept beside the scores.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ...models import registry
from ...models.spec import ModelSpec
from ...reports.data import EXAMPLES, Example, Examples, Overlay
from ...tasks.understanding.protocol import Seen
from ..planning.plan import BASELINE, Plan, PlannedTask
from .gallery import source_of
from .memory import Memory

if TYPE_CHECKING:
    from ...tasks.images.source import ImageSource

BUDGET = 900_000
"""Bytes of all pictures together; a third more once they stand in the page as text."""

_ENCODERS, _RANDOM = 2, 1
"""Models that are shown: the first ones that are trained, and a network with random weights."""

_SIDE = 240  # pixels of the longer side at most
_QUALITY = 80
_STRENGTH = 0.55  # of colour over the picture
_VOID = 255


class _NotKeptError(Exception):
    """Nothing was computed before, and nothing is to be computed now."""


def overlays(plan: Plan, memory: Memory, compute: bool) -> Examples:
    """Show what models find in examples of each task that has maps of labels.

    Args:
        plan: What was scored.
        memory: What was computed before.
        compute: Whether models may be loaded; else only what was computed before is shown.

    Returns:
        The pictures; where some are absent, a note says why, never an error.
    """
    parts: list[tuple[str, tuple[Example, ...]]] = []
    notes: dict[str, None] = {}
    left = BUDGET
    for planned in plan.tasks:
        models = _models(plan, planned)
        if planned.task.protocol is None or not planned.task.protocol.shows_maps or not models:
            continue
        title = planned.task.title
        try:
            found = _remembered(planned, models, plan, memory, compute)
        except _NotKeptError:
            notes[
                "The store has how good masks are, not the masks. To compute those of a few examples anew, with the "
                "store and folders of this run: bench report --masks"
            ] = None
            continue
        except Exception as error:  # pictures are an addition: whatever fails here must not cost the numbers
            from ..engine.pixels import one_line

            notes[f"No pictures of {title}: {one_line(error)}"] = None
            continue
        size = sum(len(overlay.data) for example in found for overlay in example.overlays)
        if size > left:
            notes["The page's size limit is reached; further pictures are left out."] = None
            continue
        if planned.task.world == "photographs" and size:
            notes["This page contains photographs: share it only as their licence allows."] = None
        left -= size
        parts.append((title, found))
    return Examples(tuple(parts), tuple(notes))


def _models(plan: Plan, planned: PlannedTask) -> list[ModelSpec]:
    own = [s for s in plan.models if s.source != BASELINE and not s.imported and plan.takes(s, planned.task)]
    random = [spec for spec in own if spec.source == "random"]
    return [*[spec for spec in own if spec not in random][:_ENCODERS], *random[:_RANDOM]]


def _remembered(
    planned: PlannedTask, models: Sequence[ModelSpec], plan: Plan, memory: Memory, compute: bool
) -> tuple[Example, ...]:
    def make() -> tuple[Example, ...]:
        if not compute:
            raise _NotKeptError
        return _examples(planned, models, plan)

    # Photographs that have not been hashed by this command may have changed.
    known = planned.task.world == "microworld" or planned.source is not None or not compute
    request = ["overlays", planned.task.title] if known else None
    return memory.of_tasks(replace(plan, models=tuple(models)), [planned], request, make)


def chosen(image_ids: Sequence[str], count: int = EXAMPLES) -> list[int]:
    """Positions of the ids with the smallest SHA-256, in the order of that."""
    order = sorted(range(len(image_ids)), key=lambda at: hashlib.sha256(image_ids[at].encode()).digest())
    return order[:count]


def _examples(planned: PlannedTask, models: Sequence[ModelSpec], plan: Plan) -> tuple[Example, ...]:
    source = source_of(planned, plan)
    positions = chosen([str(image_id) for image_id in source.image_ids[: planned.images]])
    by_model = {spec.name: _seen(planned, spec, source, positions, plan) for spec in models}
    found = []
    for place, position in enumerate(positions):
        pictures = [seen[place] for seen in by_model.values()]
        for number, first in enumerate(pictures[0]):
            overlays = [_overlay("", "", first, None), _overlay("truth", "", first, first.truth)]
            overlays += [
                _overlay(name, seen[place][number].value, first, seen[place][number].found)
                for name, seen in by_model.items()
            ]
            title = ", ".join(filter(None, (str(source.image_ids[position]), first.what)))
            found.append(Example(title, tuple(overlays)))
    return tuple(found)


def _seen(
    planned: PlannedTask, spec: ModelSpec, source: ImageSource, positions: Sequence[int], plan: Plan
) -> list[list[Seen]]:
    # Only now: they load torch.
    from ..engine.examining import ModelEncoder, protocol_of
    from ..engine.executors import choose_device

    model = registry.load(spec).to(choose_device(plan.settings.device))
    examiner = protocol_of(planned.task).examiner(ModelEncoder(model, plan.settings.batch), source)
    return [examiner.seen(position) for position in positions]  # type: ignore[attr-defined]


def _overlay(title: str, value: str, seen: Seen, labels: np.ndarray | None) -> Overlay:
    from PIL import Image

    image = Image.fromarray(seen.picture if labels is None else blended(seen.picture, labels))
    image.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=_QUALITY)
    return Overlay(title, value, "image/webp", buffer.getvalue(), image.size)


def blended(picture: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """A picture with its labels over it: 0 and 255 leave it as it is, the others have the colours of PASCAL VOC.

    Args:
        picture: uint8 (H, W, 3).
        labels: uint8 (H, W).

    Returns:
        uint8 (H, W, 3).
    """
    shown = ((labels > 0) & (labels != _VOID))[..., None]
    mixed = (1 - _STRENGTH) * picture + _STRENGTH * _colours()[labels]
    result: np.ndarray = np.where(shown, np.rint(mixed), picture).astype(np.uint8)
    return result


def _colours() -> np.ndarray:
    """uint8 (256, 3): the colour map of PASCAL VOC, whose bits are those of the label, three by three."""
    label = np.arange(256)
    colours = np.zeros((256, 3), dtype=np.int64)
    for bit in range(8):
        colours |= ((label[:, None] >> (3 * bit + np.arange(3))) & 1) << (7 - bit)
    return colours.astype(np.uint8)
