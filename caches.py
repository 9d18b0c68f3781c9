"""Folders for what is computed or fetched once, also where the usual ones cannot be written.

In containers and on clusters the installation and the home folder are often read-only. Libraries then fail (numba finds
no place for compiled code), warn on every run (matplotlib) or stop in the middle of a download. They read their
variables when they are imported, so `prepare_caches` has to come first.
"""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

COMPILED = (
    "tasks",
    "tasks/alignment",
    "tasks/corruptions",
    "tasks/corruptions/imagenet_3dcc",
    "tasks/corruptions/imagenet_c",
    "tasks/corruptions/imagenet_c_bar",
    "tasks/corruptions/laion_c",
    "tasks/microworld",
    "tasks/understanding",
)
"""Folders of the modules that numba compiles; it keeps what it made in ``__pycache__`` of each."""

_ROOT = Path(__file__).parent


def user_cache() -> Path:
    """``$XDG_CACHE_HOME`` or ``~/.cache``; a temporary folder where there is no home, or it cannot be written."""
    usual = _usual("XDG_CACHE_HOME", ".cache")
    if usual is not None and ((usual / "vitobench").is_dir() or _can_keep(usual, "vitobench")):
        return usual
    return _fallback() or usual or Path(tempfile.gettempdir())


def user_settings() -> Path | None:
    """``$XDG_CONFIG_HOME`` or ``~/.config``; None where there is no home."""
    return _usual("XDG_CONFIG_HOME", ".config")


@cache
def prepare_caches() -> str:
    """Point numba, matplotlib, the Hugging Face hub and torch to folders that can be written, unless the user did.

    Returns:
        A note for a person; empty where nothing had to be changed.
    """
    cached, settings = _usual("XDG_CACHE_HOME", ".cache"), user_settings()
    lacking = []
    if not _set("NUMBA_CACHE_DIR") and not _numba_can_write(cached):
        lacking.append("NUMBA_CACHE_DIR")
    if not _set("MPLCONFIGDIR") and not (_can_keep(cached, "matplotlib") and _can_keep(settings, "matplotlib")):
        lacking.append("MPLCONFIGDIR")
    # What was fetched before is found in the usual folder, which need not be writable for that.
    for variable, name in (("HF_HOME", "huggingface"), ("TORCH_HOME", "torch")):
        there = cached is not None and (cached / name).is_dir()
        if not _set(variable) and not there and not _can_keep(cached, name):
            lacking.append(variable)
    if not lacking:
        return ""
    folder = _fallback()
    if folder is None:
        if "NUMBA_CACHE_DIR" in lacking:
            _compile_without_cache()
        return "Note: no cache folder is writable, so everything is compiled again. Set TMPDIR to a writable folder."
    for variable in lacking:
        os.environ[variable] = str(folder / variable.partition("_")[0].lower())
    if "NUMBA_CACHE_DIR" in lacking and "numba" in sys.modules:
        sys.modules["numba"].config.CACHE_DIR = os.environ["NUMBA_CACHE_DIR"]
    return (
        f"Note: the home folder or the installation is read-only, so caches are in {folder}. To keep them, set "
        f"{', '.join(lacking)} to folders of your own."
    )


def _set(variable: str) -> bool:
    return bool(os.environ.get(variable))


def _usual(variable: str, below_home: str) -> Path | None:
    if _set(variable):
        return Path(os.environ[variable])
    with suppress(RuntimeError):  # no HOME, and a user number that no name belongs to
        return Path.home() / below_home
    return None


def _can_keep(folder: Path | None, name: str) -> bool:
    """Whether a folder of a library can be used or made. It is tried, since permissions do not tell all."""
    if folder is None:
        return False
    here = folder / name
    while not os.path.lexists(here):
        here = here.parent
    try:
        Path(tempfile.mkdtemp(prefix=".vitobench-", dir=here)).rmdir()
    except OSError:
        return False
    return True


def _numba_can_write(cached: Path | None) -> bool:
    return all(_can_keep(_ROOT / folder, "__pycache__") for folder in COMPILED) or _can_keep(cached, "numba")


@cache
def _fallback() -> Path | None:
    """A folder of this user alone among the temporary files; None where none can be made.

    Caches hold code. A folder that another user made under this name, or may write to, is not used.
    """
    number = os.getuid() if hasattr(os, "getuid") else 0
    try:
        folder = Path(tempfile.gettempdir()) / f"vitobench-{number}"
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        status = folder.lstat()
        own = stat.S_ISDIR(status.st_mode) and status.st_uid == number if hasattr(os, "getuid") else folder.is_dir()
        if own and not status.st_mode & 0o022 and _can_keep(folder, "numba"):
            return folder
        return Path(tempfile.mkdtemp(prefix="vitobench-"))
    except OSError:
        return None


def _compile_without_cache() -> None:
    from numba.core import dispatcher

    compiler: Any = dispatcher.Dispatcher
    compiler.enable_caching = lambda self: None
