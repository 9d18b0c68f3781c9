"""``bench saliency --figure``: the scores, and the maps of a few images, computed again."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..files import write_file
from ..models import registry
from ..reports.figure_saliency import Example, SaliencyView, saliency_figure
from ..reports.style import styled
from ..tasks.alignment.saliency.measures import spearman
from ..tasks.alignment.saliency.preparation import resize
from ..tasks.alignment.saliency.protocol import OBSERVERS
from ..tasks.data.geometry import Geometry
from ..tasks.data.microworld.vocabulary import CLASSES
from ..tasks.kinds.saliency import protocol_of
from .executors.device import choose_device
from .plan import NO_CLASSES, Plan, PlannedTask, geometry_of
from .saliency import main_task
from .saliency_maps import map_source, model_maps

if TYPE_CHECKING:
    from .run import Outcome

EXAMPLES = 5
_LEFT_OUT = "attention "  # masks of single scales: the mean of them is shown


def write_figure(outcome: Outcome, path: Path, examples: int = EXAMPLES) -> None:
    """Draw an outcome to a file whose ending says the format.

    Args:
        outcome: From `saliency.run`.
        path: ``.png``, ``.svg`` or ``.pdf``.
        examples: Images to show, from the front of the task.

    Raises:
        StoreError: It cannot be written.
        VitobenchError: A model that cannot be loaded.
    """
    planned = main_task(outcome)
    assert outcome.plan is not None
    protocol = protocol_of(planned.task)
    broken = {failure.model for failure in outcome.data.failures}
    view = SaliencyView(
        title=protocol.title,
        reference=protocol.reference,
        examples=examples_of(outcome.plan, broken, min(examples, planned.images)),
        scores=outcome.data.scores,
        baselines=tuple(OBSERVERS),
        ceiling=protocol.ceiling,
    )
    buffer = io.BytesIO()
    kind = path.suffix.lower().removeprefix(".")
    with styled():
        metadata = {"Date": None} if kind == "svg" else {"CreationDate": None} if kind == "pdf" else None
        saliency_figure(view).savefig(buffer, format=kind, dpi=200, metadata=metadata)
    write_file(path, buffer.getvalue())


def examples_of(plan: Plan, broken: set[str], count: int) -> list[Example]:
    """The first images of a plan with the maps of its models; one that cannot be read is skipped.

    Args:
        plan: Saliency tasks on the same images.
        broken: Models that failed.
        count: Images.
    """
    planned = plan.tasks[0]
    source, preparation = map_source(planned.task, planned.source), protocol_of(planned.task).preparation
    indices = range(count)
    raw, failed = source.maps(indices)
    shown, more = source.load(indices, Geometry(preparation.side, preparation.side, "bilinear"))
    kept = [i for i in indices if i not in failed and i not in more]
    if not kept:
        return []
    references = np.stack([preparation.apply(raw[i]) for i in kept])
    maps = _maps(plan, broken, kept)
    values = {key: spearman(own, references) for key, own in maps.items()}
    return [
        Example(
            title=_class_name(planned, int(source.labels[index])),
            image=shown[index],
            reference=references[position],
            maps={key: own[position] for key, own in maps.items()},
            values={key: float(own[position]) for key, own in values.items()},
        )
        for position, index in enumerate(kept)
    ]


def _maps(plan: Plan, broken: set[str], indices: list[int]) -> dict[tuple[str, str], np.ndarray]:
    device = choose_device(plan.settings.device)
    found: dict[tuple[str, str], np.ndarray] = {}
    for planned in plan.tasks:
        protocol, source = protocol_of(planned.task), map_source(planned.task, planned.source)
        image_ids, labels = [source.image_ids[i] for i in indices], source.labels[indices]
        for spec in plan.models:
            if spec.label_space == NO_CLASSES or spec.name in broken:
                continue
            images, _ = source.load(indices, geometry_of(spec, planned.task))
            model = registry.load(spec).to(device)
            for name, own in model_maps(model, images, labels, image_ids, protocol.samples).items():
                if not name.startswith(_LEFT_OUT):
                    found[spec.name, name] = resize(own, protocol.preparation.side)
    return found


def _class_name(planned: PlannedTask, label: int) -> str:
    return CLASSES[label] if planned.task.label_space == "microworld-16" else f"class {label}"
