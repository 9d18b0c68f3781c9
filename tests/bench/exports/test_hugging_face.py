"""Model cards: what huggingface_hub reads of them, and that nothing else in them is touched."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard
from huggingface_hub.repocard import metadata_load

from vitobench.bench.exports import hugging_face
from vitobench.bench.exports.hugging_face import entry_of, merged, read_front, with_key
from vitobench.errors import DataError, VitobenchError
from vitobench.results.schema import Score

HEAD = """---
# what it may be used for
license: apache-2.0   # as the data

tags: [vision,   "robustness"]
"""
OTHERS = """model-index:
- name: ViTO, large
  results:
  - task: {type: image-classification}
    dataset: {name: Theirs, type: theirs}
    metrics: [{type: accuracy, value: 0.25}]
"""
TAIL = """# the last words
library_name:   'timm'
---
# Card

model-index: not this one
---
"""


def results(path: Path) -> dict[tuple[str, str], float]:
    return {(r.dataset_type, r.metric_type): r.metric_value for r in ModelCard.load(path).data.eval_results}


def test_the_hub_reads_the_numbers_of_a_new_card(handed, tmp_path) -> None:
    path = tmp_path / "README.md"
    line, absent = hugging_face.export_hugging_face(handed(path, "vito@500"))
    assert "2 headline numbers of vito@500, a new card" in line
    assert absent == "Left out: vito@500, Corrupted: mCE undefined: a reason"
    assert results(path) == {("val", "accuracy"): 0.9, ("c", "accuracy"): 0.51}
    card = ModelCard.load(path)
    first = card.data.eval_results[0]
    assert card.data.model_name == "vito@500"
    assert first.dataset_name == "Clean | images (procedural micro-world)"
    assert first.dataset_revision == "d1"
    assert first.dataset_args == {"vitobench": "9.9", "task": "val@11", "data": "microworld/val", "seed": 4}
    assert first.metric_args == {"ci_low": 0.8, "ci_high": 0.95, "confidence": 0.95, "n": 200}


@pytest.mark.parametrize("line", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("others", ["", OTHERS, "model-index: []\n", "model-index:\n", OTHERS.rstrip() + "  # c\n"])
def test_the_rest_of_a_card_stays_to_the_byte(handed, tmp_path, others: str, line: str, mark: str) -> None:
    path = tmp_path / "README.md"
    head, tail = (part.replace("\n", line).encode() for part in (mark + HEAD, TAIL))
    path.write_bytes(head + others.replace("\n", line).encode() + tail)
    hugging_face.export_hugging_face(handed(path, "vito@500"))
    once = path.read_bytes()
    ours = {("val", "accuracy"): 0.9, ("c", "accuracy"): 0.51}
    theirs = {("theirs", "accuracy"): 0.25} if "Theirs" in others else {}
    assert results(path) == theirs | ours
    if others:
        assert once.startswith(head)
        assert once.endswith(tail)
    else:  # behind the last key
        kept, body = tail.split(b"---", 1)
        assert once.startswith(head + kept)
        assert once.endswith(b"---" + body)
    assert (b"\r\n" in once) == (line == "\r\n")
    assert once.count(b"\n") == once.count(line.encode())
    hugging_face.export_hugging_face(handed(path, "vito@500"))
    assert path.read_bytes() == once


def test_our_earlier_numbers_are_replaced_in_place_and_others_kept(handed, tmp_path) -> None:
    path = tmp_path / "README.md"
    path.write_text(HEAD + OTHERS + TAIL)
    hugging_face.export_hugging_face(handed(path, "vito@500"))
    before = metadata_load(path)["model-index"]
    hugging_face.export_hugging_face(handed(path, "vito@1000"))
    (after,) = metadata_load(path)["model-index"]
    assert after["name"] == "ViTO, large"  # the card is of one model, and calls it so
    assert [r["dataset"]["type"] for r in after["results"]] == ["theirs", "val", "c"]
    assert after["results"][0] == before[0]["results"][0]
    assert results(path)[("val", "accuracy")] == 0.8


def test_of_several_entries_the_one_of_our_name_is_taken() -> None:
    theirs = [{"name": "a", "results": []}, {"name": "b", "results": []}]
    ours = {"name": "b", "results": [{"task": {"type": "t"}, "dataset": {"type": "d"}, "metrics": []}]}
    assert merged(theirs, ours, "here") == [theirs[0], ours]
    assert merged(theirs, ours | {"name": "c"}, "here") == [*theirs, ours | {"name": "c"}]


@pytest.mark.parametrize("value", [5, "text", [1], [{"name": "a"}], {"name": "a"}])
def test_a_malformed_index_is_refused(value: object) -> None:
    with pytest.raises(DataError, match=r"README.md: model-index is not a list"):
        merged(value, {"name": "a", "results": []}, "README.md")


@pytest.mark.parametrize(
    ("front", "message"),
    [
        ("a: [1", "is not YAML"),
        ("- a\n- b", "is not a mapping"),
        ("k: 1\nb: 2\nk: 3", "occurs twice"),
        ("k: &x [1]\nb: *x", "cannot be replaced without changing other lines"),
        ("{k: 1, b: 2}", "cannot be replaced without changing other lines"),
    ],
)
def test_front_matter_that_cannot_be_edited_is_refused(front: str, message: str) -> None:
    text = f"---\n{front}\n---\nbody"
    with pytest.raises(DataError, match=message):
        with_key(text, "k", {"new": True}, "README.md")


@pytest.mark.parametrize(
    "old",
    ["k: |\n  lines\n  of text\n", "k:\n  a: >-\n    folded\n\n", "k: {a: [1,\n  2]} # c\n", 'k: "x\n  y"\n',
     "'k': 1\n", "k:\n- [1]\n-\n", "k:\n  a:\n", "k:\n  - a: 1\n    # inside\n    b: 2\n"],
)  # fmt: skip
def test_values_of_any_form_are_replaced(old: str) -> None:
    text = with_key(f"---\na: 1\n{old}# z\nz: 2\n---\nbody", "k", [{"x": "é"}], "README.md")
    assert text.startswith("---\na: 1\nk:\n- x: é\n")
    assert text.endswith("# z\nz: 2\n---\nbody")
    assert read_front(text, "README.md") == {"a": 1, "k": [{"x": "é"}], "z": 2}


def test_a_last_text_keeps_its_end() -> None:
    text = "---\na: |\n  lines\n  of text\n---\nbody"
    assert with_key(text, "k", 1, "README.md") == text.replace("a:", "k: 1\na:")
    assert with_key("# body", "k", 1, "README.md") == "---\nk: 1\n---\n# body"


def test_human_alignment_is_there_by_its_main_metric(handed) -> None:
    data = handed("").outcome.data
    task = {
        "name": "h", "title": "People", "kind": "alignment", "metric": "error_consistency", "mean_of": 17,
        "views": ["alignment"], "headline": [],
    }  # fmt: skip
    scores = [Score("vito@500", "h", "overall", name, 0.25, 0.2, 0.3, 9) for name in ("accuracy", "error_consistency")]
    entry = entry_of(replace(data, tasks=(task,), scores=tuple(scores)), "vito@500")
    (result,) = entry["results"]
    assert [(m["type"], m["value"], m["name"]) for m in result["metrics"]] == [
        ("error_consistency", 0.25, "Error consistency (κ)")
    ]
    assert result["dataset"] == {"name": "People", "type": "h", "args": {"vitobench": "9.9"}}


def test_nothing_defined_is_said(handed, tmp_path) -> None:
    data = handed("").outcome.data
    holes = replace(data, scores=tuple(replace(score, value=float("nan")) for score in data.scores))
    with pytest.raises(VitobenchError, match="no headline number with a value"):
        hugging_face.export_hugging_face(handed(tmp_path / "c.md", "vito@500", data=holes))


def test_the_block_alone(handed, tmp_path) -> None:
    path = tmp_path / "block.yaml"
    hugging_face.export_hugging_face(handed(path, "vito@500"))
    (entry,) = yaml.safe_load(path.read_text())["model-index"]
    assert [r["metrics"][0]["value"] for r in entry["results"]] == [0.9, 0.51]


@pytest.mark.parametrize(
    ("to", "models", "message"),
    [("README.md", (), "describes one model; name it with --model"), ("card.txt", ("vito@500",), "must end in .md")],
)
def test_wrong_usage_is_said(handed, tmp_path, to: str, models: tuple[str, ...], message: str) -> None:
    with pytest.raises(VitobenchError, match=message):
        hugging_face.export_hugging_face(handed(tmp_path / to, *models))
    (tmp_path / "README.md").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="cannot be read"):
        hugging_face.export_hugging_face(handed(tmp_path / "README.md", "vito@500"))
