"""150 image files of every format, mode and damage in one run: is each one predicted or listed with a reason?

    python tests/benchmarks/image_files.py [--seed N] [--files 150] [--keep DIR]

Makes a folder of files that a class folder may come to hold: all formats and depths, animations, pages, wrong
extensions, truncated and flipped bytes, decompression bombs, PostScript, archives. Then

1. reads all of them as an evaluation does, with an audit hook that notices every program that is started, and compares
   the pixels with those that were put in;
2. runs ``bench run`` over the folder once, with stand-ins for Ghostscript and its like on PATH, and checks that each
   file is either predicted or listed with a reason.

Prints what went wrong and exits with 1 if anything did. Takes about half a minute. `made` is what the tests use.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import re
import stat
import struct
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, features

SIDE = 32
WNID = "n01440764"
EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".JPEG")
PROGRAMS = ("gs", "gswin32c", "gswin64c", "djpeg", "cjpeg", "ppmtogif", "convert", "magick", "rsvg-convert", "inkscape")
STARTS = (
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.spawn",
    "os.fork",
    "os.forkpty",
    "pty.spawn",
)
"""Audit events of Python that start a program."""


@dataclass(frozen=True)
class Case:
    """A file.

    Attributes:
        name: What is in it.
        content: Its bytes.
        pixels: What it shows, uint8 (32, 32, 3), worked out without a decoder; None where nobody can know.
        tolerance: Mean difference that lossy compression may make; 0 is exact.
        refused: Whether it has to be refused. A damaged file (no pixels, not refused) may go either way.
    """

    name: str
    content: bytes
    pixels: np.ndarray | None = None
    tolerance: float = 0.0
    refused: bool = False


def picture(seed: int) -> np.ndarray:
    """uint8 (32, 32, 3): smooth colours that differ in all channels, rows and columns."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (5, 5, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def grey(values: np.ndarray) -> np.ndarray:
    """(H, W) of 8 bits as RGB."""
    return np.repeat(values.astype(np.uint8)[:, :, None], 3, 2)


def png(values: np.ndarray, depth: int, kind: int, *more: tuple[bytes, bytes]) -> bytes:
    """A PNG written by hand (ISO/IEC 15948): samples (H, W, channels), bits a sample, colour type, further chunks."""
    height, width = values.shape[:2]
    if depth == 16:
        rows = values.astype(">u2").reshape(height, -1).view(np.uint8)
    elif depth == 8:
        rows = values.astype(np.uint8).reshape(height, -1)
    else:
        places = np.arange(depth - 1, -1, -1)
        rows = np.packbits(((values.reshape(height, -1, 1) >> places) & 1).astype(np.uint8).reshape(height, -1), axis=1)
    data = b"".join(b"\0" + row.tobytes() for row in rows)

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0))
    middle = b"".join(chunk(name, body) for name, body in more)
    return b"\x89PNG\r\n\x1a\n" + header + middle + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def tiff(rows: bytes, width: int, height: int, bits: int, order: str = "<", white: int = 1, form: int = 1) -> bytes:
    """A TIFF 6.0 of one channel by hand; `white` is its photometric interpretation, `form` its sample format."""
    tags = [
        (256, 4, width),
        (257, 4, height),
        (258, 3, bits),
        (259, 3, 1),
        (262, 3, white),
        (273, 4, 8 + 2 + 12 * 10 + 4),
        (277, 3, 1),
        (278, 4, height),
        (279, 4, len(rows)),
        (339, 3, form),
    ]
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8) + struct.pack(order + "H", len(tags))
    for tag, kind, value in tags:
        held = struct.pack(order + "HH", value, 0) if kind == 3 else struct.pack(order + "I", value)
        head += struct.pack(order + "HHI", tag, kind, 1) + held
    return head + struct.pack(order + "I", 0) + rows


def saved(image: Image.Image | np.ndarray, form: str, **options: object) -> bytes:
    """What Pillow writes."""
    stream = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(stream, form, **options)
    return stream.getvalue()


def plain(seed: int) -> Iterator[Case]:
    """Whole files of 8 bits a channel and less."""
    rgb = picture(seed)
    image, l = Image.fromarray(rgb), rgb[:, :, 0]  # noqa: E741
    few = np.arange(SIDE * SIDE).reshape(SIDE, SIDE) % 7
    colours = np.random.default_rng(seed).integers(0, 256, (256, 3), dtype=np.uint8)
    bits = (l > 128).astype(np.uint8)
    alpha = np.dstack([rgb, 255 - l])
    yield Case("png rgb", png(rgb, 8, 2), rgb)
    yield Case("png rgba", png(alpha, 8, 6), rgb)
    yield Case("png grey", png(l, 8, 0), grey(l))
    yield Case("png grey with alpha", png(np.dstack([l, 255 - l]), 8, 4), grey(l))
    yield Case("png grey, one level transparent", png(l, 8, 0, (b"tRNS", b"\0\x80")), grey(l))
    for depth in (1, 2, 4):
        levels = (l >> (8 - depth)).astype(int)
        yield Case(f"png grey of {depth} bits", png(levels, depth, 0), grey(levels * (255 // (2**depth - 1))))
    table = (b"PLTE", colours.tobytes())
    yield Case("png palette", png(l, 8, 3, table), colours[l])
    yield Case("png palette with transparency", png(l, 8, 3, table, (b"tRNS", bytes(range(256)))), colours[l])
    yield Case("png palette of 4 bits", png(few, 4, 3, (b"PLTE", colours[:16].tobytes())), colours[few])
    yield Case("png interlaced text and gamma", png(rgb, 8, 2, (b"gAMA", struct.pack(">I", 45455))), rgb)
    yield Case("bmp", saved(image, "BMP"), rgb)
    yield Case("bmp grey", saved(l, "BMP"), grey(l))
    for packing in (None, "tiff_lzw", "tiff_adobe_deflate", "packbits"):
        yield Case(f"tiff {packing}", saved(image, "TIFF", compression=packing), rgb)
    yield Case("tiff bilevel", saved(Image.fromarray(bits * 255).convert("1"), "TIFF"), grey(bits * 255))
    yield Case("tiff white is zero", tiff(l.tobytes(), SIDE, SIDE, 8, white=0), grey(255 - l))
    yield Case("tiff grey big endian", tiff(l.tobytes(), SIDE, SIDE, 8, ">"), grey(l))
    yield Case("ppm", b"P6\n# a comment\n32 32\n255\n" + rgb.tobytes(), rgb)
    yield Case("ppm in text", b"P3 32 32 255\n" + " ".join(map(str, rgb.ravel())).encode(), rgb)
    yield Case("pgm", b"P5 32 32 255\n" + l.tobytes(), grey(l))
    yield Case("pgm in text", b"P2 32 32 255\n" + " ".join(map(str, l.ravel())).encode(), grey(l))
    yield Case("pgm of 15 levels", b"P5 32 32 15\n" + (l >> 4).tobytes(), grey((l >> 4) * 17))
    yield Case("pbm", b"P4 32 32\n" + np.packbits(1 - bits, axis=1).tobytes(), grey(bits * 255))
    yield Case("gif", saved(Image.fromarray(l), "GIF"), grey(l))
    yield Case("webp lossless", saved(image, "WEBP", lossless=True), rgb)
    yield Case("webp with alpha", saved(Image.fromarray(alpha), "WEBP", lossless=True, exact=True), rgb)
    yield Case("webp", saved(image, "WEBP", quality=95), rgb, 6)
    if features.check("jpg_2000"):
        yield Case("jpeg 2000", saved(image, "JPEG2000", irreversible=False), rgb)
    if features.check("avif") if "avif" in features.modules else False:
        yield Case("avif", saved(image, "AVIF", quality=95, subsampling="4:4:4"), rgb, 6)


def jpegs(seed: int) -> Iterator[Case]:
    """Whole JPEG files."""
    rgb = picture(seed)
    image = Image.fromarray(rgb)
    turned = Image.Exif()
    turned[0x0112] = 6
    for number, options in enumerate(
        ({}, {"progressive": True}, {"subsampling": "4:4:4"}, {"restart_marker_blocks": 1}, {"optimize": True})
    ):
        yield Case(f"jpeg {number}", saved(image, "JPEG", quality=97, **options), rgb, 6)
    yield Case("jpeg grey", saved(rgb[:, :, 1], "JPEG", quality=97), grey(rgb[:, :, 1]), 4)
    yield Case("jpeg turned by EXIF", saved(image, "JPEG", quality=97, exif=turned), rgb, 6)
    inks = np.dstack([rgb, rgb[:, :, 0] // 2])
    paper = ((255 - inks[:, :, :3].astype(int)) * (255 - inks[:, :, 3:].astype(int)) / 255).round().astype(np.uint8)
    yield Case("jpeg cmyk", saved(Image.fromarray(inks, "CMYK"), "JPEG", quality=97), paper, 8)
    yield Case("tiff cmyk", saved(Image.fromarray(inks, "CMYK"), "TIFF"), paper, 1)
    yield Case("tiff of jpeg", saved(image, "TIFF", compression="jpeg", quality=97), rgb, 8)


def deep(seed: int) -> Iterator[Case]:
    """Files of more than 8 bits a channel: the upper 8 are what is seen."""
    rng = np.random.default_rng(seed)
    wide = (picture(seed).astype(np.int64) << 8) + rng.integers(0, 256, (SIDE, SIDE, 3))
    l, seen = wide[:, :, 0], (wide >> 8).astype(np.uint8)  # noqa: E741
    twelve = l >> 4
    yield Case("png grey of 16 bits", png(l, 16, 0), grey(seen[:, :, 0]))
    yield Case("png grey and alpha of 16 bits", png(wide[:, :, :2], 16, 4), grey(seen[:, :, 0]))
    yield Case("png rgb of 16 bits", png(wide, 16, 2), seen)
    yield Case("png rgba of 16 bits", png(np.dstack([wide, l]), 16, 6), seen)
    yield Case("pgm of 16 bits", b"P5 32 32 65535\n" + l.astype(">u2").tobytes(), grey(seen[:, :, 0]))
    yield Case("pgm of 16 bits in text", b"P2 32 32 65535\n" + " ".join(map(str, l.ravel())).encode(), grey(l >> 8))
    yield Case("pgm of 12 bits", b"P5 32 32 4095\n" + twelve.astype(">u2").tobytes(), grey(twelve >> 4), 1)
    for order in "<>":
        rows = l.astype(order + "u2").tobytes()
        yield Case(f"tiff of 16 bits {order}", tiff(rows, SIDE, SIDE, 16, order), grey(seen[:, :, 0]))
    inverse = tiff((65535 - l).astype("<u2").tobytes(), SIDE, SIDE, 16, white=0)
    yield Case("tiff of 16 bits, white is zero", inverse, grey(seen[:, :, 0]))
    packed = np.packbits(((twelve[:, :, None] >> np.arange(11, -1, -1)) & 1).astype(np.uint8).reshape(SIDE, -1), axis=1)
    yield Case("tiff of 12 bits", tiff(packed.tobytes(), SIDE, SIDE, 12), grey(twelve >> 4))
    if features.check("jpg_2000"):
        whole = saved(Image.fromarray(l.astype(np.uint16)), "JPEG2000", irreversible=False)
        yield Case("jpeg 2000 of 16 bits", whole, grey(seen[:, :, 0]))


def several(seed: int) -> Iterator[Case]:
    """Files of several pictures: the first is what is seen."""
    first, other = (Image.fromarray(picture(seed + k)) for k in range(2))
    rgb, l = np.asarray(first), np.asarray(first)[:, :, 0]  # noqa: E741
    more = {"save_all": True, "append_images": [other]}
    yield Case("apng", saved(first, "PNG", **more), rgb)
    yield Case("tiff of two pages", saved(first, "TIFF", **more), rgb)
    yield Case("webp animation", saved(first, "WEBP", lossless=True, **more), rgb)
    yield Case("gif animation", saved(Image.fromarray(l), "GIF", save_all=True, append_images=[other]), grey(l))
    yield Case("mpo", saved(first, "MPO", quality=97, **more), rgb, 6)


def refused(seed: int) -> Iterator[Case]:
    """Files that show nothing that can be known, or must not be opened."""
    rgb = picture(seed)
    image = Image.fromarray(rgb)
    real = rgb[:, :, 0].astype(np.float32)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as kept:
        kept.writestr("a.png", png(rgb, 8, 2))
    array = io.BytesIO()
    np.save(array, rgb)
    script = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 32 32\n%%EndComments\nshowpage\n%%EOF\n"
    contents = {
        "floats in tiff": tiff(real.astype("<f4").tobytes(), SIDE, SIDE, 32, form=3),
        "32 bits in tiff": tiff(real.astype("<u4").tobytes(), SIDE, SIDE, 32),
        "signed 32 bits in tiff": tiff(real.astype("<i4").tobytes(), SIDE, SIDE, 32, form=2),
        "signed 16 bits in tiff": tiff(real.astype("<i2").tobytes(), SIDE, SIDE, 16, form=2),
        "signed 8 bits in tiff": tiff(rgb[:, :, 0].tobytes(), SIDE, SIDE, 8, form=2),
        "floats in pfm": b"Pf\n32 32\n-1.0\n" + real.tobytes(),
        "PostScript": script,
        "PostScript with a preview": struct.pack("<7I", 0xC6D3D0C5, 32, len(script), 0, 0, 0, 0)
        + b"\xff\xff\0\0"
        + script,
        "SVG": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
        "PDF": saved(image, "PDF"),
        "zip": archive.getvalue(),
        "numpy": array.getvalue(),
        "gzip": zlib.compress(rgb.tobytes(), wbits=31),
        "text": b"404: Not Found\n",
        "HTML": b"<!DOCTYPE html><html><body>Sign in</body></html>",
        "empty": b"",
        "one byte": b"\xff",
        "zeros": bytes(5000),
        "LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
        "playlist": b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n",
        "WMF": b"\xd7\xcd\xc6\x9a\0\0" + struct.pack("<4hHIH", 0, 0, 32, 32, 96, 0, 0) + b"\x01\0\x09\0" + bytes(14),
        "IPTC with PostScript": b"\x1c\x03\x3c\0\x02\x01\0" + b"\x1c\x08\x0a\0\x10" + script,
        "TGA": saved(image, "TGA"),
        "ICO": saved(image, "ICO"),
        "PCX": saved(image, "PCX"),
        "SGI": saved(image, "SGI"),
        "bomb in png": png(np.zeros((1, 1)), 8, 0).replace(struct.pack(">II", 1, 1), struct.pack(">II", 60000, 60000)),
        "bomb in gif": b"GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\x02\0;",
        "bomb in tiff": tiff(b"\0", 60000, 60000, 8),
        "bomb in ppm": b"P5 60000 60000 255\n\0",
        "endless strip": png(np.zeros((1, 300_000), int), 1, 0),
        "endless column": png(np.zeros((300_000, 1), int), 1, 0),
    }
    yield from (Case(name, content, refused=True) for name, content in contents.items())
    for colour in (0, 90, 255):
        yield Case(f"1 x 1 of {colour}", png(np.full((1, 1), colour), 8, 0), np.full((SIDE, SIDE, 3), colour, np.uint8))
    yield Case("1 x 9", png(np.full((9, 1), 77), 8, 0), np.full((SIDE, SIDE, 3), 77, np.uint8))


def damaged(cases: Sequence[Case], count: int, seed: int) -> Iterator[Case]:
    """Files that were whole, cut short or with flipped bytes."""
    draw = random.Random(seed)
    for number in range(count):
        case = draw.choice(cases)
        content = bytearray(case.content)
        if number % 2:
            yield Case(f"cut {number}: {case.name}", bytes(content[: draw.randrange(len(content))]))
            continue
        for _ in range(draw.randint(1, 4)):
            content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        yield Case(f"flipped {number}: {case.name}", bytes(content))


def made(count: int, seed: int) -> list[Case]:
    """Files: one of each kind, and damaged ones up to ``count``."""
    whole = [*plain(seed), *jpegs(seed), *deep(seed), *several(seed)]
    cases = [*whole, *refused(seed)]
    return [*cases, *damaged(whole, max(0, count - len(cases)), seed)]


def written(cases: Sequence[Case], root: Path, seed: int) -> dict[str, Case]:
    """Write files into one class folder, most with an extension that is not theirs; returns them by image id."""
    draw = random.Random(seed)
    (root / WNID).mkdir(parents=True)
    found = {}
    for number, case in enumerate(cases):
        image_id = f"{WNID}/{number:03d}{draw.choice(EXTENSIONS)}"
        (root / image_id).write_bytes(case.content)
        found[image_id] = case
    return found


def wrong(case: Case, pixels: np.ndarray | None) -> str:
    """What is wrong with how a file was taken: its pixels, or None where it was refused. Empty if nothing is."""
    if pixels is None:
        return "refused" if case.pixels is not None else ""
    if case.refused:
        return "read, and should have been refused"
    if case.pixels is None:
        return ""
    off = float(np.abs(pixels.astype(int) - case.pixels).mean())
    return f"off by {off:.2f} on average" if off > case.tolerance else ""


def read(root: Path, files: dict[str, Case]) -> list[str]:
    """Read the files as an evaluation does; returns what went wrong, a line each."""
    from vitobench.tasks.images.folders import ImageFolder
    from vitobench.tasks.images.geometry import Geometry

    started: list[str] = []
    watching = True

    def heard(event: str, arguments: tuple[object, ...]) -> None:
        if watching and event in STARTS:
            started.append(f"started {event}{arguments[:2]}")

    source = ImageFolder(root)
    problems = [f"not listed: {name}" for name in sorted(set(files) - set(source.image_ids))]
    sys.addaudithook(heard)  # it stays until the end of the process; `watching` ends what it does
    try:
        pixels, failed = source.load(range(len(source.image_ids)), Geometry(SIDE, SIDE, "bilinear"))
    finally:
        watching = False
    for position, image_id in enumerate(source.image_ids):
        case, failure = files[image_id], failed.get(position)
        if failure is not None and (not failure.reason or failure.transient):
            problems.append(f"{image_id} ({case.name}): no lasting reason ({failure})")
        if complaint := wrong(case, pixels[position] if failure is None else None):
            why = f": {failure.reason}" if failure else ""
            problems.append(f"{image_id} ({case.name}): {complaint}{why}")
    return problems + started


def run(root: Path, files: dict[str, Case], place: Path) -> list[str]:
    """Evaluate a model on the files by the command line; returns what went wrong, a line each."""
    programs, trace, out = place / "bin", place / "trace", place / "scores.json"
    programs.mkdir()
    for name in PROGRAMS:
        (programs / name).write_text(f'#!/bin/sh\necho "$0 $*" >> {trace}\n')
        (programs / name).chmod((programs / name).stat().st_mode | stat.S_IXUSR)
    command = ["bench", "run", "--model", "efficientnet-lite0", "--task", "imagenet-val", "--data", f"imagenet={root}"]
    found = subprocess.run(
        [*command, "--store", str(place / "store"), "--json", str(out), "--no-gallery"],
        env=os.environ | {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )
    if not out.is_file():
        return [f"bench run wrote nothing (exit {found.returncode}): {found.stderr[-600:]}"]
    told = json.loads(out.read_text())
    # Images with a reason in common are counted where they are many: "23 images, the first n01440764/066.bmp".
    shared = [re.match(r"(\d+) images, the first ", failure["image_id"]) for failure in told["failures"]]
    listed = sum(int(match[1]) if match else 1 for match in shared)
    predicted = max(score["n"] for score in told["scores"])
    problems = trace.read_text().splitlines() if trace.exists() else []
    problems += [f"without a reason: {failure}" for failure in told["failures"] if not failure["reason"]]
    if predicted + listed != len(files):
        problems.append(f"{predicted} predicted and {listed} listed, of {len(files)} files")
    return problems


def main() -> int:
    """See above."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--files", type=int, default=150)
    parser.add_argument("--keep", type=Path, help="folder to keep the files in")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        root = asked.keep or place / "val"
        files = written(made(asked.files, asked.seed), root, asked.seed)
        problems = read(root, files) + run(root, files, place)
    print(f"{len(files)} files, seed {asked.seed}: {len(problems)} problems")
    print("\n".join(problems))
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
