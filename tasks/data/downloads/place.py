"""Paths of archives and unpacked data below the user's data folder."""

from __future__ import annotations

from pathlib import Path

from .publication import Publication, RemoteFile

ARCHIVES = "archives"


def file_place(publication: Publication, file: RemoteFile, root: Path) -> Path:
    """Where a downloaded file goes: archives into ``ROOT/archives/NAME``, other files straight into ``ROOT/NAME``."""
    if file.is_archive:
        return root / ARCHIVES / publication.name / file.name
    return root / publication.name / file.name


def unpack_place(publication: Publication, root: Path) -> Path:
    """Where archives are unpacked: ``ROOT/NAME``."""
    return root / publication.name


def data_place(publication: Publication, root: Path) -> Path:
    """The folder for ``--data NAME=DIR``."""
    return unpack_place(publication, root) / publication.unpacks_to
