"""The 12 corruptions of ImageNet-3DCC (Kar, Yeo, Atanov & Zamir, CVPR 2022).

Written from the paper's description; the published code and images are for non-commercial use and were not used. Where
the paper leaves a quantity open, ours is an approximation: see ``docs/corruptions-3d.md``.
"""

from __future__ import annotations

from . import parameters
from .parameters import CORRUPTIONS_3D, FAMILIES_3D, NEEDS_DEPTH, VERSION_3D

__all__ = ["CORRUPTIONS_3D", "FAMILIES_3D", "NEEDS_DEPTH", "VERSION_3D", "parameters"]
