"""Carried masks on clips of DAVIS: the speed of J and F, and pictures to look at.

    python -m vitobench.tests.benchmarks.carried_masks measures DAVIS
    python -m vitobench.tests.benchmarks.carried_masks pictures DAVIS FILE.png MODEL ... [--shorter 240]
    python -m vitobench.tests.benchmarks.carried_masks pictures micro FILE.png MODEL ...

DAVIS is the folder of the published archive, `micro` the first clips of the micro-world;
`measures` compares each mask with that of three frames later.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import binary_dilation

from vitobench.tasks.opening import open_source
from vitobench.tasks.readers.masks import DavisClips
from vitobench.tasks.registry import get_task
from vitobench.tasks.understanding.davis import boundary, boundary_accuracy, region_similarity
from vitobench.tasks.understanding.video_objects import Carrying


def clips_of(folder: Path) -> DavisClips:
    """The clips of DAVIS 2016 in a folder."""
    return open_source("davis-2016", {"davis-2016": folder}, None, 0)  # type: ignore[return-value]


def thickened(mask: np.ndarray, truth: np.ndarray) -> float:
    """F by the published definition: boundaries thickened by a disk."""
    radius = int(np.ceil(0.008 * np.linalg.norm(truth.shape)))
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    disk, ours, theirs = x**2 + y**2 <= radius**2, boundary(mask), boundary(truth)
    precision = (ours & binary_dilation(theirs, disk)).sum() / max(1, ours.sum())
    recall = (theirs & binary_dilation(ours, disk)).sum() / max(1, theirs.sum())
    return 2 * precision * recall / max(1e-12, precision + recall)


def measures(folder: Path) -> None:
    """Seconds of J and F for each pair of masks, here and by the definition, one after the other in turn."""
    source = clips_of(folder)
    pairs = [
        (source.mask(clip, number) > 0, source.mask(clip, number + 3) > 0)
        for clip in sorted({source.object_at(n)[0] for n in range(len(source))})
        for number in range(0, source.length_of(clip) - 3, 8)
    ]
    spent = {"here": 0.0, "definition": 0.0}
    for mask, truth in pairs:
        for name, function in (("here", boundary_accuracy), ("definition", thickened)):
            started = time.process_time()
            region_similarity(mask, truth)
            value = function(mask, truth)
            spent[name] += time.process_time() - started
            assert abs(value - boundary_accuracy(mask, truth)) < 1e-9
    here, definition = (1000 * spent[name] / len(pairs) for name in spent)
    print(
        f"J and F of {len(pairs)} pairs: {here:.1f} ms, by the definition {definition:.1f} ms: {definition / here:.1f}x"
    )


COLOURS = np.array([[0, 0, 0], [230, 60, 40], [40, 120, 230], [240, 190, 30], [60, 170, 80]])


def overlay(frame: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """A frame with its objects in colours, and a line around each."""
    shown = frame.astype(np.float64)
    shown[mask > 0] = 0.5 * shown[mask > 0] + 0.5 * COLOURS[mask[mask > 0] % len(COLOURS)]
    for one in range(1, int(mask.max()) + 1):
        shown[boundary(mask == one)] = 255
    return shown.astype(np.uint8)


def pictures(folder: str, file: Path, models: list[str], shorter: int) -> None:
    """For every clip its middle frame: the true masks, then those of each model."""
    from matplotlib.figure import Figure

    from vitobench.bench.engine.examining import ModelEncoder
    from vitobench.models import registry

    source: Any
    if folder == "micro":
        source, how = open_source("microworld/objects", {}, 7, 0), get_task("micro-davis").protocol
    else:
        source, how = clips_of(Path(folder)), replace(get_task("davis-2016").protocol, shorter=shorter)  # type: ignore[type-var]
    assert isinstance(how, Carrying)
    clips = sorted({source.object_at(n)[0] for n in range(len(source))})[:4]
    figure = Figure(
        figsize=(3.2 * (1 + len(models)), 1.9 * len(clips))
        if folder != "micro"
        else (2.2 * (1 + len(models)), 2.4 * len(clips)),
        layout="constrained",
    )
    axes = figure.subplots(len(clips), 1 + len(models), squeeze=False)
    encoders = {name: ModelEncoder(registry.load(name), 1) for name in models}
    for row, clip in enumerate(clips):
        middle = source.length_of(clip) // 2
        truth, frame = source.mask(clip, middle), source.frame(clip, middle)
        shown = {"true masks": truth}
        for name, encoder in encoders.items():
            shown[name] = next(mask for n, mask in how.examiner(encoder, source).masks(clip) if n == middle)
        for column, (name, mask) in enumerate(shown.items()):
            axis = axes[row, column]
            axis.imshow(overlay(frame, mask))
            axis.set_axis_off()
            pairs = [(mask == one, truth == one) for one in range(1, source.objects(clip) + 1)]
            value = ", ".join(f"{region_similarity(*pair):.2f}" for pair in pairs)
            axis.set_title(f"{clip}: {name}" + ("" if name == "true masks" else f"\nJ {value}"), fontsize=7)
    figure.savefig(file, dpi=110)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("measures", "pictures"))
    parser.add_argument("more", nargs="*")
    parser.add_argument("--shorter", type=int, default=480)
    asked = parser.parse_args()
    if asked.what == "measures":
        measures(Path(asked.more[0]))
    else:
        pictures(asked.more[0], Path(asked.more[1]), asked.more[2:], asked.shorter)


if __name__ == "__main__":
    main()
