"""Tasks that are made of the predictions for another one, with annotations from a folder, a package or the store."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vitobench.errors import DataError
from vitobench.results.store import Store
from vitobench.tasks.datasets.annotated import AnnotatedForm
from vitobench.tasks.datasets.record import DataSet
from vitobench.tasks.datasets.registry import DATA_SETS
from vitobench.tasks.images.classes import imagenet_wnids
from vitobench.tasks.opening import annotations_of, available, open_source, paths_of

Bench = Callable[..., Any]
CLASSES = (0, 207, 574)


def written(folder: Path, shift: int = 0) -> Path:
    """Annotations of nine images: the first of each class is a pose, the second a background, the third a prototype."""
    form = DATA_SETS["imagenet-x"].form
    assert isinstance(form, AnnotatedForm)
    folder.mkdir(exist_ok=True)
    lines, prototypes = [], ["file_name"]
    for label in CLASSES:
        for number, factor in enumerate(("pose", "background", "texture")):
            name = f"ILSVRC2012_val_{label + number:08d}.JPEG"
            row = {"file_name": name, "class": label + shift, "one_word": "é"}
            lines.append(json.dumps(row | {f: int(f == factor) for f in form.factors}))
            prototypes += [name] if number == 2 else []
    (folder / form.annotations).write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / form.left_out).write_text("\n".join(prototypes) + "\n", encoding="utf-8")
    return folder


def record_of(folder: Path, package: str = "") -> DataSet:
    """The record of ImageNet-X, whose revision is the one in a folder."""
    form = DATA_SETS["imagenet-x"].form
    assert isinstance(form, AnnotatedForm)
    sha256 = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in form.sha256}
    return replace(DATA_SETS["imagenet-x"], form=replace(form, sha256=sha256, package=package))


@pytest.fixture
def annotated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of annotations that counts as the published revision; no package has any."""
    folder = written(tmp_path / "annotations")
    multi = DATA_SETS["imagenet-x-multi"].form
    assert isinstance(multi, AnnotatedForm)
    monkeypatch.setitem(DATA_SETS, "imagenet-x", record_of(folder))
    nowhere = replace(DATA_SETS["imagenet-x-multi"], form=replace(multi, package=""))
    monkeypatch.setitem(DATA_SETS, "imagenet-x-multi", nowhere)
    return folder


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for label in CLASSES:
        folder = tmp_path / "photographs" / imagenet_wnids()[label]
        folder.mkdir(parents=True)
        for number in range(3):
            pixels = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"ILSVRC2012_val_{label + number:08d}.JPEG")
    return tmp_path / "photographs"


@pytest.fixture
def imported(bench_here: Bench, tmp_path: Path) -> None:
    """Predictions for the nine images, on names and labels alone: right for the poses, else wrong."""
    names = [(f"ILSVRC2012_val_{label + n:08d}.JPEG", label, n) for label in CLASSES for n in range(3)]
    (tmp_path / "labels.csv").write_text("file_name,label\n" + "".join(f"{name},{k}\n" for name, k, _ in names))
    (tmp_path / "model.csv").write_text(
        "file_name,predicted_class,predicted_probability\n"
        + "".join(f"{name},{k if n == 0 else k + 1},0.5\n" for name, k, n in names)
    )
    done = bench_here("results", "import", "model.csv", "--model", "m", "--task", "imagenet-val",
                      "--labels", "labels.csv", "--quiet")  # fmt: skip
    assert done.code == 0, done.err


def scores(bench_here: Bench, tmp_path: Path, *args: object, code: int = 0) -> tuple[dict[Any, Any], list[Any]]:
    done = bench_here("score", "--baseline", "none", "--json", "s.json", "--quiet", *args)
    assert done.code == code, done.err
    found = json.loads((tmp_path / "s.json").read_text(encoding="utf-8"))
    return {(r["task"], r["condition"], r["metric"]): (r["value"], r["n"]) for r in found["scores"]}, found["failures"]


def test_a_run_computes_the_other_task_alone_and_keeps_the_annotations(
    bench_here: Bench, annotated: Path, photographs: Path, classifier: str, tmp_path: Path
) -> None:
    common = ("--model", classifier, "--baseline", "none", "--task", "imagenet-x", "--data", f"imagenet={photographs}")
    planned = bench_here("plan", *common, "--data", f"imagenet-x={annotated}", "--no-measure", "--json", "plan.json")
    assert planned.code == 0, planned.err
    assert [row["task"] for row in json.loads((tmp_path / "plan.json").read_text())["tasks"]] == ["imagenet-val"]
    done = bench_here("run", *common, "--data", f"imagenet-x={annotated}", "--json", "run.json", "--quiet")
    assert done.code == 0, done.err
    ran = {
        (r["task"], r["condition"], r["metric"]): r for r in json.loads((tmp_path / "run.json").read_text())["scores"]
    }
    assert ran["imagenet-val", "overall", "top1"]["n"] == 9
    assert ran["imagenet-x", "overall", "top1"]["n"] == 6
    assert ran["imagenet-x", "pose", "top1"]["n"] == 3
    units = Store(tmp_path / "bench-results").unit_entries()
    assert {unit.task.partition("@")[0] for unit, _ in units} == {"imagenet-val"}
    again, failures = scores(bench_here, tmp_path)  # neither images nor annotations
    assert failures == []
    assert {key: (r["value"], r["n"]) for key, r in ran.items()} == again
    page = bench_here("report", "--no-gallery", "--report", "page.html", "--quiet")
    assert page.code == 0, page.err
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "ImageNet-X, top factor: every factor" in text


def test_without_annotations_a_run_says_how_to_get_them(
    bench_here: Bench, annotated: Path, photographs: Path, classifier: str
) -> None:
    common = ("run", "--model", classifier, "--baseline", "none", "--task", "imagenet-x")
    done = bench_here(*common, "--data", f"imagenet={photographs}")
    assert done.code == 0, done.err
    assert "No data for imagenet-x: it needs the annotations of ImageNet-X: pip install imagenet-x==0.0.7" in " ".join(
        done.out.split()
    )
    alone = bench_here(*common, "--data", f"imagenet-x={annotated}", "--store", "other")
    assert alone.code == 2
    assert "photographs in one folder per WordNet id" in " ".join(alone.err.split())


def test_imported_predictions_are_scored_with_a_folder(
    bench_here: Bench, annotated: Path, imported: None, tmp_path: Path
) -> None:
    plain, _ = scores(bench_here, tmp_path)
    assert {task for task, _, _ in plain} == {"imagenet-val"}  # what nobody asked for is no gap
    found, failures = scores(bench_here, tmp_path, "--data", f"imagenet-x={annotated}")
    assert failures == []
    assert found["imagenet-x", "overall", "top1"] == (0.5, 6)
    assert found["imagenet-x", "pose", "error_ratio"] == (0.0, 3)
    assert found["imagenet-x", "background", "error_ratio"] == (2.0, 3)
    assert found["imagenet-x", "texture", "error_ratio"] == (None, 0)  # prototypes alone have it
    assert found["imagenet-x", "overall", "worst_factor"] == (0.0, 6)
    shown = bench_here("score", "--baseline", "none", "--data", f"imagenet-x={annotated}")
    assert "ImageNet-X, top factor: error ratio" in " ".join(shown.out.split())


def test_asked_for_and_absent_is_a_hole_with_its_reason(
    bench_here: Bench, annotated: Path, imported: None, tmp_path: Path
) -> None:
    found, failures = scores(bench_here, tmp_path, "--task", "imagenet-x", code=3)
    (failure,) = failures
    assert failure["task"] == "imagenet-x"
    assert failure["reason"].startswith("ImageNet-X, top factor needs the annotations of ImageNet-X: pip install")
    assert found["imagenet-x", "overall", "top1"] == (None, 0)
    assert found["imagenet-val", "overall", "top1"][1] == 9


def test_another_revision_is_named_and_not_scored(
    bench_here: Bench, annotated: Path, imported: None, tmp_path: Path
) -> None:
    file = annotated / "imagenet_x_val_top_factor.jsonl"
    file.write_bytes(file.read_bytes() + b"\n")
    found, (failure,) = scores(bench_here, tmp_path, "--data", f"imagenet-x={annotated}", code=3)
    assert f"{file} is of another revision than imagenet-x 0.0.7: its SHA-256 begins with" in failure["reason"]
    assert "install imagenet-x==0.0.7" in failure["reason"]
    assert found["imagenet-x", "overall", "top1"] == (None, 0)


def test_labels_in_another_order_than_the_annotations_are_reported(
    bench_here: Bench, annotated: Path, imported: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(DATA_SETS, "imagenet-x", record_of(written(annotated, shift=1)))
    _, (failure,) = scores(bench_here, tmp_path, "--data", f"imagenet-x={annotated}", code=3)
    assert failure["reason"].startswith("6 of 6 annotated images have another class here than in the annotations")


def test_what_is_made_of_others_has_no_predictions_to_import(
    bench_here: Bench, annotated: Path, imported: None
) -> None:
    done = bench_here(
        "results", "import", "model.csv", "--model", "m", "--task", "imagenet-x", "--labels", "labels.csv"
    )
    assert done.code == 2
    assert "Import the file with --task imagenet-val" in " ".join(done.err.split())


def test_a_folder_without_the_annotations_is_refused(bench_here: Bench, imported: None, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = bench_here("score", "--data", "imagenet-x=empty")
    assert done.code == 2
    assert "empty has no imagenet_x_val_top_factor.jsonl" in " ".join(done.err.split())
    assert "pip install imagenet-x==0.0.7" in " ".join(done.err.split())
    assert bench_here("score", "--data", "nonsense=empty").code == 2


def test_an_installed_package_is_found_and_not_imported(
    tmp_path: Path, annotated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site" / "fake_imagenet_x"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('not to be imported')\n")
    annotated.rename(package / "annotations")
    monkeypatch.setitem(DATA_SETS, "imagenet-x", record_of(package / "annotations", "fake_imagenet_x"))
    assert not available("imagenet-x", {})
    monkeypatch.syspath_prepend(tmp_path / "site")
    assert paths_of("imagenet-x", {}) == (package,)
    facts = annotations_of("imagenet-x", package)
    assert facts["images"]["ILSVRC2012_val_00000207"] == [207, facts["factors"].index("pose")]
    assert len(facts["images"]) == 6
    assert annotations_of("imagenet-x", tmp_path / "site" / "fake_imagenet_x" / "annotations") == facts
    assert "fake_imagenet_x" not in sys.modules
    with pytest.raises(DataError, match="are annotations"):
        open_source("imagenet-x", {}, None, 0)


@pytest.mark.parametrize("line", ["{}", '{"file_name": "a.JPEG", "class": 1}', "nonsense", "[1]"])
def test_annotations_of_another_form_are_refused(annotated: Path, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    (annotated / "imagenet_x_val_top_factor.jsonl").write_text(line + "\n")
    monkeypatch.setitem(DATA_SETS, "imagenet-x", record_of(annotated))
    with pytest.raises(DataError, match="does not have an object for each image with file_name, class and 0 or 1"):
        annotations_of("imagenet-x", annotated)
