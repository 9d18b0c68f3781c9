"""What a model was trained on, as one of five classes: models of different classes are no like-for-like comparison.

A class names the widest set of images that taught the model anything. It is a fact about a model and changes none of
its outputs, so it is not part of its identity.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Literal

TrainingClass = Literal["in1k", "in21k", "web", "distilled", "unknown"]

IN1K: Final = "in1k"
IN21K: Final = "in21k"
WEB: Final = "web"
DISTILLED: Final = "distilled"
UNKNOWN: Final = "unknown"

TRAINING_CLASSES: Mapping[TrainingClass, str] = {
    IN1K: "ImageNet-1k alone, with or without its labels",
    IN21K: "more of ImageNet (12,000 to 22,000 classes)",
    WEB: "images of the web beyond ImageNet (LAION, WebLI, Instagram, YFCC, JFT, ...), or a teacher that saw them",
    DISTILLED: "ImageNet-1k with another network as teacher",
    UNKNOWN: "not known, or something else",
}
"""By name, what a model of the class has seen."""

# timm's names: ARCHITECTURE.RECIPE_PRETRAINING_ft_FINE-TUNING, such as vit_base_patch16_224.augreg_in21k_ft_in1k.


_WEB = re.compile(
    r"laion\w*|openai|clip|quickgelu|metaclip\w*|siglip\d*|webli|dfn\d*\w*|datacomp\w*|cc\d+m|yfcc\d+m|ig\d+b|swag|seer|jft|"
    r"lvd\d+m|sat\d+m|m\d+m"
)
"""Words of a tag that name images of the web."""
_IN21K = re.compile(r"in(12|21|22)k")
_DISTILLED = re.compile(r"dist|distilled|ssld|usi")
_TAUGHT_BY_CLIP = re.compile(r"eva\d*|beitv2|beit3")
"""Architectures whose weights are pretrained to predict features of a CLIP model."""


def of_timm(name: str) -> TrainingClass:
    """The class of weights of timm by their name: data are written in the tag.

    Args:
        name: ``ARCHITECTURE.TAG``; a name without a tag has an unknown class.

    Returns:
        A key of `TRAINING_CLASSES`. Of several, the widest data count: web before ImageNet-21k before ImageNet-1k.
        A network distilled on ImageNet-1k is ``"distilled"``, whatever its teacher saw, which tags do not say.
    """
    architecture, dot, tag = name.partition(".")
    if not dot:
        return UNKNOWN
    words = tag.split("_")
    family, *rest = architecture.split("_")

    def any_is(pattern: re.Pattern[str], among: list[str]) -> bool:
        return any(pattern.fullmatch(word) for word in among)

    if any_is(_WEB, words) or _TAUGHT_BY_CLIP.fullmatch(family):
        return WEB
    if any_is(_IN21K, words):
        return IN21K
    if "in1k" not in words:
        return UNKNOWN
    return DISTILLED if any_is(_DISTILLED, [*words, *rest]) else IN1K


# torchvision's names of weights.


def of_torchvision(weights: str) -> TrainingClass:
    """The class of weights of torchvision.

    Args:
        weights: Name of the member, such as ``"IMAGENET1K_V2"`` or ``"IMAGENET1K_SWAG_E2E_V1"``.
    """
    if "SWAG" in weights:
        return WEB
    return IN1K if weights.startswith("IMAGENET1K") else UNKNOWN
