from __future__ import annotations

import json
from pathlib import Path

import pytest

from vitobench.errors import DataError, UnknownNameError
from vitobench.models.pretraining.curation.queries import load_queries
from vitobench.models.pretraining.curation.sources import list_videos


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


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32"])
def test_a_sidecar_is_read_in_every_unicode_encoding(tmp_path: Path, codec: str) -> None:
    (tmp_path / "a.mp4").write_bytes(b"")
    text = json.dumps({"title": "Café für Katzen", "tags": ["日本"]}, ensure_ascii=False)
    (tmp_path / "a.info.json").write_bytes(text.encode(codec))
    (video,) = list_videos(tmp_path)[1]
    assert video.metadata == {"title": "Café für Katzen", "tags": ("日本",)}
    assert (video.note, video.unread) == ("", False)


@pytest.mark.parametrize(
    ("video", "sidecar"),
    [
        ("clip.f137.mp4", "clip.info.json"),  # a stream that yt-dlp has not merged
        ("clip.fhls-1080.mp4", "clip.info.json"),
        ("clip.mp4", "clip.mp4.info.json"),
        ("clip.MP4", "clip.INFO.json"),
        ("cafe\u0301.mp4", "caf\u00e9.info.json"),  # macOS decomposes names
        ("caf\u00e9.mp4", "cafe\u0301.info.json"),
    ],
)
def test_a_sidecar_is_found_under_the_names_that_other_systems_give_it(
    tmp_path: Path, video: str, sidecar: str
) -> None:
    (tmp_path / video).write_bytes(b"")
    (tmp_path / sidecar).write_text('{"title": "Tench"}')
    (found,) = list_videos(tmp_path)[1]
    assert (found.path, found.metadata, found.note) == (video, {"title": "Tench"}, "")


def test_the_sidecar_of_exactly_its_name_goes_before_others(tmp_path: Path) -> None:
    for name in ("a.f137.mp4", "a.mp4", "b.f1.mp4", "b.final.mp4"):
        (tmp_path / name).write_bytes(b"")
    for name, title in (("a.f137", "stream"), ("a", "whole"), ("b", "of b")):
        (tmp_path / f"{name}.info.json").write_text(json.dumps({"title": title}))
    found = {v.path: v.metadata.get("title") for v in list_videos(tmp_path)[1]}
    assert found == {"a.f137.mp4": "stream", "a.mp4": "whole", "b.f1.mp4": "of b", "b.final.mp4": None}


def test_metadata_that_cannot_be_read_are_no_absent_metadata(tmp_path: Path) -> None:
    broken = {
        "cut": b'{"title": "Tench',
        "latin": '{"title": "Größe"}'.encode("cp1252"),
        "list": b"[1]",
        "empty": b"",
        "deep": b"[" * 100_000,
    }
    for name, content in broken.items():
        (tmp_path / f"{name}.mp4").write_bytes(b"")
        (tmp_path / f"{name}.info.json").write_bytes(content)
    (tmp_path / "folder.mp4").write_bytes(b"")
    (tmp_path / "folder.info.json").mkdir()
    (tmp_path / "none.mp4").write_bytes(b"")
    (tmp_path / "Other [x].info.json").write_text("{}")
    found = {v.path.removesuffix(".mp4"): v for v in list_videos(tmp_path)[1]}
    assert {name for name, video in found.items() if video.unread} == {*broken, "folder"}
    assert "cut.info.json is not JSON" in found["cut"].note
    assert "save it as UTF-8" in found["latin"].note
    assert (
        found["none"].note == "there is no none.info.json; sidecars without a video in this folder: Other [x].info.json"
    )


def test_a_table(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"")
    table = tmp_path / "videos.csv"
    table.write_text('path,title,tags\nb.mp4,"Cats, and more",cat;pet\na.mp4,,\n', encoding="utf-8")
    root, videos, _ = list_videos(table)
    assert root == tmp_path
    assert [(v.path, bool(v.problem)) for v in videos] == [("a.mp4", False), ("b.mp4", True)]
    assert videos[1].metadata["title"] == "Cats, and more"
    assert videos[1].metadata["tags"] == ("cat", "pet")


def test_a_table_from_windows(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "dog.mp4").write_bytes(b"")
    (tmp_path / "cafe\u0301.mp4").write_bytes(b"")
    table = tmp_path / "videos.csv"
    table.write_bytes("path,title,tags\r\nvideos\\dog.mp4,Größe,a;b\r\ncaf\u00e9.mp4,,\r\n".encode("utf-16"))
    cafe, dog = list_videos(table)[1]
    assert (dog.path, dog.problem, dog.metadata["title"]) == ("videos/dog.mp4", "", "Größe")
    assert (cafe.path, cafe.problem) == ("cafe\u0301.mp4", "")
    table.write_text("path\nvideos/dog.mp4\nvideos\\dog.mp4\n")
    with pytest.raises(DataError, match="occurs twice"):
        list_videos(table)


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
    path.write_bytes(path.read_text().replace("\n", "\r\n").encode("utf-16"))
    assert load_queries(str(path), "imagenet-1k", 1000) == (dog, cat)
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
