"""What declarations of several worlds share."""

from __future__ import annotations

from collections.abc import Sequence

from ..corruptions import SEVERITIES
from ..task import Condition

CLEAN = (Condition("clean"),)

IMAGENET_C_PAPER = "Hendrycks & Dietterich, Benchmarking Neural Network Robustness, ICLR 2019 (arXiv 1903.12261)"
C_BAR_PAPER = (
    "Mintun, Kirillov & Xie, On Interaction Between Augmentations and Corruptions in Natural Corruption Robustness, "
    "NeurIPS 2021 (arXiv 2102.11273)"
)
THREE_D_PAPER = "Kar, Yeo, Atanov & Zamir, 3D Common Corruptions and Data Augmentation, CVPR 2022 (arXiv 2203.01441)"
IMAGENET_A_PAPER = "Hendrycks et al., Natural Adversarial Examples, CVPR 2021 (arXiv 1907.07174)"
VID_ROBUST_PAPER = "Shankar et al., Do Image Classifiers Generalize Across Time?, ICCV 2021 (arXiv 1906.02168)"


def graded(names: Sequence[str]) -> tuple[Condition, ...]:
    """Every corruption at every severity."""
    return tuple(Condition(name, severity) for name in names for severity in SEVERITIES)
