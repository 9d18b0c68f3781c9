import hashlib
import json
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from vitobench.identity import IDENTITY_VERSION, broken_seal, digest, file_digest, seal_file
from vitobench.models.spec import ModelSpec, Preprocessing
from vitobench.tasks.corruptions import registry
from vitobench.tasks.microworld.sets import MicroSet
from vitobench.tasks.registry import TASKS
from vitobench.tasks.task import Condition

SPEC = ModelSpec("m", "file", "micro-resnet/average", Preprocessing(64, 64), "microworld-16", "ab" * 32)


@dataclass(frozen=True)
class Pair:
    x: int
    y: tuple[float, ...]


def test_a_digest_is_sha256_of_canonical_json() -> None:
    text = json.dumps([IDENTITY_VERSION, {"a": [1, 2.5, None, True], "b": "ö"}], sort_keys=True, separators=(",", ":"))
    assert digest({"b": "ö", "a": (1, 2.5, None, True)}) == hashlib.sha256(text.encode()).hexdigest()


def test_the_order_of_a_mapping_does_not_enter_but_that_of_a_sequence_does() -> None:
    assert digest({"a": 1, "b": {"c": 2, "d": 3}}) == digest({"b": {"d": 3, "c": 2}, "a": 1})
    assert digest([1, 2]) != digest([2, 1])
    assert digest(Pair(1, (2.0,))) == digest({"y": [2.0], "x": 1})
    assert digest("1") != digest(1)


def test_a_digest_is_the_same_in_another_process() -> None:
    script = "from vitobench.identity import digest; print(digest({'a': 1, 'b': {'x', }.pop(), 'c': [0.1, 1e-7]}))"
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert out.strip() == digest({"c": [0.1, 1e-7], "b": "x", "a": 1})


@pytest.mark.parametrize("value", [np.zeros(2), {1, 2}, b"bytes", object(), Pair])
def test_values_without_a_canonical_form_are_refused(value: object) -> None:
    with pytest.raises(TypeError, match="canonical form"):
        digest({"a": value})


def test_nan_has_no_identity() -> None:
    with pytest.raises(ValueError, match="JSON"):
        digest(float("nan"))


def test_a_file_is_hashed_by_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"abc")
    assert file_digest(path) == hashlib.sha256(b"abc").hexdigest()


@pytest.mark.parametrize(
    "change",
    [
        {"weights_hash": "cd" * 32},
        {"architecture": "micro-resnet/attention"},
        {"label_space": "imagenet-1k"},
        {"preprocessing": Preprocessing(64, 72)},
        {"preprocessing": Preprocessing(32, 64)},
        {"preprocessing": Preprocessing(64, 64, "bicubic")},
        {"preprocessing": Preprocessing(64, 64, mean=(0.5, 0.5, 0.5))},
        {"preprocessing": Preprocessing(64, 64, std=(0.5, 0.5, 0.5))},
        {"preprocessing": Preprocessing(64, 64, crop_mode="squash")},
        {"preprocessing": Preprocessing(64, 64, crop_mode="border")},
    ],
)
def test_what_changes_an_output_changes_a_models_identity(change: dict) -> None:
    assert replace(SPEC, **change).identity != SPEC.identity


def test_a_fact_that_came_later_leaves_earlier_identities_as_they_were() -> None:
    shown = {"size": 64, "resize": 64, "interpolation": "bilinear"}
    shown |= {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
    earlier = digest((SPEC.architecture, shown, SPEC.label_space, SPEC.weights_hash))
    assert SPEC.identity == f"m@{earlier[:16]}" == "m@c88af927092014b9"
    squashed = replace(SPEC, preprocessing=Preprocessing(64, 64, crop_mode="squash"))
    later = digest((SPEC.architecture, shown | {"crop_mode": "squash"}, SPEC.label_space, SPEC.weights_hash))
    assert squashed.identity == f"m@{later[:16]}"


@pytest.mark.parametrize(
    "change",
    [
        {"training_data": "x"},
        {"licence": "x"},
        {"baseline": "x"},
        {"description": "x"},
        {"extra": {"a": "b"}},
        {"source": "zoo"},
    ],
)
def test_what_is_for_people_stays_out_of_a_models_identity(change: dict) -> None:
    assert replace(SPEC, **change).identity == SPEC.identity


def test_a_models_name_stands_before_its_digest_only() -> None:
    name, _, own = SPEC.identity.partition("@")
    other = replace(SPEC, name="n").identity
    assert name == "m"
    assert other == f"n@{own}"


def test_version_data_and_conditions_enter_a_tasks_identity() -> None:
    task = TASKS["micro-val"]
    same = task.identity("d", 0)
    assert replace(task, version=99).identity("d", 0) != same
    assert task.identity("e", 0) != same
    assert replace(task, conditions=(Condition("other"),)).identity("d", 0) != same
    corrupted = TASKS["micro-c"]
    assert replace(corrupted, conditions=corrupted.conditions[:-1]).identity("d", 0) != corrupted.identity("d", 0)


def test_the_seed_and_the_corruptions_enter_only_where_pixels_are_corrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    clean, corrupted = TASKS["micro-val"], TASKS["micro-c"]
    assert clean.identity("d", 0) == clean.identity("d", 1)
    assert corrupted.identity("d", 0) != corrupted.identity("d", 1)


def test_versions_of_corruptions_enter_where_these_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    clean, corrupted = TASKS["micro-val"], TASKS["micro-c"]
    before = clean.identity("d", 0), corrupted.identity("d", 0)
    known = dict(registry.CORRUPTIONS)

    def raised(name: str, **change: object) -> tuple[str, str]:
        monkeypatch.setattr(registry, "CORRUPTIONS", known | {name: replace(known[name], **change)})
        return clean.identity("d", 0), corrupted.identity("d", 0)

    assert raised("sparkles", version=1) == before, "another collection does not concern it"
    newer = replace(registry.IMAGENET_C, version=99)
    for change in ({"version": 1}, {"collection": newer}):
        now = raised("fog", **change)
        assert now[0] == before[0]
        assert now[1] != before[1]


def test_conditions_of_other_corruptions_are_unchanged_and_only_if_all_else_is_equal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    task, known = TASKS["micro-c"], dict(registry.CORRUPTIONS)

    def raised(**versions: int) -> dict[str, object]:
        newer = {name: replace(known[name], version=version) for name, version in versions.items()}
        monkeypatch.setattr(registry, "CORRUPTIONS", known | newer)
        return json.loads(json.dumps(task.identity_facts("d", 0)))

    def changed(record: dict[str, object], seed: int = 0, data: str = "d") -> set[str]:
        same = task.unchanged_since(record, data, seed)
        return {condition.name for condition in task.conditions if condition not in same}

    everything = {condition.name for condition in task.conditions}
    first, fog, frost, both, later = (
        raised(**versions)
        for versions in ({}, {"fog": 1}, {"frost": 2}, {"fog": 1, "frost": 2}, {"fog": 2, "frost": 2})
    )
    assert [changed(record) for record in (first, fog, frost, both, later)] == [
        {"fog", "frost"}, {"fog", "frost"}, {"fog"}, {"fog"}, set(),
    ]  # fmt: skip
    raised()
    assert changed(later) == {"fog", "frost"}, "an older version draws other pixels, too"
    assert changed(later, seed=1) == changed(later, data="e") == everything
    for name, value in {"name": "x", "version": 99, "conditions": [], "answers": "x", "corruptions": None}.items():
        assert changed(first | {name: value}) == everything, name
    tokens = list(first["corruptions"])  # type: ignore[call-overload]
    for other in (tokens[:1], [*tokens, "no_such 1"], [*tokens, "fog x"], [*tokens, "fog 1", "fog 2"]):
        assert changed(first | {"corruptions": other}) == everything, other
    monkeypatch.setattr(registry, "IMAGENET_C", replace(registry.IMAGENET_C, version=99))
    newer = {name: replace(c, collection=registry.IMAGENET_C) for name, c in known.items()}
    monkeypatch.setattr(registry, "CORRUPTIONS", newer)
    assert changed(first) == everything, "a collection's version is that of all of its corruptions"
    assert TASKS["micro-val"].unchanged_since(TASKS["micro-val"].identity_facts("d", 0), "d", 0) == ()


# Computed by version 0.1.0 (of LAION-C and the micro-world by 0.3.0, the first with its second world), for the data
# digest "d" and seed 0. A change makes every store of the task useless.
IDENTITIES = {
    "micro-val": "f31a97bc064cf5a7",
    "micro-c": "f6d26c4730ec75e5",
    "micro-c-bar": "15a40b3af0a872d9",
    "micro-3dcc": "388701c748c86379",
    "micro-laion-c": "4e1c8117332a188b",
    "micro-a": "f4c5d6dc427502d6",
    "micro-vid-robust": "079596d4684bc901",
    "micro-cue-conflict": "b082ac2d3ff26355",
    "micro-alignment-colour": "efb3537d12684bb6",
    "micro-alignment-cue-conflict": "b7de17e49da30d57",
    "imagenet-val": "344bd7e677f69a61",
    "imagenet-c": "9081817dc5f77894",
    "imagenet-c-bar": "7012c83ac627a40d",
    "imagenet-3dcc": "75d09510c345895f",
    "laion-c": "b42aced391c80e4a",
    "imagenet-p": "34d1219bee2a006b",
    "imagenet-a": "e4f40f8ddabeaff7",
    "imagenet-r": "3aa04adaa56a380e",
    "objectnet": "67fd946f1cac5c84",
    "imagenet-real": "809657acf6e063f1",
    "imagenet-vid-robust": "7dc6cc4aaf6200c7",
    "cifar-10-c": "c936c32aaffbf216",
    "alignment-edge": "119e682b48289d5f",
    "alignment-cue-conflict": "862998331f3b29b0",
}


@pytest.mark.parametrize("name", IDENTITIES)
def test_tasks_keep_their_identities(name: str) -> None:
    assert TASKS[name].identity("d", 0) == f"{name}@{IDENTITIES[name]}"


def test_texts_and_the_normaliser_stay_out_of_a_tasks_identity() -> None:
    task = TASKS["micro-c"]
    other = replace(task, title="x", notes="x", citation="x", reference="x", families={}, images=5, clean=None)
    assert other.identity("d", 0) == task.identity("d", 0)


def test_a_micro_sets_seed_enters_its_digest_and_its_length_does_not() -> None:
    assert MicroSet("val", 5, 0).digest == MicroSet("val", 500, 0).digest
    assert MicroSet("val", 5, 0).digest != MicroSet("val", 5, 1).digest
    assert MicroSet("val", 5, 0).digest != MicroSet("light", 5, 0).digest
    assert MicroSet("val", 500, 0).image_ids[:5] == MicroSet("val", 5, 0).image_ids


def test_a_seal_is_the_digest_of_what_stood_before_and_finds_every_flipped_bit(tmp_path: Path) -> None:
    path, content = tmp_path / "a", bytes(range(256)) * 3
    path.write_bytes(content)
    seal_file(path)
    sealed = path.read_bytes()
    assert sealed == content + b"\nvitobench sha256 " + hashlib.sha256(content).hexdigest().encode() + b"\n"
    assert broken_seal(path) == ""
    for place in range(len(sealed)):
        path.write_bytes(sealed[:place] + bytes([sealed[place] ^ 1 << place % 8]) + sealed[place + 1 :])
        assert broken_seal(path), place
    for end in (0, 1, 500, len(sealed) - 1):
        path.write_bytes(sealed[:end])
        assert "cut short" in broken_seal(path)
    path.write_bytes(sealed + b"\n")
    assert broken_seal(path)
