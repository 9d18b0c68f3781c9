"""One model's answers to one task as a matrix: a row per image, a column per condition."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from .task import Task


@dataclass(frozen=True)
class Answers:
    """Answers of one model.

    Attributes:
        model: Model name.
        image_ids: (n,) ids of the images that were answered under every condition that was asked at all.
        decisions: int64 (n, conditions), the top-1 class; -1 in a column that was never asked.
        correct: float64 (n, conditions), 1 where the decision is the label; NaN in a column that was never asked.
        labels: int64 (n,).
    """

    model: str
    image_ids: np.ndarray
    decisions: np.ndarray
    correct: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.image_ids)

    def rows(self, ids: np.ndarray) -> np.ndarray:
        """Positions of these ids, all of which must be present."""
        index = pd.Index(self.image_ids)
        return index.get_indexer(pd.Index(ids))


def collect(task: Task, model: str, predictions: pd.DataFrame) -> Answers:
    """Pivot prediction rows into a matrix.

    An image that lacks an answer under a condition that other images were asked is left out of every condition, so that
    all columns speak of the same images; a condition that no image was asked stays as a hole.

    Args:
        task: Decides the columns.
        model: Name for the result.
        predictions: Rows of one model and task, see `results.schema`; rows with an error are passed over.
    """
    good = predictions[predictions["error"].isna()]
    keys = good["condition"].astype(str)
    graded = good["severity"] > 0
    keys = keys.where(~graded, keys + "/" + good["severity"].astype(str))
    table = pd.DataFrame(
        {"image": good["image_id"].astype(str).to_numpy(), "key": keys.to_numpy(), "top1": good["top1"].to_numpy()}
    )
    # Two shards may hold the same image when a limit was changed; equal identity makes the rows equal.
    wide = table.drop_duplicates(["image", "key"]).pivot(index="image", columns="key", values="top1")
    wide = wide.reindex(columns=[c.key for c in task.conditions])
    asked = wide.notna().any(axis=0)
    wide = wide[wide.loc[:, asked].notna().all(axis=1)].sort_index()
    labels = (
        good.assign(image_id=good["image_id"].astype(str)).drop_duplicates("image_id").set_index("image_id")["label"]
    )
    truth = labels.reindex(wide.index).to_numpy(dtype=np.int64)
    raw = wide.to_numpy(dtype=np.float64)
    correct = np.where(np.isnan(raw), np.nan, (raw == truth[:, None]).astype(np.float64))
    decisions = np.where(np.isnan(raw), -1, raw).astype(np.int64)
    return Answers(model, wide.index.to_numpy(), decisions, correct, truth)
