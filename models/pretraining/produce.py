"""From a recipe to a checkpoint with its card: train, fit a linear head where classes are known, measure."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ...classifiers import fit_validated
from ...errors import DataError, VitobenchError
from ...files import write_aside
from ...identity import file_digest
from ...tasks.clips.source import ClipSource
from ...tasks.microworld.sets import GENERATOR_VERSION, MicroSet
from ...tasks.microworld.vocabulary import CLASSES
from ...text import utf8
from ..networks import PooledNetwork, build
from ..spec import IMAGENET_MEAN, IMAGENET_STD
from .checkpoint import LAST, encoder_state, load_rounded, same_threads, write_encoder
from .clips import LONGEST_WINDOW, ClipPool, for_the_head, micro_exam, micro_pool, pool_key
from .devices import leave, make_fabric
from .feeds import ClipFeed, PoolFeed
from .learners import normalise
from .methods import get_method
from .recipe import IDEAL, PHOTOGRAPHS, UNCURATED, Recipe, list_recipes, load_recipe, recipe_facts
from .trackers import make_tracker
from .trainer import Training, train

if TYPE_CHECKING:
    from lightning_fabric import Fabric


# A linear classifier on frozen features, with which every pretrained encoder is evaluated.


PENALTIES = (1e-4, 1e-3, 1e-2)
"""L2 penalties to try; the best one on held-out clips is used."""

_ITERATIONS, _TOLERANCE = 150, 1e-7
"""Limits of the fit. The heads in the zoo were fitted with these, so do not change them."""


@torch.inference_mode()
def frozen_features(
    encoder: PooledNetwork, pool: ClipPool, batch: int = 256, progress: Callable[[int, int], None] | None = None
) -> Tensor:
    """Features of every frame of the pool, in evaluation mode: float32 (clips, frames per clip, D)."""
    encoder.eval()
    flat = pool.frames.flatten(0, 1)
    parts = []
    for start in range(0, len(flat), batch):
        parts.append(encoder.features(normalise(flat[start : start + batch].float() / 255.0)))
        if progress is not None:
            progress(min(start + batch, len(flat)), len(flat))
    return torch.cat(parts).view(*pool.frames.shape[:2], -1).clone()


def fit_linear_head(features: Tensor, labels: Tensor, classes: int = 16) -> tuple[nn.Linear, dict[str, float]]:
    """Multinomial logistic regression: the L2 penalty is chosen on held-out clips, then the head is fitted on all.

    Args:
        features: float32 (clips, frames, D).
        labels: int64 (clips,).
        classes: Number of classes.

    Returns:
        The classifier for raw features, and facts about the fit: penalty, training and held-out accuracy.
    """
    clips, frames, width = features.shape
    fitted = fit_validated(
        features.flatten(0, 1),
        labels.repeat_interleave(frames),
        classes,
        PENALTIES,
        (torch.arange(clips) % 5 == 4).repeat_interleave(frames),
        iterations=_ITERATIONS,
        tolerance=_TOLERANCE,
    )
    head = nn.utils.skip_init(nn.Linear, width, classes)
    with torch.no_grad():
        head.weight.copy_(fitted.raw.weight)
        head.bias.copy_(fitted.raw.bias)
    facts = {
        "penalty": fitted.penalty,
        "held_out_accuracy": round(fitted.validation, 4),
        "training_accuracy": round(fitted.training, 4),
    }
    return head, facts


# The model card of a checkpoint, for programs (JSON) and for people (Markdown).


def card_facts(recipe: Recipe, training: Training, training_data: str) -> dict[str, Any]:
    """Facts about a run and its encoder, as plain data; `classifier_facts` adds those of a classifier.

    Args:
        recipe: The run.
        training: The finished or current state of the run.
        training_data: Description of the data.
    """
    return {
        "name": recipe.name,
        "architecture": recipe.network,
        "preprocessing": {
            "size": recipe.size,
            "resize": recipe.size if recipe.data != "clips" else round(recipe.size * 256 / 224),
            "interpolation": "bilinear",
            "mean": list(IMAGENET_MEAN),
            "std": list(IMAGENET_STD),
        },
        "label_space": "none",
        "num_classes": 0,
        "training_data": training_data,
        "licence": "Apache-2.0" if recipe.data != "clips" else "that of the data it was trained on",
        "baseline": recipe.baseline,
        "description": recipe.description,
        "recipe": recipe_facts(recipe),
        "training_step": training.step,
        "training_seconds": round(training.seconds, 1),
        "training_precision": training.precision,
        "training_machine": f"{torch.get_num_threads()} threads, {platform.machine()}, torch {torch.__version__}",
        "curve": [[int(row["step"]), row["loss"]] for row in training.curve],
    }


def classifier_facts(head: dict[str, float], accuracy: float | None, images: int) -> dict[str, Any]:
    """Facts about a classifier of the micro-world, for the card.

    Args:
        head: Facts about the fit.
        accuracy: Clean top-1 accuracy of the written weights; None if it was not measured.
        images: Number of images it was measured on.
    """
    measured = {} if accuracy is None else {"clean_accuracy": round(accuracy, 4), "clean_images": images}
    return {"label_space": "microworld-16", "num_classes": len(CLASSES), "linear_head": head} | measured


def micro_data(recipe: Recipe) -> str:
    """The training data of a run on the micro-world, in words."""
    world = f"of the micro-world (set train, seed {recipe.seed}, generator {GENERATOR_VERSION})"
    if recipe.data == PHOTOGRAPHS:
        return f"{recipe.clips} photographs {world}, one of each scene, at {recipe.size} pixels"
    how = {UNCURATED: ", classes by Zipf's law", IDEAL: ", by an ideal camera"}.get(recipe.data, "")
    return f"{recipe.clips} clips {world}{how}, {recipe.frames_per_clip} frames each at {recipe.size} pixels"


def card_json(facts: dict[str, Any]) -> str:
    """The card as JSON."""
    return json.dumps(facts, indent=1) + "\n"


def _changes(recipe: dict[str, Any]) -> str:
    """Options that turn the shipped recipe into that of a run."""
    name = f"micro/{recipe['name']}"
    comes = recipe_facts(load_recipe(name)) if name in list_recipes() else recipe
    return "".join(f" --{key} {recipe[key]}" for key in ("steps", "seed") if recipe[key] != comes[key])


def card_page(facts: dict[str, Any]) -> str:
    """The card as Markdown.

    Args:
        facts: From `card_facts`, with `classifier_facts` if there is a classifier, and the file's ``sha256``.
    """
    recipe, curve = facts["recipe"], facts["curve"]
    last = len(curve) - 1
    samples = [curve[i] for i in sorted({round(n * last / 9) for n in range(10)})]
    label_use = "for training" if get_method(recipe["objective"]).labelled else "for the linear head only"
    size = facts["preprocessing"]["size"]
    made_by, note = f"bench pretrain micro/{facts['name']}{_changes(recipe)}", ""
    if (head := facts.get("linear_head")) is None:
        made_by = "bench pretrain"
        label_use = label_use if "training" in label_use else "for monitors only"
        input_lines = f"- **Input:** {size} pixels. It has no classifier: fit one with `bench probe`."
    else:
        input_lines = f"""- **Linear head** on frozen features: L2 penalty {head["penalty"]}, held-out accuracy \
{head["held_out_accuracy"]:.1%}.
- **Clean accuracy:** {facts["clean_accuracy"]:.1%} on {facts["clean_images"]} fresh validation images.
- **Input:** {size} pixels; **answers in** {facts["label_space"]}."""
        note = "\nIt is a model of a procedural world: it shows that the machinery works, and knows nothing of "
        note += "photographs.\n"
    rows = {key: value for key, value in recipe.items() if key not in ("name", "description", recipe["objective"])}
    rows |= {f"{recipe['objective']}.{key}": value for key, value in recipe.get(recipe["objective"], {}).items()}
    settings = "\n".join(f"| {key} | {value} |" for key, value in rows.items())
    losses = "\n".join(f"| {step} | {loss:.3f} |" for step, loss in samples)
    return f"""# {facts["name"]}

{facts["description"]}.

- **Made by** `{made_by}` in {facts["training_seconds"] / 60:.1f} minutes of training
  ({facts["training_machine"]}, {facts["training_precision"]}).
- **Data:** {facts["training_data"]}. Labels were used {label_use}.
{input_lines}
- **Licence:** {facts["licence"]}. **SHA-256:** `{facts["sha256"]}`.
{note}
| setting | value |
|---|---|
{settings}

| step | training loss |
|---|---|
{losses}
"""


# Produce a checkpoint with its card from a recipe: train, fit a linear head if classes are known, measure, write.


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
