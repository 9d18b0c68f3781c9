"""Tasks on frames in time: sequences of growing perturbations (ImageNet-P), and frames around an anchor (pm-k)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ...results.schema import View
from .kind import Kind, Means, Measure, Units, column, mean_of, proportion

if TYPE_CHECKING:
    import numpy as np

    from ..labels import Truth
    from ..scoring.samples import Answers
    from ..task import Task


# Tasks on sequences of perturbed frames (Hendrycks & Dietterich, ICLR 2019, ImageNet-P).


FLIP, DISTANCE = "flip_probability", "top5_distance"
_MEANS = {FLIP: "mean_flip_rate", DISTANCE: "mean_top5_distance"}


def _of(metric: str, perturbation: str) -> str:
    return f"{metric}, {perturbation}"


def perturbations(task: Task, truth: Truth) -> tuple[str, ...]:
    """The perturbations of a task: its conditions where they are named so, else those that are known."""
    names = tuple(condition.name for condition in task.conditions)
    return names if any(name in truth.sequences for name in names) else tuple(truth.sequences)


class Sequences(Kind):
    """Flip probability and top-5 distance under each perturbation, and their means over the reference's."""

    name = "sequences"
    views = (View.SHIFT,)
    keeps_ranks = True
    needs = ("sequences",)

    def units(self, task: Task, answers: Answers, clean: Answers | None, truth: Truth) -> Units:
        """Columns: flip probability under each perturbation, then top-5 distance under each.

        A source image that lacks a frame under one perturbation is left out of all, so that every column is about the
        same sources; a perturbation without any complete sequence is a missing value.
        """
        import numpy as np

        from ..measures import against_first, flip_probability, top5_distance

        names = perturbations(task, truth)
        conditions = {condition.name: n for n, condition in enumerate(task.conditions)}
        row = {str(i): n for n, i in enumerate(answers.image_ids)}
        frames_of: dict[str, dict[str, list[int]]] = {}
        for name in names:
            asked = answers.decisions[:, conditions.get(name, 0)] >= 0
            frames_of[name] = {}
            for source, frames in truth.sequences.get(name, {}).items():
                rows = [row.get(frame, -1) for frame in frames]
                if len(rows) > 1 and min(rows) >= 0 and asked[rows].all():
                    frames_of[name][source] = rows
        measured = [set(frames_of[name]) for name in names if frames_of[name]]
        sources = sorted(set.intersection(*measured)) if measured else []
        values = np.full((len(sources), 2 * len(names)), np.nan)
        for number, name in enumerate(names):
            if not frames_of[name] or not sources:
                continue
            sequences = [frames_of[name][source] for source in sources]
            lengths = np.array([len(rows) for rows in sequences])
            frames_in_order = np.concatenate(sequences)
            condition, first = conditions.get(name, 0), against_first(name)
            values[:, number] = flip_probability(answers.decisions[frames_in_order, condition], lengths, first)
            if answers.top is not None:
                values[:, len(names) + number] = top5_distance(answers.top[frames_in_order, condition], lengths, first)
        labels = [answers.labels[next(f[s] for f in frames_of.values() if f)[0]] for s in sources]
        columns = tuple(_of(metric, name) for metric in (FLIP, DISTANCE) for name in names)
        return Units(np.array(sources, dtype=np.str_), columns, values, np.array(labels, dtype=np.int64))

    def measures(self, task: Task, truth: Truth) -> list[Measure]:
        """Perturbations of the family ``"extra"`` have separate numbers and enter no mean."""
        names = perturbations(task, truth)
        standard = [name for name in names if name not in task.families.get("extra", ())]
        never = f"{task.reference or 'the reference'} never changes its prediction under some perturbation"
        measures: list[Measure] = []
        for metric, mean_metric in _MEANS.items():
            entering = tuple(_of(metric, name) for name in standard)
            measures.append(Measure("overall", metric, mean_of(entering), entering))
            measures += [column(name, metric, _of(metric, name)) for name in names]
            if task.reference is not None:
                rate = _mean_rate(entering)
                measures.append(Measure("overall", mean_metric, rate, entering, needs_reference=True, undefined=never))
        return measures


def _mean_rate(names: tuple[str, ...]) -> Callable[[Means], np.ndarray]:
    def compute(means: Means) -> np.ndarray:
        from ..measures import mean_rate

        return mean_rate(means.of(names), means.normaliser.of(names))

    return compute


SEQUENCES = Sequences()


# Tasks on frames of videos around an anchor (Shankar et al., ICCV 2021, pm-k).


ANCHOR, ALL_FRAMES = "anchor", "all frames"


class Video(Kind):
    """Share of anchors that are right, alone and with all their neighbours."""

    name = "video"
    views = (View.SHIFT,)
    needs = ("anchors", "accepted")

    def units(self, task: Task, answers: Answers, clean: Answers | None, truth: Truth) -> Units:
        """Columns: the anchor is right; it and all its neighbours are. An anchor that lacks a frame is left out."""
        import numpy as np

        from ..measures import accepted_correct, pm_k

        right = answers.correct[:, 0]
        if truth.accepted:
            sets = [truth.accepted.get(str(i), ()) for i in answers.image_ids]
            right = accepted_correct(answers.decisions[:, 0], sets)
        row = {str(i): n for n, i in enumerate(answers.image_ids)}
        whole = sorted(a for a, near in truth.anchors.items() if a in row and all(frame in row for frame in near))
        anchors = np.array([row[a] for a in whole], dtype=np.int64)
        near = [np.array([row[frame] for frame in truth.anchors[a]], dtype=np.int64) for a in whole]
        no_neighbours = [np.empty(0, np.int64)] * len(whole)
        values = np.column_stack([pm_k(anchors, no_neighbours, right), pm_k(anchors, near, right)])
        return Units(np.array(whole, dtype=np.str_), (ANCHOR, ALL_FRAMES), values, answers.labels[anchors])

    def measures(self, task: Task, truth: Truth) -> list[Measure]:
        """pm-0 and pm-10."""
        return [proportion("overall", "pm0", ANCHOR), proportion("overall", "pm10", ALL_FRAMES)]


VIDEO = Video()
