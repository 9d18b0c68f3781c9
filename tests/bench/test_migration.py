"""A store as version 0.1.0 wrote it, brought up to date."""

from __future__ import annotations

import gzip
import json
import shutil
import zlib
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vitobench.bench.migration import migrate
from vitobench.bench.planning.asked import make_plan
from vitobench.bench.planning.plan import Plan, PlannedTask
from vitobench.bench.run import Outcome, execute, rescore
from vitobench.bench.settings import Settings
from vitobench.errors import StoreError
from vitobench.models.spec import ModelSpec
from vitobench.results import records
from vitobench.results.folder import LocalFolder
from vitobench.results.inventory import NAMELESS, verify
from vitobench.results.layout import safe_name
from vitobench.results.store import Store
from vitobench.tasks.images.folders import ImageFolder
from vitobench.tasks.registry import TASKS

Bench = Callable[..., Any]
OLD_COLUMNS = ("model", "task", "condition", "severity", "image_id", "label", "top1", "confidence", "error")
FAILED = 3  # position of an image that could not be read, in every unit that has it


def old_rows(planned: PlannedTask, spec: ModelSpec, start: int, stop: int) -> dict[str, list[Any]]:
    """Made-up predictions in the order of schema 1: condition by condition, then the images that failed."""
    assert planned.source is not None
    rng = np.random.default_rng(zlib.crc32(f"{planned.task.name} {spec.name} {start}".encode()))
    rows: dict[str, list[Any]] = {name: [] for name in OLD_COLUMNS[2:]}
    good = [n for n in range(start, stop) if n != FAILED]

    def add(condition: str, severity: int, n: int, top1: int, confidence: float, error: str | None) -> None:
        values = (
            condition,
            severity,
            str(planned.source.image_ids[n]),
            int(planned.source.labels[n]),
            top1,
            confidence,
        )
        for name, value in zip(OLD_COLUMNS[2:], (*values, error), strict=True):
            rows[name].append(value)

    for condition in planned.task.conditions:
        for n in good:
            right = rng.random() < 0.6
            top1 = int(planned.source.labels[n]) if right else int(rng.integers(16))
            finite = (n, condition) != (7, planned.task.conditions[0])
            confidence = float(np.float32(rng.random())) if finite else float("nan")
            error = None if finite else "the model's logits are not finite"
            add(condition.name, condition.severity, n, top1 if finite else -1, confidence, error)
    if start <= FAILED < stop:
        add("*", 0, FAILED, -1, float("nan"), "the file is truncated")
    return rows


def write_old_unit(path: Path, task: str, model: str, rows: dict[str, list[Any]]) -> None:
    text = pa.dictionary(pa.int32(), pa.string())
    types = (text, text, text, pa.int8(), text, pa.int16(), pa.int16(), pa.float32(), pa.string())
    schema = pa.schema(dict(zip(OLD_COLUMNS, types, strict=True)), metadata={"vitobench.schema": "1"})
    n = len(rows["image_id"])
    whole = {**rows, "model": [model] * n, "task": [task] * n}
    plain = [kind.value_type if pa.types.is_dictionary(kind) else kind for kind in types]
    arrays = [pa.array(whole[f.name], p).cast(f.type) for f, p in zip(schema, plain, strict=True)]
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(arrays, schema=schema), path, compression="zstd")


def write_old_run(root: Path, name: str, plan: Plan) -> None:
    models = {}
    for spec in plan.models:
        facts = asdict(spec)
        del facts["precision"]  # came later
        models[spec.name] = facts | {"identity": spec.identity}
    record = {
        "versions": {"vitobench": "0.1.0"}, "date": "2026-01-01T00:00:00+00:00", "seed": plan.settings.seed,
        "command": "bench run", "store": str(root), "schema": 1, "platform": "Linux", "models": models,
        "tasks": {p.task.name: {"identity": p.identity, "images": p.images, "data": p.data_digest} for p in plan.tasks},
        "units": {"asked": 1, "computed": 1, "missing": 0}, "seconds": 1.0, "forward_images": 1, "failures": [],
    }  # fmt: skip
    (root / "runs").mkdir(exist_ok=True)
    (root / "runs" / f"{name}.json").write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")


@pytest.fixture
def plan(zoo: Path, small_tasks: None, tmp_path: Path) -> Plan:
    settings = Settings(models=("vito", "other"), suite="robustness", store=tmp_path / "elsewhere", seed=5)
    return make_plan(settings, Store(tmp_path / "elsewhere"))


@pytest.fixture
def old(plan: Plan, once: Callable[..., Any], tmp_path: Path) -> Path:
    """A store of schema 1."""
    once("schema 1", tmp_path / "old", lambda: write_old_store(tmp_path / "old", plan))
    return tmp_path / "old"


def write_old_store(root: Path, plan: Plan) -> None:
    root.mkdir()
    (root / "vitobench-store.json").write_text(json.dumps({"schema": 1}))
    for planned, spec in plan.cells():
        for start, stop in planned.ranges():
            folder = root / "predictions" / safe_name(planned.identity) / safe_name(spec.identity)
            path = folder / f"{start:07d}-{stop:07d}.parquet"
            write_old_unit(path, planned.identity, spec.identity, old_rows(planned, spec, start, stop))
    write_old_run(root, "20260101T000000Z-0123abcd", plan)


def accuracies(root: Path) -> dict[tuple[str, str, str], tuple[float, int]]:
    """Accuracy and number of images by model, task and cell, from the files alone.

    An image without an answer under any condition of a task counts in none.
    """
    frame = pd.read_parquet(root / "predictions")
    for name in ("model", "task", "condition", "image_id"):
        frame[name] = frame[name].astype(str)
    key = ["model", "task", "image_id"]
    frame["bad"] = frame["error"].notna()
    frame = frame[~frame.groupby(key)["bad"].transform("any")]
    frame["right"] = frame["top1"] == frame["label"]
    frame["cell"] = frame["condition"] + ("/" + frame["severity"].astype(str)).where(frame["severity"] > 0, "")
    found = frame.groupby(["model", "task", "cell"])["right"].agg(["mean", "size"])
    return {index: (float(row["mean"]), int(row["size"])) for index, row in found.iterrows()}


def contents(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_an_old_store_is_refused_and_the_way_out_is_named(old: Path, bench_here: Bench) -> None:
    with pytest.raises(StoreError, match=rf"schema 1; this version reads 3: `bench results migrate --store {old}`"):
        Store(old)
    before = contents(old)
    for command in (("score",), ("results", "list"), ("run", "--model", "vito", "--task", "micro-val")):
        done = bench_here(*command, "--store", old)
        assert done.code == 2
        assert f"bench results migrate --store {old}" in done.err
    assert contents(old) == before


def test_predictions_and_scores_are_those_of_before(old: Path, plan: Plan, bench_here: Bench, tmp_path: Path) -> None:
    before = accuracies(old)
    frame = pd.read_parquet(old / "predictions")
    units = len(list(old.rglob("*.parquet")))
    done = bench_here("results", "migrate", "--store", old)
    assert (done.code, done.out.strip()) == (0, f"{units} files rewritten")
    assert accuracies(old) == before

    # Every row is there, with all that it had, image by image.
    after = pd.read_parquet(old / "predictions")
    key = ["task", "model", "condition", "severity", "image_id"]
    for table in (frame, after):
        table[["task", "model", "condition", "image_id"]] = table[["task", "model", "condition", "image_id"]].astype(
            str
        )
    both = frame.merge(after, on=key, suffixes=("", "_new"), validate="one_to_one")
    assert len(both) == len(frame) == len(after)
    for name in ("label", "top1", "error"):
        pd.testing.assert_series_equal(both[name], both[f"{name}_new"], check_names=False)
    np.testing.assert_allclose(both["confidence_new"], both["confidence"], rtol=2**-12)
    assert after[["top2", "top3", "top4", "top5"]].isna().all(axis=None)
    for path in old.rglob("*.parquet"):
        ids = pq.read_table(path).column("image_id").to_pylist()
        assert len(set(ids)) == sum(a != b for a, b in zip(ids, [None, *ids], strict=False))

    done = bench_here("score", "--store", old, "--json", tmp_path / "scores.json", "--quiet")
    found = json.loads((tmp_path / "scores.json").read_text())
    identities = {m["name"]: m["identity"] for m in found["models"]} | {
        t["name"]: t["identity"] for t in found["tasks"]
    }
    cells = {c.key for p in plan.tasks for c in p.task.conditions}
    scored = {
        (identities[s["model"]], identities[s["task"]], s["condition"]): (s["value"], s["n"])
        for s in found["scores"]
        if s["metric"] == "top1" and s["condition"] in cells
    }
    single = {p.identity: p.task.conditions[0].key for p in plan.tasks if len(p.task.conditions) == 1}
    for score in found["scores"]:
        task = identities[score["task"]]
        if score["metric"] == "top1" and score["condition"] == "overall" and task in single:
            scored[(identities[score["model"]], task, single[task])] = (score["value"], score["n"])
    assert scored.keys() == before.keys()
    for cell, (value, n) in before.items():
        assert scored[cell] == (pytest.approx(value, abs=1e-6), n)
    # What failed then is missing now.
    assert done.code == 3
    assert {f["reason"] for f in found["failures"]} == {"the file is truncated", "the model's logits are not finite"}


def test_a_migrated_store_is_sound_and_goes_on(old: Path, plan: Plan) -> None:
    told: list[tuple[int, int]] = []
    count = migrate(str(old), lambda done, total: told.append((done, total)))
    assert told == [(n, count) for n in range(1, count + 1)]
    store = Store(old)
    assert verify(store) == []
    assert plan.missing(store) == []
    (run,) = records.runs(store)
    assert run["status"] == "finished"
    assert run["models"] == {spec.name: spec.identity for spec in plan.models}
    assert set(records.kept(store, records.MODELS)) == {spec.identity for spec in plan.models}
    assert {r["seed"] for r in records.kept(store, records.TASKS).values()} == {5}


def test_an_image_that_failed_goes_back_to_its_place(old: Path, plan: Plan) -> None:
    # Else a smaller limit would take another image instead of it.
    migrate(str(old))
    for planned, spec in plan.cells():
        found, _ = Store(old).read(planned.identity, spec.identity, [(0, FAILED + 1)])
        assert planned.source is not None
        assert found.image_ids == tuple(map(str, planned.source.image_ids[: FAILED + 1]))
        assert found.reasons[found.error[found.image == FAILED][0]] == "the file is truncated"


def test_a_photograph_that_failed_goes_back_to_its_place(old: Path, tmp_path: Path) -> None:
    for wnid in ("n01440764", "n02099601"):
        (tmp_path / "photographs" / wnid).mkdir(parents=True)
        for number in range(6):
            (tmp_path / "photographs" / wnid / f"{number}.JPEG").write_bytes(bytes([number]))
    ids = ImageFolder(tmp_path / "photographs").image_ids
    assert list(ids) != sorted(ids)
    task, model = "imagenet-val@0123456789abcdef", "mine@0123456789abcdef"
    given = [*ids[:4], *ids[5:], ids[4]]
    n = len(given)
    write_old_unit(old / "predictions" / task / model / f"0000000-{n:07d}.parquet", task, model, {
        "condition": ["clean"] * (n - 1) + ["*"], "severity": [0] * n, "image_id": given, "label": [0] * n,
        "top1": [0] * (n - 1) + [-1], "confidence": [0.5] * n, "error": [None] * (n - 1) + ["truncated"],
    })  # fmt: skip
    migrate(str(old))
    found, _ = Store(old).read(task, model, [(0, n)])
    assert found.image_ids == ids


def test_migrating_again_changes_nothing(old: Path) -> None:
    assert migrate(str(old)) > 0
    after = contents(old)
    assert migrate(str(old)) == 0
    assert contents(old) == after


@pytest.mark.parametrize("when", range(0, 60, 7))
def test_an_interrupted_migration_goes_on(
    old: Path, once: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, when: int
) -> None:
    once("schema 1 migrated", tmp_path / "whole", lambda: migrate(shutil.copytree(old, tmp_path / "whole")))
    writes = 0

    write = LocalFolder.write

    def stopping(self: LocalFolder, name: str, content: bytes) -> None:
        nonlocal writes
        if writes == when:
            raise KeyboardInterrupt
        writes += 1
        write(self, name, content)

    with monkeypatch.context() as patch:
        patch.setattr(LocalFolder, "write", stopping)
        with pytest.raises(KeyboardInterrupt):
            migrate(str(old))
    with pytest.raises(StoreError, match="bench results migrate"):
        Store(old)
    assert migrate(str(old)) == max(0, len(list(old.rglob("*.parquet"))) - when)
    assert contents(old).keys() == contents(tmp_path / "whole").keys()
    for name, content in contents(tmp_path / "whole").items():
        assert (old / name).read_bytes() == content, name


def test_a_damaged_file_is_named_and_the_rest_waits(old: Path) -> None:
    path = sorted(old.rglob("*.parquet"))[2]
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(StoreError, match=rf"{path.name} cannot be read .*delete it and migrate again"):
        migrate(str(old))
    path.unlink()
    migrate(str(old))
    assert verify(Store(old)) == []


def test_what_cannot_be_migrated_says_so(tmp_path: Path, bench_here: Bench) -> None:
    with pytest.raises(StoreError, match="There is no store at"):
        migrate(str(tmp_path / "absent"))
    store = tmp_path / "store"
    store.mkdir()
    for version in (0, 4):
        (store / "vitobench-store.json").write_text(json.dumps({"schema": version}))
        with pytest.raises(StoreError, match=rf"has schema {version}; use the version of vitobench that wrote it"):
            migrate(str(store))
    (store / "vitobench-store.json").write_text("{")
    done = bench_here("results", "migrate", "--store", store)
    assert done.code == 2
    assert "is damaged" in done.err
    (store / "vitobench-store.json").write_text(json.dumps({"schema": 3}))
    done = bench_here("results", "migrate", "--store", store)
    assert (done.code, done.out.strip()) == (0, "The store is up to date.")


def test_tasks_of_an_earlier_protocol_keep_their_predictions(
    old: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TASKS, "micro-light", replace(TASKS["micro-light"], version=TASKS["micro-light"].version + 1))
    files = {name for name in contents(old) if name.endswith(".parquet")}
    migrate(str(old))
    assert files <= contents(old).keys()
    names = {r["name"] for r in records.kept(Store(old), records.TASKS).values()}
    assert names == {p.task.name for p in plan.tasks} - {"micro-light"}


def as_schema_2(root: Path) -> None:
    """Write a store as version 0.2 did: no digests, no names, no lists of images."""
    for path in sorted(root.rglob("*.parquet")):
        table = pq.read_table(path)
        metadata = {k: v for k, v in (table.schema.metadata or {}).items() if k != b"vitobench.schema"}
        if path.relative_to(root).parts[0] == "predictions":
            metadata[b"vitobench.schema"] = b"2"
        pq.write_table(table.replace_schema_metadata(metadata), path, compression="zstd", write_page_checksum=True)
    shutil.rmtree(root / "images")
    for path in [*root.rglob("*.json"), *root.rglob("*.json.gz")]:
        packed = path.name.endswith(".gz")
        found = json.loads(gzip.decompress(path.read_bytes()) if packed else path.read_text())
        plain = {k: v for k, v in found.items() if not k.startswith("vitobench.")}
        text = json.dumps(plain["facts"] if packed else plain).encode()
        if path.parent.name != "cache":
            path.write_bytes(gzip.compress(text) if packed else text)
    (root / "vitobench-store.json").write_text(json.dumps({"schema": 2}))


@pytest.fixture
def second(zoo: Path, small_tasks: None, once: Callable[..., Any], tmp_path: Path) -> tuple[Path, Outcome]:
    """A store of schema 2 with a made-up truth, and what was scored before."""
    return tmp_path / "second", once("schema 2", tmp_path / "second", lambda: write_second_store(tmp_path / "second"))


def write_second_store(root: Path) -> Outcome:
    settings = Settings(
        models=("vito", "other"), tasks=("micro-val", "micro-c"), baselines=(), store=root, device="cpu"
    )
    execute(settings)
    store = Store(root)
    records.keep_packed(store, records.TRUTHS, "imagenet-real", "ab" * 32, {"accepted": {"a": [1]}})
    before = rescore(Settings(models=(), baselines=(), store=root))
    as_schema_2(root)
    return before


def test_a_store_of_schema_2_keeps_its_numbers_and_becomes_sound(second: tuple[Path, Outcome]) -> None:
    root, before = second
    with pytest.raises(StoreError, match=rf"schema 2; this version reads 3: `bench results migrate --store {root}`"):
        Store(root)
    assert migrate(str(root)) == len(list(root.rglob("*.parquet"))) == 18
    store = Store(root)
    assert verify(store) == []
    after = rescore(Settings(models=(), baselines=(), store=root))
    assert after.complete
    assert after.data.scores == before.data.scores
    assert records.packed(store, records.TRUTHS, "imagenet-real", "ab" * 32) == {"accepted": {"a": [1]}}
    (name,) = (name for name in store.folder.names("images") if name.startswith("micro-val@"))
    asked = store.asked(name.removesuffix(".json.gz"))
    assert not isinstance(asked, str)
    assert asked.image_ids == tuple(f"val-0-{n:06d}" for n in range(14))
    assert asked.labels.tolist() == list(range(14))
    assert (asked.classes, asked.conditions) == (16, ("clean",))


@pytest.mark.parametrize("when", [0, 7, 18, 21, 26])
def test_an_interrupted_migration_from_schema_2_goes_on(
    second: tuple[Path, Outcome],
    once: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    when: int,
) -> None:
    root, _ = second
    once("schema 2 migrated", tmp_path / "whole", lambda: migrate(shutil.copytree(root, tmp_path / "whole")))
    write, writes = LocalFolder.write, 0

    def stopping(self: LocalFolder, name: str, content: bytes) -> None:
        nonlocal writes
        if writes == when:
            raise KeyboardInterrupt
        writes += 1
        write(self, name, content)

    with monkeypatch.context() as patch:
        patch.setattr(LocalFolder, "write", stopping)
        with pytest.raises(KeyboardInterrupt):
            migrate(str(root))
    with pytest.raises(StoreError, match="bench results migrate"):
        Store(root)
    assert migrate(str(root)) == max(0, 18 - when)
    assert contents(root) == contents(tmp_path / "whole")


def test_what_is_damaged_in_a_store_of_schema_2_is_named_at_once(second: tuple[Path, Outcome]) -> None:
    root, _ = second
    units = sorted(root.glob("predictions/micro-val@*/vito@*/*.parquet"))
    (record,) = root.glob("models/other@*.json")
    (truths,) = root.glob("truths/*")
    units[1].write_bytes(units[1].read_bytes()[:-9])
    record.write_text(record.read_text().replace("micro-resnet8", "micro-resnot"))
    truths.write_bytes(truths.read_bytes()[:-9])
    with pytest.raises(StoreError) as caught:
        migrate(str(root))
    for path in (units[1], record, truths):
        assert f"{path} " in str(caught.value) or f"{path.parent.name}/{path.name}" in str(caught.value)
    for path in (units[1], record, truths):
        path.unlink()
    migrate(str(root))
    assert {problem.kind for problem in verify(Store(root))} == {NAMELESS}


def test_a_copied_unit_is_found_while_it_is_migrated(second: tuple[Path, Outcome]) -> None:
    root, _ = second
    units = sorted(root.glob("predictions/micro-val@*/vito@*/*.parquet"))
    shutil.copy(units[0], units[1])
    with pytest.raises(StoreError, match=r"disagree about image 5|both have the image val-0-000000"):
        migrate(str(root))
    with pytest.raises(StoreError, match="bench results migrate"):
        Store(root)
    units[1].unlink()
    migrate(str(root))
    assert verify(Store(root)) == []
