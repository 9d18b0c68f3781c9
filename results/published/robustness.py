"""Published numbers of robustness; every one was measured on photographs."""

from __future__ import annotations

from .rows import PublishedScore, published_rows

_SAME_IMAGES = {"imagenet-c-folders": "imagenet-c", "imagenet-3dcc-folders": "imagenet-3dcc"}


def published_robustness() -> tuple[PublishedScore, ...]:
    """All of them."""
    return published_rows("robustness")


def published_for(task: str) -> tuple[PublishedScore, ...]:
    """Those that may stand beside a task of this name; none where the images are others."""
    data_set = _SAME_IMAGES.get(task, task)
    return tuple(row for row in published_robustness() if row.data_set == data_set)
