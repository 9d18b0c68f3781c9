"""Checkpoints of transformers: their networks, and what their image processors do to a photograph.

Importing this imports torch and transformers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from PIL import Image
from torch import nn
from transformers import AutoImageProcessor, PretrainedConfig
from transformers.models.auto import modeling_auto
from transformers.utils import logging

from ..errors import CheckpointError
from ..files import read_json
from ..tasks.images.geometry import INTERPOLATIONS
from ..tasks.images.reading import fit
from .spec import Preprocessing
from .zoo_card import triple

PROCESSORS = ("preprocessor_config.json", "processor_config.json")

ENCODERS: Mapping[str, str] = modeling_auto.MODEL_FOR_IMAGE_MAPPING_NAMES
"""Type of a model, and transformers' class of its encoder of images."""

CLASSIFIERS: frozenset[str] = frozenset(
    name
    for names in modeling_auto.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES.values()
    for name in ([names] if isinstance(names, str) else names)
)
"""transformers' classes of image classifiers."""

ZERO_SHOT: Mapping[str, Any] = modeling_auto.MODEL_FOR_ZERO_SHOT_IMAGE_CLASSIFICATION_MAPPING_NAMES
"""Types of models that compare images with texts."""

# What an image processor does to a photograph.


_FILTERS = {2: "bilinear", 3: "bicubic"}  # Pillow's numbers
_STEPS = ("do_resize", "do_center_crop", "do_rescale", "do_normalize", "do_convert_rgb")
_LABELS_ONLY = ("do_reduce_labels",)  # of segmentations
_SETTINGS = frozenset(
    {
        "size",
        "crop_size",
        "resample",
        "rescale_factor",
        "image_mean",
        "image_std",
        "crop_pct",
        "default_to_square",
        "rescale_offset",
        "include_top",
        "image_processor_type",
        "feature_extractor_type",
        "processor_class",
        "_valid_processor_keys",
        "_processor_class",
        "auto_map",
        "data_format",
        "input_data_format",
        "return_tensors",
        "device",
        "disable_grouping",
        "pad_size",
        "num_channels",
    }
)
_NEITHER = ("rescale_offset", "include_top")  # of EfficientNet: a second normalisation
_SHAPES = ((1.37, 1.0), (1.0, 1.61), (1.0, 1.0), (2.03, 1.5))
_LEVEL = 1 / 255


def preprocessing_of(folder: Path, name: str) -> Preprocessing:
    """Translate a checkpoint's image processor, and compare the pixels of both on a few images.

    Args:
        folder: Of the checkpoint.
        name: The model's name, for messages.

    Returns:
        The preprocessing of transformers' processor in its form for Pillow, pixel for pixel. Its form for torchvision,
        which newer versions use by default, resizes the same with other rounding.

    Raises:
        CheckpointError: There is none, or it does something besides resizing, cropping and normalising.
    """
    settings = _settings(folder, name)
    kind = str(settings.get("image_processor_type", ""))
    if settings.get("auto_map") and kind and not hasattr(transformers, kind):
        raise CheckpointError(
            f"{name} wants to run code that comes with its image processor ({kind}: auto_map), which is never done. If "
            "transformers has one that does the same, write that into image_processor_type."
        )
    for key, value in settings.items():
        step = key.startswith("do_") and key not in (*_STEPS, *_LABELS_ONLY)
        if (step and value) or (not key.startswith("do_") and key not in _SETTINGS) or (key in _NEITHER and value):
            raise CheckpointError(
                f"{name}: its image processor has the step {key!r} ({value!r:.60}), which is unknown here. Supported "
                f"are {', '.join(_STEPS)}."
            )
    with quiet(name, "image processor"):
        processor = AutoImageProcessor.from_pretrained(
            folder, backend="pil", trust_remote_code=False, local_files_only=True
        )
    stated = _translated(processor, name)
    _check_pixels(processor, stated, name)
    return stated


def _settings(folder: Path, name: str) -> Mapping[str, Any]:
    for file in PROCESSORS:
        if (folder / file).is_file():
            content = read_json(folder / file, "a JSON object")
            settings = content.get("image_processor", content) if isinstance(content, dict) else None
            if file == PROCESSORS[0] or (isinstance(content, dict) and "image_processor" in content):
                if isinstance(settings, dict):
                    return settings
                raise CheckpointError(f"{name}: {folder / file} is not a JSON object.")
    raise CheckpointError(
        f"{name} has no {PROCESSORS[0]}, which says what its images look like. Copy that of the model it was made "
        "from, or write it with save_pretrained of its image processor."
    )


def _translated(processor: Any, name: str) -> Preprocessing:
    def refuse(what: str) -> CheckpointError:
        return CheckpointError(f"{name}: its image processor ({type(processor).__name__}) {what}.")

    size, crop = _sides(processor.size), _sides(getattr(processor, "crop_size", None))
    interpolation = _FILTERS.get(int(getattr(processor, "resample", None) or 0))
    if interpolation is None:
        number = getattr(processor, "resample", None)
        raise refuse(f"resizes with filter {number}; supported are {' and '.join(INTERPOLATIONS)}")
    if not processor.do_resize:
        raise refuse("does not resize images, and models here see images of one size")
    if not processor.do_rescale or abs(processor.rescale_factor - _LEVEL) > 1e-6:
        raise refuse(f"does not divide pixels by 255 (rescale_factor {processor.rescale_factor})")
    mean, std = triple((0, 0, 0)), triple((1, 1, 1))
    if processor.do_normalize:
        try:
            mean, std = triple(processor.image_mean), triple(processor.image_std)
        except (TypeError, ValueError):
            stated = f"{processor.image_mean} and {processor.image_std}"
            raise refuse(f"normalises with {stated:.200}; three means and three deviations are needed") from None
    if isinstance(size, int):
        resize, mode = size, "center-down"
        side = crop if getattr(processor, "do_center_crop", None) else None
        ratio = getattr(processor, "crop_pct", None)
        if side is None and ratio:  # ConvNeXt's: sizes below 384 are cut from a larger image, others are squashed
            side, resize, mode = (size, int(size / ratio), mode) if size < 384 else (size, size, "squash")
    elif size is not None and size[0] == size[1]:
        resize, mode = size[0], "squash"
        side = crop if getattr(processor, "do_center_crop", None) else (resize, resize)
    else:
        raise refuse(f"resizes images to {processor.size}; supported are a square and a shorter side")
    if isinstance(side, tuple) and side[0] == side[1]:
        side = side[0]
    if not isinstance(side, int):
        raise refuse(f"does not give square images (size {processor.size}, crop_size {crop})")
    if side > resize:
        raise refuse(f"crops {side} pixels out of images of {resize}")
    return Preprocessing(side, resize, interpolation, mean, std, mode)


def _sides(size: Any) -> int | tuple[int, int] | None:
    """The shorter side, or height and width; None for anything else."""
    given = {key: value for key, value in dict(size or {}).items() if value is not None}
    if set(given) == {"shortest_edge"}:
        return int(given["shortest_edge"])
    return (int(given["height"]), int(given["width"])) if set(given) == {"height", "width"} else None


def _check_pixels(processor: Any, stated: Preprocessing, name: str) -> None:
    """Compare the processor's output with ours, so that no step of it goes unnoticed.

    Raises:
        CheckpointError: They differ; by how much.
    """
    random = np.random.default_rng(0)
    mean, std = np.array(stated.mean)[:, None, None], np.array(stated.std)[:, None, None]
    for wide, high in _SHAPES:
        width, height = int(stated.resize * wide) + 1, int(stated.resize * high) + 2
        small = Image.fromarray(random.integers(0, 256, (9, 9, 3), dtype=np.uint8))
        image = small.resize((width, height), Image.Resampling.BICUBIC)
        with quiet(name, "image processor"):
            theirs = np.asarray(processor(images=image, return_tensors="np")["pixel_values"][0])
        ours = (fit(image, stated.geometry).transpose(2, 0, 1) / 255 - mean) / std
        same = theirs.shape == ours.shape
        levels = float(np.abs((theirs - ours) * std).max()) * 255 if same else float("inf")
        # A processor without a form for Pillow rounds differently when it resizes.
        if levels > (0.01 if getattr(processor, "backend", "pil") == "pil" else 3):
            what = (
                f"its pixels differ by up to {levels:.1f} of 255" if same else f"its images have shape {theirs.shape}"
            )
            raise CheckpointError(
                f"{name}: its image processor ({type(processor).__name__}) does something unknown to an image of "
                f"{width} x {height} pixels: {what} from {stated.resize} pixels ({stated.crop_mode}), cut to "
                f"{stated.size}."
            )


# Networks.


_NO_FACT = frozenset(
    {
        "_name_or_path",
        "architectures",
        "auto_map",
        "dtype",
        "id2label",
        "label2id",
        "model_type",
        "num_labels",
        "problem_type",
        "torch_dtype",
        "transformers_version",
    }
)
"""Keys of a configuration that do not say how its network is built."""

_POOLER = "pooler."  # of an encoder: not used
_SHOWN = 3


@contextmanager
def quiet(name: str, what: str) -> Iterator[None]:
    """Keep transformers' bars and remarks off the terminal, and explain its errors.

    Raises:
        CheckpointError: In place of any error of transformers.
    """
    before, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    except CheckpointError:
        raise
    except Exception as error:  # files of others: KeyError, TypeError, ValueError, OSError, SafetensorError, ...
        first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
        raise CheckpointError(
            f"transformers cannot use the {what} of {name} ({type(error).__name__}: {first[:300]})."
        ) from error
    finally:
        logging.set_verbosity(before)
        if bars:
            logging.enable_progress_bar()


def _class(name: str) -> Any:
    """A class of transformers, one of `CLASSIFIERS` or `ENCODERS`.

    Raises:
        CheckpointError: It is another, or this version does not have it.
    """
    network_class = getattr(transformers, name, None)
    if network_class is None or name not in (*CLASSIFIERS, *ENCODERS.values()):
        raise CheckpointError(f"transformers has no image classifier or encoder {name!r}; install a newer version.")
    return network_class


def load_network(folder: Path, architecture: str, size: int, name: str) -> Any:
    """Load the network of a checkpoint from safetensors, in float32.

    Args:
        folder: Of the checkpoint.
        architecture: One of `CLASSIFIERS`; anything else is read as the encoder of its type of model.
        size: Side of its images.
        name: The model's name, for messages.

    Returns:
        transformers' model, in evaluation mode.

    Raises:
        CheckpointError: Weights are missing or have other shapes, or the network does not take such images, or gives
            other outputs each time.
    """
    with quiet(name, "configuration"):
        kind = read_json(folder / "config.json")["model_type"]
    network_class = _class(architecture if architecture in CLASSIFIERS else ENCODERS[kind])
    with quiet(name, "network"):
        network, info = network_class.from_pretrained(
            folder,
            local_files_only=True,
            use_safetensors=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # which are refused below, with their names
            dtype=torch.float32,
        )
    lacking = [key for key in info["missing_keys"] if architecture in CLASSIFIERS or not key.startswith(_POOLER)]
    unused = [key for key in info["unexpected_keys"] if architecture in CLASSIFIERS]
    shapes = [key[0] if isinstance(key, tuple) else key for key in info["mismatched_keys"]]
    if lacking or unused or shapes:
        problems = (("missing", lacking), ("unexpected", unused), ("of another shape", shapes))
        said = "; ".join(f"{len(keys)} {what} ({_first(keys)})" for what, keys in problems if keys)
        raise CheckpointError(
            f"The weights of {name} are not those of {network_class.__name__}: {said}. A layer without its weights "
            "would be random; correct config.json (architectures, id2label, sizes), or copy all files of the "
            "checkpoint again."
        )
    _try(network.eval(), size, name)
    return network


def _try(network: Any, size: int, name: str) -> None:
    image = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(0))
    with quiet(name, f"network, on images of {size} pixels,"), torch.inference_mode():
        once, again = (network(pixel_values=image).to_tuple()[0] for _ in range(2))
    if not torch.equal(once, again):
        raise CheckpointError(
            f"{name} gives other outputs for the same image each time, as a network that masks patches at random. Load "
            f"its encoder into a class that does not, and save that."
        )


def _first(keys: Any) -> str:
    names = [str(key) for key in keys]
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")


def architecture_of(network: Any, config: Mapping[str, Any]) -> str:
    """The class of a network and what its ``config.json`` says of how it is built.

    Returns:
        Such as ``ViTModel{"hidden_size":384}``; `untrained` builds the network from it.
    """
    facts = {key: value for key, value in config.items() if key not in _NO_FACT}
    # A plus would separate an encoder from its head.
    text = json.dumps(facts, sort_keys=True, separators=(",", ":")).replace("+", "\\u002b")
    return f"{type(network).__name__}{text}"


def heads_of(network: Any, architecture: str) -> list[str]:
    """Names of the layers that make a network a classifier.

    Args:
        network: One of `CLASSIFIERS`.
        architecture: From `architecture_of`.

    Raises:
        CheckpointError: It has none that can be left out.
    """
    with torch.device("meta"):
        without = dict(untrained(architecture)[0].named_modules())
    heads = [
        name
        for name, module in network.named_modules()
        if isinstance(module, nn.Linear) and not isinstance(without.get(name), nn.Linear)
    ]
    if not heads:
        raise CheckpointError(f"{type(network).__name__} has no linear classifier.")
    return heads


def untrained(architecture: str) -> tuple[nn.Module, int]:
    """Build a network without its classifier.

    Args:
        architecture: As from `architecture_of`.

    Returns:
        The network, and the side of the images that its configuration states, or 224.

    Raises:
        CheckpointError: There is no such class, or it cannot be built so.
    """
    kind, brace, facts = architecture.partition("{")
    network_class = _class(kind)
    with quiet(architecture, "network"):
        config: PretrainedConfig = network_class.config_class(**json.loads(brace + facts))
        if kind in CLASSIFIERS:
            config.num_labels = 0
        network = network_class(config)
    size = getattr(config, "image_size", None)
    return network, size if isinstance(size, int) else 224
