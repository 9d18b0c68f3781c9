"""Classifiers in ONNX files: layouts, inputs, outputs, how they are described, and what is refused."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from torch import nn

from vitobench.bench.mock_run import SKIP, check_outputs
from vitobench.errors import CheckpointError, VitobenchError
from vitobench.identity import file_digest
from vitobench.models import registry
from vitobench.models.spec import WEIGHTS_NOTE
from vitobench.tasks.images.classes import imagenet_wnids

onnx = pytest.importorskip("onnx", reason="the package onnx is not installed")
pytest.importorskip("onnxruntime", reason="the package onnxruntime is not installed")

SIZE = 8
PREPARED = "resize=10&interpolation=bilinear&mean=0.4,0.5,0.6&std=0.2,0.3,0.4"
MEAN, STD = (torch.tensor(values).view(3, 1, 1) for values in ((0.4, 0.5, 0.6), (0.2, 0.3, 0.4)))
IMAGES = torch.randint(0, 256, (5, 3, SIZE, SIZE), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
NORMALISED = (IMAGES.float() / 255 - MEAN) / STD


class Export:
    """A linear classifier on pixels, as a graph, with the same computation in torch beside it."""

    def __init__(self, path: Path, classes: int = 1000) -> None:
        self.path, self.classes = path, classes
        generator = np.random.default_rng(classes)
        self.weight = (generator.standard_normal((3 * SIZE * SIZE, classes)) / 14).astype(np.float32)

    def write(
        self,
        layout: str = "NCHW",
        batch: int | str = "n",
        kind: str = "FLOAT",
        softmax: bool = False,
        sides: tuple[Any, Any, Any] = (3, SIZE, SIZE),
        operator: tuple[str, str] = ("", "Flatten"),
        external: str = "",
        outputs: tuple[str, ...] = ("scores",),
    ) -> str:
        helper, types = onnx.helper, onnx.TensorProto
        channels, height, width = sides
        shape = [batch, channels, height, width] if layout == "NCHW" else [batch, height, width, channels]
        takes = helper.make_tensor_value_info("pixels", getattr(types, kind), shape)
        nodes = [helper.make_node("Cast", ["pixels"], ["numbers"], to=types.FLOAT)]
        if layout == "NHWC":
            nodes.append(helper.make_node("Transpose", ["numbers"], ["channels"], perm=[0, 3, 1, 2]))
        domain, name = operator
        nodes += [
            helper.make_node(name, [nodes[-1].output[0]], ["flat"], domain=domain),
            helper.make_node("MatMul", ["flat", "weight"], ["products"]),
            helper.make_node("Softmax" if softmax else "Identity", ["products"], ["scores"]),
        ]
        gives = [helper.make_tensor_value_info("scores", types.FLOAT, [batch, self.classes])]
        if "flat" in outputs:
            gives.append(helper.make_tensor_value_info("flat", types.FLOAT, [batch, 3 * SIZE * SIZE]))
        rows = [side if isinstance(side, int) else 1 for side in sides]
        fits = np.prod(rows) == len(self.weight) or isinstance(channels, str)
        values = self.weight if fits else np.zeros((int(np.prod(rows)), self.classes), np.float32)
        weight = onnx.numpy_helper.from_array(values, "weight")
        graph = helper.make_graph(nodes, "network", [takes], gives, [weight])
        domains = [helper.make_opsetid("", 17), *([helper.make_opsetid(domain, 1)] if domain else [])]
        model = helper.make_model(graph, opset_imports=domains, ir_version=8)
        options = {"save_as_external_data": True, "location": external, "size_threshold": 0} if external else {}
        onnx.save(model, str(self.path), **options)
        return f"onnx:{self.path}"

    def logits(self, pixels: torch.Tensor = NORMALISED) -> torch.Tensor:
        return pixels.flatten(1) @ torch.from_numpy(self.weight)


@pytest.fixture
def export(tmp_path: Path) -> Export:
    return Export(tmp_path / "network.onnx")


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("batch", ["n", 1, 3])
def test_layout_and_batch_are_those_of_the_graph(export: Export, layout: str, batch: int | str) -> None:
    model = registry.load(f"{export.write(layout, batch)}?{PREPARED}")
    assert (model.spec.preprocessing.size, model.spec.preprocessing.resize) == (SIZE, 10)
    assert (model.spec.label_space, model.spec.weights_hash) == ("imagenet-1k", file_digest(export.path))
    torch.testing.assert_close(model.logits(IMAGES), export.logits(), rtol=1e-5, atol=1e-5)
    for count in (1, 2, 4):
        torch.testing.assert_close(model.logits(IMAGES[:count]), export.logits()[:count], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("kind", "tolerance"), [("FLOAT16", 2e-2), ("DOUBLE", 1e-5)])
def test_other_floats_are_converted(export: Export, kind: str, tolerance: float) -> None:
    model = registry.load(f"{export.write(kind=kind)}?{PREPARED}")
    torch.testing.assert_close(model.logits(IMAGES), export.logits(), rtol=0, atol=tolerance)


def test_a_graph_that_takes_bytes_gets_the_pixels(export: Export) -> None:
    name = export.write("NHWC", kind="UINT8")
    model = registry.load(f"{name}?resize=10&interpolation=bilinear")
    torch.testing.assert_close(model.logits(IMAGES), export.logits(IMAGES.float()), rtol=1e-5, atol=1e-2)
    with pytest.raises(CheckpointError, match=r"pixels from 0 to 255 \(uint8\), so it can have no mean"):
        registry.resolve(f"{name}?{PREPARED}")


def test_probabilities_become_logits(export: Export) -> None:
    name = f"{export.write(softmax=True)}?{PREPARED}"
    model = registry.load(name)
    assert "add up to 1, so they are read as probabilities" in model.spec.extra[WEIGHTS_NOTE]
    torch.testing.assert_close(model.logits(IMAGES).softmax(1), export.logits().softmax(1), rtol=1e-4, atol=1e-7)
    stated = registry.resolve(f"{name}&output=probabilities")
    assert stated.extra == {}
    assert stated.identity.partition("@")[2] == model.spec.identity.partition("@")[2]
    as_logits = registry.load(f"{name}&output=logits")
    torch.testing.assert_close(as_logits.logits(IMAGES), export.logits().softmax(1), rtol=1e-4, atol=1e-7)
    assert as_logits.spec.architecture != model.spec.architecture
    with pytest.raises(CheckpointError, match=r"are not probabilities.*output=logits"):
        registry.resolve(f"{export.write()}?{PREPARED}&output=probabilities")


def test_a_json_file_beside_it_describes_it_and_options_count_more(export: Export, tmp_path: Path) -> None:
    name = export.write()
    (tmp_path / "names.txt").write_text("\n".join(imagenet_wnids()[::-1]))
    table = {
        "preprocessing": {"resize": 12, "interpolation": "bicubic", "mean": [0.4, 0.5, 0.6], "std": [0.2, 0.3, 0.4]},
        "classes": "names.txt",
        "training_data": "photographs",
    }
    beside = tmp_path / "network.json"
    beside.write_text(json.dumps(table))
    model = registry.load(name)
    assert (model.spec.preprocessing.resize, model.spec.training_data) == (12, "photographs")
    torch.testing.assert_close(model.logits(IMAGES), export.logits().flip(1), rtol=1e-5, atol=1e-5)
    assert registry.resolve(f"{name}?resize=9").preprocessing.resize == 9
    for wrong, words in (
        ('{"preprocesing": {}}', "preprocesing.*preprocessing"),
        ("{", "cannot be read as JSON"),
        ("[]", "must be an object"),
        ('{"layout": 3}', "layout must be a text"),
        ('{"layout": "HWC"}', "HWC.*NCHW"),
    ):
        beside.write_text(wrong)
        with pytest.raises(VitobenchError, match=words):
            registry.resolve(f"{name}?{PREPARED}")


def test_more_classes_are_read_at_the_thousand(tmp_path: Path) -> None:
    export = Export(tmp_path / "network.onnx", 1001)
    name = f"{export.write()}?{PREPARED}"
    with pytest.raises(CheckpointError, match=r"1001 outputs.*classes=background-first"):
        registry.resolve(name)
    model = registry.load(f"{name}&classes=background-first")
    torch.testing.assert_close(model.logits(IMAGES), export.logits()[:, 1:], rtol=1e-5, atol=1e-5)
    assert model.spec.weights_hash != file_digest(export.path)


def test_features_are_an_output_or_absent(export: Export) -> None:
    name = f"{export.write(outputs=('scores', 'flat'))}?{PREPARED}"
    with pytest.raises(CheckpointError, match=r"2 outputs.*logits=scores\|flat"):
        registry.resolve(name)
    model = registry.load(f"{name}&logits=scores&features=flat")
    torch.testing.assert_close(model.features(IMAGES), NORMALISED.flatten(1), rtol=1e-5, atol=1e-5)
    with pytest.raises(CheckpointError, match="no output features=nothing; it has scores, flat"):
        registry.resolve(f"{name}&features=nothing")
    model = registry.load(f"{export.write()}?{PREPARED}")
    pixels = np.random.default_rng(0).integers(0, 256, (8, SIZE, SIZE, 3), dtype=np.uint8)
    checks = {check.name: check for check in check_outputs(model, pixels)}
    assert checks.pop("features").status == SKIP
    assert {check.status for check in checks.values()} == {"pass"}
    network, x = model.differentiable(IMAGES)
    with pytest.raises(VitobenchError, match="no gradients"):
        network(x)


def test_nothing_of_the_preprocessing_is_guessed(export: Export) -> None:
    name = export.write()
    with pytest.raises(CheckpointError, match=r"resize, interpolation, mean, std of network\.onnx.*network\.json"):
        registry.resolve(name)
    with pytest.raises(CheckpointError, match=r"std of network\.onnx is not given"):
        registry.resolve(f"{name}?resize=10&interpolation=bilinear&mean=0,0,0")
    for option, words in (
        ("resize=4", "resize = 4 must be a whole number from 8"),
        ("mean=0,0", "mean"),
        ("std=0,0,0", "std"),
        ("size=9", r"shape .*, which is not size=9"),
        ("layout=NHWC", "which is not layout=NHWC"),
        ("preprocessing=timm:nothing", "nothing"),
        ("colour=BGR", r"option 'colour=BGR'.*layout=NCHW\|NHWC"),
    ):
        key = option.partition("=")[0]
        others = "&".join(part for part in PREPARED.split("&") if not part.startswith(key))
        with pytest.raises(VitobenchError, match=words):
            registry.resolve(f"{name}?{others}&{option}" if key != "colour" else f"{name}?{option}")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kind": "INT64"}, r"type tensor\(int64\); supported are float, float16, double, uint8"),
        ({"sides": (1, SIZE, SIZE)}, "not images of three channels"),
        ({"sides": (3, SIZE, 2 * SIZE)}, "not square images"),
        ({"sides": ("c", "h", "w")}, "does not say where the channels are. Add layout=NCHW or layout=NHWC"),
        ({"operator": ("my.company", "FastFlatten")}, r"custom operators \(my\.company:FastFlatten\).*plugin"),
    ],
)
def test_graphs_that_cannot_be_run_are_explained(export: Export, options: dict[str, Any], words: str) -> None:
    with pytest.raises(CheckpointError, match=words):
        registry.resolve(f"{export.write(**options)}?{PREPARED}")


def test_weights_in_other_files_are_part_of_the_identity(export: Export, tmp_path: Path) -> None:
    name = f"{export.write(external='weights.bin')}?{PREPARED}"
    model = registry.load(name)
    torch.testing.assert_close(model.logits(IMAGES), export.logits(), rtol=1e-5, atol=1e-5)
    weights = tmp_path / "weights.bin"
    content = bytearray(weights.read_bytes())
    content[3] ^= 1
    weights.write_bytes(content)
    assert registry.resolve(name).weights_hash != model.spec.weights_hash
    with pytest.raises(CheckpointError, match="changed after"):
        registry.load(model.spec)
    weights.unlink()
    with pytest.raises(CheckpointError, match=r"another file, 'weights\.bin', which is not in .*Copy it there"):
        registry.resolve(name)
    model_file = onnx.load(str(export.path), load_external_data=False)
    model_file.graph.initializer[0].external_data[0].value = "../weights.bin"
    export.path.write_bytes(model_file.SerializeToString())
    with pytest.raises(CheckpointError, match=r"refused.*outside of its folder"):
        registry.resolve(name)


def test_damaged_and_absent_files_are_explained(export: Export) -> None:
    name = f"{export.write()}?{PREPARED}"
    whole = export.path.read_bytes()
    for content in (b"<html>404</html>", whole[: len(whole) // 2], whole[:20]):
        export.path.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"network\.onnx"):
            registry.resolve(name)
    export.path.unlink()
    with pytest.raises(CheckpointError, match="does not exist"):
        registry.resolve(name)


def test_precision_and_probes_are_refused(export: Export) -> None:
    from dataclasses import replace

    spec = registry.resolve(f"{export.write()}?{PREPARED}")
    with pytest.raises(VitobenchError, match="precision it was exported with"):
        registry.load(replace(spec, precision="bfloat16"))
    with pytest.raises(VitobenchError, match="not probed or fine-tuned"):
        registry.encoder(spec.architecture)


def test_an_export_of_timm_takes_its_preprocessing(tmp_path: Path) -> None:
    """The same network by way of timm, of ONNX and of a Lightning-like file: equal logits."""
    torch.manual_seed(0)
    network: nn.Module = timm.create_model("test_resnet", num_classes=1000).eval()
    lightning = tmp_path / "epoch=3.ckpt"
    prefixed = {f"model.{name}": value for name, value in network.state_dict().items()}
    torch.save({"state_dict": prefixed | {"criterion.weight": torch.ones(3)}, "epoch": 3}, lightning)
    path = tmp_path / "network.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (torch.zeros(2, 3, 160, 160),),
            str(path),
            dynamo=False,
            dynamic_axes={"x": {0: "n"}},
            input_names=["x"],
        )
    ours = registry.load(f"file:{lightning}?arch=timm:test_resnet")
    theirs = registry.load(f"onnx:{path}?preprocessing=timm:test_resnet")
    assert theirs.spec.preprocessing == ours.spec.preprocessing
    size = ours.spec.preprocessing.size
    x = torch.randint(0, 256, (3, 3, size, size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(theirs.logits(x), ours.logits(x), rtol=0, atol=1e-4)
