"""Clips of the micro-world whose class is what moves how: its counterpart of sets of actions.

A clip is a still scene with one motion, around the middle of its time. Its middle frame is the same picture whatever
the motion is, so that no head on single frames can be above chance there. The earlier and later frames differ by
motions that are small against the differences between scenes; how much they tell is measured by a head on the first
frame.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from .scene import Scene
from .sets import MicroSet, ReadByProtocol, render
from .vocabulary import ACTIONS, CLIP_SECONDS, OCCLUDERS, PLAYED

FRAMES = 9
"""An odd number, so that a clip has a middle frame."""

SIZE = 64
LEARNING_CLIPS = 720
"""Clips of the set "train" from which heads are fitted."""

_KEPT = 1024
"""Clips that are kept once rendered, of 0.1 MB each: every model sees them."""

_STEP_SECONDS = 0.1
_SPEED = (0.25, 0.75)
"""Range of the speed: of the distance per second, or radians per second."""

_SLOWING = 1.15
"""Power p of a motion that slows down: frames show the shares 1 - (1 - s)^p of the clip's time, s in equal steps from 0
to 1. The last step is two thirds of the first."""


def moving(scene: Scene, action: int, speed: float) -> Scene:
    """A scene in which nothing moves but what an action says, without occluders.

    Args:
        scene: Any clip; its state at the middle of its time stays as it is.
        action: Index of `ACTIONS`.
        speed: Share of the camera's distance, or radians, per second.

    Raises:
        ValueError: There is no such action.
    """
    if not 0 <= action < len(ACTIONS):
        raise ValueError(f"there is no action {action}; give 0 to {len(ACTIONS) - 1}")
    what, sign = divmod(action, 2)
    signed = speed * (-1.0 if sign == 0 else 1.0)
    spins, camera, start = np.zeros_like(scene.spins), np.zeros(4), scene.start.copy()
    start[OCCLUDERS] = 0
    if what == 0:
        camera[3] = signed * scene.camera[3]
    elif what == 1:
        spins[0, 1] = signed
    else:
        camera[0] = signed
    return replace(
        scene,
        start=start,
        spins=spins,
        drifts=np.zeros_like(scene.drifts),
        camera_velocity=camera,
        light_turn=0.0,
        occluder_velocity=np.zeros_like(scene.occluder_velocity),
    )


class MicroActions(ReadByProtocol):
    """Clips of `ACTIONS`, rendered by a perfect camera, so that no blur of a frame shows what moves.

    Clip ``i`` has class ``i % 6``, and scene ``i // 6``: the six clips of a scene have the same middle frame.

    Args:
        length: Number of clips.
        seed: Seed of the world.
        part: ``"val"``, or ``"train"``: the set whose scenes are shown.

    Raises:
        ValueError: The length is less than 1.
    """

    name = "microworld/actions"
    classes: tuple[str, ...] = ACTIONS

    def __init__(self, length: int, seed: int = 0, part: str = "val") -> None:
        super().__init__(length, seed)
        self.part = part
        self._set = MicroSet(part, length, seed)

    @cached_property
    def image_ids(self) -> tuple[str, ...]:
        """``"actions-val-0-000012/3"``: set and seed, scene, and the class."""
        kind, n = self.name.rpartition("/")[2], len(self.classes)
        return tuple(f"{kind}-{self.part}-{self.seed}-{i // n:06d}/{i % n}" for i in range(self.length))

    def action_of(self, position: int) -> int:
        """Class of a clip, an index of `classes`."""
        return position % len(self.classes)

    def group_of(self, position: int) -> int:
        """Number of a clip's scene; clips of one scene are never on both sides of a split."""
        return position // len(self.classes)

    def splits_of(self, position: int) -> tuple[int, ...]:
        """There is one split."""
        return (0,)

    @cached_property
    def learning(self) -> MicroActions:
        """The clips from which heads are fitted: of the set "train", with the same seed."""
        return type(self)(LEARNING_CLIPS, self.seed, "train")

    def _facts(self) -> Any:
        """The clips and how they move, and those for fitting. Not the length, since each clip has an id."""
        sets = [MicroSet(part, 1, self.seed).digest for part in (self.part, "train")]
        return [self.name, *sets, FRAMES, SIZE, LEARNING_CLIPS, _STEP_SECONDS, _SPEED, _SLOWING, self.classes]

    def manifest(self) -> dict[str, Any]:
        """What determines the pixels."""
        return {
            "classes": list(self.classes),
            "frames": FRAMES,
            "size": SIZE,
            "learning_clips": LEARNING_CLIPS,
            "scenes": self._set.manifest(),
            **self._motion(),
        }

    def _motion(self) -> dict[str, Any]:
        return {"step_seconds": _STEP_SECONDS, "speed": list(_SPEED)}

    def _shown(self, position: int) -> tuple[Scene, np.ndarray]:
        """A clip's scene and the moments of its frames, in seconds."""
        number = self.group_of(position)
        # numpy takes no negative seeds, the rest of the micro-world does.
        speed = float(np.random.default_rng([self.seed % 2**64, number]).uniform(*_SPEED))
        scene = moving(self._set.scene(number), self.action_of(position), speed)
        return scene, 0.5 * CLIP_SECONDS + _STEP_SECONDS * (np.arange(FRAMES) - FRAMES // 2)

    @cached_property
    def _rendered(self) -> dict[int, np.ndarray]:
        return {}

    @cached_property
    def fitted(self) -> dict[tuple[str, str], Any]:
        """See `LabelledClips.fitted`."""
        return {}

    def clip(self, position: int) -> np.ndarray:
        """uint8 (FRAMES, SIZE, SIZE, 3), the frames of a clip in order."""
        if position not in self._rendered:
            scene, times = self._shown(position)
            while len(self._rendered) >= _KEPT:
                self._rendered.pop(next(iter(self._rendered)))
            self._rendered[position] = render([scene] * FRAMES, times.tolist(), SIZE, camera="ideal").images
        return self._rendered[position]


class MicroArrow(MicroActions):
    """Clips whose motion slows down, forwards and backwards: the arrow of time.

    All that moves in a scene of the micro-world moves. Both clips of a scene have the same frames, in opposite order.
    """

    name = "microworld/arrow"
    classes = PLAYED

    def _motion(self) -> dict[str, Any]:
        return {"slowing": _SLOWING}

    def _shown(self, position: int) -> tuple[Scene, np.ndarray]:
        share = np.linspace(0.0, 1.0, FRAMES)
        times = CLIP_SECONDS * (1.0 - (1.0 - share) ** _SLOWING)
        return self._set.scene(self.group_of(position)), times[::-1] if self.action_of(position) else times
