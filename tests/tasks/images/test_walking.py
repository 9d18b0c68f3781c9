import os
from pathlib import Path

import pytest

from vitobench.errors import DataError
from vitobench.tasks.images import walking
from vitobench.tasks.images.walking import (
    EMPTY,
    FOLDERS,
    NO_EXTENSION,
    NOWHERE,
    OTHERS,
    OUTSIDE,
    REPEATED,
    SPECIAL,
    SYSTEM,
    LeftOut,
    Listing,
    files_in,
    is_system,
    names_in,
    walk,
)

JPEG = frozenset({".jpg"})


def plant(root: Path, *names: str) -> Path:
    """Empty files, and links where a name has an arrow."""
    for name in names:
        path, _, target = name.partition(" -> ")
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        if target:
            (root / path).symlink_to(target)
        else:
            (root / path).touch()
    return root


def counts(listing: Listing) -> dict[str, int]:
    return {kind: count for kind, (count, _) in listing.left_out.kinds.items()}


@pytest.mark.parametrize("link", [".", "..", "../..", "../../..", "/", "deep", "deep/../deep"])
def test_a_link_back_into_the_set_adds_nothing(tmp_path: Path, link: str) -> None:
    root = plant(tmp_path / "set", "a/1.jpg", "a/deep/2.jpg", "b/3.jpg", f"a/again -> {link}")
    for listing in (walk(root, JPEG), walk(root, JPEG, ["a", "b"])):
        assert listing.files == ["a/1.jpg", "a/deep/2.jpg", "b/3.jpg"]
        assert listing.left_out.kinds == {REPEATED: (1, "a/again")}
        listing.refuse_two_labels()


def test_links_to_other_disks_are_followed_once_each(tmp_path: Path) -> None:
    plant(tmp_path / "disk", "cats/1.jpg", "cats/more/2.jpg", "dogs/3.jpg")
    root = plant(
        tmp_path / "set",
        "cat -> ../disk/cats",
        "dog/near.jpg",
        "dog/far -> ../../disk/dogs",
        "dog/far again -> ../../disk/dogs",
        "dog/4.jpg -> ../../disk/cats/1.jpg",
    )
    listing = walk(root, JPEG, ["cat", "dog"])
    assert listing.files == ["cat/1.jpg", "cat/more/2.jpg", "dog/4.jpg", "dog/far/3.jpg", "dog/near.jpg"]
    assert listing.left_out.kinds == {REPEATED: (1, "dog/far again")}
    listing.refuse_two_labels()


def test_what_is_reached_inside_of_a_linked_folder_counts_once(tmp_path: Path) -> None:
    plant(tmp_path / "disk", "1.jpg", "part/2.jpg", "part/up -> ..")
    root = plant(tmp_path / "set", "a/all -> ../../disk", "a/a part -> ../../disk/part")
    assert walk(root, JPEG).files == ["a/a part/2.jpg", "a/all/1.jpg"]


@pytest.mark.parametrize(
    "links",
    [
        ["b -> a"],
        ["b/other -> ../a"],
        ["b/other -> ../a/deep"],
        ["b -> ../disk", "c -> ../disk"],
        ["b/x -> ../../disk", "c/x -> ../../disk/part"],
    ],
)
def test_one_folder_for_two_classes_is_refused(tmp_path: Path, links: list[str]) -> None:
    plant(tmp_path / "disk", "1.jpg", "part/2.jpg")
    root = plant(tmp_path / "set", "a/1.jpg", "a/deep/2.jpg", *links)
    listing = walk(root, JPEG, sorted({name.split()[0].split("/")[0] for name in ["a", *links]}))
    with pytest.raises(DataError, match=r"/[bc][^ ]* and .* are the same folder, through a link"):
        listing.refuse_two_labels()
    assert len(listing.files) == len({os.path.realpath(root / name) for name in listing.files})


def test_walks_of_one_set_may_share_no_folder(tmp_path: Path) -> None:
    root = plant(tmp_path, "1/a/x.jpg", "2 -> 1", "3/a/x.jpg")
    seen: walking.Seen = {}
    listings = [walk(root / part, JPEG, ["a"], seen) for part in ("1", "2", "3")]
    assert [bool(listing.shared) for listing in listings] == [False, True, False]


@pytest.mark.parametrize(
    "name",
    [
        "._a.jpg",
        ".DS_Store",
        ".hidden.jpg",
        ".Trashes",
        "__MACOSX",
        "Icon\r",
        "$RECYCLE.BIN",
        "Thumbs.db",
        "thumbs.DB",
        "desktop.ini",
        "found.000",
        "lost+found",
        "@eaDir",
        "a.jpg@SynoEAStream",
        "#recycle",
        "#snapshot",
        "@Recycle",
        "@Recently-Snapshot",
        "~snapshot",
        "~$answers.csv",
        ".~lock.x.csv#",
        ".git",
        ".nfs0001",
        "System Volume Information",
        "Network Trash Folder",
    ],
)
def test_what_systems_leave_is_no_data(tmp_path: Path, name: str) -> None:
    assert is_system(name)
    root = plant(tmp_path, "a/1.jpg", f"a/{name}/thumb.jpg", f"{name}/2.jpg")
    listing = walk(root, JPEG, names_in(root)[0])
    assert listing.files == ["a/1.jpg"]
    assert counts(listing) == {SYSTEM: 2}
    assert listing.left_out.line("x") == ""
    assert listing.left_out.record("x")["kinds"][SYSTEM]["count"] == 2


@pytest.mark.parametrize("name", ["n01440764", "-Qx_w8", "_a", "~a", "@a", "#1", "recycled", "found.00", "thumbs", "$"])
def test_what_only_looks_like_it_is_data(name: str) -> None:
    assert not is_system(name)


def test_what_is_left_out_is_counted_by_kind_with_its_first_example(tmp_path: Path) -> None:
    root = plant(
        tmp_path / "set",
        "a/1.JPG",
        "a/2.jPg -> /nowhere/2.jpg",
        "a/notes.txt",
        "a/b/notes.TXT",
        "a/README",
        "a/frame.0001",
        "a/gone -> /nowhere/at/all",
        "a/self -> self",
        "a/me.jpg -> me.jpg",
        "loose.jpg",
        "README.md",
        "empty/notes.txt",
    )
    os.mkfifo(root / "a/pipe.jpg")
    (root / "a/folder.jpg").mkdir()
    listing = walk(root, JPEG, ["a", "empty"])
    assert listing.files == ["a/1.JPG", "a/2.jPg", "a/me.jpg"]
    assert listing.left_out.kinds == {
        ".txt files": (3, "a/b/notes.TXT"),
        NO_EXTENSION: (2, "a/README"),
        NOWHERE: (2, "a/gone"),
        SPECIAL: (1, "a/pipe.jpg"),
        OUTSIDE: (1, "loose.jpg"),
        EMPTY: (1, "empty"),
    }
    line = listing.left_out.line("birds")
    assert line.startswith("Left out of birds: .txt files: 3 (such as a/b/notes.TXT); ")
    assert "links that lead nowhere: 2 (such as a/gone)" in line


def test_kinds_are_bounded_and_sums_add_up(tmp_path: Path) -> None:
    root = plant(tmp_path, *(f"{n}.x{n}" for n in range(30)))
    found = walk(root, JPEG).left_out
    assert len(found.kinds) <= 13
    assert OTHERS in found.kinds
    both = found.below("one") + found.below("two")
    assert sum(count for count, _ in both.kinds.values()) == 60
    assert all(example.startswith("one/") for _, example in both.kinds.values())


def test_names_are_shown_as_text_that_any_page_can_hold() -> None:
    line = LeftOut({NO_EXTENSION: (1, "a/\udcff\x1b[31m\n<b>")}).line("x")
    assert line.encode() == b"Left out of x: files without an extension: 1 (a/\\xff\\x1b[31m\\n<b>)."


def test_a_folder_that_cannot_be_read_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = plant(tmp_path, "a/1.jpg", "shut/2.jpg", "gone -> /nowhere")
    assert names_in(root)[0] == ["a", "gone", "shut"]
    with pytest.raises(DataError, match=r"gone cannot be listed: No such file"):
        walk(root, JPEG, names_in(root)[0])
    real = os.scandir

    def scandir(place: str) -> object:
        if str(place).endswith("shut"):
            raise PermissionError(13, "Permission denied")
        return real(place)

    monkeypatch.setattr(os, "scandir", scandir)  # file modes do not stop a test that runs as root
    with pytest.raises(DataError, match=r"shut cannot be listed: Permission denied"):
        walk(root, JPEG)
    assert walk(root, JPEG, ["a"]).files == ["a/1.jpg"]
    with pytest.raises(DataError, match="absent cannot be listed"):
        walk(tmp_path / "absent", JPEG)


def test_files_of_one_folder(tmp_path: Path) -> None:
    root = plant(tmp_path, "b.CSV", "a.csv", "._a.csv", "~$a.csv", "inner/c.csv", "linked -> inner", "a.csv.part")
    listing = files_in(root, (".csv",))
    assert listing.files == ["a.csv", "b.CSV"]
    assert counts(listing) == {SYSTEM: 2, FOLDERS: 2, ".part files": 1}


def test_file_systems_that_number_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(tmp_path, "d/e/1.jpg", "d/e/up -> ../..", "f/2.jpg")
    real = os.stat

    class Unnumbered:
        def __init__(self, status: os.stat_result) -> None:
            self.st_dev, self.st_ino = status.st_dev, 0

    monkeypatch.setattr(os, "stat", lambda path: Unnumbered(real(path)))
    listing = walk(tmp_path, JPEG)
    monkeypatch.undo()
    assert listing.files == ["d/e/1.jpg", "f/2.jpg"]
    assert counts(listing) == {REPEATED: 1}
