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
import timm
import torch

from vitobench.tasks.declarations.imagenet import PERTURBATIONS

av = pytest.importorskip("av")

Bench = Callable[..., Any]
VIDEOS = ("n01440764/a.mp4", "n01443537/b.mp4", "n02099601/c.mp4")


def write_video(path: Path, seed: int, frames: int = 5) -> None:
    """A patch that wanders over noise, so that answers change along the way."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=Fraction(5))
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        stream.bit_rate = 2_000_000
        for n in range(frames):
            shown = np.roll(image, 9 * n, axis=1)
            shown[10 * n : 10 * n + 20] = 255 - shown[10 * n : 10 * n + 20]
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


@pytest.fixture
def classifier(tmp_path: Path) -> str:
    torch.manual_seed(0)
    network = timm.create_model("test_resnet", pretrained=False, num_classes=1000)
    with torch.inference_mode():
        # Statistics of its own and a centred head: else one class would win always.
        network.train()(torch.randn(32, 3, 160, 160))
        network.eval()
        shown = torch.randn(64, 3, 160, 160)
        features = network.forward_head(network.forward_features(shown), pre_logits=True)
        head = network.get_classifier()
        head.weight.div_(features.std(0).clamp(min=1e-3))
        head.bias.copy_(-(features @ head.weight.T).mean(0))
    torch.save(network.state_dict(), tmp_path / "mine.pth")
    return "file:mine.pth?arch=timm:test_resnet"


def test_flips_are_counted_along_the_sequences_that_all_perturbations_share(
    bench_here: Bench, sequences: Path, classifier: str, tmp_path: Path
) -> None:
    common = ("--model", classifier, "--task", "imagenet-p", "--json", "s.json")
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
    bench_here: Bench, sequences: Path, classifier: str, tmp_path: Path
) -> None:
    shutil.rmtree(sequences / "tilt")
    done = bench_here(
        "run", "--model", classifier, "--task", "imagenet-p", "--data", f"imagenet-p={sequences}", "--json", "s.json"
    )
    assert done.code == 3
    found = json.loads((tmp_path / "s.json").read_text())
    assert {f["condition"] for f in found["failures"]} == {"tilt"}
    scored = {row["condition"]: row["value"] for row in found["scores"] if row["metric"] == "flip_probability"}
    assert scored["overall"] is None
    assert scored["tilt"] is None
    assert scored["snow"] is not None
