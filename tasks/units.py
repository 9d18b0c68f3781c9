"""From answers to the rows that are resampled: images, anchors of videos, or sequences, each with its columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .alignment.shape_bias import cue_hits
from .answers import Answers
from .robustness.groups import accepted_correct, pm_k, top_k_correct
from .robustness.stability import against_first, flip_probability, top5_distance
from .task import Task
from .truth import Truth


@dataclass(frozen=True)
class Units:
    """What one model did, a row for each unit that the bootstrap draws.

    Attributes:
        ids: (n,), sorted: image ids, anchors or sources of sequences.
        values: (n, columns), float32 for whole numbers and confidences, else float64; NaN in a column without answers.
        labels: int64 (n,).
        ranked: Columns of confidence and correctness, where measures depend on the order of the one; their numbers
            follow the columns' means, see `measures.plain_measures`.
    """

    ids: np.ndarray
    values: np.ndarray
    labels: np.ndarray
    ranked: tuple[int, int] | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def on(self, ids: np.ndarray) -> np.ndarray:
        """Values of these units, all of which must be present."""
        return self.values[np.searchsorted(self.ids, ids)]


def units_of(task: Task, answers: Answers, clean: Answers | None, truth: Truth, names: Sequence[str]) -> Units:
    """Units and columns of one model, as the measures of the task's kind expect them.

    Args:
        task: What was asked.
        answers: Of one model.
        clean: Its answers to the clean counterpart; corruptions only.
        truth: Facts about the images.
        names: Names of the classes; cue conflict only.
    """
    match task.kind:
        case "cue-conflict":
            return _cue_conflict(answers, truth, len(names))
        case "corruptions":
            return _corruptions(answers, clean)
        case "multi-label":
            return _multi_label(answers, truth)
        case "video":
            return _video(answers, truth)
        case "sequences":
            return _sequences(task, answers, truth)
    return _plain(answers)


def _plain(answers: Answers) -> Units:
    top = answers.top
    five = top_k_correct(top[:, 0], answers.labels) if top is not None else np.full(len(answers), np.nan)
    values = np.column_stack([answers.correct[:, 0], five, answers.confidence[:, 0]]).astype(np.float32)
    return Units(answers.image_ids, values, answers.labels, ranked=(2, 0))


def _corruptions(answers: Answers, clean: Answers | None) -> Units:
    ids = answers.image_ids
    untouched = np.full((len(ids), 1), np.nan, dtype=np.float32)
    if clean is not None and np.isin(ids, clean.image_ids).all():
        untouched = clean.correct[clean.rows(ids), :1]
    return Units(ids, np.hstack([answers.correct, untouched]), answers.labels)


def _cue_conflict(answers: Answers, truth: Truth, classes: int) -> Units:
    decided = answers.decisions[:, 0]
    shown = np.array([truth.textures[str(i)] for i in answers.image_ids], dtype=np.int64)
    by_shape, by_texture = cue_hits(decided, answers.labels, shown)
    member = answers.labels[:, None] == np.arange(classes)[None, :]
    values = np.column_stack(
        [answers.correct[:, 0], by_shape, by_texture, by_shape[:, None] & member, by_texture[:, None] & member]
    )
    return Units(answers.image_ids, values.astype(np.float32), answers.labels)


def _multi_label(answers: Answers, truth: Truth) -> Units:
    sets = [truth.accepted.get(str(i), ()) for i in answers.image_ids]
    # Images for which people accept no class say nothing about a model; ReaL leaves them out.
    kept = np.flatnonzero([len(classes) > 0 for classes in sets])
    right = accepted_correct(answers.decisions[kept, 0], [sets[n] for n in kept.tolist()])
    return Units(answers.image_ids[kept], right[:, None], answers.labels[kept])


def _video(answers: Answers, truth: Truth) -> Units:
    """Columns: the anchor is right; the anchor and all its neighbours are. An anchor that lacks a frame is left out."""
    right = answers.correct[:, 0]
    if truth.accepted:
        sets = [truth.accepted.get(str(i), ()) for i in answers.image_ids]
        right = accepted_correct(answers.decisions[:, 0], sets)
    row = {str(i): n for n, i in enumerate(answers.image_ids)}
    whole = sorted(a for a, near in truth.anchors.items() if a in row and all(frame in row for frame in near))
    anchors = np.array([row[a] for a in whole], dtype=np.int64)
    near = [np.array([row[frame] for frame in truth.anchors[a]], dtype=np.int64) for a in whole]
    nobody = [np.empty(0, np.int64)] * len(whole)
    values = np.column_stack([pm_k(anchors, nobody, right), pm_k(anchors, near, right)])
    return Units(np.array(whole, dtype=np.str_), values, answers.labels[anchors])


def perturbations(task: Task, truth: Truth) -> tuple[str, ...]:
    """The perturbations of a task of sequences: its conditions where they are named so, else those that are known."""
    names = tuple(condition.name for condition in task.conditions)
    return names if any(name in truth.sequences for name in names) else tuple(truth.sequences)


def _sequences(task: Task, answers: Answers, truth: Truth) -> Units:
    """Columns: flip probability under each perturbation, then top-5 distance under each.

    A source image that lacks a frame under one perturbation is left out of all, so that every column speaks of the same
    sources; a perturbation that has no whole sequence at all is a hole.
    """
    names = perturbations(task, truth)
    columns = {condition.name: n for n, condition in enumerate(task.conditions)}
    row = {str(i): n for n, i in enumerate(answers.image_ids)}
    found: dict[str, dict[str, list[int]]] = {}
    for name in names:
        asked = answers.decisions[:, columns.get(name, 0)] >= 0
        found[name] = {}
        for source, frames in truth.sequences.get(name, {}).items():
            rows = [row.get(frame, -1) for frame in frames]
            if len(rows) > 1 and min(rows) >= 0 and asked[rows].all():
                found[name][source] = rows
    measured = [set(found[name]) for name in names if found[name]]
    sources = sorted(set.intersection(*measured)) if measured else []
    values = np.full((len(sources), 2 * len(names)), np.nan)
    for number, name in enumerate(names):
        if not found[name] or not sources:
            continue
        sequences = [found[name][source] for source in sources]
        lengths = np.array([len(rows) for rows in sequences])
        shown = np.concatenate(sequences)
        column, first = columns.get(name, 0), against_first(name)
        values[:, number] = flip_probability(answers.decisions[shown, column], lengths, first)
        if answers.top is not None:
            values[:, len(names) + number] = top5_distance(answers.top[shown, column], lengths, first)
    labels = np.array([answers.labels[next(f[s] for f in found.values() if f)[0]] for s in sources], dtype=np.int64)
    return Units(np.array(sources, dtype=np.str_), values, labels)
