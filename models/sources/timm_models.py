"""Models of timm, with the weights and the preprocessing that timm evaluates them with: ``timm:NAME?size=SIZE``."""

from __future__ import annotations

import difflib
import importlib.metadata
import logging
import math
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import CheckpointError, VitobenchError, unknown_name
from ...identity import digest
from ...tasks.images.geometry import CROP_MODES, INTERPOLATIONS
from ..class_order import ClassOrder, order_of
from ..named_file import split_options
from ..spec import RESIZE, SIZE, TIMM_WEIGHTS, WEIGHTS_NOTE, ModelSpec, Preprocessing
from ..training_data import of_timm
from ..zoo_card import LABEL_SPACES, LARGEST_SIDE, label_space_of, triple
from .source import Architecture, Source, WeightsFolder

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

PREFIX = "timm:"

_SPECS: dict[str, ModelSpec] = {}


Size = int | str
"""``"test"``, ``"train"`` or a number of pixels; see `SIZE_HELP`."""

TEST, TRAIN = "test", "train"
SIZE_OPTION = "size="
SIZE_HELP = f"{SIZE_OPTION}{TEST} (as timm evaluates it, the default), {SIZE_OPTION}{TRAIN}, or {SIZE_OPTION}N pixels"
SHOWN = {"size": "SIZE", "resize": "N"}
"""Options that say what a model is shown, with what their values stand for."""


@dataclass(frozen=True)
class Shown:
    """What the options of a name say about the images that a model is shown.

    Attributes:
        size: Of the images.
        resize: To how many pixels a photograph is resized before they are cut out of it; None as the model has it.
    """

    size: Size = TEST
    resize: int | None = None

    @classmethod
    def parse(cls, options: Mapping[str, str], name: str) -> Shown:
        """Read the values of the options `SHOWN`.

        Args:
            options: Among others.
            name: The model's name, for messages.

        Raises:
            CheckpointError: A size that is none of `SIZE_HELP`, or a number that is no side of an image.
        """
        size, resize = options.get("size", TEST), options.get("resize")
        if size not in (TEST, TRAIN) and not _is_side(size):
            raise CheckpointError(
                f"The size {size!r} in {name!r} is not understood; write {SIZE_HELP}, from 1 to {LARGEST_SIDE}."
            )
        if resize is not None and not _is_side(resize):
            raise CheckpointError(f"resize={resize} in {name!r} must be a number of pixels from 1 to {LARGEST_SIDE}.")
        return cls(size if size in (TEST, TRAIN) else int(size), None if resize is None else int(resize))

    def of(self, preprocessing: Preprocessing, name: str) -> Preprocessing:
        """The preprocessing of a model at this size, resized as chosen.

        Raises:
            CheckpointError: The image would be smaller than what is cut out of it.
        """
        if self.resize is None:
            return preprocessing
        if self.resize < preprocessing.size:
            raise CheckpointError(
                f"resize={self.resize} in {name!r} is less than the {preprocessing.size} pixels that it is shown."
            )
        return replace(preprocessing, resize=self.resize)

    @property
    def facts(self) -> dict[str, str]:
        """Facts for `ModelSpec.extra`."""
        return {SIZE: str(self.size)} | ({} if self.resize is None else {RESIZE: str(self.resize)})


AS_TIMM = Shown()
"""As timm's own evaluation."""


def _is_side(text: str) -> bool:
    return text.isascii() and text.isdecimal() and 1 <= int(text) <= LARGEST_SIDE


def _parse(name: str) -> tuple[str, Shown]:
    """Split ``timm:NAME?OPTIONS`` into timm's name and what the model is shown.

    Raises:
        CheckpointError: It has another option, or a value that is not understood.
    """
    timm_name, options = split_options(name, PREFIX, SHOWN, "NAME", there=lambda text: False)
    return timm_name, Shown.parse(options, name)


def preprocessing_of(cfg: Mapping[str, Any], name: str, size: Size = TEST) -> Preprocessing:
    """Translate timm's preprocessing of a model.

    Args:
        cfg: timm's ``pretrained_cfg`` as a mapping.
        name: The model's name, for messages.
        size: ``"test"`` follows timm's ``validate.py``, and so timm's published tables: it takes ``test_input_size``
            and ``test_crop_pct`` where a model has them (about a fifth do). ``"train"`` follows it with
            ``--use-train-size``, a number of pixels with ``--img-size``.

    Returns:
        The preprocessing of ``timm.data.create_transform(**timm.data.resolve_data_config(...))``, pixel for pixel.

    Raises:
        CheckpointError: The model does not take three channels and square images of this size, or uses another
            interpolation or crop mode.
    """
    from timm.data import resolve_data_config

    asked = {"img_size": size} if isinstance(size, int) else {}
    data = resolve_data_config(asked, pretrained_cfg=dict(cfg), use_test_size=size != TRAIN)
    channels, height, width = data["input_size"]
    if channels != 3 or height != width or data["interpolation"] not in INTERPOLATIONS:
        raise CheckpointError(
            f"{name} takes {channels} channels of {height} x {width} pixels with {data['interpolation']} "
            "interpolation; only 3 channels, square images, and bilinear or bicubic interpolation are supported."
        )
    fixed = (cfg.get("input_size") or (3, height, width))[1]
    if cfg.get("fixed_input_size") and height != fixed:
        _check_size(cfg, name, height)
    if data["crop_mode"] not in CROP_MODES:
        raise CheckpointError(f"{name} has the crop_mode {data['crop_mode']!r}; supported are {', '.join(CROP_MODES)}.")
    resize = math.floor(height / data["crop_pct"])
    mean, std = triple(data["mean"]), triple(data["std"])
    return Preprocessing(height, resize, data["interpolation"], mean, std, data["crop_mode"])


def at_size(cfg: Mapping[str, Any], size: Size) -> dict[str, Any]:
    """Arguments of timm's ``create_model`` for images of a size; transformers then interpolate their positions."""
    own = cfg.get("input_size") or (3, size, size)
    return {"dynamic_img_size": True} if cfg.get("fixed_input_size") and size not in (TEST, TRAIN, own[1]) else {}


def _check_size(cfg: Mapping[str, Any], name: str, side: int) -> None:
    """Check that a network of a fixed size can be built for images of another one.

    Raises:
        CheckpointError: It cannot.
    """
    import torch

    architecture = str(cfg["architecture"])
    only = f"{name} takes only images of {cfg['input_size'][1]} pixels"
    leave = f"leave out {SIZE_OPTION}{side}."
    try:
        network = _at_any_size(architecture, torch.device("meta"))
    except TypeError:
        raise CheckpointError(f"{only}; {leave}") from None
    patch: int = network.patch_embed.patch_size[0]  # type: ignore[union-attr,index,assignment]
    if side % patch:
        near = max(1, round(side / patch)) * patch
        raise CheckpointError(
            f"{only}, or of a multiple of its patches of {patch}; write {SIZE_OPTION}{near}, or {leave}"
        )
    try:
        with torch.inference_mode():
            network.eval()(torch.zeros(1, 3, side, side, device="meta"))
    except (RuntimeError, AssertionError):
        raise CheckpointError(f"{only}; {leave}") from None


def _at_any_size(architecture: str, device: torch.device) -> nn.Module:
    """An untrained network without a classifier that interpolates its positions.

    Raises:
        TypeError: It cannot.
    """
    import timm

    with device:
        network: nn.Module = timm.create_model(architecture, pretrained=False, num_classes=0, dynamic_img_size=True)
    if not getattr(network, "dynamic_img_size", False):  # some take the option and do nothing with it
        raise TypeError(f"{architecture} does not interpolate its positions.")
    return network


def check_name(architecture: str, name: str) -> None:
    """Check that timm can build an architecture.

    Args:
        architecture: timm's name, optionally with ``.TAG``.
        name: The name typed by the user, for error messages.

    Raises:
        UnknownNameError: It cannot; the message lists similar names.
    """
    import timm

    base, dot, tag = architecture.partition(".")
    if not timm.is_model(base):
        all_names = timm.list_models()
        near = difflib.get_close_matches(base, all_names, n=5, cutoff=0.5) or all_names[:5]
        hint = (
            f"These are the nearest of {len(all_names)}; timm.list_models() gives all, without the prefix {PREFIX!r}."
        )
        raise unknown_name("timm model", base, near, hint)
    if dot:
        tags = timm.models.get_arch_pretrained_cfgs(base)
        known_tags = [key.partition(".")[2] for key in tags]
        if tag not in known_tags:
            raise unknown_name(f"set of weights of {base} (in {name!r})", tag, known_tags)


def _fetch(name: str) -> nn.Module:
    import timm

    timm_name, shown = _parse(name)
    changes = {}
    if not timm_name.startswith(("hf-hub:", "hf_hub:")):
        check_name(timm_name, name)
        cfg = timm.models.get_pretrained_cfg(timm_name)
        if cfg is None or not cfg.has_weights:
            raise VitobenchError(
                f"timm has no trained weights for {timm_name}. With weights of your own: "
                f"file:PATH?arch={PREFIX}{timm_name}."
            )
        changes = at_size(cfg.to_dict(), shown.size)
        if changes:  # say so before anything is fetched
            preprocessing_of(cfg.to_dict(), name, shown.size)
    warnings: list[str] = []
    try:
        with _collected(warnings):
            network = timm.create_model(timm_name, pretrained=True, **changes)
    except Exception as error:  # every transport and hub client has its own exceptions
        first = (str(error).splitlines() or [""])[0][:300]
        raise VitobenchError(
            f"The weights of {name} could not be fetched ({type(error).__name__}: {first}). Without a network, bring "
            f"the weights as a file: file:PATH?arch={PREFIX}{timm_name}."
        ) from error
    # timm only warns when it leaves a layer at its random initialisation, but scores of such a network are meaningless.
    if random := next((text for text in warnings if "random init" in text), None):
        raise VitobenchError(f"timm did not load all the weights of {name}: {random}")
    return network.eval()


def _order(network: nn.Module, name: str) -> ClassOrder | None:
    """How the outputs of a network with a published larger label space are read; None as they are.

    Raises:
        CheckpointError: Their number is that of no label space.
    """
    count: int = network.num_classes  # type: ignore[assignment]
    if count in LABEL_SPACES.values():
        return None
    order = order_of(count, None, name)
    if order is None:
        label_space_of(count, name)  # raises: it is none of them
    return order


def _hash(network: nn.Module, order: ClassOrder | None) -> str:
    from ..state_dicts import tensors_digest

    weights = tensors_digest(network.state_dict())
    return weights if order is None else digest([weights, order.outputs])


def _read_out(network: nn.Module, order: ClassOrder, name: str) -> None:
    """Leave a classifier the outputs of the label space, in its order."""
    from torch import nn

    from .checkpoints import reordered

    cfg: dict[str, Any] = network.pretrained_cfg  # type: ignore[assignment]
    heads = _heads(cfg)
    tensors = reordered(network.state_dict(), heads, order, name)
    for head in heads:
        layer = network.get_submodule(head)
        for key, _ in list(layer.named_parameters(recurse=False)):
            setattr(layer, key, nn.Parameter(tensors[f"{head}.{key}"]))
        if isinstance(layer, nn.Linear):
            layer.out_features = len(order.outputs)
    network.num_classes = len(order.outputs)  # type: ignore[assignment]


def _heads(cfg: Mapping[str, Any]) -> tuple[str, ...]:
    """Modules of a network's classifier."""
    classifier = cfg.get("classifier")
    return tuple(classifier) if isinstance(classifier, (tuple, list)) else (str(classifier),)


def _as_timm_converts(tensors: Mapping[str, Tensor], network: nn.Module) -> Mapping[str, Tensor]:
    """What timm makes of a published checkpoint for this network; the same if it has no rule for it."""
    rule = getattr(sys.modules[type(network).__module__], "checkpoint_filter_fn", None)
    if rule is None:
        return tensors
    with redirect_stdout(StringIO()):  # one of the rules prints
        converted: Mapping[str, Tensor] = rule(dict(tensors), network)
    return converted


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


class TimmSource(Source):
    """Classifiers of timm with trained weights."""

    name = "timm"
    prefix = PREFIX
    form = "timm:NAME"
    about = "any classifier of timm with trained weights, fetched over the network; ?size=train or ?size=N after it"
    libraries = ("timm",)

    def complete_after_prefix(self, typed: str) -> list[str]:
        """Names of timm models with trained weights, then sizes; imports timm."""
        import timm

        if "?" in typed:
            options = [f"{typed.partition('?')[0]}?{SIZE_OPTION}{size}" for size in (TEST, TRAIN)]
            return [option for option in options if option.startswith(typed)]
        return [name for name in timm.list_models(pretrained=True) if name.startswith(typed)]

    def downloads_to(self) -> WeightsFolder | None:
        """The cache of the Hugging Face hub, from which timm downloads nearly all weights."""
        try:
            from huggingface_hub.constants import HF_HUB_CACHE
        except ImportError:
            return None
        return WeightsFolder("weights of timm", Path(HF_HUB_CACHE), "HF_HOME")

    def encoder(self, architecture: str) -> nn.Module:
        """An untrained network of timm without its classifier.

        Raises:
            UnknownNameError: timm has no such network.
        """
        import timm
        import torch

        from ..state_dicts import TimmNetwork

        name = architecture.removeprefix(PREFIX)
        check_name(name, architecture)
        config = timm.models.get_pretrained_cfg(name)
        if config is not None and config.fixed_input_size:
            with suppress(TypeError):  # a probe may have been fitted at another size; the weights are the same
                return TimmNetwork(_at_any_size(name, torch.device("cpu")))
        return TimmNetwork(timm.create_model(name, pretrained=False, num_classes=0))

    def architecture(self, name: str) -> Architecture:
        """A network of timm for a checkpoint: ``timm:NAME``, with an optional tag that chooses the preprocessing.

        Raises:
            UnknownNameError: timm has no such network.
            CheckpointError: It needs a preprocessing that is not supported.
        """
        return self._architecture(name, TEST)

    def _architecture(self, name: str, side: Size) -> Architecture:
        import timm

        from ..state_dicts import TimmNetwork

        timm_name = name.removeprefix(PREFIX)
        check_name(timm_name, name)
        config = timm.models.get_pretrained_cfg(timm_name)
        cfg = {"architecture": timm_name} if config is None else config.to_dict()

        def network(classes: int, **changes: Any) -> nn.Module:
            changes |= at_size(cfg, side)
            created: nn.Module = timm.create_model(timm_name, pretrained=False, num_classes=classes, **changes)
            return created

        return Architecture(
            name=PREFIX + str(cfg["architecture"]),
            heads=_heads(cfg),
            network=network,
            wrap=lambda built, classes: TimmNetwork(built),
            preprocessing=lambda sha256, size: preprocessing_of(cfg, name, size),
            others=(lambda classes: network(classes, global_pool="avg"),),
            convert=_as_timm_converts,
            facts={
                "preprocessing_of": f"{cfg['architecture']}.{cfg.get('tag') or 'default'}",
                "timm": importlib.metadata.version("timm"),
            },
            at=lambda pixels: self._architecture(name, pixels),
        )

    def resolve(self, name: str) -> ModelSpec:
        """Describe a timm model. Its weights are downloaded, because their hash is part of the description.

        Args:
            name: ``timm:NAME`` or ``timm:NAME.TAG``, with timm's names, or ``timm:hf-hub:OWNER/NAME``; each may end in
                ``?size=SIZE&resize=N``, see `Shown` and `preprocessing_of`.

        Returns:
            The description; it is cached in memory.

        Raises:
            UnknownNameError: timm has no such model, or no such weights for it.
            CheckpointError: It is not a classifier with a known label space or published list of classes, or does not
                take images of that size.
            VitobenchError: The weights could not be downloaded, or do not exist.
        """
        _, shown = _parse(name)
        if name not in _SPECS:
            import timm

            network = _fetch(name)
            order = _order(network, name)
            cfg: dict[str, Any] = network.pretrained_cfg  # type: ignore[assignment]
            weights = f"{cfg['architecture']}.{cfg['tag']}" if cfg.get("tag") else str(cfg["architecture"])
            _SPECS[name] = ModelSpec(
                name=name,
                source=self.name,
                architecture=PREFIX + str(cfg["architecture"]),
                preprocessing=shown.of(preprocessing_of(cfg, name, shown.size), name),
                label_space=label_space_of(int(network.num_classes), name) if order is None else order.space,  # type: ignore[arg-type]
                weights_hash=_hash(network, order),
                training_data=f"see the model card of {cfg.get('hf_hub_id') or name}",
                licence=str(cfg.get("license") or "unknown"),
                description=f"{cfg['architecture']} of timm with the weights {cfg.get('tag') or 'default'!r}",
                extra={
                    "timm": timm.__version__,
                    **shown.facts,
                    TIMM_WEIGHTS: weights,
                    **({WEIGHTS_NOTE: order.note} if order is not None else {}),
                },
                training_class=of_timm(weights),
            )
        return _SPECS[name]

    def build(self, spec: ModelSpec) -> nn.Module:
        """Build the network of a timm model, with its weights.

        Raises:
            CheckpointError: The weights have changed since the description.
            VitobenchError: See `resolve`.
        """
        from ..state_dicts import TimmNetwork

        network = _fetch(spec.name)
        order = _order(network, spec.name)
        spec.check_weights(_hash(network, order), spec.name)
        if order is not None:
            _read_out(network, order, spec.name)
        return TimmNetwork(network)


SOURCE = TimmSource()
