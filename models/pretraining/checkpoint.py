"""Training checkpoints with a digest, and the safetensors file of an encoder with the card that loads it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn

from ...errors import CheckpointError, VitobenchError
from ...files import replacing, write_aside
from ...identity import SEAL_BYTES, broken_seal, digest, seal_file
from ...tasks.microworld.sets import GENERATOR_VERSION
from ..networks import PooledNetwork
from ..state_dicts import load_torch
from .recipe import Recipe

# Training checkpoints: written atomically, with a digest; read without running code that they may contain.


NAME = "training.pt"

RECIPE_FORM = 2
"""Noted in every state. Form 1, which noted none, had the settings of all methods in the digest of every run."""


def run_digest(recipe: Recipe) -> str:
    """What a checkpoint must share with the run that continues from it: the settings of all recipes, and its method's.

    A setting that is added later is declared with `identity.OMITTED_IF_DEFAULT`, so that it ends no unfinished run.
    """
    return digest({"objective": recipe.objective, "recipe": recipe})


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write what a training needs to continue, with a digest; a reader sees either the old file or the new one.

    Args:
        path: The file; its folder is made.
        state: Tensors and plain data.

    Raises:
        VitobenchError: It cannot be written; the old file is still there.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as aside:
            torch.save(state, aside)
            seal_file(aside)
    except (OSError, RuntimeError) as error:  # torch says RuntimeError where the disk is full
        raise VitobenchError(f"{path} cannot be written ({error}); choose another --output.") from None


def load_state(path: Path) -> dict[str, Any] | None:
    """Read what `save_state` wrote.

    torch does not compare the checksums of the archive that it writes, so a changed bit would be other weights.

    Returns:
        The state, tensors on the CPU; None where there is no file.

    Raises:
        CheckpointError: A file that is damaged or has no digest.
    """
    if not path.exists():
        return None
    again = "delete it to restart this run"
    try:
        if problem := broken_seal(path):
            raise CheckpointError(f"{path} is damaged ({problem}); {again}, or restore a copy of it.")
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error}); {again}.") from None
    try:
        state: Any = load_torch(path, SEAL_BYTES)
    except CheckpointError as error:
        raise CheckpointError(f"{path} cannot be read ({error}); {again}.") from None
    if not isinstance(state, dict):
        raise CheckpointError(f"{path} is not a training state; {again}.")
    return state


def load_training(path: Path, recipe: Recipe) -> dict[str, Any] | None:
    """Read the state of a run.

    Returns:
        The state, tensors on the CPU; None where there is no file.

    Raises:
        CheckpointError: A damaged file, or the state of a run with other settings or on another micro-world.
    """
    state = load_state(path)
    if state is not None and "recipe_form" not in state:
        raise CheckpointError(
            f"{path} was written by an earlier version of vitobench, whose recipes did not keep the settings of each "
            "method apart. Finish that run with the earlier version, choose another --output folder, or delete that "
            "file to start this run again."
        )
    if state is not None and recipe.data != "clips" and state.get("generator_version") != GENERATOR_VERSION:
        raise CheckpointError(
            f"{path} belongs to a run on another micro-world (generator version {state.get('generator_version', 1)}, "
            f"and this is version {GENERATOR_VERSION}). Finish that run with the version of vitobench that began it, "
            "choose another --output folder, or delete that file to start this run again."
        )
    if state is not None and state.get("recipe") != run_digest(recipe):
        raise CheckpointError(
            f"{path} belongs to a run with other settings; choose another --output folder, or delete that file."
        )
    return state


@contextmanager
def same_threads() -> Iterator[None]:
    """Give torch back the number of threads that it has now, after a block that may have taken those of a run."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


def take_threads(state: dict[str, Any]) -> None:
    """Compute with as many threads as the run of a state began with.

    Sums are split among threads, so that another number of them rounds otherwise, and after some steps that is another
    network. Threads may outnumber the cores.
    """
    torch.set_num_threads(int(state["threads"]))


# The safetensors file of an encoder, with the card that is needed to load it.


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
