"""Saliency that earlier versions kept in a folder of its own becomes ordinary units."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vitobench.bench.catalogue import model_record
from vitobench.bench.migration import migrate
from vitobench.bench.planning import plan as plan_module
from vitobench.bench.planning.plan import PlannedTask, observer
from vitobench.bench.run import execute, rescore
from vitobench.bench.settings import Settings
from vitobench.errors import StoreError
from vitobench.identity import digest
from vitobench.models.spec import ModelSpec
from vitobench.results.inventory import verify
from vitobench.results.layout import safe_name, seal_json, seal_parquet
from vitobench.results.schema import Score
from vitobench.results.store import Store
from vitobench.tasks.registry import TASKS


def write_old_saliency(root: Path, planned: PlannedTask, who: str, explainer: str, spec: ModelSpec | None) -> int:
    """Numbers of saliency units as earlier versions kept them, from those of today; returns the number of files.

    Args:
        root: A store of today that has the units.
        planned: Their task.
        who: Folder of the observer in the old form.
        explainer: The old name for how the maps are made.
        spec: The model; None for a baseline.
    """
    maps = planned.task.maps
    assert maps is not None
    name = planned.task.name.removesuffix("-smoothgrad")
    shown = {
        key: value for key, value in maps.facts(planned.task.images).items() if key not in ("explainer", "samples")
    }
    facts = {"name": name, "version": 1, "data": planned.data_digest} | shown
    identity = f"{name}@{digest(facts)[:16]}"
    below = root / "saliency" / identity
    own = below / who / explainer
    own.mkdir(parents=True)
    documents = {below / "facts.json": facts | {"identity": identity, "seed": planned.seed}}
    documents |= {below / who / "facts.json": model_record(spec)} if spec is not None else {}
    for path, document in documents.items():
        path.write_bytes(seal_json(path.relative_to(root).as_posix(), document))
    observed = (
        spec.identity if spec is not None else observer("centre" if who.startswith("centre") else "mean map").identity
    )
    files = sorted((root / "predictions" / safe_name(planned.identity) / safe_name(observed)).glob("*.parquet"))
    for file in files:
        table = pq.read_table(file)
        columns = [c for c in table.column_names if c.rpartition(" ")[2] in ("spearman", "dice", "iou")]
        rows: list[dict[str, Any]] = []
        for row in table.to_pylist():
            base = {"observer": observed, "task": identity, "image_id": row["image_id"], "label": row["label"]}
            if row["error"] is not None:
                rows.insert(0, base | {"map": "", "error": row["error"]})
        for of_map in dict.fromkeys(c.rpartition(" ")[0] for c in columns):
            for row in table.to_pylist():
                if row["error"] is None:
                    values = {m: row[f"{of_map} {m}".strip()] for m in ("spearman", "dice", "iou")}
                    base = {"observer": observed, "task": identity, "image_id": row["image_id"], "label": row["label"]}
                    rows.append(base | {"map": of_map or who.partition("@")[0], "error": None} | values)
        old = pa.Table.from_pylist(rows).replace_schema_metadata({b"vitobench.saliency": b"1"})
        place = own / file.name
        place.write_bytes(seal_parquet(place.relative_to(root).as_posix(), old, compression="zstd"))
    return len(files)


@pytest.fixture
def old_saliency(zoo: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[Path, tuple[Score, ...], int]:
    """A store of schema 3 with saliency in its old folder, the scores of its units, and the number of its files."""
    monkeypatch.setattr(plan_module, "SHARD", 5)
    names = ("micro-saliency", "micro-saliency-smoothgrad")
    for name in names:
        monkeypatch.setitem(TASKS, name, replace(TASKS[name], images=16))
    root = tmp_path / "old"
    settings = Settings(
        models=("vito", "other"), tasks=names, baselines=(), samples=2, store=root, device="cpu", limit=12
    )
    outcome = execute(settings)
    assert outcome.complete
    assert outcome.plan is not None
    plain, smoothed = outcome.plan.tasks
    count = 0
    for spec in outcome.plan.models[:2]:
        count += write_old_saliency(root, plain, safe_name(spec.identity), "maps-1", spec)
        count += write_old_saliency(root, smoothed, safe_name(spec.identity), "smoothgrad-2-1", spec)
    for who in ("centre@1", "mean-map@1"):
        count += write_old_saliency(root, plain, who, "baseline", None)
    for folder in ("predictions", "models", "tasks", "images", "runs", "manifests"):
        shutil.rmtree(root / folder)
    return root, outcome.data.scores, count


def test_saliency_of_an_earlier_version_is_never_ignored_and_becomes_ordinary_units(
    old_saliency: tuple[Path, tuple[Score, ...], int],
) -> None:
    root, scores, count = old_saliency
    with pytest.raises(StoreError, match=rf"`bench results migrate --store {root}` brings them up to date"):
        Store(root)
    assert migrate(str(root)) == count == 18
    assert not list(root.rglob("saliency"))
    assert verify(Store(root)) == []
    assert migrate(str(root)) == 0
    after = rescore(Settings(models=(), baselines=(), store=root))
    assert after.complete
    assert {(s.model, s.task, s.condition, s.metric): s for s in after.data.scores} == {
        (s.model, s.task, s.condition, s.metric): s for s in scores
    }
    names = ("micro-saliency", "micro-saliency-smoothgrad")
    again = Settings(models=("vito", "other"), tasks=names, baselines=(), samples=2, store=root, limit=12)
    assert execute(again).computed == 0


def test_damaged_saliency_of_an_earlier_version_is_named_and_nothing_is_removed(
    old_saliency: tuple[Path, tuple[Score, ...], int],
) -> None:
    root, _, count = old_saliency
    shards = sorted(root.glob("saliency/*/vito@*/maps-1/*.parquet"))
    shards[1].write_bytes(shards[1].read_bytes()[:-9])
    with pytest.raises(StoreError, match=f"{re.escape(str(shards[1]))} cannot be read .*delete it and migrate again"):
        migrate(str(root))
    assert len(list(root.glob("saliency/**/*.parquet"))) == count
    shards[1].unlink()
    assert migrate(str(root)) == count - 1
    missing = rescore(Settings(models=("vito",), tasks=("micro-saliency",), baselines=(), store=root)).data.failures
    assert [failure.reason for failure in missing] == ["images 5 to 9 were not run"]


def test_saliency_of_another_protocol_is_named(old_saliency: tuple[Path, tuple[Score, ...], int]) -> None:
    root, _, _ = old_saliency
    (facts,) = root.glob("saliency/*/facts.json")
    facts.write_text(facts.read_text().replace('"exact": true', '"exact": false'))
    with pytest.raises(StoreError, match=r"facts\.json cannot be read \(its content has changed"):
        migrate(str(root))
