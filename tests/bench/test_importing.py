"""``bench results import``: predictions that were made elsewhere, on images, on labels alone, and in bad files."""

from __future__ import annotations

import csv
import gzip
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import vitobench
from vitobench.bench.catalogue import spec_of
from vitobench.bench.importing.matching import Matcher
from vitobench.bench.run import rescore
from vitobench.bench.settings import Settings
from vitobench.errors import DataError
from vitobench.results import records
from vitobench.results.inventory import verify
from vitobench.results.store import Store
from vitobench.tasks.images.classes import imagenet_names, imagenet_wnids
from vitobench.tasks.images.folders import ImageFolder

Bench = Callable[..., Any]
CLASSES = (0, 207, 574)
TASK = ("--task", "imagenet-val")


def write(
    path: Path, rows: Sequence[Sequence[object]], heads: str = "file_name,predicted_class,predicted_probability"
) -> Path:
    with path.open("w", encoding="utf-8", newline="") as handle:
        csv.writer(handle).writerows([heads.split(","), *rows])
    return path


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """Three photographs of each of three classes. The first of every class has the same name."""
    rng = np.random.default_rng(0)
    for label in CLASSES:
        folder = tmp_path / "photographs" / imagenet_wnids()[label]
        folder.mkdir(parents=True)
        for name in ("same.JPEG", f"ILSVRC2012_val_{label:08d}.JPEG", f"ILSVRC2012_val_{label + 1:08d}.JPEG"):
            Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(folder / name)
    return tmp_path / "photographs"


@pytest.fixture
def right(photographs: Path) -> list[tuple[str, int, float]]:
    """A right prediction for every photograph."""
    images = ImageFolder(photographs)
    return [(i, int(label), 0.5) for i, label in zip(images.image_ids, images.labels, strict=True)]


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    """Names and labels of ten images that are not there."""
    return write(tmp_path / "labels.csv", [(f"{n}.png", n) for n in range(10)], "file_name,label")


def answers(store: Store, task: str, model: str) -> dict[str, tuple[int, float, str | None]]:
    """What the store has of the image, by id: class, confidence and error."""
    found = {}
    for unit, entry in store.unit_entries():
        if unit.task.startswith(f"{task}@") and unit.model.startswith(f"{model}@"):
            for row in store.checked(entry.name).to_pylist():
                found[row["image_id"]] = (row["top1"], row["confidence"], row["error"])
    return found


def score(bench_here: Bench, tmp_path: Path, *args: object) -> dict[tuple[str, str, str, str], float]:
    done = bench_here("score", "--baseline", "none", "--json", "scores.json", "--quiet", *args)
    assert done.code == 0, done.err
    rows = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))["scores"]
    return {(row["model"], row["task"], row["condition"], row["metric"]): row["value"] for row in rows}


def test_what_a_run_exported_and_an_import_reads_scores_the_same(
    bench_here: Bench, small_tasks: None, tmp_path: Path
) -> None:
    tasks = ("--task", "micro-val", "--task", "micro-c")
    assert bench_here("run", "--model", "other", *tasks, "--baseline", "none", "--quiet", "--device", "cpu").code == 0
    for task, file in (("micro-val", "val.csv"), ("micro-c", "c.parquet")):
        assert bench_here("results", "export", file, "--task", task, "--model", "other", "--quiet").code == 0
        done = bench_here("results", "import", file, "--model", "copy", "--task", task, "--json")
        assert done.code == 0, done.err
        assert json.loads(done.out)["problems"] == []
    numbers = score(bench_here, tmp_path)
    own = {key[1:]: value for key, value in numbers.items() if key[0] == "other"}
    copied = {key[1:]: value for key, value in numbers.items() if key[0] == "copy"}
    assert {task for task, _, _ in own} == {"micro-val", "micro-c"}
    assert own == copied
    assert verify(Store(tmp_path / "bench-results")) == []


def test_names_are_matched_by_path_and_by_file_name(
    bench_here: Bench, photographs: Path, right: list[tuple[str, int, float]], tmp_path: Path
) -> None:
    forms = {
        "as listed": lambda i: i,
        "absolute": lambda i: str(photographs / i),
        "of Windows": lambda i: "C:\\data\\" + i.replace("/", "\\"),
        "the file where that is enough": lambda i: i if "same" in i else i.rpartition("/")[2],
        "without its ending": lambda i: i if "same" in i else i.rpartition("/")[2].removesuffix(".JPEG"),
        "in a flat folder": lambda i: i if "same" in i else "val/" + i.rpartition("/")[2],
    }
    for number, (what, written) in enumerate(forms.items()):
        file = write(tmp_path / f"{number}.csv", [(written(name), label, 0.5) for name, label, _ in right])
        done = bench_here(
            "results", "import", file, "--model", f"m{number}", *TASK, "--data", f"imagenet={photographs}"
        )
        assert done.code == 0, (what, done.err)
        found = answers(Store(tmp_path / "bench-results"), "imagenet-val", f"m{number}")
        assert {i: top for i, (top, _, _) in found.items()} == {i: label for i, label, _ in right}, what


def test_a_path_into_the_folder_of_another_class_is_not_matched_by_its_file_name() -> None:
    matcher = Matcher(["n01440764/1.JPEG", "n02099601/2.JPEG"])
    assert matcher("2.JPEG") == 1
    assert matcher("n01440764/2.JPEG") == Matcher.UNKNOWN
    assert matcher("elsewhere/2.JPEG") == 1


def test_classes_may_be_indices_wordnet_ids_and_names(bench_here: Bench, labels: Path, tmp_path: Path) -> None:
    forms: list[Callable[[int], object]] = [
        lambda n: n,
        lambda n: f"{n}.0",
        lambda n: imagenet_wnids()[n],
        lambda n: imagenet_names()[n].upper().replace(" ", "_"),
    ]
    for number, written in enumerate(forms):
        file = write(tmp_path / f"{number}.csv", [(f"{n}.png", written(n), 0.25) for n in range(10)])
        done = bench_here("results", "import", file, "--model", f"m{number}", *TASK, "--labels", labels)
        assert done.code == 0, done.err
    numbers = score(bench_here, tmp_path)
    assert [numbers[f"m{n}", "imagenet-val", "overall", "top1"] for n in range(4)] == [1.0] * 4


def test_a_name_of_two_classes_is_neither(bench_here: Bench, labels: Path, tmp_path: Path) -> None:
    rows = [(f"{n}.png", "crane" if n < 2 else n, 0.5) for n in range(10)]
    done = bench_here("results", "import", write(tmp_path / "p.csv", rows), "--model", "m", *TASK, "--labels", labels)
    assert done.code == 2
    assert "2 classes that are none of the 1000 of imagenet-1k: 'crane' of 0.png, 'crane' of 1.png" in done.err


def test_whatever_does_not_fit_is_counted_with_examples_and_nothing_is_written(
    bench_here: Bench, photographs: Path, right: list[tuple[str, int, float]], tmp_path: Path
) -> None:
    rows: list[tuple[object, object, object]] = list(right)
    clear = [row for row in right if "same" not in row[0]]
    a, b, c, d = (right.index(row) for row in clear[:4])
    rows[a] = (right[a][0], 1000, 0.5)
    rows[b] = (right[b][0], right[b][1], 1.01)
    rows[c] = ("elsewhere.JPEG", 0, 0.5)
    rows.append(right[d])
    rows.append(("same.JPEG", 0, 0.5))
    file = write(tmp_path / "bad.csv", rows)
    command = ("results", "import", file, "--model", "m", *TASK, "--data", f"imagenet={photographs}")
    done = bench_here(*command)
    assert done.code == 2
    for line in (
        "bad.csv does not fit imagenet-val (9 images), and nothing was written:",
        "1 name that imagenet-val does not have: elsewhere.JPEG\n",
        "1 name that matches more than one image: same.JPEG (n0",
        f"1 image with more than one row: {right[d][0]}\n",
        f"1 class that is none of the 1000 of imagenet-1k: '1000' of {right[a][0]}\n",
        f"1 probability that is no number from 0 to 1: '1.01' of {right[b][0]}\n",
        f"1 image without a prediction: {right[c][0]}\n",
        "--partial",
    ):
        assert line in done.err
    assert not (tmp_path / "bench-results").exists()

    done = bench_here(*command, "--partial")
    assert done.code == 3
    assert done.err.count("Left out:") == 6
    found = answers(Store(tmp_path / "bench-results"), "imagenet-val", "m")
    reasons = {image_id: error for image_id, (_, _, error) in found.items() if error is not None}
    assert reasons == {
        right[a][0]: "the imported file has none of the task's classes for it",
        right[b][0]: "the imported file has no probability from 0 to 1 for it",
        right[c][0]: "not in the imported file",
        right[d][0]: "twice in the imported file",
    }
    assert verify(Store(tmp_path / "bench-results")) == []
    done = bench_here("score", "--model", "m", "--json", "scores.json", "--quiet")
    assert done.code == 3
    scores = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))
    assert {row["n"] for row in scores["scores"] if row["metric"] == "top1"} == {5}
    assert {f["image_id"] for f in scores["failures"]} == set(reasons)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "it is empty"),
        ("file_name,predicted_class,predicted_probability\n", "has no rows"),
        ("picture,predicted_class,predicted_probability\na,1,1\n", "no column with names of images"),
        (
            "file_name,label,predicted_probability\na,1,1\n",
            "no column with predicted classes. Its columns are file_name",
        ),
        ("file_name,class\na,1\n", "no column with probabilities"),
        ("file_name,predicted_class,predicted_probability\na,1\n", "row 2: 2 cells, where the heading has 3"),
        ("file_name,File_Name,class\na,b,1\n", "a heading twice"),
        (b"\x00\x01\x02\xff\xfe", "neither a Parquet file nor an array"),
        (b"PAR1 and then nothing", "cannot be read as Parquet"),
        (b"PK\x03\x04 and then nothing", "cannot be read as arrays"),
        (gzip.compress(b"file_name,class,confidence\na,1,1\n", mtime=0)[:-4], "damaged gzip file"),
    ],
)
def test_files_of_another_form(
    bench_here: Bench, labels: Path, tmp_path: Path, content: str | bytes, words: str
) -> None:
    file = tmp_path / "file"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    done = bench_here("results", "import", file, "--model", "m", *TASK, "--labels", labels)
    assert done.code == 2
    assert words in done.err
    assert not (tmp_path / "bench-results").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--model", "vito", *TASK), "is the name of a model that can be run (zoo)"),
        (("--model", "timm:mine", *TASK), "is the name of a model that can be run (timm)"),
        (("--model", "a@b", *TASK), "cannot be the name of an imported model"),
        (("--model", "m", "--task", "imagenet-vall"), "Did you mean 'imagenet-val'"),
        (("--model", "m", "--task", "imagenet-c"), "has 75 conditions, such as gaussian_noise/1"),
        (("--model", "m", "--task", "micro-val"), "renders its images, so labels alone are not enough"),
    ],
)
def test_names_that_cannot_be_imported(
    bench_here: Bench, labels: Path, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    file = write(tmp_path / "p.csv", [(f"{n}.png", n, 0.5) for n in range(10)])
    done = bench_here("results", "import", file, *arguments, "--labels", labels)
    assert done.code == 2
    assert words in done.err


def test_labels_of_another_form(bench_here: Bench, tmp_path: Path) -> None:
    file = write(tmp_path / "p.csv", [("a", 0, 0.5)])
    for content, words in (
        ("file_name,label\na,0\na,1\n", "has names twice, 1 in all: a"),
        ("file_name,label\na,1000\n", "1 labels that are none of the 1000 classes of imagenet-val: '1000' of a"),
        ("[[1, 2]]", "has 2 classes, and the task takes one"),
        ('{"a": {}}', "Expected a JSON list"),
        ("[", "is not JSON"),
    ):
        (tmp_path / "labels").write_text(content, encoding="utf-8")
        done = bench_here("results", "import", file, "--model", "m", *TASK, "--labels", "labels")
        assert done.code == 2
        assert words in done.err
    done = bench_here("results", "import", file, "--model", "m", *TASK)
    assert done.code == 2
    assert "--data imagenet=DIR; or, without images, --labels FILE" in done.err


def test_logits_with_names(bench_here: Bench, labels: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(10, 1000)) * 3
    names = [f"{n}.png" for n in range(10)]
    np.savez(tmp_path / "both.npz", logits=logits, names=np.array(names))
    np.save(tmp_path / "logits.npy", logits.astype(np.float32))
    (tmp_path / "names.txt").write_text("\n".join(names), encoding="utf-8")
    common = (*TASK, "--labels", labels)
    assert bench_here("results", "import", "both.npz", "--model", "a", *common).code == 0
    assert bench_here("results", "import", "logits.npy", "--names", "names.txt", "--model", "b", *common).code == 0
    store = Store(tmp_path / "bench-results")
    for model in "ab":
        found = answers(store, "imagenet-val", model)
        assert [found[name][0] for name in names] == logits.argmax(axis=1).tolist()
        exponents = np.exp(logits)
        expected = exponents.max(axis=1) / exponents.sum(axis=1)
        np.testing.assert_allclose([found[name][1] for name in names], expected, rtol=2**-12)
    numbers = score(bench_here, tmp_path)
    five = (np.argsort(-logits, axis=1)[:, :5] == np.arange(10)[:, None]).any(axis=1).mean()
    assert numbers["a", "imagenet-val", "overall", "top5"] == pytest.approx(five)

    logits[3, 7] = np.nan
    np.savez(tmp_path / "holes.npz", logits=logits, names=np.array(names))
    np.savez(tmp_path / "few.npz", logits=logits[:, :999], names=np.array(names))
    np.savez(tmp_path / "short.npz", logits=logits, names=np.array(names[:9]))
    np.savez(tmp_path / "nameless.npz", logits=logits)
    np.savez(tmp_path / "objects.npz", logits=logits, names=np.array(names, dtype=object))
    for file, words in {
        "holes": "1 class that is none of the 1000 of imagenet-1k: 'logits that are not finite' of 3.png",
        "few": "logits of 999 classes; imagenet-val needs 1000",
        "short": "10 rows of logits and 9 names",
        "nameless": "has no names of images",
        "objects": "Save names as text",
    }.items():
        done = bench_here("results", "import", f"{file}.npz", "--model", "c", *common)
        assert done.code == 2
        assert words in done.err


def test_an_imported_model_is_a_baseline_and_never_runs(
    bench_here: Bench, photographs: Path, right: list[tuple[str, int, float]], classifier: str, tmp_path: Path
) -> None:
    data = ("--data", f"imagenet={photographs}")
    file = write(tmp_path / "p.csv", right)
    assert bench_here("results", "import", file, "--model", "perfect", *TASK, *data).code == 0
    done = bench_here("run", "--model", "perfect", *TASK, *data)
    assert done.code == 2
    assert "perfect: imported, so there is nothing to run. `bench score --model perfect`" in done.err
    run = ("run", "--model", classifier, "--baseline", "perfect", *TASK, *data, "--device", "cpu", "--json", "run.json")
    done = bench_here(*run)
    assert done.code == 0, done.err
    found = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    assert {(r["a"], r["b"]) for r in found["comparisons"]} == {(classifier, "perfect")}
    assert "perfect was imported: its stored predictions are used." in done.err + done.out
    spec = next(model for model in found["models"] if model["name"] == "perfect")
    assert (spec["source"], spec["weights_hash"]) == ("imported", "")
    page = (tmp_path / "bench-results" / "report.html").read_text(encoding="utf-8")
    assert "imported predictions, sha256" in page
    assert bench_here("compare", classifier, "perfect", *TASK).code == 0
    done = bench_here("tables", "--to", "tables", *TASK)
    assert done.code == 0, done.err
    assert any("perfect" in path.read_text(encoding="utf-8") for path in (tmp_path / "tables").glob("*.tex"))
    assert bench_here("figures", "--to", "figures", *TASK).code == 0

    (photographs / imagenet_wnids()[1]).mkdir()
    shutil.copy(next(photographs.rglob("*.JPEG")), photographs / imagenet_wnids()[1] / "new.JPEG")
    done = bench_here(*run, "--new-data")
    assert done.code == 3
    failures = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))["failures"]
    assert [(f["model"], f["task"]) for f in failures] == [("perfect", "imagenet-val")]
    assert failures[0]["reason"] == (
        "images 0 to 9 were not imported: `bench results import FILE --model perfect --task imagenet-val` adds them"
    )


def test_the_identity_is_that_of_the_files(bench_here: Bench, labels: Path, tmp_path: Path) -> None:
    rows = [(f"{n}.png", n, 0.5) for n in range(10)]
    one, other = write(tmp_path / "one.csv", rows), write(tmp_path / "other.csv", [*reversed(rows)])
    more = write(tmp_path / "more.csv", [(f"{n}.png", n + 1) for n in range(10)], "file_name,label")

    def identity(store: str, *imports: tuple[Path, Path]) -> str:
        for file, of in imports:
            done = bench_here("results", "import", file, "--model", "m", *TASK, "--labels", of, "--store", store)
            assert done.code == 0, done.err
        newest = records.runs(Store(tmp_path / store))[0]["models"]["m"]
        assert spec_of(records.kept(Store(tmp_path / store), records.MODELS)[newest]).identity == newest
        return str(newest)

    alone = identity("a", (one, labels))
    assert (
        alone == identity("a", (one, labels)) == identity("a", (one, more))
    )  # the same file again, and on another task
    assert identity("b", (other, labels)) != alone
    both = identity("c", (one, labels), (other, more))
    assert both not in (alone, identity("b", (other, labels)))
    assert both == identity("d", (other, more), (one, labels))
    for place in "cd":  # predictions of both files are under the one identity
        store = Store(tmp_path / place)
        assert len({u.task for u, _ in store.unit_entries() if u.model == both}) == 2
        assert verify(store) == []
        assert bench_here("results", "prune", "--superseded", "--yes", "--store", place).code == 0
        assert {u.model for u, _ in store.unit_entries()} == {both}

    done = bench_here("results", "import", other, "--model", "m", *TASK, "--labels", labels, "--store", "a")
    assert done.code == 2
    assert "has other predictions of m for imagenet-val@" in done.err
    assert "imported from one.csv" in done.err


def test_it_is_recorded_that_there_were_labels_alone(bench_here: Bench, labels: Path, tmp_path: Path) -> None:
    frame = pd.DataFrame({"image": [f"{n}.png" for n in range(10)], "prediction": range(10), "confidence": 0.5})
    frame.to_parquet(tmp_path / "p.parquet")
    assert bench_here("results", "import", "p.parquet", "--model", "m", *TASK, "--labels", labels).code == 0
    store = Store(tmp_path / "bench-results")
    (task,) = records.kept(store, records.TASKS).values()
    assert task["images"].startswith("labels of labels.csv, sha256 ")
    assert task["images"].endswith("; no images")
    (run,) = records.runs(store)
    assert run["data"]["imagenet"]["folder"] == str(labels)
    assert run["imported"]["file"] == str(tmp_path / "p.parquet")
    assert json.loads(bench_here("results", "show", "m").out)["source"] == "imported"


def test_merge_from_the_command_line(bench_here: Bench, labels: Path, tmp_path: Path) -> None:
    right = write(tmp_path / "right.csv", [(f"{n}.png", n, 0.5) for n in range(10)])
    wrong = write(tmp_path / "wrong.csv", [(f"{n}.png", n + 1, 0.5) for n in range(10)])
    for store, model, file in (("one", "a", right), ("two", "b", wrong)):
        command = ("results", "import", file, "--model", model, *TASK, "--labels", labels, "--store", store)
        assert bench_here(*command).code == 0
    done = bench_here("results", "merge", "one", "two", "--to", "both", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["units"] == 2
    numbers = score(bench_here, tmp_path, "--store", "both")
    assert [numbers[model, "imagenet-val", "overall", "top1"] for model in "ab"] == [1.0, 0.0]
    done = bench_here("results", "merge", "one", "both", "--to", "one")
    assert done.code == 2
    assert "both a source and the target" in done.err


def test_from_python(tmp_path: Path, labels: Path) -> None:
    """As functions, into two stores that become one; the page says why it shows no images."""
    stores = [tmp_path / "a", tmp_path / "b"]
    for shift, (store, model) in enumerate(zip(stores, ("one", "two"), strict=True)):
        file = write(tmp_path / f"{model}.csv", [(f"{n}.png", (n + shift * (n % 2)) % 10, 0.5) for n in range(10)])
        imported = vitobench.import_predictions(file, model, "imagenet-val", labels=labels, store=store)
        assert (imported.predictions, imported.images, imported.problems) == (10, 10, ())
    merged = vitobench.merge(stores, tmp_path / "both")
    assert merged.units == 2
    table = vitobench.compare(["one", "two"], tasks=("imagenet-val",), store=tmp_path / "both", metric="top1")
    assert table["difference"].tolist() == [0.5]
    settings = Settings(("one", "two"), ("two",), tasks=("imagenet-val",), store=tmp_path / "both")
    (note,) = rescore(settings, pictures=True).data.gallery.notes
    assert note.startswith("No images of ImageNet")
    assert "predictions were imported for labels of labels.csv" in note
    with pytest.raises(DataError, match="does not fit imagenet-val"):
        vitobench.import_predictions(
            write(tmp_path / "c.csv", [("no.png", 1, 0.5)]), "three", "imagenet-val", labels=labels, store=stores[0]
        )
