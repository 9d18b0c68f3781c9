"""Reading text that people, editors and other systems wrote: in any Unicode encoding, under names in any normal form.

At the root, like errors, because every sub-package reads such files.
"""

from __future__ import annotations

import codecs
import unicodedata
from pathlib import Path

LARGEST = 256 * 2**20
"""Bytes above which a file is not read as text."""

_MARKS = (  # the mark of UTF-32 in little-endian order begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class NotTextError(ValueError):
    """Bytes that are not text in UTF-8, UTF-16 or UTF-32. The message says so without naming the file."""


def decode_text(content: bytes) -> str:
    """Decode text of unknown Unicode encoding: UTF-8, UTF-16 or UTF-32, with a byte order mark or without.

    Without a mark the zeros among the first four bytes tell (RFC 4627, section 3), which works for every text that
    begins with an ASCII character, as JSON, CSV with an English header and TOML do.

    Args:
        content: The bytes of a file.

    Returns:
        The text, without the mark. Line ends are left as they are.

    Raises:
        NotTextError: It is in another encoding, is cut inside a character, or holds zero characters.
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return _decoded(content[len(mark) :], encoding)
    return _decoded(content, _guessed(content[:4]))


def read_text(path: Path) -> str:
    """Read a text file of unknown Unicode encoding; see `decode_text`.

    Raises:
        OSError: It cannot be read.
        NotTextError: It is not a regular file, is larger than `LARGEST`, or is not text.
    """
    if path.exists() and not path.is_file():  # reading a pipe would wait for ever
        raise NotTextError("it is not a file")
    with path.open("rb") as handle:
        content = handle.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise NotTextError(f"it is larger than {LARGEST >> 20} MB")
    return decode_text(content)


def same_name(name: str) -> str:
    """A file name in the normal form in which names are compared: macOS may store "é" as "e" and an accent (NFD)."""
    return unicodedata.normalize("NFC", name)


def named_file(folder: Path, name: str) -> Path:
    """The file that a table or manifest means, which another system may have written.

    Args:
        folder: What the name is relative to.
        name: A path; back slashes of Windows count as slashes, and normal forms of Unicode as equal, where there is no
            file of exactly this name.

    Returns:
        The path of the file; that of exactly this name where there is none.
    """
    exact = folder / name
    for written in dict.fromkeys((name, name.replace("\\", "/"))):
        for form in (written, unicodedata.normalize("NFC", written), unicodedata.normalize("NFD", written)):
            if (folder / form).is_file():
                return folder / form
    return exact


def _guessed(start: bytes) -> str:
    zeros = [not byte for byte in start]
    if len(start) == 4 and sum(zeros) == 3 and not (zeros[0] and zeros[3]):
        return "utf-32-be" if zeros[0] else "utf-32-le"
    if len(start) >= 2 and zeros[0] != zeros[1]:
        return "utf-16-be" if zeros[0] else "utf-16-le"
    return "utf-8"


def _decoded(content: bytes, encoding: str) -> str:
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise NotTextError("it is not text in UTF-8, UTF-16 or UTF-32; save it as UTF-8")
    return text
