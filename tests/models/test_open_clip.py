"""Zero-shot models beside open_clip itself: real classes with small seeded towers, in open_clip's own form."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from vitobench.errors import CheckpointError, UnknownNameError, VitobenchError
from vitobench.models import registry, zero_shot
from vitobench.models.named_file import split_options
from vitobench.models.pooled_layers import LayerPool
from vitobench.models.probing.heads import encoder_of
from vitobench.models.sources import open_clip_models
from vitobench.models.zero_shot import CLASS_NAMES, wording
from vitobench.tasks.images.classes import imagenet_synonyms
from vitobench.tasks.images.reading import decode
from vitobench.tests.models.hub_checkpoints import save_open_clip

open_clip: Any = pytest.importorskip("open_clip", reason="open_clip is not installed: pip install 'vitobench[test]'")

KINDS = ("clip", "siglip", "resnet")
SMALL = "classes=cifar-10&templates=7"


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folder = tmp_path_factory.mktemp("open_clip")

    def call(kind: str) -> Path:
        return folder / kind if (folder / kind).is_dir() else save_open_clip(folder / kind, kind)

    return call


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VITOBENCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def changed(saved: Callable[[str], Path], tmp_path: Path) -> Callable[..., Path]:
    """A copy of a model with other keys in parts of its configuration."""

    def call(**parts: dict[str, object]) -> Path:
        folder = tmp_path / "changed"
        shutil.copytree(saved("clip"), folder)
        config = json.loads((folder / "open_clip_config.json").read_text())
        for part, changes in parts.items():
            target = config["model_cfg"].get(part, config.get(part, config["model_cfg"]))
            target.update(changes)
        (folder / "open_clip_config.json").write_text(json.dumps(config))
        return folder

    return call


@pytest.mark.parametrize("kind", KINDS)
def test_pixels_and_logits_are_those_of_open_clip(
    kind: str, saved: Callable[[str], Path], pictures: list[Path]
) -> None:
    model = registry.load(f"openclip:{saved(kind)}?templates=1")
    plain, _, transform = open_clip.create_model_and_transforms(f"local-dir:{saved(kind)}")
    plain.eval()
    values = torch.stack([transform(Image.open(path)) for path in pictures])
    pixels = np.stack([decode(path, model.spec.preprocessing.geometry) for path in pictures])
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    pre = model.spec.preprocessing
    mean, std = (torch.tensor(numbers).view(3, 1, 1) for numbers in (pre.mean, pre.std))
    assert torch.equal((images / 255 - mean) / std, values)
    assert pre.crop_mode == ("squash" if kind == "siglip" else "center")
    texts = [f"a photo of a {name}." for name in open_clip.IMAGENET_CLASSNAMES]
    tokens = open_clip.get_tokenizer(f"local-dir:{saved(kind)}")(texts)
    with torch.inference_mode():
        wanted = plain.get_logits(values, tokens)[0]  # open_clip's own, with scale and, for SigLIP, bias
        embedded = plain.encode_image(values)
    assert model.spec.label_space == "imagenet-1k"
    torch.testing.assert_close(model.logits(images), wanted, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(model.features(images), embedded, rtol=1e-4, atol=1e-4)
    assert model.logits(images).shape == (len(pictures), 1000)
    assert float(wanted.std(0).max()) > 1e-2  # a comparison of constants would show nothing
    encoder = encoder_of(model.network, model.spec.architecture)
    with torch.inference_mode():
        torch.testing.assert_close(encoder.features(values), embedded, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_templates_are_averaged_after_normalisation(kind: str, saved: Callable[[str], Path]) -> None:
    plain = open_clip.create_model(f"local-dir:{saved(kind)}").eval()
    tokenizer = open_clip.get_tokenizer(f"local-dir:{saved(kind)}")
    asked = wording("cifar-100", None, "7", "a")
    found = zero_shot.class_embeddings(plain, tokenizer, asked, "key")
    with torch.no_grad():
        wanted = open_clip.build_zero_shot_classifier_legacy(
            plain, tokenizer, asked.names, [lambda name, t=t: t.format(name) for t in asked.templates]
        ).T
        # The formula, in float64, for a class whose prompts have other lengths than those of its neighbours.
        one = plain.encode_text(tokenizer([t.format("sweet pepper") for t in asked.templates])).double()
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)
    mean = F.normalize(F.normalize(one, dim=1).mean(0), dim=0)
    torch.testing.assert_close(found[asked.names.index("sweet pepper")].double(), mean, rtol=1e-5, atol=1e-6)
    assert torch.equal(plain.encode_text(tokenizer(["a"])), plain.encode_text(tokenizer(["a"])))  # as it was before


def test_prompts_are_cut_only_where_the_tower_ignores_the_rest(
    saved: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = wording("cifar-10", None, "1", "a")
    lengths: dict[str, set[int]] = {}
    encoded = zero_shot._encoded
    for kind in ("clip", "siglip"):
        monkeypatch.setattr(
            zero_shot,
            "_encoded",
            lambda m, t, length, k=kind: lengths.setdefault(k, set()).add(length) or encoded(m, t, length),
        )
        plain = open_clip.create_model(f"local-dir:{saved(kind)}").eval()
        list(zero_shot._averaged(plain, open_clip.get_tokenizer(f"local-dir:{saved(kind)}"), asked))
    assert lengths["clip"] == {8, 77}  # 77 in the comparison alone
    assert lengths["siglip"] == {8, 64}


def test_the_words_are_openais_and_those_of_the_data_sets() -> None:
    asked = wording(None, None, None, "a")
    assert (len(asked.names), len(asked.templates)) == (1000, 80)
    assert asked.names == tuple(open_clip.IMAGENET_CLASSNAMES)
    assert asked.prompts("tench") == [template("tench") for template in open_clip.OPENAI_IMAGENET_TEMPLATES]
    assert wording(None, None, "1", "a").prompts("tench") == ["a photo of a tench."]
    # Names and classes are in the same order: most of OpenAI's names are one of WordNet's.
    agreeing = sum(
        name.casefold() in {term.casefold() for term in terms}
        for name, terms in zip(asked.names, imagenet_synonyms(), strict=True)
    )
    assert agreeing > 700
    sizes = {"imagenet-1k": 1000, "microworld-16": 16, "cifar-10": 10, "cifar-100": 100, "entry-level-16": 16}
    assert {space: len(names()) for space, names in CLASS_NAMES.items()} == sizes | {"objectnet": 113}
    cifar = wording("cifar-100", None, "1", "a").names
    assert cifar == tuple(sorted(cifar))
    assert (cifar[0], cifar[93], cifar[99]) == ("apple", "turtle", "worm")
    assert wording("entry-level-16", None, "1", "a").names[0] == "airplane"


def test_the_identity_covers_weights_words_and_tokenizer(
    saved: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, names = saved("clip"), tmp_path / "names.txt"
    names.write_text("\n".join(("plane", *CLASS_NAMES["cifar-10"]()[1:])))
    shutil.copytree(folder, tmp_path / "copy")
    options = (SMALL, "classes=cifar-10&templates=1", "classes=microworld-16&templates=7", f"{SMALL}&names={names}")
    specs = [registry.resolve(f"openclip:{folder}?{option}") for option in options]
    assert [spec.label_space for spec in specs] == ["cifar-10", "cifar-10", "microworld-16", "cifar-10"]
    hashes = {spec.weights_hash for spec in specs}
    assert len(hashes) == 4
    assert registry.resolve(f"openclip:{tmp_path / 'copy'}?{SMALL}").weights_hash == specs[0].weights_hash
    hashes.add(registry.resolve(f"openclip:{saved('siglip')}?{SMALL}").weights_hash)
    tokenizer = open_clip.get_tokenizer
    monkeypatch.setattr(open_clip, "get_tokenizer", lambda name: tokenizer(name, clean="whitespace"))
    hashes.add(registry.resolve(f"openclip:{folder}?{SMALL}&names={_named(tmp_path, 'Plane')}").weights_hash)
    monkeypatch.setattr(open_clip, "get_tokenizer", tokenizer)
    hashes.add(registry.resolve(f"openclip:{folder}?{SMALL}&names={_named(tmp_path, 'Plane')}").weights_hash)
    assert len(hashes) == 7
    names.write_text("\n".join(("aircraft", *CLASS_NAMES["cifar-10"]()[1:])))
    with pytest.raises(CheckpointError, match="changed after the model was described"):
        registry.load(specs[3])


def _named(folder: Path, first: str) -> Path:
    path = folder / "other.txt"
    path.write_text("\n".join((first, *CLASS_NAMES["cifar-10"]()[1:])))
    return path


def test_embeddings_of_classes_are_computed_once(saved: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"openclip:{saved('clip')}?{SMALL}"
    images = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    first = registry.load(name).logits(images)
    (path,) = zero_shot.cache_folder().iterdir()
    averaged = zero_shot._averaged

    def fail(*args: object) -> torch.Tensor:
        raise AssertionError("computed again")

    monkeypatch.setattr(zero_shot, "_averaged", fail)
    assert torch.equal(registry.load(name).logits(images), first)
    monkeypatch.setattr(zero_shot, "_averaged", averaged)
    path.write_bytes(path.read_bytes()[:100])
    assert torch.equal(registry.load(name).logits(images), first)  # and again where the file is damaged
    assert path.stat().st_size > 100


def test_the_activation_is_that_of_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    def create(*args: object, **options: Any) -> None:
        asked.append(options["force_quick_gelu"])
        assert options["require_pretrained"]
        raise RuntimeError("Failed to download weights")

    monkeypatch.setattr(open_clip, "create_model", create)
    for name in ("ViT-B-32/openai", "ViT-B-32/laion2b_s34b_b79k", "ViT-B-32-quickgelu/openai", "RN50/openai"):
        with pytest.raises(VitobenchError, match=r"could not be fetched .*openclip:ARCH/FILE"):
            registry.resolve(f"openclip:{name}?classes=cifar-10")
    assert asked == [True, False, True, True]


def test_a_tokenizer_that_is_not_here_says_what_to_do(monkeypatch: pytest.MonkeyPatch, changed: Callable) -> None:
    pytest.importorskip("transformers")
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    said = (
        r"tokenizer 'timm/ViT-B-16-SigLIP' .* is not here and could not be fetched .*get_tokenizer\('ViT-B-16-SigLIP'\)"
    )
    with pytest.raises(VitobenchError, match=said):
        registry.resolve("openclip:ViT-B-16-SigLIP/webli?classes=cifar-10")
    folder = changed(text_cfg={"hf_tokenizer_name": "a/b"})
    with pytest.raises(VitobenchError, match=r"tokenizer 'a/b' .*Put its files \(tokenizer.json"):
        registry.resolve(f"openclip:{folder}")


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (
            {"text_cfg": {"hf_tokenizer_name": "a/b", "tokenizer_kwargs": {"trust_remote_code": True}}},
            "wants to run code",
        ),
        ({"preprocess_cfg": {"resize_mode": "longest"}}, "resize_mode 'longest'.*shortest or squash"),
        ({"vision_cfg": {"image_size": [32, 16]}}, "images of 32 x 16 pixels"),
        ({"vision_cfg": {"width": 32}}, "weights of .* could not be loaded .*size mismatch"),
        ({"model_cfg": {"surprise": 1}}, "could not be loaded .*surprise"),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused(
    changed: Callable[..., Path], parts: dict[str, dict[str, object]], said: str
) -> None:
    with pytest.raises(CheckpointError, match=said):
        registry.resolve(f"openclip:{changed(**parts)}?{SMALL}")


def test_weights_are_data(changed: Callable[..., Path], tmp_path: Path) -> None:
    from safetensors.torch import load_file

    folder = changed()
    weights = folder / "open_clip_model.safetensors"
    whole = weights.read_bytes()
    state = {key: value.clone() for key, value in load_file(weights).items()}  # not mapped: the file is cut below
    name = f"openclip:{folder}?{SMALL}"
    wanted = registry.resolve(name).weights_hash
    weights.write_bytes(whole[:5000])
    with pytest.raises(CheckpointError, match="truncated"):
        registry.resolve(name)
    weights.unlink()
    with pytest.raises(CheckpointError, match=r"no weights. Put open_clip_model.safetensors"):
        registry.resolve(name)
    torch.save({"state_dict": state, "more": Fraction(1, 2)}, folder / "open_clip_pytorch_model.bin")
    with pytest.raises(CheckpointError, match="was refused: besides tensors it holds Python objects"):
        registry.resolve(name)
    # As open_clip's own training script writes it.
    trained = {"epoch": 3, "name": "a", "state_dict": {f"module.{key}": value for key, value in state.items()}}
    torch.save(trained, folder / "open_clip_pytorch_model.bin")
    assert registry.resolve(name).weights_hash == wanted


def test_a_file_of_the_trainer_is_read_into_an_architecture(
    saved: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from safetensors.torch import load_file

    config = json.loads((saved("clip") / "open_clip_config.json").read_text())["model_cfg"]
    (tmp_path / "my-clip.json").write_text(json.dumps(config))
    monkeypatch.setattr(open_clip.factory, "_MODEL_CONFIG_PATHS", list(open_clip.factory._MODEL_CONFIG_PATHS))
    monkeypatch.setattr(open_clip.factory, "_MODEL_CONFIGS", dict(open_clip.factory._MODEL_CONFIGS))
    open_clip.add_model_config(tmp_path / "my-clip.json")
    torch.save({"state_dict": load_file(saved("clip") / "open_clip_model.safetensors")}, tmp_path / "epoch_3.pt")
    spec = registry.resolve(f"openclip:my-clip/{tmp_path / 'epoch_3.pt'}?{SMALL}")
    assert spec.weights_hash == registry.resolve(f"openclip:{saved('clip')}?{SMALL}").weights_hash


def lines(*names: str) -> str:
    return "\n".join(names)


@pytest.mark.parametrize(
    ("options", "content", "said"),
    [
        ("classes=imagenet", "", "classes=imagenet is unknown. Valid: imagenet-1k, microworld-16"),
        ("names=FILE", lines("a", "b"), "has 2 names, and imagenet-1k has 1000 classes"),
        ("names=FILE", lines(*"abcdefghijklmnop"), "write classes=microworld-16 or classes=entry-level-16"),
        ("classes=cifar-10&names=FILE", lines(*"aAcdefghij"), "the same name for several classes: 'a'"),
        ("classes=cifar-10&names=/no/file", "", "cannot be read: No such file"),
        ("classes=cifar-10&names=FILE", lines(*"bcdefghij", "x " * 90), r"reads 77 tokens, and \d+ prompts are longer"),
        ("classes=cifar-10&templates=FILE", lines("a photo"), "every line must have {} once.* 'a photo' does not"),
        ("classes=cifar-10&templates=FILE", lines("{} {}"), "every line must have {} once"),
        ("classes=cifar-10&templates=8", "", "There are no templates '8'. Valid: 80, 7, 1, or a file"),
        ("label=a", "", "option 'label=a' .* valid are classes="),
    ],
)
def test_words_that_cannot_be_used_are_refused(
    options: str, content: str, said: str, saved: Callable[[str], Path], tmp_path: Path
) -> None:
    (tmp_path / "list.txt").write_text(content)
    with pytest.raises(CheckpointError, match=said):
        registry.resolve(f"openclip:{saved('clip')}?{options.replace('FILE', str(tmp_path / 'list.txt'))}")


def test_names_are_checked_and_completed(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'openai'"):
        registry.resolve("openclip:ViT-B-32/openaii")
    with pytest.raises(UnknownNameError, match="Did you mean 'ViT-B-32'"):
        registry.resolve("openclip:ViT-B-33/openai")
    with pytest.raises(CheckpointError, match=r"names no weights. .*ViT-B-32/PRETRAINED, a tag of open_clip \(openai"):
        registry.resolve("openclip:ViT-B-32")
    with pytest.raises(CheckpointError, match=r"has no open_clip_config.json"):
        registry.resolve(f"openclip:{tmp_path}")
    assert "openclip:ViT-B-32/openai" in registry.complete("openclip:ViT-B-32/op")


def test_without_the_package_the_fix_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_clip_models.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(VitobenchError, match=r"pip install 'vitobench\[clip\]'"):
        registry.resolve("openclip:ViT-B-32/openai")
    with pytest.raises(VitobenchError, match=r"pip install 'vitobench\[hugging-face\]'"):
        registry.resolve("hf:google/vit")


def test_other_classes_leave_the_other_options_as_they_are() -> None:
    named = open_clip_models.SOURCE.with_classes("openclip:a/b?templates=half%2526%2525.txt", "cifar-10")
    assert named is not None
    assert split_options(named, "openclip:", {"templates": "FILE", "classes": "SPACE"}, "ARCH/PRETRAINED") == (
        "a/b",
        {"templates": "half%26%25.txt", "classes": "cifar-10"},
    )


@pytest.mark.parametrize("kind", ["clip", "resnet"])
def test_the_last_layers_of_a_tower_are_open_clips(kind: str, saved: Callable[[str], Path]) -> None:
    network: Any = registry.load(f"openclip:{saved(kind)}?{SMALL}").network
    x = torch.rand(2, 3, 32, 32)
    with torch.inference_mode():
        layers = network.layers(x, 2)
        assert torch.equal(layers[-1].tokens, network.tokens(x))
        if kind == "clip":
            blocks, tower = [], network.visual
            handles = [
                b.register_forward_hook(lambda _, __, out: blocks.append(out)) for b in tower.transformer.resblocks
            ]
            features = network.features(x)
            for handle in handles:
                handle.remove()
            for layer, block in zip(layers, blocks, strict=True):
                torch.testing.assert_close(
                    torch.cat([layer.class_token[:, None], layer.tokens], 1), tower.ln_post(block)
                )
            torch.testing.assert_close(layers[-1].class_token @ tower.proj, features)
            assert LayerPool(2, "cls+mean").read(network, x).shape == (2, 3 * 64)
        else:
            assert all(layer.class_token is None for layer in layers)
            assert layers[0].tokens.shape[1] == 4 * layers[1].tokens.shape[1]
        with pytest.raises(VitobenchError, match="fewer than 9 layers"):
            network.layers(x, 9)


def test_embeddings_continue_after_an_interruption_and_say_how_far_they_are(
    saved: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"openclip:{saved('clip')}?templates=1&classes=cifar-100"
    monkeypatch.setattr(zero_shot, "_CLASSES_AT_ONCE", 30)
    averaged, starts = zero_shot._averaged, []

    def interrupted(*args: Any) -> Iterator[torch.Tensor]:
        starts.append(args[3])
        for number, classes in enumerate(averaged(*args)):
            if len(starts) == 1 and number == 2:
                raise KeyboardInterrupt
            yield classes

    monkeypatch.setattr(zero_shot, "_averaged", interrupted)
    with pytest.raises(KeyboardInterrupt):
        registry.load(name)
    (unfinished,) = zero_shot.cache_folder().iterdir()
    said: list[tuple[str, int, int]] = []
    continued: Any = registry.load(name, lambda *told: said.append(told)).network
    assert starts == [0, 60]
    assert said == [("Embedding class names", done, 100) for done in (60, 90, 100)]
    (whole,) = zero_shot.cache_folder().iterdir()
    assert not unfinished.exists()
    whole.unlink()
    assert torch.equal(registry.load(name).network.embeddings, continued.embeddings)
    assert starts == [0, 60, 0]
