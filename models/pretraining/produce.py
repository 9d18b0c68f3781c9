"""Produce a checkpoint with its card from a recipe: train, fit a linear head if classes are known, measure, write."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from ...errors import DataError, VitobenchError
from ...files import write_aside
from ...identity import file_digest
from ...tasks.data.clips.source import ClipSource
from ...tasks.data.microworld.sets import MicroSet
from ...tasks.data.microworld.vocabulary import CLASSES
from ...text import utf8
from ..networks import PooledNetwork, build
from .card import card_facts, card_json, card_page, classifier_facts, micro_data
from .checkpoint import same_threads
from .clip_feed import ClipFeed
from .clips import LONGEST_WINDOW, ClipPool
from .devices import leave, make_fabric
from .encoder_file import LAST, encoder_state, load_rounded, write_encoder
from .learners.learner import normalise
from .linear_head import fit_linear_head, frozen_features
from .micro_pool import for_the_head, micro_exam, micro_pool, pool_key
from .pool_feed import PoolFeed
from .recipe import Recipe
from .trackers import make_tracker
from .trainer import Training, train

if TYPE_CHECKING:
    from lightning_fabric import Fabric

CLEAN_IMAGES = 2000
CLEAN_FIRST = 100_000
"""First validation image for the clean accuracy on the card, beyond those that the tasks use."""

Stage = Callable[[str, int, int, str], None]
"""Called with (stage, done, total, remark)."""


@dataclass(frozen=True)
class Produced:
    """Files and facts of a finished run.

    Attributes:
        checkpoint: The safetensors file, for `bench run --model file:...` or, without a classifier, `bench probe`.
        card: The JSON card.
        facts: Contents of the card.
    """

    checkpoint: Path
    card: Path
    facts: dict[str, Any]


@torch.inference_mode()
def clean_accuracy(encoder: PooledNetwork, size: int, seed: int, images: int) -> float:
    """Top-1 accuracy on fresh validation images of the micro-world."""
    encoder.eval()
    source = MicroSet("val", CLEAN_FIRST + images, seed)
    hits = 0
    for start in range(CLEAN_FIRST, CLEAN_FIRST + images, 200):
        frames = source.frames(range(start, min(start + 200, CLEAN_FIRST + images)), size)
        pixels = torch.from_numpy(frames.images).permute(0, 3, 1, 2).float() / 255.0
        hits += int((encoder(normalise(pixels)).argmax(1).numpy() == frames.labels).sum())
    return hits / images


def produce(
    recipe: Recipe,
    folder: Path,
    stage: Stage,
    source: ClipSource | None = None,
    data_words: str = "",
    workers: int = 0,
    devices: int = 1,
    trackers: tuple[str, ...] = (),
    pools: Callable[[Recipe], ClipPool] | None = None,
) -> Produced | None:
    """Pretrain a recipe and write its checkpoint.

    During training, ``last.safetensors`` is written with each training checkpoint, so that an unfinished run can be
    evaluated; on the micro-world it has the classifier of the linear monitor.

    Args:
        recipe: The run.
        folder: Folder for ``NAME.safetensors``, ``NAME.json`` (card), the log and the training checkpoint.
        stage: Called with progress.
        source: The clips of a recipe with ``data = "clips"``.
        data_words: Description of these clips for the card.
        workers: Number of processes that read clips.
        devices: Number of devices of this machine.
        trackers: Some of `trackers.TRACKERS`.
        pools: Returns the pool of a recipe in place of `micro_pool`, if many runs share pools.

    Returns:
        The files; None in every process but the first. The checkpoint contains its card, so that it loads from
        anywhere.

    Raises:
        DataError: Clips are missing, or have no labels for an objective that needs them.
        VitobenchError: As for `train`.
        Stopped: As for `train`.
    """
    if recipe.data != "clips" and recipe.window > LONGEST_WINDOW:
        raise VitobenchError(f"window = {recipe.window} s is longer than the micro-world allows ({LONGEST_WINDOW} s).")
    with same_threads():  # a resumed run changes the number of threads to that of its start
        return _produce(recipe, folder, stage, source, data_words, workers, devices, trackers, pools)


def _produce(
    recipe: Recipe,
    folder: Path,
    stage: Stage,
    source: ClipSource | None,
    data_words: str,
    workers: int,
    devices: int,
    trackers: tuple[str, ...],
    pools: Callable[[Recipe], ClipPool] | None,
) -> Produced | None:
    fabric = make_fabric(devices)
    first = fabric.global_rank == 0
    listener = stage if first else _unheard
    watches = tuple(make_tracker(name, folder, recipe) for name in trackers) if first else ()
    report = partial(listener, "Training")
    if recipe.data != "clips":

        def rendered(wanted: Recipe) -> ClipPool:
            return micro_pool(wanted, lambda done, total: listener("Rendering clips", done, total, ""))

        return _on_the_micro_world(recipe, pools or rendered, folder, listener, report, fabric, watches)
    if source is None:
        raise DataError(f"The recipe {recipe.name} trains on your own clips: name them with --data.")
    feed = ClipFeed(source, recipe, workers)
    if recipe.labelled and feed.classes < 2:
        raise DataError(
            f"{recipe.objective} needs labels, and the clips have none; docs/clips.md says where to put them."
        )
    words = data_words or f"{feed.clips} clips"

    def facts_of(training: Training) -> dict[str, Any]:
        return card_facts(recipe, training, words)

    def keep(training: Training) -> None:
        write_encoder(folder / LAST, encoder_state(training.learner.encoder, None, False), facts_of(training))

    training = train(recipe, feed, folder, _progress(report), fabric, watches, keep)
    leave(fabric)
    if not first:
        return None
    return _write(recipe, folder, encoder_state(training.learner.encoder, None, False), facts_of(training))


def _on_the_micro_world(
    recipe: Recipe,
    pools: Callable[[Recipe], ClipPool],
    folder: Path,
    stage: Stage,
    report: Callable[..., None],
    fabric: Fabric,
    watches: tuple[Any, ...],
) -> Produced | None:
    pool = pools(recipe)
    exam = micro_exam(pool, recipe.size, recipe.seed) if recipe.monitor_every else None

    def keep(training: Training) -> None:
        assert training.monitor is not None
        state = encoder_state(training.learner.encoder, training.monitor.classifier(), True)
        classifier = classifier_facts({"online_accuracy": round(training.monitor.accuracy or 0.0, 4)}, None, 0)
        write_encoder(folder / LAST, state, card_facts(recipe, training, micro_data(recipe)) | classifier)

    training = train(recipe, PoolFeed(pool, len(CLASSES), exam), folder, _progress(report), fabric, watches, keep)
    leave(fabric)
    if fabric.global_rank != 0:
        return None
    probed = for_the_head(recipe)
    labelled = pool if pool_key(probed) == pool_key(recipe) else pools(probed)
    head, facts = _classifier(training.learner.encoder.cpu(), labelled, stage)
    return write_checkpoint(recipe, training, head, facts, folder)


def _classifier(encoder: PooledNetwork, pool: ClipPool, stage: Stage) -> tuple[nn.Linear, dict[str, float]]:
    features = frozen_features(encoder, pool, progress=lambda done, total: stage("Reading features", done, total, ""))
    return fit_linear_head(features, pool.labels, len(CLASSES))


def write_checkpoint(
    recipe: Recipe, training: Training, head: nn.Linear, facts: dict[str, float], folder: Path
) -> Produced:
    """Write the files of a run on the micro-world; clean accuracy is measured with the written, rounded weights.

    Args:
        recipe: The run.
        training: Its result.
        head: The classifier.
        facts: Facts about the fit of the classifier.
        folder: Target folder.
    """
    state = encoder_state(training.learner.encoder, head, True)
    rounded = build(recipe.network, len(CLASSES))
    load_rounded(rounded, state)
    classifier = classifier_facts(facts, clean_accuracy(rounded, recipe.size, recipe.seed, CLEAN_IMAGES), CLEAN_IMAGES)
    return _write(recipe, folder, state, card_facts(recipe, training, micro_data(recipe)) | classifier)


def _write(recipe: Recipe, folder: Path, state: dict[str, torch.Tensor], facts: dict[str, Any]) -> Produced:
    checkpoint, card = folder / f"{recipe.name}.safetensors", folder / f"{recipe.name}.json"
    for path in (checkpoint, folder / LAST):
        write_encoder(path, state, facts)
    facts = facts | {"sha256": file_digest(checkpoint)}
    write_aside(folder / f"{recipe.name}.md", utf8(card_page(facts)))
    write_aside(card, utf8(card_json(facts)))
    return Produced(checkpoint, card, facts)


def _progress(report: Callable[..., None]) -> Callable[[int, int, float], None]:
    return lambda done, total, loss: report(done, total, f"loss {loss:.3f}")


def _unheard(title: str, done: int, total: int, remark: str) -> None:
    """Ignores progress, in processes without a terminal."""
