"""Classes of images, named by heads on an encoder's frozen features: its nearest neighbours, and linear classifiers.

The features of the images that heads learn from are read once, and all heads are fitted to them: the vote of the
nearest neighbours (Wu et al., CVPR 2018, with the settings of Caron et al., ICCV 2021), a linear classifier, and linear
classifiers that see a part of these images only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ...errors import DataError
from ...identity import digest
from .protocol import FeatureProtocol, Numbers

if TYPE_CHECKING:
    import numpy as np

    from ...classifiers import Coefficients
    from ..images.source import ImageSource
    from .protocol import Encoder

NEIGHBOURS, LINEAR = "knn", "linear"
TRUE = "true"

MEASURES = {"class": (0.0, 100_000.0)}
"""What is stored of each image: the class that each head names, such as ``"linear class"``, and ``"true class"``."""

PENALTIES = (1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
"""L2 penalties from which a linear head chooses, strong ones first, as `bench probe` does; the first of equals wins."""

_BATCH = 100
"""Images that are read and encoded at once."""

_KEPT = 32
"""Encoders whose heads are kept: a run asks all its models for each part of a set."""

_FEWEST = 5

_VERSION = 1
"""Raised when numbers of the same settings change."""


class LabelledSets(Protocol):
    """A source of images whose classes are asked, and others from which heads learn.

    Attributes:
        image_ids: Of the images that are asked.
        learning: The others, with their classes as labels.
        validation: bool (n,), which of the others penalties are chosen on; None for every fifth.
        shots: Positions of the others that a part of them consists of, by its share; empty where parts are drawn.
        fitted: Heads that were fitted to the others, by encoder and settings; kept for the next images of a run.
        digest: Names all images and their classes.
    """

    image_ids: Sequence[str]
    learning: ImageSource
    validation: np.ndarray | None
    shots: Mapping[float, np.ndarray]
    fitted: dict[tuple[str, str], Any]
    digest: str

    def class_of(self, position: int) -> int:
        """Class of an image that is asked, from 0."""
        ...


@dataclass(frozen=True)
class Classifying(FeatureProtocol):
    """How features become classes.

    Attributes:
        classes: How many there are.
        neighbours: How many vote.
        temperature: A neighbour's vote has the weight exp(cosine / temperature).
        whole: Whether there are heads that learn from all images: the neighbours and a linear one.
        shares: For each a further linear head, which learns from this share of each class.
        each: Images of each class that count as all, drawn by their names; 0 for every image.
        by_class: Whether the main number is the mean of the classes' accuracies.
        most: Most images to learn from, the first ones; 0 for all. For estimates of time.
    """

    classes: int
    neighbours: int = 20
    temperature: float = 0.07
    whole: bool = True
    shares: tuple[float, ...] = ()
    each: int = 0
    by_class: bool = False
    most: int = 0

    @property
    def heads(self) -> tuple[str, ...]:
        """Names of the heads: ``"knn"``, ``"linear"``, ``"linear-10"`` for a tenth of the images."""
        return (*((NEIGHBOURS, LINEAR) if self.whole else ()), *map(head_of, self.shares))

    def facts(self) -> dict[str, Any]:
        """See `FeatureProtocol.facts`."""
        facts = {name: value for name, value in asdict(self).items() if name != "by_class"}  # no matter of the heads
        return {"classifying": _VERSION, "penalties": list(PENALTIES), **facts, "shares": list(self.shares)}

    def together(self, source: ImageSource, positions: Sequence[int]) -> list[list[int]]:
        """Batches of images."""
        return [list(positions[start : start + _BATCH]) for start in range(0, len(positions), _BATCH)]

    def examiner(self, encoder: Encoder | str, source: ImageSource) -> ClassExaminer:
        """See `FeatureProtocol.examiner`."""
        if not hasattr(source, "learning") or not hasattr(source, "class_of"):
            raise ValueError(f"the images of {source.name} have no others with classes to learn from")
        if isinstance(encoder, str):
            raise ValueError(f"{encoder} has no features")
        return ClassExaminer(self, encoder, source)  # type: ignore[arg-type]

    def learns(self, source: ImageSource) -> int:
        """See `FeatureProtocol.learns`."""
        return len(self.positions(source))  # type: ignore[arg-type]

    def brief(self) -> Classifying:
        """See `FeatureProtocol.brief`."""
        return Classifying(self.classes, self.neighbours, self.temperature, most=_FEWEST)

    def positions(self, sets: LabelledSets) -> np.ndarray:
        """Which images any head learns from: int64, rising."""
        import numpy as np

        if self.whole:
            return self._all(sets)
        return np.unique(np.concatenate([self.part(sets, share) for share in self.shares]))

    def part(self, sets: LabelledSets, share: float) -> np.ndarray:
        """Which images the head of a share learns from: int64, rising; the published ones where there are any."""
        import numpy as np

        if sets.shots:
            return np.sort(sets.shots[share])
        whole = self._all(sets)
        ids = [sets.learning.image_ids[position] for position in whole.tolist()]
        chosen: np.ndarray = whole[drawn(ids, sets.learning.labels[whole], share=share)]
        return chosen

    def _all(self, sets: LabelledSets) -> np.ndarray:
        import numpy as np

        if self.each:
            return drawn(sets.learning.image_ids, sets.learning.labels, each=self.each)
        whole = np.arange(len(sets.learning.image_ids))
        return whole[: self.most] if self.most else whole


@dataclass(frozen=True)
class Heads:
    """What was fitted to the features of an encoder.

    Attributes:
        bank: float16 (n, D), the features, mapped from a file.
        labels: int64 (n,), their classes.
        linear: By name of the head: the classes that it knows, int64 (K,), and their weights, for raw features.
    """

    bank: np.ndarray
    labels: np.ndarray
    linear: Mapping[str, tuple[np.ndarray, Coefficients]]


class ClassExaminer:
    """One encoder on images; see `protocol.Examiner`. Heads are fitted before the first image is judged."""

    def __init__(self, how: Classifying, encoder: Encoder, sets: LabelledSets) -> None:
        self._how, self._encoder, self._sets = how, encoder, sets

    def numbers(self, positions: Sequence[int]) -> Numbers:
        """The class that each head names, and the true one.

        Raises:
            DataError: An image from which heads learn cannot be used; they would be other heads without it.
        """
        import numpy as np

        from ..images.source import LoadFailure

        heads = self.heads()
        features, unread = self._encoder.features(self._sets, positions)  # type: ignore[arg-type]
        failed = {positions[n]: why for n, why in unread.items()}
        finite = np.isfinite(features).all(axis=1)
        for n in np.flatnonzero(~finite).tolist():
            failed.setdefault(positions[n], LoadFailure("its features are not all finite", transient=False))
        good = np.array([n for n in range(len(positions)) if positions[n] not in failed], dtype=np.int64)
        if not len(good):
            return Numbers(good, {}, failed)
        found = self._named(heads, features[good])
        asked = np.asarray(positions, dtype=np.int64)[good]
        found[TRUE] = np.array([self._sets.class_of(position) for position in asked.tolist()])
        return Numbers(asked, {f"{name} class": own.astype(np.float64) for name, own in found.items()}, failed)

    def _named(self, heads: Heads, features: np.ndarray) -> dict[str, np.ndarray]:
        """int64 (n,) by head."""
        import torch

        from ...classifiers import neighbour_votes

        how, queries = self._how, torch.from_numpy(features).to(self._encoder.device)
        found = {}
        if how.whole:
            bank, labels = heads.bank, torch.from_numpy(heads.labels)
            votes = neighbour_votes(bank, labels, queries, how.classes, how.neighbours, how.temperature, lengths=True)
            found[NEIGHBOURS] = votes.argmax(dim=1).cpu().numpy()
        for name, (known, (weight, bias)) in heads.linear.items():
            found[name] = known[(queries @ weight.T + bias).argmax(dim=1).cpu().numpy()]
        return found

    def heads(self) -> Heads:
        """The heads of this encoder, fitted once for the images and settings."""
        key = (self._encoder.identity, digest([self._sets.digest, self._how.facts()]))
        fitted = self._sets.fitted
        if key not in fitted:
            heads = self._fitted()
            while len(fitted) >= _KEPT:
                fitted.pop(next(iter(fitted)))
            fitted[key] = heads
        heads = fitted[key]
        return heads

    def _fitted(self) -> Heads:
        import numpy as np

        how, learning = self._how, self._sets.learning
        positions = how.positions(self._sets)
        if len(positions) < _FEWEST:
            raise DataError(f"heads need {_FEWEST} images or more to learn from; there are {len(positions)}")
        features = self._encoder.learned(learning, positions)
        self._check(features, positions)
        labels = np.asarray(learning.labels)[positions]
        linear = {LINEAR: self._linear(features, labels, positions)} if how.whole else {}
        for share in how.shares:
            rows = np.flatnonzero(np.isin(positions, how.part(self._sets, share)))
            if len(rows) < _FEWEST:
                raise DataError(f"{share:.0%} of the images to learn from are {len(rows)}; {_FEWEST} are needed")
            linear[head_of(share)] = self._linear(features[rows], labels[rows], positions[rows])
        return Heads(features, labels, linear)

    def _linear(
        self, features: np.ndarray, labels: np.ndarray, positions: np.ndarray
    ) -> tuple[np.ndarray, Coefficients]:
        """The classes of some images, and a classifier among them."""
        import numpy as np
        import torch

        from ...classifiers import fit_validated

        known, own = np.unique(labels, return_inverse=True)
        held = np.arange(len(labels)) % _FEWEST == _FEWEST - 1
        if self._sets.validation is not None:
            published = self._sets.validation[positions]
            held = published if published.any() and not published.all() else held
        with torch.inference_mode(False), torch.enable_grad():
            fitted = fit_validated(
                features,
                torch.from_numpy(own),
                len(known),
                PENALTIES,
                torch.from_numpy(held),
                warm=True,
                device=self._encoder.device,
            )
        return known, fitted.raw

    def _check(self, features: np.ndarray, positions: np.ndarray) -> None:
        """Refuse features of images that cannot be read, or that half precision does not hold."""
        import numpy as np

        step = 65_536
        for start in range(0, len(features), step):
            rows = np.isfinite(features[start : start + step]).all(axis=1)
            if not rows.all():
                place = int(positions[start + int(np.flatnonzero(~rows)[0])])
                raise DataError(
                    f"{self._sets.learning.image_ids[place]}, from which heads learn, cannot be read or has features "
                    "that are not finite in half precision; heads would be others without it"
                )


def head_of(share: float) -> str:
    """Name of the linear head that sees a share of the images."""
    return f"{LINEAR}-{100 * share:g}"


def drawn(
    image_ids: Sequence[str], labels: np.ndarray, *, share: float | None = None, each: int | None = None
) -> np.ndarray:
    """A part of some images that holds as much of every class, and depends on their names alone.

    Images of a class are ordered by a hash of their names, and the first are taken: a smaller part is inside a larger
    one, and a further image changes only its own class.

    Args:
        image_ids: n names.
        labels: int (n,), classes.
        share: Of each class, rounded, and at least one image of it.
        each: Images of each class, or all where it has fewer; if no share is given.

    Returns:
        int64 positions, rising.
    """
    import numpy as np

    if (share is None) == (each is None):
        raise ValueError("give a share of each class or a number of images, not both")
    keys = [hashlib.blake2b(name.encode("utf-8", "surrogateescape"), digest_size=8).digest() for name in image_ids]
    ranks = np.empty(len(keys), dtype=np.int64)
    ranks[sorted(range(len(keys)), key=lambda n: (keys[n], image_ids[n]))] = np.arange(len(keys))
    own = np.asarray(labels)
    order = np.lexsort((ranks, own))
    counts = np.unique(own, return_counts=True)[1]
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    kept = []
    for start, count in zip(starts.tolist(), counts.tolist(), strict=True):
        taken = max(1, round(share * count)) if share is not None else min(each or 0, count)
        kept.append(order[start : start + taken])
    return np.sort(np.concatenate(kept))
