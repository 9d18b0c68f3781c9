"""Encoders with random weights, as controls: ``random:NAME`` is the network of the model NAME before any training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ...errors import VitobenchError, unknown_name
from ..spec import ModelSpec
from .source import Source

if TYPE_CHECKING:
    from torch import nn

PREFIX = "random:"
_SEED = "?seed="
_NO_CLASSES = "none"
_DIGITS = 18  # of a seed at most; torch takes numbers of 64 bits


def _parse(name: str) -> tuple[str, int]:
    """The name of the model that has the network, and the seed.

    Raises:
        VitobenchError: The seed is no whole number that torch takes.
    """
    inner, mark, seed = name.removeprefix(PREFIX).partition(_SEED)
    if mark and not (seed.isascii() and seed.isdecimal() and len(seed) <= _DIGITS):
        raise VitobenchError(f"{name} has no valid seed; write {PREFIX}{inner}{_SEED}1, or another whole number.")
    return inner, int(seed or 0)


class RandomSource(Source):
    """Networks of other models, drawn anew as their library initialises them; they have no classifier.

    Args:
        others: The sources whose models are meant.
    """

    name = "random"
    prefix = PREFIX
    form = "random:NAME"
    about = "the network of the model NAME with random weights, as a control for features; ?seed=N after it"

    def __init__(self, others: Sequence[Source]) -> None:
        self._others = tuple(others)

    def complete_after_prefix(self, typed: str) -> list[str]:
        """Names of models that start with ``typed``."""
        return [name for source in self._others for name in source.names() if name.startswith(typed)]

    def resolve(self, name: str) -> ModelSpec:
        """Describe a network by the model that has it and a seed. It is built, because its weights are hashed.

        Raises:
            UnknownNameError: There is no such model.
            VitobenchError: The seed is no number that torch takes, or the model's network cannot be drawn without its
                weights.
        """
        from ..state_dicts import tensors_digest

        inner, seed = _parse(name)
        own = next((source for source in self._others if source.has(inner)), None)
        if own is None:
            raise unknown_name("model", inner, [known for source in self._others for known in source.names()])
        model = own.resolve(inner)
        spec = ModelSpec(
            name=name,
            source=self.name,
            architecture=model.architecture,
            preprocessing=model.preprocessing,
            label_space=_NO_CLASSES,
            weights_hash="",
            training_data="none",
            licence="not applicable",
            description=f"the network of {inner} with random weights, drawn with seed {seed}",
        )
        return replace(spec, weights_hash=tensors_digest(self._drawn(spec).state_dict()))

    def build(self, spec: ModelSpec) -> nn.Module:
        """Draw the weights.

        Raises:
            CheckpointError: They are others than those that were described, as of another version of a library.
        """
        from ..state_dicts import tensors_digest

        network = self._drawn(spec)
        spec.check_weights(tensors_digest(network.state_dict()), spec.name)
        return network

    def _drawn(self, spec: ModelSpec) -> nn.Module:
        import torch

        from ..networks import build as build_network

        architecture = spec.architecture.partition("+")[0]  # without a head
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(_parse(spec.name)[1])
            library = next((source for source in self._others if source.begins(architecture)), None)
            network = build_network(architecture, 0) if library is None else library.encoder(architecture)
        if network is None:
            raise VitobenchError(f"The network of {spec.name} cannot be drawn without its weights ({architecture}).")
        return network.eval()
