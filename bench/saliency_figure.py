"""``bench saliency --figure``: the scores, and the maps of a few images, computed again."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..files import write_file
from ..models import registry
from ..reports.figure_saliency import Example, SaliencyView, saliency_figure
from ..reports.style import styled
from ..tasks.alignment.saliency.baselines import BASELINES
from ..tasks.alignment.saliency.measures import spearman
from ..tasks.alignment.saliency.preparation import resize
from ..tasks.data.geometry import Geometry
from ..tasks.data.microworld.vocabulary import CLASSES
from .executors.device import choose_device
from .saliency import Outcome, Plan
from .saliency_worker import geometry_of, model_maps

EXAMPLES = 5
_LEFT_OUT = "attention "  # masks of single scales: the mean of them is shown


def write_figure(outcome: Outcome, path: Path, examples: int = EXAMPLES) -> None:
    """Draw an outcome to a file whose ending says the format.

    Args:
        outcome: From `saliency.execute`.
        path: ``.png``, ``.svg`` or ``.pdf``.
        examples: Images to show, from the front of the task.

    Raises:
        StoreError: It cannot be written.
        VitobenchError: A model that cannot be loaded.
    """
    plan = outcome.plan
    view = SaliencyView(
        title=plan.task.title,
        reference=plan.task.reference,
        examples=examples_of(plan, min(examples, plan.count)),
        scores=outcome.scores,
        baselines=tuple(BASELINES),
        ceiling=plan.task.ceiling,
    )
    buffer = io.BytesIO()
    kind = path.suffix.lower().removeprefix(".")
    with styled():
        metadata = {"Date": None} if kind == "svg" else {"CreationDate": None} if kind == "pdf" else None
        saliency_figure(view).savefig(buffer, format=kind, dpi=200, metadata=metadata)
    write_file(path, buffer.getvalue())


def examples_of(plan: Plan, count: int) -> list[Example]:
    """The first images of a plan with the maps of its models; one that cannot be read is skipped."""
    indices = range(count)
    raw, failed = plan.source.maps(indices)
    side = plan.task.preparation.side
    shown, more = plan.source.load(indices, Geometry(side, side, "bilinear"))
    kept = [i for i in indices if i not in failed and i not in more]
    if not kept:
        return []
    references = np.stack([plan.task.preparation.apply(raw[i]) for i in kept])
    maps = _maps(plan, kept)
    values = {key: spearman(found, references) for key, found in maps.items()}
    return [
        Example(
            title=_class_name(plan, index),
            image=shown[index],
            reference=references[position],
            maps={key: found[position] for key, found in maps.items()},
            values={key: float(found[position]) for key, found in values.items()},
        )
        for position, index in enumerate(kept)
    ]


def _maps(plan: Plan, indices: Sequence[int]) -> dict[tuple[str, str], np.ndarray]:
    image_ids = [plan.source.image_ids[i] for i in indices]
    labels = plan.source.labels[list(indices)]
    broken = {failure.model for failure in plan.failures}
    side, device = plan.task.preparation.side, choose_device(plan.request.device)
    found: dict[tuple[str, str], np.ndarray] = {}
    for piece in plan.pieces:
        if piece.spec is None or piece.name in broken:
            continue
        model = registry.load(piece.spec).to(device)
        images, _ = plan.source.load(indices, geometry_of(piece.spec))
        for name, maps in model_maps(model, images, labels, image_ids, piece.explainer).items():
            if not name.startswith(_LEFT_OUT):
                found[piece.name, name] = resize(maps, side)
    return found


def _class_name(plan: Plan, index: int) -> str:
    label = int(plan.source.labels[index])
    return CLASSES[label] if plan.task.label_space == "microworld-16" else f"class {label}"
