import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vitobench.models.pretraining.curation.duplicates import hash_evaluation_images, perceptual_hash


def picture(path: Path, seed: int) -> int:
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    image = Image.fromarray(pixels).resize((64, 64))
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
    os.utime(path, (0, 0))
    return perceptual_hash(image)


def test_another_image_of_equal_name_size_and_time_has_its_own_hash(tmp_path: Path) -> None:
    cache = tmp_path / "hashes.jsonl"
    one, two = picture(tmp_path / "val" / "a.bmp", 1), picture(tmp_path / "other" / "a.bmp", 2)
    assert one != two
    assert hash_evaluation_images(tmp_path / "val", cache).hashes == {"a.bmp": one}
    (tmp_path / "val").rename(tmp_path / "aside")
    (tmp_path / "other").rename(tmp_path / "val")
    assert hash_evaluation_images(tmp_path / "val", cache).hashes == {"a.bmp": two}
    (tmp_path / "link").symlink_to(tmp_path / "aside")
    assert hash_evaluation_images(tmp_path / "link", cache).hashes == {"a.bmp": one}


def test_only_what_lasts_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "hashes.jsonl"
    right = picture(tmp_path / "val" / "a.bmp", 1)
    (tmp_path / "val" / "gone.bmp").symlink_to("nowhere")
    (tmp_path / "val" / "broken.bmp").write_bytes(b"no image")
    real = Path.read_bytes

    def failing(path: Path) -> bytes:
        if path.name == "a.bmp":
            raise OSError(5, "Input/output error")
        return real(path)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", failing)
        found = hash_evaluation_images(tmp_path / "val", cache)
        assert (found.hashes, found.unreadable) == ({}, 3)
    found = hash_evaluation_images(tmp_path / "val", cache)
    assert (found.hashes, found.unreadable) == ({"a.bmp": right}, 2)
    (tmp_path / "val" / "gone.bmp").unlink()
    other = picture(tmp_path / "val" / "gone.bmp", 2)
    assert hash_evaluation_images(tmp_path / "val", cache).hashes == {"a.bmp": right, "gone.bmp": other}
    assert len(cache.read_text().splitlines()) == 3  # broken.bmp will be broken the next time, too
