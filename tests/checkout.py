"""The files of a checkout that are its own, whatever environment was made inside it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path


def own_modules(root: Path) -> Iterator[Path]:
    """Python files below a folder, without hidden folders and environments (venv or conda, under any name)."""
    for name, below, files in os.walk(root):
        folder = Path(name)
        below[:] = sorted(n for n in below if not n.startswith(".") and not is_environment(folder / n))
        yield from (folder / file for file in sorted(files) if file.endswith(".py"))


def is_environment(folder: Path) -> bool:
    return (folder / "pyvenv.cfg").is_file() or (folder / "conda-meta").is_dir()
