"""Checkpoints of transformers beside transformers itself: real classes with small seeded networks, saved by it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from timm.data import ImageNetInfo

from vitobench.errors import CheckpointError, VitobenchError
from vitobench.models import registry
from vitobench.models.class_order import order_of
from vitobench.models.model import Model
from vitobench.models.pooled_layers import LayerPool
from vitobench.models.probing.heads import encoder_of
from vitobench.models.sources.hugging_face_models import SOURCE
from vitobench.models.spec import ModelSpec
from vitobench.tasks.images.reading import decode
from vitobench.tests.models.hub_checkpoints import edit_json, imagenet_labels, save_transformers

transformers = pytest.importorskip(
    "transformers", reason="transformers is not installed: pip install 'vitobench[test]'"
)

CLASSIFIERS = ("vit", "resnet", "convnext", "swin", "deit")
KINDS = (*CLASSIFIERS, "dinov2")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folder = tmp_path_factory.mktemp("transformers")

    def call(kind: str) -> Path:
        return folder / kind if (folder / kind).is_dir() else save_transformers(folder / kind, kind)

    return call


@pytest.fixture
def changed(saved: Callable[[str], Path], tmp_path: Path) -> Callable[..., Path]:
    """A copy of a checkpoint with other keys in its configuration or processor."""

    def call(kind: str = "vit", processor: bool = False, **changes: object) -> Path:
        folder = tmp_path / "changed"
        shutil.copytree(saved(kind), folder)
        edit_json(folder / ("preprocessor_config.json" if processor else "config.json"), **changes)
        return folder

    return call


def both(model: Model, folder: Path, pictures: list[Path]) -> tuple[torch.Tensor, torch.Tensor]:
    """Our uint8 pixels, and what transformers' own processor (for Pillow) makes of the same files."""
    pixels = np.stack([decode(path, model.spec.preprocessing.geometry) for path in pictures])
    processor = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil")
    theirs = processor(images=[Image.open(path).convert("RGB") for path in pictures], return_tensors="pt")
    return torch.from_numpy(pixels).permute(0, 3, 1, 2), theirs["pixel_values"].float()


@pytest.mark.parametrize("kind", KINDS)
def test_pixels_logits_and_features_are_those_of_transformers(
    kind: str, saved: Callable[[str], Path], pictures: list[Path]
) -> None:
    folder = saved(kind)
    model = registry.load(f"hf:{folder}")
    images, values = both(model, folder, pictures)
    pre = model.spec.preprocessing
    mean, std = (torch.tensor(numbers).view(3, 1, 1) for numbers in (pre.mean, pre.std))
    shown = (values * std + mean) * 255
    assert float((shown - images).abs().max()) < 1e-3  # of 255: the same pixel everywhere
    plain = transformers.AutoModelForImageClassification if kind in CLASSIFIERS else transformers.AutoModel
    plain = plain.from_pretrained(folder).eval()
    with torch.inference_mode():
        wanted = plain(pixel_values=values)
    features = model.features(images)
    if kind == "dinov2":
        assert model.spec.label_space == "none"
        torch.testing.assert_close(features, wanted.pooler_output, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(model.tokens(images), wanted.last_hidden_state[:, 1:], rtol=1e-4, atol=1e-4)
    else:
        assert model.spec.label_space == "imagenet-1k"
        torch.testing.assert_close(model.logits(images), wanted.logits, rtol=1e-4, atol=1e-4)
        assert len(set(wanted.logits.argmax(1).tolist())) > 1  # a comparison of constants would show nothing
    encoder = encoder_of(model.network, model.spec.architecture)
    with torch.inference_mode():
        torch.testing.assert_close(encoder.features(values), features, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(encoder.tokens(values), model.tokens(images), rtol=1e-3, atol=1e-4)


def test_the_last_layer_of_a_vit_gives_its_logits_from_the_features(
    saved: Callable[[str], Path], pictures: list[Path]
) -> None:
    folder = saved("vit")
    model = registry.load(f"hf:{folder}")
    images, values = both(model, folder, pictures[:2])
    plain = transformers.ViTForImageClassification.from_pretrained(folder).eval()
    with torch.inference_mode():
        logits = plain.classifier(model.features(images))
        hidden = plain.vit(values).last_hidden_state
    torch.testing.assert_close(logits, model.logits(images), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(model.tokens(images), hidden[:, 1:], rtol=1e-4, atol=1e-4)  # no class token


def test_outputs_in_another_order_are_read_by_their_names(changed: Callable[..., Path], saved: Callable) -> None:
    from safetensors.torch import load_file, save_file

    from vitobench.tasks.images.classes import imagenet_wnids

    order = torch.randperm(1000, generator=torch.Generator().manual_seed(0))
    folder = changed(id2label={str(n): imagenet_wnids()[label] for n, label in enumerate(order.tolist())})
    state = load_file(folder / "model.safetensors")
    for name in ("classifier.weight", "classifier.bias"):
        state[name] = state[name][order].contiguous()
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    images = torch.randint(0, 256, (3, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    one, other = registry.load(f"hf:{saved('vit')}"), registry.load(f"hf:{folder}")
    torch.testing.assert_close(other.logits(images), one.logits(images), rtol=1e-5, atol=1e-5)
    assert not torch.allclose(other.network.network(images / 255).logits, one.network.network(images / 255).logits)
    (folder / "names.txt").write_text("\n".join(imagenet_labels()[label] for label in order.tolist()))
    edit_json(folder / "config.json", id2label={str(n): f"LABEL_{n}" for n in range(1000)})
    with pytest.raises(CheckpointError, match=r"output \d+, '.*', may be n\d+ .* or n"):  # two cranes in no order
        registry.load(f"hf:{folder}?labels={folder / 'names.txt'}")
    (folder / "names.txt").write_text("\n".join(imagenet_wnids()[label] for label in order.tolist()))
    third = registry.load(f"hf:{folder}?labels={folder / 'names.txt'}")
    torch.testing.assert_close(third.logits(images), one.logits(images), rtol=1e-5, atol=1e-5)
    fourth = registry.resolve(f"hf:{folder}?labels=imagenet-1k")
    assert fourth.weights_hash != third.spec.weights_hash


def test_a_head_of_a_larger_label_space_is_read_at_the_thousand(tmp_path: Path) -> None:
    info = ImageNetInfo("imagenet-21k-goog")
    names = {number: info.index_to_description(number) for number in range(info.num_classes())}
    folder = save_transformers(tmp_path / "large", "vit", names)
    model = registry.load(f"hf:{folder}")
    assert model.spec.label_space == "imagenet-1k"
    order = order_of(len(names), "imagenet-21k-goog", "")
    assert order is not None
    assert order.lacking
    assert "imagenet-21k-goog" in model.spec.extra["weights_note"]
    values = torch.rand(2, 3, 64, 64)
    plain = transformers.AutoModelForImageClassification.from_pretrained(folder).eval()
    with torch.inference_mode():
        whole, ours = plain(pixel_values=values).logits, model.network(values)
    rows = torch.tensor(order.outputs)
    torch.testing.assert_close(ours[:, rows >= 0], whole[:, rows[rows >= 0]])
    assert bool((ours[:, rows < 0] == -1e4).all())
    edit_json(folder / "config.json", id2label={str(number): f"LABEL_{number}" for number in names})
    with pytest.raises(CheckpointError, match=r"no names .*\?labels=imagenet-21k-goog if they are in the order"):
        registry.load(f"hf:{folder}")
    assert registry.resolve(f"hf:{folder}?labels=imagenet-21k-goog").label_space == "imagenet-1k"


def test_the_identity_covers_weights_configuration_processor_and_labels(
    saved: Callable[[str], Path], tmp_path: Path
) -> None:
    first = registry.resolve(f"hf:{saved('vit')}")
    copy = tmp_path / "copy"
    shutil.copytree(saved("vit"), copy)
    assert registry.resolve(f"hf:{copy}").identity.partition("@")[2] == first.identity.partition("@")[2]
    assert SOURCE.still_describes(first)
    edit_json(copy / "config.json", hidden_act="relu")
    second = registry.resolve(f"hf:{copy}")
    edit_json(copy / "preprocessor_config.json", image_mean=[0.4, 0.5, 0.6])
    third = registry.resolve(f"hf:{copy}")
    assert third.preprocessing.mean == (0.4, 0.5, 0.6)
    assert len({spec.identity.partition("@")[2] for spec in (first, second, third)}) == 3
    assert not SOURCE.still_describes(second)
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    with pytest.raises(CheckpointError, match="changed after the model was described"):
        registry.load(third)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"do_solarize": True}, r"the step 'do_solarize' \(True\), which is unknown here. Supported are do_resize"),
        ({"sharpen": 3}, "the step 'sharpen'"),
        ({"do_pad": True}, "the step 'do_pad'"),
        ({"resample": 0}, "resizes with filter 0; supported are bilinear and bicubic"),
        ({"do_resize": False}, "does not resize images"),
        ({"rescale_factor": 1 / 127.5}, "does not divide pixels by 255"),
        ({"size": {"height": 64, "width": 60}}, "supported are a square and a shorter side"),
        ({"image_mean": [0.5]}, "three means and three deviations"),
        ({"do_center_crop": True, "crop_size": {"height": 96, "width": 96}}, "crops 96 pixels out of images of 64"),
        ({"size": {"height": 96, "width": 96}}, r"on images of 96 pixels.*doesn't match model"),
        ({"image_processor_type": "LevitImageProcessor", "size": {"shortest_edge": 64},
          "crop_size": {"height": 64, "width": 64}},
         r"LevitImageProcessor.* does something unknown to an image of 88 x 66 pixels"),
        ({"image_processor_type": "Mine", "auto_map": {"AutoImageProcessor": "x.Mine"}}, "wants to run code"),
    ],
)  # fmt: skip
def test_a_processor_that_does_something_else_is_refused(
    changed: Callable[..., Path], changes: dict[str, object], said: str
) -> None:
    with pytest.raises(CheckpointError, match=said):
        registry.resolve(f"hf:{changed(processor=True, **changes)}")


MINE = {"AutoConfig": "mine.Config", "AutoModelForImageClassification": "mine.Network"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"model_type": "mine", "architectures": ["Mine"], "auto_map": MINE},
            r"run code that comes with it .*auto_map",
        ),
        ({"architectures": None}, "does not say which class"),
        ({"architectures": ["CLIPModel"], "model_type": "clip"}, "neither an image classifier nor .*openclip:"),
        ({"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2"}, "neither an image classifier nor"),
        ({"architectures": ["TimmWrapperForImageClassification"], "model_type": "timm_wrapper"}, "timm:hf-hub:"),
        ({"hidden_size": 16, "intermediate_size": 32}, r"not those of ViTForImageClassification: \d+ of another shape"),
        ({"num_hidden_layers": 3}, r"\d+ missing \(vit\."),
        ({"num_hidden_layers": 1}, r"\d+ unexpected \(vit\."),
        ({"id2label": {str(n + 1): name for n, name in imagenet_labels().items()}}, "keys of id2label"),
        ({"id2label": {str(n): name for n, name in list(imagenet_labels().items())[:999]}}, "2 of another shape"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused(
    changed: Callable[..., Path], changes: dict[str, object], said: str
) -> None:
    folder = changed(**changes)
    proof = folder / "ran"
    (folder / "mine.py").write_text(f"open({str(proof)!r}, 'w')\nclass Config: pass\nclass Network: pass\n")
    with pytest.raises(CheckpointError, match=said):
        registry.resolve(f"hf:{folder}")
    assert not proof.exists()


def test_code_beside_a_known_class_is_never_run(changed: Callable[..., Path]) -> None:
    folder = changed(auto_map=MINE)
    (folder / "mine.py").write_text(f"open({str(folder / 'ran')!r}, 'w')\nclass Config: pass\nclass Network: pass\n")
    edit_json(folder / "preprocessor_config.json", auto_map={"AutoImageProcessor": "mine.Processor"})
    assert registry.resolve(f"hf:{folder}").label_space == "imagenet-1k"
    assert not (folder / "ran").exists()


def test_weights_that_are_pickled_absent_or_elsewhere_are_refused(changed: Callable[..., Path]) -> None:
    folder = changed()
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match="transformers cannot use the network"):
        registry.resolve(f"hf:{folder}")
    weights.rename(folder / "pytorch_model.bin")
    with pytest.raises(
        CheckpointError, match=r"has only pytorch_model.bin; model.safetensors is needed.*save_pretrained"
    ):
        registry.resolve(f"hf:{folder}")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "../elsewhere.safetensors"}}))
    with pytest.raises(CheckpointError, match="names files that are not in its folder"):
        registry.resolve(f"hf:{folder}")
    (folder / "model.safetensors.index.json").unlink()
    (folder / "pytorch_model.bin").unlink()
    with pytest.raises(CheckpointError, match="has no weights"):
        registry.resolve(f"hf:{folder}")
    (folder / "preprocessor_config.json").unlink()
    weights.write_bytes(whole)
    with pytest.raises(CheckpointError, match=r"has no preprocessor_config.json.*Copy that"):
        registry.resolve(f"hf:{folder}")


def test_weights_in_several_files_are_the_same_model(saved: Callable[[str], Path], tmp_path: Path) -> None:
    plain = transformers.ViTForImageClassification.from_pretrained(saved("vit"))
    plain.save_pretrained(tmp_path / "shards", max_shard_size="40KB")
    shutil.copy(saved("vit") / "preprocessor_config.json", tmp_path / "shards")
    assert len(list((tmp_path / "shards").glob("*.safetensors"))) > 1
    images = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    one, other = (registry.load(f"hf:{folder}").logits(images) for folder in (saved("vit"), tmp_path / "shards"))
    torch.testing.assert_close(one, other)


def test_a_network_that_masks_at_random_is_refused(tmp_path: Path) -> None:
    small = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    decoder = {f"decoder_{key}": value for key, value in small.items()}
    network = transformers.ViTMAEForPreTraining(
        transformers.ViTMAEConfig(**small, **decoder, image_size=64, patch_size=16)
    )
    network.save_pretrained(tmp_path)
    transformers.ViTImageProcessor(size={"height": 64, "width": 64}).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="other outputs for the same image each time"):
        registry.resolve(f"hf:{tmp_path}")


def test_what_is_not_here_says_what_to_write(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub

    def fail(*args: object, **kwargs: object) -> str:
        assert not any(pattern.endswith((".py", ".bin")) for pattern in kwargs["allow_patterns"])
        raise OSError("Name or service not known")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    with pytest.raises(VitobenchError, match=r"hf:google/vit could not be fetched .*not known.*write hf:DIR"):
        registry.resolve("hf:google/vit")
    with pytest.raises(CheckpointError, match="there is no folder '/nowhere/at/all'"):
        registry.resolve("hf:/nowhere/at/all")
    with pytest.raises(CheckpointError, match=r"has no config\.json"):
        registry.resolve(f"hf:{tmp_path}")
    (tmp_path / "open_clip_config.json").write_text("{}")
    with pytest.raises(CheckpointError, match="Write openclip:"):
        registry.resolve(f"hf:{tmp_path}")
    with pytest.raises(CheckpointError, match=r"option 'label=x' .* valid are labels=imagenet-1k\|"):
        registry.resolve(f"hf:{tmp_path}?label=x")
    with pytest.raises(CheckpointError, match=r"two question marks; join options by &"):
        registry.resolve(f"hf:{tmp_path}?labels=x?labels=y")
    with pytest.raises(CheckpointError, match=r"names no model; write hf:OWNER/NAME or hf:OWNER/NAME\?labels="):
        registry.resolve("hf:?labels=x")


def test_a_repository_is_fetched_without_code_or_pickles(
    saved: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda repository, allow_patterns: str(saved("vit")))
    spec: ModelSpec = registry.resolve("hf:google/vit")
    assert spec.name == "hf:google/vit"
    assert spec.weights_hash == registry.resolve(f"hf:{saved('vit')}").weights_hash
    assert not SOURCE.still_describes(spec)  # only the hub can tell


def test_names_are_completed_by_folders(saved: Callable[[str], Path]) -> None:
    folder = saved("vit").parent
    assert f"hf:{folder}/vit" in registry.complete(f"hf:{folder}/v")


def test_an_encoder_gives_its_class_token_and_no_register_among_its_patches(tmp_path: Path) -> None:
    small = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    made = {
        "vit": transformers.ViTModel(transformers.ViTConfig(**small, image_size=64, patch_size=16)),
        "dinov3": transformers.DINOv3ViTModel(
            transformers.DINOv3ViTConfig(**small, image_size=64, patch_size=16, num_register_tokens=4)
        ),
    }
    for name, network in made.items():
        network.save_pretrained(tmp_path / name)
        transformers.ViTImageProcessor(size={"height": 64, "width": 64}).save_pretrained(tmp_path / name)
        model = registry.load(f"hf:{tmp_path / name}")
        images = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
        with torch.inference_mode():
            last = network.eval()(pixel_values=(images / 255 - 0.5) / 0.5).last_hidden_state
        torch.testing.assert_close(model.features(images), last[:, 0], rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(model.tokens(images), last[:, -16:], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_the_last_layers_are_those_of_transformers(kind: str, saved: Callable[[str], Path]) -> None:
    network: Any = registry.load(f"hf:{saved(kind)}").network
    size = network.input_size[1]
    x = torch.rand(2, 3, size, size)
    with torch.inference_mode():
        layers = network.layers(x, 2)
        assert torch.equal(layers[-1].tokens, network.tokens(x))
        base = network.network.base_model
        if kind in ("vit", "deit", "dinov2"):
            blocks: list[torch.Tensor] = []
            listed = next(m for m in base.modules() if isinstance(m, torch.nn.ModuleList) and len(m) == 2)
            for block in listed:
                block.register_forward_hook(lambda _, __, out: blocks.append(out[0] if isinstance(out, tuple) else out))
            base(pixel_values=x)
            for layer, block in zip(layers, blocks, strict=True):
                whole = base.layernorm(block)
                torch.testing.assert_close(layer.class_token, whole[:, 0])
                torch.testing.assert_close(layer.tokens, whole[:, -layer.tokens.shape[1] :])
            assert LayerPool(2, "cls+mean").read(network, x).shape == (2, 3 * 32)
        else:
            assert all(layer.class_token is None for layer in layers)
            assert LayerPool(2, "mean").read(network, x).shape[1] == sum(layer.tokens.shape[2] for layer in layers)
            assert len({tuple(layer.tokens.shape) for layer in layers}) == (1 if kind == "swin" else 2)
        with pytest.raises(VitobenchError, match=r"has \d layers that can be read, not 9"):
            network.layers(x, 9)
