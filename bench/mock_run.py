"""Check a new model on a few images and a small part of every task; each check says how to fix a failure."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import VitobenchError
from ..models import registry
from ..models.class_order import BY_NAME, order_of
from ..models.spec import ModelSpec
from ..tasks.answer_spaces import ANSWER_SPACES, answer_space
from ..tasks.images.geometry import CROP_MODES, INTERPOLATIONS
from ..tasks.opening import available, open_source
from ..tasks.registry import all_tasks
from ..tasks.task import Task
from .engine.executors import choose_device
from .engine.pixels import one_line
from .planning.plan import geometry_of, predicts
from .run import execute
from .settings import Settings

if TYPE_CHECKING:
    from ..models.model import Model


# Check on a few images that a model matches its description; each check says how to fix a failure.


PASS, WARN, FAIL, SKIP = "pass", "warn", "fail", "skip"

CLASSES = {"microworld-16": 16, "imagenet-1k": 1000, "cifar-10": 10, "cifar-100": 100}
"""Number of classes by label space."""

TOLERANCES = {"float32": 1e-3, "float16": 2e-2, "bfloat16": 1e-1}
"""How far logits of one image may differ between batches, as a share of the largest; rounding stays far below this."""

_PERMUTED = 0.25
"""Accuracy that the best reordering of classes must gain before the order is in doubt. With ten images per class, the
best reordering of random predictions gains about 0.15."""

_NEAR_CHANCE = 0.05
"""Accuracy up to which a confident network is not just a weak one. Some classes keep their place in another order."""
_CONFIDENT = 0.3
"""Mean confidence on photographs from which a network counts as trained: 0.75 for efficientnet-lite0, below 0.1 for
networks with random weights."""
_VARIED = 0.3
"""Share of the images, or of the classes if there are fewer, that so many different predictions are varied for: wrong
preprocessing makes a network predict the same few classes."""

_NAME_CLASSES = (
    "Name the class of each output, one per line, in a text file, and write &classes=FILE behind the name of a file: "
    "or onnx: model; sort the outputs of any other model by WordNet id."
)


@dataclass(frozen=True)
class Check:
    """The result of one check.

    Attributes:
        name: What was checked.
        status: ``"pass"``, ``"warn"``, ``"fail"`` or ``"skip"``.
        found: What the check saw.
        mend: How to fix it; empty if there is nothing to fix.
    """

    name: str
    status: str
    found: str
    mend: str = ""


def check_preprocessing(spec: ModelSpec) -> Check:
    """Whether the sizes are possible, and the means and deviations plausible for pixels on the 0..1 scale."""
    p = spec.preprocessing
    description = f"{p.size} pixels from {p.resize} ({p.crop_mode}), {p.interpolation}, mean {p.mean}, std {p.std}"
    if p.size < 1 or p.resize < 1:
        return Check("preprocessing", FAIL, description, "size and resize are numbers of pixels, from 1.")
    if p.interpolation not in INTERPOLATIONS:
        return Check("preprocessing", FAIL, description, "interpolation must be 'bilinear' or 'bicubic'.")
    if p.crop_mode not in CROP_MODES:
        return Check("preprocessing", FAIL, description, f"crop_mode must be one of {', '.join(CROP_MODES)}.")
    if any(not 0 <= m <= 1 for m in p.mean) or any(not 0 < s <= 1 for s in p.std):
        return Check(
            "preprocessing",
            FAIL,
            description,
            "Mean and std must be on the 0..1 scale; divide values for 0..255 by 255.",
        )
    if p.resize < p.size:
        mend = (
            "resize, the side before the crop, is smaller than size: the model sees the photograph in a frame. Right "
        )
        return Check("preprocessing", WARN, description, mend + "only if it is evaluated so (timm's crop_pct over 1).")
    if any(not 0.1 <= s <= 0.6 for s in p.std):
        mend = "Unusual for photographs (0.2 to 0.5); right only if the network was trained on pixels scaled like this."
        return Check("preprocessing", WARN, description, mend)
    return Check("preprocessing", PASS, description)


def check_outputs(model: Model, images: np.ndarray) -> Iterator[Check]:
    """Shape, type and repeatability of logits and features.

    Args:
        model: A loaded model.
        images: uint8 (n, size, size, 3), n >= 8, all different.

    Yields:
        One check at a time; it stops after a failure that makes the remaining checks meaningless.
    """
    import torch

    batch = torch.from_numpy(images).permute(0, 3, 1, 2)
    logits = model.logits(batch)
    space = model.spec.label_space
    classes = answer_space(space).size if space in ANSWER_SPACES else CLASSES.get(space)
    description = f"{tuple(logits.shape)} for {len(images)} images, {str(logits.dtype).removeprefix('torch.')}"
    if classes is None:
        yield Check("label space", WARN, model.spec.label_space, f"Label spaces that tasks use: {', '.join(CLASSES)}.")
    if logits.ndim != 2 or len(logits) != len(images) or (classes is not None and logits.shape[1] != classes):
        mend = f"{model.spec.label_space} needs logits of shape (N, {classes}); fix the head or the label space."
        yield Check("logits", FAIL, description, mend)
        return
    yield Check("logits", PASS, description)
    try:
        features = model.features(batch[:8])
    except VitobenchError as error:  # not every source can give them, and no score needs them
        yield Check("features", SKIP, str(error), "Probes and nearest neighbours need features of shape (N, D).")
    else:
        shape = tuple(features.shape)
        good = features.ndim == 2 and len(features) == 8
        mend = "" if good else "Probes and nearest neighbours need features of shape (N, D)."
        yield Check("features", PASS if good else WARN, f"{shape} for 8 images", mend)
    bad = int((~torch.isfinite(logits)).any(dim=1).sum())
    if bad:
        mend = "Look for a division by zero or an overflow; try --precision float32."
        yield Check("finite", FAIL, f"{bad} of {len(images)} images have logits that are NaN or infinite", mend)
        return
    yield Check("finite", PASS, f"all logits of {len(images)} images")
    yield _variation(logits)
    yield _repeated(model, batch)
    yield _batches(model, batch)
    yield _threads(model, batch)


def _variation(logits: Any) -> Check:
    spread, n_classes = float(logits.std(dim=0).max()), len(set(logits.argmax(dim=1).tolist()))
    mend = "Possible causes: the weights were not loaded, or pixels are normalised twice."
    if spread <= 1e-6 * max(1.0, float(logits.abs().max())):
        return Check("variation", FAIL, "the same logits for every image", mend)
    status = WARN if n_classes == 1 else PASS
    return Check(
        "variation", status, f"{n_classes} classes chosen for {len(logits)} images", mend if n_classes == 1 else ""
    )


def _difference(a: Any, b: Any) -> float:
    """Largest difference as a share of the largest logit."""
    return float((a - b).abs().max() / a.abs().max().clamp(min=1e-12))


def _repeated(model: Model, batch: Any) -> Check:
    if bool((model.logits(batch[:8]) == model.logits(batch[:8])).all()):
        return Check("same image twice", PASS, "the same logits")
    mend = "Something is random in evaluation mode: functional dropout, or batch statistics."
    return Check("same image twice", FAIL, "different logits", mend)


def _batches(model: Model, batch: Any) -> Check:
    import torch

    together = model.logits(batch[:8])
    alone = torch.cat([model.logits(batch[n : n + 1]) for n in range(8)])
    difference, limit = _difference(together, alone), TOLERANCES[model.spec.precision]
    description = f"logits differ by {difference:.1e} of the largest (limit {limit:.0e})"
    if difference <= limit:
        return Check("batch of 1 and of 8", PASS, description)
    mend = "One image must not affect another: use no batch statistics in evaluation mode."
    return Check("batch of 1 and of 8", FAIL, description, mend)


def _threads(model: Model, batch: Any) -> Check:
    import torch

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        single = model.logits(batch[:8])
        torch.set_num_threads(max(2, before))
        several = model.logits(batch[:8])
    finally:
        torch.set_num_threads(before)
    difference, limit = _difference(single, several), TOLERANCES[model.spec.precision]
    description = (
        f"1 and {max(2, before)} threads: logits differ by {difference:.1e} of the largest (limit {limit:.0e})"
    )
    if difference <= limit:
        return Check("threads", PASS, description)
    return Check("threads", FAIL, description, "A custom layer has a race: two threads write to the same place.")


def check_labels(
    predicted: np.ndarray, labels: np.ndarray, classes: int, confidence: np.ndarray | None = None
) -> Check:
    """Whether predictions are right, or would be with the classes in another order.

    With five images or more per class, the best order is found by matching. With fewer, a trained network whose classes
    are in another order shows by itself: it is confident and varied, and no better than chance.

    Args:
        predicted: int (n,) predicted classes.
        labels: int (n,) true classes.
        classes: Number of classes.
        confidence: float (n,) largest probability of each image.
    """
    from scipy.optimize import linear_sum_assignment
    from scipy.stats import binom

    n = len(labels)
    right = int((predicted == labels).sum())
    accuracy = f"{right / n:.0%} of {n} clean images are right (chance {1 / classes:.1%})"
    above_chance = float(binom.sf(right - 1, n, 1 / classes)) < 1e-4
    if n >= 5 * classes:
        table = np.zeros((classes, classes), np.int64)
        np.add.at(table, (predicted, labels), 1)
        rows, columns = linear_sum_assignment(table, maximize=True)
        best = int(table[rows, columns].sum())
        if best - right > _PERMUTED * n:
            mend = "The label order looks permuted: sort the head's outputs into the order of the label space."
            return Check("label order", FAIL, f"{accuracy}; {best / n:.0%} with classes in another order", mend)
    for said, other in _other_orders(predicted, classes):
        better = int((other == labels).sum())
        if better > right and float(binom.sf(better - 1, n, 1 / classes)) < 1e-6 and better - right > 0.1 * n:
            return Check("label order", FAIL, f"{accuracy}; {better / n:.0%} with the classes {said[0]}", said[1])
    varied = len(np.unique(predicted)) >= _VARIED * min(n, classes)
    sure = confidence is not None and n < 5 * classes and float(confidence.mean()) >= _CONFIDENT
    if confidence is not None and sure and varied and right <= _NEAR_CHANCE * n:
        finding = f"{accuracy}, but predictions are confident ({confidence.mean():.0%} on average) and varied"
        return Check("label order", FAIL, finding, f"The classes are in another order than WordNet's. {_NAME_CLASSES}")
    if above_chance:
        return Check("label order", PASS, accuracy)
    mend = (
        "No better than chance: the model is untrained, has another label space or class order, or needs other "
        "preprocessing."
    )
    return Check("label order", WARN, accuracy, mend)


def _other_orders(predicted: np.ndarray, classes: int) -> Iterator[tuple[tuple[str, str], np.ndarray]]:
    """What predictions would be in other orders that occur, with the words for it and how to mend it."""
    if classes != CLASSES["imagenet-1k"]:
        return
    order = order_of(classes, BY_NAME, "")
    assert order is not None
    outputs = np.asarray(order.outputs)
    by_name = np.empty_like(outputs)
    by_name[outputs] = np.arange(classes)
    mend = "Write classes=by-name behind the name of a file: or onnx: model, or sort the outputs by WordNet id."
    yield ("sorted by name", mend), by_name[predicted]
    mend = f"The outputs are off by one, as where the first one is background. {_NAME_CLASSES}"
    yield ("one place earlier", mend), predicted - 1
    yield ("one place later", mend), predicted + 1


def check_channels(predicted: np.ndarray, swapped: np.ndarray, labels: np.ndarray) -> Check:
    """Whether the model does better with red and blue swapped, by a sign test over images.

    Args:
        predicted: int (n,) classes predicted for RGB images.
        swapped: int (n,) classes predicted for the same images as BGR.
        labels: int (n,) true classes.
    """
    from scipy.stats import binomtest

    rgb, bgr = predicted == labels, swapped == labels
    won, lost = int((bgr & ~rgb).sum()), int((rgb & ~bgr).sum())
    accuracies = f"{rgb.mean():.0%} right as RGB, {bgr.mean():.0%} as BGR"
    if won > lost and binomtest(won, won + lost).pvalue < 0.01:
        return Check(
            "channel order",
            WARN,
            accuracies,
            "It seems to expect BGR, but images are RGB. Swap the channels in the network.",
        )
    return Check("channel order", PASS, accuracies)


def check_speed(model: Model, images: np.ndarray) -> Check:
    """Images per second in forward passes: the best of three, since other load only ever makes a pass slower."""
    import torch

    batch = torch.from_numpy(images[:32]).permute(0, 3, 1, 2)
    model.logits(batch)
    best = float("inf")
    for _ in range(3):
        started = time.perf_counter()
        model.logits(batch).cpu()
        best = min(best, time.perf_counter() - started)
    threads = f", {torch.get_num_threads()} threads" if model.device.type == "cpu" else ""
    return Check("speed", PASS, f"{len(batch) / best:.0f} images/s on {model.device}{threads}, {model.spec.precision}")


# Check a new model on a few images and a small part of every task, before spending hours on a run.


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
    logits = answer(model, images, 32)[0]
    predicted = logits.argmax(dim=1).numpy()
    swapped = answer(model, np.ascontiguousarray(images[..., ::-1]), 32)[0].argmax(dim=1).numpy()
    confidence = logits.softmax(dim=1).amax(dim=1).numpy()
    yield check_labels(predicted, labels, CLASSES[space], confidence)
    yield check_channels(predicted, swapped, labels)


def _tasks(spec: ModelSpec, data: Mapping[str, Path], device: str) -> Iterator[Check]:
    """Every task of the label space whose data are available, with `LIMIT` images each."""
    candidates = [task for task in all_tasks().values() if predicts(spec.label_space, task) and not task.made_of]
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
            recompute=True,
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
