"""Read tar archives strictly: anything damaged, truncated or left over raises, and no header can fill the memory.

Python's ``tarfile`` treats a header with a wrong checksum, or a block of zeros, as the end of the archive. It does not
read a compressed stream to its end, where the checksum is, and it reads extended headers of any length into memory.
This reader accounts for every byte, up to the two blocks of zeros that end an archive (POSIX.1-2017, ``pax``) and to
the end of the file.
"""

from __future__ import annotations

import bz2
import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

BLOCK = tarfile.BLOCKSIZE
CHUNK = 1 << 20
LARGEST_HEADER = 1 << 20
"""Maximum size of an extended header or a long name. A path has at most 4,096 bytes; the rest is times, owners and
comments."""
_PACKED_CHUNK = 1 << 16
_LZMA_MEMORY = 1 << 29

_FILES = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
_LONG = {tarfile.GNUTYPE_LONGNAME: "path", tarfile.GNUTYPE_LONGLINK: "linkpath"}
_EXTENDED = (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE)
_KINDS = {
    tarfile.DIRTYPE: "folder",
    tarfile.LNKTYPE: "hard link",
    tarfile.SYMTYPE: "symbolic link",
    tarfile.CHRTYPE: "device",
    tarfile.BLKTYPE: "device",
    tarfile.FIFOTYPE: "pipe",
    **dict.fromkeys(_FILES, "file"),
}
_GNU_MAGIC = b"ustar  \0"

_OTHER_FORMS = {
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x04\x22\x4d\x18": "lz4",
    b"\x5d\x00\x00": "the old lzma form, which has no checksum",
    b"LZIP": "lzip",
    b"\x1f\x9d": "compress",
    b"7z\xbc\xaf\x27\x1c": "7-Zip",
    b"Rar!": "RAR",
}


class UnreadableTarError(tarfile.ReadError):
    """The bytes are not a complete tar archive: damaged, truncated, or with something left over."""


class UnsupportedTarError(tarfile.ReadError):
    """The archive may be complete, but its format is not supported."""


class TarMember(NamedTuple):
    """One member.

    Attributes:
        name: Its path, as stored.
        kind: ``"file"``, ``"folder"``, ``"hard link"``, ``"symbolic link"``, ``"device"`` or ``"pipe"``.
        size: Bytes of content; 0 for everything but files.
        link: Target of a link, as stored.
        offset: Where the content begins in the decompressed archive.
    """

    name: str
    kind: str
    size: int
    link: str
    offset: int


class _Decompressor(Protocol):
    """The interface that the decompressors of ``bz2`` and ``lzma`` share, and that `_Gzip` adds to ``zlib``."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _Gzip:
    """``zlib`` for one gzip member; it checks the member's CRC-32 and length (RFC 1952)."""

    def __init__(self) -> None:
        self._state = zlib.decompressobj(16 + zlib.MAX_WBITS)

    @property
    def eof(self) -> bool:
        return self._state.eof

    @property
    def needs_input(self) -> bool:
        return not self._state.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._state.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return self._state.decompress(self._state.unconsumed_tail + data, max_length)


def _xz() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_LZMA_MEMORY)


_COMPRESSIONS: dict[bytes, tuple[str, Callable[[], _Decompressor]]] = {
    b"\x1f\x8b": ("gzip", _Gzip),
    b"BZh": ("bzip2", bz2.BZ2Decompressor),
    b"\xfd7zXZ\0": ("xz", _xz),
}


class TarReader:
    """The members of a tar archive, plain or compressed, in order.

    Read the content of a member with `content` before going to the next one, which skips the rest.

    Args:
        opened: The archive, at its beginning.
        spend: Called with the number of decompressed bytes that are read or skipped; may raise to stop.
        compressed: Whether to accept gzip, bzip2 and xz, which are recognised by their content.
    """

    def __init__(
        self, opened: BinaryIO, spend: Callable[[int], None] = lambda count: None, compressed: bool = True
    ) -> None:
        self._opened = opened
        self._spend = spend
        self._position = 0
        self._left = self._padding = 0
        self._name = ""
        beginning = opened.read(8)
        opened.seek(0)
        form = next((form for magic, form in _OTHER_FORMS.items() if beginning.startswith(magic)), None)
        packed = next((entry for magic, entry in _COMPRESSIONS.items() if beginning.startswith(magic)), None)
        if form is not None or (packed is not None and not compressed):
            form = form or (packed[0] if packed is not None else "")
            raise UnsupportedTarError(f"it is compressed with {form}, which is not read here")
        self._stream = None if packed is None else _decompressed(opened, *packed)
        self._buffer = b""
        self._buffer_at = 0

    def __iter__(self) -> Iterator[TarMember]:
        """Yield the members.

        Raises:
            UnreadableTarError: A header is damaged, the end is missing, something follows the end, or the checksum of a
                compressed stream is wrong.
            UnsupportedTarError: There is a sparse file, or a kind of member that only occurs in backups.
        """
        extra: dict[str, str] = {}
        while (header := self._header()) is not None:
            if header.type in _LONG:
                key = _LONG[header.type]
                _once(extra, key, self._name)
                extra[key] = _text(self._body(header).split(b"\0", 1)[0])
            elif header.type in _EXTENDED:
                records = _records(self._body(header), self._position)
                _refuse_sparse(records, records.get("path", header.name))
                for key in ("path", "linkpath", "size"):
                    if key in records:
                        _once(extra, key, self._name)
                        extra[key] = records[key]
            elif header.type == tarfile.XGLTYPE:
                records = _records(self._body(header), self._position)
                if not records.keys().isdisjoint(("path", "linkpath", "size")):
                    raise UnsupportedTarError("it has a header that gives all members the same name or size")
            else:
                yield self._member(header, extra)
                self._skip()
                extra = {}
        if extra:
            raise UnreadableTarError(f"{self._after()}an extended header follows, but no member")
        self._finish()

    def content(self) -> Iterator[bytes]:
        """The content of the current member, in pieces of at most 1 MB.

        Raises:
            UnreadableTarError: The archive ends before the content does.
        """
        while self._left:
            piece = self._read(min(self._left, CHUNK))
            if not piece:
                raise UnreadableTarError(f"it ends within {self._name}")
            self._left -= len(piece)
            yield piece

    def _header(self) -> tarfile.TarInfo | None:
        """The next header; None at the end."""
        at = self._position
        block = self._exactly(BLOCK)
        if len(block) < BLOCK:
            raise UnreadableTarError(f"{self._after()}it ends without the two blocks of zeros that end an archive")
        if not any(block):
            return None
        try:
            header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except (tarfile.HeaderError, ValueError):
            problem = (
                f"at byte {at:,}, the header is damaged" if at else "it does not begin with the header of a member"
            )
            raise UnreadableTarError(f"{self._after()}{problem}") from None
        if header.size < 0:
            raise UnreadableTarError(f"{header.name} has a negative size")
        if block[257:265] == _GNU_MAGIC:
            # Old GNU archives store times in the field that POSIX uses for the start of the name, and tarfile joins the
            # two: take the name field alone.
            name = _text(block[:100].split(b"\0", 1)[0])
            header.name = name.rstrip("/") if header.isdir() else name
        return header

    def _member(self, header: tarfile.TarInfo, extra: dict[str, str]) -> TarMember:
        name, link = extra.get("path", header.name), extra.get("linkpath", header.linkname)
        if header.type == tarfile.GNUTYPE_SPARSE:
            raise UnsupportedTarError(f"{name} is a sparse file, which is not read here")
        kind = _KINDS.get(header.type)
        if kind is None:
            raise UnsupportedTarError(f"{name} is a member of kind {header.type!r}, which is not read here")
        size = header.size
        if "size" in extra:
            if not (extra["size"].isascii() and extra["size"].isdigit()):
                raise UnreadableTarError(f"the size of {name} is not a number")
            size = int(extra["size"])
        if kind == "folder":
            name = name.rstrip("/")
        if not name or "\0" in name + link:
            raise UnreadableTarError(f"{self._after()}a member without a usable name follows")
        # Links and folders have no content, whatever size their header gives: POSIX allows several.
        self._left = size if kind == "file" else 0
        self._name = name
        self._padding = -self._left % BLOCK
        return TarMember(name, kind, self._left, link, self._position)

    def _body(self, header: tarfile.TarInfo) -> bytes:
        """The content of a header that describes the next member."""
        if header.size > LARGEST_HEADER:
            raise UnreadableTarError(
                f"{self._after()}an extended header of {header.size / 1e6:,.0f} MB follows; those of up to "
                f"{LARGEST_HEADER / 1e6:.0f} MB are read"
            )
        padded = self._exactly(header.size + -header.size % BLOCK)
        if len(padded) < header.size:
            raise UnreadableTarError(f"{self._after()}it ends within an extended header")
        return padded[: header.size]

    def _skip(self) -> None:
        """Skip to the next header."""
        remaining = self._left + self._padding
        if self._stream is None:
            self._spend(remaining)
            self._position = self._opened.seek(self._position + remaining)  # `_header` notices if this is past the end
        else:
            for _ in self.content():
                pass
            self._exactly(self._padding)  # `_header` notices if it is truncated
        self._left = 0

    def _finish(self) -> None:
        """Read to the end of the file, to check the second block of zeros and that nothing follows it."""
        zeros = BLOCK
        while piece := self._read(CHUNK):
            if any(piece):
                raise UnreadableTarError(
                    f"{self._after()}something follows the zeros that end an archive: a damaged header, or another "
                    "archive"
                )
            zeros += len(piece)
        if zeros < 2 * BLOCK:
            raise UnreadableTarError(f"{self._after()}it ends within the two blocks of zeros that end an archive")

    def _after(self) -> str:
        return f"after {self._name} " if self._name else ""

    def _exactly(self, count: int) -> bytes:
        """Exactly `count` bytes, or fewer at the end of the file."""
        pieces = []
        while count and (piece := self._read(count)):
            pieces.append(piece)
            count -= len(piece)
        return b"".join(pieces)

    def _read(self, count: int) -> bytes:
        """At most `count` bytes; none at the end of the file."""
        if self._stream is None:
            piece = self._opened.read(count)
            self._spend(len(piece))
        else:
            while self._buffer_at == len(self._buffer):
                self._buffer, self._buffer_at = next(self._stream, b""), 0
                if not self._buffer:
                    return b""
                self._spend(len(self._buffer))
            piece = self._buffer[self._buffer_at : self._buffer_at + count]
            self._buffer_at += len(piece)
        self._position += len(piece)
        return piece


def tar_members(path: Path) -> list[TarMember]:
    """The members of an uncompressed tar archive, without reading their contents.

    Raises:
        UnreadableTarError: See `TarReader`.
        UnsupportedTarError: See `TarReader`; or the archive is compressed.
        OSError: The file cannot be read.
    """
    with path.open("rb") as opened:
        return list(TarReader(opened, compressed=False))


def _decompressed(opened: BinaryIO, form: str, make: Callable[[], _Decompressor]) -> Iterator[bytes]:
    """The content of a compressed file, which may consist of several streams, in pieces of at most 1 MB."""
    data = opened.read(_PACKED_CHUNK)
    while data:
        state = make()
        while not state.eof:
            try:
                piece = state.decompress(data, CHUNK)
            except (OSError, zlib.error, lzma.LZMAError) as error:
                raise UnreadableTarError(f"its {form} stream is damaged: {error}") from None
            if piece:
                yield piece
            elif not data and state.needs_input and not state.eof:
                raise UnreadableTarError(f"its {form} stream is cut short")
            data = opened.read(_PACKED_CHUNK) if state.needs_input and not state.eof else b""
        data = state.unused_data.lstrip(b"\0")  # tapes, and tools that write whole blocks, pad with zeros
        while not data and (more := opened.read(_PACKED_CHUNK)):
            data = more.lstrip(b"\0")


def _records(content: bytes, position: int) -> dict[str, str]:
    """The records of an extended header: ``LENGTH KEY=VALUE`` and a newline, where LENGTH counts the whole record."""
    records: dict[str, str] = {}
    at = 0
    while at < len(content):
        digits, _, _ = content[at : at + 20].partition(b" ")
        length = int(digits) if digits.isdigit() else 0
        record = content[at : at + length]
        key, equals, value = record[len(digits) + 1 : -1].partition(b"=")
        if len(record) < length or not record.endswith(b"\n") or not equals or not key:
            raise UnreadableTarError(f"the extended header before byte {position:,} is damaged")
        records[_text(key)] = _text(value)
        at += length
    return records


def _refuse_sparse(records: dict[str, str], name: str) -> None:
    if any(key.startswith("GNU.sparse.") for key in records):
        raise UnsupportedTarError(f"{name} is a sparse file, which is not read here")


def _once(extra: dict[str, str], key: str, name: str) -> None:
    if key in extra:
        raise UnreadableTarError(f"after {name} two extended headers follow that say the same")


def _text(content: bytes) -> str:
    return content.decode("utf-8", "surrogateescape")
