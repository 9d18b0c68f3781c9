"""Time and memory of calibration error and AURRA with their intervals at the size of ImageNet-R: 30,000 images.

    python tests/benchmarks/calibration.py

Two models are scored and compared with 2,000 replicates. The same numbers for one sample at a time, from a sample that
is written out and sorted anew, are the yardstick.
"""

from __future__ import annotations

import resource
import time
from dataclasses import replace

import numpy as np

from vitobench.results import statistics
from vitobench.tasks import kinds
from vitobench.tasks.confidences import aurra, rms_calibration_error
from vitobench.tasks.registry import TASKS
from vitobench.tasks.scoring.samples import Answers
from vitobench.tasks.scoring.score import score_task

IMAGES = 30_000
TASK = replace(TASKS["imagenet-val"], name="made-up", kind=kinds.SHIFT)


def made_up(seed: int) -> Answers:
    """A model whose confidences have the 12 bits that the store keeps."""
    rng = np.random.default_rng(seed)
    mantissa, exponent = np.frexp(rng.beta(1.2, 0.6, IMAGES))
    confidence = np.ldexp(np.round(mantissa * 4096) / 4096, exponent).astype(np.float32)[:, None]
    correct = (rng.random((IMAGES, 1)) < 0.9 * confidence).astype(np.float32)
    labels = rng.integers(0, 200, IMAGES)
    top = np.argsort(rng.random((IMAGES, 1, 10)), axis=2)[..., :5].astype(np.int16)
    ids = np.array([f"{n:08d}" for n in range(IMAGES)])
    return Answers("made-up", ids, top[:, :, 0], correct, labels, confidence, top)


def main() -> None:
    """Measure and print."""
    a, b = made_up(0), made_up(1)
    for models, pairs in (({"a": a}, []), ({"a": a, "b": b}, [("a", "b")])):
        statistics._counts.cache_clear()
        before, started = time.process_time(), time.perf_counter()
        score_task(TASK, models, pairs)
        print(
            f"{len(models)} models, {len(pairs)} pairs, {IMAGES:,} images, {statistics.REPLICATES:,} replicates: "
            f"{time.process_time() - before:.2f} s CPU, {time.perf_counter() - started:.2f} s (limit 5 s a model)"
        )
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
    counts = next(statistics.draws(IMAGES))[1][:20]
    started = time.perf_counter()
    for often in counts:
        sample = np.repeat(np.arange(IMAGES), often)
        rms_calibration_error(a.confidence[sample, 0], a.correct[sample, 0])
        aurra(a.confidence[sample, 0], a.correct[sample, 0])
    each = (time.perf_counter() - started) / len(counts)
    print(f"one sample at a time, sorted anew: {each * statistics.REPLICATES:.1f} s for as many")


if __name__ == "__main__":
    main()
