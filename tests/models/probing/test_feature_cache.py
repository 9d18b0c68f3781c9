from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from vitobench.errors import DataError, VitobenchError
from vitobench.models.model import Model
from vitobench.models.probing import features as cache
from vitobench.models.probing.data import Part, ProbeData, open_data
from vitobench.models.probing.features import features_of
from vitobench.tasks.images.geometry import Geometry
from vitobench.tasks.images.source import LoadFailure
from vitobench.tasks.microworld.sets import MicroSet


class Counting(MicroSet):
    """Counts what is rendered, fails for some images, and can break off."""

    loaded = 0
    bad: frozenset[int] = frozenset()
    passing = False
    limit = 10**9

    def load(
        self, indices: Sequence[int], geometry: Geometry, condition: str | None = None
    ) -> tuple[np.ndarray, dict[int, LoadFailure]]:
        self.loaded += len(indices)
        if self.loaded > self.limit:
            raise KeyboardInterrupt
        images, _ = super().load(indices, geometry, condition)
        failed = {at: LoadFailure("damaged", self.passing) for at, index in enumerate(indices) if index in self.bad}
        return images, failed


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "BLOCK", 16)


def part_of(count: int = 40) -> Part:
    return Part(Counting("train", count), np.arange(count))


def test_features_are_those_of_the_model_and_are_computed_once(micro_model: Model, tmp_path: Path) -> None:
    part = part_of()
    seen: list[tuple[int, int]] = []
    rows = features_of(micro_model, part, tmp_path, batch=7, progress=lambda *where: seen.append(where))
    pixels = torch.from_numpy(MicroSet("train", 40).frames(range(40)).images).permute(0, 3, 1, 2)
    torch.testing.assert_close(torch.from_numpy(np.array(rows.values)), micro_model.features(pixels))
    assert isinstance(rows.values, np.memmap)
    assert rows.labels.tolist() == [i % 16 for i in range(40)]
    assert seen == [(16, 40), (32, 40), (40, 40)]
    again = features_of(micro_model, part_of(), tmp_path)
    assert np.array_equal(again.values, rows.values)
    fresh = part_of()
    features_of(micro_model, fresh, tmp_path)
    assert fresh.source.loaded == 0
    tokens = features_of(micro_model, fresh, tmp_path, "tokens")
    assert tokens.values.shape == (40, 16, 128)
    assert tokens.values.dtype == np.float16
    expected = micro_model.tokens(pixels).half()
    torch.testing.assert_close(torch.from_numpy(np.array(tokens.values)), expected, rtol=2e-3, atol=2e-3)


def test_an_interrupted_pass_goes_on(micro_model: Model, tmp_path: Path) -> None:
    part = part_of()
    part.source.limit = 33
    with pytest.raises(KeyboardInterrupt):
        features_of(micro_model, part, tmp_path)
    rest = part_of()
    got = features_of(micro_model, rest, tmp_path)
    assert rest.source.loaded in (8, 24)  # one block was read ahead of the one that was computed
    whole = features_of(micro_model, part_of(), tmp_path / "other")
    np.testing.assert_allclose(got.values, whole.values, rtol=1e-4, atol=1e-5)
    assert [path.name for path in tmp_path.glob("*/block-*")] == []


@pytest.mark.parametrize("at", [0, 16, 32])
def test_another_process_may_be_first(micro_model: Model, tmp_path: Path, at: int) -> None:
    class Slow(Counting):
        def load(
            self, indices: Sequence[int], geometry: Geometry, condition: str | None = None
        ) -> tuple[np.ndarray, dict[int, LoadFailure]]:
            if indices[0] == at and not self.bad:
                self.bad = frozenset({99})  # once
                features_of(micro_model, part_of(), tmp_path)
            return super().load(indices, geometry, condition)

    rows = features_of(micro_model, Part(Slow("train", 40), np.arange(40)), tmp_path)
    alone = features_of(micro_model, part_of(), tmp_path / "other")
    np.testing.assert_allclose(rows.values, alone.values, rtol=1e-4, atol=1e-5)
    (place,) = (path for path in tmp_path.iterdir() if path.name != "other")
    assert {path.name for path in place.iterdir()} == {"about.json", "features.npy"}


def test_a_batch_that_does_not_fit_into_memory_is_halved(
    micro_model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = np.array(features_of(micro_model, part_of(), tmp_path / "other").values)
    plain = Model.features

    def limited(self: Model, images: torch.Tensor) -> torch.Tensor:
        if len(images) > 4:
            raise RuntimeError("CUDA out of memory")
        return plain(self, images)

    monkeypatch.setattr(Model, "features", limited)
    np.testing.assert_allclose(features_of(micro_model, part_of(), tmp_path).values, expected, rtol=1e-4, atol=1e-5)


def test_damaged_files_are_made_again(micro_model: Model, tmp_path: Path) -> None:
    expected = np.array(features_of(micro_model, part_of(), tmp_path).values)
    path = next(tmp_path.glob("*/features.npy"))
    flipped = bytearray(path.read_bytes())
    flipped[len(flipped) // 2] ^= 64
    for content in (b"", b"nothing", path.read_bytes()[:1000], flipped):
        path.write_bytes(content)
        part = part_of()
        np.testing.assert_allclose(features_of(micro_model, part, tmp_path).values, expected, rtol=1e-4, atol=1e-5)
        assert part.source.loaded == 40


def test_other_images_or_weights_have_files_of_their_own(micro_model: Model, tmp_path: Path) -> None:
    features_of(micro_model, part_of(20), tmp_path)
    features_of(micro_model, Part(MicroSet("train", 20, seed=1), np.arange(20)), tmp_path)
    features_of(micro_model, Part(MicroSet("train", 40), np.arange(20, 40)), tmp_path)
    assert len(list(tmp_path.iterdir())) == 3
    spec = micro_model.spec
    larger = replace(spec.preprocessing, size=spec.preprocessing.size * 2, resize=spec.preprocessing.resize * 2)
    for other in (replace(spec, weights_hash="0" * 64), replace(spec, preprocessing=larger)):
        features_of(Model(other, micro_model._network), part_of(20), tmp_path)
    for kind, read in (("halves", ""), ("halves", "another layer")):
        features_of(micro_model, part_of(20), tmp_path, kind, read=read)
    assert len(list(tmp_path.iterdir())) == 7


def test_images_that_cannot_be_read_are_left_out(micro_model: Model, tmp_path: Path) -> None:
    part = part_of()
    part.source.bad = frozenset({3, 33})
    rows = features_of(micro_model, part, tmp_path)
    assert np.flatnonzero(~rows.good).tolist() == [3, 33]
    values, labels = rows.chosen()
    assert values.shape[0] == len(labels) == 38
    assert torch.isfinite(values).all()
    none = part_of(16)
    none.source.bad = frozenset(range(16))
    with pytest.raises(DataError, match="None of the 16 images"):
        features_of(micro_model, none, tmp_path)


def test_a_folder_that_cannot_be_written_is_explained(micro_model: Model, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(VitobenchError, match="--features"):
        features_of(micro_model, part_of(5), tmp_path / "file")


def test_held_out_images_are_others(small_data: ProbeData) -> None:
    assert small_data.train.source.name != small_data.held_out.source.name
    assert min(small_data.held_out.indices) == 100_000
    for wrong in ("photos", "imagefolder=", "micro"):
        with pytest.raises(VitobenchError, match="imagefolder=DIR"):
            open_data(wrong)
    with pytest.raises(VitobenchError, match="--train 0"):
        open_data("microworld", 0)


def test_a_folder_is_split_or_brings_its_split(tmp_path: Path) -> None:
    from PIL import Image

    def write(folder: Path, count: int) -> None:
        for wnid in ("n01440764", "n01443537"):
            (folder / wnid).mkdir(parents=True)
            for n in range(count):
                Image.new("RGB", (8, 8), (n, 0, 0)).save(folder / wnid / f"{n}.png")

    write(tmp_path / "whole", 10)
    data = open_data(f"imagefolder={tmp_path / 'whole'}")
    assert (len(data.train), len(data.held_out), data.classes) == (16, 4, 1000)
    assert not set(data.train.indices) & set(data.held_out.indices)
    write(tmp_path / "parts/train", 6)
    write(tmp_path / "parts/val", 3)
    data = open_data(f"imagefolder={tmp_path / 'parts'}", train=5)
    assert (len(data.train), len(data.held_out)) == (5, 6)
    assert set(data.held_out.labels) == {0, 1}
    with pytest.raises(DataError, match="does not exist"):
        open_data(f"imagefolder={tmp_path / 'absent'}")


def test_what_could_not_be_read_for_now_is_read_again(micro_model: Model, tmp_path: Path) -> None:
    part = part_of()
    part.source.bad, part.source.passing = frozenset({3}), True
    rows = features_of(micro_model, part, tmp_path)
    assert np.flatnonzero(~rows.good).tolist() == [3]
    assert np.isfinite(rows.values[4]).all()  # still there to be read
    again = part_of()
    assert features_of(micro_model, again, tmp_path).good.all()
    assert again.source.loaded == 40
    last = part_of()
    assert features_of(micro_model, last, tmp_path).good.all()
    assert last.source.loaded == 0


def test_no_image_is_learned_from_and_measured_on(tmp_path: Path) -> None:
    from PIL import Image

    for n, wnid in enumerate(("n01440764", "n01443537", "n01484850", "n01491361", "n01494475", "n01496331")):
        (tmp_path / "d" / wnid).mkdir(parents=True)
        Image.new("RGB", (8, 8), (40 * n, 0, 0)).save(tmp_path / "d" / wnid / "a.png")
        (tmp_path / "d" / wnid / "again").symlink_to(".")
    data = open_data(f"imagefolder={tmp_path / 'd'}")
    assert (len(data.train), len(data.held_out)) == (5, 1)
    assert data.notes == (
        f"Left out of {tmp_path / 'd'}: links to folders that are listed already: 6 (such as n01440764/again).",
    )
    (tmp_path / "parts").mkdir()
    (tmp_path / "d").rename(tmp_path / "parts" / "train")
    (tmp_path / "parts" / "val").symlink_to("train")
    with pytest.raises(DataError, match="are the same folder"):
        open_data(f"imagefolder={tmp_path / 'parts'}")
