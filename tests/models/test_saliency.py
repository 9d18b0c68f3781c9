"""Gradients against finite differences and a closed form, masks against the network's own pooling."""

import copy

import pytest
import torch
from torch import Tensor, nn

from vitobench.models import registry
from vitobench.models.model import Model
from vitobench.models.saliency import attention_maps, gradient_saliency, smooth_gradient_saliency
from vitobench.models.spec import ModelSpec, Preprocessing
from vitobench.tasks.microworld.sets import MicroSet


@pytest.fixture(scope="module")
def scenes() -> tuple[Tensor, Tensor, list[str]]:
    source = MicroSet("val", 12)
    images = torch.from_numpy(source.frames(range(12)).images).permute(0, 3, 1, 2)
    return images, torch.from_numpy(source.labels), list(source.image_ids)


class Linear(nn.Module):
    """A network whose gradient is its weights."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.flat = nn.Linear(3 * size * size, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.flat(x.flatten(1))

    features = forward


def linear_model(size: int = 8) -> tuple[Model, Linear]:
    torch.manual_seed(0)
    network = Linear(size)
    return Model(ModelSpec("linear", "file", "x", Preprocessing(size=size), "microworld-16", "0"), network), network


def test_the_map_of_a_linear_network_is_its_largest_weight_over_channels() -> None:
    model, network = linear_model()
    images = torch.randint(0, 256, (3, 3, 8, 8), dtype=torch.uint8)
    labels = torch.tensor([2, 0, 3])
    expected = network.flat.weight.detach()[labels].reshape(3, 3, 8, 8).abs().amax(dim=1)
    for found in (
        gradient_saliency(model, images, labels),
        smooth_gradient_saliency(model, images, labels, list("abc")),
    ):
        assert found.dtype == torch.float32
        torch.testing.assert_close(found, expected)


def test_gradients_are_finite_differences_of_the_logit() -> None:
    torch.manual_seed(1)

    class Small(nn.Sequential):
        features = nn.Sequential.forward

    network = Small(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(392, 4)
    )
    network[1].running_mean.normal_()
    network[1].running_var.uniform_(0.5, 2)
    model = Model(ModelSpec("small", "file", "x", Preprocessing(size=16), "microworld-16", "0"), network)
    images = torch.randint(0, 256, (1, 3, 16, 16), dtype=torch.uint8)
    found, step = gradient_saliency(model, images, torch.tensor([3]))[0], 1e-6
    exact = copy.deepcopy(network).double()
    x = model.differentiable(images)[1].detach().double()
    for i, j in ((1, 2), (8, 8), (14, 5)):
        slopes = []
        for channel in range(3):
            up, down = x.clone(), x.clone()
            up[0, channel, i, j] += step
            down[0, channel, i, j] -= step
            slopes.append(abs(float(exact(up)[0, 3] - exact(down)[0, 3])) / (2 * step))
        assert float(found[i, j]) == pytest.approx(max(slopes), rel=1e-4)


@pytest.mark.parametrize("name", ["vito", "supervised"])
def test_maps_do_not_depend_on_the_batch(scenes, name: str) -> None:
    images, labels, ids = scenes
    model = registry.load(name)
    model.logits(images)  # folds the network, of which gradients must not see anything
    whole, single = (gradient_saliency(model, images, labels, batch=batch) for batch in (12, 1))
    assert whole.shape == (12, 64, 64)
    torch.testing.assert_close(whole, single, rtol=1e-3, atol=1e-4 * float(whole.max()))
    masks, by_one = (attention_maps(model, images, batch=batch) for batch in (12, 1))
    assert masks.keys() == by_one.keys()
    for key, mask in masks.items():
        torch.testing.assert_close(mask, by_one[key], rtol=1e-3, atol=1e-4 * float(mask.max()))
    some = smooth_gradient_saliency(model, images[3:5], labels[3:5], ids[3:5], samples=3)
    alone = smooth_gradient_saliency(model, images[4:5], labels[4:5], ids[4:5], samples=3)
    assert torch.equal(some[1:], alone)
    other = smooth_gradient_saliency(model, images[4:5], labels[4:5], ["another"], samples=3)
    assert not torch.equal(alone, other)


def test_smoothing_without_noise_is_the_gradient(scenes) -> None:
    images, labels, ids = scenes
    model = registry.load("moclr")
    plain = gradient_saliency(model, images[:2], labels[:2])
    smooth = smooth_gradient_saliency(model, images[:2], labels[:2], ids[:2], samples=2, noise=0.0)
    torch.testing.assert_close(smooth, plain, rtol=1e-3, atol=1e-4 * float(plain.max()))


def test_attention_maps_are_the_masks_that_pool(scenes) -> None:
    images, _, _ = scenes
    model = registry.load("vito")
    found = attention_maps(model, images)
    assert list(found) == ["attention", "attention 8x8", "attention 4x4"]
    network, x = model.differentiable(images)
    with torch.no_grad():
        maps = network.maps(x)
        pooled = []
        for pooling, features, name in zip(network.pool.scales, maps, ("8x8", "4x4"), strict=True):
            mask = pooling.mask(features)
            pooled.append((features * mask[:, None]).sum((2, 3)))
            enlarged = found[f"attention {name}"] / mask[0].numel()
            # Towards the border there is no further cell to mix with.
            cell = 64 // features.shape[-1]
            corners = enlarged[:, : cell // 2, : cell // 2]
            torch.testing.assert_close(corners, mask[:, :1, :1].expand_as(corners))
            assert torch.equal(enlarged.flatten(1).argmax(1) // 64 // cell, mask.flatten(1).argmax(1) // mask.shape[-1])
        torch.testing.assert_close(torch.cat(pooled, 1), network.features(x), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(found["attention"], (found["attention 8x8"] + found["attention 4x4"]) / 2)
    assert attention_maps(registry.load("moclr"), images) == {}


def test_labels_that_do_not_fit_are_refused() -> None:
    model, _ = linear_model()
    images = torch.zeros((2, 3, 8, 8), dtype=torch.uint8)
    with pytest.raises(ValueError, match="label 4 for linear, which has 4 classes"):
        gradient_saliency(model, images, torch.tensor([0, 4]))
    for wrong in (torch.tensor([1]), torch.tensor([0.0, 1.0]), torch.tensor([0, -1])):
        with pytest.raises(ValueError, match="labels must be 2 classes"):
            gradient_saliency(model, images, wrong)
    with pytest.raises(ValueError, match="expects a torch"):
        gradient_saliency(model, images.float(), torch.tensor([0, 1]))
