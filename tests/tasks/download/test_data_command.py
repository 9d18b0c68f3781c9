"""``bench data`` from one end to the other, on a set that is published on this machine."""

from __future__ import annotations

import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest

from vitobench.bench.cli import data as data_cli
from vitobench.bench.cli import main
from vitobench.tasks import opening
from vitobench.tasks.datasets import registry as catalogue
from vitobench.tasks.datasets.record import DataSet
from vitobench.tasks.datasets.registry import PUBLICATIONS
from vitobench.tasks.download.publication import Folder, Publication


def call(*args: str) -> int:
    try:
        main(["data", *args])
    except SystemExit as done:
        return int(done.code or 0)
    return 0


@pytest.fixture
def toy(site: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Publication:
    """Two archives and a file of labels; the working folder is empty."""
    files = []
    for part in ("one", "two"):
        for number in range(3):
            image = tmp_path / "build" / "toy-1.0" / part / f"{number}.JPEG"
            image.parent.mkdir(parents=True, exist_ok=True)
            image.write_bytes(part.encode() * 1000)
        with tarfile.open(tmp_path / f"{part}.tar.gz", "w:gz") as tar:
            tar.add(tmp_path / "build" / "toy-1.0" / part, f"toy-1.0/{part}")
        files.append(site.publish(f"{part}.tar.gz", (tmp_path / f"{part}.tar.gz").read_bytes(), etag='"1"'))
    files.append(site.publish("labels.json", b"[1, 2]"))
    published = DataSet(
        name="toy",
        title="Toy set",
        page="https://toy.example.org",
        files=tuple(files),
        licence="CC-BY-4.0",
        citation="Toy et al.",
        notes="Made for a test.",
        unpacks_to="toy-1.0",
        folders=(Folder("one", None, 3), Folder("two", None, 3)),
    )
    monkeypatch.setitem(PUBLICATIONS, "toy", published)
    monkeypatch.setitem(catalogue.DATA_SETS, "toy", published)
    monkeypatch.setitem(opening.USER_DATA, "toy", "a toy: --data toy=DIR")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return published


def test_verify_does_not_call_complete_what_it_cannot_count(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("verify", "pascal-voc", str(tmp_path)) == 3
    assert "No files of PASCAL VOC 2012 are here." in capsys.readouterr().out
    lists = tmp_path / "ImageSets/Segmentation"
    lists.mkdir(parents=True)
    for part in ("train", "val"):
        (lists / f"{part}.txt").write_text("2007_000032\n")
    assert call("verify", "pascal-voc", str(tmp_path)) == 0
    shown = capsys.readouterr().out
    assert "complete" not in shown
    assert "ImageSets/Segmentation/val.txt" in shown
    assert "Images were not counted" in shown


def test_get_then_verify_then_again(toy: Publication, site: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("get", "toy") == 0
    shown = capsys.readouterr().out
    assert "licence: CC-BY-4.0 (https://creativecommons.org/licenses/by/4.0/)" in shown
    assert "https://toy.example.org" in shown
    assert "use it with --data toy=data/toy/toy-1.0" in shown
    assert len(list(Path("data/toy/toy-1.0").rglob("*.JPEG"))) == 6
    assert Path("data/toy/labels.json").read_bytes() == b"[1, 2]"
    assert Path("data/archives/toy/one.tar.gz").exists()

    assert call("verify", "toy", "data") == 0
    assert "Toy set is complete: 3 archives, 2 folders, 6 images" in capsys.readouterr().out
    asked = len(site.asked)
    shutil.rmtree("data/archives")
    assert call("get", "toy") == 0
    assert len(site.asked) == asked

    Path("data/toy/toy-1.0/two/0.JPEG").unlink()
    assert call("verify", "toy", "data/toy/toy-1.0") == 3
    capsys.readouterr()
    assert call("verify", "toy", "data", "--json") == 3
    found = json.loads(capsys.readouterr().out)
    assert found["problems"][0]["reason"] == "It has 2 images instead of 3."


def test_only_some_files_and_without_keeping_archives(toy: Publication, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("get", "toy", "--only", "two.tar.gz", "--to", "there", "--remove-archives", "--quiet") == 0
    assert [p.name for p in Path("there/toy/toy-1.0").iterdir()] == ["two"]
    assert list(Path("there/archives").rglob("*.gz")) == []
    assert call("verify", "toy", "there") == 3
    assert "absent" in capsys.readouterr().out
    assert call("get", "toy", "--only", "three.tar.gz") == 2
    assert "Did you mean" in capsys.readouterr().err


def test_a_failure_names_the_set_and_stops_no_other(
    toy: Publication, site: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    site.pages["/two.tar.gz"].content = b"damage" * 3
    site.pages["/two.tar.gz"].length = False
    assert call("get", "imagenet", "toy") == 3
    shown = capsys.readouterr().err
    assert "imagenet: " in shown
    assert "Register at the page" in shown
    assert "toy: The download of http" in shown
    assert Path("data/toy/toy-1.0/one").is_dir()


def test_an_archive_placed_by_hand_is_checked_and_unpacked(
    toy: Publication, site: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = Path("data/archives/toy/one.tar.gz")
    place.parent.mkdir(parents=True)
    place.write_bytes(b"not it")
    assert call("get", "toy", "--only", "one.tar.gz") == 3
    assert "is not one.tar.gz as published" in capsys.readouterr().err
    shutil.copy(tmp_path / "one.tar.gz", place)
    assert call("get", "toy", "--only", "one.tar.gz") == 0
    assert len(list(Path("data/toy/toy-1.0/one").iterdir())) == 3
    assert site.asked == []


def test_large_downloads_are_asked_about(
    toy: Publication, site: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(data_cli, "ASK_ABOVE", 100)
    assert call("get", "toy") == 2
    assert "add --yes" in capsys.readouterr().err
    monkeypatch.setattr(data_cli.sys, "stdin", type("Terminal", (), {"isatty": lambda self: True})())
    monkeypatch.setattr(data_cli.click.termui, "visible_prompt_func", lambda text: "n")
    assert call("get", "toy") == 3
    assert "Nothing was downloaded" in capsys.readouterr().err
    assert site.asked == []
    monkeypatch.setattr(data_cli.click.termui, "visible_prompt_func", lambda text: "y")
    assert call("get", "toy") == 0
    assert call("get", "toy", "--to", "elsewhere", "--yes") == 0


def test_sizes_that_nobody_published_are_asked_about_too(
    toy: Publication, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("get", "imagenet-vid-robust") == 2
    shown = capsys.readouterr()
    assert "unpublished size" in shown.out
    assert "add --yes" in shown.err


def test_the_listing_says_what_is_known_and_what_is_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("list") == 0
    shown = capsys.readouterr().out
    for name in PUBLICATIONS:
        assert name in shown
    assert "no checksum published" in shown
    assert "CC-BY-NC-4.0: https://creativecommons.org/" in shown
    assert call("list", "--json") == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows.keys() == PUBLICATIONS.keys()
    assert rows["imagenet-a"]["size_bytes"] == 687_552_512
    assert rows["imagenet-c"]["files"][0]["md5"] == "e80562d7f6c3f8834afb1ecf27252745"
    assert rows["imagenet-sketch"]["files"][0]["sha256"] is None


def test_plan_says_how_absent_data_are_got(capsys: pytest.CaptureFixture[str]) -> None:
    from rich.console import Console

    from vitobench.bench.cli.run import _show
    from vitobench.bench.engine.estimate import Budget

    absent = {"imagenet-a": "photographs: --data imagenet-a=DIR", "my-own": "what you like"}
    _show(Budget((), (), 0, 0, 0, None, "", absent, ()), "store", Console(width=200))
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines() if line.startswith("Missing")]
    assert lines == [
        "Missing: imagenet-a; it needs photographs: --data imagenet-a=DIR (`bench data get imagenet-a`)",
        "Missing: my-own; it needs what you like",
    ]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("get", "imagenet-aa"), "Did you mean 'imagenet-a'"),
        (("get",), "Missing argument"),
        (("get", "imagenet-a", "imagenet-r", "--only", "imagenet-a.tar"), "--only works with a single data set"),
        (("verify", "imagenet-a", "absent"), "does not exist"),
        (("verify", "nothing", "."), "no published data set named 'nothing'"),
    ],
)
def test_mistakes_end_in_a_message(args: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(*args) == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_names_are_completed() -> None:
    from click.shell_completion import ShellComplete

    complete = ShellComplete(data_cli.data_command, {}, "data", "_DATA_COMPLETE")
    found = [item.value for item in complete.get_completions(["get"], "imagenet-")]
    assert found == [name for name in catalogue.PUBLICATIONS if name.startswith("imagenet-")]
