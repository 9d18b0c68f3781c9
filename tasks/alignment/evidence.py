"""What a stimulus shows a simulated observer: evidence of shape and of texture, measured from its pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# Evidence is measured from the pixels as they are shown, after any distortion, and from what is known of the scene: the
# true mask of the object, how upright it is, and the class of its texture. It is the same for every observer, and any
# model may measure it too: what makes stimuli hard for the simulated observers is in the pixels.


VERSION = 1
"""Part of the name under which evidence is stored; increase it whenever a number changes."""

SIZE = 64
"""Side in pixels of the pictures that simulated observers look at, whatever the size of a model's input."""

FINE_FLOOR, COARSE_FLOOR, SURFACE_FLOOR = 0.02, 0.0015, 0.01
"""Gradients in grey levels per pixel (white is 1) that are half lost in an observer's own visual noise. Contrast
sensitivity is much lower for fine detail, as in people."""

_DECIMALS = 4


@dataclass(frozen=True)
class Evidence:
    """Evidence in n stimuli.

    Attributes:
        fine: float64 (n,), how far fine detail along the true outline stands out, 0..1: (s - e) / (s + e + f²), with s
            the mean square of the gradient across the outline, e that across the same outline displaced to places
            where there is none, and f `FINE_FLOOR`. 0 if nothing sets the outline apart.
        coarse: The same at half the resolution, with `COARSE_FLOOR`.
        area: Share of the picture in which the object is visible, 0..1.
        upright: Cosine of the angle between the object's own up and the picture's, -1..1: near 1 for an upright object
            from the side, 0 from above or lying, -1 upside down.
        surface: How far the pattern within the object stands out from what is around it, 0..1: the same quotient of
            mean squares of gradients inside and outside, with `SURFACE_FLOOR`.
        textures: int16 (n,), class of the texture; `decisions.NO_TEXTURE` for outlines, which show none.
    """

    fine: np.ndarray
    coarse: np.ndarray
    area: np.ndarray
    upright: np.ndarray
    surface: np.ndarray
    textures: np.ndarray

    def __len__(self) -> int:
        return len(self.textures)

    def take(self, rows: np.ndarray | Sequence[int]) -> Evidence:
        """The evidence in some of the stimuli, in the order of ``rows``."""
        return Evidence(**{name: getattr(self, name)[rows] for name in COLUMNS})

    def packed(self) -> list[list[float]]:
        """A list of plain numbers for each stimulus, in the order of `COLUMNS`."""
        return [list(row) for row in zip(*(getattr(self, name).tolist() for name in COLUMNS), strict=True)]


COLUMNS = ("fine", "coarse", "area", "upright", "surface", "textures")
"""The numbers of a stimulus, in the order in which they are stored."""


def unpacked(rows: Sequence[Sequence[float]]) -> Evidence:
    """The inverse of `Evidence.packed`.

    Raises:
        ValueError: A row that does not have a number for each of `COLUMNS`.
    """
    if any(len(row) != len(COLUMNS) for row in rows):
        raise ValueError(f"Expected {len(COLUMNS)} numbers for each stimulus: {', '.join(COLUMNS)}")
    table = np.array(rows, np.float64).reshape(len(rows), len(COLUMNS))
    fine, coarse, area, upright, surface, textures = table.T
    return Evidence(fine, coarse, area, upright, surface, textures.astype(np.int16))


def measure(images: np.ndarray, masks: np.ndarray, upright: np.ndarray, textures: np.ndarray) -> Evidence:
    """Measure the evidence in pictures.

    Args:
        images: uint8 (n, `SIZE`, `SIZE`, 3), as shown.
        masks: bool (n, `SIZE`, `SIZE`), true where the object is visible; turned with the picture if that is.
        upright: float (n,), see `Evidence`.
        textures: int (n,), see `Evidence`.

    Returns:
        Numbers rounded to four decimals, so that they are the same after they were stored.

    Raises:
        ValueError: Pictures of another size, or another number of masks.
    """
    from .contours import stand_out

    if images.shape[1:] != (SIZE, SIZE, 3) or masks.shape != images.shape[:3]:
        raise ValueError(
            f"Expected pictures of shape (n, {SIZE}, {SIZE}, 3) with masks of (n, {SIZE}, {SIZE}), not "
            f"{images.shape} and {masks.shape}"
        )
    squares = np.empty((len(images), 6))
    stand_out(np.ascontiguousarray(images), np.ascontiguousarray(masks), squares)
    area = masks.mean(axis=(1, 2))
    hidden = area == 0

    def share(of: int, rest: int, floor: float) -> np.ndarray:
        signal, other = squares[:, of], squares[:, rest]
        value = np.maximum(signal - other, 0.0) / (signal + other + floor**2)
        return np.round(np.where(hidden, 0.0, value), _DECIMALS)

    return Evidence(
        fine=share(0, 1, FINE_FLOOR),
        coarse=share(2, 3, COARSE_FLOOR),
        area=np.round(area, _DECIMALS),
        upright=np.round(np.asarray(upright, np.float64), _DECIMALS),
        surface=share(4, 5, SURFACE_FLOOR),
        textures=np.asarray(textures, np.int16),
    )


def uprightness(poses: np.ndarray, turns: np.ndarray | float = 0.0) -> np.ndarray:
    """How upright objects are in their pictures.

    Args:
        poses: float (n, 3, 3), rotations from camera to object; the camera's axes point right, up and backward.
        turns: Degrees by which the pictures were turned afterwards, counter-clockwise.

    Returns:
        float64 (n,), cosine of the angle between the object's up and the picture's, -1..1.
    """
    # The second row of a pose is the object's upward axis, as seen by the camera.
    right, up = poses[:, 1, 0], poses[:, 1, 1]
    angle = np.deg2rad(turns)
    return np.asarray(np.cos(angle) * up + np.sin(angle) * right)
