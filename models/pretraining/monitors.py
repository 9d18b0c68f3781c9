"""Monitors of a run that do not influence it: a linear classifier and nearest neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...classifiers import neighbour_votes
from ..networks import PooledNetwork
from .devices import Ranks
from .learners import normalise

RATE = 3e-3
"""Learning rate of the linear classifier (AdamW on standardised features)."""
MEMORY = 0.98
"""Weight of the past in the running accuracy."""


class LinearMonitor:
    """A linear classifier trained on detached features during the run; it is tested on each batch before its step.

    Each rank trains it on the features of all ranks, so that it is the same everywhere.

    Args:
        width: Width of the features.
        classes: Number of classes.
        ranks: The processes that train together.
        device: Device of the features.
    """

    def __init__(self, width: int, classes: int, ranks: Ranks, device: torch.device) -> None:
        self._ranks = ranks
        self.scale = nn.BatchNorm1d(width, affine=False).to(device)
        # Initialise with zeros, because random numbers would advance the global generator and change the run.
        self.head = nn.utils.skip_init(nn.Linear, width, classes, device=device)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self._optimiser = torch.optim.AdamW(self.head.parameters(), lr=RATE, fused=True)
        self.accuracy: float | None = None

    def learn(self, features: Tensor, labels: Tensor) -> None:
        """Train on a batch. Rows without a label (-1) are ignored."""
        features, labels = self._ranks.gather(features.float()), self._ranks.gather(labels)
        labelled = labels >= 0
        if int(labelled.sum()) < 2:
            return
        features, labels = features[labelled], labels[labelled]
        logits = self.head(self.scale(features))
        value = float((logits.detach().argmax(1) == labels).float().mean())
        self.accuracy = value if self.accuracy is None else MEMORY * self.accuracy + (1 - MEMORY) * value
        self._optimiser.zero_grad(set_to_none=True)
        F.cross_entropy(logits, labels).backward()
        self._optimiser.step()

    @torch.no_grad()
    def classifier(self) -> nn.Linear:
        """The classifier for raw features, with the standardisation folded in."""
        deviation = torch.sqrt(cast(Tensor, self.scale.running_var) + self.scale.eps)
        head = nn.utils.skip_init(nn.Linear, self.head.in_features, self.head.out_features)
        head.weight.copy_(self.head.weight / deviation)
        head.bias.copy_(self.head.bias - head.weight.to(deviation.device) @ self.scale.running_mean)
        return head

    def state(self) -> dict[str, object]:
        """Everything needed to resume."""
        return {
            "scale": self.scale.state_dict(),
            "head": self.head.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "accuracy": self.accuracy,
        }

    def load(self, state: dict[str, object]) -> None:
        """Resume from a state."""
        self.scale.load_state_dict(state["scale"])  # type: ignore[arg-type]
        self.head.load_state_dict(state["head"])
        self._optimiser.load_state_dict(state["optimiser"])  # type: ignore[arg-type]
        self.accuracy = state["accuracy"]  # type: ignore[assignment]


@dataclass(frozen=True)
class NeighbourExam:
    """Images for the nearest-neighbour check.

    Attributes:
        bank: uint8 (M, 3, S, S), images with known classes.
        bank_labels: int64 (M,).
        queries: uint8 (N, 3, S, S), images to classify.
        query_labels: int64 (N,).
    """

    bank: Tensor
    bank_labels: Tensor
    queries: Tensor
    query_labels: Tensor

    def accuracy(self, encoder: PooledNetwork, ranks: Ranks, device: torch.device, batch: int = 128) -> float:
        """Share of queries that their neighbours classify correctly; each rank encodes a part of the images."""
        bank, queries = (_encode(encoder, images, ranks, device, batch) for images in (self.bank, self.queries))
        labels = self.bank_labels.to(device)
        votes = neighbour_votes(F.normalize(bank, dim=1), labels, queries, int(labels.max()) + 1)
        return float((votes.argmax(1) == self.query_labels.to(device)).float().mean())


@torch.inference_mode()
def _encode(encoder: PooledNetwork, images: Tensor, ranks: Ranks, device: torch.device, batch: int) -> Tensor:
    training = encoder.training
    encoder.eval()
    share = -(-len(images) // ranks.count)
    rows = images[ranks.first(share) : ranks.first(share) + share]
    rows = torch.cat([rows, images[: share - len(rows)]])  # pad: gathering needs parts of equal length
    parts = [encoder.features(normalise(part.to(device).float() / 255.0)) for part in rows.split(batch)]
    encoder.train(training)
    return ranks.gather(torch.cat(parts))[: len(images)]
