import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from click.shell_completion import ShellComplete
from safetensors.torch import save_file
from torch import nn
from torchvision.transforms import functional

from vitobench.bench.cli.run import run_command
from vitobench.errors import CheckpointError, UnknownNameError, VitobenchError
from vitobench.identity import file_digest
from vitobench.models import arithmetic as cpu_tuning
from vitobench.models import registry
from vitobench.models.model import Model
from vitobench.models.networks import ARCHITECTURES, build
from vitobench.models.sources import zoo
from vitobench.models.spec import ModelSpec, Preprocessing

ARCHITECTURE = ARCHITECTURES[0]


def network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return build(ARCHITECTURE, 16).eval()


def card(**changes: object) -> dict[str, object]:
    return {
        "name": "toy",
        "architecture": ARCHITECTURE,
        "sha256": "",
        "preprocessing": {"size": 64, "resize": 64, "interpolation": "bilinear", "mean": [0.5] * 3, "std": [0.25] * 3},
        "label_space": "microworld-16",
        "num_classes": 16,
        "training_data": "microworld",
        "licence": "Apache-2.0",
        "baseline": "toy-base",
        "description": "a toy",
        "recipe": {"epochs": 3},
        "gpu_hours": "0",
        **changes,
    }


def write(folder: Path, stem: str, seed: int = 0, **changes: object) -> Path:
    weights = folder / f"{stem}.safetensors"
    state = {k: v.half() if v.is_floating_point() else v for k, v in network(seed).state_dict().items()}
    save_file({k: v.contiguous() for k, v in state.items()}, weights)
    (folder / f"{stem}.json").write_text(json.dumps(card(**{"name": stem, "sha256": file_digest(weights), **changes})))
    return weights


@pytest.fixture
def toy_zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(zoo, "ZOO_FOLDER", tmp_path)
    write(tmp_path, "toy")
    return tmp_path


def images(n: int, size: int = 64, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, 3, size, size), dtype=torch.uint8, generator=generator)


def test_a_zoo_model_resolves_from_its_card(toy_zoo: Path) -> None:
    spec = registry.resolve("toy")
    assert (spec.name, spec.source, spec.baseline, spec.label_space) == ("toy", "zoo", "toy-base", "microworld-16")
    assert spec.weights_hash == file_digest(toy_zoo / "toy.safetensors")
    assert spec.preprocessing == Preprocessing(64, 64, "bilinear", (0.5,) * 3, (0.25,) * 3)
    assert spec.extra == {"recipe": '{"epochs": 3}', "gpu_hours": "0"}
    hash(spec.identity)


def test_a_zoo_model_computes_in_float32_what_its_network_computes(toy_zoo: Path) -> None:
    model = registry.load("toy")
    plain = network()
    plain.load_state_dict({k: v.half().float() if v.is_floating_point() else v for k, v in plain.state_dict().items()})
    batch = images(3)
    x = torch.stack([functional.to_tensor(np.asarray(i.permute(1, 2, 0))) for i in batch])
    with torch.inference_mode():
        x = functional.normalize(x, [0.5] * 3, [0.25] * 3)
        expected, features = plain(x), plain.features(x)
    torch.testing.assert_close(model.logits(batch), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(model.features(batch), features, rtol=1e-4, atol=1e-5)
    assert model.logits(batch).dtype == model.features(batch).dtype == torch.float32
    assert model.logits(batch).shape == (3, 16)


def test_a_zoo_with_other_weights_than_were_described_is_refused_with_both_hashes(toy_zoo: Path) -> None:
    spec = registry.resolve("toy")
    other = file_digest(write(toy_zoo, "toy", seed=1))  # with its card, so that the zoo is sound in itself
    assert registry.resolve("toy").weights_hash == other != spec.weights_hash
    with pytest.raises(CheckpointError, match=r"toy\.safetensors changed after") as refused:
        registry.load(spec)
    assert other[:16] in str(refused.value)
    assert spec.weights_hash[:16] in str(refused.value)
    registry.load(registry.resolve("toy"))


def test_memory_layout_and_batch_size_do_not_change_the_outputs(toy_zoo: Path) -> None:
    model = registry.load("toy").to("cpu")
    batch = images(5)
    pixels = batch.clone()
    expected = model.logits(batch)
    from_arrays = torch.from_numpy(np.ascontiguousarray(batch.permute(0, 2, 3, 1).numpy())).permute(0, 3, 1, 2)
    torch.testing.assert_close(model.logits(from_arrays), expected)
    torch.testing.assert_close(torch.cat([model.logits(i[None]) for i in batch]), expected, rtol=1e-4, atol=1e-5)
    assert torch.equal(batch, pixels)


@pytest.mark.parametrize(
    "wrong",
    [
        images(2, 32),
        images(2).float(),
        images(2)[0],
        images(2).permute(0, 2, 3, 1),
        images(2)[:0],
        images(1).numpy(),
    ],
)
def test_wrong_images_are_refused_with_what_was_expected(toy_zoo: Path, wrong: torch.Tensor) -> None:
    model = registry.load("toy")
    for ask in (model.logits, model.features):
        with pytest.raises(ValueError, match=r"toy expects a torch\.uint8 tensor of shape \(N, 3, 64, 64\)"):
            ask(wrong)


def test_a_changed_file_is_refused(toy_zoo: Path) -> None:
    spec = registry.resolve("toy")
    path = toy_zoo / "toy.safetensors"
    path.write_bytes(path.read_bytes()[:-4] + b"abcd")
    for ask in (lambda: registry.resolve("toy"), lambda: registry.load("toy"), lambda: registry.load(spec)):
        with pytest.raises(CheckpointError, match=r"toy\.safetensors is not the file.*reinstall"):
            ask()


def test_a_spec_keeps_its_own_preprocessing(toy_zoo: Path) -> None:
    spec = registry.resolve("toy")
    other = dataclasses.replace(spec, preprocessing=dataclasses.replace(spec.preprocessing, mean=(0.0, 0.0, 0.0)))
    assert not torch.allclose(registry.load(other).logits(images(2)), registry.load(spec).logits(images(2)))
    assert other.identity != spec.identity
    with pytest.raises(VitobenchError, match="known sources"):
        registry.load(dataclasses.replace(spec, source="elsewhere"))


def test_listing_shows_a_broken_model_and_keeps_the_others(toy_zoo: Path) -> None:
    write(toy_zoo, "wrong-label-space", label_space="imagenet-1k")
    write(toy_zoo, "broken")
    (toy_zoo / "broken.json").write_text("{")
    (toy_zoo / "no-weights.json").write_text("{}")
    rows = {row.name: row for row in registry.list_models()}
    assert list(rows)[:4] == ["broken", "toy", "wrong-label-space", "efficientnet-lite0"]
    assert set(list(rows)[4:]) == {"vito-videonet", "moclr-imagenet"}
    assert "not JSON" in rows["broken"].problem
    assert "16 classes in the label space 'imagenet-1k'" in rows["wrong-label-space"].problem
    assert rows["toy"].problem == ""
    assert rows["toy"].baseline == "toy-base"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "other"}, "should be called other.json"),
        (
            {"preprocessing": {"size": 64}},
            "is incomplete: preprocessing.resize is missing; it must be a whole number from 1 to 8192",
        ),
        ({"num_classes": "many"}, "num_classes = 'many' must be a whole number from 0"),
    ],
)
def test_a_faulty_card_is_explained(toy_zoo: Path, changes: dict[str, object], words: str) -> None:
    write(toy_zoo, "toy", **changes)
    with pytest.raises(CheckpointError, match=words):
        registry.resolve("toy")


def test_an_architecture_of_another_version_is_explained(toy_zoo: Path) -> None:
    write(toy_zoo, "toy", architecture="hologram")
    with pytest.raises(CheckpointError, match=r"toy\.safetensors needs an architecture.*hologram"):
        registry.load("toy")


@pytest.mark.parametrize("name", ["toyy", "", "timm:", "hub:x", "resnet50", "../toy"])
def test_unknown_names_get_the_nearest_and_the_prefixes(toy_zoo: Path, name: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        registry.resolve(name)
    message = str(caught.value)
    for word in ("efficientnet-lite0", "timm:NAME", "torchvision:NAME", "file:PATH"):
        assert word in message
    if name == "toyy":
        assert "Did you mean 'toy'?" in message


def test_listing_and_resolving_import_no_heavy_library() -> None:
    code = """
import sys
from vitobench.models import registry
rows = registry.list_models()
for row in rows:
    if not row.problem and row.source != "released":  # those are fetched first
        registry.resolve(row.name)
assert any(row.name == "efficientnet-lite0" for row in rows)
print(sorted({"torch", "torchvision", "timm", "pandas", "PIL", "numpy"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def completed(incomplete: str) -> list[str]:
    """What the Tab key offers for ``bench run --model``."""
    shell = ShellComplete(run_command, {}, "bench", "_BENCH_COMPLETE")
    return [item.value for item in shell.get_completions(["--model"], incomplete)]


def test_names_of_every_source_are_completed(toy_zoo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert completed("to") == ["toy", "torchvision:"]
    assert completed("t") == ["toy", "timm:", "torchvision:"]
    assert completed("vito-") == ["vito-videonet"]
    every = completed("")
    assert every[:2] == ["toy", "efficientnet-lite0"]
    assert every[-7:] == ["timm:", "torchvision:", "hf:", "openclip:", "file:", "onnx:", "random:"]
    assert completed("timm:resnet10t") == ["timm:resnet10t.c3_in1k"]
    assert completed("torchvision:resnet1") == [
        "torchvision:resnet101",
        "torchvision:resnet152",
        "torchvision:resnet18",
    ]
    assert completed("nothing") == completed("nothing:") == []


def test_completion_after_file_goes_through_folders(toy_zoo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (toy_zoo / "runs").mkdir()
    for name in ("runs/step-5.safetensors", "runs/step-6.pth", "runs/steps.txt", "runs/.hidden.pt"):
        (toy_zoo / name).touch()
    monkeypatch.chdir(toy_zoo)
    assert completed("file:") == ["file:runs/", "file:toy.safetensors"]
    assert completed("file:r") == ["file:runs/"]
    assert completed("file:runs/step-") == ["file:runs/step-5.safetensors", "file:runs/step-6.pth"]
    assert completed("file:runs/.") == ["file:runs/.hidden.pt"]
    assert completed(f"file:{toy_zoo}/to") == [f"file:{toy_zoo}/toy.safetensors"]
    assert completed("file:nowhere/") == completed("file:~nobody-here/") == []


TOY = """
from .source import ModelRow, Source, WeightsFolder
from ..spec import ModelSpec, Preprocessing
from pathlib import Path

class GreySource(Source):
    name = "grey"
    prefix = "grey:"
    form = "grey:LEVEL"
    about = "answers by one level of grey"
    extra = "grey"
    extra_is_for = "for models of grey"
    libraries = ("pluggy",)

    def complete_after_prefix(self, typed):
        return [level for level in ("dark", "light") if level.startswith(typed)]

    def downloads_to(self):
        return WeightsFolder("levels of grey", Path("grey"), "GREY_HOME")

    def resolve(self, name):
        return ModelSpec(name, self.name, "grey:net", Preprocessing(8, 8), "microworld-16", "0")

    def build(self, spec):
        return self.encoder(spec.architecture)

    def encoder(self, architecture):
        from torch import nn

        class Net(nn.Module):
            def features(self, x):
                return x.mean((2, 3))

            def forward(self, x):
                return self.features(x).mean(1, keepdim=True).expand(-1, 16)

        return Net()

SOURCE = GreySource()
"""

ADDED = """
import sys
from pathlib import Path
import vitobench.models.sources as sources
sources.__path__.append(sys.argv[1])
from vitobench.models import registry
from vitobench.bench import reference, run
from vitobench.bench.cli.options import HOW_TO_NAME
from vitobench.bench.doctor.packages import PURPOSES
from vitobench.bench.doctor.places import caches
assert HOW_TO_NAME.startswith("A name of `bench models`, timm:NAME, torchvision:NAME, hf:OWNER/NAME, "), HOW_TO_NAME
assert HOW_TO_NAME.endswith(", openclip:ARCH/PRETRAINED, file:PATH, onnx:FILE, grey:LEVEL or random:NAME"), HOW_TO_NAME
assert "| `grey:LEVEL` |  |  | answers by one level of grey |" in reference.page()
assert PURPOSES["grey"] == "for models of grey"
assert ("levels of grey", Path("grey"), "GREY_HOME") in caches()
assert registry.complete("gr") == ["grey:"]
assert registry.complete("grey:d") == ["grey:dark"]
import importlib.metadata
assert run._versions()["pluggy"] == importlib.metadata.version("pluggy")
assert not {"torch", "timm"} & set(sys.modules)

import torch
model = registry.load("grey:dark")
assert model.spec.identity.startswith("grey:dark@")
assert model.logits(torch.zeros(2, 3, 8, 8, dtype=torch.uint8)).shape == (2, 16)
from vitobench.models.probing.heads import build_encoder
assert build_encoder("grey:net+linear").features(torch.ones(1, 3, 8, 8)).shape == (1, 3)
"""


def test_a_new_source_is_one_file(tmp_path: Path) -> None:
    (tmp_path / "grey.py").write_text(TOY)
    done = subprocess.run([sys.executable, "-c", ADDED, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_file_with_a_source_is_registered() -> None:
    folder = Path(zoo.__file__).parent
    files = sorted(path.stem for path in folder.glob("*.py") if "\nSOURCE = " in path.read_text(encoding="utf-8"))
    assert files == sorted(registry._FILES)
    names = [source.name for source in registry.SOURCES]
    assert sorted(names) == [
        "file", "hugging-face", "onnx", "open_clip", "package", "plugin", "plugin-source", "random", "released",
        "timm", "torchvision", "zoo",
    ]  # fmt: skip  # stored in records
    for source in registry.SOURCES:
        assert bool(source.prefix) == bool(source.form) == bool(source.about)


def test_dropout_and_batch_norm_are_off_and_weights_frozen() -> None:
    class Noisy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.drop = nn.Dropout(0.5)
            self.fc = nn.Linear(3, 16)

        def features(self, x: torch.Tensor) -> torch.Tensor:
            return self.drop(x.mean((2, 3)))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc(self.features(x))

    spec = ModelSpec("noisy", "file", "x", Preprocessing(size=8, resize=8), "microworld-16", "0")
    net = Noisy().double()
    model = Model(spec, net)
    assert torch.equal(model.logits(images(2, 8)), model.logits(images(2, 8)))
    assert model.logits(images(2, 8)).dtype == torch.float32
    assert not any(p.requires_grad for p in net.parameters())


def test_the_allocator_is_left_alone_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VITOBENCH_KEEP_MEMORY", "0")
    assert cpu_tuning.keep_freed_memory.__wrapped__() is False
    monkeypatch.delenv("VITOBENCH_KEEP_MEMORY")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert cpu_tuning.keep_freed_memory.__wrapped__() is False
