"""Milliseconds a photograph takes, beside Pillow alone: from a file to the pixels of a model.

Pillow alone is ``Image.open(path).convert("RGB")``, then the same resize and cut. The second half measures photographs
that already have the size of the model, as published sets of corrupted images have: nothing is resized there.
"""

from __future__ import annotations

import argparse
import io
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from vitobench.tasks.images.geometry import Geometry
from vitobench.tasks.images.reading import decode, decode_plain

PUBLISHED_QUALITY = 85
Work = Callable[[Path], object]


def pixels_by_pillow(path: Path) -> np.ndarray:
    """The whole photograph as uint8 (height, width, 3)."""
    return np.asarray(Image.open(path).convert("RGB"))


def pixels(path: Path) -> np.ndarray:
    """The same by the package's decoder, without what `decode` does around it."""
    content = path.read_bytes()
    found = decode_plain(content, Image.open(io.BytesIO(content)))
    return found if found is not None else pixels_by_pillow(path)


def decode_by_pillow(path: Path, geometry: Geometry) -> np.ndarray:
    """Resize the shorter side and cut the centre with Pillow alone: uint8 (size, size, 3)."""
    image = Image.open(path).convert("RGB")
    longer = int(geometry.resize * max(image.size) / min(image.size))
    shape = (geometry.resize, longer) if image.width <= image.height else (longer, geometry.resize)
    if shape != image.size:
        image = image.resize(shape, Image.Resampling[geometry.interpolation.upper()])
    left, top = round((shape[0] - geometry.size) / 2), round((shape[1] - geometry.size) / 2)
    return np.array(image.crop((left, top, left + geometry.size, top + geometry.size)))


def milliseconds(works: Sequence[Work], paths: Sequence[Path], threads: int, repeats: int) -> list[float]:
    """Milliseconds per photograph of each of ``works``: the best of runs that take turns."""
    found: list[list[float]] = [[] for _ in works]
    with ThreadPoolExecutor(threads) as pool:
        for repeat in range(repeats + 1):
            for work, times in zip(works, found, strict=True):
                started = time.perf_counter()
                list(
                    pool.map(
                        lambda part, work=work: [work(p) for p in part], [paths[k::threads] for k in range(threads)]
                    )
                )
                if repeat:  # the first run warms the caches
                    times.append(time.perf_counter() - started)
    return [1000 * min(times) / len(paths) for times in found]


def compare(title: str, pillow: Work, ours: Work, paths: Sequence[Path], repeats: int) -> None:
    """Print one line for each number of threads."""
    for path in paths:
        np.testing.assert_array_equal(pillow(path), ours(path), err_msg=str(path))
    for threads in (1, 2):
        peer, own = milliseconds([pillow, ours], paths, threads, repeats)
        print(f"{title:40} {threads:7} {peer:9.3f} {own:9.3f} {peer / own:6.2f}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    data = os.environ.get("VITOBENCH_TEST_DATA")
    parser.add_argument("--photos", type=Path, default=Path(data) / "photos" if data else None, help="folder of JPEGs")
    parser.add_argument("--count", type=int, default=120, help="photographs of one run")
    parser.add_argument("--repeats", type=int, default=9, help="runs of each measurement")
    options = parser.parse_args()
    if options.photos is None:
        parser.error("name a folder of photographs with --photos, or set VITOBENCH_TEST_DATA")
    paths = sorted(p for p in options.photos.rglob("*") if p.suffix.lower() in {".jpg", ".jpeg"})[: options.count]
    print(f"{len(paths)} photographs{'':27} threads    Pillow      ours  ratio")
    compare("pixels of the whole photograph", pixels_by_pillow, pixels, paths, options.repeats)
    for interpolation in ("bilinear", "bicubic"):
        usual = Geometry(224, 256, interpolation)
        compare(
            f"decode, resize 256, cut 224, {interpolation}",
            lambda p, g=usual: decode_by_pillow(p, g),
            lambda p, g=usual: decode(p, g),
            paths,
            options.repeats,
        )
    cut = Geometry(224, 224, "bilinear")
    with tempfile.TemporaryDirectory() as folder:
        ready = [Path(folder) / f"{n}.jpg" for n in range(len(paths))]
        for path, place in zip(paths, ready, strict=True):
            Image.fromarray(decode(path, Geometry(224, 256, "bilinear"))).save(place, quality=PUBLISHED_QUALITY)
        compare(
            "decode of ready 224 x 224",
            lambda p: decode_by_pillow(p, cut),
            lambda p: decode(p, cut),
            ready,
            options.repeats,
        )


if __name__ == "__main__":
    main()
