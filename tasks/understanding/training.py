"""How detectors are trained on frozen features: the same budget and the same learning rate for every encoder.

By itself, so that listings of tasks read it without loading a numerical library.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Training:
    """Settings of a detector and of its training.

    Attributes:
        side: Images and boxes are brought to squares of this side, in pixels.
        finest: The finest level of the pyramid has at most about this stride: coarser maps are enlarged.
        levels: Of the pyramid, each half as fine as the one before. Objects whose sides lie up to 8 times the stride of
            a level from its cells are learned there, beginning with 4 times; all smaller ones on the finest and all
            larger ones on the coarsest.
        width: Channels of the levels.
        convolutions: Of the two towers of the head, before their outputs.
        channels: Of the features; of wider ones the first principal components are taken.
        images: Most images that are learned from.
        batch: Images in a step.
        steps: Of the training.
        rate: The learning rate.
        decay: AdamW's weight decay.
        warm_up: Share of the steps in which the learning rate rises, before it falls along a cosine.
        longest: Length to which gradients are clipped.
        groups: Of the normalisation (GroupNorm).
        score: Detections that are less confident are left out.
        overlap: So are those whose IoU with a more confident one of their class is higher.
        candidates: Detections of each level before that.
        detections: Most detections in an image.
        seed: Of first weights and of the order of images.
    """

    side: int = 512
    finest: int = 16
    levels: int = 3
    width: int = 64
    convolutions: int = 2
    channels: int = 256
    images: int = 1000
    batch: int = 8
    steps: int = 400
    rate: float = 2e-3
    decay: float = 1e-4
    warm_up: float = 0.1
    longest: float = 1.0
    groups: int = 32
    score: float = 0.01
    overlap: float = 0.6
    candidates: int = 1000
    detections: int = 100
    seed: int = 0

    def enlarged(self, stride: float) -> int:
        """How many times finer than a map of some stride the finest level is: 1, 2, 4, ..."""
        return int(2 ** max(0, round(math.log2(stride / self.finest))))
