"""Every verdict on a handful of clips that are written down here; nothing is decoded."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from vitobench.errors import DataError, UnknownNameError, VitobenchError
from vitobench.models.pretraining.curation.decisions import Decisions, Reason, Seen, balance, decide, sample
from vitobench.models.pretraining.curation.evidence import ClipEvidence, VideoEvidence, cut, probe_times
from vitobench.models.pretraining.curation.manifest import (
    micro_clips_from_manifest,
    plain_row,
    read_manifest,
    summarise,
)
from vitobench.models.pretraining.curation.queries import FrameAnswer, Match, QueryClass, confirmed_class
from vitobench.models.pretraining.curation.settings import CurationSettings
from vitobench.models.pretraining.curation.sources import Video

QUERIES = (QueryClass("cat", ("cat",), (0, 1)), QueryClass("dog", ("dog",), (2,)), QueryClass("cow", ("cow",), (3,)))
LABELS = ("tabby", "Persian", "dog", "cow", "sky", "sea")
SETTINGS = CurationSettings(top_k=2, frames=1, per_class=2)


def answer(*labels: int) -> FrameAnswer:
    return FrameAnswer(labels, tuple(0.5 / 2**rank for rank in range(len(labels))))


def clip(value: int, *labels: int) -> ClipEvidence:
    return ClipEvidence((answer(*labels),), (value,))


def seen(path: str, queries: tuple[int, ...], evidence: VideoEvidence) -> Seen:
    return Seen(Video(path), tuple(Match(q, QUERIES[q].name, "title") for q in queries), evidence)


def spread(number: int) -> int:
    """Hashes far from one another."""
    return (number * 0x9E3779B97F4A7C15) % 2**64


COLLECTION = [
    seen("a.mp4", (0,), VideoEvidence(21.0, "", {0: clip(spread(1), 1, 4), 1: clip(spread(2), 4, 5)})),
    seen("b.mp4", (), VideoEvidence(10.0)),
    seen("c.mp4", (0,), VideoEvidence(problem="moov atom not found")),
    seen("d.mp4", (0,), VideoEvidence(10.0, "", {0: clip(spread(1) ^ 7, 0, 4)})),
    seen("e.mp4", (1,), VideoEvidence(10.0, "", {0: clip(spread(5), 2, 4)})),
    seen("f.mp4", (1,), VideoEvidence(30.0, "", {i: clip(spread(10 + i), 2, 4) for i in range(3)})),
    seen("g.mp4", (2,), VideoEvidence(4.0, "", {0: ClipEvidence(problem="no frame can be decoded at 2.00 s")})),
    seen("h.mp4", (1, 2), VideoEvidence(9.0, "", {0: clip(spread(30), 3, 4)})),
]
EVALUATION = {"val/1.jpg": spread(5) ^ 1}


def verdicts(decisions: Decisions) -> dict[str, str]:
    return {row.clip_id: row.reason.value for row in decisions.rows}


def test_every_reason() -> None:
    decisions = decide(COLLECTION, QUERIES, SETTINGS, EVALUATION)
    found = verdicts(decisions)
    over = [c for c in ("f.mp4@0", "f.mp4@10", "f.mp4@20") if found[c] == "over-quota"]
    assert len(over) == 1
    assert found == {
        "a.mp4@0": "kept",
        "a.mp4@10": "unconfirmed",
        "a.mp4@20": "too-short",
        "b.mp4@0": "no-class",
        "c.mp4@0": "unreadable",
        "d.mp4@0": "duplicate",
        "e.mp4@0": "duplicate-of-evaluation",
        "f.mp4@0": "kept",
        "f.mp4@10": "kept",
        "f.mp4@20": "kept",
        "g.mp4@0": "unreadable",
        "h.mp4@0": "kept",
        over[0]: "over-quota",
    }
    rows = {row.clip_id: row for row in decisions.rows}
    assert rows["d.mp4@0"].duplicate_of == "a.mp4@0"
    assert rows["e.mp4@0"].duplicate_of == "val/1.jpg"
    assert QUERIES[rows["h.mp4@0"].query or 0].name == "cow"  # named dog and cow; the classifier says cow
    assert decisions.confirmed == Counter({0: 1, 1: 3, 2: 1})


def test_the_order_of_the_videos_plays_no_part() -> None:
    forwards = decide(COLLECTION, QUERIES, SETTINGS, EVALUATION)
    backwards = decide(COLLECTION[::-1], QUERIES, SETTINGS, EVALUATION)
    assert verdicts(forwards) == verdicts(backwards)


def test_the_ablation_keeps_as_many_at_random_and_nothing_that_cannot_be_trained_on() -> None:
    curated = decide(COLLECTION, QUERIES, SETTINGS, EVALUATION)
    kept = sum(row.kept for row in curated.rows)
    drawn = set()
    for seed in range(20):
        settings = replace(SETTINGS, uncurated=True, seed=seed)
        ablation = decide(COLLECTION, QUERIES, settings, EVALUATION)
        found = verdicts(ablation)
        assert sum(row.kept for row in ablation.rows) == ablation.curated == kept
        assert {c for c, r in found.items() if r == "unreadable"} == {"c.mp4@0", "g.mp4@0"}
        assert (found["a.mp4@20"], found["e.mp4@0"]) == ("too-short", "duplicate-of-evaluation")
        drawn |= {c for c, r in found.items() if r == "sampled"}
    # Nothing else is held against a clip: also those without a class, unconfirmed or copies are drawn in time.
    assert {"a.mp4@10", "b.mp4@0", "d.mp4@0", "f.mp4@0"} <= drawn


def test_confirming_needs_enough_frames_and_confidence_within_the_first_answers() -> None:
    frames = [FrameAnswer((4, 1, 0), (0.6, 0.3, 0.1)), FrameAnswer((4, 5, 0), (0.9, 0.06, 0.04))]
    cat = (Match(0, "cat", "title"),)

    def confirmed(**settings: float) -> bool:
        chosen = CurationSettings(frames=2, **settings)  # type: ignore[arg-type]
        return confirmed_class(frames, cat, QUERIES, chosen) is not None

    assert confirmed(top_k=2)
    assert not confirmed(top_k=1)
    assert not confirmed(top_k=2, agree=2)
    assert confirmed(top_k=3, agree=2)
    assert confirmed(top_k=3, confidence=0.3)
    assert not confirmed(top_k=3, confidence=0.31)
    assert not confirmed(top_k=3, agree=2, confidence=0.05)


@pytest.mark.parametrize(
    ("seconds", "clips"),
    [
        (25.0, [(0.0, 10.0), (10.0, 20.0), (20.0, 25.0)]),
        (20.0, [(0.0, 10.0), (10.0, 20.0)]),
        (19.9999999, [(0.0, 10.0), (10.0, 20.0)]),
        (2.0, [(0.0, 2.0)]),
    ],
)
def test_cutting(seconds: float, clips: list[tuple[float, float]]) -> None:
    assert cut(seconds, 10.0) == clips


def test_frames_stand_in_the_middles_of_equal_parts() -> None:
    assert probe_times(10.0, 16.0, 3) == [11.0, 13.0, 15.0]


def test_balancing_at_the_median_and_at_a_number() -> None:
    classes = [0] * 9 + [1] * 4 + [2] * 2
    ids = [f"clip{i}" for i in range(len(classes))]
    found = balance(classes, ids, None)
    assert (found.cap, found.short) == (4, {2: 2})
    assert Counter(classes[p] for p in found.kept) == {0: 4, 1: 4, 2: 2}
    larger = balance(classes, ids, 6)
    assert set(found.kept) <= set(larger.kept)  # a larger cap keeps what a smaller one kept
    order = list(range(len(ids)))[::-1]
    mirrored = balance([classes[p] for p in order], [ids[p] for p in order], None)
    assert {ids[order[p]] for p in mirrored.kept} == {ids[p] for p in found.kept}
    assert balance([], [], None).kept == ()


def test_drawing_keeps_the_proportions_of_the_source() -> None:
    ids = [f"clip{i}" for i in range(4000)]
    first = sum(position < 3000 for position in sample(ids, 1000, 0))
    assert abs(first - 750) < 4 * (1000 * 0.75 * 0.25) ** 0.5
    assert sample(ids, 1000, 0) != sample(ids, 1000, 1)


def test_the_manifest_says_what_led_to_the_verdict(tmp_path: Path) -> None:
    decisions = decide(COLLECTION, QUERIES, SETTINGS, EVALUATION)
    rows = [plain_row(row, QUERIES, LABELS, 2) for row in decisions.rows]
    path = tmp_path / "manifest.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert list(read_manifest(path)) == rows
    assert rows[0] == {
        "clip": "a.mp4@0",
        "video": "a.mp4",
        "start": 0.0,
        "end": 10.0,
        "class": "cat",
        "kept": True,
        "reason": "kept",
        "duplicate_of": None,
        "matches": [{"class": "cat", "term": "cat", "field": "title"}],
        "frames": [
            {
                "time": 5.0,
                "label": "Persian",
                "confidence": 0.5,
                "class_confidence": 0.5,
                "top": [["Persian", 0.5], ["sky", 0.25]],
            }
        ],
        "hashes": [f"{spread(1):016x}"],
        "problem": None,
    }
    with pytest.raises(DataError, match="--source microworld"):
        micro_clips_from_manifest(path)
    path.write_text('{"kept": true}\n{"kept"\n', encoding="utf-8")
    with pytest.raises(DataError, match="line 2"):
        list(read_manifest(path))


def test_the_summary_counts_every_clip_once() -> None:
    decisions = decide(COLLECTION, QUERIES, SETTINGS, EVALUATION)
    summary = summarise(decisions, QUERIES, SETTINGS)
    assert sum(row["clips"] for row in summary["reasons"]) == summary["clips"] == len(decisions.rows) == 12
    assert summary["kept"] == 4
    assert summary["classes_short"] == 2  # cat and cow have one confirmed clip each, the cap is two
    assert {row["class"]: row["kept"] for row in summary["classes"]} == {"cat": 1, "dog": 2, "cow": 1}
    assert summary["entropy_after"] == 1.5
    assert "truth" not in summary
    given = set(verdicts(decisions).values())
    assert [row["reason"] for row in summary["reasons"]] == [r.value for r in Reason if r.value in given]


@pytest.mark.parametrize(
    "wrong",
    [{"fields": ()}, {"clip_seconds": 1.0}, {"frames": 0}, {"agree": 4}, {"confidence": 1.5}, {"hash_distance": 16},
     {"per_class": 0}, {"top_k": 0}],
)  # fmt: skip
def test_settings_that_make_no_sense(wrong: dict[str, object]) -> None:
    with pytest.raises(VitobenchError):
        CurationSettings(**wrong)  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="description"):
        CurationSettings(fields=("descriptions",))
