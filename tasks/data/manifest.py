"""What became of a folder of images since it was last hashed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...text import printable
from .hashing import UNREADABLE


@dataclass(frozen=True)
class ManifestDifference:
    """How two manifests differ; each attribute holds image ids in sorted order.

    Attributes:
        added: Only in the new one.
        removed: Only in the old one.
        changed: In both, with another content.
        unreadable: In both; it could be read, and now it cannot.
        readable: In both; it could not be read, and now it can.
    """

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    unreadable: tuple[str, ...] = ()
    readable: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed or self.unreadable or self.readable)

    @property
    def mended(self) -> bool:
        """Whether all that differs is that images can be read now that could not be read before."""
        return bool(self.readable) and not (self.added or self.removed or self.changed or self.unreadable)

    @property
    def summary(self) -> str:
        """One line: ``"3 images added, 1 changed (first: n01440764/a.JPEG)"``, or ``"no image differs"``.

        The image that is named is the first of the first kind.
        """
        kinds = {
            "added": self.added,
            "removed": self.removed,
            "changed": self.changed,
            "no longer readable": self.unreadable,
            "readable now": self.readable,
        }
        found = [(verb, ids) for verb, ids in kinds.items() if ids]
        if not found:
            return "no image differs"
        (verb, ids), *others = found
        parts = [f"{len(ids)} image{'s' if len(ids) > 1 else ''} {verb}", *(f"{len(i)} {v}" for v, i in others)]
        return f"{', '.join(parts)} (first: {printable(ids[0])})"


def difference(old: Mapping[str, str], new: Mapping[str, str]) -> ManifestDifference:
    """Compare two manifests of a folder.

    Args:
        old: Image id to SHA-256 of its content, as from `ImageFolder.manifest`.
        new: Likewise, later.
    """
    other = sorted(i for i in new.keys() & old.keys() if new[i] != old[i])
    # Which of them were read, then and now.
    read = {i: (not _unread(old[i]), not _unread(new[i])) for i in other}
    return ManifestDifference(
        added=tuple(sorted(new.keys() - old.keys())),
        removed=tuple(sorted(old.keys() - new.keys())),
        changed=tuple(i for i in other if read[i][0] == read[i][1]),
        unreadable=tuple(i for i in other if read[i] == (True, False)),
        readable=tuple(i for i in other if read[i] == (False, True)),
    )


def _unread(value: object) -> bool:
    return isinstance(value, str) and value.startswith(UNREADABLE)
