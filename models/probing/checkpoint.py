"""Writing a network as a checkpoint that says what it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import nn

from ...errors import VitobenchError
from ...files import json_text, replace_file
from ...identity import file_digest
from ..registry import file_of
from ..safetensors_header import CARD_KEY
from ..spec import ModelSpec
from ..zoo_card import LABEL_SPACES


def card_of(
    spec: ModelSpec, architecture: str, label_space: str, training_data: str, description: str, facts: Mapping[str, Any]
) -> dict[str, Any]:
    """The card of a network that was made from another model.

    Args:
        spec: That model; preprocessing, licence and training step are its own.
        architecture: Of the new network.
        label_space: In which it answers.
        training_data: What was added to the training data of ``spec``.
        description: One line.
        facts: Further keys.
    """
    file = file_of(spec.name)
    card: dict[str, Any] = {
        "name": spec.name if file is None else file.stem,
        "architecture": architecture,
        "preprocessing": asdict(spec.preprocessing),
        "label_space": label_space,
        "num_classes": LABEL_SPACES[label_space],
        "training_data": f"{spec.training_data}; {training_data}",
        "licence": spec.licence,
        "description": description,
        "made_from": {"name": spec.name, "identity": spec.identity},
    }
    step = spec.extra.get("training_step")
    return card | ({} if step is None else {"training_step": step}) | dict(facts)


def write_checkpoint(path: Path, network: nn.Module, card: Mapping[str, Any]) -> str:
    """Write ``path`` (safetensors, the card inside) and a JSON file with the card next to it, each atomically.

    Weights that half precision holds exactly are stored in it, as they are in the models that come with the package.

    Args:
        path: Ends in ``.safetensors``.
        network: Its state is written.
        card: Plain data.

    Returns:
        SHA-256 of the file.

    Raises:
        VitobenchError: The folder cannot be written.
    """
    state = {name: _compact(value) for name, value in network.state_dict().items()}
    content = save(state, metadata={CARD_KEY: json.dumps(dict(card), sort_keys=True)})
    try:
        replace_file(path, content)
        sha256 = file_digest(path)
        replace_file(path.with_suffix(".json"), f"{json_text({**card, 'sha256': sha256})}\n".encode())
    except OSError as error:
        raise VitobenchError(f"{path} cannot be written ({error.strerror}); choose another --output.") from None
    return sha256


def _compact(value: torch.Tensor) -> torch.Tensor:
    value = value.detach().cpu().contiguous()
    if value.dtype == torch.float32 and torch.equal(value.half().float(), value):
        value = value.half()
    return value.clone()
