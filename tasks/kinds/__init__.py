"""The kinds of task: what each stores of a prediction, which scores it gives, and which of them are headlines."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ...plugins import added
from .corruptions import CORRUPTIONS
from .cue_conflict import CUE_CONFLICT
from .factors import FACTORS
from .frames import SEQUENCES, VIDEO
from .kind import Kind
from .plain import ALIGNMENT, CLEAN, MULTI_LABEL, SHIFT
from .saliency import SALIENCY
from .similarity import ODD_ONE_OUT, TWO_ALTERNATIVES
from .unseen import FULL_SPECTRUM, UNSEEN

_FIRST = (
    CLEAN,
    CORRUPTIONS,
    SHIFT,
    MULTI_LABEL,
    FACTORS,
    CUE_CONFLICT,
    VIDEO,
    SEQUENCES,
    ALIGNMENT,
    SALIENCY,
    ODD_ONE_OUT,
    TWO_ALTERNATIVES,
    UNSEEN,
    FULL_SPECTRUM,
)

KINDS: Mapping[str, Kind] = MappingProxyType({kind.name: kind for kind in (*_FIRST, *added(__name__, "KIND"))})
"""By name, in the order of the documentation, then each ``KIND`` of another module of this folder."""

OBSERVERS: Mapping[str, str] = MappingProxyType(
    {name: version for kind in KINDS.values() for name, version in kind.observers.items()}
)
"""Baselines without a network, of all kinds, with their versions; a version is raised when its baseline changes."""

__all__ = [
    "ALIGNMENT",
    "CLEAN",
    "CORRUPTIONS",
    "CUE_CONFLICT",
    "FACTORS",
    "FULL_SPECTRUM",
    "KINDS",
    "MULTI_LABEL",
    "OBSERVERS",
    "ODD_ONE_OUT",
    "SALIENCY",
    "SEQUENCES",
    "SHIFT",
    "TWO_ALTERNATIVES",
    "UNSEEN",
    "VIDEO",
    "Kind",
]
