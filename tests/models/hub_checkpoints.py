"""Checkpoints as other libraries write them: real classes with small seeded networks, saved by the library itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from vitobench.tasks.images.classes import imagenet_synonyms


def imagenet_labels() -> dict[int, str]:
    """id2label as the checkpoints of ImageNet-1k have it."""
    return {number: ", ".join(names) for number, names in enumerate(imagenet_synonyms())}


def stirred(network: nn.Module, seed: int = 0) -> nn.Module:
    """A network whose predictions vary: fresh layers would give nearly the same for every image."""
    generator = torch.Generator().manual_seed(seed)
    for name, value in network.named_parameters():
        scale = 0.5 if "classifier" in name and value.ndim == 2 else 0.05
        value.data += scale * torch.randn(value.shape, generator=generator)
    for name, value in network.named_buffers():
        if name.endswith("running_mean"):
            value.copy_(0.1 * torch.randn(value.shape, generator=generator))
        if name.endswith("running_var"):
            value.copy_(0.5 + torch.rand(value.shape, generator=generator))
    return network.eval()


def save_transformers(folder: Path, kind: str, labels: dict[int, str] | None = None) -> Path:
    """Write a small checkpoint with its image processor by transformers' own ``save_pretrained``.

    Args:
        folder: Is made.
        kind: ``"vit"``, ``"resnet"``, ``"convnext"``, ``"swin"``, ``"deit"``, or ``"dinov2"`` without a classifier.
        labels: id2label; ImageNet's by default.
    """
    import transformers as t
    from transformers.utils import logging

    logging.disable_progress_bar()
    torch.manual_seed(0)
    named = {"id2label": imagenet_labels() if labels is None else labels}
    blocks = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    patches = blocks | {"image_size": 64, "patch_size": 16}
    square = {"height": 64, "width": 64}
    network: Any
    if kind == "vit":
        network = t.ViTForImageClassification(t.ViTConfig(**patches, **named))
        processor = t.ViTImageProcessor(size=square)
    elif kind == "resnet":
        stages = {"embedding_size": 8, "hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1], "layer_type": "basic"}
        network = t.ResNetForImageClassification(t.ResNetConfig(**stages, **named))
        processor = t.ConvNextImageProcessor(size={"shortest_edge": 64}, crop_pct=0.875)
    elif kind == "convnext":
        stages = {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1]}
        network = t.ConvNextForImageClassification(t.ConvNextConfig(**stages, **named))
        processor = t.ConvNextImageProcessor(size={"shortest_edge": 384})
    elif kind == "swin":
        stages = {"embed_dim": 16, "depths": [1, 1], "num_heads": [2, 2], "window_size": 4, "patch_size": 4}
        network = t.SwinForImageClassification(t.SwinConfig(image_size=64, **stages, **named))
        processor = t.ViTImageProcessor(size=square, resample=3)
    elif kind == "deit":
        network = t.DeiTForImageClassificationWithTeacher(t.DeiTConfig(**patches, **named))
        processor = t.DeiTImageProcessor(size={"height": 72, "width": 72}, crop_size=square)
    elif kind == "dinov2":
        config = t.Dinov2Config(
            hidden_size=32, num_hidden_layers=2, num_attention_heads=2, image_size=70, patch_size=14
        )
        network = t.Dinov2Model(config)
        processor = t.BitImageProcessor(size={"shortest_edge": 81}, crop_size={"height": 56, "width": 56})
    else:
        raise ValueError(kind)
    stirred(network).save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def edit_json(path: Path, **changes: object) -> None:
    """Set keys of a JSON object; None removes one."""
    content = json.loads(path.read_text(encoding="utf-8")) | changes
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}), encoding="utf-8")


CLIP = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "head_width": 32, "patch_size": 8},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}


def save_open_clip(folder: Path, kind: str = "clip") -> Path:
    """Write a small model in the form of open_clip's ``push_to_hf_hub``, with its bundled tokenizer.

    Args:
        folder: Is made.
        kind: ``"clip"``; ``"siglip"``, with SigLIP's text tower, bias and preprocessing; ``"resnet"``, OpenAI's.
    """
    import open_clip
    from open_clip.model import set_model_preprocess_cfg
    from open_clip.push_to_hf_hub import save_config_for_hf
    from safetensors.torch import save_file

    config = json.loads(json.dumps(CLIP))
    shown = {"mean": open_clip.OPENAI_DATASET_MEAN, "std": open_clip.OPENAI_DATASET_STD, "resize_mode": "shortest"}
    if kind == "siglip":
        config |= {"init_logit_bias": -10.0, "custom_text": True}
        config["text_cfg"] |= {"no_causal_mask": True, "pool_type": "last", "proj_bias": True, "context_length": 64}
        shown = {"mean": (0.5,) * 3, "std": (0.5,) * 3, "resize_mode": "squash"}
    if kind == "resnet":
        config["vision_cfg"] = {"image_size": 32, "layers": [1, 1, 1, 1], "width": 16, "head_width": 64}
    torch.manual_seed(0)
    towers = {key: value for key, value in config.items() if key != "custom_text"}
    network: Any = (open_clip.CustomTextCLIP if config.get("custom_text") else open_clip.CLIP)(**towers)
    stirred(network)
    set_model_preprocess_cfg(network, {"size": 32, "mode": "RGB", "interpolation": "bicubic", **shown})
    folder.mkdir(parents=True)
    save_config_for_hf(network, folder / "open_clip_config.json", config)
    save_file({k: v.contiguous() for k, v in network.state_dict().items()}, folder / "open_clip_model.safetensors")
    return folder
