"""Milliseconds per 224x224 image of every corruption on one thread, beside other libraries, and how threads scale.

A peer is a Python of its own environment that has a package `imagecorruptions`; it is run as a process and times itself
in the same way. `--peer imaug=/path/to/python` may be given more than once. What a peer cannot run is said, not left
out.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from vitobench.tasks.corruptions import CORRUPTIONS, EXTRA, SEVERITIES, corrupt

SHOWN = (1, 3, 5)
IMAGES_OF_IMAGENET = 50_000
SECONDS = 0.5
"""Work of one thread in a trial of several."""

PEER = """
import json, sys, time, types, warnings
from pathlib import Path
import importlib.util
import numpy as np
warnings.simplefilter("ignore")
import cv2
cv2.setNumThreads(1)
try:
    import pkg_resources
except ImportError:  # only a file name is asked of it
    home = Path(importlib.util.find_spec("imagecorruptions").submodule_search_locations[0])
    stub = types.ModuleType("pkg_resources")
    stub.resource_filename = lambda package, name: str(home / name)
    sys.modules["pkg_resources"] = stub
from imagecorruptions import corrupt
images = np.load(sys.argv[1])
repeats = int(sys.argv[2])
for name, severity in json.loads(sys.argv[3]):
    try:
        corrupt(images[0], corruption_name=name, severity=severity)
        best = float("inf")
        for _ in range(repeats):
            started = time.process_time()
            for image in images:
                corrupt(image, corruption_name=name, severity=severity)
            best = min(best, time.process_time() - started)
            if best > 3:
                break
        print(json.dumps([name, severity, 1000 * best / len(images)]), flush=True)
    except Exception as error:
        print(json.dumps([name, severity, type(error).__name__]), flush=True)
"""


def pictures(count: int) -> tuple[np.ndarray, str]:
    """Photographs resized and cropped as for ImageNet-C, or noise where there are none."""
    root = os.environ.get("VITOBENCH_TEST_DATA")
    files = sorted((Path(root) / "photos").rglob("*.JPEG"))[:count] if root else []
    if len(files) < count:
        noise = np.random.default_rng(0).integers(0, 256, (count, 224, 224, 3), dtype=np.uint8)
        return noise, "images of noise"
    images = []
    for file in files:
        with Image.open(file) as photo:
            images.append(np.asarray(ImageOps.fit(photo.convert("RGB"), (256, 256)).crop((16, 16, 240, 240))))
    return np.stack(images), "photographs"


def ours(images: np.ndarray, corruption: str, severity: int, repeats: int, variant: str = "raw") -> float:
    """Milliseconds of processor time for an image: the best of some runs over the batch."""
    ids = [str(i) for i in range(len(images))]
    corrupt(images[:1], corruption, severity, image_ids=ids[:1], variant=variant)
    best = float("inf")
    for _ in range(repeats):
        started = time.process_time()
        corrupt(images, corruption, severity, image_ids=ids, variant=variant)
        best = min(best, time.process_time() - started)
    return 1000 * best / len(images)


def foreign_seconds() -> float:
    """Processor time that other processes have used so far; 0 where the system does not say."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return 0.0
    user, nice, system, _, _, *rest = map(int, stat.read_text().splitlines()[0].split()[1:])
    return (user + nice + system + sum(rest[:3])) / os.sysconf("SC_CLK_TCK") - time.process_time()


def scaling(images: np.ndarray, corruption: str, threads: int, trials: int) -> tuple[float, float]:
    """Wall times of one thread and of several for the same work, in seconds; infinite if others kept it busy."""
    one = sum(ours(images, corruption, severity, 1) for severity in SHOWN) * len(images) / 1000
    rounds = max(1, round(SECONDS / one))  # the scheduler needs time to see two threads
    jobs = [(images[i::4], [f"{i}.{k}.{r}" for k in range(len(images[i::4]))]) for i in range(4) for r in range(rounds)]

    def work(job: tuple[np.ndarray, list[str]]) -> None:
        for severity in SHOWN:
            corrupt(job[0], corruption, severity, image_ids=job[1])

    times = {1: float("inf"), threads: float("inf")}
    done = 0
    for _ in range(20 * trials):
        if done == trials:
            break
        walls, others, begun = {}, foreign_seconds(), time.perf_counter()
        for count in times:
            with ThreadPoolExecutor(count) as pool:
                started = time.perf_counter()
                list(pool.map(work, jobs))
                walls[count] = time.perf_counter() - started
        if foreign_seconds() - others < 0.01 + 0.05 * (time.perf_counter() - begun):  # the system counts in hundredths
            times = {count: min(times[count], walls[count]) for count in times}
            done += 1
        else:
            time.sleep(0.2)
    return times[1], times[threads]


def peer(python: str, images: np.ndarray, repeats: int) -> dict[tuple[str, int], float | str]:
    """What a library in another environment takes, or the kind of its error."""
    cells = [(name, severity) for name in CORRUPTIONS + EXTRA for severity in SHOWN]
    with tempfile.TemporaryDirectory() as folder:
        stored = Path(folder) / "images.npy"
        np.save(stored, images)
        done = subprocess.run(
            [python, "-c", PEER, str(stored), str(repeats), json.dumps(cells)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
    if done.returncode:
        raise SystemExit(f"{python} failed:\n{done.stderr}")
    return {(name, severity): value for name, severity, value in map(json.loads, done.stdout.splitlines())}


def hours(milliseconds: float) -> float:
    """Processor hours of 50,000 images in 15 corruptions and 5 severities at a mean time for an image."""
    return milliseconds * IMAGES_OF_IMAGENET * len(CORRUPTIONS) * len(SEVERITIES) / 3.6e6


def processor() -> str:
    """The processor's name, where it can be found out."""
    info = Path("/proc/cpuinfo")
    names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    return names[0] if names else platform.processor()


def print_table(images: np.ndarray, kind: str, repeats: int, entries: list[str], peer_images: int) -> None:
    """Time one thread and the peers, and print a table in Markdown."""
    times = {
        (name, severity): ours(images, name, severity, repeats)
        for name in CORRUPTIONS + EXTRA
        for severity in SEVERITIES
    }
    peers = {}
    for entry in entries:
        name, _, python = entry.partition("=")
        peers[name] = peer(python, images[:peer_images], repeats)

    versions = f"Python {platform.python_version()}, numpy {np.__version__}"
    print(f"{processor()}, one thread, {len(images)} {kind} of 224x224, {versions}\n")
    print(f"| corruption | ours | {''.join(f'{name} | ratio | ' for name in peers)}".rstrip())
    print(f"|---|---|{'---|---|' * len(peers)}")
    for corruption in CORRUPTIONS + EXTRA:
        row = [times[corruption, severity] for severity in SHOWN]
        cells = [" / ".join(f"{value:.2f}" for value in row)]
        for measured in peers.values():
            theirs = [measured[corruption, severity] for severity in SHOWN]
            if any(isinstance(value, str) for value in theirs):
                cells += [next(value for value in theirs if isinstance(value, str)), ""]
            else:
                cells += [" / ".join(f"{value:.1f}" for value in theirs), f"{sum(theirs) / sum(row):.1f}"]  # type: ignore[arg-type]
        print(f"| {corruption} | {' | '.join(cells)} |")
    mean = float(np.mean([times[name, severity] for name in CORRUPTIONS for severity in SEVERITIES]))
    save = ours(images, "contrast", 3, repeats, "published") - times["contrast", 3]
    slowest = max(times, key=times.__getitem__)
    print(f"\n15x5: {mean:.2f} ms an image on average, {hours(mean):.2f} processor hours for ImageNet-C")
    print(f"slowest: {slowest[0]} at severity {slowest[1]}, {times[slowest]:.2f} ms")
    print(f"the JPEG save of the published variant: {save:.2f} ms more")
    for name, measured in peers.items():
        known = [v for (c, _), v in measured.items() if c in CORRUPTIONS and not isinstance(v, str)]
        absent = 3 * len(CORRUPTIONS) - len(known)
        total = hours(sum(known) / 3 / len(CORRUPTIONS))
        print(f"{name}: {total:.1f} processor hours" + (f" without the {absent // 3} that fail" if absent else ""))


def print_scaling(images: np.ndarray, threads: int, trials: int) -> None:
    """How much faster several threads are, over all corruptions and for the three that gain least."""
    walls = {}
    for name in CORRUPTIONS:
        for severity in SHOWN:
            ours(images[:2], name, severity, 1)
        walls[name] = scaling(images, name, threads, trials)
    disturbed = [name for name, pair in walls.items() if not np.isfinite(pair).all()]
    if disturbed:
        print(f"{threads} threads: not measured for {', '.join(disturbed)}, as other processes ran")
    walls = {name: pair for name, pair in walls.items() if name not in disturbed}
    if walls:
        single, several = (sum(pair[i] for pair in walls.values()) for i in (0, 1))
        slow = sorted(walls, key=lambda name: walls[name][0] / walls[name][1])
        print(
            f"{threads} threads: {single / several:.2f} times as fast over {len(walls)} corruptions; least for "
            + ", ".join(f"{name} {walls[name][0] / walls[name][1]:.2f}" for name in slow[:3])
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--images", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=PYTHON")
    parser.add_argument("--peer-images", type=int, default=4, help="peers take longer")
    parser.add_argument("--threads", type=int, default=2, help="to compare with one thread")
    parser.add_argument("--only-threads", action="store_true", help="do not measure one thread and peers")
    options = parser.parse_args()
    images, kind = pictures(options.images)
    if not options.only_threads:
        print_table(images, kind, options.repeats, options.peer, options.peer_images)
    print_scaling(images, options.threads, options.repeats)


if __name__ == "__main__":
    sys.exit(main())
