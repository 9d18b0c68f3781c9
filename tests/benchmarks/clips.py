"""Frames of real clips a second on one thread: two at random times of a clip, beside decoding the whole clip.

``whole clip`` decodes every frame by PyAV and resizes each, ``whole clip, 2 frames`` resizes only the two that are
wanted; both are what a reader without seeking does. TorchCodec and decord are measured where they are installed. The
last lines are a queue of threads that fills batches.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter

from vitobench.errors import DataError
from vitobench.tasks.clips.folders import VideoFiles, video_folder
from vitobench.tasks.clips.opening import FailedClips, draw_example
from vitobench.tasks.clips.source import sample_times

SIZE = 224
Read = Callable[[int, list[float]], np.ndarray]


def whole_clip(path: Path, times: list[float] | None) -> tuple[int, np.ndarray]:
    """Decode every frame; resize all of them, or those shown at ``times``. Number of frames, and pixels."""
    convert, found, number = VideoReformatter(), [], 0
    left = sorted(times) if times is not None else []
    before = None
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        scale = SIZE / min(stream.width, stream.height)
        shape = round(stream.width * scale), round(stream.height * scale)

        def pixels(frame: av.VideoFrame) -> np.ndarray:
            return convert.reformat(frame, *shape, "rgb24", interpolation=Interpolation.BILINEAR).to_ndarray()

        for frame in container.decode(stream):
            number += 1
            if times is None:
                found.append(pixels(frame))
            while left and frame.time is not None and frame.time > left[0] and before is not None:
                left.pop(0)
                found.append(pixels(before))
            before = frame
        found += [pixels(before)] * len(left) if before is not None else []
    return number, np.stack(found)


def by_decord(paths: list[Path]) -> Read:
    """Seek by number of frame, as decord's users do."""
    import decord

    def read(clip: int, times: list[float]) -> np.ndarray:
        probe = decord.VideoReader(str(paths[clip]), num_threads=1)
        height, width = probe[0].shape[:2]
        scale = SIZE / min(height, width)
        reader = decord.VideoReader(
            str(paths[clip]), width=round(width * scale), height=round(height * scale), num_threads=1
        )
        rate = reader.get_avg_fps()
        return reader.get_batch([min(len(reader) - 1, int(t * rate + 1e-6)) for t in times]).asnumpy()

    return read


def peers(paths: list[Path]) -> dict[str, Read]:
    """Readers of two frames, ours first."""
    ours = VideoFiles(paths)
    found: dict[str, Read] = {
        "vitobench": lambda clip, times: ours.frames(clip, times, SIZE),
        "whole clip, 2 frames": lambda clip, times: whole_clip(paths[clip], times)[1],
    }
    try:
        other = VideoFiles(paths, decoder="torchcodec")
        found["torchcodec"] = lambda clip, times: other.frames(clip, times, SIZE)
    except DataError as error:
        print(f"torchcodec: {str(error)[:100]}")
    try:
        found["decord"] = by_decord(paths)
    except ImportError:
        print("decord: not installed")
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    data = os.environ.get("VITOBENCH_TEST_DATA")
    parser.add_argument("--videos", type=Path, default=Path(data) / "videos" if data else None, help="folder of clips")
    parser.add_argument("--draws", type=int, default=8, help="pairs of frames from each clip")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each measurement")
    options = parser.parse_args()
    if options.videos is None:
        parser.error("name a folder of videos with --videos, or set VITOBENCH_TEST_DATA")
    source = video_folder(options.videos)
    if source is None:
        parser.error(f"{options.videos} has no videos")
    paths = list(source.paths)
    rng = np.random.default_rng(0)
    wanted = [
        (clip, sample_times(source.seconds(clip), 2, 2.56, rng).tolist())
        for _ in range(options.draws)
        for clip in range(len(paths))
    ]

    rates = []
    print(f"{'every frame of a clip to ' + str(SIZE):28} frames/s")
    for path in paths:
        best = 0.0
        for _ in range(options.repeats):
            started = time.perf_counter()
            number, _ = whole_clip(path, None)
            best = max(best, number / (time.perf_counter() - started))
        rates.append(best)
        print(f"  {path.name:26} {best:8.0f}")

    readers = peers(paths)
    seconds: dict[str, list[float]] = {name: [] for name in readers}
    for _ in range(options.repeats):
        for name, read in readers.items():
            started = time.perf_counter()
            for clip, times in wanted:
                read(clip, times)
            seconds[name].append(time.perf_counter() - started)
    own = min(seconds["vitobench"])
    print(f"\n{'2 frames within 2.56 s':28} frames/s  ms a clip  time / ours")
    for name, found in seconds.items():
        best = min(found)
        print(
            f"  {name:26} {2 * len(wanted) / best:8.0f} {1000 * best / len(wanted):10.1f} {best / own:12.2f}",
            flush=True,
        )

    print(f"\n{'queue of pairs':28} frames/s")
    for threads in (1, 2, 4):
        failed = FailedClips(len(paths))
        started = time.perf_counter()
        with ThreadPoolExecutor(threads) as pool:
            examples = pool.map(
                lambda n, f=failed: draw_example(source, n % len(paths), 2, 2.56, (n,), f, SIZE), range(len(wanted))
            )
            count = sum(len(example.frames) for example in examples)
        print(f"  {threads} threads{'':17} {count / (time.perf_counter() - started):8.0f}")


if __name__ == "__main__":
    main()
