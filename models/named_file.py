"""Names of models with options, ``PREFIX:NAME?OPTION=VALUE&OPTION=VALUE``, and of those in files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from ..errors import CheckpointError
from ..files import home_path
from ..identity import file_digest
from ..text import restored


@dataclass(frozen=True)
class NamedFile:
    """The parts of such a name.

    Attributes:
        path: The file, which may not exist.
        options: Values by option, with ``%XX`` decoded.
    """

    path: Path
    options: Mapping[str, str]

    @classmethod
    def parse(cls, name: str, prefix: str, valid: Mapping[str, str]) -> NamedFile:
        """Parse a name.

        Args:
            name: As typed by the user or, from records and tables, as escaped by `printable`.
            prefix: The source's, with its colon.
            valid: A placeholder for the value of each option, for error messages.

        Raises:
            CheckpointError: There is no path, or an option is unknown, repeated or empty.
            VitobenchError: The path is invalid, or both readings of the name are existing files.
        """
        path, options = split_options(name, prefix, valid, "PATH", lambda text: _exists(_path(text, name)))
        return cls(_path(path, name), options)


def split_options(
    name: str, prefix: str, valid: Mapping[str, str], form: str, there: Callable[[str], bool] | None = None
) -> tuple[str, dict[str, str]]:
    """Split a name such as ``hf:DIR?labels=FILE`` into what stands between prefix and options, and the options.

    Args:
        name: As typed.
        prefix: The source's, with its colon.
        valid: Each option, with what its value stands for: ``{"labels": "FILE"}``.
        form: What stands between, for error messages: ``"PATH"``.
        there: Whether a text with a question mark is a file; by default whether it is a path that exists.

    Returns:
        The text, as typed, and values by option, with ``%XX`` decoded.

    Raises:
        CheckpointError: There is no such text, or an option is unknown, repeated or empty.
    """
    text, options = split(name.removeprefix(prefix), valid)
    written = [f"{key}={value}" for key, value in valid.items()]
    if not text:
        noun = "file" if form == "PATH" else "model"
        raise CheckpointError(f"{name!r} names no {noun}; write {prefix}{form} or {prefix}{form}?{written[0]}.")
    if any(f"?{key}=" in text for key in valid):
        raise CheckpointError(f"{name!r} has two question marks; join options by &: ?{'&'.join(written[:2])}.")
    shorter, mark, rest = text.rpartition("?")
    if mark and "=" in rest and not (there or _is_path)(text):
        text, options = shorter, f"{rest}&{options}" if options else rest
    given: dict[str, str] = {}
    for option in options.split("&") if options else ():
        key, _, value = option.partition("=")
        if key not in valid or key in given or not value:
            raise CheckpointError(
                f"The option {option!r} in {name!r} is not understood; valid are {', '.join(written)}, each once and "
                f"joined by &: {prefix}{form}?{'&'.join(written[:2])}."
            )
        given[key] = unquote(value)
    return text, given


def with_options(text: str, options: Mapping[str, str]) -> str:
    """A name with its prefix, and options after it, as `split_options` reads them."""
    pairs = [f"{key}={value.replace('%', '%25').replace('&', '%26')}" for key, value in options.items()]
    return f"{text}?{'&'.join(pairs)}" if pairs else text


def split(text: str, options: Mapping[str, str]) -> tuple[str, str]:
    """The path of a name without its prefix, as typed, and its options without their question mark.

    A file may have a question mark in its name, so options begin where one of them is named.
    """
    start = max(text.rfind(f"?{key}=") for key in options)
    return (text, "") if start < 0 else (text[:start], text[start + 1 :])


def complete_path(typed: str, suffixes: tuple[str, ...]) -> list[str]:
    """Folders and files with these endings in the folder typed so far, for tab completion.

    Raises:
        OSError | VitobenchError: The folder cannot be listed.
    """
    folder, slash, start = typed.rpartition("/")
    entries = sorted(home_path(folder + slash or ".").iterdir())
    return [
        f"{folder}{slash}{path.name}{'/' if path.is_dir() else ''}"
        for path in entries
        if path.name.startswith(start)
        and path.name.startswith(".") == start.startswith(".")
        and (path.is_dir() or path.suffix in suffixes)
    ]


def digest_of(path: Path) -> str:
    """SHA-256 of a file.

    Raises:
        CheckpointError: It cannot be read.
    """
    try:
        return file_digest(path)
    except OSError as error:
        raise CheckpointError(f"The checkpoint {str(path)!r} cannot be read: {error.strerror or error}.") from None


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # the name is too long
        return False


def _is_path(text: str) -> bool:
    return _exists(home_path(text))


def _path(text: str, name: str) -> Path:
    """The file for the path in a name.

    Raises:
        VitobenchError: The path is invalid, or both readings of the name are existing files.
    """
    if "\0" in text:
        raise CheckpointError(f"{name!r} holds a null character, which no path has.")
    typed, decoded = home_path(text), home_path(restored(text))
    try:
        if typed == decoded or not decoded.exists():
            return typed
        both = typed.exists()
    except OSError:  # the name is too long; opening the file will report it
        return typed
    if both:
        raise CheckpointError(f"{typed} may be this file or one whose name is not UTF-8; rename one of them.")
    return decoded
