"""Images on which models disagree: the pixels on the page are those that the models answered."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from vitobench.bench.api import load_model
from vitobench.bench.run import Outcome, execute, rescore
from vitobench.bench.scoring import gallery as gallery_module
from vitobench.bench.settings import Settings
from vitobench.reports.data import Picture
from vitobench.tasks.microworld.vocabulary import CLASSES


def decoded(picture: Picture) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(picture.data)).convert("RGB"))


@pytest.fixture
def stored(stored_run: Callable[..., Outcome], tmp_path: Path) -> Settings:
    stored_run("vito", "moclr", baselines=("moclr",))
    return Settings(models=("vito", "moclr"), baselines=("moclr",), suite="robustness", store=tmp_path / "store")


def test_a_model_that_is_asked_again_gives_the_answer_that_stands_beside_the_image(stored: Settings) -> None:
    found = rescore(stored, pictures=True).data.gallery
    assert found.notes == ()
    assert [(part.a, part.b) for part in found.parts] == [("vito", "moclr")] * 2
    assert found.parts[0].condition == "clean"
    assert found.parts[1].condition in ("shot_noise/5", "fog/5", "contrast/5")
    assert found.parts[1].conditions == 3
    assert [sum(part.counts) for part in found.parts] == [14, 12]
    seen = 0
    for part in found.parts:
        assert len(part.only_a) == min(6, part.counts[1])
        assert len(part.only_b) == min(6, part.counts[2])
        for a_is_right, pictures in ((True, part.only_a), (False, part.only_b)):
            for picture in pictures:
                pixels = decoded(picture)
                assert pixels.shape == (64, 64, 3)
                for said, right in zip(picture.said, (a_is_right, not a_is_right), strict=True):
                    images = torch.from_numpy(pixels.transpose(2, 0, 1)[None].copy())
                    logits = load_model(said.model).logits(images).numpy()[0]
                    shares = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
                    assert said.answer == CLASSES[int(logits.argmax())]
                    assert said.confidence == pytest.approx(float(shares.max()), abs=1e-3)
                    assert said.right is right
                    assert (said.answer == picture.label) is right
                    seen += 1
    assert seen


def test_a_run_and_its_store_show_the_same_images(stored: Settings) -> None:
    fresh = execute(replace(stored, device="cpu"), pictures=True).data.gallery
    assert fresh == rescore(stored, pictures=True).data.gallery
    assert fresh.parts


def test_it_is_left_out_where_nobody_asked_and_for_one_model(stored: Settings) -> None:
    assert not rescore(stored).data.gallery.parts
    alone = rescore(replace(stored, models=("supervised",), baselines=()), pictures=True).data.gallery
    assert (alone.parts, alone.notes) == ((), ())


def test_whatever_fails_is_a_note_and_a_limit_is_kept(stored: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(gallery_module, "BUDGET", 10)
        found = rescore(stored, pictures=True).data.gallery
        assert found.parts == ()
        assert found.notes == ("The page's size limit is reached; further images are left out.",)

    def broken(*_: object) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(gallery_module, "open_source", broken)
    outcome = rescore(replace(stored, recompute_scores=True), pictures=True)
    assert outcome.data.scores
    assert outcome.complete
    assert [note.rpartition(": ")[2] for note in outcome.data.gallery.notes] == ["the disk is gone"] * 2
