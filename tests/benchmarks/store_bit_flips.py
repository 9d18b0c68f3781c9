"""Flip one bit of one file of a store at a time, and look for numbers that change without a word.

    python tests/benchmarks/store_bit_flips.py --flips 25000 --seed 0 [--seconds 3600] [--store DIR]

A small store is made by the shipped models and, for what needs photographs, by made-up answers: clean images,
corruptions, video, human alignment, several right labels, saliency. Each flip is one of:

- detected: a failure is named, and the exit code is 2 or 3;
- harmless: every number is what it was;
- silent: a number changes and nothing says so. There must be none.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from vitobench.bench import catalogue
from vitobench.bench.planning.plan import Plan, PlannedTask
from vitobench.bench.planning.stored import recall
from vitobench.bench.run import execute
from vitobench.bench.scoring.outcome import gather
from vitobench.bench.scoring.parts import read_answers
from vitobench.bench.settings import Settings
from vitobench.errors import VitobenchError
from vitobench.models.spec import ModelSpec, Preprocessing
from vitobench.results import records
from vitobench.results.store import Store
from vitobench.tasks.registry import TASKS
from vitobench.tasks.task import Condition

TASKS_RUN = (
    "micro-val",
    "micro-c",
    "micro-vid-robust",
    "micro-cue-conflict",
    "micro-alignment-rotation",
    "micro-saliency",
)
LEFT_OUT = ("cache/", "report.html")

Score = Callable[[], tuple[str, tuple[str, ...]]]
"""Gives every number as one text, and what is missing."""


class Accepted:
    """Made-up photographs of which several classes are right."""

    name, label_space, digest = "made-up", "imagenet-1k", "ab" * 32
    image_ids = tuple(f"ILSVRC2012_val_{n:08d}.JPEG" for n in range(12))
    labels = np.arange(12, dtype=np.int64)
    accepted = tuple(frozenset({n, n + 20} if n % 5 else ()) for n in range(12))

    def manifest(self) -> dict[str, str]:
        """Made-up content hashes."""
        return {image_id: f"{number:064x}" for number, image_id in enumerate(self.image_ids)}


def add_made_up(store: Store) -> None:
    """Answers of two made-up models to images of which several classes are right."""
    task, source = TASKS["imagenet-real"], Accepted()
    specs = [ModelSpec(f"made-up-{n}", "file", "none", Preprocessing(), "imagenet-1k", f"{n}" * 64) for n in range(2)]
    identity = task.identity(source.digest, 0)
    planned = PlannedTask(task, source.digest, 0, identity, 12, source)  # type: ignore[arg-type]
    catalogue.keep(Plan(Settings(()), tuple(specs), (), (planned,), (), ()), store)
    rng = np.random.default_rng(0)
    for spec in specs:
        columns = {
            "condition": [task.conditions[0].name] * 12, "severity": [0] * 12, "image_id": list(source.image_ids),
            "label": source.labels, "top": np.array([rng.permutation(40)[:5] for _ in range(12)]),
            "confidence": rng.random(12), "error": [None] * 12,
        }  # fmt: skip
        store.write_unit(identity, spec.identity, 0, 12, columns)
    asked = {task.name: {"identity": identity, "images": 12}}
    models = {spec.name: spec.identity for spec in specs}
    records.write_run(store, "20260101T000000Z-made-up", {"models": models, "tasks": asked, "status": "finished"})


def shorten() -> None:
    """Leave six conditions of the corruption task, so that a scoring takes a fraction of a second."""
    names = ("shot_noise", "fog", "contrast")
    conditions = tuple(Condition(name, severity) for name in names for severity in (2, 5))
    families = {"noise": names[:1], "weather": names[1:2], "digital": names[2:]}
    TASKS["micro-c"] = replace(TASKS["micro-c"], conditions=conditions, families=families)


def make(folder: Path) -> None:
    """Write the store."""
    settings = Settings(
        models=("vito", "moclr"), tasks=TASKS_RUN, baselines=(), store=folder, limit=12, device="cpu", recompute=True
    )
    execute(settings)
    add_made_up(Store(folder))


def scoring(folder: Path) -> Score:
    """The numbers of a store, in this process."""

    def score() -> tuple[str, tuple[str, ...]]:
        store = Store(folder)
        settings = Settings(models=(), baselines=(), store=folder)
        recalled = recall(settings, store)
        # Most flips are named when the files are read; only for the others numbers have to be compared.
        missing = tuple(failure.reason for failure in (*recalled.failures, *read_answers(recalled, store)[1]))
        if missing:
            return "", missing
        data = gather(recalled, store, [], {})
        missing = tuple(failure.reason for failure in data.failures)
        numbers: list[Any] = [data.scores, data.comparisons, data.alignment, data.shape_decisions, data.models]
        return repr(numbers), missing

    return score


@dataclass(frozen=True)
class Found:
    """What became of the flips.

    Attributes:
        counts: Flips by what became of them.
        faults: File, byte and bit of every flip that changed a number silently, or broke the scoring.
    """

    counts: Counter[str]
    faults: tuple[str, ...]


def fuzz(root: Path, score: Score, flips: int, seed: int, seconds: float) -> Found:
    """Flip bits, one after the other; every file is as it was in the end.

    Args:
        root: The store.
        score: Its numbers.
        flips: How many.
        seed: Of the choice of file and bit.
        seconds: Stop after that time, however many flips are left.
    """
    whole, missing = score()
    assert not missing, missing
    files = sorted(
        path
        for path in root.rglob("*")
        if path.is_file() and not path.relative_to(root).as_posix().startswith(LEFT_OUT) and path.stat().st_size
    )
    rng = random.Random(seed)
    counts: Counter[str] = Counter()
    faults: list[str] = []
    ends = time.monotonic() + seconds
    for number in range(flips):
        if time.monotonic() > ends:
            break
        path = files[number % len(files)]
        content = path.read_bytes()
        place, bit = rng.randrange(len(content)), rng.randrange(8)
        changed = bytearray(content)
        changed[place] ^= 1 << bit
        path.write_bytes(changed)
        try:
            numbers, told = score()
            outcome = "detected" if told else "harmless" if numbers == whole else "silent"
        except VitobenchError:
            outcome = "detected"
        except Exception as error:  # whatever it is, a user would see a traceback
            outcome = f"broken by {type(error).__name__}"
        finally:
            path.write_bytes(content)
        counts[outcome] += 1
        counts[f"{outcome} in {path.relative_to(root).parts[0]}"] += 1
        if outcome not in ("detected", "harmless"):
            faults.append(f"{outcome}: byte {place}, bit {bit} of {path.relative_to(root)}")
    assert score() == (whole, ())
    return Found(counts, tuple(faults))


def main() -> None:
    """Flip and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flips", type=int, default=25_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=7200.0)
    parser.add_argument("--store", type=Path, help="where the store is made; used again if it is there")
    options = parser.parse_args()
    shorten()
    folder = options.store or Path(tempfile.mkdtemp(prefix="flips")) / "store"
    if not Store(folder).exists():
        make(folder)
    found = fuzz(folder, scoring(folder), options.flips, options.seed, options.seconds)
    done = sum(count for outcome, count in found.counts.items() if " in " not in outcome)
    print(f"{done:,} flips")
    for outcome, count in sorted(found.counts.items()):
        print(f"  {outcome}: {count:,}")
    for line in found.faults[:50]:
        print(line)
    sys.exit(1 if found.faults else 0)


if __name__ == "__main__":
    main()
