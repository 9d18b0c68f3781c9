"""Actions: heads on features that know everything or nothing of the order of frames, and the clips of the twin."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from vitobench.errors import DataError
from vitobench.tasks.microworld.action_clips import FRAMES, MicroActions, MicroArrow, moving
from vitobench.tasks.microworld.scene import frame_rows
from vitobench.tasks.microworld.sets import MicroSet
from vitobench.tasks.microworld.vocabulary import ACTIONS, AXES, CAMERA, CLIP_SECONDS, ROTATION
from vitobench.tasks.understanding.actions import COLOURS, HEADS, Recognising, inputs, shifts
from vitobench.tasks.understanding.protocol import LearningExaminer


@dataclass
class Squares:
    """Clips of a bright square on black: it goes right (0) or left (1), from any place; each clip and its reversal."""

    count: int
    seed: int
    name: str = "squares"
    fitted: dict[tuple[str, str], Any] = field(default_factory=dict)
    broken: frozenset[int] = frozenset()

    @property
    def digest(self) -> str:
        return f"squares-{self.count}-{self.seed}"

    @property
    def learning(self) -> Squares:
        return self._learning

    def __post_init__(self) -> None:
        self._learning = self if self.seed else Squares(60, 1)

    def __len__(self) -> int:
        return self.count

    def action_of(self, position: int) -> int:
        return position % 2

    def group_of(self, position: int) -> int:
        return position // 2

    def splits_of(self, position: int) -> tuple[int, ...]:
        return (0,)

    def clip(self, position: int) -> np.ndarray:
        if position in self.broken:
            raise DataError(f"the clip {position} has no frames")
        top, left = np.random.default_rng([self.seed, position // 2]).integers(4, 12, 2)
        frames = np.zeros((5, 32, 32, 3), np.uint8)
        for number in range(5):
            frames[number, top : top + 8, left + 2 * number : left + 2 * number + 8] = 200
        return frames[::-1] if position % 2 else frames


@dataclass
class Pixels:
    name: str = "pixels"
    identity: str = "pixels@1"
    calls: int = 0

    def patch(self, height: int, width: int) -> int:
        return 0

    def maps(self, images: np.ndarray, within: int, stride: int) -> Tensor:
        self.calls += 1
        return torch.nn.functional.avg_pool2d(torch.from_numpy(images.copy()).permute(0, 3, 1, 2).float(), 2)


HOW = Recognising(("right", "left"), cells=4)


def accuracies(values: Any) -> dict[str, float]:
    return {head: float((values[f"{head} class"] == values["true class"]).mean()) for head in HEADS}


def answers(encoder: Any, clips: Squares) -> dict[str, np.ndarray]:
    examiner = HOW.examiner(encoder, clips)  # type: ignore[arg-type]
    found = [examiner.numbers([position]).values for position in range(len(clips))]
    return {name: np.concatenate([one[name] for one in found]) for name in found[0]}


@pytest.mark.parametrize("encoder", [Pixels(), COLOURS])
def test_only_the_head_that_sees_order_tells_a_clip_from_its_reversal(encoder: Any) -> None:
    found = accuracies(answers(encoder, Squares(40, 0)))
    assert found["averaged"] == found["middle"] == 0.5  # by construction
    assert found["ordered"] > 0.9


def test_heads_are_fitted_once_for_an_encoder_and_what_fails_is_counted() -> None:
    clips, encoder = Squares(10, 0, broken=frozenset({3})), Pixels()
    for _ in range(2):  # as two passes of a run
        numbers = HOW.examiner(encoder, clips).numbers(list(range(10)))  # type: ignore[arg-type]
    assert encoder.calls == 60 + 2 * 9
    assert numbers.positions.tolist() == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    assert {p: str(f.reason) for p, f in numbers.failed.items()} == {3: "the clip 3 has no frames"}
    HOW.examiner(Pixels(identity="other@1"), clips).numbers([0])  # type: ignore[arg-type]
    assert len(clips.learning.fitted) == 2


def test_learning_says_how_far_it_is_and_is_done_once() -> None:
    clips, encoder = Squares(4, 0), Pixels()
    told: list[tuple[str, int, int]] = []
    examiner = HOW.examiner(encoder, clips)  # type: ignore[arg-type]
    assert isinstance(examiner, LearningExaminer)
    for _ in range(2):
        examiner.learn(lambda *what: told.append(what))
    assert told == [("Clips to learn from", done, 60) for done in range(61)]
    examiner.numbers([0])
    assert encoder.calls == 61
    assert HOW.learns(clips) == 60  # type: ignore[arg-type]


def test_a_few_clips_are_timed_without_heads() -> None:
    clips, encoder = Squares(4, 0), Pixels()
    examiner = HOW.brief().examiner(encoder, clips)  # type: ignore[arg-type]
    examiner.learn(lambda stage, done, total: pytest.fail("reads clips to learn from"))
    numbers = examiner.numbers([0, 1, 2])
    assert {*numbers.values} == {*(f"{head} class" for head in HEADS), "true class"}
    assert numbers.positions.tolist() == [0, 1, 2]
    assert encoder.calls == 3
    assert not clips.learning.fitted


def test_a_clip_that_heads_need_stops_the_model() -> None:
    clips = Squares(4, 0)
    clips.learning.broken = frozenset({7})
    with pytest.raises(DataError, match="heads are fitted to cannot be used: the clip 7 has no frames"):
        HOW.examiner(Pixels(), clips).numbers([0])  # type: ignore[arg-type]


def test_order_needs_three_frames() -> None:
    with pytest.raises(DataError, match="has 2 frames"):
        inputs(np.zeros((2, 3, 4, 4), np.float32), 2, 3)


def test_shifts_are_where_a_map_goes() -> None:
    rng = np.random.default_rng(1)
    wide = rng.normal(size=(64, 12, 12)).astype(np.float32)
    maps = np.stack([wide[:, 1:11, 1:11], wide[:, 1:11, 0:10]])  # what was at x is at x + 1
    found = shifts(maps, 3)
    assert found.shape == (1, 9, 3, 3)
    assert (found[0].argmax(0) == 5).all()  # no step down, one to the right
    np.testing.assert_allclose(found[0, 5], 1, atol=0.05)
    assert shifts(maps[:, :, :2], 3).size == 0


def test_the_clips_of_a_scene_share_their_middle_frame_and_no_other() -> None:
    source = MicroActions(6)
    clips = [source.clip(position) for position in range(6)]
    for clip in clips[1:]:
        np.testing.assert_array_equal(clip[FRAMES // 2], clips[0][FRAMES // 2])
        assert (clip[0] != clips[0][0]).any()
    arrow = MicroArrow(2)
    np.testing.assert_array_equal(arrow.clip(0)[::-1], arrow.clip(1))
    assert arrow.image_ids == ("arrow-val-0-000000/0", "arrow-val-0-000000/1")


def test_actions_move_what_they_name() -> None:
    scene = MicroSet("val", 1).scene(0)

    def states(action: int) -> tuple[np.ndarray, np.ndarray]:
        clip = moving(scene, action, 0.4)
        before, after = frame_rows([clip, clip], CLIP_SECONDS / 2 + np.array([0.0, 0.2]))
        return before, after

    place: Callable[[np.ndarray], np.ndarray] = lambda row: row[CAMERA : CAMERA + 3]  # noqa: E731
    for action, what in enumerate(ACTIONS):
        before, after = states(action)
        right, forward = before[AXES : AXES + 3], before[AXES + 6 : AXES + 9]
        moved = place(after) - place(before)
        front = [row[ROTATION : ROTATION + 9].reshape(3, 3) for row in (before, after)]
        # The point of the object that faces the camera, and where it is later.
        point = front[1].T @ front[0] @ -forward
        if "camera" in what:
            np.testing.assert_array_equal(*front)
            signed = moved @ forward if action < 2 else moved @ right
            assert (signed > 0.01) == ("approaches" in what or "to the right" in what)
        else:
            np.testing.assert_allclose(moved, 0)
            assert (point @ right > 0.01) == ("right" in what)
    with pytest.raises(ValueError, match="no action 6"):
        moving(scene, 6, 0.4)


def test_clips_of_the_twin_are_named_by_seed_and_scene() -> None:
    source = MicroActions(7, 3)
    assert source.image_ids[6] == "actions-val-3-000001/0"
    assert (source.learning.part, source.learning.seed, len(source.learning)) == ("train", 3, 720)
    assert MicroActions(60, 3).digest == source.digest
    assert len({source.digest, MicroActions(7, 4).digest, MicroArrow(7, 3).digest}) == 3
    source.clip(0)
    assert (MicroActions(1, -1).clip(0) != source.clip(0)).any()  # seeds may be negative
    copy = pickle.loads(pickle.dumps(source))
    assert copy.image_ids == source.image_ids
    assert "_rendered" not in copy.__dict__
    with pytest.raises(ValueError, match="Invalid length 0"):
        MicroActions(0)
