"""Average precision and recall of boxes as COCO defines them, for a set of images or any draws of them.

Which detection finds which object depends on the image alone, so boxes are matched once, by pycocotools. Precision over
recall depends on all images together: it is accumulated anew for each draw.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from pycocotools.cocoeval import COCOeval

NUMBERS = (
    *("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large"),
    *("ar1", "ar10", "ar100", "ar_small", "ar_medium", "ar_large"),
)
"""The twelve numbers, in COCO's order: average precision over ten thresholds of IoU from .50 to .95, at .50, at .75,
and of objects by their area; average recall with at most 1, 10 and 100 detections of a class in an image, and by area.
Where `match` takes another number than 100, so do those of recall after the first two.
"""

_THRESHOLDS = np.linspace(0.5, 0.95, 10)
_RECALLS = np.linspace(0.0, 1.0, 101)
_AT_75 = 5
_MOST = 100
"""Detections of a class in an image that count in COCO."""

_LARGEST = 1e10
_EPSILON = float(np.spacing(1.0))


@dataclass(frozen=True)
class Boxes:
    """Boxes of one image, true ones or detections.

    Attributes:
        places: float64 (n, 4): left, top, width and height, in pixels.
        classes: int64 (n,), from 0.
        scores: float64 (n,). Of a detection its confidence. Of a true box 1, or 0 for a region of which nothing is
            asked, COCO's crowds: it takes any number of detections, and these count neither way.
        areas: float64 (n,), in pixels: whether an object is small, medium or large; a true one's is that of its mask.
    """

    places: np.ndarray
    classes: np.ndarray
    scores: np.ndarray
    areas: np.ndarray

    def __len__(self) -> int:
        return len(self.places)


@dataclass(frozen=True)
class Matches:
    """Which detections of a set of images find an object, in the order in which they count.

    Attributes:
        images: How many images were matched.
        image: int32 (n,), the image of each detection. Detections are sorted by class, then by falling score; of equal
            scores that of the earlier image comes first.
        starts: int64 (classes + 1,), where the detections of each class begin.
        rank: int32 (n,), how many of the same class and image have a higher score.
        hits: uint16 (4, n), a bit for each threshold of IoU: whether an object is found; for objects of all sizes,
            small, medium and large ones.
        ignored: uint16 (4, n), likewise: whether the detection counts neither way.
        asked: int32 (4, m), objects to be found, of each class in each image that has any; sorted by class.
        asked_in: int32 (m,), the images of these.
        asked_starts: int64 (classes + 1,), where those of each class begin.
    """

    images: int
    image: np.ndarray
    starts: np.ndarray
    rank: np.ndarray
    hits: np.ndarray
    ignored: np.ndarray
    asked: np.ndarray
    asked_in: np.ndarray
    asked_starts: np.ndarray

    def numbers(self, images: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """The numbers of draws of images.

        An image that is drawn twice counts as two images would, as far as no two of its detections of one class have
        the same score.

        Args:
            images: int (m,), images that are drawn from.
            counts: int (B, m), how often each is in each draw.

        Returns:
            float64 (B, 12 + classes), in [0, 1]: `NUMBERS`, then the average precision of each class. NaN where no
            object is to be found.
        """
        out = np.full((len(counts), len(NUMBERS) + len(self.starts) - 1), np.nan)
        weights = np.zeros(self.images)
        found = self.image, self.starts, self.rank, self.hits, self.ignored
        asked = self.asked, self.asked_in, self.asked_starts
        for draw, own in enumerate(counts):
            weights[:] = 0
            weights[images] = own
            _accumulate(weights, *found, *asked, out[draw])
        return out


class _Matching(COCOeval):
    """COCO's own matching, of images that are given one by one."""

    def __init__(self, limits: tuple[float, float], most: int) -> None:
        super().__init__(iouType="bbox")
        self._most = self.params.maxDets[-1] = most  # the IoU is computed for no more than the latter
        small, medium = (limit**2 for limit in limits)
        self.params.areaRng = [[0, _LARGEST], [0, small], [small, medium], [medium, _LARGEST]]

    def of_image(self, truth: Boxes, found: Boxes) -> list[tuple[int, np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
        """For each class: scores (n,), hits (4, 10, n), ignored (4, 10, n), and objects to be found, (4,)."""
        true: dict[tuple[int, int], list[dict[str, Any]]] = defaultdict(list)
        said: dict[tuple[int, int], list[dict[str, Any]]] = defaultdict(list)
        # Numbered from 1: the number of what was matched is at once the mark that something was.
        for number, (place, kind, score, area) in enumerate(_rows(truth), 1):
            crowd = int(score == 0)
            one = {"id": number, "bbox": place, "area": area, "iscrowd": crowd, "ignore": crowd}
            true[0, kind].append(one)
        for number, (place, kind, score, area) in enumerate(_rows(found), 1):
            said[0, kind].append({"id": number, "bbox": place, "area": area, "score": score})
        self._gts, self._dts = true, said
        matched = []
        for kind in sorted({*truth.classes.tolist(), *found.classes.tolist()}):
            self.ious = {(0, kind): self.computeIoU(0, kind)}
            ranges = [self.evaluateImg(0, kind, limits, self._most) for limits in self.params.areaRng]
            scores = np.array(ranges[0]["dtScores"], dtype=np.float64)
            ignored = np.array([own["dtIgnore"] for own in ranges]).astype(bool)
            hits = np.array([own["dtMatches"] for own in ranges]) > 0
            asked = np.array([(np.array(own["gtIgnore"]) == 0).sum() for own in ranges], dtype=np.int32)
            matched.append((kind, scores, hits, ignored, asked))
        return matched


def _rows(boxes: Boxes) -> Any:
    """Place, class, score and area of each box, as Python's own numbers."""
    parts = (boxes.places, boxes.classes, boxes.scores, boxes.areas)
    return zip(*(np.asarray(part).tolist() for part in parts), strict=True)


def match(
    truths: Sequence[Boxes], found: Sequence[Boxes], classes: int, limits: tuple[float, float], most: int = _MOST
) -> Matches:
    """Match the detections of some images with their true boxes.

    Args:
        truths: Of each image, possibly empty.
        found: Of each image, possibly empty; in an image the earlier of two detections of one score comes first.
        classes: How many there are.
        limits: Objects are small up to the square of the first, large from that of the second, in pixels; those at a
            limit are both.
        most: Detections of a class in an image that count.
    """
    matching = _Matching(limits, most)
    asked = [np.empty((4, 0), np.int32)]
    asked_of: list[int] = []
    asked_in: list[int] = []
    kinds, images, ranks = ([np.empty(0, np.int32)] for _ in range(3))
    scores, marks = [np.empty(0)], [np.empty((2, 4, 0), np.uint16)]
    bits = (1 << np.arange(len(_THRESHOLDS), dtype=np.uint16)).astype(np.uint16)
    for number, (truth, own) in enumerate(zip(truths, found, strict=True)):
        for kind, score, hits, ignored, wanted in matching.of_image(truth, own):
            if wanted.any():
                asked.append(wanted[:, None])
                asked_of.append(kind)
                asked_in.append(number)
            kinds.append(np.full(len(score), kind, np.int32))
            images.append(np.full(len(score), number, np.int32))
            ranks.append(np.arange(len(score), dtype=np.int32))
            scores.append(score)
            both = np.stack([hits, ignored])
            marks.append((both * bits[:, None]).sum(axis=2).astype(np.uint16))
    all_kinds, all_scores = np.concatenate(kinds), np.concatenate(scores)
    order = np.lexsort((-all_scores, all_kinds))  # stable: equal scores stay in the order of their images
    mark = np.concatenate(marks, axis=2)[:, :, order]
    starts = np.searchsorted(all_kinds[order], np.arange(classes + 1))
    image, rank = np.concatenate(images)[order], np.concatenate(ranks)[order]
    of_kind = np.array(asked_of, dtype=np.int64)
    by_class = np.argsort(of_kind, kind="stable")
    return Matches(
        len(truths),
        image,
        starts.astype(np.int64),
        rank,
        mark[0].copy(),
        mark[1].copy(),
        np.concatenate(asked, axis=1)[:, by_class],
        np.array(asked_in, dtype=np.int32)[by_class],
        np.searchsorted(of_kind[by_class], np.arange(classes + 1)),
    )


@numba.njit(nogil=True, error_model="numpy", cache=True)
def _accumulate(
    weights: np.ndarray,
    image: np.ndarray,
    starts: np.ndarray,
    rank: np.ndarray,
    hits: np.ndarray,
    ignored: np.ndarray,
    asked: np.ndarray,
    asked_in: np.ndarray,
    asked_starts: np.ndarray,
    out: np.ndarray,
) -> None:
    """The numbers of one draw, written into ``out``; see `Matches`.

    Precision is needed only where an object is found: between two of these it falls, and COCO takes the highest of
    those at higher recall. Copies of an image are one step: the last copy has the highest precision of them.

    Args:
        weights: float64 (images,), how often each is drawn.
        image: See `Matches`, as the following.
        starts: .
        rank: .
        hits: .
        ignored: .
        asked: .
        asked_in: .
        asked_starts: .
        out: float64 (12 + classes,).
    """
    classes, levels = len(starts) - 1, len(_THRESHOLDS)
    longest = 0
    for kind in range(classes):
        longest = max(longest, starts[kind + 1] - starts[kind])
    recalls, precisions = np.empty(longest), np.empty(longest)
    for area in range(4):
        there = 0
        precision, at_50, at_75, first, ten, every = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for kind in range(classes):
            positives = 0.0
            for place in range(asked_starts[kind], asked_starts[kind + 1]):
                positives += weights[asked_in[place]] * asked[area, place]
            if positives == 0:
                continue
            there += 1
            of_class = 0.0
            for level in range(levels):
                right, wrong, right_1, right_10, found = 0.0, 0.0, 0.0, 0.0, 0
                for place in range(starts[kind], starts[kind + 1]):
                    weight = weights[image[place]]
                    if weight == 0 or (ignored[area, place] >> level) & 1:
                        continue
                    if (hits[area, place] >> level) & 1:
                        right += weight
                        recalls[found] = right / positives
                        precisions[found] = right / (wrong + right + _EPSILON)
                        found += 1
                        if rank[place] < 1:
                            right_1 += weight
                        if rank[place] < 10:
                            right_10 += weight
                    else:
                        wrong += weight
                for step in range(found - 1, 0, -1):
                    precisions[step - 1] = max(precisions[step - 1], precisions[step])
                total, step = 0.0, 0
                for recall in _RECALLS:
                    while step < found and recalls[step] < recall:
                        step += 1
                    if step == found:
                        break
                    total += precisions[step]
                total /= len(_RECALLS)
                of_class += total / levels
                if level == 0:
                    at_50 += total
                if level == _AT_75:
                    at_75 += total
                first += right_1 / positives / levels
                ten += right_10 / positives / levels
                every += right / positives / levels
            precision += of_class
            if area == 0:
                out[12 + kind] = of_class
        if there == 0:
            continue
        if area == 0:
            out[0], out[1], out[2] = precision / there, at_50 / there, at_75 / there
            out[6], out[7], out[8] = first / there, ten / there, every / there
        else:
            out[2 + area], out[8 + area] = precision / there, every / there
