"""Damages archives and unpacks them: every flip of a bit and every cut is an error, or does no harm.

    python tests/benchmarks/archive_damage.py [ROUNDS] [SEED]

For each form (tar, tar.gz, tar.bz2, tar.xz, zip) archives are made with short, long and non-ASCII names, empty files, a
hard link and several compressed streams. A flip of one bit or a cut anywhere must raise DataError and leave nothing, or
give the files of the undamaged archive. Counted apart are flips in a plain tar that no checksum covers: contents, and
the records of extended headers.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import sys
import tarfile
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from vitobench.errors import DataError
from vitobench.tasks.download.publication import RemoteFile
from vitobench.tasks.download.unpack import is_unpacked, unpack

FORMS = ("tar", "tar.gz", "tar.bz2", "tar.xz", "zip")


def some_files(draw: random.Random) -> dict[str, bytes]:
    """Files with names and sizes at which archives change their form."""
    sizes = (0, 1, 511, 512, 513, 1500, 3000)
    names = [f"set/n{n:02d}/{n}.JPEG" for n in range(8)]
    names += ["set/räksmörgås.png", "set/" + "d" * 90 + "/" + "f" * 120 + ".JPEG", "./set/labels.csv"]
    return {name: draw.randbytes(draw.choice(sizes)) for name in names} | {"set/text.txt": b"text\n" * 400}


def tar_of(files: dict[str, bytes], form: int) -> bytes:
    """A tar with a hard link to its first file."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        folder = tarfile.TarInfo("set/empty")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo("set/link.JPEG")
        link.type, link.linkname = tarfile.LNKTYPE, next(iter(files))
        tar.addfile(link)
    return out.getvalue()


def zip_of(files: dict[str, bytes], draw: random.Random) -> bytes:
    """A zip with members of all methods, some of them with their sizes after the content."""
    out = io.BytesIO()
    methods = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
    with zipfile.ZipFile(out, "w") as opened:
        opened.writestr("set/empty/", b"")
        for name, content in files.items():
            opened.writestr(name, content, draw.choice(methods))
        with opened.open("set/zip64.JPEG", "w", force_zip64=True) as member:
            member.write(b"a zip64 member")
    return out.getvalue()


def make(form: str, draw: random.Random) -> bytes:
    """An archive of a form."""
    if form == "zip":
        return zip_of(some_files(draw), draw)
    plain = tar_of(some_files(draw), draw.choice((tarfile.PAX_FORMAT, tarfile.GNU_FORMAT)))
    half = len(plain) // 2 if draw.random() < 0.5 else len(plain)  # half the time in two compressed streams
    pack = {"tar": bytes, "tar.gz": gzip.compress, "tar.bz2": bz2.compress, "tar.xz": lzma.compress}[form]
    return pack(plain[:half]) + (pack(plain[half:]) if half < len(plain) else b"")


def unpacked(content: bytes, form: str) -> dict[str, bytes] | None:
    """The files that bytes unpack to; None where they are refused.

    Raises:
        AssertionError: They are refused, but something was left.
    """
    with tempfile.TemporaryDirectory() as place:
        archive, to = Path(place) / f"a.{form}", Path(place) / "to"
        archive.write_bytes(content)
        file = RemoteFile("https://example.org/a", archive.name)
        try:
            unpack(file, archive, to)
        except DataError:
            assert not is_unpacked(file, to), "marked as complete after an error"
            assert not to.exists() or not list(to.iterdir()), "something was left after an error"
            return None
        files = (path for path in to.rglob("*") if path.is_file() and ".unpacked" not in path.parts)
        return {path.relative_to(to).as_posix(): path.read_bytes() for path in files}


def uncovered(content: bytes) -> list[range]:
    """Where a plain tar has bytes that no checksum covers."""
    found, at = [], 0
    while any(block := content[at : at + 512]):
        size = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape").size
        found.append(range(at + 512, at + 512 + size))
        at += 512 + size + -size % 512
    return found


def damages(content: bytes, draw: random.Random, count: int) -> Iterator[tuple[str, int, bytes]]:
    """Damaged copies: what was done, at which byte, and the bytes."""
    for number in range(count):
        at = draw.randrange(len(content))
        if number % 4:
            damaged = bytearray(content)
            damaged[at] ^= 1 << draw.randrange(8)
            yield "flip", at, bytes(damaged)
        else:
            yield "cut", at, content[: at // 512 * 512 if draw.random() < 0.5 else at]


def try_form(form: str, seed: int, rounds: int, per_archive: int = 50) -> tuple[Counter[str], list[str]]:
    """Damage archives of a form; return what came of it, and the silent differences."""
    draw = random.Random(f"{form} {seed}")
    counts: Counter[str] = Counter()
    silent = []
    done = 0
    while done < rounds:
        content = make(form, draw)
        right = unpacked(content, form)
        assert right is not None, f"the undamaged {form} is refused"
        assert len(right) == 13, f"the undamaged {form} has {len(right)} files"
        bare = uncovered(content) if form == "tar" else []
        for what, at, damaged in damages(content, draw, min(per_archive, rounds - done)):
            done += 1
            found = unpacked(damaged, form)
            if found is None:
                counts[f"{what}: refused"] += 1
            elif found == right:
                counts[f"{what}: the same files"] += 1
            elif what == "flip" and any(at in part for part in bare):
                counts["flip: in contents that no checksum covers"] += 1
            else:
                counts[f"{what}: SILENT"] += 1
                silent.append(f"{form}, seed {seed}: {what} at {at}")
    return counts, silent


def main() -> None:
    """Print a line for each form; exit with 1 if there was a silent difference."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    wrong = []
    for form in FORMS:
        counts, silent = try_form(form, seed, rounds)
        print(f"{form:8} {sum(counts.values()):,} damaged; {dict(sorted(counts.items()))}")
        wrong += silent
    print("\n".join(wrong) or "no silent differences")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
