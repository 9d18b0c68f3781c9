import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from vitobench.errors import UnknownNameError, VitobenchError
from vitobench.models.networks import ARCHITECTURES, POOLINGS, build

WIDTHS = {"average": 128, "average-2scale": 64 + 128, "attention": 128, "attention-2scale": 64 + 128}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_shapes(architecture: str) -> None:
    network = build(architecture, 7).eval()
    width = WIDTHS[architecture.partition("/")[2]]
    with torch.inference_mode():
        x = torch.randn(2, 3, 64, 64)
        features = network.features(x)
        assert features.shape == (2, width) == (2, network.pool.width)
        assert features.dtype == torch.float32
        assert network(x).shape == (2, 7)
        torch.testing.assert_close(network(x), network.head(features))
        assert [m.shape[-1] for m in network.maps(x)] == ([8, 4] if "2scale" in architecture else [4])
        assert network(torch.randn(1, 3, 96, 96)).shape == (1, 7)


def test_every_pooling_has_an_architecture() -> None:
    assert {f"micro-resnet8/{pooling}" for pooling in POOLINGS} == set(ARCHITECTURES)
    assert set(WIDTHS) == set(POOLINGS)


def test_poolings_share_one_encoder() -> None:
    names = [set(dict(build(a, 16).stages.named_parameters())) for a in ARCHITECTURES]
    assert all(n == names[0] for n in names)
    counts = {a: sum(p.numel() for p in build(a, 16).parameters()) for a in ARCHITECTURES}
    # Attention adds 4 C^2 + 4 C weights and biases at each scale, and the classifier grows with the features.
    attention = {c: 4 * c * c + 4 * c for c in (64, 128)}
    assert counts["micro-resnet8/attention"] - counts["micro-resnet8/average"] == attention[128]
    assert counts["micro-resnet8/attention-2scale"] - counts["micro-resnet8/average-2scale"] == sum(attention.values())
    assert counts["micro-resnet8/average-2scale"] - counts["micro-resnet8/average"] == 64 * 16


def test_an_image_of_64_pixels_takes_less_than_30_million_operations() -> None:
    counted = {}
    for architecture in ARCHITECTURES:
        network = build(architecture, 16).eval()
        with FlopCounterMode(display=False) as counter, torch.inference_mode():
            network(torch.zeros(1, 3, 64, 64))
        counted[architecture] = counter.get_total_flops() / 1e6  # a multiply-add counts as two
    assert max(counted.values()) == counted["micro-resnet8/attention-2scale"] == pytest.approx(27.2, abs=0.1)
    assert min(counted.values()) == counted["micro-resnet8/average"] == pytest.approx(23.0, abs=0.1)


def test_seed_decides_the_weights() -> None:
    states = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        states.append(build(ARCHITECTURES[-1], 16).state_dict())
    assert all(torch.equal(states[0][k], states[1][k]) for k in states[0])
    assert not torch.equal(states[0]["head.weight"], states[2]["head.weight"])


def test_unknown_architectures_are_refused() -> None:
    for name, known in (
        ("micro-resnet8/attention2", "attention-2scale"),
        ("resnet50", "attention-2scale"),
        ("attention", "micro-resnet8/attention"),
    ):
        with pytest.raises(UnknownNameError, match=known):
            build(name, 16)


def test_the_network_of_the_first_micro_world_is_named_with_the_way_out() -> None:
    with pytest.raises(VitobenchError, match=r"generator version 1.*bench pretrain.*with that version"):
        build("micro-resnet/attention-2scale", 16)
