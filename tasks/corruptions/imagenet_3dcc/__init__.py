"""The 12 corruptions of ImageNet-3DCC (Kar, Yeo, Atanov & Zamir, CVPR 2022).

Written from the paper's description; the published code and images, which are for non-commercial use, were not used.
Quantities that the paper does not specify are approximations: see ``docs/corruptions-3d.md``.
"""

from __future__ import annotations

from .parameters import CORRUPTIONS_3D, FAMILIES_3D, NEEDS_DEPTH, VERSION_3D

__all__ = ["CORRUPTIONS_3D", "FAMILIES_3D", "NEEDS_DEPTH", "VERSION_3D", "parameters"]
