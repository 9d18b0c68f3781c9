"""Masks carried along clips of the micro-world by the features of runs."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from vitobench.bench.claims import features
from vitobench.bench.claims.training import all_runs
from vitobench.models.networks import build

CLIPS = 12


@pytest.fixture(scope="module")
def clips() -> features.Clips:
    return features.tracking_clips(CLIPS)


class Knows(nn.Module):
    """Its features are the true masks of the clips, in their order, or nothing but their places."""

    def __init__(self, clips: features.Clips, places: bool = False) -> None:
        super().__init__()
        shares = features._shares(torch.from_numpy(clips.masks).flatten(0, 1), 16)
        still = torch.eye(256).view(1, 256, 16, 16).expand(len(shares), -1, -1, -1)
        self.maps, self.at = still if places else shares, 0

    def every_map(self, x: Tensor) -> list[Tensor]:
        self.at += len(x)
        return [x, self.maps[self.at - len(x) : self.at]]


def test_clips_move_and_have_an_object(clips: features.Clips) -> None:
    assert clips.pixels.shape == (CLIPS, 12, 3, 128, 128)
    assert clips.masks.any(axis=(2, 3)).all()
    assert (clips.pixels[:, 0] != clips.pixels[:, -1]).any(axis=(1, 2, 3)).all()
    longer = features.tracking_clips(CLIPS + 1)
    np.testing.assert_array_equal(longer.pixels[:CLIPS], clips.pixels)


def test_features_that_know_the_object_are_best_and_those_of_places_do_not_follow(clips: features.Clips) -> None:
    known, still = features.track(Knows(clips), clips), features.track(Knows(clips, places=True), clips)
    first = np.repeat(clips.masks[:, :1], 12, axis=1)
    copied = features._judge(torch.stack([features._shares(torch.from_numpy(one), 16) for one in first]), clips.masks)
    np.testing.assert_allclose(still, copied, atol=2e-3)  # shares of just one half may round to either side
    assert (known > 0.8).all()
    assert known.mean() > still.mean() + 0.25


def test_numbers_do_not_depend_on_how_many_clips_are_asked_at_once(
    clips: features.Clips, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    network = build("micro-resnet8/average", 16).eval()
    found = features.track(network, clips)
    assert found.shape == (CLIPS,)
    monkeypatch.setattr(features, "_AT_ONCE", 5)
    np.testing.assert_allclose(features.track(network, clips), found, atol=1e-3)


def test_single_and_several_scales_are_asked_on_the_same_map() -> None:
    torch.manual_seed(0)
    single, double = (build(f"micro-resnet8/{pooling}", 16).eval() for pooling in ("average", "attention-2scale"))
    double.load_state_dict(
        single.state_dict() | {k: v for k, v in double.state_dict().items() if k[:4] in ("pool", "head")}
    )
    x = torch.randn(2, 3, 128, 128)
    for one, two in zip(single.every_map(x), double.every_map(x), strict=True):
        torch.testing.assert_close(one, two)
    assert single.every_map(x)[features._STAGE].shape == (2, 64, 16, 16)


def test_what_is_known_of_a_run_is_kept(tmp_path: Path, clips: features.Clips, monkeypatch: pytest.MonkeyPatch) -> None:
    (run,) = all_runs(tmp_path, ["vito"], 1, 1)
    run.folder.mkdir(parents=True)
    run.checkpoint.with_suffix(".json").write_text('{"sha256": "one"}')
    monkeypatch.setattr(features, "tracking_clips", lambda number: clips)
    monkeypatch.setattr("vitobench.models.registry.load", lambda name: SimpleNamespace(network=Knows(clips)))
    found = features.track_all([run])[run]
    np.testing.assert_array_equal(found["j_and_f"], features.track(Knows(clips), clips))
    monkeypatch.setattr(features, "track", None)
    np.testing.assert_equal(features.track_all([run])[run], found)
    assert json.loads((run.folder / "tracking.json").read_text())["checkpoint"] == "one"
    kept = (run.folder / "tracking.json").read_text()
    place = next(place for place in range(len(kept)) if kept[place].isdigit())
    (run.folder / "tracking.json").write_text(kept[:place] + str(int(kept[place]) ^ 1) + kept[place + 1 :])
    with pytest.raises(TypeError):  # other numbers than were found are not taken
        features.track_all([run])
    (run.folder / "tracking.json").write_text(kept)
    run.checkpoint.with_suffix(".json").write_text('{"sha256": "two"}')  # trained anew
    with pytest.raises(TypeError):
        features.track_all([run])
