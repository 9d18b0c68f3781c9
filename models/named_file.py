"""Names of models in files: ``PREFIX:PATH?OPTION=VALUE&OPTION=VALUE``."""

from __future__ import annotations

from collections.abc import Mapping
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
        path, options = split(name.removeprefix(prefix), valid)
        first = next(iter(valid))
        if not path:
            raise CheckpointError(f"{name!r} names no file; write {prefix}PATH or {prefix}PATH?{first}={valid[first]}.")
        if any(f"?{key}=" in path for key in valid):
            raise CheckpointError(
                f"{name!r} has two question marks; join options by &: ?{'&'.join(_written(valid)[:2])}."
            )
        given: dict[str, str] = {}
        file = _path(path, name)
        shorter, mark, rest = path.rpartition("?")
        if mark and "=" in rest and not _exists(file) and _exists(home_path(shorter)):
            options = f"{rest}&{options}" if options else rest
        for option in options.split("&") if options else ():
            key, _, value = option.partition("=")
            if key not in valid or key in given or not value:
                raise CheckpointError(
                    f"The option {option!r} in {name!r} is not understood; valid are {', '.join(_written(valid))}, "
                    f"each once and joined by &: {prefix}PATH?{'&'.join(_written(valid)[:2])}."
                )
            given[key] = unquote(value)
        return cls(file, given)


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


def _written(valid: Mapping[str, str]) -> list[str]:
    return [f"{key}={value}" for key, value in valid.items()]


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
