from __future__ import annotations

import json
from pathlib import Path

import pytest

from vitobench.errors import DataError, UnknownNameError
from vitobench.models.pretraining.curation.listing import list_videos
from vitobench.models.pretraining.curation.queries import load_queries


def test_a_folder_with_sidecars(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    for name in ("b.mp4", "more/a.webm", "c.avi", "d.mkv", ".hidden.mp4", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    sidecar = {"id": "b", "title": "Tench", "tags": ["fish", 3], "description": None, "uploader": "somebody"}
    (tmp_path / "b.info.json").write_text(json.dumps(sidecar))
    (tmp_path / "more" / "a.info.json").write_text("[1]")
    (tmp_path / "d.info.json").write_text("{")
    root, videos, left_out = list_videos(tmp_path)
    assert left_out.line("it") == "Left out of it: .txt files: 1 (notes.txt)."
    assert root == tmp_path
    assert [v.path for v in videos] == ["b.mp4", "c.avi", "d.mkv", "more/a.webm"]
    assert videos[0].metadata == {"title": "Tench", "tags": ("fish",), "description": ()}
    assert [v.note != "" for v in videos] == [False, True, True, True]


def test_a_table(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"")
    table = tmp_path / "videos.csv"
    table.write_text('path,title,tags\nb.mp4,"Cats, and more",cat;pet\na.mp4,,\n', encoding="utf-8")
    root, videos, _ = list_videos(table)
    assert root == tmp_path
    assert [(v.path, bool(v.problem)) for v in videos] == [("a.mp4", False), ("b.mp4", True)]
    assert videos[1].metadata["title"] == "Cats, and more"
    assert videos[1].metadata["tags"] == ("cat", "pet")


@pytest.mark.parametrize("text", ["", "file,title\na,b\n", "path,title\n,x\n", "path\na\na\n", "path\n"])
def test_tables_of_another_form(tmp_path: Path, text: str) -> None:
    table = tmp_path / "videos.csv"
    table.write_text(text)
    with pytest.raises(DataError, match="path,title,tags"):
        list_videos(table)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no videos"):
        list_videos(tmp_path)
    with pytest.raises(DataError, match="does not exist"):
        list_videos(tmp_path / "absent")


def test_classes_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "classes.csv"
    path.write_text("# mine\nname,synonyms,members\ndog,hound; puppy,151-153 200\ncat,,281\n")
    dog, cat = load_queries(str(path), "imagenet-1k", 1000)
    assert (dog.name, dog.terms, dog.members) == ("dog", ("dog", "hound", "puppy"), (151, 152, 153, 200))
    assert (cat.terms, cat.members) == (("cat",), (281,))
    path.write_text("name\nfirst\nsecond\n")
    assert [q.members for q in load_queries(str(path), "imagenet-1k", 2)] == [(0,), (1,)]


@pytest.mark.parametrize(
    "text",
    ["", "title\na\n", "name\na\nb\n", "name,members\na,1\na,2\n", "name,members\na,x\n", "name,members\na,3-1000\n"],
)
def test_classes_of_another_form(tmp_path: Path, text: str) -> None:
    path = tmp_path / "classes.csv"
    path.write_text(text)
    with pytest.raises(DataError, match="name,synonyms,members"):
        load_queries(str(path), "imagenet-1k", 1000)


def test_lists_of_classes_have_names() -> None:
    assert len(load_queries("entry-level-16", "imagenet-1k", 1000)) == 16
    assert len(load_queries("ytbb-19", "imagenet-1k", 1000)) == 19
    assert len(load_queries("imagenet-vid-30", "imagenet-1k", 1000)) == 30
    with pytest.raises(UnknownNameError, match="imagenet-1k"):
        load_queries("imagenet", "imagenet-1k", 1000)
    with pytest.raises(DataError, match="microworld-16"):
        load_queries("imagenet-1k", "microworld-16", 16)
