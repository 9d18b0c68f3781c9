"""Stability over perturbation sequences, from videos to a score."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from vitobench.tasks.datasets.corrupted import PERTURBATIONS
from vitobench.tests.bench.published.kit import Classifier, picture

av = pytest.importorskip("av")

Bench = Callable[..., Any]
VIDEOS = ("n01440764/a.mp4", "n01443537/b.mp4", "n02099601/c.mp4")


def write_video(path: Path, seed: int, frames: int = 5) -> None:
    """Another picture every other frame, so that answers change along the way, and not at every step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=Fraction(5))
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        stream.bit_rate = 2_000_000
        for n in range(frames):
            shown = np.array(picture(100 * seed + n // 2, (64, 64)))
            for packet in stream.encode(av.VideoFrame.from_ndarray(shown, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


@pytest.fixture
def sequences(tmp_path: Path) -> Path:
    root = tmp_path / "imagenet-p"
    for p, perturbation in enumerate(PERTURBATIONS):
        for v, video in enumerate(VIDEOS):
            write_video(root / perturbation / video, 10 * p + v)
    write_video(root / "snow" / "n01440764" / "only-here.mp4", 99)
    return root


def test_flips_are_counted_along_the_sequences_that_all_perturbations_share(
    bench_here: Bench, sequences: Path, classifier: Classifier, tmp_path: Path
) -> None:
    common = ("--model", classifier.name, "--task", "imagenet-p", "--json", "s.json")
    done = bench_here("run", *common, "--data", f"imagenet-p={sequences}")
    assert done.code == 0, done.err
    found = json.loads((tmp_path / "s.json").read_text())["scores"]
    rows = pd.read_parquet(tmp_path / "bench-results/predictions").astype({"condition": str, "image_id": str})
    assert len(rows) == len(PERTURBATIONS) * len(VIDEOS) * 5
    rates = {}
    for perturbation in PERTURBATIONS:
        flips = []
        for video in VIDEOS:
            own = rows[(rows.condition == perturbation) & rows.image_id.str.startswith(video)].sort_values("image_id")
            top1 = own["top1"].tolist()
            before = [top1[0]] * 4 if "noise" in perturbation else top1[:-1]
            flips += [a != b for a, b in zip(before, top1[1:], strict=True)]
        rates[perturbation] = np.mean(flips)
    scored = {row["condition"]: row for row in found if row["metric"] == "flip_probability"}
    assert {name: scored[name]["value"] for name in PERTURBATIONS} == pytest.approx(rates)
    assert scored["overall"]["value"] == pytest.approx(np.mean(list(rates.values())))
    assert scored["overall"]["n"] == len(VIDEOS)
    assert 0 < scored["overall"]["value"] <= 1, "no answer changes: the test shows nothing"
    shutil.rmtree(sequences)
    again = bench_here("score", "--json", "t.json")
    assert again.code == 0, again.err
    assert json.loads((tmp_path / "t.json").read_text())["scores"] == found


def test_a_perturbation_that_is_not_there_is_a_hole(
    bench_here: Bench, sequences: Path, classifier: Classifier, tmp_path: Path
) -> None:
    shutil.rmtree(sequences / "tilt")
    done = bench_here(
        "run",
        "--model",
        classifier.name,
        "--task",
        "imagenet-p",
        "--data",
        f"imagenet-p={sequences}",
        "--json",
        "s.json",
    )
    assert done.code == 3
    found = json.loads((tmp_path / "s.json").read_text())
    assert {f["condition"] for f in found["failures"]} == {"tilt"}
    scored = {row["condition"]: row["value"] for row in found["scores"] if row["metric"] == "flip_probability"}
    assert scored["overall"] is None
    assert scored["tilt"] is None
    assert scored["snow"] is not None
