"""What a data set shows: condition, shape and texture of its stimuli, from their names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import DataError
from .datasets import AlignmentSet, cues, image_id

NO_TEXTURE = -1
"""Texture of a stimulus that has that of no category: an outline, say."""

_PARTS = 7  # of a name: trial, abbreviation, observer, condition, category, number, image


@dataclass(frozen=True)
class Shown:
    """The stimuli of a data set as they were shown.

    Attributes:
        data_set: Which.
        image_names: n names of files, in the order shown.
        conditions: int16 (n,), positions in ``data_set.conditions``.
        shapes: int16 (n,), positions in ``data_set.categories``; the right answers.
        textures: int16 (n,), likewise; `NO_TEXTURE` for none.
    """

    data_set: AlignmentSet
    image_names: tuple[str, ...]
    conditions: np.ndarray
    shapes: np.ndarray
    textures: np.ndarray


def shown(data_set: AlignmentSet, image_names: Sequence[str]) -> Shown:
    """Read names of stimuli.

    Args:
        data_set: What they are of.
        image_names: ``0001_cop_dnn_c30_knife_10_n03041632_7380.png``, or ``knife/knife3.png`` in a data set without
            conditions, with any folders before it.

    Raises:
        DataError: A name that is of neither form, or a condition or category that the data set does not have.
    """
    conditions, shapes, textures = [], [], []
    for name in image_names:
        condition, shape = _facts(data_set, name)
        texture = NO_TEXTURE if data_set.cues == "shape" else shape
        if data_set.cues == "conflict":
            told, texture = cues(image_id(name), data_set.categories)
            if told != shape:
                categories = data_set.categories
                raise DataError(
                    f"The stimulus {name!r} of {data_set.name} has the category {categories[shape]}, and the shape "
                    f"{categories[told]} by its own name; expected the same."
                )
        conditions.append(condition)
        shapes.append(shape)
        textures.append(texture)
    return Shown(
        data_set,
        tuple(image_names),
        np.array(conditions, np.int16),
        np.array(shapes, np.int16),
        np.array(textures, np.int16),
    )


def _facts(data_set: AlignmentSet, name: str) -> tuple[int, int]:
    """Condition and category of a stimulus."""
    folder, _, file = name.replace("\\", "/").rpartition("/")
    parts = file.split("_")
    condition, category = "", folder.rpartition("/")[2]
    if len(parts) >= _PARTS:
        condition, category = parts[3], parts[4]
    elif len(data_set.conditions) > 1:
        raise DataError(
            f"The name of the stimulus {name!r} of {data_set.name} has no condition; expected a name such as "
            f"0001_{data_set.abbreviation}_dnn_{data_set.conditions[-1]}_{data_set.categories[0]}_10_image.png."
        )
    if category not in data_set.categories:
        raise DataError(
            f"The stimulus {name!r} of {data_set.name} has the category {category!r}; expected one of "
            f"{', '.join(data_set.categories)}."
        )
    return data_set.condition(condition), data_set.categories.index(category)
