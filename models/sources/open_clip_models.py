"""Zero-shot classifiers of open_clip, CLIP, SigLIP and their kin: ``openclip:ARCH/PRETRAINED`` or ``openclip:DIR``."""

from __future__ import annotations

import importlib
import importlib.util
import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import CheckpointError, VitobenchError, unknown_name
from ...files import home_path, read_json
from ...identity import digest
from ...tasks.images.geometry import INTERPOLATIONS
from ..named_file import split_options, with_options
from ..spec import ModelSpec, Preprocessing
from ..training_data import UNKNOWN, WEB
from ..zero_shot import CLASS_NAMES, TEMPLATES, Wording, class_embeddings, tokens_digest, wording
from ..zoo_card import triple
from .source import Source, WeightsFolder, report

if TYPE_CHECKING:
    from torch import nn

PREFIX = "openclip:"
HUB = "hf-hub:"

_CONFIG = "open_clip_config.json"
_EXTRA = "clip"
_INSTALL = f"pip install 'vitobench[{_EXTRA}]'"
_OPTIONS = {
    "classes": "|".join(CLASS_NAMES),
    "names": "FILE",
    "templates": f"{'|'.join(TEMPLATES)}|FILE",
}
_CROP_MODES = {"shortest": "center", "squash": "squash"}
"""open_clip's names of what it does to a photograph, and ours."""


@dataclass(frozen=True)
class Named:
    """What a name asks for.

    Attributes:
        model: What open_clip calls the model: an architecture, ``local-dir:DIR`` or ``hf-hub:OWNER/NAME``.
        weights: A tag of open_clip or a file; empty if the model says where its weights are.
        options: Values of ``_OPTIONS``.
        name: As typed.
    """

    model: str
    weights: str
    options: Mapping[str, str]
    name: str

    @property
    def folder(self) -> Path | None:
        """The user's folder, if it is one."""
        return Path(self.model.removeprefix("local-dir:")) if self.model.startswith("local-dir:") else None


def parse(name: str) -> Named:
    """Take a name apart.

    Raises:
        CheckpointError: An option is not understood, or a folder has no configuration.
        UnknownNameError: open_clip has no such architecture, or no such weights for it.
    """
    import open_clip

    text, options = split_options(name, PREFIX, _OPTIONS, "ARCH/PRETRAINED")
    if text.startswith(HUB):
        return Named(text, "", options, name)
    architecture, _, weights = text.partition("/")
    known = open_clip.list_models()
    if architecture in known and weights:
        tags = open_clip.list_pretrained_tags_by_model(architecture)
        if weights not in tags and not home_path(weights).is_file():
            hint = f"Or write a file with weights of your own: {PREFIX}{architecture}/FILE."
            raise unknown_name(f"set of weights of {architecture}", weights, tags, hint)
        return Named(architecture, weights if weights in tags else str(home_path(weights)), options, name)
    folder = home_path(text)
    if folder.is_dir():
        if not (folder / _CONFIG).is_file():
            raise CheckpointError(
                f"{folder} has no {_CONFIG}, which says how the towers are built. open_clip's push_to_hf_hub writes "
                f"it; for weights of a published architecture write {PREFIX}ARCH/FILE."
            )
        return Named(f"local-dir:{folder}", "", options, name)
    if architecture in known:
        tags = ", ".join(open_clip.list_pretrained_tags_by_model(architecture)) or "none"
        raise CheckpointError(
            f"{name} names no weights. Write {PREFIX}{architecture}/PRETRAINED, a tag of open_clip ({tags}) or a file."
        )
    hint = f"{folder} is no folder either. Write {PREFIX}ARCH/PRETRAINED, {PREFIX}DIR or {PREFIX}{HUB}OWNER/NAME."
    raise unknown_name("architecture of open_clip", architecture, known, hint)


def preprocessing_of(cfg: Mapping[str, Any], name: str) -> Preprocessing:
    """Translate open_clip's preprocessing of a model.

    Args:
        cfg: Of ``open_clip.get_model_preprocess_cfg``.
        name: The model's name, for messages.

    Returns:
        The preprocessing of ``open_clip.image_transform_v2``, pixel for pixel on RGB images. (Others it resizes before
        it converts them.)

    Raises:
        CheckpointError: Its images are not square, or something else is done to them.
    """
    size = cfg["size"]
    height, width = size if isinstance(size, (tuple, list)) else (size, size)
    mode, interpolation = cfg.get("resize_mode", "shortest"), cfg.get("interpolation", "bicubic")
    if height != width or mode not in _CROP_MODES or interpolation not in INTERPOLATIONS:
        raise CheckpointError(
            f"{name} takes images of {height} x {width} pixels, resize_mode {mode!r}, {interpolation} interpolation; "
            f"supported are square images, resize_mode {' or '.join(_CROP_MODES)}, and {' or '.join(INTERPOLATIONS)}."
        )
    mean, std = triple(cfg["mean"]), triple(cfg["std"])
    return Preprocessing(height, height, interpolation, mean, std, _CROP_MODES[mode])


def _config(named: Named) -> dict[str, Any]:
    """The configuration of the towers.

    Raises:
        CheckpointError: It is not one, or asks for code from elsewhere.
    """
    import open_clip

    if named.folder is not None:
        whole = read_json(named.folder / _CONFIG, "an object with model_cfg and preprocess_cfg")
        config = whole.get("model_cfg") if isinstance(whole, dict) else None
        parts = ("vision_cfg", "text_cfg")
        if not isinstance(config, dict) or not all(isinstance(config.get(part), dict) for part in parts):
            raise CheckpointError(
                f"{named.folder / _CONFIG} must have model_cfg with embed_dim, vision_cfg and text_cfg."
            )
    else:
        with _explained(named, "configuration"):
            config = open_clip.get_model_config(named.model)
    if "trust_remote_code" in (config["text_cfg"].get("tokenizer_kwargs") or {}):
        raise CheckpointError(
            f"{named.name} wants to run code that comes with its tokenizer (trust_remote_code), which is never done. "
            f"Remove it from tokenizer_kwargs in {_CONFIG} and put the tokenizer's tokenizer.json beside it."
        )
    return config


def _tokenizer(named: Named, config: Mapping[str, Any]) -> Any:
    """The model's tokenizer.

    Raises:
        VitobenchError: It is not here and cannot be fetched.
    """
    import open_clip

    wanted = config["text_cfg"].get("hf_tokenizer_name")
    if wanted and importlib.util.find_spec("transformers") is None:
        raise VitobenchError(f"The tokenizer of {named.name} needs transformers: {_INSTALL}")
    try:
        with _quiet():
            # The option is of transformers' tokenizers alone.
            return open_clip.get_tokenizer(named.model, **({"trust_remote_code": False} if wanted else {}))
    except Exception as error:  # transformers and each hub client have their own
        if named.folder is not None:
            mend = f"Put its files (tokenizer.json, tokenizer_config.json) into {named.folder}."
        else:
            mend = (
                f"""Where there is a network, python -c "import open_clip; open_clip.get_tokenizer('{named.model}')" """
                "fetches it into the folder of HF_HOME, which can be copied; or put model, open_clip_config.json and "
                f"tokenizer into a folder and write {PREFIX}DIR."
            )
        what = f"The tokenizer {wanted!r}" if wanted else "The tokenizer"
        raise VitobenchError(
            f"{what} of {named.name} is not here and could not be fetched ({_first(error)}). {mend}"
        ) from error


def _network(named: Named, config: Mapping[str, Any]) -> Any:
    """open_clip's model with its weights.

    Raises:
        VitobenchError: The weights are missing, damaged, unsafe, do not fit, or cannot be fetched.
    """
    import open_clip

    _check_files(named)
    tag: Mapping[str, Any] = open_clip.get_pretrained_cfg(named.model, named.weights) if named.weights else {}
    with _explained(named, "weights"), _quiet():
        return open_clip.create_model(
            named.model,
            pretrained=named.weights or None,
            # open_clip only warns where the weights were trained with another activation than the architecture's name
            # stands for, such as ViT-B-32/openai: it then computes something else.
            force_quick_gelu=bool(tag.get("quick_gelu") or config.get("quick_gelu")),
            pretrained_text=False,
            require_pretrained=True,
        ).eval()


def _check_files(named: Named) -> None:
    """Refuse files of the user that are damaged or would run code, with this project's words."""
    from ..state_dicts import check_file, load_torch

    if named.folder is not None:
        safe = sorted(named.folder.glob("*.safetensors"))
        files = safe or sorted([*named.folder.glob("*.bin"), *named.folder.glob("*.pth")])
        if not files:
            raise CheckpointError(
                f"{named.folder} has a configuration and no weights. Put open_clip_model.safetensors into it."
            )
    else:
        files = [Path(named.weights)] if named.weights and Path(named.weights).is_file() else []
    for path in files:
        check_file(path)
        if path.suffix == ".safetensors":
            from ..safetensors_header import read_header

            read_header(path)
        elif path.suffix not in (".npz", ".npy"):
            load_torch(path)


@contextmanager
def _explained(named: Named, what: str) -> Iterator[None]:
    try:
        yield
    except VitobenchError:
        raise
    except (RuntimeError, KeyError, ValueError, TypeError, AssertionError) as error:
        if "ownload" not in str(error) and "HF Hub" not in str(error):
            raise CheckpointError(
                f"The {what} of {named.name} could not be loaded ({_first(error)}). Name the architecture that they "
                f"were trained with, or correct {_CONFIG}."
            ) from error
        raise VitobenchError(_unfetched(named, what, error)) from error
    except Exception as error:  # every transport and hub client has its own exceptions
        raise VitobenchError(_unfetched(named, what, error)) from error


def _unfetched(named: Named, what: str, error: Exception) -> str:
    return (
        f"The {what} of {named.name} could not be fetched ({_first(error)}). Without a network, bring the weights as a "
        f"file: {PREFIX}ARCH/FILE, or with {_CONFIG} in a folder: {PREFIX}DIR."
    )


def _first(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {' '.join(lines[:2])[:300]}"


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep open_clip's remarks on what it loads off the terminal, and let transformers ask nobody to run code."""
    installed = importlib.util.find_spec("transformers") is not None
    remote: Any = importlib.import_module("transformers.dynamic_module_utils") if installed else None
    waits = getattr(remote, "TIME_OUT_REMOTE_CODE", 0)
    logging.disable(logging.ERROR)
    try:
        if remote is not None:
            remote.TIME_OUT_REMOTE_CODE = 0
        yield
    finally:
        logging.disable(logging.NOTSET)
        if remote is not None:
            remote.TIME_OUT_REMOTE_CODE = waits


def _tower(config: Mapping[str, Any]) -> str:
    """The architecture of the image tower, so that it can be built again without the text tower."""
    facts = {key: config.get(key) for key in ("embed_dim", "vision_cfg", "quick_gelu")}
    return PREFIX + json.dumps(facts, sort_keys=True, separators=(",", ":")).replace("+", "\\u002b")


class OpenClipSource(Source):
    """Zero-shot classifiers of open_clip."""

    name = "open_clip"
    prefix = PREFIX
    form = "openclip:ARCH/PRETRAINED"
    about = (
        "a zero-shot classifier of open_clip (CLIP, SigLIP, ...), fetched over the network; openclip:DIR for a folder"
    )
    extra = _EXTRA
    extra_is_for = "for openclip: models"
    libraries = ("open_clip_torch", "transformers")

    def complete_after_prefix(self, typed: str) -> list[str]:
        """Architectures with the tags of their weights; imports open_clip."""
        import open_clip

        return [name for name in ("/".join(pair) for pair in open_clip.list_pretrained()) if name.startswith(typed)]

    def downloads_to(self) -> WeightsFolder | None:
        """The cache of the Hugging Face hub."""
        try:
            from huggingface_hub.constants import HF_HUB_CACHE
        except ImportError:
            return None
        return WeightsFolder("weights of open_clip", Path(HF_HUB_CACHE), "HF_HOME")

    def with_classes(self, name: str, label_space: str) -> str | None:
        """The same model with the names of another label space."""
        text, options = split_options(name, PREFIX, _OPTIONS, "ARCH/PRETRAINED")
        if label_space not in CLASS_NAMES or "names" in options:
            return None
        return with_options(f"{PREFIX}{text}", options | {"classes": label_space})

    def encoder(self, architecture: str) -> nn.Module:
        """An untrained image tower.

        Raises:
            VitobenchError: open_clip is not installed, or cannot build it.
        """
        import open_clip

        from ..hub_networks import ImageTower

        config = json.loads(architecture.removeprefix(PREFIX))
        smallest = {"context_length": 8, "vocab_size": 16, "width": 64, "heads": 1, "layers": 1}
        return ImageTower(open_clip.CLIP(**config, text_cfg=smallest).visual)

    def resolve(self, name: str) -> ModelSpec:
        """Describe a zero-shot classifier. Its weights are loaded, because their hash is part of the description.

        Args:
            name: ``openclip:ARCH/PRETRAINED`` with a tag of open_clip or a file, ``openclip:DIR`` or
                ``openclip:hf-hub:OWNER/NAME``; then ``?classes=SPACE``, ``names=FILE`` and ``templates=80|7|1|FILE``.

        Raises:
            UnknownNameError: open_clip has no such architecture or weights.
            CheckpointError: A file does not fit, is damaged or unsafe, or the wording cannot be used.
            VitobenchError: open_clip is not installed, or something cannot be fetched.
        """
        _check_installed()
        import open_clip

        named = parse(name)
        config = _config(named)
        asked = _asked(named)
        tokens = tokens_digest(_tokenizer(named, config), asked, name)
        model = _network(named, config)
        return ModelSpec(
            name=name,
            source=self.name,
            architecture=_tower(config | {"quick_gelu": _activation(named, config)}),
            preprocessing=preprocessing_of(open_clip.get_model_preprocess_cfg(model), name),
            label_space=asked.label_space,
            weights_hash=_hash(model, config, asked, tokens),
            training_data=f"pairs of images and texts ({named.weights or named.model.rpartition('/')[2]})",
            # What open_clip publishes was trained on pairs from the web; of a file nothing is known.
            training_class=WEB if open_clip.is_pretrained_cfg(named.model, named.weights) else UNKNOWN,
            description=f"zero-shot: {named.model.rpartition('/')[2]}, {asked.described}",
            extra={
                "open_clip": open_clip.__version__,
                "class_names": asked.described,
                "first_prompt": asked.prompts(asked.names[0])[0],
            },
        )

    def build(self, spec: ModelSpec) -> nn.Module:
        """Build the classifier. The embeddings of the classes are computed at the first use, and kept.

        Raises:
            CheckpointError: The weights, the tokenizer or the wording have changed since the description.
            VitobenchError: See `resolve`.
        """
        from ..hub_networks import ZeroShot

        named = parse(spec.name)
        config = _config(named)
        asked = _asked(named)
        tokenizer = _tokenizer(named, config)
        model = _network(named, config)
        key = _hash(model, config, asked, tokens_digest(tokenizer, asked, spec.name))
        spec.check_weights(key, spec.name)
        embeddings = class_embeddings(model, tokenizer, asked, key, report)
        bias = 0.0 if model.logit_bias is None else float(model.logit_bias.detach().reshape(()))
        return ZeroShot(model.visual, embeddings, float(model.logit_scale.detach().exp().reshape(())), bias)


def _activation(named: Named, config: Mapping[str, Any]) -> bool:
    import open_clip

    tag = open_clip.get_pretrained_cfg(named.model, named.weights) if named.weights else {}
    return bool(tag.get("quick_gelu") or config.get("quick_gelu"))


def _asked(named: Named) -> Wording:
    options = named.options
    return wording(options.get("classes"), options.get("names"), options.get("templates"), named.name)


def _hash(model: nn.Module, config: Mapping[str, Any], asked: Wording, tokens: str) -> str:
    from ..state_dicts import tensors_digest

    weights = tensors_digest(model.state_dict())
    return digest([weights, dict(config["text_cfg"]), asked.names, asked.templates, tokens])


def _check_installed() -> None:
    if importlib.util.find_spec("open_clip") is None:
        raise VitobenchError(f"{PREFIX} models need open_clip: {_INSTALL}")


SOURCE = OpenClipSource()
