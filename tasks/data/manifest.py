"""Compare a folder of images with its state when it was last hashed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...text import printable
from .hashing import UNREADABLE


@dataclass(frozen=True)
class ManifestDifference:
    """The difference between two manifests: sorted image ids.

    Attributes:
        added: Images only in the new manifest.
        removed: Images only in the old manifest.
        changed: Images in both, with different contents.
        unreadable: Images that could be read before, but not now.
        readable: Images that can be read now, but could not be before.
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
        """Whether the only difference is that more images can be read now."""
        return bool(self.readable) and not (self.added or self.removed or self.changed or self.unreadable)

    @property
    def summary(self) -> str:
        """One line: ``"3 images added, 1 changed (first: n01440764/a.JPEG)"``, or ``"no image differs"``.

        It names the first image of the first kind.
        """
        kinds = {
            "added": self.added,
            "removed": self.removed,
            "changed": self.changed,
            "no longer readable": self.unreadable,
            "readable now": self.readable,
        }
        non_empty = [(verb, ids) for verb, ids in kinds.items() if ids]
        if not non_empty:
            return "no image differs"
        (verb, ids), *others = non_empty
        parts = [f"{len(ids)} image{'s' if len(ids) > 1 else ''} {verb}", *(f"{len(i)} {v}" for v, i in others)]
        return f"{', '.join(parts)} (first: {printable(ids[0])})"


def difference(old: Mapping[str, str], new: Mapping[str, str]) -> ManifestDifference:
    """Compare two manifests of a folder.

    Args:
        old: SHA-256 of each image's content by id, from `ImageFolder.manifest`.
        new: The same at a later time.
    """
    differing = sorted(i for i in new.keys() & old.keys() if new[i] != old[i])
    # For each of them, whether it could be read then, and whether it can now.
    readable = {i: (not _unread(old[i]), not _unread(new[i])) for i in differing}
    return ManifestDifference(
        added=tuple(sorted(new.keys() - old.keys())),
        removed=tuple(sorted(old.keys() - new.keys())),
        changed=tuple(i for i in differing if readable[i][0] == readable[i][1]),
        unreadable=tuple(i for i in differing if readable[i] == (True, False)),
        readable=tuple(i for i in differing if readable[i] == (False, True)),
    )


def _unread(value: object) -> bool:
    return isinstance(value, str) and value.startswith(UNREADABLE)
