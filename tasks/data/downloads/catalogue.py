"""The published data sets by name. Importing this loads no network and no numerical library."""

from __future__ import annotations

from ....errors import unknown_name
from .corrupted_sets import CORRUPTED_SETS
from .human_sets import HUMAN_SETS
from .natural_sets import NATURAL_SETS
from .publication import LICENCES, Folder, Publication, RemoteFile, readable_size

__all__ = [
    "LICENCES",
    "PUBLICATIONS",
    "Folder",
    "Publication",
    "RemoteFile",
    "download_in_words",
    "get_publication",
    "markdown_table",
]

PUBLICATIONS: dict[str, Publication] = {
    publication.name: publication for publication in (*NATURAL_SETS, *CORRUPTED_SETS, *HUMAN_SETS)
}


def get_publication(name: str) -> Publication:
    """Look up a published data set.

    Raises:
        UnknownNameError: With the nearest names.
    """
    if name not in PUBLICATIONS:
        raise unknown_name("published data set", name, PUBLICATIONS, "`bench data list` describes them.")
    return PUBLICATIONS[name]


def markdown_table() -> str:
    """The catalogue as the table of ``docs/data.md``."""
    lines = ["| name | data set | download | checksums | licence | notes |", "|---|---|---|---|---|---|"]
    for publication in PUBLICATIONS.values():
        cells = (
            f"`{publication.name}`",
            f"[{publication.title}]({publication.page})",
            download_in_words(publication),
            publication.checksums,
            publication.licence,
            publication.notes,
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def download_in_words(publication: Publication) -> str:
    """Number of files and their size, or that a person has to fetch them."""
    if publication.gated:
        return "by hand"
    count = len(publication.files)
    size = publication.size_bytes
    known = sum(file.size or 0 for file in publication.files)
    how_large = readable_size(size) if size is not None else f"over {readable_size(known)}" if known else "size unknown"
    return f"{count} file{'s' if count > 1 else ''}, {how_large}"


_WITHIN = {
    "imagenet-v2-matched-frequency": ("imagenet-v2", "imagenetv2-matched-frequency-format-val"),
    "imagenet-v2-threshold-0.7": ("imagenet-v2", "imagenetv2-threshold0.7-format-val"),
    "imagenet-v2-top-images": ("imagenet-v2", "imagenetv2-top-images-format-val"),
    "ytbb-robust": ("imagenet-vid-robust", ""),
}
"""Data sets that are part of a publication of another name: that, and the folder within it."""


def publication_of(dataset: str) -> tuple[str, str] | None:
    """The publication that a data set comes with, and the folder within it; None for what is published nowhere."""
    if dataset in _WITHIN:
        return _WITHIN[dataset]
    return (dataset, "") if dataset in PUBLICATIONS else None
