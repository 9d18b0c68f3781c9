"""The manifest: a line of JSON for every clip, with the verdict and all the evidence."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ....errors import DataError
from ....text_files import NotTextError, read_text
from .confirming import FrameAnswer
from .cutting import probe_times
from .decisions import ClipRow
from .perceptual_hash import to_text
from .queries import QueryClass

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
        with `vitobench.tasks.data.microworld.skewed.skewed_frames` and the seed from `micro_seed_of_manifest`. A copy
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
