"""The target network: an exponential moving average of the online one."""

from __future__ import annotations

import copy

import torch
from torch import nn


def make_target(online: nn.Module) -> nn.Module:
    """Copy the whole online network, encoder and projector alike, as a target without gradients.

    A target whose projector starts from its own random numbers is a known fault elsewhere: it makes the first targets
    unrelated to anything.
    """
    target = copy.deepcopy(online)
    for parameter in target.parameters():
        parameter.requires_grad_(False)
    return target


@torch.no_grad()
def update_target(target: nn.Module, online: nn.Module, momentum: float) -> None:
    """Move the target's parameters toward the online ones: ``target = momentum * target + (1 - momentum) * online``.

    Batch-norm statistics are not averaged: the target runs in training mode and normalises with its own batch, as in
    BYOL, so its running statistics are never read.
    """
    pairs = list(zip(target.parameters(), online.parameters(), strict=True))
    torch._foreach_lerp_([t for t, _ in pairs], [o for _, o in pairs], 1.0 - momentum)
