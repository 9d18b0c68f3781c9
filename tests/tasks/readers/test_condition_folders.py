import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vitobench.errors import DataError
from vitobench.tasks.images import hashing
from vitobench.tasks.images.folders import ImageFolder
from vitobench.tasks.images.geometry import Geometry
from vitobench.tasks.images.reading import CHANGED
from vitobench.tasks.images.source import LoadFailure
from vitobench.tasks.opening import open_source
from vitobench.tasks.readers.condition_folders import ConditionFolders


def opened(root: Path, name: str = "imagenet-c", **asked: Any) -> ConditionFolders:
    source = open_source(name, {name: root}, None, 0, **asked)
    assert isinstance(source, ConditionFolders)
    return source


Write = Callable[..., np.ndarray]
IDS = [f"{wnid}/ILSVRC2012_val_0000000{k}.JPEG" for k, wnid in enumerate(("n01440764", "n01443537", "n15075141"))]
CONDITIONS = ("fog/1", "fog/3", "gaussian_noise/1", "gaussian_noise/3")


def seed_of(condition: str, image_id: str) -> int:
    return 10 * CONDITIONS.index(condition) + IDS.index(image_id)


def make(root: Path, write: Write, families: bool = False) -> Path:
    family = {"fog": "weather/", "gaussian_noise": "noise/"} if families else {}
    for condition in CONDITIONS:
        for image_id in IDS:
            place = f"{family.get(condition.split('/')[0], '')}{condition}/{image_id}"
            write(root / place, seed_of(condition, image_id), size=(24, 24))
    return root


@pytest.mark.parametrize("families", [False, True])
def test_images_are_shown_whole_under_every_condition(tmp_path: Path, write: Write, families: bool) -> None:
    source = opened(make(tmp_path / "c", write, families))
    assert isinstance(source, ConditionFolders)
    assert (source.conditions, source.missing, source.label_space) == (CONDITIONS, (), "imagenet-1k")
    assert sorted(source.image_ids) == IDS
    assert source.labels.tolist() == [
        {"n01440764": 0, "n01443537": 1, "n15075141": 999}[i[:9]] for i in source.image_ids
    ]
    for condition in CONDITIONS:
        # A model that resizes to 256 and crops 224 sees the published 224 pixels untouched; here 28 and 24.
        pixels, failed = source.load([2, 0], Geometry(24, 28, "bilinear"), condition)
        assert failed == {}
        for found, index in zip(pixels, (2, 0), strict=True):
            image_id = source.image_ids[index]
            np.testing.assert_array_equal(found, write(tmp_path / "x.png", seed_of(condition, image_id), size=(24, 24)))


def test_a_model_of_another_size_gets_all_of_the_image(tmp_path: Path, write: Write) -> None:
    source = opened(make(tmp_path / "c", write), "imagenet-c")
    pixels, _ = source.load([0], Geometry(16, 20, "bicubic"), "fog/1")
    whole = write(tmp_path / "x.png", seed_of("fog/1", source.image_ids[0]), size=(24, 24))
    expected = Image.fromarray(whole).resize((16, 16), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(pixels[0], np.array(expected))


def test_the_order_is_that_of_the_clean_images(tmp_path: Path, write: Write) -> None:
    root = make(tmp_path / "c", write)
    assert opened(root).image_ids == ImageFolder(root / "fog" / "1").image_ids


def test_what_is_missing_is_said_by_name(tmp_path: Path, write: Write) -> None:
    root = make(tmp_path / "c", write)
    shutil.rmtree(root / "fog" / "3")
    (root / "gaussian_noise" / "3" / IDS[1]).unlink()
    source = opened(root, conditions=CONDITIONS)
    assert source.conditions == CONDITIONS
    assert source.missing == ("fog/3",)
    assert [source.absent(c) for c in CONDITIONS] == [0, 3, 0, 1]
    geometry = Geometry(24, 24, "bilinear")
    for hashed in (False, True):
        if hashed:
            assert source.digest
        pixels, failed = source.load([0, 1, 2], geometry, "fog/3")
        assert failed == dict.fromkeys(range(3), LoadFailure("the folder has no fog/3", transient=False))
        assert not pixels.any()
        hole = source.image_ids.index(IDS[1])
        _, failed = source.load([0, 1, 2], geometry, "gaussian_noise/3")
        assert failed == {hole: LoadFailure("gaussian_noise/3 has no such image", transient=False)}
        assert source.load([0, 1, 2], geometry, "gaussian_noise/1")[1] == {}
    with pytest.raises(ValueError, match="snow/1"):
        source.load([0], geometry, "snow/1")


def test_the_digest_follows_contents_and_conditions_only(
    tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = opened(make(tmp_path / "a", write)).digest
    elsewhere = make(tmp_path / "b", write, families=True)
    other = opened(elsewhere, conditions=CONDITIONS[::-1])
    assert other.digest == first
    assert list(other.manifest()) == sorted(IDS)
    assert opened(elsewhere, conditions=CONDITIONS[:2]).digest != first
    with_hole = opened(elsewhere, conditions=[*CONDITIONS, "snow/1"])
    assert with_hole.digest != first
    walk = os.walk
    monkeypatch.setattr(os, "walk", lambda *a, **k: ((h, d, f[::-1]) for h, d, f in walk(*a, **k)))
    write(elsewhere / "weather" / "fog" / "1" / "n01440764" / ".hidden.JPEG")
    (elsewhere / ".cache").mkdir()
    assert opened(elsewhere).digest == first
    path = elsewhere / "noise" / CONDITIONS[3] / IDS[0]
    content = path.read_bytes()
    path.write_bytes(content + b"\0")
    assert opened(elsewhere).digest != first
    path.unlink()
    assert opened(elsewhere).digest != first
    # Two conditions that change places are other data.
    path.write_bytes(content)
    (elsewhere / "weather/fog/1").rename(elsewhere / "aside")
    (elsewhere / "weather/fog/3").rename(elsewhere / "weather/fog/1")
    (elsewhere / "aside").rename(elsewhere / "weather/fog/3")
    assert opened(elsewhere).digest != first


def test_hashes_are_kept_and_told_of(tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make(tmp_path / "c", write)
    told: list[tuple[int, int]] = []
    cache = tmp_path / "cache" / "c.json"
    source = opened(root, cache=cache, progress=lambda *step: told.append(step))
    digest = source.digest
    assert (told[0], told[-1]) == ((0, 12), (12, 12))
    assert told == sorted(told)
    assert len(list(cache.parent.iterdir())) == 4
    monkeypatch.setattr(hashing, "file_digest", lambda path: pytest.fail("hashed again"))
    assert opened(root, cache=cache).digest == digest


@pytest.mark.parametrize("hashed", [False, True])
def test_a_pickled_copy_is_equal(
    tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch, hashed: bool, change_in_place: Callable[[Path], None]
) -> None:
    root = make(tmp_path / "c", write)
    (root / "fog/1" / IDS[0]).unlink()
    monkeypatch.chdir(tmp_path)
    source = opened(Path("c"), conditions=[*CONDITIONS, "snow/2"], progress=lambda done, total: None)
    digest = opened(root, conditions=[*CONDITIONS, "snow/2"]).digest
    if hashed:
        assert source.digest == digest
    content = pickle.dumps(source)
    monkeypatch.chdir("/")
    copy = pickle.loads(content)
    if hashed:
        monkeypatch.setattr(hashing, "file_digest", lambda path: pytest.fail("hashed again"))
    assert (copy.image_ids, copy.conditions, copy.missing) == (source.image_ids, source.conditions, ("snow/2",))
    assert copy.digest == digest
    np.testing.assert_array_equal(copy.labels, source.labels)
    geometry = Geometry(24, 24, "bilinear")
    hole = copy.image_ids.index(IDS[0])
    assert list(copy.load([0, 1, 2], geometry, "fog/1")[1]) == [hole]
    image_id = copy.image_ids[1]
    change_in_place(root / "fog/3" / image_id)
    assert copy.load([0, 1, 2], geometry, "fog/3")[1] == {1: LoadFailure(CHANGED, transient=True)}
    assert copy.load([0, 1, 2], geometry, "gaussian_noise/3")[1] == {}


def test_damaged_images_are_reported(tmp_path: Path, write: Write) -> None:
    root = make(tmp_path / "c", write)
    (root / "fog/1" / IDS[0]).write_bytes(b"")
    source = opened(root)
    index = source.image_ids.index(IDS[0])
    _, failed = source.load([index], Geometry(24, 24, "bilinear"), "fog/1")
    assert failed == {0: LoadFailure("empty file", transient=False)}


@pytest.mark.parametrize(
    ("paths", "root", "words"),
    [
        ([], "c", ["no class folders"]),
        (["c/n01440764"], "c", ["no folders of corruptions"]),
        (["c/fog/1/n01440764"], "c/fog", ["Did you mean", "/c?"]),
        (["c/blue_noise/2.35/n01440764"], "c", ["numbered 1 to 5"]),
        (["x/c/weather/fog/1/n01440764"], "x", ["Did you mean", "/x/c?"]),
        (["c/fog/1/cat"], "c", ["not classes of ImageNet-1k", "cat"]),
        (["c/fog/1/n01440764"], "c", ["no images"]),
        (["c/fog/1/n01440764", "c/weather/fog/1/n01440764"], "c", ["fog/1 twice", "weather/fog/1"]),
    ],
)
def test_errors_say_what_was_expected_and_where_it_is(
    tmp_path: Path, paths: list[str], root: str, words: list[str]
) -> None:
    (tmp_path / root).mkdir(parents=True, exist_ok=True)
    for path in paths:
        (tmp_path / path).mkdir(parents=True)
    with pytest.raises(DataError) as caught:
        opened(tmp_path / root, "imagenet-c-bar")
    for word in [*words, "Expected", "blue_noise_sample/", "ImageNet-C-bar: published at https://"]:
        assert word in str(caught.value)


def test_a_folder_with_none_of_the_conditions_is_refused(tmp_path: Path, write: Write) -> None:
    with pytest.raises(DataError, match=r"none of the conditions snow/1; it has fog/1"):
        opened(make(tmp_path / "c", write), "imagenet-3dcc", conditions=["snow/1"])


def test_a_file_that_cannot_be_read_costs_its_condition_alone(tmp_path: Path, write: Write) -> None:
    root = make(tmp_path / "c", write)
    whole = opened(root).digest
    path = root / "fog/1" / IDS[0]
    path.unlink()
    without = opened(root).digest
    path.symlink_to(path)
    source = opened(root)
    lost = source.digest
    assert lost not in (whole, without)
    assert opened(root).digest == lost
    marked = [image_id for image_id, value in source.manifest().items() if value.startswith("unreadable:")]
    assert marked == [IDS[0]]
    at, geometry = source.image_ids.index(IDS[0]), Geometry(24, 24, "bilinear")
    reason = "Too many levels of symbolic links"
    for copy in (source, pickle.loads(pickle.dumps(source))):
        assert copy.digest == lost
        assert copy.load([0, 1, 2], geometry, "fog/1")[1] == {at: LoadFailure(reason, transient=True)}
        assert copy.load([0, 1, 2], geometry, "fog/3")[1] == {}
    path.unlink()
    write(path, 1)
    assert source.load([at], geometry, "fog/1")[1] == {0: LoadFailure(CHANGED, transient=True)}


def test_a_set_without_one_readable_file_is_refused(tmp_path: Path, write: Write) -> None:
    root = make(tmp_path / "c", write)
    for path in [path for path in root.rglob("*.JPEG") if "fog" in path.parts]:
        path.unlink()
        path.symlink_to("nowhere")
    assert opened(root).digest  # the other conditions are there
    with pytest.raises(DataError, match="can be read"):
        opened(root, conditions=["fog/1", "fog/3"]).manifest()


def test_a_folder_that_counts_for_two_conditions_is_refused(tmp_path: Path, write: Write) -> None:
    root = make(tmp_path / "c", write)
    (root / "fog" / "2").symlink_to("1")
    with pytest.raises(DataError, match=r"fog/2/n01440764 and .*fog/1/n01440764 are the same folder"):
        opened(root)
    assert len(opened(root, conditions=CONDITIONS)) == 3
    (root / "fog" / "2").unlink()
    shutil.rmtree(root / "fog" / "3" / "n01440764")
    (root / "fog" / "3" / "n01440764").symlink_to("../1/n01440764")
    with pytest.raises(DataError, match="are the same folder"):
        opened(root)


def test_conditions_on_another_disk_and_what_systems_leave(tmp_path: Path, write: Write) -> None:
    root = make(tmp_path / "c", write)
    plain = opened(root)
    (root / "fog").rename(tmp_path / "fog of another disk")
    (root / "fog").symlink_to(tmp_path / "fog of another disk")
    for place in ("__MACOSX/fog/1", "fog/@eaDir/1", "fog/1/#recycle", "gaussian_noise/lost+found"):
        write(root / place / IDS[0])
    (root / "fog" / "1" / "n01440764" / "again").symlink_to(".")
    source = opened(root)
    assert (source.conditions, source.image_ids, source.digest) == (CONDITIONS, plain.image_ids, plain.digest)
    assert source.left_out.line("c") == (
        "Left out of c: links to folders that are listed already: 1 (fog/1/n01440764/again)."
    )


# LAION-C: levels and superclasses instead of severities and WordNet ids, and names that say their condition.


LAION_IDS = ["bird/a.JPEG", "bird/b.JPEG", "car_truck/c.JPEG"]
ENDS = {"mosaic/1": "_mosaic_1", "mosaic/5": "._mosaic_5", "stickers/1": "_sticker_1"}
"""What the authors' scripts of several versions add to a name."""


def make_laion(root: Path, write: Write, ends: dict[str, str]) -> Path:
    for seed, (condition, end) in enumerate(ends.items()):
        for image_id in LAION_IDS:
            folder, name = image_id.split("/")
            place = root / condition.replace("/", "/intensity_level_") / folder / name.replace(".", f"{end}.")
            write(place, 10 * seed + LAION_IDS.index(image_id), size=(32, 24))
    return root


@pytest.mark.parametrize("ends", [ENDS, dict.fromkeys(ENDS, "")])
def test_a_photograph_of_laion_c_is_the_same_under_all_its_conditions(
    tmp_path: Path, write: Write, ends: dict[str, str]
) -> None:
    root = make_laion(tmp_path / "laion", write, ends)
    source = opened(root, "laion-c", conditions=[*ends, "glitched/2"])
    assert sorted(source.image_ids) == LAION_IDS
    assert source.label_space == "laion-c"
    assert source.labels.tolist() == [{"bird": 1, "car_truck": 5}[i.split("/")[0]] for i in source.image_ids]
    assert source.missing == ("glitched/2",)
    assert sum(source.absent(condition) for condition in ends) == 0
    # Not cropped but squashed, whatever the model's own crop.
    copy = pickle.loads(pickle.dumps(source))
    for seed, condition in enumerate(ends):
        for opened_source in (source, copy):
            pixels, failed = opened_source.load(range(3), Geometry(16, 20, "bilinear"), condition)
            assert not failed
            for n, image_id in enumerate(source.image_ids):
                whole = write(tmp_path / "x.png", 10 * seed + LAION_IDS.index(image_id), size=(32, 24))
                expected = Image.fromarray(whole).resize((16, 16), Image.Resampling.BILINEAR)
                np.testing.assert_array_equal(pixels[n], np.array(expected))
    assert source.load([0], Geometry(16, 20, "bilinear"), "glitched/2")[1]
    assert source.digest == opened(root, "laion-c", conditions=[*ends, "glitched/2"]).digest


def test_the_names_of_files_do_not_enter_the_digest_of_laion_c(tmp_path: Path, write: Write) -> None:
    one = opened(make_laion(tmp_path / "a", write, ENDS), "laion-c")
    other = opened(make_laion(tmp_path / "b", write, dict.fromkeys(ENDS, "")), "laion-c")
    assert one.digest == other.digest
    (tmp_path / "a" / "mosaic" / "intensity_level_5" / "bird" / "a._mosaic_5.JPEG").unlink()
    with_hole = opened(tmp_path / "a", "laion-c")
    assert with_hole.digest != one.digest
    assert with_hole.absent("mosaic/5") == 1


def test_names_of_laion_c_that_cannot_be_paired_are_refused(tmp_path: Path, write: Write) -> None:
    root = make_laion(tmp_path / "a", write, ENDS)
    folder = root / "mosaic" / "intensity_level_1" / "bird"
    (folder / "a_mosaic_1.JPEG").rename(folder / "a.JPEG")
    with pytest.raises(DataError, match=r"images of mosaic/1 have names that end in different ways: '', '_mosaic_1'"):
        opened(root, "laion-c")
    root = make_laion(tmp_path / "b", write, dict.fromkeys(ENDS, ""))
    for file in (root / "stickers").rglob("*.JPEG"):
        file.rename(file.with_name(f"other-{file.name}"))
    with pytest.raises(DataError, match=r"No image of stickers/1 has the name of an image of another condition"):
        opened(root, "laion-c")
    with pytest.raises(DataError, match=r"(?s)with severities 1 to 5\. Did you mean .*b\?.*intensity_level_1/"):
        opened(root / "mosaic", "laion-c")
    (root / "mosaic" / "intensity_level_1" / "n01440764").mkdir()
    with pytest.raises(DataError, match=r"not classes of LAION-C: n01440764"):
        opened(root, "laion-c")


def test_settings_of_a_camera_are_read_as_photographs_are(tmp_path: Path, write: Write) -> None:
    """ImageNet-ES was not cropped before it was published: a model's own resize and crop apply."""
    for light, setting in (("l1", 1), ("l1", 27), ("l5", 1)):
        write(tmp_path / light / f"param_{setting}" / "n01443537" / "val_1.JPEG", setting, size=(40, 30))
    source = opened(tmp_path, "imagenet-es-control", conditions=["l1/1", "l1/27", "l5/1", "l5/27"])
    assert source.missing == ("l5/27",)
    assert (source.label_space, source.labels.tolist()) == ("tiny-imagenet", [0])
    pixels, _ = source.load([0], Geometry(16, 20, "bilinear"), "l1/27")
    (tmp_path / "clean" / "n01443537").mkdir(parents=True)
    shutil.copy(tmp_path / "l1" / "param_27" / "n01443537" / "val_1.JPEG", tmp_path / "clean" / "n01443537" / "a.JPEG")
    np.testing.assert_array_equal(pixels, ImageFolder(tmp_path / "clean").load([0], Geometry(16, 20, "bilinear"))[0])


def test_the_first_settings_of_a_larger_set_are_not_taken_for_the_smaller_one(tmp_path: Path, write: Write) -> None:
    for setting in (1, 2, 6, 27):
        write(tmp_path / "l1" / f"param_{setting}" / "n01443537" / "val_1.JPEG")
    message = r"l1 has param_27, param_6, and ImageNet-ES, auto.* has param_1 to param_5 alone"
    with pytest.raises(DataError, match=message):
        opened(tmp_path, "imagenet-es-auto")
    assert opened(tmp_path, "imagenet-es-control").conditions == ("l1/1", "l1/2", "l1/27", "l1/6")
