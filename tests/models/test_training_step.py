import pytest

from vitobench.bench.catalogue import training_step
from vitobench.models.spec import ModelSpec, Preprocessing


@pytest.mark.parametrize(
    ("name", "extra", "expected"),
    [
        ("file:a/step-000500.safetensors", {}, 500),
        ("file:step7/run_step_30_avg.pth?arch=timm:resnet50", {}, 30),
        ("file:a/step-5/last.safetensors", {}, None),
        ("file:a/step-5.safetensors", {"training_step": "9", "step": "8"}, 9),
        ("file:last.safetensors", {"step": "8"}, 8),
        ("file:last.safetensors", {"step": "soon"}, None),
        ("timm:step3", {}, None),
    ],
)
def test_card_then_name(name: str, extra: dict[str, str], expected: int | None) -> None:
    source = name.partition(":")[0]
    spec = ModelSpec(name, source, "a", Preprocessing(), "microworld-16", "0", extra=extra)
    assert training_step(spec) == expected
    without = ModelSpec(name, source, "a", Preprocessing(), "microworld-16", "0")
    assert spec.identity == without.identity
