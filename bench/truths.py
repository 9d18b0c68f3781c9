"""Facts about images beyond their labels, stored next to the predictions so that these can be scored alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..results import records
from ..results.store import Store
from ..tasks.data.microworld.vocabulary import CLASSES
from ..tasks.opening import open_source
from ..tasks.truth import Truth
from ..text import escaped
from .plan import PlannedTask


def keep(planned: PlannedTask, store: Store) -> None:
    """Keep anchors with their neighbours and accepted classes, where a task needs them and they come from a folder.

    Raises:
        StoreError: The store cannot be written.
    """
    if planned.task.kind.needs and planned.source is not None and planned.task.world != "microworld":
        records.keep_packed(store, records.TRUTHS, planned.task.dataset, planned.data_digest, _facts(planned.source))


def truth_of(planned: PlannedTask, store: Store) -> Truth | None:
    """The truth of a task: made anew for the micro-world, for others from their images or else from the store.

    Returns:
        None where the store has lost it or it is damaged: what needs it cannot be scored.
    """
    task = planned.task
    needs = task.kind.needs
    if not needs:
        return Truth()
    if task.world == "microworld":
        source: Any = open_source(task.dataset, {}, planned.images, planned.seed)
        if "textures" in needs:
            textures = dict(zip(source.image_ids, source.textures().tolist(), strict=True))
            return Truth(textures=textures, categories=CLASSES)
        return Truth(anchors=source.anchors)
    if planned.source is not None:
        facts: dict[str, Any] | None = _facts(planned.source)
    else:
        facts = records.packed(store, records.TRUTHS, task.dataset, planned.data_digest)
    if facts is None:
        return None
    accepted: Mapping[str, list[int]] = facts.get("accepted", {})
    frames: Mapping[str, int] = facts.get("frames", {})
    sequences = {video: [f"{video}/{n:03d}" for n in range(count)] for video, count in frames.items()}
    return Truth(
        anchors=facts.get("anchors", {}),
        accepted={i: frozenset(c) for i, c in accepted.items()},
        sequences={condition.name: sequences for condition in task.conditions} if sequences else {},
    )


def _facts(source: Any) -> dict[str, Any]:
    ids = [escaped(str(image_id)) for image_id in source.image_ids]  # as they stand in the predictions
    facts: dict[str, Any] = {}
    if hasattr(source, "frames") and isinstance(source.frames, dict):
        facts["frames"] = {escaped(video): count for video, count in source.frames.items()}
    if hasattr(source, "accepted"):
        facts["accepted"] = {
            i: sorted(int(c) for c in classes) for i, classes in zip(ids, source.accepted, strict=True)
        }
    if hasattr(source, "neighbours"):
        facts["anchors"] = {
            ids[int(anchor)]: [ids[int(n)] for n in others]
            for anchor, others in zip(source.anchors, source.neighbours, strict=True)
        }
    return facts
