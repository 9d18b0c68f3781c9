"""What is on disk against the catalogue."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from vitobench.tasks.download.get import Problem, verify
from vitobench.tasks.download.publication import Folder, Publication, RemoteFile

ARCHIVE = b"an archive" * 100


def publication(**more: object) -> Publication:
    facts: dict[str, object] = {
        "name": "toy", "title": "Toy", "page": "https://a.org", "licence": "MIT", "citation": "Toy",
        "files": (RemoteFile("https://a.org/a.tar", "a.tar", 1000, sha256=hashlib.sha256(ARCHIVE).hexdigest()),),
        "unpacks_to": "toy-1.0", "folders": (Folder(".", 2, 3),),
    }  # fmt: skip
    return Publication(**(facts | more))  # type: ignore[arg-type]


def images(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


@pytest.mark.parametrize("place", ["toy/toy-1.0", "toy-1.0", "."])
def test_data_are_found_where_a_user_may_have_put_them(tmp_path: Path, place: str) -> None:
    images(tmp_path / place, "n1/a.JPEG", "n1/b.png", "n2/c.jpg", "n2/readme.txt", "n2/._c.jpg", ".cache/x")
    images(tmp_path / place, "__MACOSX/n1/._a.JPEG", "n1/@eaDir/a.JPEG/thumb.jpg", "lost+found/x")
    (tmp_path / place / "n1" / "again").symlink_to(".")
    found = verify(publication(), tmp_path)
    assert found.problems == ()
    assert (found.folders, found.images, found.archives) == (1, 3, 0)
    assert Path(found.folder) == tmp_path / place


def test_missing_images_and_classes_are_counted(tmp_path: Path) -> None:
    images(tmp_path, "n1/a.JPEG")
    (problem,) = verify(publication(), tmp_path).problems
    assert problem == Problem("incomplete", str(tmp_path), "It has 1 folders instead of 2 and 1 images instead of 3.")


def test_archives_are_checked_where_they_are(tmp_path: Path) -> None:
    images(tmp_path / "toy" / "toy-1.0", "n1/a.JPEG", "n1/b.png", "n2/c.jpg")
    kept = tmp_path / "archives" / "toy" / "a.tar"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(ARCHIVE)
    found = verify(publication(), tmp_path)
    assert (found.problems, found.archives, found.unchecked) == ((), 1, ())
    kept.write_bytes(ARCHIVE[:-1] + b"!")
    (problem,) = verify(publication(), tmp_path).problems
    assert (problem.kind, problem.where) == ("damaged", str(kept))
    assert "its sha256 is" in problem.reason


def test_what_nobody_published_is_said(tmp_path: Path) -> None:
    bare = publication(files=(RemoteFile("https://a.org/a.tar", "a.tar"),))
    images(tmp_path, "n1/a.JPEG", "n1/b.png", "n2/c.jpg", "a.tar")
    assert verify(bare, tmp_path).unchecked == ("a.tar",)


def test_every_condition_has_to_be_there(tmp_path: Path) -> None:
    folders = tuple(Folder(f"{name}/{severity}", 1, 1) for name in ("fog", "snow") for severity in (1, 2))
    corrupted = publication(unpacks_to=".", folders=folders)
    images(tmp_path / "toy", "fog/1/n1/a.JPEG", "fog/2/n1/a.JPEG", "snow/1/n1/a.JPEG")
    told: list[tuple[int, int]] = []
    found = verify(corrupted, tmp_path, lambda *x: told.append(x))
    assert [(p.kind, p.where) for p in found.problems] == [("absent", str(tmp_path / "toy" / "snow" / "2"))]
    assert (found.folders, found.images) == (3, 3)
    assert told[-1] == (4, 4)


def test_nothing_there_is_one_sentence(tmp_path: Path) -> None:
    folders = tuple(Folder(f"fog/{severity}", 1, 1) for severity in range(1, 6))
    corrupted = publication(unpacks_to=".", folders=folders)
    (problem,) = verify(corrupted, tmp_path).problems
    assert problem.reason == "No files of Toy are here."
    (tmp_path / "a.tar").write_bytes(ARCHIVE)
    (problem,) = verify(corrupted, tmp_path).problems
    assert "not unpacked" in problem.reason


def test_files_that_are_required_are_named(tmp_path: Path) -> None:
    arrays = publication(folders=(), required=("fog.npy", "labels.npy"))
    (tmp_path / "fog.npy").write_bytes(b"")
    (problem,) = verify(arrays, tmp_path).problems
    assert problem.where == str(tmp_path / "labels.npy")


@pytest.mark.parametrize("there", [True, False])
def test_a_set_of_unknown_contents_has_to_be_unpacked(tmp_path: Path, there: bool) -> None:
    unknown = publication(folders=())
    if there:
        (tmp_path / "toy" / "toy-1.0").mkdir(parents=True)
    assert bool(verify(unknown, tmp_path).problems) != there
