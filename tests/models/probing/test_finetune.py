import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import load_file

from vitobench.bench.catalogue import training_step
from vitobench.errors import CheckpointError, DataError, VitobenchError
from vitobench.interruption import Stopped
from vitobench.models import registry
from vitobench.models.model import Model
from vitobench.models.networks import build
from vitobench.models.probing.data import ProbeData, open_data
from vitobench.models.probing.finetune import FinetuneSettings, batch_rows, depths, finetune, parameter_groups
from vitobench.models.probing.heads import HeadSpec
from vitobench.models.probing.probe import probe
from vitobench.models.spec import ModelSpec, Preprocessing
from vitobench.models.state_dicts import TimmNetwork

pytestmark = pytest.mark.usefixtures("brief")
SETTINGS = FinetuneSettings(steps=6, batch=16, every=2)


@pytest.fixture(scope="module")
def data() -> ProbeData:
    return open_data("microworld", 64, 32)


class BrokenOffError(Exception):
    pass


def test_an_interrupted_run_ends_where_an_uninterrupted_one_does(
    micro_model: Model, data: ProbeData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = finetune(micro_model, data, SETTINGS, tmp_path / "whole")
    monkeypatch.setattr("vitobench.models.probing.finetune.STATE_SECONDS", -1.0)

    def stop(done: int, total: int, loss: float) -> None:
        if done == 4:
            raise BrokenOffError

    with pytest.raises(BrokenOffError):
        finetune(micro_model, data, SETTINGS, tmp_path / "parts", stop)
    seen: list[int] = []
    parts = finetune(micro_model, data, SETTINGS, tmp_path / "parts", lambda done, total, loss: seen.append(done))
    assert seen == [4, 5, 6]
    one, two = load_file(whole.checkpoint), load_file(parts.checkpoint)
    assert all(torch.equal(one[name], two[name]) for name in one)
    again = finetune(micro_model, data, SETTINGS, tmp_path / "parts", lambda *_: seen.append(0))
    assert 0 not in seen
    assert again.checkpoint.read_bytes() == parts.checkpoint.read_bytes()
    names = sorted(path.name for path in (tmp_path / "parts").glob("*.safetensors"))
    assert names == ["last.safetensors", *(f"step-{n:06d}.safetensors" for n in (2, 4, 6))]
    assert [training_step(registry.resolve(f"file:{tmp_path}/parts/{name}")) for name in names] == [6, 2, 4, 6]
    for other in (replace(SETTINGS, learning_rate=1e-4), replace(SETTINGS, steps=7)):
        with pytest.raises(CheckpointError, match="other settings"):
            finetune(micro_model, data, other, tmp_path / "parts")
    state = tmp_path / "parts/finetune.pt"
    content = bytearray(state.read_bytes())
    content[len(content) // 2] ^= 1
    state.write_bytes(content)
    with pytest.raises(CheckpointError, match="does not have the digest it ends with"):
        finetune(micro_model, data, SETTINGS, tmp_path / "parts")
    (tmp_path / "parts/finetune.pt").write_bytes(b"PK nothing")
    with pytest.raises(CheckpointError, match="delete it"):
        finetune(micro_model, data, SETTINGS, tmp_path / "parts")


def test_a_signal_stops_training_once_the_step_is_saved(micro_model: Model, data: ProbeData, tmp_path: Path) -> None:
    whole = finetune(micro_model, data, SETTINGS, tmp_path / "whole")

    def stop(done: int, total: int, loss: float) -> None:
        if done == 3:
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(Stopped, match="saved at step 3 of 6; run the same command to continue") as stopped:
        finetune(micro_model, data, SETTINGS, tmp_path / "parts", stop)
    assert stopped.value.exit_code == 143
    seen: list[int] = []
    parts = finetune(micro_model, data, SETTINGS, tmp_path / "parts", lambda done, total, loss: seen.append(done))
    assert seen == [4, 5, 6]
    one, two = load_file(whole.checkpoint), load_file(parts.checkpoint)
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_training_lowers_the_loss_and_leaves_the_model_alone(micro_model: Model, tmp_path: Path) -> None:
    # Few small images, because processors without units for bfloat16 take twenty times as long.
    model = Model(replace(micro_model.spec, preprocessing=Preprocessing(32, 32)), micro_model.network)
    data = open_data("microworld", 16, 16)
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    losses: list[float] = []
    settings = FinetuneSettings(steps=30, batch=16, learning_rate=3e-3, layer_decay=1.0, precision="bfloat16")
    finetune(model, data, settings, tmp_path, lambda done, total, loss: losses.append(loss))
    assert np.mean(losses[-5:]) < 0.7 * losses[0]
    assert all(torch.equal(value, before[name]) for name, value in micro_model.network.state_dict().items())


def test_a_classifier_of_the_same_classes_is_kept_and_another_begins_at_zero(
    micro_model: Model, data: ProbeData, tmp_path: Path
) -> None:
    from vitobench.models.probing.finetune import trainable

    kept, name = trainable(micro_model, "microworld-16", 16)
    assert name == micro_model.spec.architecture
    assert torch.equal(kept.head.weight, micro_model.network.head.weight)
    assert all(p.requires_grad for p in kept.parameters())
    new, _ = trainable(micro_model, "cifar-10", 10)
    assert new.head.weight.shape == (10, 192)
    assert not new.head.weight.any()
    assert torch.equal(new.stem[0].weight, micro_model.network.stem[0].weight)

    attentive = probe(micro_model, data, HeadSpec("attentive"), tmp_path / "a.safetensors", tmp_path)
    loaded = registry.load(f"file:{attentive.checkpoint}")
    done = finetune(loaded, data, FinetuneSettings(steps=1, batch=16), tmp_path / "run")
    assert registry.load(f"file:{done.checkpoint}").spec.architecture == loaded.spec.architecture
    bank = probe(micro_model, data, HeadSpec("knn"), tmp_path / "k.safetensors", tmp_path)
    with pytest.raises(VitobenchError, match=r"nearest neighbours.*bench probe"):
        finetune(registry.load(f"file:{bank.checkpoint}"), data, SETTINGS, tmp_path / "bank")


def test_a_model_of_timm_is_trained_and_loads(data: ProbeData, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = TimmNetwork(timm.create_model("resnet10t", pretrained=False))
    model = Model(ModelSpec("t", "timm", "timm:resnet10t", Preprocessing(64, 64), "imagenet-1k", "0"), network)
    done = finetune(model, data, FinetuneSettings(steps=2, batch=8), tmp_path)
    loaded = registry.load(f"file:{done.checkpoint}")
    assert (loaded.spec.architecture, loaded.spec.label_space) == ("timm:resnet10t+linear", "microworld-16")
    assert loaded.logits(torch.zeros(1, 3, 64, 64, dtype=torch.uint8)).shape == (1, 16)


def test_depths_follow_the_network() -> None:
    micro = depths(build("micro-resnet8/attention-2scale", 16))
    order = ("stem.0.weight", "stages.0.0.conv1.weight", "stages.1.0.bn2.bias", "stages.2.0.conv2.weight")
    assert [micro[name] for name in order] == sorted({micro[name] for name in order})
    top = max(micro.values())
    assert micro["head.weight"] == micro["pool.scales.0.score.0.weight"] == top > micro["stages.2.0.conv2.weight"]
    vit = TimmNetwork(timm.create_model("vit_tiny_patch16_224", pretrained=False, num_classes=0))
    found = depths(vit)
    assert found["network.cls_token"] == found["network.patch_embed.proj.weight"] == 0
    assert [found[f"network.blocks.{n}.mlp.fc1.weight"] for n in range(12)] == list(range(12))
    # timm has its own opinion on depth; the order of any two parameters is the same in both.
    matcher = vit.network.group_matcher()
    theirs = timm.models.group_parameters(vit.network, matcher, reverse=True)
    for one, two in zip(list(theirs)[:-1], list(theirs)[1:], strict=True):
        if theirs[one] < theirs[two]:
            assert found[f"network.{one}"] <= found[f"network.{two}"]


def test_rates_fall_towards_the_input_and_only_matrices_decay() -> None:
    network = build("micro-resnet8/average", 16)
    groups = parameter_groups(network, 0.1, 0.5, 0.05)
    depth, name_of = depths(network), {id(p): n for n, p in network.named_parameters()}
    assert sum(len(group["params"]) for group in groups) == len(name_of)
    for group in groups:
        for parameter in group["params"]:
            expected = 0.1 * 0.5 ** (max(depth.values()) - depth[name_of[id(parameter)]])
            assert group["lr"] == pytest.approx(expected)
            assert group["weight_decay"] == (0.05 if parameter.ndim > 1 else 0.0)


def test_an_epoch_sees_every_image_once() -> None:
    rows = np.concatenate([batch_rows(step, 50, 10, 3) for step in range(5)])
    assert sorted(rows) == list(range(50))
    later = np.concatenate([batch_rows(step, 50, 10, 3) for step in range(5, 10)])
    assert sorted(later) == list(range(50))
    assert not np.array_equal(rows, later)


def test_wrong_settings_are_explained(micro_model: Model, data: ProbeData, tmp_path: Path) -> None:
    for key, value, valid in (
        ("steps", 0, "a whole number of 1 or more"),
        ("batch", 1, "a whole number of 2 or more"),
        ("every", -1, "a whole number of 0 or more"),
        ("learning_rate", 0.0, "a finite number above 0"),
        ("layer_decay", 0.0, "a number above 0 and up to 1"),
        ("weight_decay", -0.5, "a finite number of 0 or more"),
        ("precision", "float8", "'float32' or 'bfloat16'"),
    ):
        with pytest.raises(VitobenchError, match=f"finetuning.{key} = {value!r} must be {valid}"):
            FinetuneSettings(**({"steps": 1} | {key: value}))
    with pytest.raises(DataError, match="do not fill a batch"):
        finetune(micro_model, data, FinetuneSettings(steps=1, batch=65), tmp_path)
