"""The 10 corruptions of ImageNet-C-bar (Mintun, Kirillov & Xie, NeurIPS 2021).

They were chosen from 30, by a perceptual distance, to be unlike those of ImageNet-C, so they show whether a gain on
ImageNet-C carries over. The published folders were saved as JPEG at quality 85; that step is left out here. Severities
1 to 5 are the published `LEVELS`.
"""

from __future__ import annotations

from .parameters import CORRUPTIONS_BAR, LEVELS, VERSION_BAR

__all__ = ["CORRUPTIONS_BAR", "LEVELS", "VERSION_BAR", "parameters"]
