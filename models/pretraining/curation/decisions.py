"""Decide which clips to keep, from their metadata and frames. Pure: no file is read and no model is run."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from statistics import median_low
from typing import Any

from ....tasks.images.folders import shuffling_key
from .duplicates import duplicates_among, duplicates_of
from .evidence import ClipEvidence, VideoEvidence, cut
from .queries import Match, QueryClass, confirmed_class
from .settings import CurationSettings
from .sources import Video

# Reasons to keep or drop a clip, in the order in which they are checked.


class Reason(StrEnum):
    """The verdict on a clip in the manifest: the first of these that applies."""

    UNREADABLE = "unreadable"
    METADATA_UNREADABLE = "metadata-unreadable"
    NO_METADATA = "no-metadata"
    NO_CLASS = "no-class"
    TOO_SHORT = "too-short"
    UNCONFIRMED = "unconfirmed"
    DUPLICATE_OF_EVALUATION = "duplicate-of-evaluation"
    DUPLICATE = "duplicate"
    OVER_QUOTA = "over-quota"
    KEPT = "kept"
    SAMPLED = "sampled"
    NOT_SAMPLED = "not-sampled"


EXPLANATIONS: dict[Reason, str] = {
    Reason.UNREADABLE: "the video, or the requested frames, cannot be decoded",
    Reason.METADATA_UNREADABLE: "it has a metadata file that cannot be read; the manifest says why",
    Reason.NO_METADATA: "it has no metadata file",
    Reason.NO_CLASS: "title, tags and other searched fields name no class",
    Reason.TOO_SHORT: "shorter than the shortest clip allowed",
    Reason.UNCONFIRMED: "the classifier does not find the class named in the metadata",
    Reason.DUPLICATE_OF_EVALUATION: "nearly identical to an evaluation image",
    Reason.DUPLICATE: "nearly identical to an earlier clip",
    Reason.OVER_QUOTA: "its class already has enough clips",
    Reason.KEPT: "confirmed, and within the quota of its class",
    Reason.SAMPLED: "drawn at random for the uncurated ablation",
    Reason.NOT_SAMPLED: "not drawn for the uncurated ablation",
}
"""Explanation of each reason, for the page and the documentation."""


# Balance classes: at most the same number of clips for each.


@dataclass(frozen=True)
class Balance:
    """The result of balancing.

    Attributes:
        kept: Positions of the clips to keep, ascending.
        cap: Maximum number of clips per class.
        short: Classes with fewer clips than the cap, and how many they have; classes without clips are not included.
    """

    kept: tuple[int, ...]
    cap: int
    short: dict[int, int]


def balance(classes: Sequence[int], clip_ids: Sequence[str], per_class: int | None) -> Balance:
    """Cap every class.

    Clips of a class are kept in the order of their ids' hashes, so that a larger cap also keeps every clip that a
    smaller one keeps.

    Args:
        classes: Class of each clip.
        clip_ids: Ids of the same clips.
        per_class: The cap; by default the (lower) median count over classes that have clips.
    """
    counts = Counter(classes)
    cap = per_class if per_class is not None else (median_low(counts.values()) if counts else 0)
    members: dict[int, list[int]] = defaultdict(list)
    for position, label in enumerate(classes):
        members[label].append(position)
    positions_kept = [
        position
        for positions in members.values()
        for position in sorted(positions, key=lambda p: shuffling_key(clip_ids[p]))[:cap]
    ]
    short = {label: count for label, count in sorted(counts.items()) if count < cap}
    return Balance(tuple(sorted(positions_kept)), cap, short)


def sample(clip_ids: Sequence[str], number: int, seed: int) -> tuple[int, ...]:
    """Draw clips at random, with the class proportions of the source: the uncurated ablation.

    Args:
        clip_ids: Ids of all clips to draw from.
        number: Number of clips to draw.
        seed: Seed of the draw.

    Returns:
        Positions, ascending. They only depend on the ids and the seed.
    """
    order = sorted(range(len(clip_ids)), key=lambda p: shuffling_key(f"{seed}/{clip_ids[p]}"))
    return tuple(sorted(order[:number]))


# Decide on every clip from metadata and evidence, with pure functions: no file is read and no model is run.


@dataclass(frozen=True)
class Seen:
    """A video and everything known about it.

    Attributes:
        video: The video with its metadata.
        matches: Classes that its metadata name.
        evidence: Length, predictions and hashes.
        facts: Further columns of the manifest.
    """

    video: Video
    matches: tuple[Match, ...]
    evidence: VideoEvidence
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ClipRow:
    """A clip and the verdict on it.

    Attributes:
        seen: Its video.
        start: Start in seconds.
        end: End in seconds; 0 if the video cannot be opened.
        reason: The verdict.
        query: Position of its class: the confirmed one, else the first one named by the metadata; None if there is
            none.
        evidence: Predictions and hashes; None if it was not examined.
        duplicate_of: Id of the clip, or name of the evaluation image, that it looks like.
    """

    seen: Seen
    start: float
    end: float
    reason: Reason
    query: int | None = None
    evidence: ClipEvidence | None = None
    duplicate_of: str = ""

    @property
    def clip_id(self) -> str:
        """``"dog.mp4@10"``: video and start in seconds, to the millisecond."""
        return f"{self.seen.video.path}@{f'{self.start:.3f}'.rstrip('0').rstrip('.')}"

    @property
    def kept(self) -> bool:
        """Whether the clip is in the curated set."""
        return self.reason in (Reason.KEPT, Reason.SAMPLED)

    @property
    def problem(self) -> str:
        """What is wrong with the video, the frames or the metadata; empty if nothing is."""
        frames = self.evidence.problem if self.evidence is not None else ""
        return self.seen.evidence.problem or frames or self.seen.video.note


@dataclass(frozen=True)
class Decisions:
    """All verdicts.

    Attributes:
        rows: All clips, sorted by path and start.
        curated: Number of clips that curation keeps, also for the uncurated ablation.
        cap: Maximum number of clips per class.
        confirmed: Number of clips of each class that are confirmed and not duplicates, before the cap.
    """

    rows: tuple[ClipRow, ...]
    curated: int
    cap: int
    confirmed: Counter[int]


def clips_of(evidence: VideoEvidence, settings: CurationSettings) -> list[tuple[float, float]]:
    """(start, end) of the clips of a readable video."""
    return cut(evidence.seconds, settings.clip_seconds)


def long_enough(clip: tuple[float, float], settings: CurationSettings) -> bool:
    """Whether a clip has at least the minimum length."""
    return clip[1] - clip[0] >= settings.shortest_seconds - 1e-6


def decide(
    collection: Sequence[Seen],
    queries: Sequence[QueryClass],
    settings: CurationSettings,
    evaluation: Mapping[str, int],
) -> Decisions:
    """Give every clip its verdict.

    Args:
        collection: All videos.
        queries: The classes that matches refer to.
        settings: Thresholds and quotas.
        evaluation: Perceptual hashes of evaluation images by name.
    """
    ordered = sorted(collection, key=lambda seen: seen.video.path)
    rows = [row for seen in ordered for row in _first_look(seen, queries, settings)]
    _mark_duplicates(rows, settings, evaluation)
    open_ones = [i for i, row in enumerate(rows) if row.reason is Reason.KEPT]
    classes = [query for i in open_ones if (query := rows[i].query) is not None]
    balanced = balance(classes, [rows[i].clip_id for i in open_ones], settings.per_class)
    stay = {open_ones[position] for position in balanced.kept}
    for i in open_ones:
        if i not in stay:
            rows[i] = replace(rows[i], reason=Reason.OVER_QUOTA)
    if settings.uncurated:
        _draw(rows, len(stay), settings)
    return Decisions(tuple(rows), len(stay), balanced.cap, Counter(classes))


def _first_look(seen: Seen, queries: Sequence[QueryClass], settings: CurationSettings) -> list[ClipRow]:
    """Verdicts that only depend on the clip itself; clips that pass are KEPT for now."""
    if seen.evidence.problem:
        return [ClipRow(seen, 0.0, 0.0, Reason.UNREADABLE, seen.matches[0].query if seen.matches else None)]
    rows = []
    for position, (start, end) in enumerate(clips_of(seen.evidence, settings)):
        evidence = seen.evidence.clips.get(position)
        query = seen.matches[0].query if seen.matches else None
        if evidence is not None and evidence.problem:
            reason = Reason.UNREADABLE
        elif not seen.matches:
            reason = _why_no_class(seen.video)
        elif not long_enough((start, end), settings):
            reason = Reason.TOO_SHORT
        else:
            frames = evidence.answers if evidence is not None else ()
            confirmed = confirmed_class(frames, seen.matches, queries, settings)
            reason = Reason.UNCONFIRMED if confirmed is None else Reason.KEPT
            query = query if confirmed is None else confirmed
        rows.append(ClipRow(seen, start, end, reason, query, evidence))
    return rows


def _why_no_class(video: Video) -> Reason:
    if video.unread:
        return Reason.METADATA_UNREADABLE
    return Reason.NO_METADATA if video.note else Reason.NO_CLASS


def _mark_duplicates(rows: list[ClipRow], settings: CurationSettings, evaluation: Mapping[str, int]) -> None:
    # For the ablation, also compare clips without a class with the evaluation images, because it may draw them.
    looked = [
        i
        for i, row in enumerate(rows)
        if row.evidence and row.evidence.hashes and (row.reason is Reason.KEPT or settings.uncurated)
    ]
    hashes = {i: row.evidence.hashes for i in looked if (row := rows[i]).evidence is not None}
    for place, image in duplicates_of([hashes[i] for i in looked], evaluation, settings.hash_distance).items():
        i = looked[place]
        rows[i] = replace(rows[i], reason=Reason.DUPLICATE_OF_EVALUATION, duplicate_of=image)
    open_ones = [i for i in looked if rows[i].reason is Reason.KEPT]
    for place, earlier in duplicates_among([hashes[i] for i in open_ones], settings.hash_distance).items():
        i = open_ones[place]
        rows[i] = replace(rows[i], reason=Reason.DUPLICATE, duplicate_of=rows[open_ones[earlier]].clip_id)


_NEVER_DRAWN = (Reason.UNREADABLE, Reason.TOO_SHORT, Reason.DUPLICATE_OF_EVALUATION)


def _draw(rows: list[ClipRow], number: int, settings: CurationSettings) -> None:
    """The ablation: draw as many clips as curation keeps, at random from all clips that can be trained on."""
    pool = [
        i
        for i, row in enumerate(rows)
        if row.reason not in _NEVER_DRAWN and long_enough((row.start, row.end), settings)
    ]
    sampled = {pool[place] for place in sample([rows[i].clip_id for i in pool], number, settings.seed)}
    for i, row in enumerate(rows):
        if i in sampled:
            rows[i] = replace(row, reason=Reason.SAMPLED)
        elif row.reason not in _NEVER_DRAWN:
            # A clip without a class may also be too short; for the ablation, that is the reason that counts.
            short = not long_enough((row.start, row.end), settings)
            rows[i] = replace(row, reason=Reason.TOO_SHORT if short else Reason.NOT_SAMPLED, duplicate_of="")
