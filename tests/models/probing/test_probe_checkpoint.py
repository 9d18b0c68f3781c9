import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
import torchvision

from vitobench.errors import CheckpointError, VitobenchError
from vitobench.models import registry
from vitobench.models.model import Model
from vitobench.models.probing.data import ProbeData
from vitobench.models.probing.heads import HeadedNetwork, HeadSpec, build_network
from vitobench.models.probing.probe import Probed, accuracy, probe
from vitobench.models.saliency import attention_maps, gradient_saliency
from vitobench.models.spec import ModelSpec, Preprocessing
from vitobench.models.state_dicts import TimmNetwork, TorchvisionNetwork
from vitobench.tasks.microworld.sets import MicroSet

pytestmark = pytest.mark.usefixtures("brief")
KINDS = ("linear", "knn", "attentive")


@pytest.fixture(params=["micro", "timm", "torchvision"])
def model(request: pytest.FixtureRequest, micro_model: Model) -> Model:
    if request.param == "micro":
        return micro_model
    torch.manual_seed(0)
    shown = Preprocessing(64, 64)
    if request.param == "timm":
        network = TimmNetwork(timm.create_model("resnet10t", pretrained=False))
        return Model(ModelSpec("t", "timm", "timm:resnet10t", shown, "imagenet-1k", "0"), network)
    inner = torchvision.models.get_model("mobilenet_v3_small", weights=None)
    network = TorchvisionNetwork(inner, 1000)
    return Model(ModelSpec("v", "torchvision", "torchvision:mobilenet_v3_small", shown, "imagenet-1k", "0"), network)


def made(model: Model, data: ProbeData, kind: str, folder: Path) -> Probed:
    return probe(model, data, HeadSpec(kind), folder / f"{kind}.safetensors", folder / "features")


def test_every_head_loads_by_its_name_and_does_what_was_measured(
    model: Model, small_data: ProbeData, tmp_path: Path
) -> None:
    identities = set()
    kinds = [kind for kind in KINDS if kind != "attentive" or model.spec.source != "torchvision"]
    pixels = torch.from_numpy(MicroSet("val", 5).frames(range(5)).images).permute(0, 3, 1, 2)
    for kind in kinds:
        found = made(model, small_data, kind, tmp_path)
        loaded = registry.load(f"file:{found.checkpoint}")
        identities.add(loaded.spec.identity.partition("@")[2])
        assert loaded.spec.label_space == "microworld-16"
        assert loaded.logits(pixels).shape == (5, 16)
        correct, images = accuracy(loaded, small_data.held_out)
        assert images == found.images == 32
        # Tokens are kept in half precision, which may move an answer that hangs on a hair.
        assert abs(correct - found.correct) <= (1 if kind == "attentive" else 0)
        if kind != "attentive":
            torch.testing.assert_close(loaded.features(pixels), model.features(pixels), rtol=1e-3, atol=1e-4)
        card = json.loads(found.checkpoint.with_suffix(".json").read_text())
        assert card["sha256"] == loaded.spec.weights_hash
        assert card["made_from"]["identity"] == model.spec.identity
        assert card["head"]["kind"] == kind
    assert len(identities) == len(kinds)


def test_other_settings_of_a_head_are_another_model(micro_model: Model, small_data: ProbeData, tmp_path: Path) -> None:
    found = set()
    for k in (5, 6):
        path = tmp_path / f"{k}.safetensors"
        probe(micro_model, small_data, HeadSpec("knn", k=k), path, tmp_path / "f")
        found.add(registry.resolve(f"file:{path}").identity.partition("@")[2])
        assert registry.load(f"file:{path}").network.head.k == k
    assert len(found) == 2
    again = registry.resolve(f"file:{path}").weights_hash
    probe(micro_model, small_data, HeadSpec("knn", k=6), path, tmp_path / "f")
    assert registry.resolve(f"file:{path}").weights_hash == again


def test_a_probe_is_probed_by_its_encoder(micro_model: Model, small_data: ProbeData, tmp_path: Path) -> None:
    first = made(micro_model, small_data, "knn", tmp_path)
    second = made(registry.load(f"file:{first.checkpoint}"), small_data, "linear", tmp_path)
    straight = made(micro_model, small_data, "linear", tmp_path / "straight")
    assert second.card["architecture"] == micro_model.spec.architecture
    assert second.correct == straight.correct


def test_images_of_unknown_classes_are_told(micro_model: Model, small_data: ProbeData, tmp_path: Path) -> None:
    few = ProbeData(small_data.train.head(8), small_data.held_out, small_data.label_space, "eight images")
    facts = made(micro_model, few, "linear", tmp_path).facts
    assert facts["held_out_images_of_classes_without_a_training_image"] == 16


def test_what_cannot_be_probed_is_explained(small_data: ProbeData, tmp_path: Path) -> None:
    network = TorchvisionNetwork(torchvision.models.get_model("mobilenet_v3_small", weights=None), 1000)
    spec = ModelSpec("v", "torchvision", "torchvision:mobilenet_v3_small", Preprocessing(64, 64), "imagenet-1k", "0")
    with pytest.raises(VitobenchError, match="no spatial tokens"):
        made(Model(spec, network), small_data, "attentive", tmp_path)
    assert not list(tmp_path.glob("*.safetensors"))


def test_an_unknown_head_in_a_card_is_explained(micro_model: Model, small_data: ProbeData, tmp_path: Path) -> None:
    path = made(micro_model, small_data, "knn", tmp_path).checkpoint
    content = path.read_bytes()
    for wrong in (b"+kmm(bank", b"+knn(bonk", b"-knn(bank"):
        path.write_bytes(content.replace(b"+knn(bank", wrong))
        with pytest.raises(CheckpointError, match="cannot build"):
            registry.load(f"file:{path}")


def test_tokens_average_to_features_where_the_pooling_is_an_average() -> None:
    torch.manual_seed(0)
    images = torch.randn(2, 3, 64, 64)
    for network in (
        build_network("micro-resnet8/average", 16).eval(),
        TimmNetwork(timm.create_model("resnet10t", pretrained=False)).eval(),
        TimmNetwork(timm.create_model("vit_tiny_patch16_224", pretrained=False, global_pool="avg", img_size=64)).eval(),
    ):
        with torch.no_grad():
            tokens, features = network.tokens(images), network.features(images)
        if hasattr(getattr(network, "network", None), "fc_norm"):
            # timm normalises the average instead of the tokens here.
            normalised = network.network.fc_norm(tokens.mean(1))
            assert tokens.shape == (2, 16, 192)
            torch.testing.assert_close(normalised, features, rtol=1e-3, atol=1e-4)
        else:
            torch.testing.assert_close(tokens.mean(1), features, rtol=1e-4, atol=1e-5)


def test_maps_of_attention_are_those_of_a_pooling_that_is_used(
    micro_model: Model, small_data: ProbeData, tmp_path: Path
) -> None:
    pixels = torch.from_numpy(MicroSet("val", 2).frames(range(2)).images).permute(0, 3, 1, 2)
    expected = attention_maps(micro_model, pixels)["attention"]
    for kind in ("knn", "linear"):
        loaded = registry.load(f"file:{made(micro_model, small_data, kind, tmp_path).checkpoint}")
        torch.testing.assert_close(attention_maps(loaded, pixels)["attention"], expected)
    loaded = registry.load(f"file:{made(micro_model, small_data, 'attentive', tmp_path).checkpoint}")
    assert attention_maps(loaded, pixels) == {}
    assert gradient_saliency(loaded, pixels, torch.tensor([0, 1])).sum() > 0


def test_headed_networks_answer_the_same_in_any_batch(
    micro_model: Model, small_data: ProbeData, tmp_path: Path
) -> None:
    pixels = torch.from_numpy(MicroSet("val", 6).frames(range(6)).images).permute(0, 3, 1, 2)
    for kind in ("knn", "attentive"):
        loaded = registry.load(f"file:{made(micro_model, small_data, kind, tmp_path).checkpoint}")
        assert isinstance(loaded.network, HeadedNetwork)
        one_by_one = torch.cat([loaded.logits(image[None]) for image in pixels])
        np.testing.assert_allclose(loaded.logits(pixels).numpy(), one_by_one.numpy(), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("pool", ["cls", "mean", "cls+mean"])
def test_several_layers_are_read_as_written_out(small_data: ProbeData, tmp_path: Path, pool: str) -> None:
    torch.manual_seed(0)
    network = timm.create_model("test_vit", pretrained=False, num_classes=1000, img_size=160).eval()
    model = Model(
        ModelSpec("t", "timm", "timm:test_vit", Preprocessing(160, 160), "imagenet-1k", "0"), TimmNetwork(network)
    )
    data = replace(small_data, train=small_data.train.head(20), held_out=small_data.held_out.head(5))
    probed = probe(model, data, HeadSpec("linear", layers=3, pool=pool), tmp_path / "p.safetensors", tmp_path / "f")
    loaded = registry.load(f"file:{probed.checkpoint}")
    assert loaded.spec.architecture == f"timm:test_vit+linear(layers=3,pool={pool})"
    x = torch.rand(2, 3, 160, 160)
    sequences: list[torch.Tensor] = []
    hooks = [block.register_forward_hook(lambda _, __, out: sequences.append(out)) for block in network.blocks[-3:]]
    with torch.no_grad():
        network(x)
        normed = [network.norm(sequence) for sequence in sequences]
        features = loaded.network.features(x)
    for hook in hooks:
        hook.remove()
    tokens, means = [one[:, 0] for one in normed], [one[:, 1:].mean(1) for one in normed]
    expected = {"cls": tokens, "mean": means, "cls+mean": [*tokens, means[-1]]}[pool]
    torch.testing.assert_close(features, torch.cat(expected, dim=1), rtol=1e-4, atol=1e-5)


def test_layers_of_other_networks_are_averaged(model: Model, small_data: ProbeData, tmp_path: Path) -> None:
    data = replace(small_data, train=small_data.train.head(20), held_out=small_data.held_out.head(5))
    path, folder = tmp_path / "p.safetensors", tmp_path / "features"
    if model.spec.source == "torchvision":
        with pytest.raises(VitobenchError, match="cannot be read by layers"):
            probe(model, data, HeadSpec("linear", layers=2, pool="mean"), path, folder)
        return
    plain = probe(model, data, HeadSpec("linear"), path, folder)
    width = registry.load(f"file:{plain.checkpoint}").features(torch.zeros(1, 3, 64, 64, dtype=torch.uint8)).shape[1]
    probe(model, data, HeadSpec("knn", layers=3, pool="mean"), path, folder)  # from the same folder, but other features
    loaded = registry.load(f"file:{path}")
    wide = loaded.features(torch.zeros(1, 3, 64, 64, dtype=torch.uint8)).shape[1]
    assert wide != width
    with pytest.raises(VitobenchError, match="no class token"):
        probe(model, data, HeadSpec("linear", layers=2, pool="cls"), path, folder)
    with pytest.raises(VitobenchError, match="layers that can be read, not 20"):
        probe(model, data, HeadSpec("linear", layers=20, pool="mean"), path, folder)
    again = probe(loaded, data, HeadSpec("linear", layers=1, pool="mean"), tmp_path / "again.safetensors", folder)
    assert registry.resolve(f"file:{again.checkpoint}").architecture.endswith("+linear(layers=1,pool=mean)")


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_chosen_on_what_is_evaluated(
    micro_model: Model, small_data: ProbeData, tmp_path: Path, kind: str
) -> None:
    """Other held-out images give another accuracy, but the very same head."""
    other = replace(small_data, held_out=replace(small_data.held_out, indices=small_data.held_out.indices[:7]))
    states = []
    for name, data in (("one", small_data), ("two", other)):
        made(micro_model, data, kind, tmp_path / name)
        states.append(registry.load(f"file:{tmp_path / name / kind}.safetensors").network.state_dict())
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
