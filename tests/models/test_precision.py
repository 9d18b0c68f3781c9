from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from vitobench.errors import UnknownNameError, VitobenchError
from vitobench.models import arithmetic as arithmetic_module
from vitobench.models.arithmetic import arithmetic, without_tf32
from vitobench.models.model import Model
from vitobench.models.networks import build
from vitobench.models.spec import PRECISIONS, ModelSpec, Preprocessing

SPEC = ModelSpec("m", "file", "micro-resnet/average", Preprocessing(64, 64), "microworld-16", "ab" * 32)
BICUBIC = Preprocessing(224, 256, "bicubic", (0.5,) * 3, (0.5,) * 3)
LITE0 = ModelSpec("efficientnet-lite0", "package", "timm:tf_efficientnet_lite0", BICUBIC, "imagenet-1k", "cd" * 32)


def images(count: int, size: int = 64) -> Tensor:
    return torch.randint(0, 256, (count, 3, size, size), generator=torch.Generator().manual_seed(0)).byte()


def network() -> nn.Module:
    torch.manual_seed(0)
    return build("micro-resnet8/attention-2scale", 16).eval()


@pytest.mark.parametrize(
    ("spec", "identity"), [(SPEC, "m@c88af927092014b9"), (LITE0, "efficientnet-lite0@0e426ce079f7ff43")]
)
def test_identities_are_those_from_before_there_was_a_choice(spec: ModelSpec, identity: str) -> None:
    assert spec.identity == replace(spec, precision="float32").identity == identity


def test_another_precision_is_another_model() -> None:
    assert len({replace(SPEC, precision=p).identity for p in PRECISIONS}) == len(PRECISIONS) == 3


@pytest.mark.parametrize("precision", ["float64", "half", "", "Float32"])
def test_unknown_precisions_are_refused(precision: str) -> None:
    with pytest.raises(UnknownNameError, match="Valid names: bfloat16, float16, float32"):
        replace(SPEC, precision=precision)


def test_bfloat16_is_torchs_autocast_with_float32_answers() -> None:
    plain, batch = network(), images(6)
    model = Model(replace(SPEC, precision="bfloat16"), network())
    exact = Model(SPEC, network())
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        x = (batch.float() / 255 - torch.tensor(SPEC.preprocessing.mean).view(1, 3, 1, 1)) / torch.tensor(
            SPEC.preprocessing.std
        ).view(1, 3, 1, 1)
        expected, features = plain(x).float(), plain.features(x).float()
    for ours, theirs, full in (
        (model.logits(batch), expected, exact.logits(batch)),
        (model.features(batch), features, exact.features(batch)),
    ):
        assert ours.dtype == torch.float32
        torch.testing.assert_close(ours, theirs, rtol=2e-2, atol=2e-2 * float(theirs.abs().max()))
        assert (ours - full).abs().max() > 1e-3 * full.abs().max()


def test_float16_is_refused_on_a_cpu_with_what_works_there() -> None:
    model = Model(replace(SPEC, precision="float16"), network())  # it may be on its way to a GPU
    for ask in (lambda: model.to("cpu"), lambda: model.logits(images(1)), lambda: model.features(images(1))):
        with pytest.raises(VitobenchError, match="Use float32, bfloat16"):
            ask()


def test_a_type_that_a_device_lacks_is_an_error_where_torch_only_warns() -> None:
    with pytest.warns(UserWarning, match="Disabling autocast"), pytest.raises(VitobenchError, match="float64 on cpu"):
        arithmetic("float64", torch.device("cpu")).__enter__()
    assert not torch.is_autocast_enabled("cpu")


@pytest.fixture
def tf32_allowed() -> Iterator[None]:
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = True
    yield
    torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


@pytest.mark.usefixtures("tf32_allowed")
def test_tf32_is_off_inside_and_as_before_afterwards() -> None:
    def convolutions() -> bool:
        cudnn = torch.backends.cudnn
        return cudnn.conv.fp32_precision == "tf32" if hasattr(cudnn, "conv") else cudnn.allow_tf32

    def products() -> bool:
        matmul = torch.backends.cuda.matmul
        return matmul.fp32_precision == "tf32" if hasattr(matmul, "fp32_precision") else matmul.allow_tf32

    assert convolutions()
    assert products()
    with without_tf32():
        assert not convolutions()
        assert not products()
    assert torch.backends.cudnn.allow_tf32
    assert torch.backends.cuda.matmul.allow_tf32
    with arithmetic("float32", torch.device("cuda")):  # the settings exist without a GPU
        assert not convolutions()
    with arithmetic("float32", torch.device("cpu")):
        assert convolutions()
    assert torch.backends.cudnn.allow_tf32


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_gpu_agrees_with_the_cpu(precision: str) -> None:
    batch = images(6)
    expected = Model(SPEC, network()).logits(batch)
    found = Model(replace(SPEC, precision=precision), network()).to("cuda").logits(batch)
    assert found.dtype == torch.float32
    tolerance = 1e-4 if precision == "float32" else 0.2
    assert float((found.cpu() - expected).abs().max() / expected.abs().max()) < tolerance


@pytest.mark.parametrize(("half", "expected"), [(0.5, "bfloat16"), (0.95, "float32"), (20.0, "float32")])
def test_bfloat16_is_chosen_where_it_pays(half: float, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arithmetic_module, "_passes_in_turn", lambda: {"float32": 1.0, "bfloat16": half})
    arithmetic_module.quick_precision.cache_clear()
    assert arithmetic_module.quick_precision("cpu") == expected
    arithmetic_module.quick_precision.cache_clear()


def test_timing_the_precisions_changes_no_random_numbers() -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    seconds = arithmetic_module._passes_in_turn()
    assert set(seconds) == {"float32", "bfloat16"}
    assert all(0 < value < 10 for value in seconds.values())
    assert torch.equal(torch.rand(2), expected)
