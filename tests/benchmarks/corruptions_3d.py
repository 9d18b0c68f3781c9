"""Milliseconds an image of the 3D corruptions, beside a plain implementation with numpy, scipy and frame-wise views.

The peers are what one would write first: whole-image Gaussian filters for each layer, a sampler of Poisson counts, one
interpolated view after the other, and for H.265 a clip of 119 frames instead of the still. They give pictures of the
same kind, not the same pixels. Corruptions without a peer have a cost that nobody would spend otherwise.

``--sheet FILE.png`` draws a picture of all corruptions instead.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter, map_coordinates

from vitobench.tasks.corruptions import corrupt
from vitobench.tasks.corruptions.imagenet_3dcc import CORRUPTIONS_3D
from vitobench.tasks.corruptions.imagenet_3dcc.video import decode_last, encode, to_planes
from vitobench.tasks.microworld.sets import MicroSet

SEVERITIES = (1, 3, 5)


def focus_peer(image: np.ndarray, depth: np.ndarray, severity: int) -> np.ndarray:
    """Eight layers, each the whole image and its mask blurred by scipy."""
    edges = np.quantile(depth, np.linspace(0, 1, 9))
    colour, cover = np.zeros(image.shape), np.zeros((*depth.shape, 1))
    for low, high in pairwise(edges):
        mask = ((depth >= low) & (depth <= high)).astype(float)[..., None]
        middle = (low + high) / 2
        sigma = max(0.1, 0.5 * (severity + 2) * abs(middle - edges[0]) / middle)
        colour += gaussian_filter(image * mask, (sigma, sigma, 0))
        cover += gaussian_filter(mask, (sigma, sigma, 0))
    return (colour / np.maximum(cover, 1e-3)).astype(np.uint8)


def motion_peer(image: np.ndarray, depth: np.ndarray, severity: int) -> np.ndarray:
    """The published number of views, each a backward warp by scipy; occlusion is not handled."""
    frames = (20, 30, 40, 50, 60)[severity - 1]
    y, x = np.mgrid[: depth.shape[0], : depth.shape[1]].astype(float)
    total = np.zeros(image.shape)
    for frame in range(frames):
        at = [y, x + 0.5 * frame / depth]
        for channel in range(3):
            total[..., channel] += map_coordinates(image[..., channel].astype(float), at, order=1, mode="nearest")
    return (total / frames).astype(np.uint8)


def noise_peer(image: np.ndarray, depth: np.ndarray, severity: int) -> np.ndarray:
    """numpy's samplers."""
    rng = np.random.default_rng(0)
    noisy = rng.poisson(image / 255 * 25) / 25 + rng.normal(scale=0.1, size=image.shape)
    return np.clip(noisy * 255, 0, 255).astype(np.uint8)


def clip_peer(image: np.ndarray, depth: np.ndarray, severity: int) -> np.ndarray:
    """A zoom of 119 frames through x265 at its default preset, at the image's own size."""
    picture, (height, width, _) = Image.fromarray(image), image.shape
    frames = []
    for number in range(119):
        scale = 1 - 0.001 * (118 - number)
        box = (width * (1 - scale) / 2, height * (1 - scale) / 2, width * (1 + scale) / 2, height * (1 + scale) / 2)
        frames.append(to_planes(np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR, box=box))))
    crf = (24, 26, 32, 39, 41)[severity - 1]
    options = {"x265-params": f"crf={crf}:pools=none:frame-threads=1:log-level=none"}
    return decode_last(encode(frames, "libx265", options), "hevc")


PEERS: dict[str, Callable[[np.ndarray, np.ndarray, int], np.ndarray]] = {
    "near_focus": focus_peer,
    "far_focus": focus_peer,
    "xy_motion_blur": motion_peer,
    "z_motion_blur": motion_peer,
    "iso_noise": noise_peer,
    "low_light": noise_peer,
    "h265_crf": clip_peer,
}


def milliseconds(work: Callable[[], object], images: int, repeats: int) -> float:
    """The best of some runs, for one image."""
    work()
    best = np.inf
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - started)
    return best / images * 1e3


def sheet(size: int, row: int) -> np.ndarray:
    """One row a corruption: the clean scene, then severities 1 to 5; two corruptions side by side."""
    frames = MicroSet("val", row + 1).frames([row], size)
    rows = []
    for name in CORRUPTIONS_3D:
        cells = [frames.images[0]]
        for severity in range(1, 6):
            cells.append(corrupt(frames.images, name, severity, image_ids=["sheet"], depths=frames.depth)[0])
        rows.append(np.concatenate(cells, axis=1))
    half = len(rows) // 2
    gap = np.full((half * size, size // 8, 3), 255, np.uint8)
    return np.concatenate([np.concatenate(rows[:half]), gap, np.concatenate(rows[half:])], axis=1)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--size", type=int, default=224, help="side of an image in pixels")
    parser.add_argument("--images", type=int, default=8, help="images of one run")
    parser.add_argument("--repeats", type=int, default=3, help="runs, of which the best counts")
    parser.add_argument("--sheet", type=Path, help="draw a picture of all corruptions to this file, and stop")
    options = parser.parse_args()
    if options.sheet is not None:
        Image.fromarray(sheet(64, 1)).save(options.sheet, optimize=True)
        return
    count = options.images
    frames = MicroSet("val", count).frames(range(count), options.size)
    # Smooth shading compresses too well; a little texture makes the scenes as hard for a codec as photographs.
    grain = np.random.default_rng(0).normal(0, 4, frames.images.shape)
    images = np.clip(frames.images + grain, 0, 255).astype(np.uint8)
    ids = [str(i) for i in range(count)]
    print(f"side {options.size}, one thread, ms an image at severities {', '.join(map(str, SEVERITIES))}")
    for name in CORRUPTIONS_3D:
        ours, peers = [], []
        for s in SEVERITIES:
            ours.append(
                milliseconds(
                    lambda s=s, name=name: corrupt(images, name, s, image_ids=ids, depths=frames.depth),  # type: ignore[misc]
                    count,
                    options.repeats,
                )
            )
            if name in PEERS:
                work = PEERS[name]
                peers.append(
                    milliseconds(lambda s=s, work=work: work(images[0], frames.depth[0] / 3, s), 1, 1)  # type: ignore[misc]
                )
        line = f"{name:16s}" + "".join(f"{value:8.2f}" for value in ours)
        if peers:
            line += "   peer" + "".join(f"{value:8.1f}" for value in peers)
            line += f"   ratio {sum(peers) / sum(ours):6.1f}"
        print(line, flush=True)


if __name__ == "__main__":
    main()
