"""What several tests of runs look at: stored predictions, scores as plain rows, and logits on their way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from vitobench.bench.exports.files import as_json
from vitobench.bench.run import Outcome
from vitobench.models.model import Model

Run = Callable[..., Outcome]
KEYS = ["model", "task", "condition", "severity", "image_id"]


def predictions(store: Path) -> pd.DataFrame:
    frame = pd.read_parquet(store / "predictions")
    frame = frame.astype({name: str for name in ("model", "task", "condition", "image_id")})
    return frame.sort_values(KEYS, ignore_index=True)


def scores(outcome: Outcome) -> list[dict[str, Any]]:
    plain = as_json(outcome)
    return sorted(plain["scores"] + plain["comparisons"], key=lambda row: [str(v) for v in row.values()])


def with_logits(monkeypatch: pytest.MonkeyPatch, change: Callable[[Model, torch.Tensor, int], torch.Tensor]) -> None:
    """Pass the logits of every model through ``change(model, logits, number of the call)``."""
    original = Model.logits
    calls: Counter[str] = Counter()

    def changed(self: Model, images: torch.Tensor) -> torch.Tensor:
        calls[self.spec.name] += 1
        return change(self, original(self, images), calls[self.spec.name])

    monkeypatch.setattr(Model, "logits", changed)
