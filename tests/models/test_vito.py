import math

import numpy as np
import pytest
import torch
import torchvision

from vitobench.models.networks import build
from vitobench.models.vito import AttentionPooling, AveragePooling, MultiScalePooling


def softmax_pooling(pool: AttentionPooling, features: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Mask and pooled vector in float64, position by position."""
    w1, b1, w2, b2, w3 = (p.detach().double().numpy() for p in pool.score.parameters())
    x = features.double().numpy()
    n, c, h, w = x.shape
    masks, pooled = np.empty((n, h, w)), np.zeros((n, c))
    for i in range(n):
        scores = np.empty((h, w))
        for row in range(h):
            for column in range(w):
                inner = np.maximum(w1[:, :, 0, 0] @ x[i, :, row, column] + b1, 0)
                inner = np.maximum(w2[:, :, 0, 0] @ inner + b2, 0)
                scores[row, column] = (w3[:, :, 0, 0] @ inner)[0]
        masks[i] = np.exp(scores - scores.max())
        masks[i] /= masks[i].sum()
        for row in range(h):
            for column in range(w):
                pooled[i] += masks[i, row, column] * x[i, :, row, column]
    return masks, pooled


@pytest.mark.parametrize("shape", [(3, 6, 4, 4), (2, 5, 3, 7), (1, 4, 1, 1)])
def test_attention_matches_the_formula(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    pool, features = AttentionPooling(shape[1]), 3 * torch.randn(shape)
    for parameter in pool.parameters():
        torch.nn.init.normal_(parameter, std=0.7)
    masks, pooled = softmax_pooling(pool, features)
    with torch.no_grad():
        np.testing.assert_allclose(pool.mask(features), masks, atol=1e-5)
        np.testing.assert_allclose(pool(features), pooled, atol=1e-5)
    if shape[2] > 1:
        assert masks.std() > 0.01  # the mask of this test is not a plain average


def test_gradients_are_those_of_plain_sums_in_float64() -> None:
    torch.manual_seed(1)
    pool, features = AttentionPooling(6), 2 * torch.randn(3, 6, 4, 5)
    for parameter in pool.parameters():
        torch.nn.init.normal_(parameter, std=0.7)
    wanted = torch.randn(3, 6)
    inputs = [features.requires_grad_(), *pool.parameters()]
    got = torch.autograd.grad((pool(features) * wanted).sum(), inputs)
    x, w1, b1, w2, b2, w3 = wide = [t.detach().double().requires_grad_() for t in inputs]
    inner = (torch.einsum("ncp,dc->ndp", x.flatten(2), w1.flatten(1)) + b1[:, None]).clamp(min=0)
    inner = (torch.einsum("ncp,dc->ndp", inner, w2.flatten(1)) + b2[:, None]).clamp(min=0)
    powers = torch.einsum("ncp,dc->np", inner, w3.flatten(1)).exp()
    pooled = torch.einsum("ncp,np->nc", x.flatten(2), powers / powers.sum(1, keepdim=True))
    expected = torch.autograd.grad((pooled * wanted.double()).sum(), wide)
    for one, two in zip(got, expected, strict=True):
        assert two.abs().max() > 1e-3
        torch.testing.assert_close(one.double(), two, rtol=1e-4, atol=1e-5)


def test_mask_is_a_distribution_over_positions() -> None:
    pool = AttentionPooling(8)
    with torch.no_grad():
        mask = pool.mask(torch.randn(5, 8, 6, 3).to(memory_format=torch.channels_last))
    assert mask.shape == (5, 6, 3)
    assert mask.dtype == torch.float32
    assert (mask > 0).all()
    torch.testing.assert_close(mask.sum((1, 2)), torch.ones(5))


def test_pooling_moves_with_the_image() -> None:
    pool, features = AttentionPooling(4), torch.randn(2, 4, 5, 5)
    with torch.no_grad():
        turned = torch.roll(features, (1, 2), (2, 3)).flip(3)
        torch.testing.assert_close(pool(turned), pool(features))
        torch.testing.assert_close(pool(features[..., :1, :1]), features[..., 0, 0])


def test_half_precision_maps_pool_in_float32() -> None:
    features = torch.randn(2, 4, 3, 3).bfloat16()
    pooled = AttentionPooling(4).bfloat16()(features)
    assert pooled.dtype == AveragePooling()(features).dtype == torch.float32


def test_autocast_leaves_the_sum_in_float32() -> None:
    torch.manual_seed(0)
    pool, features = AttentionPooling(8), torch.randn(3, 8, 4, 4)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        mask, pooled = pool.mask(features), pool(features)
    assert pooled.dtype == torch.float32
    expected = torch.einsum("nchw,nhw->nc", features.double(), mask.double())
    torch.testing.assert_close(pooled.double(), expected, rtol=1e-5, atol=1e-6)


def test_parameter_count_is_that_of_the_released_classifier() -> None:
    count = {
        "encoder": sum(p.numel() for p in torchvision.models.resnet50(weights=None).parameters()),
        "pooling": sum(p.numel() for p in AttentionPooling(2048).parameters()),
    }
    assert count == {"encoder": 25_557_032, "pooling": 16_785_408}
    assert sum(count.values()) == 42_342_440


@pytest.mark.parametrize("attention", [False, True])
def test_scales_are_pooled_apart_and_joined_in_order(attention: bool) -> None:
    pool = MultiScalePooling([4, 6], attention)
    maps = [torch.randn(3, 4, 8, 8), torch.randn(3, 6, 4, 4)]
    with torch.no_grad():
        joined = pool(maps)
        assert joined.shape == (3, pool.width) == (3, 10)
        for part, scale, features in zip(joined.split([4, 6], 1), pool.scales, maps, strict=True):
            assert isinstance(scale, AttentionPooling if attention else AveragePooling)
            torch.testing.assert_close(part, scale(features))
    if not attention:
        torch.testing.assert_close(joined[:, 4:], maps[1].mean((2, 3)))
    with pytest.raises(ValueError, match="zip"):
        pool(maps[:1])


def test_attention_begins_nearly_even_so_that_it_can_learn_where_to_look() -> None:
    torch.manual_seed(0)
    network = build("micro-resnet8/attention-2scale", 16).train()
    with torch.no_grad():
        maps = network.maps(torch.randn(16, 3, 64, 64))
        for scale, features in zip(network.pool.scales, maps, strict=True):
            mask = scale.mask(features).flatten(1)
            entropy = -(mask * mask.log()).sum(1)
            assert (entropy > 0.9 * math.log(mask.shape[1])).all()
