"""The classifier, its pictures, and a run that is scored again without its data."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from vitobench.models.model import Model
from vitobench.tests.bench.published.kit import (
    WNIDS,
    Bench,
    Classifier,
    make_classifier,
    numbers,
    opened,
    picture,
    placed,
)


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    return make_classifier(tmp_path_factory.mktemp("imagenet"), 1000)


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    """Files that are not yet in any class folder."""
    folder = tmp_path / "loose"
    folder.mkdir()
    for number in range(12):
        picture(number).save(folder / f"{number}.JPEG", quality=95)
    return [folder / f"{number}.JPEG" for number in range(12)]


@pytest.fixture
def run(bench_here: Bench, tmp_path: Path) -> Callable[..., dict[tuple[str, str, str], tuple[float | None, int]]]:
    """Run tasks; delete the data, score what is stored and see the same numbers; give them."""

    def call(model: Classifier, tasks: Sequence[str], data: Mapping[str, Path], code: int = 0) -> Any:
        named = [arg for task in tasks for arg in ("--task", task)]
        brought = [arg for name, folder in data.items() for arg in ("--data", f"{name}={folder}")]
        done = bench_here("run", "--model", model.name, *named, *brought, "--json", "run.json")
        assert done.code == code, done.err + done.out
        for folder in set(data.values()):
            shutil.rmtree(folder)
        scored = bench_here("score", *named, "--json", "score.json")
        assert scored.code == code, scored.err + scored.out
        ran, again = (json.loads((tmp_path / file).read_text()) for file in ("run.json", "score.json"))
        for part in ("scores", "failures"):
            assert sorted(map(json.dumps, ran[part])) == sorted(map(json.dumps, again[part]))
        return numbers(tmp_path / "run.json")

    return call


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images went through a network, call by call."""
    counts: list[int] = []
    original = Model.logits

    def counted(self: Model, images: torch.Tensor) -> torch.Tensor:
        counts.append(len(images))
        return original(self, images)

    monkeypatch.setattr(Model, "logits", counted)
    return counts


@pytest.fixture
def photographs(classifier: Classifier, pictures: list[Path], tmp_path: Path) -> Path:
    """Four photographs of what the classifier sees in them."""
    root = tmp_path / "photographs"
    for path, decision in zip(pictures[:4], classifier.decisions(opened(pictures[:4])), strict=True):
        placed(path, root / WNIDS[decision])
    return root
