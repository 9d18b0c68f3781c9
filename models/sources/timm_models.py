"""Models of timm, with the weights and the preprocessing that timm publishes for them: ``timm:NAME``."""

from __future__ import annotations

import difflib
import logging
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import timm
import torch
from timm.data import resolve_data_config
from torch import nn

from ...errors import CheckpointError, VitobenchError, unknown_name
from ...tasks.data.geometry import CROP_MODES, INTERPOLATIONS
from ..spec import ModelSpec, Preprocessing
from ..zoo_card import label_space_of, triple
from .state_dicts import tensors_digest

PREFIX = "timm:"

_SPECS: dict[str, ModelSpec] = {}


class TimmNetwork(nn.Module):
    """A timm classifier with the two methods that `Model` needs."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of shape (N, K)."""
        return self.network(x)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """What the last linear layer sees, of shape (N, D)."""
        network: Any = self.network
        return network.forward_head(network.forward_features(x), pre_logits=True).flatten(1)

    def tokens(self, x: torch.Tensor) -> torch.Tensor:
        """Spatial tokens of the last layer, of shape (N, T, C): a map's positions, or a transformer's patches.

        Raises:
            VitobenchError: A network of timm that does not give them.
        """
        network: Any = self.network
        if not hasattr(network, "forward_intermediates"):
            raise VitobenchError(f"timm's {type(network).__name__} gives no spatial tokens.")
        last = network.forward_intermediates(x, indices=1, norm=True, output_fmt="NCHW", intermediates_only=True)[-1]
        return last.flatten(2).transpose(1, 2)


def resolve(name: str) -> ModelSpec:
    """Describe a timm model. Its weights are fetched, since their hash is part of the description.

    Args:
        name: ``timm:NAME`` or ``timm:NAME.TAG``, as timm spells them, or ``timm:hf-hub:OWNER/NAME``.

    Returns:
        The description; kept in memory, so that a second call is free.

    Raises:
        UnknownNameError: timm knows no such model or no such weights of it.
        CheckpointError: Not a classifier of a known label space.
        VitobenchError: The weights could not be fetched, or do not exist.
    """
    if name not in _SPECS:
        network = _fetch(name)
        cfg: dict[str, Any] = network.pretrained_cfg  # type: ignore[assignment]
        _SPECS[name] = ModelSpec(
            name=name,
            source="timm",
            architecture=PREFIX + str(cfg["architecture"]),
            preprocessing=preprocessing_of(cfg, name),
            label_space=label_space_of(int(network.num_classes), name),  # type: ignore[arg-type]
            weights_hash=tensors_digest(network.state_dict()),
            training_data=f"see the model card of {cfg.get('hf_hub_id') or name}",
            licence=str(cfg.get("license") or "unknown"),
            description=f"{cfg['architecture']} of timm with the weights {cfg.get('tag') or 'default'!r}",
            extra={"timm": timm.__version__},
        )
    return _SPECS[name]


def build(spec: ModelSpec) -> nn.Module:
    """Build the network of a timm model, with its weights.

    Raises:
        CheckpointError: The weights are no longer those of the description.
        VitobenchError: See `resolve`.
    """
    network = _fetch(spec.name)
    if tensors_digest(network.state_dict()) != spec.weights_hash:
        raise CheckpointError(f"The weights of {spec.name} changed after the model was described; start again.")
    return TimmNetwork(network)


def preprocessing_of(cfg: Mapping[str, Any], name: str) -> Preprocessing:
    """Translate timm's preprocessing of a model.

    Args:
        cfg: timm's ``pretrained_cfg`` as a mapping.
        name: The model's name, for messages.

    Returns:
        The preprocessing of ``timm.data.create_transform(**timm.data.resolve_data_config(pretrained_cfg=cfg))``, pixel
        for pixel. That is at the size the model was trained at. timm's ``validate.py`` evaluates about a fifth of its
        models at a larger ``test_input_size`` or with a wider ``test_crop_pct``, unless it is told
        ``--use-train-size``; its published tables hold those numbers.

    Raises:
        CheckpointError: The model takes other than three channels or square images, uses another interpolation or crop
            mode, or is shown images smaller than its input.
    """
    data = resolve_data_config(pretrained_cfg=dict(cfg))
    channels, height, width = data["input_size"]
    if channels != 3 or height != width or data["interpolation"] not in INTERPOLATIONS:
        raise CheckpointError(
            f"{name} takes {channels} channels of {height} x {width} pixels with {data['interpolation']} "
            "interpolation; needed are 3 channels, a square, and bilinear or bicubic interpolation."
        )
    if data["crop_mode"] not in CROP_MODES:
        raise CheckpointError(
            f"{name} has the crop_mode {data['crop_mode']!r}; those that can be done are {', '.join(CROP_MODES)}."
        )
    resize = math.floor(height / data["crop_pct"])
    if resize < height:
        raise CheckpointError(
            f"{name} is shown images of {resize} pixels in a frame of {height} (crop_pct {data['crop_pct']}); images "
            "smaller than the input of the model cannot be done."
        )
    mean, std = triple(data["mean"]), triple(data["std"])
    return Preprocessing(height, resize, data["interpolation"], mean, std, data["crop_mode"])


def check_name(architecture: str, name: str) -> None:
    """Make sure that timm can build an architecture.

    Args:
        architecture: timm's name, perhaps with ``.TAG``.
        name: What the user wrote, for messages.

    Raises:
        UnknownNameError: It cannot; the message holds the nearest names.
    """
    base, dot, tag = architecture.partition(".")
    if not timm.is_model(base):
        every = timm.list_models()
        near = difflib.get_close_matches(base, every, n=5, cutoff=0.5) or every[:5]
        hint = f"These are the nearest of {len(every)}; timm.list_models() gives all, without the prefix {PREFIX!r}."
        raise unknown_name("timm model", base, near, hint)
    if dot:
        tags = timm.models.get_arch_pretrained_cfgs(base)
        known = [key.partition(".")[2] for key in tags]
        if tag not in known:
            raise unknown_name(f"set of weights of {base} (in {name!r})", tag, known)


def _fetch(name: str) -> nn.Module:
    wanted = name.removeprefix(PREFIX)
    if not wanted.startswith(("hf-hub:", "hf_hub:")):
        check_name(wanted, name)
        cfg = timm.models.get_pretrained_cfg(wanted)
        if cfg is None or not cfg.has_weights:
            raise VitobenchError(
                f"timm has no trained weights for {wanted}. With weights of your own: file:PATH?arch={PREFIX}{wanted}."
            )
    warnings: list[str] = []
    try:
        with _collected(warnings):
            network = timm.create_model(wanted, pretrained=True)
    except Exception as error:  # every transport and hub client has exceptions of its own
        first = (str(error).splitlines() or [""])[0][:300]
        raise VitobenchError(
            f"The weights of {name} could not be fetched ({type(error).__name__}: {first}). Without a network, bring "
            f"the weights as a file: file:PATH?arch={PREFIX}{wanted}."
        ) from error
    # timm only warns when it leaves a layer at its random initialisation; a score of such a network would mean nothing.
    if random := next((text for text in warnings if "random init" in text), None):
        raise VitobenchError(f"timm did not load all the weights of {name}: {random}")
    return network.eval()


@contextmanager
def _collected(messages: list[str]) -> Iterator[None]:
    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            messages.append(record.getMessage())

    collector = Collector(logging.WARNING)
    logger = logging.getLogger("timm")
    logger.addHandler(collector)
    try:
        yield
    finally:
        logger.removeHandler(collector)
