"""How the micro-world was tuned: what an untrained and a supervised network make of it, and the targets.

Nothing that learns without labels is run: the settings of `tasks.microworld.worlds.World` and `camera.Temper` were
chosen by these numbers alone, before any such method saw this world. docs/microworld.md has the table.

    python tests/benchmarks/world_calibration.py measure FOLDER   trains what FOLDER lacks, and prints the table
    python tests/benchmarks/world_calibration.py choose FOLDER    writes the list of Micro-A: microworld/hard.json

Both read the settings as they are in the package. To try others, change them and take another folder.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from vitobench.bench.engine.pixels import apply_condition, needs_depth
from vitobench.models.networks import PooledNetwork, build
from vitobench.models.pretraining.checkpoint import load_rounded
from vitobench.models.pretraining.clips import for_the_head, micro_pool
from vitobench.models.pretraining.learners import normalise
from vitobench.models.pretraining.produce import clean_accuracy, fit_linear_head, frozen_features, produce
from vitobench.models.pretraining.recipe import Recipe, load_recipe
from vitobench.tasks.images.geometry import Geometry
from vitobench.tasks.microworld import sets
from vitobench.tasks.microworld.sets import MicroSet
from vitobench.tasks.microworld.vocabulary import CAMERAS, CLASSES, CLIP_SECONDS, GENERATOR_VERSION
from vitobench.tasks.registry import all_tasks

UNTRAINED = ("micro/moclr", "micro/vito")
"""Recipes whose networks are measured without any training."""
SUPERVISED = "micro/supervised"
SEED = 1000
"""Of the first supervised network, and of its training scenes; no shipped model and no run of the claims has it."""
COMMITTEE = 2
HARD_FIRST, HARD_LAST, HARD = 100_000, 140_000, 212
"""Frames of the set "val" among which Micro-A is chosen, and how many it has."""

_BATCH = 240
_STATISTICS = 50  # batches


@torch.inference_mode()
def answers(network: PooledNetwork, images: np.ndarray) -> np.ndarray:
    """The class that a network gives each image: int64 (n,) for uint8 (n, S, S, 3)."""
    pixels = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2)
    parts: Iterable[Tensor] = pixels.split(_BATCH)
    return torch.cat([network(normalise(part.float() / 255.0)).argmax(1) for part in parts]).numpy()


def untrained_accuracy(name: str, recipe: Recipe, images: int) -> float:
    """Clean accuracy of a linear head on the features of a network with its first random weights.

    Its batch normalisation knows the statistics of training images, as that of a trained network does.
    """
    torch.manual_seed(recipe.seed)
    network = build(recipe.network, len(CLASSES))
    pool = micro_pool(for_the_head(recipe))
    network.train()
    with torch.no_grad():
        for part in pool.frames.flatten(0, 1).split(recipe.batch)[:_STATISTICS]:
            network.features(normalise(part.float() / 255.0))
    head, _ = fit_linear_head(frozen_features(network, pool), pool.labels, len(CLASSES))
    network.head = head
    return clean_accuracy(network, recipe.size, 0, images)


def supervised(folder: Path, seed: int, steps: int | None) -> PooledNetwork:
    """The supervised network of a seed, trained now unless the folder has it."""
    recipe = load_recipe(SUPERVISED, steps=steps, seed=seed, monitor_every=0)
    place = folder / f"seed-{seed}"
    path = place / f"{recipe.name}.safetensors"
    if not path.is_file():
        place.mkdir(parents=True, exist_ok=True)
        started = time.process_time()
        produce(recipe, place, lambda *_: None)
        print(f"trained {recipe.steps} steps in {time.process_time() - started:.0f} s of processor time", flush=True)
    network = build(recipe.network, len(CLASSES))
    load_rounded(network, load_file(path))
    return network.eval()


def accuracies(network: PooledNetwork, task_name: str, size: int, images: int) -> dict[str, float]:
    """Accuracy in percent under each condition of a task of corruptions, on the first images of the set "val"."""
    task = all_tasks()[task_name]
    source = MicroSet("val", images)
    pixels, _ = source.load(range(images), Geometry(size, size, "bilinear"))
    depths, _ = source.depths(range(images), Geometry(size, size, "bilinear"))
    found = {}
    for condition in task.conditions:
        shown = apply_condition(pixels, condition, source.image_ids, 0, depths if needs_depth(condition) else None)
        found[f"{condition.name} {condition.severity}"] = 100 * float((answers(network, shown) == source.labels).mean())
    return found


def shape_bias(network: PooledNetwork, size: int, images: int) -> tuple[float, float, float]:
    """Shape bias under cue conflict, and the shares of decisions for shape and for texture."""
    frames = MicroSet("cue-conflict", images).frames(range(images), size)
    said = answers(network, frames.images)
    shape, texture = float((said == frames.labels).mean()), float((said == frames.textures).mean())
    return shape / (shape + texture), shape, texture


def row(target: str, value: str, met: bool) -> None:
    """Print a line of the table."""
    print(f"| {target} | {value} | {'yes' if met else 'no'} |", flush=True)


def measure(folder: Path, images: int, steps: int | None) -> None:
    """Train what is missing and print each target with the value that was met."""
    print("| target | value | met |\n|---|---|---|")
    for name in UNTRAINED:
        recipe = load_recipe(name)
        accuracy = 100 * untrained_accuracy(name, recipe, images)
        row(f"untrained {recipe.network}, linear head: at most 30 % clean", f"{accuracy:.1f} %", accuracy <= 30)
    network = supervised(folder, SEED, steps)
    size = load_recipe(SUPERVISED).size
    clean = 100 * clean_accuracy(network, size, 0, images)
    row("supervised: 80 to 95 % clean", f"{clean:.1f} %", 80 <= clean <= 95)
    bias, shape, texture = shape_bias(network, size, 1200)
    value = f"{bias:.2f} (shape {shape:.0%}, texture {texture:.0%})"
    row("its shape bias: .15 to .30", value, 0.15 <= bias <= 0.30)
    for name, title in (("micro-c", "Micro-C"), ("micro-c-bar", "Micro-C-bar"), ("micro-3dcc", "Micro-3DCC")):
        found = accuracies(network, name, size, all_tasks()[name].images)
        mean = float(np.mean(list(found.values())))
        if name == "micro-c":
            share = mean / clean
            row("its mean accuracy under Micro-C: 45 to 60 % of clean", f"{share:.0%}", 0.45 <= share <= 0.60)
        else:
            print(f"| (its mean accuracy under {title}) | {mean:.1f} % | |")
        easiest = max(found, key=lambda key: found[key])
        error = 100 - found[easiest]
        row(f"its error under every condition of {title}: 5 % or more", f"{error:.1f} % ({easiest})", error >= 5)
        print("  ".join(f"{key}: {accuracy:.0f}" for key, accuracy in found.items()))
    source = MicroSet("val", 1000)
    for camera in CAMERAS:
        frames = source.frames(range(1000), size, np.linspace(0, CLIP_SECONDS, 1000).tolist(), camera)
        accuracy = 100 * float((answers(network, frames.images) == frames.labels).mean())
        print(f"| (frames of clips, {camera}) | {accuracy:.1f} % | |")
    for name in ("viewpoints", "backgrounds", "light", "occlusion"):
        frames = MicroSet(name, 1000).frames(range(1000), size)
        print(f"| ({name}) | {100 * float((answers(network, frames.images) == frames.labels).mean()):.1f} % | |")


def choose(folder: Path, steps: int | None) -> None:
    """Write the list of Micro-A: the first frames that every supervised network of a committee gets wrong."""
    seeds = range(SEED, SEED + COMMITTEE)
    networks = [supervised(folder, seed, steps) for seed in seeds]
    size, indices, looked_at = load_recipe(SUPERVISED).size, [], HARD_FIRST
    source = MicroSet("val", HARD_LAST)
    while len(indices) < HARD and looked_at < HARD_LAST:
        part = range(looked_at, min(looked_at + _BATCH, HARD_LAST))
        frames = source.frames(part, size)
        wrong = np.all([answers(network, frames.images) != frames.labels for network in networks], axis=0)
        indices += [part[i] for i in np.flatnonzero(wrong)]
        looked_at = part.stop
    record = {
        "about": f"The first photographs from {HARD_FIRST} on that {COMMITTEE} supervised networks all get wrong",
        "set": "val",
        "seed": 0,
        "generator": GENERATOR_VERSION,
        "searched": [HARD_FIRST, looked_at],
        "committee": {"recipe": SUPERVISED, "seeds": list(seeds), "steps": load_recipe(SUPERVISED, steps=steps).steps},
        "indices": indices[:HARD],
    }
    path = Path(sets.__file__).with_name("hard.json")
    path.write_text(_compact(record), encoding="utf-8")
    print(f"{len(indices[:HARD])} of {looked_at - HARD_FIRST} photographs: {path}")


def _compact(record: dict[str, object]) -> str:
    """JSON with the indices on as few lines as fit."""
    numbers = [str(index) for index in record["indices"]]  # type: ignore[attr-defined]
    lines = [", ".join(numbers[i : i + 14]) for i in range(0, len(numbers), 14)]
    text = json.dumps(record | {"indices": "INDICES"}, indent=1)
    return text.replace('"INDICES"', "[\n  " + ",\n  ".join(lines) + "\n ]") + "\n"


def main() -> None:
    """Measure or choose."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("measure", "choose"))
    parser.add_argument("folder", type=Path, help="where supervised networks are kept")
    parser.add_argument("--images", type=int, default=2000, help="validation images for clean accuracy")
    parser.add_argument("--steps", type=int, help="steps of the supervised networks; those of the recipe by default")
    options = parser.parse_args()
    tasks: dict[str, Callable[[], None]] = {
        "measure": lambda: measure(options.folder, options.images, options.steps),
        "choose": lambda: choose(options.folder, options.steps),
    }
    tasks[options.action]()


if __name__ == "__main__":
    main()
