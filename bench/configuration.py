"""The configuration: where data sets and further stores are, the cache, the default device and precision.

Two files may hold it: ``vitobench.toml`` in the working folder, and the user's in ``~/.config/vitobench``;
``VITOBENCH_CONFIG`` names one that is read instead of both. ``VITOBENCH_DATA`` names a folder with data sets. What is
given on the command line goes before the environment, that before the working folder's file, and that before the
user's. Each value is looked up on its own: a file that names one data set hides no other.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta

from ..caches import user_settings
from ..decoding import Filled, decode, short
from ..errors import VitobenchError, suggestion
from ..files import home_path, write_file
from ..text_files import read_text

FILE = "vitobench.toml"
FILE_VARIABLE = "VITOBENCH_CONFIG"
ROOT_VARIABLE = "VITOBENCH_DATA"

Device = Annotated[
    str, Meta(pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$", description="'auto', 'cpu', 'cuda', 'cuda:N' or 'mps'")
]
Precision = Annotated[
    str, Meta(pattern="^(float32|bfloat16|float16)$", description="'float32', 'bfloat16' or 'float16'")
]


@dataclass(frozen=True)
class Configuration:
    """What a file may hold. Every key may be left out. Paths are relative to the folder of the file.

    Attributes:
        data: Folders of data sets, by the names of ``--data``.
        data_root: Folder in which sets are looked for in their usual places; where `bench data get` puts them.
        also: Further stores that are only read, for ``--also``.
        cache: Folder for what is computed or downloaded once, as ``XDG_CACHE_HOME``.
        device: Default of ``--device``.
        precision: Default of ``--precision``.
    """

    data: dict[str, Filled] = field(default_factory=dict)
    data_root: Filled = ""
    also: tuple[Filled, ...] = ()
    cache: Filled = ""
    device: Device = ""
    precision: Precision = ""


@dataclass(frozen=True)
class Layer:
    """A configuration and where it is from.

    Attributes:
        origin: The file, or the environment variable with its value.
        configuration: What it says.
        file: None for the environment.
    """

    origin: str
    configuration: Configuration
    file: Path | None = None

    def path(self, text: str) -> Path:
        """A path as this layer means it."""
        path = home_path(text)
        return path if self.file is None else self.file.absolute().parent / path

    def key(self, name: str) -> str:
        """How messages call a key: with the file, or the variable that stands for it."""
        return self.origin if self.file is None else f"{self.origin}: {name}"


@dataclass(frozen=True)
class Folders:
    """Folders of data sets, each with who named it.

    Attributes:
        paths: Folders by the names of ``--data``.
        origins: For those that are not from the command line: the file and key, or the variable.
    """

    paths: Mapping[str, Path]
    origins: Mapping[str, str]


# Which files there are.


def user_file() -> Path | None:
    """The user's file, whether or not it exists; None where there is no home."""
    folder = user_settings()
    return folder / "vitobench" / FILE if folder is not None else None


def named_file() -> Path | None:
    """The file of ``VITOBENCH_CONFIG``; None if it is not set."""
    name = os.environ.get(FILE_VARIABLE)
    return home_path(name) if name else None


def files() -> tuple[Path, ...]:
    """The files to read, the first going before the second.

    Raises:
        VitobenchError: ``VITOBENCH_CONFIG`` names a file that does not exist.
    """
    named = named_file()
    if named is not None:
        if str(named) == os.devnull:
            return ()
        if not _exists(named) or not named.is_file():
            reason = "is not a file" if _exists(named) else "does not exist"
            raise VitobenchError(
                f"{FILE_VARIABLE}={named} {reason}; name a file such as {FILE}, or unset the variable."
            )
        return (named,)
    here, users = Path(FILE), user_file()
    both = [here] if _exists(here) else []
    if users is not None and _exists(users) and not (both and users.samefile(here)):
        both.append(users)
    return tuple(both)


def _exists(path: Path) -> bool:
    """Whether there is something that may be looked at; a home folder may belong to another user."""
    try:
        return path.exists()
    except OSError:
        return False


def read(file: Path) -> Configuration:
    """Read a file.

    Raises:
        VitobenchError: It cannot be read, is not TOML, or has a key or value that is not valid.
    """
    table = _table(file)
    configuration = decode(Configuration, table, str(file))
    from ..tasks.opening import USER_DATA

    for name, folder in configuration.data.items():
        if name not in USER_DATA:
            raise VitobenchError(
                f"{file}: data.{name} = {short(folder)} is not a known data set.{suggestion(name, USER_DATA)}"
            )
    return configuration


def _table(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(read_text(file))
    except OSError as error:
        raise VitobenchError(f"{file} cannot be read: {error.strerror or error}.") from None
    except (ValueError, RecursionError) as error:
        raise VitobenchError(
            f"{file} is not TOML: {error}. Correct it, or name another with {FILE_VARIABLE}."
        ) from None


def layers() -> tuple[Layer, ...]:
    """Everything that is configured, from the environment to the user's file.

    Raises:
        VitobenchError: A file is not valid.
    """
    from_files = tuple(Layer(str(file), read(file), file) for file in files())
    root = os.environ.get(ROOT_VARIABLE)
    if not root:
        return from_files
    return Layer(f"{ROOT_VARIABLE}={root}", Configuration(data_root=root)), *from_files


# What a command takes from it.


def default(name: str, otherwise: str) -> str:
    """The configured default of an option.

    Args:
        name: A key of `Configuration` with text.
        otherwise: Where nothing is configured.
    """
    return next((value for layer in layers() if (value := getattr(layer.configuration, name))), otherwise)


def data_root(otherwise: Path) -> Path:
    """The folder of all data sets, or another where none is configured."""
    return next((layer.path(text) for layer in layers() if (text := layer.configuration.data_root)), otherwise)


def further_stores() -> tuple[str, ...]:
    """The default of ``--also``: that of the first file with any, with paths as the file means them."""
    for layer in layers():
        if layer.configuration.also:
            return tuple(text if "://" in text else str(layer.path(text)) for text in layer.configuration.also)
    return ()


def data_folders(named: Mapping[str, Path], with_gone: bool = True) -> Folders:
    """The folders that a command reads data sets from.

    Args:
        named: Those of ``--data``, which go before all others.
        with_gone: Whether a ``data_root`` that does not exist is the folder of every set that is nowhere else, so that
            a run that needs one says what is gone.

    Raises:
        VitobenchError: The configuration is not valid.
    """
    from ..tasks.scanning import in_usual_places

    paths, origins = dict(named), {}
    gone: list[tuple[Path, str]] = []
    for layer in layers():
        for name, text in layer.configuration.data.items():
            if name not in paths:
                paths[name], origins[name] = layer.path(text), layer.key(f"data.{name}")
        if layer.configuration.data_root:
            root, key = layer.path(layer.configuration.data_root), layer.key("data_root")
            for name, path in in_usual_places(root).items():
                if name not in paths:
                    paths[name], origins[name] = path, key
            if not root.is_dir():
                gone.append((root, key))
    if gone and with_gone:
        for name in _read_by_tasks():
            if name not in paths:
                paths[name], origins[name] = gone[0]
    return Folders(paths, origins)


def _read_by_tasks() -> set[str]:
    from ..tasks.datasets.registry import DATA_SETS

    return {folder.name for data_set in DATA_SETS.values() if data_set.form is not None for folder in data_set.reads}


def use_cache() -> None:
    """Keep caches in the configured folder, unless ``XDG_CACHE_HOME`` is set. Has to come before they are looked for.

    A file that is not valid is left to the commands that need it, which report it.
    """
    if os.environ.get("XDG_CACHE_HOME"):
        return
    try:
        for file in files():
            folder = _table(file).get("cache")
            if isinstance(folder, str) and folder.strip():
                os.environ["XDG_CACHE_HOME"] = str(file.absolute().parent / home_path(folder))
                return
    except VitobenchError:
        return


# Adding a folder.


def file_to_write(here: bool) -> Path:
    """The file that a folder is added to: that of ``VITOBENCH_CONFIG``, else the working folder's or the user's.

    Args:
        here: The working folder's.

    Raises:
        VitobenchError: The user has no home folder, or ``VITOBENCH_CONFIG`` would hide the working folder's file.
    """
    named = named_file()
    if here:
        if named is not None:
            raise VitobenchError(f"--here cannot be used: {FILE_VARIABLE}={named} is read instead of {FILE}.")
        return Path(FILE)
    file = named or user_file()
    if file is None:
        raise VitobenchError(f"There is no home folder for a {FILE}; add --here, or name a file with {FILE_VARIABLE}.")
    return file


def add_folders(file: Path, folders: Mapping[str, Path]) -> None:
    """Name folders of data sets in a file. Its other lines and its comments stay as they are.

    Args:
        file: It need not exist.
        folders: By the names of ``--data``.

    Raises:
        VitobenchError: The file is not valid, or cannot be written.
    """
    import tomlkit

    if file.exists():
        read(file)
    document = tomlkit.parse(read_text(file)) if file.exists() else tomlkit.document()
    table: Any = document.setdefault("data", tomlkit.table())
    for name, folder in folders.items():
        table[name] = str(folder.absolute())
    write_file(file, tomlkit.dumps(document).encode())
