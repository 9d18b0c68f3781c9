"""Filmed clips with actions, as official lists name them: some to be judged, others from which heads are fitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DataError
from ..clips.container import measure
from ..clips.decoding import make_decoder
from ..images.folders import shuffling_key
from .masks import AnnotatedFiles

FRAMES = 9
"""Of each clip, evenly spaced from its first to its last; an odd number, so that there is a middle one."""

SIDE = 224
"""Pixels: the shorter side of a frame has this length, and the square in its middle is seen."""


@dataclass(frozen=True)
class FilmedClip:
    """A clip of a list.

    Attributes:
        name: As the list has it, which is how results name it, whatever letters a copy of the set spells it with.
        file: Its file, below the folder of the set.
        action: Class, from 0.
        group: Names the footage that it is from; the bootstrap draws whole groups.
        number: Clips of one number are held out together while a head is fitted, or not at all.
        splits: Splits, from 0, in which the clip is used for fitting; of a clip to be judged the one that it is of.
    """

    name: str
    file: str
    action: int
    group: str
    number: int
    splits: tuple[int, ...] = (0,)


@dataclass(frozen=True)
class ClipLists:
    """What the official lists of a set say.

    Attributes:
        judged: Clips to be judged, one entry for each split that a clip is judged in.
        learning: Clips from which heads are fitted, one entry for all splits.
        splits: How many there are.
    """

    judged: tuple[FilmedClip, ...]
    learning: tuple[FilmedClip, ...]
    splits: int = 1


class _Listed:
    """`LabelledClips` of some clips of a set.

    Args:
        of: The set.
        clips: In order.
    """

    def __init__(self, of: FilmedClips, clips: Sequence[FilmedClip]) -> None:
        self._of, self._clips = of, clips
        self.fitted: dict[tuple[str, str], Any] = {}

    @property
    def learning(self) -> _Listed:
        return self._of.learning

    @property
    def digest(self) -> str:
        return self._of.digest

    def __len__(self) -> int:
        return len(self._clips)

    def action_of(self, position: int) -> int:
        return self._clips[position].action

    def group_of(self, position: int) -> int:
        return self._clips[position].number

    def splits_of(self, position: int) -> tuple[int, ...]:
        return self._clips[position].splits

    def clip(self, position: int) -> np.ndarray:
        return self._of.frames(self._clips[position])


class FilmedClips(AnnotatedFiles):
    """Clips of a set; each position is a clip to be judged, in one split.

    Attributes:
        image_ids: The group, ``/`` and the name of the file without its extension; before it the number of the split,
            from 1, and ``/`` where there are several. In the order of a hash, so that a prefix is a fair sample.
        learning: The clips from which heads are fitted, whatever part of the others is judged.
    """

    def __init__(
        self, root: Path, name: str, lists: ClipLists, cache: Path | None = None, progress: Any = None
    ) -> None:
        """Take over the lists.

        Args:
            root: The folder of the set.
            name: Its name.
            lists: From `clip_lists`.
            cache: See `FolderSource`.
            progress: See `FolderSource`.

        Raises:
            DataError: Two clips have one name.
        """
        super().__init__(root, name, cache, progress)
        self._lists = lists
        if len({*self.image_ids}) < len(self.image_ids):
            twice = next(one for one in self.image_ids if self.image_ids.count(one) > 1)
            raise DataError(f"the lists have two clips that are called {twice}")
        self.files = tuple(sorted({clip.file for clip in (*lists.judged, *lists.learning)}))

    def _own_state(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("_lists", "files", "_contents")}

    def _protocol(self) -> Any:
        lists = [
            sorted([clip.name, clip.action, clip.group, clip.number, clip.splits] for clip in clips)
            for clips in (self._lists.judged, self._lists.learning)
        ]
        return ["filmed clips", FRAMES, SIDE, self._lists.splits, *lists]

    def _facts(self) -> Any:
        """The lists, and the content of each clip by the name that a list gives it."""
        contents = self.manifest()
        named = {clip.name: contents[clip.file] for clip in (*self._lists.judged, *self._lists.learning)}
        return [self._protocol(), sorted(named.items())]

    def _id(self, clip: FilmedClip) -> str:
        own = f"{clip.group}/{clip.name.rpartition('/')[2].rpartition('.')[0]}"
        return f"{clip.splits[0] + 1}/{own}" if self._lists.splits > 1 else own

    @cached_property
    def _judged(self) -> _Listed:
        return _Listed(self, sorted(self._lists.judged, key=lambda clip: shuffling_key(self._id(clip))))

    @cached_property
    def learning(self) -> _Listed:
        """See the class."""
        return _Listed(self, self._lists.learning)

    @cached_property
    def image_ids(self) -> tuple[str, ...]:
        """See the class."""
        return tuple(map(self._id, self._judged._clips))

    @property
    def fitted(self) -> dict[tuple[str, str], Any]:
        """None: heads are fitted to `learning`."""
        return self._judged.fitted

    def action_of(self, position: int) -> int:
        """See `LabelledClips.action_of`."""
        return self._judged.action_of(position)

    def group_of(self, position: int) -> int:
        """See `LabelledClips.group_of`."""
        return self._judged.group_of(position)

    def splits_of(self, position: int) -> tuple[int, ...]:
        """See `LabelledClips.splits_of`."""
        return self._judged.splits_of(position)

    def clip(self, position: int) -> np.ndarray:
        """See `LabelledClips.clip`."""
        return self._judged.clip(position)

    def frames(self, clip: FilmedClip) -> np.ndarray:
        """uint8 (FRAMES, SIDE, SIDE, 3), RGB: the middle square of each of its frames.

        Raises:
            DataError: It cannot be read or decoded, or is not what was hashed.
        """
        content = self.content(clip.file)
        span = measure(content, clip.name)
        times = np.linspace(0.0, span.seconds, FRAMES).tolist()
        frames = make_decoder("pyav").frames(content, clip.name, span, times, SIDE)
        top, left = ((length - SIDE) // 2 for length in frames.shape[1:3])
        return frames[:, top : top + SIDE, left : left + SIDE]
