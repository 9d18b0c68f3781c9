import os
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from vitobench.models import model as folding
from vitobench.models import registry
from vitobench.models.model import Model
from vitobench.models.networks import build
from vitobench.models.sources import packages, zoo
from vitobench.models.spec import ModelSpec, Preprocessing
from vitobench.tasks.images.folders import ImageFolder
from vitobench.tasks.images.geometry import Geometry
from vitobench.tasks.microworld.sets import MicroSet


def plain_answers(network: nn.Module, spec: ModelSpec, images: Tensor) -> tuple[Tensor, Tensor]:
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (spec.preprocessing.mean, spec.preprocessing.std))
    with torch.inference_mode():
        network = network.eval().to(memory_format=torch.contiguous_format)
        x = (images.contiguous().float() / 255 - mean) / std
        return network(x), network.features(x)


def check_equal(model: Model, network: nn.Module, images: Tensor) -> None:
    logits, features = plain_answers(network, model.spec, images)
    answers = model.logits(images)
    assert torch.equal(answers.argmax(1), logits.argmax(1))
    for ours, theirs in ((answers, logits), (model.features(images), features)):
        assert (ours - theirs).abs().max() <= folding.TOLERANCE / 10 * theirs.abs().max()


@pytest.mark.parametrize("name", zoo.names())
def test_models_of_the_zoo_answer_as_their_plain_networks(name: str) -> None:
    model = registry.load(name)
    pixels, _ = MicroSet("val", 64).load(range(64), Geometry(64, 64, "bilinear"))
    check_equal(model, zoo.SOURCE.build(model.spec), torch.from_numpy(pixels).permute(0, 3, 1, 2))
    assert not any(isinstance(module, nn.BatchNorm2d) for module in model._ready().modules())


@pytest.mark.skipif(not packages.installed(), reason="the package with the weights is not installed")
def test_efficientnet_lite0_answers_as_its_plain_network_on_photographs() -> None:
    where = Path(os.environ.get("VITOBENCH_TEST_DATA", "")) / "photos"
    if "VITOBENCH_TEST_DATA" not in os.environ or not where.is_dir():
        pytest.skip("VITOBENCH_TEST_DATA names no folder with real photographs (photos/nXXXXXXXX/*.JPEG)")
    model = registry.load("efficientnet-lite0")
    pixels, failed = ImageFolder(where).load(range(0, 50, 5), Geometry(224, 256, "bicubic"))
    assert not failed
    check_equal(model, packages.SOURCE.build(model.spec), torch.from_numpy(pixels).permute(0, 3, 1, 2))


def test_a_large_batch_is_computed_in_parts_with_the_same_answers() -> None:
    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.seen: list[int] = []

        def forward(self, x: Tensor) -> Tensor:
            self.seen.append(len(x))
            return x.amax((2, 3))

        features = forward

    spec = ModelSpec("counting", "file", "x", Preprocessing(size=224), "imagenet-1k", "0")
    network = Counting()
    model = Model(spec, network)
    images = torch.randint(0, 256, (19, 3, 224, 224), generator=torch.Generator().manual_seed(0)).byte()
    expected = plain_answers(Counting(), spec, images)[0]
    torch.testing.assert_close(model.logits(images), expected)
    torch.testing.assert_close(model.features(images), expected)
    assert network.seen == [8, 8, 3] * 2
    network.seen.clear()
    large = ModelSpec("large", "file", "x", Preprocessing(size=1024, resize=1024), "imagenet-1k", "0")
    Model(large, network).logits(torch.zeros(2, 3, 1024, 1024, dtype=torch.uint8))
    assert network.seen == [1, 1]


def test_folding_waits_for_the_first_batch_and_leaves_the_network_alone() -> None:
    torch.manual_seed(0)
    network = build("micro-resnet8/average", 16)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    model = Model(ModelSpec("m", "file", "x", Preprocessing(64, 64), "microworld-16", "0"), network)
    assert model._folded is None
    random_state = torch.get_rng_state()
    model.logits(torch.zeros(2, 3, 64, 64, dtype=torch.uint8))
    first = model._folded
    assert first is not None
    assert first is not network
    model.features(torch.zeros(2, 3, 64, 64, dtype=torch.uint8))
    assert model._folded is first
    assert torch.equal(torch.get_rng_state(), random_state)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert model.to("cpu")._folded is None
