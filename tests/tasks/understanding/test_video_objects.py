"""Masks of objects carried along clips: by features that know everything or nothing, and from damaged folders."""

from __future__ import annotations

import pickle
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from vitobench.errors import DataError
from vitobench.tasks.kinds import KINDS
from vitobench.tasks.labels import Truth
from vitobench.tasks.opening import open_source
from vitobench.tasks.readers.masks import DavisClips
from vitobench.tasks.registry import get_task
from vitobench.tasks.scoring.samples import Answers
from vitobench.tasks.understanding.propagation import Propagation
from vitobench.tasks.understanding.video_objects import OBSERVERS, UNMOVED, Carrying
from vitobench.tests.tasks.understanding.conftest import write_davis, write_mask

AS_IT_IS = Carrying(shorter=0, stages=Propagation(radius=20))


@dataclass
class Colours:
    """Features that are what a pixel shows, in cells of `side` pixels; a transformer of patches if asked."""

    side: int = 4
    is_patches: bool = False
    name: str = "colours"
    identity: str = "colours"

    def patch(self, height: int, width: int) -> int:
        return self.side if self.is_patches else 0

    def maps(self, images: np.ndarray, within: int, stride: int) -> Tensor:
        assert (within, stride) == (16, self.side if self.is_patches else 8)
        pixels = torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).float() - 128
        return torch.nn.functional.avg_pool2d(pixels, self.side)


def clips(root: Path, year: int = 2017) -> DavisClips:
    return open_source(f"davis-{year}", {f"davis-{year}": root}, None, 0)  # type: ignore[return-value]


def test_features_that_know_the_objects_carry_all_of_them(davis_folder: Path) -> None:
    source = clips(davis_folder)
    assert sorted(source.image_ids) == ["single/1", "two/1", "two/2"]
    assert (source.labels == -1).all()
    by_clip = {source.object_at(group[0])[0]: group for group in AS_IT_IS.together(source, range(3))}
    assert {clip: len(group) for clip, group in by_clip.items()} == {"single": 1, "two": 2}
    examiner, still = AS_IT_IS.examiner(Colours(), source), AS_IT_IS.examiner(UNMOVED, source)
    for group in by_clip.values():
        found = examiner.numbers(group)
        assert found.positions.tolist() == group
        assert not found.failed
        assert sorted(found.values) == sorted(f"{n:03d} {m}" for n in range(1, 7) for m in "jf")  # of 8 frames
        assert min(values.min() for values in found.values.values()) > 0.75
        unmoved = still.numbers(group).values
        np.testing.assert_allclose(unmoved["003 j"], (16 - 12) / (16 + 12), atol=0.02)  # moved by 12 of 16 pixels
        np.testing.assert_allclose(unmoved["006 j"], 0)
    alone = examiner.numbers(by_clip["two"][1:]).values  # the others are carried along, and not asked
    np.testing.assert_allclose(alone["005 j"], examiner.numbers(by_clip["two"]).values["005 j"][1:])


def test_ceilings_are_what_cells_can_show(davis_folder: Path) -> None:
    source = clips(davis_folder)
    groups = AS_IT_IS.together(source, range(3))
    values = {
        name: np.mean([np.mean(list(AS_IT_IS.examiner(name, source).numbers(g).values.values())) for g in groups])
        for name in OBSERVERS
    }
    eight, sixteen = values["true masks at stride 8"], values["true masks at stride 16"]
    assert max(sixteen, values[UNMOVED]) < eight < 1  # objects are 12 x 16 pixels


def test_frames_are_resized_as_published() -> None:
    how = Carrying()
    assert how.input_size(480, 854, 0) == (480, 854)  # VFS
    assert how.input_size(480, 854, 16) == how.input_size(480, 854, 8) == (480, 832)  # DINO
    assert how.input_size(1080, 1920, 14) == (476, 840)
    assert how.input_size(854, 480, 16) == (832, 480)
    assert replace(how, shorter=0).input_size(128, 128, 16) == (128, 128)
    with pytest.raises(DataError, match="no room for patches of 16"):
        replace(how, shorter=0).input_size(10, 40, 16)


def test_patches_see_whole_patches_and_masks_come_back_at_the_size_of_the_frame(tmp_path: Path) -> None:
    source = clips(write_davis(tmp_path, {"odd": 1}, size=(51, 83)))
    how = replace(AS_IT_IS, patches=Propagation(radius=20))
    masks = dict(how.examiner(Colours(is_patches=True), source).masks("odd"))  # type: ignore[attr-defined]
    assert list(masks) == list(range(1, 7))
    assert {mask.shape for mask in masks.values()} == {(51, 83)}
    found = how.examiner(Colours(is_patches=True), source).numbers([0])
    assert min(values.min() for values in found.values.values()) > 0.7


def test_davis_2016_has_one_object_and_void_counts_as_it_in_no_mask_of_2017(davis_folder: Path) -> None:
    one, several = clips(davis_folder, 2016), clips(davis_folder, 2017)
    assert sorted(one.image_ids) == ["single/1", "two/1"]
    assert one.mask("two", 0)[0, 0] == 1
    assert several.mask("two", 0)[0, 0] == 0
    assert one.digest != several.digest
    again = pickle.loads(pickle.dumps(several))
    assert again.image_ids == several.image_ids
    assert again.digest == several.digest
    np.testing.assert_array_equal(again.mask("two", 3), several.mask("two", 3))


def test_damaged_folders_are_named(tmp_path: Path) -> None:
    root = write_davis(tmp_path / "davis", {"a": 1, "b": 2})
    listing = root / "ImageSets/2017/val.txt"
    listing.write_text("a\nb\nghost\n")
    with pytest.raises(DataError, match="names 1 clips that are not in JPEGImages/480p: ghost"):
        clips(root)
    listing.write_text("\n")
    with pytest.raises(DataError, match=r"val\.txt is empty"):
        clips(root)
    listing.write_text("a\nb\n")
    (root / "Annotations/480p/b/00003.png").unlink()
    with pytest.raises(DataError, match="the clip b lacks 1 masks, such as b/00003"):
        clips(root)
    shutil.rmtree(root / "JPEGImages/480p/b")
    (root / "JPEGImages/480p/b").mkdir()
    with pytest.raises(DataError, match="the clip b has no frames"):
        clips(root)
    listing.write_text("a\n")
    binary = np.zeros((48, 80), np.uint8)
    binary[10:20, 10:20] = 255
    write_mask(root / "Annotations/480p/a/00000.png", binary)
    with pytest.raises(DataError, match="the first mask of a has no object; masks of 0 and 255 alone"):
        clips(root)
    (root / "ImageSets/2017/val.txt").unlink()
    with pytest.raises(DataError, match=r"(?s)val\.txt cannot be read.*Expected the folder DAVIS"):
        clips(root)


def test_masks_of_colours_of_another_size_or_changed_are_failures_of_their_clip(tmp_path: Path) -> None:
    root = write_davis(tmp_path, {"a": 1, "b": 2})
    source, place = clips(root), root / "Annotations/480p/b/00004.png"
    whole = place.read_bytes()
    positions = [n for n in range(3) if source.object_at(n)[0] == "b"]

    def reason() -> str:
        found = AS_IT_IS.examiner(UNMOVED, source).numbers(positions)
        assert not len(found.positions)
        assert sorted(found.failed) == positions
        (why,) = {failure.reason for failure in found.failed.values()}
        return why

    Image.open(place).convert("RGB").save(place)
    assert "has colours (mode RGB), not the numbers of objects" in reason()
    write_mask(place, np.ones((24, 80), np.uint8))
    assert "b/00004.png has 80 x 24 pixels, its photograph JPEGImages/480p/b/00004.jpg 80 x 48" in reason()
    place.write_bytes(whole[:100])
    assert "no readable JPEG or PNG" in reason()
    place.write_bytes(whole)
    assert source.digest
    write_mask(place, np.ones((48, 80), np.uint8))
    assert "changed on disk since it was hashed" in reason()
    place.write_bytes(whole)
    source = clips(root)
    for file, kind in ((place, "P"), (root / "JPEGImages/480p/b/00004.jpg", "RGB")):
        with Image.open(file) as image:
            assert image.mode == kind
            image.resize((40, 24), Image.Resampling.NEAREST).save(file)
    assert reason() == "frame 4 of b, counted from 0, has 40 x 24 pixels, the first one 80 x 48"
    short = clips(write_davis(tmp_path / "short", {"s": 1}, frames=2))
    failed = AS_IT_IS.examiner(UNMOVED, short).numbers([0]).failed
    assert "has 2 frames; the first and the last are not judged" in failed[0].reason


def answers(values: dict[str, list[float]], ids: list[str]) -> Answers:
    n = len(ids)
    blank = np.full((n, 1), np.nan, np.float32)
    numbers = {name: np.array(own, np.float32)[:, None] for name, own in values.items()}
    return Answers("m", np.array(ids), np.full((n, 1), -1, np.int16), blank, np.full(n, -1), blank, None, numbers)


def test_the_mean_is_over_objects_and_the_bootstrap_over_clips() -> None:
    task, kind = get_task("davis-2017"), KINDS["video-objects"]
    j = {"001": [1.0, 0.0, 0.5], "002": [1.0, 0.2, 0.5], "003": [0.8, 0.1, np.nan]}
    f = {"001": [0.6, 0.0, 0.7], "002": [0.4, 0.2, 0.7], "003": [0.8, 0.1, np.nan]}
    values = {f"{n} j": own for n, own in j.items()} | {f"{n} f": own for n, own in f.items()}
    units = kind.units(task, answers(values, ["a/1", "a/2", "b/1"]), None, Truth())
    assert units.ids.tolist() == ["a", "b"]
    found = dict(zip(units.columns, units.values.sum(axis=0) / units.values[:, -1].sum(), strict=True))
    expected = (np.mean([1, 1, 0.8]) + 0.1 + 0.5) / 3
    assert found["j"] == pytest.approx(expected)
    assert found["f"] == pytest.approx((0.6 + 0.1 + 0.7) / 3)
    assert found["j_and_f"] == pytest.approx((found["j"] + found["f"]) / 2)
    assert found["j_recall"] == pytest.approx(1 / 3)  # .5 itself is not above it
    by_name = {(m.condition, m.metric): m for m in kind.measures(task, Truth())}
    assert by_name["overall", "j_and_f"].counts == ("objects",)
    assert ("fifth 5", "j_and_f") in by_name
    assert [line.metric for line in kind.lines(task)] == ["j_and_f", "j", "f"]


def test_frames_beyond_999_come_after_the_others() -> None:
    falling = {f"{n:03d} {m}": [1 - n / 1200] for n in range(1, 1200) for m in "jf"}
    units = KINDS["video-objects"].units(get_task("davis-2017"), answers(falling, ["a/1"]), None, Truth())
    found = dict(zip(units.columns, units.values[0], strict=True))
    assert found["j_decay"] == pytest.approx(0.75, abs=0.01)
    assert [found[f"fifth {n}"] for n in range(1, 6)] == pytest.approx([0.9, 0.7, 0.5, 0.3, 0.1], abs=0.01)
