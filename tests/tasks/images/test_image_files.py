"""What is seen of image files of every format and depth, and that nothing but images is opened."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import vitobench
from vitobench.models.pretraining.curation.duplicates import hash_evaluation_images, perceptual_hash
from vitobench.tasks.clips.source import UnreadableClipError, decode_image
from vitobench.tasks.images.geometry import Geometry
from vitobench.tasks.images.reading import UndecodableImageError, decode_content
from vitobench.tests.benchmarks.image_files import (
    SIDE,
    Case,
    deep,
    grey,
    made,
    png,
    read,
    refused,
    tiff,
    written,
    wrong,
)
from vitobench.tests.checkout import own_modules

GEOMETRY = Geometry(SIDE, SIDE, "bilinear")
RAMP = np.tile(np.arange(256) * 257, (8, 1))
"""All levels of 8 bits, in 16."""

SEEN: dict[str, Callable[[bytes], np.ndarray]] = {
    "images": lambda content: decode_content(content, Path("a"), GEOMETRY),
    "frames of clips": lambda content: decode_image(content, "a", None),
}
"""All ways on which the bytes of a file become what a model sees."""


@pytest.mark.parametrize("seed", [0, 1])
def test_every_file_is_seen_as_it_is_or_refused_and_starts_no_program(seed: int, tmp_path: Path) -> None:
    assert read(tmp_path, written(made(150, seed), tmp_path, seed)) == []


@pytest.mark.parametrize("way", SEEN)
@pytest.mark.parametrize("case", [*deep(3), *(c for c in refused(3) if c.refused)], ids=lambda case: case.name)
def test_depths_and_refusals_are_the_same_on_every_way(case: Case, way: str) -> None:
    try:
        pixels = SEEN[way](case.content)
    except (UndecodableImageError, UnreadableClipError):
        pixels = None
    if way == "frames of clips" and case.name.startswith("endless"):
        return  # at its own size it needs no more memory than it says
    assert wrong(case, pixels) == ""


def test_grey_of_16_bits_has_all_its_levels() -> None:
    """The picture that came out in two levels, black and white."""
    levels = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, 2).repeat(8, 0)
    files = {
        "png": png(RAMP, 16, 0),
        "tiff": tiff(RAMP.astype("<u2").tobytes(), 256, 8, 16),
        "tiff of big-endian values": tiff(RAMP.astype(">u2").tobytes(), 256, 8, 16, ">"),
        "pgm": b"P5 256 8 65535\n" + RAMP.astype(">u2").tobytes(),
    }
    for name, content in files.items():
        found = decode_content(content, Path(name), Geometry(8, 8, "bilinear"))
        np.testing.assert_array_equal(found, levels[:, 124:132], err_msg=name)
        np.testing.assert_array_equal(decode_image(content, name, None), levels, err_msg=name)


def test_an_evaluation_image_of_16_bits_has_the_hash_of_its_copy_of_8(tmp_path: Path) -> None:
    values = np.random.default_rng(4).integers(0, 256, (9, 9), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(values).resize((90, 90), Image.Resampling.BICUBIC))
    (tmp_path / "deep.png").write_bytes(png(smooth.astype(int) << 8, 16, 0))
    (tmp_path / "plain.png").write_bytes(png(smooth, 8, 0))
    (tmp_path / "script.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n")
    found = hash_evaluation_images(tmp_path, tmp_path / "hashes.jsonl")
    assert found.unreadable == 1
    assert found.hashes == dict.fromkeys(("deep.png", "plain.png"), perceptual_hash(grey(smooth)))


def test_the_reason_says_what_to_do() -> None:
    with pytest.raises(UndecodableImageError, match=r"floating point, signed or 32-bit.*save it with 8 or 16 bits"):
        decode_content(tiff(np.zeros(64, "<f4").tobytes(), 8, 8, 32, form=3), Path("a"), GEOMETRY)
    with pytest.raises(UndecodableImageError, match=r"format that is read \(AVIF, .*WEBP\)"):
        decode_content(b"%!PS-Adobe-3.0\n", Path("a"), GEOMETRY)


def test_a_frame_that_would_fill_the_memory_is_refused() -> None:
    with pytest.raises(UnreadableClipError, match=r"too elongated to be resized \(1 x 60000 pixels\)"):
        decode_image(png(np.zeros((60_000, 1), int), 1, 0), "a", 224)
    with pytest.raises(UnreadableClipError, match=r"a frame cannot be decoded \(Image size"):
        decode_image(b"P5 10000 10000 255\n\0", "a", 224)


def test_images_are_opened_with_a_list_of_formats_wherever_they_are_opened() -> None:
    """Without one, Pillow hands PostScript to Ghostscript, whatever a file is called."""
    root = Path(vitobench.__file__).parent
    calls = []
    for path in own_modules(root):
        text = path.read_text(encoding="utf-8")
        if path.relative_to(root).parts[0] in ("tests", "build") or "Image.open" not in text:
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Image.open"):
                calls.append((str(path.relative_to(root)), any(word.arg == "formats" for word in node.keywords)))
    assert [where for where, listed in calls if not listed] == []
    assert len(calls) >= 4
