"""A folder of photographs, one of them broken, and a classifier of ImageNet's classes."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vitobench.bench.run import Outcome, execute, rescore
from vitobench.bench.settings import Settings
from vitobench.errors import DataError
from vitobench.reports.page.html import render_html
from vitobench.results.inventory import FORMATS, export, verify
from vitobench.results.store import Store
from vitobench.tasks.images.folders import ImageFolder

Bench = Callable[..., Any]
WNIDS = ("n01440764", "n02099601", "n03445777")


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    root = tmp_path / "photographs"
    for wnid in WNIDS:
        (root / wnid).mkdir(parents=True)
        for number in range(3):
            pixels = rng.integers(0, 256, (40 + 30 * number, 90, 3), dtype=np.uint8)
            Image.fromarray(pixels).resize((200, 180 + 20 * number)).save(root / wnid / f"{number}.JPEG")
    return root


def test_an_image_that_cannot_be_decoded_is_named_and_n_shrinks(
    bench_here: Bench, photographs: Path, classifier: str, tmp_path: Path
) -> None:
    common = ("run", "--model", classifier, "--data", f"imagenet={photographs}", "--task", "imagenet-val")
    whole = bench_here(*common, "--json", "whole.json")
    assert whole.code == 0, whole.err
    rows = json.loads((tmp_path / "whole.json").read_text())["scores"]
    row = next(row for row in rows if row["metric"] == "top1")
    assert row["n"] == 9

    broken = photographs / WNIDS[1] / "1.JPEG"
    broken.write_bytes(broken.read_bytes()[:200])
    refused = bench_here(*common)
    assert refused.code == 2
    assert f"1 image changed (first: {WNIDS[1]}/1.JPEG)" in refused.err
    assert "--new-data" in refused.err
    done = bench_here(*common, "--new-data", "--json", "broken.json")
    assert done.code == 3
    assert f"{WNIDS[1]}/1.JPEG" in (tmp_path / "broken.json").read_text()
    found = json.loads((tmp_path / "broken.json").read_text())
    (failure,) = found["failures"]
    assert (failure["task"], failure["image_id"]) == ("imagenet-val", f"{WNIDS[1]}/1.JPEG")
    assert failure["reason"]
    assert str(photographs) not in failure["reason"]
    assert {row["n"] for row in found["scores"]} == {8}
    assert f"{WNIDS[1]}/1.JPEG" in done.out
    again = bench_here(*common)
    assert again.code == 3
    assert "nothing computed" in again.out


def test_corrupted_photographs_are_normalised_by_alexnet(
    figures: None, bench_here: Bench, photographs: Path, classifier: str, tmp_path: Path
) -> None:
    common = ("--model", classifier, "--data", f"imagenet={photographs}", "--limit", 1, "--json", "s.json")
    done = bench_here("run", *common, "--suite", "robustness")
    assert done.code == 0, done.err
    found = json.loads((tmp_path / "s.json").read_text())
    clean = {"imagenet-val", "imagenet-a-clean", "imagenet-r-clean", "laion-c-clean"}
    assert {row["task"] for row in found["scores"]} == {*clean, "imagenet-c", "imagenet-c-bar", "laion-c"}
    assert "No data for imagenet-3dcc, imagenet-c-folders, " in " ".join(done.out.split())
    (mce,) = [row for row in found["scores"] if (row["metric"], row["task"]) == ("mce", "imagenet-c")]
    cells = [row for row in found["scores"] if row["task"] == "imagenet-c" and row["metric"] == "top1"]
    if all(row["value"] == 0.0 for row in cells):  # an untrained classifier: 100 % error over AlexNet's
        assert mce["value"] == pytest.approx(1.32, abs=0.03)
    first = ImageFolder(photographs).image_ids[0]
    (stored,) = (tmp_path / "bench-results" / "manifests").glob("imagenet@*.json.gz")
    assert first in json.loads(gzip.decompress(stored.read_bytes()))["facts"]


@pytest.fixture
def run_here(classifier: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    """Ask the classifier about a folder of photographs, in this process."""

    def run(folder: Path, store: str = "store", **more: Any) -> Outcome:
        data = {"imagenet": folder}
        where = tmp_path / store
        return execute(
            Settings((classifier,), (), tasks=("imagenet-val",), data=data, store=where, device="cpu", **more)
        )

    monkeypatch.chdir(tmp_path)
    return run


def top1_of(outcome: Outcome) -> tuple[float, int]:
    (score,) = [score for score in outcome.data.scores if score.metric == "top1"]
    return score.value, score.n


def test_a_link_that_leads_nowhere_costs_its_own_image_alone(
    run_here: Callable[..., Outcome], photographs: Path, tmp_path: Path
) -> None:
    link = photographs / WNIDS[0] / "3.JPEG"
    link.symlink_to(tmp_path / "elsewhere.JPEG")
    (photographs / WNIDS[1] / "loop.JPEG").symlink_to("loop.JPEG")
    for _ in range(2):  # and is tried again in the next run
        outcome = run_here(photographs)
        assert top1_of(outcome)[1] == 9
        named = {failure.image_id: failure.reason for failure in outcome.data.failures if failure.image_id != "*"}
        assert named == {
            f"{WNIDS[0]}/3.JPEG": "No such file or directory",
            f"{WNIDS[1]}/loop.JPEG": "Too many levels of symbolic links",
        }
        assert outcome.computed == 0
    assert list((tmp_path / "store" / "partial").rglob("*.parquet"))
    assert not list((tmp_path / "store" / "predictions").rglob("*.parquet"))

    # Once they can be read it is another set, which needs no --new-data.
    before = outcome.data.task("imagenet-val")["data_digest"]
    (photographs / WNIDS[1] / "loop.JPEG").unlink()
    (photographs / WNIDS[0] / "2.JPEG").rename(photographs / WNIDS[1] / "loop.JPEG")
    (photographs / WNIDS[0] / "2.JPEG").symlink_to(photographs / WNIDS[1] / "loop.JPEG")
    (tmp_path / "elsewhere.JPEG").write_bytes((photographs / WNIDS[0] / "0.JPEG").read_bytes())
    outcome = run_here(photographs)
    assert outcome.complete
    assert top1_of(outcome)[1] == 11
    after = outcome.data.task("imagenet-val")["data_digest"]
    assert after == ImageFolder(photographs).digest != before

    # A file that cannot be read later does not make another set of it: what is stored is served.
    (tmp_path / "elsewhere.JPEG").unlink()
    again = run_here(photographs)
    assert (again.complete, again.computed) == (True, 0)
    assert again.data.task("imagenet-val")["data_digest"] == after
    # Without the cache nobody knows what it held.
    for kept in (path for path in (tmp_path / "store" / "cache").iterdir() if path.is_file()):
        kept.unlink()
    with pytest.raises(DataError, match=rf"1 image no longer readable \(first: {WNIDS[0]}/3.JPEG\)"):
        run_here(photographs)


def test_names_that_are_not_utf8_are_stored_escaped(
    run_here: Callable[..., Outcome], photographs: Path, tmp_path: Path
) -> None:
    expected = top1_of(run_here(photographs, "plain"))
    names = (b"caf\xe9.JPEG", rb"caf\udce9.JPEG", b"1.JPEG")  # the second is what the first is shown as
    for number, name in enumerate(names):
        place = photographs / WNIDS[0]
        (place / f"{number}.JPEG").rename(place / os.fsdecode(name + b".aside"))
    for name in names:
        aside = photographs / WNIDS[0] / os.fsdecode(name + b".aside")
        aside.rename(aside.with_suffix(""))
    elsewhere = photographs.rename(tmp_path / os.fsdecode(b"dat\xe9"))
    outcome = run_here(elsewhere, os.fsdecode(b"st\xe9re"))
    assert outcome.complete
    assert top1_of(outcome) == expected
    store = Store(tmp_path / os.fsdecode(b"st\xe9re"))
    rows = [store.read_file(f"{entry.name}") for _, entry in store.unit_entries()]
    ids = {str(image_id) for table in rows for image_id in table.column("image_id").to_pylist()}
    assert {i for i in ids if i.startswith(WNIDS[0])} == {
        rf"{WNIDS[0]}/caf\udce9.JPEG", rf"{WNIDS[0]}/caf\u005cudce9.JPEG", f"{WNIDS[0]}/1.JPEG",
    }  # fmt: skip
    assert len(ids) == 9
    assert verify(store) == []
    for suffix in FORMATS:
        target = tmp_path / os.fsdecode(b"dat\xe9" + b"a.") / f"all{suffix}"
        assert export(store, [entry.name for _, entry in store.unit_entries()], target) == 9
        assert suffix != ".csv" or b"caf\\udce9.JPEG" in target.read_bytes()
    again = run_here(elsewhere, os.fsdecode(b"st\xe9re"))
    assert (again.complete, again.computed, top1_of(again)) == (True, 0, expected)


def test_two_folders_of_equal_names_sizes_and_times_have_their_own_answers(
    run_here: Callable[..., Outcome], tmp_path: Path
) -> None:
    rng = np.random.default_rng(1)
    digests = []
    for folder in ("one", "two"):
        for wnid in WNIDS:
            path = tmp_path / folder / wnid / "a.bmp"
            path.parent.mkdir(parents=True)
            Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path)
            os.utime(path, (0, 0))
        outcome = run_here(tmp_path / folder)
        assert outcome.computed == 1
        digests.append(outcome.data.task("imagenet-val")["data_digest"])
        assert digests[-1] == ImageFolder(tmp_path / folder).digest
    assert digests[0] != digests[1]


def test_a_model_in_a_file_whose_name_is_not_utf8_spoils_no_page(
    photographs: Path, classifier: str, tmp_path: Path
) -> None:
    odd = (tmp_path / "mine.pth").rename(tmp_path / os.fsdecode(b"caf\xe9.pth"))
    name = f"file:{odd}?{classifier.partition('?')[2]}"
    settings = Settings((name,), (), tasks=("imagenet-val",), data={"imagenet": photographs}, store=tmp_path / "s")
    outcome = execute(settings)
    assert outcome.complete
    (record,) = outcome.data.models
    assert record["name"] == name.replace("\udce9", r"\udce9")
    assert record["name"].encode()
    assert verify(Store(tmp_path / "s")) == []
    # By the name that the page shows it is the same model.
    assert execute(replace(settings, models=(record["name"],))).computed == 0
    assert rescore(replace(settings, models=(name,))).data.models[0]["name"] == record["name"]
    render_html(outcome.data).encode()


def test_what_is_left_out_is_said_by_plan_run_json_and_page(
    bench_here: Bench, photographs: Path, classifier: str, tmp_path: Path
) -> None:
    common = ("--model", classifier, "--data", f"imagenet={photographs}", "--task", "imagenet-val")
    (photographs / WNIDS[0] / "Thumbs.db").touch()
    quiet = bench_here("plan", *common, "--no-measure", "--json", "quiet.json")
    assert "Left out" not in quiet.out
    quiet_facts = json.loads((tmp_path / "quiet.json").read_text())["left_out"]["imagenet"]
    assert quiet_facts == {
        "line": "",
        "kinds": {"hidden files and files of the system": {"count": 1, "example": f"{WNIDS[0]}/Thumbs.db"}},
    }

    (photographs / WNIDS[0] / "all").symlink_to(".")
    for number in range(1200):
        (photographs / WNIDS[1] / f"{number:04d}.heic").touch()
    (photographs / WNIDS[2] / "<i>&.txt").touch()
    line = (
        f"Left out of imagenet: .heic files: 1,200 (such as {WNIDS[1]}/0000.heic); .txt files: 1 "
        f"({WNIDS[2]}/<i>&.txt); links to folders that are listed already: 1 ({WNIDS[0]}/all)."
    )
    planned = bench_here("plan", *common, "--no-measure", "--json", "plan.json")
    assert line in " ".join(planned.out.split())
    assert json.loads((tmp_path / "plan.json").read_text())["left_out"]["imagenet"]["line"] == line

    done = bench_here("run", *common, "--json", "run.json", "--report", "run.html")
    assert done.code == 0, done.err
    assert line in " ".join(done.out.split())
    found = json.loads((tmp_path / "run.json").read_text())
    assert {row["n"] for row in found["scores"]} == {9}
    (task,) = found["tasks"]
    assert task["left_out"]["line"] == line
    assert task["left_out"]["kinds"][".heic files"]["count"] == 1200
    escaped = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert (tmp_path / "run.html").read_text().count(f"<li>{escaped}</li>") == 1

    # Without the folder, from what the store has kept.
    scored = bench_here("score", "--task", "imagenet-val", "--json", "score.json")
    assert scored.code == 0, scored.err
    assert line in " ".join(scored.out.split())
    assert json.loads((tmp_path / "score.json").read_text())["tasks"][0]["left_out"] == task["left_out"]
    assert bench_here("report", "--task", "imagenet-val", "--report", "again.html").code == 0
    assert f"<li>{escaped}</li>" in (tmp_path / "again.html").read_text()
