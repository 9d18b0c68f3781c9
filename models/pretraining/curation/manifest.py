"""The result of a curation: the manifest with a line for every clip, the numbers, and thumbnails."""

from __future__ import annotations

import io
import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from PIL import Image

from ....errors import DataError
from ....files import replace_file
from ....identity import digest
from ....tasks.images.folders import shuffling_key
from ....text_files import NotTextError, read_text
from .decisions import EXPLANATIONS, ClipRow, Decisions, Reason
from .duplicates import to_text
from .evidence import probe_times
from .queries import FrameAnswer, QueryClass
from .settings import CurationSettings
from .sources import Source, UnreadableVideoError

# The manifest: a line of JSON for every clip, with the verdict and all the evidence.


_HINT = "It must be a manifest.jsonl written by `bench curate`."


def plain_row(row: ClipRow, queries: Sequence[QueryClass], labels: Sequence[str], top_k: int) -> dict[str, Any]:
    """A row of the manifest as plain data; docs/curation.md explains the columns.

    Args:
        row: The clip.
        queries: The classes.
        labels: Names of the classifier's classes.
        top_k: Number of predictions to write for each frame.
    """
    evidence = row.evidence
    members = set(queries[row.query].members) if row.query is not None else set()
    times = probe_times(row.start, row.end, len(evidence.answers)) if evidence and evidence.answers else []
    columns: dict[str, Any] = {
        "clip": row.clip_id,
        "video": row.seen.video.path,
        "start": row.start,
        "end": row.end,
        "class": queries[row.query].name if row.query is not None else None,
        "kept": row.kept,
        "reason": row.reason.value,
        "duplicate_of": row.duplicate_of or None,
        "matches": [{"class": queries[m.query].name, "term": m.term, "field": m.field} for m in row.seen.matches],
        "frames": [
            _frame(time, answer, members, labels, top_k)
            for time, answer in zip(times, evidence.answers if evidence else (), strict=True)
        ],
        "hashes": [to_text(value) for value in evidence.hashes] if evidence else [],
        "problem": row.problem or None,
    }
    return {**columns, **row.seen.facts}


def _frame(time: float, answer: FrameAnswer, members: set[int], labels: Sequence[str], top_k: int) -> dict[str, Any]:
    of_class = [c for label, c in zip(answer.labels, answer.confidences, strict=True) if label in members]
    return {
        "time": round(time, 3),
        "label": labels[answer.labels[0]],
        "confidence": answer.confidences[0],
        "class_confidence": max(of_class, default=None),
        "top": [[labels[label], c] for label, c in list(zip(answer.labels, answer.confidences, strict=True))[:top_k]],
    }


def read_manifest(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a manifest.

    Raises:
        DataError: It cannot be read, or a line is not a row; the message names the line.
    """
    number = 0
    try:
        for number, line in enumerate(io.StringIO(read_text(path)), start=1):
            row = json.loads(line)
            if not isinstance(row, dict) or not isinstance(row.get("kept"), bool):
                raise DataError(f"{path}, line {number} is not a row of a manifest. {_HINT}")
            yield row
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}. {_HINT}") from None
    except NotTextError as error:
        raise DataError(f"{path} cannot be read: {error}. {_HINT}") from None
    except ValueError as error:
        raise DataError(f"{path}, line {number or 1} is not JSON ({error}). {_HINT}") from None


def micro_clips_from_manifest(path: Path) -> list[tuple[int, int]]:
    """The kept clips of a manifest of the micro-world, for a trainer.

    Args:
        path: ``manifest.jsonl`` of ``bench curate --source microworld``.

    Returns:
        (index in the set "train", true class or -1 for none) of each clip, in the order of the manifest. Get the frames
        with `vitobench.tasks.microworld.skewed.skewed_frames` and the seed from `micro_seed_of_manifest`. A copy
        in the source has the index of its original.

    Raises:
        DataError: It is not such a manifest, or keeps no clips.
    """
    clips = []
    for row in read_manifest(path):
        if row["kept"]:
            index, shows = (_micro(row, path)[key] for key in ("index", "class"))
            clips.append((int(index), int(shows)))
    if not clips:
        raise DataError(f"{path} keeps no clips; loosen the settings of `bench curate`.")
    return clips


def micro_seed_of_manifest(path: Path) -> int:
    """Seed of the world that a manifest's clips come from.

    Raises:
        DataError: It is not a manifest of the micro-world.
    """
    for row in read_manifest(path):
        return int(_micro(row, path)["seed"])
    raise DataError(f"{path} is empty. {_HINT}")


def _micro(row: dict[str, Any], path: Path) -> dict[str, Any]:
    facts = row.get("micro")
    if not isinstance(facts, dict) or any(type(facts.get(key)) is not int for key in ("index", "class", "seed")):
        raise DataError(
            f"{path} is not a manifest of the micro-world; make one with `bench curate --source microworld`."
        )
    return facts


# Measure how balanced and how pure a set of clips is.


def entropy(counts: Iterable[int]) -> float:
    """Entropy of a distribution given by counts, in bits: ``-sum p log2 p``; 0 without counts."""
    positive = [count for count in counts if count > 0]
    total = sum(positive)
    return -sum(c / total * math.log2(c / total) for c in positive) if total else 0.0


def purity(labels: Sequence[int | None], truth: Sequence[int]) -> float | None:
    """Share of clips whose class is the true one; None without clips.

    Args:
        labels: Class of each clip, or None.
        truth: True class of each clip, -1 for no object.
    """
    return sum(a == b for a, b in zip(labels, truth, strict=True)) / len(labels) if labels else None


# The result of a curation in numbers.


_NAMED = 20
"""Number of videos with metadata problems to name; the manifest names all of them."""


def summarise(decisions: Decisions, queries: Sequence[QueryClass], settings: CurationSettings) -> dict[str, Any]:
    """Counts and distributions as plain data.

    Args:
        decisions: The verdicts.
        queries: The classes.
        settings: The settings of the curation.

    Returns:
        ``settings``; ``clips``, ``kept`` and ``would_curate``; ``reasons`` (count and explanation of each that occurs);
        ``classes`` (a row for each class named by any clip: candidates, confirmed, kept, short); ``cap``;
        ``classes_asked``, ``classes_named``, ``classes_kept``, ``classes_short``; entropies in bits of the named
        classes before and after; ``metadata_problems`` (videos with missing or unreadable metadata) and some of them by
        name; ``truth`` if the true classes are known (micro-world).
    """
    rows = decisions.rows
    counts = Counter(row.reason for row in rows)
    before = Counter(row.query for row in rows if row.query is not None)
    after = Counter(row.query for row in rows if row.kept and row.query is not None)
    classes = [
        {
            "class": queries[query].name,
            "candidates": before[query],
            "confirmed": decisions.confirmed[query],
            "kept": after[query],
            "short": max(0, decisions.cap - decisions.confirmed[query]),
        }
        for query in sorted(before, key=lambda q: (-before[q], q))
    ]
    # Unreadable metadata first, because the user can fix these; missing ones usually cannot be found.
    videos = sorted((row.seen.video for row in rows), key=lambda video: not video.unread)
    notes = {video.path: video.note for video in videos if video.note}
    result: dict[str, Any] = {
        "settings": asdict(settings),
        "videos": len({row.seen.video.path for row in rows}),
        "clips": len(rows),
        "kept": sum(row.kept for row in rows),
        "would_curate": decisions.curated,
        "reasons": [
            {"reason": reason.value, "clips": counts[reason], "meaning": EXPLANATIONS[reason]}
            for reason in Reason
            if counts[reason]
        ],
        "cap": decisions.cap,
        "classes_asked": len(queries),
        "classes_named": len(before),
        "classes_kept": len(after),
        "classes_short": sum(1 for query in range(len(queries)) if decisions.confirmed[query] < decisions.cap),
        "entropy_before": round(entropy(before.values()), 4),
        "entropy_after": round(entropy(after.values()), 4),
        "classes": classes,
        "metadata_problems": len(notes),
        "metadata_problem_examples": [{"video": video, "problem": notes[video]} for video in list(notes)[:_NAMED]],
    }
    truth = _truth(decisions)
    return {**result, "truth": truth} if truth else result


def _truth(decisions: Decisions) -> dict[str, Any]:
    """Balance and purity by the true classes of clips, if the source knows them."""
    with_truth = [row for row in decisions.rows if "micro" in row.seen.facts]
    if not with_truth:
        return {}
    result: dict[str, Any] = {}
    for name, rows in (("before", with_truth), ("after", [row for row in with_truth if row.kept])):
        true_classes = [int(row.seen.facts["micro"]["class"]) for row in rows]
        share = purity([row.query for row in rows], true_classes)
        result[f"entropy_{name}"] = round(entropy(Counter(s for s in true_classes if s >= 0).values()), 4)
        result[f"purity_{name}"] = None if share is None else round(share, 4)
        result[f"empty_{name}"] = sum(s < 0 for s in true_classes)
    return result


# Choose the clips for the page, and make a thumbnail of each.


_SIDE = 112


def choose_shown(rows: Sequence[ClipRow], per_verdict: int) -> list[ClipRow]:
    """Some clips of every verdict, chosen by their ids alone, sorted by verdict and then as in the manifest.

    Args:
        rows: All clips.
        per_verdict: Maximum number of clips per verdict.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for position, row in enumerate(rows):
        groups[row.reason].append(position)
    selection = []
    for reason in type(rows[0].reason) if rows else ():
        sampled = sorted(groups[reason], key=lambda p: shuffling_key(rows[p].clip_id))[:per_verdict]
        selection += [rows[p] for p in sorted(sampled)]
    return selection


def thumbnail(source: Source, row: ClipRow, folder: Path, content: str = "") -> bytes | None:
    """The middle frame of a clip as a small JPEG, cached in a folder.

    Args:
        source: The videos.
        row: The clip.
        folder: Cache of thumbnails.
        content: Digest of the video, so that another video of the same name and length gets its own thumbnails.

    Returns:
        Bytes of the JPEG; None if the frame cannot be decoded.
    """
    cached = folder / f"{digest([content, row.clip_id, row.end, row.seen.evidence.seconds, _SIDE])[:32]}.jpg"
    with suppress(OSError):
        return cached.read_bytes()
    if row.seen.evidence.problem:
        return None
    try:
        frame = source.frames(row.seen.video.path, [(row.start + row.end) / 2], _SIDE)[0]
    except UnreadableVideoError:
        return None
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, "JPEG", quality=80)
    with suppress(OSError):  # without the cache, the next run makes the thumbnail again
        replace_file(cached, buffer.getvalue())
    return buffer.getvalue()
