"""From the maps of some images to the rows that are stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...data.saliency_maps import MapSource
from ...data.source import LoadFailure
from .measures import TOP_SHARE, overlap, standard_ranks, top_pixels
from .preparation import Preparation, resize


@dataclass(frozen=True)
class Reference:
    """Maps of some images that those of all observers are compared with.

    Attributes:
        maps: float32 (n, side, side), prepared.
        ranks: From `standard_ranks`.
        top: Where the reference is highest, bool (n, side, side); an exact mask itself.
        share: How much of an observer's map is held against ``top``, (n,).
        failed: Why an image has none, by position.
    """

    maps: np.ndarray
    ranks: np.ndarray
    top: np.ndarray
    share: np.ndarray
    failed: Mapping[int, LoadFailure]


def reference_of(source: MapSource, indices: Sequence[int], preparation: Preparation, exact: bool) -> Reference:
    """Read and prepare the maps of some images.

    Args:
        source: The set.
        indices: Positions in its image ids.
        preparation: How they are made ready.
        exact: They are masks, whose extent means something: overlap is then that of the mask and as many pixels of an
            observer's map, not of the upper tenths. A blurred mask is flat in the middle of a large object and has no
            upper tenth.
    """
    raw, failed = source.maps(indices)
    maps = np.stack([preparation.apply(map_) for map_ in raw])
    if exact:
        top = np.stack([resize(map_, preparation.side) for map_ in raw]) > 0.5
        share = top.mean(axis=(1, 2))
    else:
        top, share = top_pixels(maps), np.full(len(maps), TOP_SHARE)
    return Reference(maps, standard_ranks(maps), top, share, failed)


def rows_of(
    image_ids: Sequence[str],
    labels: np.ndarray,
    reference: Reference,
    maps: Mapping[str, np.ndarray],
    failed: Mapping[int, LoadFailure],
) -> list[dict[str, Any]]:
    """Compare the maps of an observer with the reference.

    Args:
        image_ids: n ids.
        labels: (n,).
        reference: Of the same images.
        maps: (n, H, W) by name; of another size than the reference they are resized to it, bilinearly.
        failed: Why an image could not be read, by position.

    Returns:
        Rows for `results.saliency.write_shard`: one for each image and map, or one with ``error`` for
        an image that failed.
    """
    rows: list[dict[str, Any]] = []
    everything = {**failed, **reference.failed}
    base = [{"image_id": i, "label": int(label)} for i, label in zip(image_ids, labels, strict=True)]
    for position, failure in sorted(everything.items()):
        rows.append({**base[position], "map": "", "error": failure.reason})
    for name, own in maps.items():
        own = resize(own, reference.maps.shape[-1])
        correlation = np.einsum("np,np->n", standard_ranks(own), reference.ranks)
        dice, iou = overlap(top_pixels(own, reference.share), reference.top)
        for position, row in enumerate(base):
            if position not in everything:
                values = (correlation[position], dice[position], iou[position])
                rows.append(
                    {**row, "map": name, **dict(zip(("spearman", "dice", "iou"), map(float, values), strict=True))}
                )
    return rows
