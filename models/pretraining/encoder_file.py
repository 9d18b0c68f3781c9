"""The safetensors file of an encoder, with the card that is needed to load it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn

from ...files import write_aside
from ..networks import PooledNetwork

LAST = "last.safetensors"
"""Written with every checkpoint of a run."""


def encoder_state(encoder: PooledNetwork, head: nn.Linear | None, compact: bool) -> dict[str, Tensor]:
    """The state to keep: the encoder with another classifier, or with none.

    Args:
        encoder: Its own classifier is left out.
        head: The classifier that takes its place; None for an encoder alone.
        compact: Convolutions in half precision. They are followed by normalisation and take the rounding without harm;
            the classifier and the statistics are small and stay exact.
    """
    state = {name: value for name, value in encoder.state_dict().items() if not name.startswith("head.")}
    if head is not None:
        state |= {f"head.{name}": value for name, value in head.state_dict().items()}
    return {
        name: (value.half() if compact and value.ndim == 4 else value).detach().cpu().contiguous().clone()
        for name, value in state.items()
    }


def write_encoder(path: Path, state: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Write a checkpoint, all of it or nothing.

    Args:
        path: The ``.safetensors`` file.
        state: From `encoder_state`.
        facts: The card. Its training curve is left out: the header is read before anything else and should stay small.
    """
    brief = {key: value for key, value in facts.items() if key != "curve"}
    write_aside(path, save(state, metadata={"vitobench": json.dumps(brief, sort_keys=True)}))


def load_rounded(network: PooledNetwork, state: dict[str, Tensor]) -> None:
    """Fill a network with what was written, as float32."""
    network.load_state_dict({k: v.to(torch.float32) if v.is_floating_point() else v for k, v in state.items()})
