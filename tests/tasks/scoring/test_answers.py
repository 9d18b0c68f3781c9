from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd

from vitobench.results.schema import PREDICTION_COLUMNS
from vitobench.tasks import kinds
from vitobench.tasks.registry import TASKS
from vitobench.tasks.scoring.samples import Answers
from vitobench.tasks.task import Task

Rows = Callable[..., pd.DataFrame]
Collect = Callable[..., Answers]


def fail(frame: pd.DataFrame, chosen: pd.Series) -> pd.DataFrame:
    frame = frame.copy()
    frame["error"] = pd.Series([None] * len(frame), dtype=object)
    frame.loc[chosen, "error"] = "broken"
    frame.loc[chosen, "top1"] = -1
    return frame


def test_rows_become_a_matrix(corrupted: Task, make_rows: Rows, collected: Collect) -> None:
    correct = np.random.default_rng(0).random((9, 4)) < 0.5
    answers = collected(corrupted, "m", make_rows(corrupted, correct))
    assert len(answers) == 9
    np.testing.assert_array_equal(answers.correct, correct.astype(float))
    np.testing.assert_array_equal(answers.labels, np.arange(9))
    np.testing.assert_array_equal(answers.decisions == answers.labels[:, None], correct)
    assert answers.rows(np.array(["i004", "i000"])).tolist() == [4, 0]


def test_the_order_of_rows_and_repeated_rows_do_not_matter(
    corrupted: Task, make_rows: Rows, collected: Collect
) -> None:
    correct = np.random.default_rng(1).random((9, 4)) < 0.5
    frame = make_rows(corrupted, correct)
    other = pd.concat([frame.sample(frac=1, random_state=0), frame.iloc[:11]], ignore_index=True)
    a, b = collected(corrupted, "m", frame), collected(corrupted, "m", other)
    np.testing.assert_array_equal(a.image_ids, b.image_ids)
    np.testing.assert_array_equal(a.correct, b.correct)
    np.testing.assert_array_equal(a.decisions, b.decisions)


def test_a_condition_that_was_never_asked_is_a_hole(corrupted: Task, make_rows: Rows, collected: Collect) -> None:
    answers = collected(corrupted, "m", make_rows(corrupted, np.ones((5, 4), bool), leave_out=("fog/2",)))
    assert len(answers) == 5
    assert np.isnan(answers.correct).all(axis=0).tolist() == [False, False, False, True]
    assert (answers.decisions[:, 3] == -1).all()


def test_an_image_with_one_failed_answer_leaves_every_condition(
    corrupted: Task, make_rows: Rows, collected: Collect
) -> None:
    frame = make_rows(corrupted, np.ones((5, 4), bool))
    one_cell = (frame["image_id"] == "i002") & (frame["condition"] == "fog") & (frame["severity"] == 1)
    answers = collected(corrupted, "m", fail(frame, one_cell))
    assert answers.image_ids.tolist() == ["i000", "i001", "i003", "i004"]
    assert not np.isnan(answers.correct).any()


def test_a_row_for_a_whole_image_that_failed_is_passed_over(
    corrupted: Task, make_rows: Rows, collected: Collect
) -> None:
    frame = make_rows(corrupted, np.ones((3, 4), bool)).astype({"condition": str, "image_id": str})
    broken = frame.iloc[:1].assign(condition="*", severity=0, image_id="i009", top1=-1, error="empty file")
    answers = collected(corrupted, "m", pd.concat([frame, broken], ignore_index=True))
    assert answers.image_ids.tolist() == ["i000", "i001", "i002"]
    assert not np.isnan(answers.correct).any()


def test_no_rows_are_no_answers(corrupted: Task, make_rows: Rows, collected: Collect) -> None:
    assert len(collected(corrupted, "m", pd.DataFrame({name: [] for name in PREDICTION_COLUMNS}))) == 0
    frame = make_rows(corrupted, np.ones((3, 4), bool))
    assert len(collected(corrupted, "m", fail(frame, frame["severity"] > 0))) == 0


def test_confidences_and_best_classes_are_laid_out_like_decisions(
    corrupted: Task, make_rows: Rows, collected: Collect
) -> None:
    frame = make_rows(corrupted, np.ones((6, 4), bool), leave_out=("fog/2",))
    frame["confidence"] = np.arange(len(frame)) / 64
    answers = collected(corrupted, "m", frame.sample(frac=1, random_state=0))
    expected = frame.pivot_table("confidence", "image_id", ["condition", "severity"], observed=True, sort=False)
    assert answers.confidence.dtype == np.float32
    np.testing.assert_array_equal(answers.confidence[:, :3], expected.to_numpy())
    assert np.isnan(answers.confidence[:, 3]).all()
    assert answers.top is None  # of no use to corruption errors, and the largest part


def test_best_classes_are_kept_where_a_score_looks_at_them(
    corrupted: Task, make_rows: Rows, collected: Collect
) -> None:
    task = TASKS["micro-val"]
    answers = collected(task, "m", make_rows(task, np.ones((6, 1), bool)))
    assert answers.top is not None
    assert answers.top.shape == (6, 1, 5)
    np.testing.assert_array_equal(answers.top[:, 0, 0], answers.decisions[:, 0])
    assert (answers.top[:, 0, 1:] == -1).all()  # these rows hold one class each
    task = replace(corrupted, kind=kinds.SEQUENCES)
    holed = collected(task, "m", make_rows(task, np.ones((6, 4), bool), leave_out=("fog/2",))).top
    assert holed is not None
    assert (holed[:, 3] == -1).all()
    assert (holed[:, :3, 0] == np.arange(6)[:, None]).all()
