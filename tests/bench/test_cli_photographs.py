"""A folder of photographs, one of them broken, and a classifier of ImageNet's classes."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vitobench.tasks.data.image_folder import ImageFolder

Bench = Callable[..., Any]
WNIDS = ("n01440764", "n02099601", "n03445777")


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    root = tmp_path / "photographs"
    for wnid in WNIDS:
        (root / wnid).mkdir(parents=True)
        for number in range(3):
            pixels = rng.integers(0, 256, (40 + 30 * number, 90, 3), dtype=np.uint8)
            Image.fromarray(pixels).resize((200, 180 + 20 * number)).save(root / wnid / f"{number}.JPEG")
    return root


def test_an_image_that_cannot_be_decoded_is_named_and_n_shrinks(
    bench_here: Bench, photographs: Path, classifier: str, tmp_path: Path
) -> None:
    common = ("run", "--model", classifier, "--data", f"imagenet={photographs}", "--task", "imagenet-val")
    whole = bench_here(*common, "--json", "whole.json")
    assert whole.code == 0, whole.err
    rows = json.loads((tmp_path / "whole.json").read_text())["scores"]
    row = next(row for row in rows if row["metric"] == "top1")
    assert row["n"] == 9

    broken = photographs / WNIDS[1] / "1.JPEG"
    broken.write_bytes(broken.read_bytes()[:200])
    refused = bench_here(*common)
    assert refused.code == 2
    assert f"1 image changed (first: {WNIDS[1]}/1.JPEG)" in refused.err
    assert "--new-data" in refused.err
    done = bench_here(*common, "--new-data", "--json", "broken.json")
    assert done.code == 3
    assert f"{WNIDS[1]}/1.JPEG" in (tmp_path / "broken.json").read_text()
    found = json.loads((tmp_path / "broken.json").read_text())
    (failure,) = found["failures"]
    assert (failure["task"], failure["image_id"]) == ("imagenet-val", f"{WNIDS[1]}/1.JPEG")
    assert failure["reason"]
    assert str(photographs) not in failure["reason"]
    assert {row["n"] for row in found["scores"]} == {8}
    assert f"{WNIDS[1]}/1.JPEG" in done.out
    again = bench_here(*common)
    assert again.code == 3
    assert "nothing computed" in again.out


def test_corrupted_photographs_are_normalised_by_alexnet(
    bench_here: Bench, photographs: Path, classifier: str, tmp_path: Path
) -> None:
    common = ("--model", classifier, "--data", f"imagenet={photographs}", "--limit", 1, "--json", "s.json")
    done = bench_here("run", *common, "--suite", "robustness")
    assert done.code == 0, done.err
    found = json.loads((tmp_path / "s.json").read_text())
    assert {row["task"] for row in found["scores"]} == {"imagenet-val", "imagenet-c", "imagenet-c-bar"}
    assert "No data for imagenet-3dcc, imagenet-c-folders, " in " ".join(done.out.split())
    (mce,) = [row for row in found["scores"] if row["metric"] == "mce"]
    cells = [row for row in found["scores"] if row["task"] == "imagenet-c" and row["metric"] == "top1"]
    if all(row["value"] == 0.0 for row in cells):  # an untrained classifier: 100 % error over AlexNet's
        assert mce["value"] == pytest.approx(1.32, abs=0.03)
    first = ImageFolder(photographs).image_ids[0]
    (stored,) = (tmp_path / "bench-results" / "manifests").glob("imagenet@*.json.gz")
    assert first in json.loads(gzip.decompress(stored.read_bytes()))
