import pytest
import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from vitobench.models.model import TOLERANCE, fold_batch_norms
from vitobench.models.networks import ARCHITECTURES, build
from vitobench.models.state_dicts import TimmNetwork, TorchvisionNetwork


class Plain(nn.Module):
    """A convolution, a normalisation, ReLU, an average, a classifier; sub-classes change one thing each."""

    def __init__(self, bias: bool = True, affine: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1, bias=bias)
        self.norm = nn.BatchNorm2d(8, affine=affine)
        self.fc = nn.Linear(8, 5)

    def block(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x)).relu()

    def features(self, x: Tensor) -> Tensor:
        return self.block(x).mean((2, 3))

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.features(x))


class UsedTwice(Plain):
    def block(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        return self.norm(y) + y


class ChangedBetween(Plain):
    def block(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x).abs_())


class SharedConvolution(Plain):
    def block(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x)) * self.conv(x).sigmoid()


class OtherFeatures(Plain):
    def features(self, x: Tensor) -> Tensor:
        return self.conv(x).mean((2, 3))

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.block(x).mean((2, 3)))


class StandardisedWeights(Plain):
    def __init__(self) -> None:
        super().__init__()
        self.conv.register_forward_pre_hook(
            lambda m, _: m.weight.data.copy_(F.normalize(m.weight.data.flatten(1)).view(8, 3, 3, 3))
        )


class BatchStatistics(Plain):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(8, track_running_stats=False)


class Copyless(Plain):
    def __deepcopy__(self, memo: dict) -> "Copyless":
        raise RuntimeError("no copies")


def trained(network: nn.Module, seed: int = 0) -> nn.Module:
    """Give every normalisation statistics and weights that do something."""
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            if module.running_var is not None:
                module.running_mean.normal_(0, 0.3, generator=generator)
                module.running_var.uniform_(0.3, 3, generator=generator)
            if module.weight is not None:
                module.weight.data.uniform_(0.5, 2, generator=generator)
                module.bias.data.normal_(0, 0.3, generator=generator)
    return network.eval().requires_grad_(False)


def norms(network: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())


def probe(size: int = 32, count: int = 1) -> Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(count))


def check_equal(folded: nn.Module, network: nn.Module, x: Tensor) -> None:
    with torch.inference_mode():
        for ours, theirs in ((folded(x), network(x)), (folded.features(x), network.features(x))):
            assert (ours - theirs).abs().max() <= TOLERANCE * theirs.abs().max()
            assert torch.equal(ours.argmax(1), theirs.argmax(1))


@pytest.mark.parametrize(("bias", "affine"), [(True, True), (False, True), (True, False), (False, False)])
def test_weights_are_those_of_torchs_own_fusion(bias: bool, affine: bool) -> None:
    torch.manual_seed(0)
    network = trained(Plain(bias, affine))
    folded = fold_batch_norms(network, probe())
    assert norms(folded) == 0
    if affine:
        expected = fuse_conv_bn_eval(network.conv, network.norm)
        torch.testing.assert_close(folded.conv.weight, expected.weight)
        torch.testing.assert_close(folded.conv.bias, expected.bias)
    check_equal(folded, network, probe(48, 5))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_networks_of_the_project_fold_whole(architecture: str) -> None:
    torch.manual_seed(0)
    network = trained(build(architecture, 16))
    folded = fold_batch_norms(network, probe(64))
    assert norms(folded) == 0
    check_equal(folded, network, probe(64, 4))


# Activations inside the normalisation, "same" padding, squeeze-and-excitation, groups, two branches, concatenation.
@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("tf_efficientnet_lite0", 0),
        ("resnet26", 0),
        ("mobilenetv3_small_050", 0),
        ("regnety_002", 0),
        ("test_resnet", 0),
    ],
)
def test_networks_of_timm_fold(name: str, left: int) -> None:
    torch.manual_seed(0)
    network = trained(TimmNetwork(timm.create_model(name, pretrained=False)))
    folded = fold_batch_norms(network, probe(64))
    assert norms(network) > 5
    assert norms(folded) == left
    check_equal(folded, network, probe(64, 4))


def test_a_network_with_hooks_keeps_them() -> None:
    from torchvision.models import resnet18

    torch.manual_seed(0)
    network = trained(TorchvisionNetwork(resnet18(weights=None, num_classes=7), 7))
    folded = fold_batch_norms(network, probe(64))
    assert norms(folded) == 0
    check_equal(folded, network, probe(64, 3))
    assert folded.features(probe(64)).shape == (1, 512)
    assert network._captured is None
    assert folded._captured is None


@pytest.mark.parametrize(
    "kind",
    [UsedTwice, ChangedBetween, SharedConvolution, OtherFeatures, StandardisedWeights, BatchStatistics, Copyless],
)
def test_a_network_that_folding_would_change_is_handed_back(kind: type[Plain]) -> None:
    torch.manual_seed(0)
    network = trained(kind())
    assert fold_batch_norms(network, probe()) is network


def test_a_network_without_batch_normalisation_is_not_even_run() -> None:
    class Untouched(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise AssertionError("was run")

    network = Untouched()
    assert fold_batch_norms(network, probe()) is network


def test_the_original_keeps_its_weights_and_shares_the_others() -> None:
    torch.manual_seed(0)
    network = trained(Plain())
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with torch.inference_mode():
        folded = fold_batch_norms(network, probe())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert folded.fc.weight is network.fc.weight
    assert not folded.conv.weight.is_inference()
    assert not folded.conv.weight.requires_grad
    assert not network.conv._forward_hooks
    assert not network.norm._forward_pre_hooks
