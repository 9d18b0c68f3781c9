"""Encoders with heads of their own, and checkpoints in the forms that trainers and authors publish."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import timm
import torch
import torchvision
from timm.models import register_model
from timm.models.eva import Eva
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from vitobench.errors import CheckpointError, VitobenchError
from vitobench.models import registry
from vitobench.models.class_order import order_of
from vitobench.models.probing.data import open_data
from vitobench.models.probing.heads import HeadSpec
from vitobench.models.probing.probe import probe
from vitobench.models.spec import WEIGHTS_NOTE
from vitobench.tasks.images.classes import imagenet_wnids

State = dict[str, torch.Tensor]
Reference = Callable[[torch.Tensor], torch.Tensor]

WIDTH = 48


@register_model
def tiny_reg4_dinov2(pretrained: bool = False, **more: object) -> VisionTransformer:
    """DINOv2 with registers, small: the same parts as timm's vit_small_patch14_reg4_dinov2."""
    options = {"img_size": 224, "patch_size": 14, "embed_dim": WIDTH, "depth": 5, "num_heads": 3, "init_values": 1e-5}
    return VisionTransformer(**{**options, "reg_tokens": 4, "no_embed_class": True, **_known(more)})


@register_model
def tiny_dinov3(pretrained: bool = False, **more: object) -> Eva:
    """DINOv3, small: the same parts as timm's vit_small_patch16_dinov3."""
    options = {"img_size": 224, "patch_size": 16, "embed_dim": WIDTH, "depth": 5, "num_heads": 3, "qkv_bias": False}
    rope = {"init_values": 1e-5, "rope_type": "dinov3", "rope_temperature": 100, "rope_rotate_half": True}
    parts = {"use_rot_pos_emb": True, "use_abs_pos_emb": False, "num_reg_tokens": 4, "use_fc_norm": False}
    return Eva(**{**options, **rope, **parts, "dynamic_img_size": True, **_known(more)})


def _known(more: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in more.items() if key in ("num_classes", "global_pool")}


def encoder(name: str, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    network = timm.create_model(name, num_classes=0).eval()
    with torch.no_grad():  # layer scales begin so small that all layers would be nearly equal
        for key, value in network.named_parameters():
            if "gamma" in key:
                value.copy_(torch.rand_like(value))
    return network


ENCODER = encoder("test_vit")
D = ENCODER.num_features
STATE: State = ENCODER.state_dict()


def linear(inputs: int, classes: int = 1000) -> State:
    generator = torch.Generator().manual_seed(inputs)
    weight = torch.randn(classes, inputs, generator=generator) / inputs**0.5
    return {"weight": weight, "bias": torch.randn(classes, generator=generator)}


def under(prefix: str, state: State) -> State:
    return {prefix + name: value.clone() for name, value in state.items()}


def reading(network: nn.Module, layers: int, parts: str, head: State) -> Reference:
    """The published computation, written out with timm's own intermediate layers."""

    def logits(x: torch.Tensor) -> torch.Tensor:
        read = network.forward_intermediates(
            x, indices=layers, norm=True, output_fmt="NLC", intermediates_only=True, return_prefix_tokens=True
        )
        tokens = [prefix[:, 0] for _, prefix in read]
        mean = read[-1][0].mean(1)
        if parts == "cls+mean":
            features = torch.cat([*tokens, mean], dim=-1)
        elif parts == "interleaved":  # eval_linear.py of DINO
            features = torch.cat((tokens[-1].unsqueeze(-1), mean.unsqueeze(-1)), dim=-1).reshape(len(x), -1)
        else:
            features = torch.cat(tokens if parts == "cls" else [patches.mean(1) for patches, _ in read], dim=-1)
        return features @ head["weight"].T + head["bias"]

    return logits


def agrees(name: str, reference: Reference) -> registry.ModelSpec:
    model = registry.load(name)
    preprocessing = model.spec.preprocessing
    generator = torch.Generator().manual_seed(1)
    x = torch.randint(0, 256, (3, 3, preprocessing.size, preprocessing.size), dtype=torch.uint8, generator=generator)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (preprocessing.mean, preprocessing.std))
    with torch.inference_mode():
        expected = reference((x.float() / 255 - mean) / std)
    torch.testing.assert_close(model.logits(x), expected, rtol=0, atol=1e-4)
    return model.spec


def saved(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


HEADS = {
    "DINOv2, 1 layer": (1, "cls+mean", 2, ""),
    "DINOv2, 4 layers": (4, "cls+mean", 5, ""),
    "DINO, 4 class tokens": (4, "cls", 4, "module.linear."),
}


@pytest.mark.parametrize("form", HEADS)
def test_a_published_head_reads_what_its_width_says(tmp_path: Path, form: str) -> None:
    layers, pool, factor, prefix = HEADS[form]
    head = linear(factor * D)
    body = saved(tmp_path / "body.pth", STATE | {"mask_token": torch.zeros(1, D)})
    content: dict[str, object] = {"state_dict": under(prefix, head), "optimizer": {"state": {0: linear(3)}}}
    file = saved(tmp_path / "head.pth", content if prefix else head)
    name = f"file:{body}?arch=timm:test_vit&head={file}"
    spec = agrees(name, reading(ENCODER, layers, pool, head))
    assert spec.architecture == f"timm:test_vit+linear(layers={layers},pool={pool})"
    assert f"(layers={layers}, pool={pool})" in spec.extra[WEIGHTS_NOTE]
    assert "mask_token" in spec.extra[WEIGHTS_NOTE]
    saved(file, under("", linear(factor * D + 0)) | {"bias": torch.zeros(1000)})
    assert registry.resolve(name).weights_hash != spec.weights_hash
    with pytest.raises(CheckpointError, match="changed after"):
        registry.load(spec)


def test_where_a_width_fits_two_ways_the_user_chooses(tmp_path: Path) -> None:
    body = saved(tmp_path / "body.pth", {"state_dict": under("module.", STATE)})
    two, one, three = linear(2 * D), linear(D), linear(3 * D)
    dino = saved(tmp_path / "dino.pth", {"state_dict": under("module.linear.", two)})
    plain = saved(tmp_path / "one.pth", one)
    name = f"file:{body}?arch=timm:test_vit&head="
    with pytest.raises(CheckpointError, match=r"2 times.*&layers=1&pool=cls\+mean or &layers=1&pool=interleaved"):
        registry.resolve(f"{name}{dino}")
    agrees(f"{name}{dino}&pool=interleaved", reading(ENCODER, 1, "interleaved", two))
    agrees(f"{name}{dino}&pool=cls%2Bmean", reading(ENCODER, 1, "cls+mean", two))
    with pytest.raises(CheckpointError, match=r"1 times.*&layers=1&pool=cls or &layers=1&pool=mean"):
        registry.resolve(f"{name}{plain}")
    agrees(f"{name}{plain}&pool=mean", reading(ENCODER, 1, "mean", one))
    odd = saved(tmp_path / "three.pth", three)
    with pytest.raises(CheckpointError, match=rf"reads {3 * D} numbers, and the encoder gives {D}.*layers=N"):
        registry.resolve(f"{name}{odd}")
    with pytest.raises(CheckpointError, match=rf"reads {3 * D} numbers, but layers=3 and pool=cls\+mean .* {4 * D}"):
        registry.resolve(f"{name}{odd}&layers=3&pool=cls+mean")
    agrees(f"{name}{odd}&layers=3&pool=mean", reading(ENCODER, 3, "mean", three))


def test_original_names_become_timms_own(tmp_path: Path) -> None:
    """As Meta publishes them: registers and the class token's position apart in DINOv2, other names in DINOv3."""
    network, head = encoder("tiny_reg4_dinov2"), linear(5 * WIDTH)
    original = dict(network.state_dict())
    shift = torch.randn(1, 1, WIDTH)
    original |= {"register_tokens": original.pop("reg_token"), "mask_token": torch.zeros(1, WIDTH)}
    original["cls_token"] = original["cls_token"] - shift
    original["pos_embed"] = torch.cat([shift, original["pos_embed"]], dim=1)
    file = saved(tmp_path / "head.pth", head)
    reference = reading(network, 4, "cls+mean", head)
    body = saved(tmp_path / "v2.pth", original)
    options = f"arch=timm:tiny_reg4_dinov2&head={file}"
    agrees(f"file:{body}?{options}", reference)
    student = {name: value + 1 for name, value in original.items()}
    body = saved(
        tmp_path / "training.pth",
        {"teacher": under("backbone.", original), "student": under("module.backbone.", student)},
    )
    with pytest.raises(CheckpointError, match=r"2 sets of weights.*weights=teacher, weights=student"):
        registry.resolve(f"file:{body}?{options}")
    agrees(f"file:{body}?{options}&weights=teacher", reference)

    network, head = encoder("tiny_dinov3"), linear(2 * WIDTH)
    names = {"gamma_1": "ls1.gamma", "gamma_2": "ls2.gamma", "reg_token": "storage_tokens"}
    original = {}
    for name, value in network.state_dict().items():
        for ours, theirs in names.items():
            name = name.replace(ours, theirs)
        original[name] = value
    original |= {"mask_token": torch.zeros(1, WIDTH), "rope_embed.periods": torch.ones(4)}
    body = saved(tmp_path / "v3.pth", original)
    file = saved(tmp_path / "head3.pth", head)
    agrees(f"file:{body}?arch=timm:tiny_dinov3&head={file}", reading(network, 1, "cls+mean", head))


HEAD = linear(5 * D)
FORMS: dict[str, tuple[State, str]] = {
    "backbone and linear_head": (under("backbone.", STATE) | under("linear_head.", HEAD), ""),
    "Lightning": (under("model.backbone.", STATE) | under("model.linear_head.", HEAD) | {"loss.w": torch.ones(1)}, ""),
    "MoCo v3": (
        under("module.base_encoder.", STATE)
        | under("module.momentum_encoder.", {name: value + 1 for name, value in STATE.items()})
        | {f"module.{which}_encoder.head.0.weight": torch.ones(96, D) for which in ("base", "momentum")},
        "&weights=all/module.base_encoder",
    ),
    "MAE with its decoder": (
        STATE | {name: torch.ones(2, 2) for name in ("mask_token", "decoder_embed.weight", "decoder_pos_embed")}, "",
    ),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_the_forms_of_self_supervised_trainers(tmp_path: Path, form: str) -> None:
    state, options = FORMS[form]
    body, file = saved(tmp_path / "body.pth", state), saved(tmp_path / "head.pth", HEAD)
    inside = any("linear_head" in name for name in state)
    name = f"file:{body}?arch=timm:test_vit{'' if inside else f'&head={file}'}"
    reference = reading(ENCODER, 4, "cls+mean", HEAD)
    if not options:
        spec = agrees(name, reference)
        assert "linear_head" not in spec.extra[WEIGHTS_NOTE].partition("The classifier is")[0]
        return
    with pytest.raises(CheckpointError, match="2 sets of weights") as caught:
        registry.resolve(name)
    choices = str(caught.value).partition("Valid: ")[2].split(", ")
    assert any(choice.endswith("base_encoder") for choice in choices)
    agrees(f"{name}&{next(choice for choice in choices if choice.endswith('base_encoder'))}", reference)


def test_an_encoder_without_a_head_is_for_probing(tmp_path: Path) -> None:
    body = saved(tmp_path / "body.pth", STATE)
    name = f"file:{body}?arch=timm:test_vit"
    with pytest.raises(
        CheckpointError, match=r"no classifier \(head\.weight\).*&head=FILE, or .*&head=none.*bench probe"
    ):
        registry.resolve(name)
    model = registry.load(f"{name}&head=none")
    assert model.spec.label_space == "none"
    size = model.spec.preprocessing.size
    assert model.features(torch.zeros(2, 3, size, size, dtype=torch.uint8)).shape == (2, D)
    data = open_data("microworld", 20, 10)
    probed = probe(
        model, data, HeadSpec("linear", layers=2, pool="cls+mean"), tmp_path / "p.safetensors", tmp_path / "f"
    )
    again = registry.load(f"file:{probed.checkpoint}")
    assert again.spec.architecture == "timm:test_vit+linear(layers=2,pool=cls+mean)"
    assert again.logits(torch.zeros(2, 3, size, size, dtype=torch.uint8)).shape == (2, 16)


def test_a_head_file_holds_one_linear_layer(tmp_path: Path) -> None:
    body = saved(tmp_path / "body.pth", STATE)
    name = f"file:{body}?arch=timm:test_vit&head={tmp_path / 'head.pth'}"
    for content, words in (
        ({"a.weight": torch.ones(1000, 5 * D), "b.weight": torch.ones(1000, 5 * D)}, "2 linear layers.*Save the one"),
        ({"x": torch.ones(3)}, "no linear layers"),
        ({"0.running_mean": torch.ones(D), **under("1.", linear(D))}, "more than a linear layer.*running_mean"),
        (linear(5 * D, classes=7), "7 outputs.*classes=FILE"),
    ):
        saved(tmp_path / "head.pth", content)
        with pytest.raises(CheckpointError, match=rf"head\.pth.*{words}"):
            registry.resolve(name)


@pytest.mark.parametrize(("affine", "apart"), [(False, False), (True, True)])
def test_the_batch_norm_before_a_linear_probe_is_folded_in(tmp_path: Path, affine: bool, apart: bool) -> None:
    """As MAE's main_linprobe.py builds and saves it: Sequential(BatchNorm1d(affine=False, eps=1e-6), head)."""
    torch.manual_seed(0)
    norm = nn.BatchNorm1d(D, affine=affine, eps=1e-5 if affine else 1e-6)
    norm.running_mean, norm.running_var = torch.randn(D), 0.05 + torch.rand(D)
    for value in norm.parameters():
        nn.init.normal_(value)
    head = nn.Sequential(norm, nn.Linear(D, 1000)).eval()
    state = under("" if apart else "head.", head.state_dict())
    both = saved(tmp_path / "probe.pth", {"model": STATE | ({} if apart else state), "epoch": 89})
    name = f"file:{both}?arch=timm:test_vit" + (f"&head={saved(tmp_path / 'h.pth', state)}" if apart else "")
    with pytest.raises(CheckpointError, match=r"more than one way.*pool=cls or .*pool=mean"):
        registry.resolve(name)
    spec = agrees(f"{name}&pool=cls", lambda x: head(ENCODER.forward_features(x)[:, 0]))
    start = "" if apart else "head."
    note = (
        f"The classifier is {start}1.weight after the batch norm {start}0 (eps {norm.eps:g}, which files do not hold)"
    )
    assert spec.extra[WEIGHTS_NOTE].startswith(note)
    tiny = {**state, f"{start}0.running_var": torch.full((D,), 1e-4)}
    saved(tmp_path / "h.pth" if apart else both, tiny if apart else {"model": STATE | tiny})
    assert f"{D} variances are so small that eps matters" in registry.resolve(f"{name}&pool=cls").extra[WEIGHTS_NOTE]
    none = {**state, f"{start}0.running_var": torch.zeros(D)}
    saved(tmp_path / "h.pth" if apart else both, none if apart else {"model": STATE | none})
    with pytest.raises(CheckpointError, match="more than a linear layer" if apart else "no classifier"):
        registry.resolve(f"{name}&pool=cls")


def test_mae_fine_tuned_pools_patches(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = timm.create_model("test_vit", num_classes=1000, global_pool="avg").eval()
    assert "fc_norm.weight" in network.state_dict()
    agrees(f"file:{saved(tmp_path / 'c.pth', {'model': network.state_dict()})}?arch=timm:test_vit", network)


def test_classes_are_read_in_their_order(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = timm.create_model("test_vit", num_classes=1000).eval()
    body = saved(tmp_path / "c.pth", network.state_dict())
    (tmp_path / "reversed.txt").write_text("\n".join(imagenet_wnids()[::-1]))
    (tmp_path / "same.txt").write_text("\n".join(imagenet_wnids()))
    name = f"file:{body}?arch=timm:test_vit"
    spec = agrees(f"{name}&classes={tmp_path / 'reversed.txt'}", lambda x: network(x).flip(1))
    assert "reversed.txt" in spec.extra[WEIGHTS_NOTE]
    assert (
        registry.resolve(f"{name}&classes={tmp_path / 'same.txt'}").weights_hash == registry.resolve(name).weights_hash
    )
    assert spec.weights_hash != registry.resolve(name).weights_hash
    larger = timm.create_model("test_vit", num_classes=11821).eval()
    order = order_of(11821, None, "")
    assert order is not None
    outputs = torch.tensor(order.outputs)

    def expected(x: torch.Tensor) -> torch.Tensor:
        logits = larger(x)[:, outputs.clamp(min=0)]
        logits[:, outputs < 0] = -1e4
        return logits

    saved(body, larger.state_dict())
    spec = agrees(name, expected)
    assert "11821 outputs are read as the 1000 classes of imagenet-1k by imagenet-12k; 7 of" in spec.extra[WEIGHTS_NOTE]


@pytest.mark.filterwarnings("ignore:The default weight initialization:FutureWarning")
def test_state_dicts_of_torchvision(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = torchvision.models.shufflenet_v2_x0_5(num_classes=1000).eval()
    body = saved(tmp_path / "c.pth", {"model": under("module.", network.state_dict()), "epoch": 3})
    spec = agrees(f"file:{body}?arch=torchvision:shufflenet_v2_x0_5", network)
    assert (spec.architecture, spec.preprocessing.resize) == ("torchvision:shufflenet_v2_x0_5", 256)
    assert registry.still_describes(spec)
    assert registry.load(spec).features(torch.zeros(1, 3, 224, 224, dtype=torch.uint8)).shape == (1, 1024)
    with pytest.raises(
        CheckpointError, match=r"V1: 224 from 256; .*V2: 224 from 232.*arch=torchvision:resnet50\.IMAGENET1K_V1"
    ):
        registry.resolve(f"file:{body}?arch=torchvision:resnet50")
    with pytest.raises(VitobenchError, match="shufflenet_v2_x0_5"):
        registry.resolve(f"file:{body}?arch=torchvision:shufflenet_v2_x05")
