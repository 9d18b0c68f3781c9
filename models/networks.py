"""The networks that this project trains itself, by name: a small one of its own, and others of timm."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock

from ..errors import VitobenchError, unknown_name
from .dense_maps import NamedMap, timm_maps
from .pooled_layers import Layer
from .vito import MultiScalePooling

_WIDTHS = (24, 64, 128)

POOLINGS: dict[str, tuple[tuple[int, ...], bool]] = {
    "average": ((2,), False),
    "average-2scale": ((1, 2), False),
    "attention": ((2,), True),
    "attention-2scale": ((1, 2), True),
}
"""Which stages a pooling reads, and whether it attends: VITO reads the last two with attention."""


def classifier(width: int, num_classes: int) -> nn.Module:
    """A linear classifier; without classes the identity."""
    return nn.Linear(width, num_classes) if num_classes else nn.Identity()


class PooledNetwork(nn.Module):
    """An encoder that gives feature maps, a pooling of them and a linear classifier.

    Attributes:
        pool: Pools the maps; ``pool.width`` is the width of the features.
        head: The classifier; the identity if there are no classes, so that the outputs are the features.
    """

    pool: MultiScalePooling
    head: nn.Module

    def maps(self, x: Tensor) -> list[Tensor]:
        """Feature maps that the pooling reads, from fine to coarse, for normalised (N, 3, H, W)."""
        raise NotImplementedError

    def features(self, x: Tensor) -> Tensor:
        """Pooled features, float32 (N, D), for normalised (N, 3, H, W)."""
        return cast(Tensor, self.pool(self.maps(x)))

    def tokens(self, x: Tensor) -> Tensor:
        """Positions of the coarsest map as tokens (N, H' W', C), for normalised (N, 3, H, W)."""
        return self.maps(x)[-1].flatten(2).transpose(1, 2)

    def layers(self, x: Tensor, count: int) -> list[Layer]:
        """The last maps, the last one last, as layers without a class token."""
        maps = self.every_map(x)
        if count > len(maps):
            raise VitobenchError(f"This network has {len(maps)} layers that can be read, not {count}.")
        return [Layer(one.flatten(2).transpose(1, 2), None) for one in maps[-count:]]

    def every_map(self, x: Tensor) -> list[Tensor]:
        """All feature maps that it gives, from fine to coarse; those that the pooling reads if there are no others."""
        return self.maps(x)

    def named_maps(self, x: Tensor) -> list[NamedMap]:
        """All feature maps with their names; see `dense_maps`."""
        return [NamedMap(f"stage{number}", values) for number, values in enumerate(self.every_map(x), 1)]

    def forward(self, x: Tensor) -> Tensor:
        """Logits, float32 (N, num_classes), for normalised (N, 3, H, W)."""
        return cast(Tensor, self.head(self.features(x)))


class MicroResNet(PooledNetwork):
    """A residual network of eight layers for 64-pixel images, with a pooling and a linear classifier on top.

    It is ResNet-18 with what 64 pixels can spare left out: a stem (5x5, stride 2, then max-pooling) and one basic block
    in each of three stages, whose maps are 16x16, 8x8 and 4x4; the last two are those that VITO pools. An image takes
    23 MFLOP, and 27 with attention at both scales; a multiply-add counts as two operations. One convolution of stride 4
    in place of the stem's two steps is hardly faster, and costs accuracy when trained with labels.

    Args:
        pooling: One of `POOLINGS`.
        num_classes: Outputs of the classifier.
    """

    def __init__(self, pooling: str, num_classes: int) -> None:
        super().__init__()
        stages, attention = POOLINGS[pooling]
        self.stem = nn.Sequential(
            nn.Conv2d(3, _WIDTHS[0], 5, stride=2, padding=2, bias=False),
            nn.BatchNorm2d(_WIDTHS[0]),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2, padding=1),
        )
        self.stages = nn.ModuleList()
        inputs = _WIDTHS[0]
        for number, width in enumerate(_WIDTHS):
            stride = 1 if number == 0 else 2
            shortcut = None
            if stride > 1:
                shortcut = nn.Sequential(nn.Conv2d(inputs, width, 1, stride, bias=False), nn.BatchNorm2d(width))
            self.stages.append(nn.Sequential(BasicBlock(inputs, width, stride, shortcut)))
            inputs = width
        self.read = stages
        self.pool = MultiScalePooling([_WIDTHS[s] for s in stages], attention)
        self.head = classifier(self.pool.width, num_classes)
        # Not the pooling: by the fan-out of its last convolution, which is 1, attention would begin as one-hot masks.
        for module in (*self.stem.modules(), *self.stages.modules()):
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def maps(self, x: Tensor) -> list[Tensor]:
        """Feature maps that the pooling reads, from fine to coarse, for normalised (N, 3, H, W)."""
        every = self.every_map(x)
        return [every[number] for number in self.read]

    def every_map(self, x: Tensor) -> list[Tensor]:
        """Feature maps of all stages, whether the pooling reads them or not, for normalised (N, 3, H, W)."""
        outputs = [self.stem(x)]
        for stage in self.stages:
            outputs.append(stage(outputs[-1]))
        return outputs[1:]


class MappedNetwork(PooledNetwork):
    """A network of timm whose last one or two feature maps are pooled.

    Token sequences of transformers are read as maps, after their last normalisation.

    Args:
        name: timm's name, without weights.
        same_padding: Pad every convolution as TensorFlow's ``SAME`` does, as in the released VITO.
        scales: How many of the last maps are pooled, 1 or 2.
        attention: Attention pooling; else averages.
        num_classes: Outputs of the classifier.

    Raises:
        UnknownNameError: timm has no such network.
        VitobenchError: A network that gives no feature maps.
    """

    def __init__(self, name: str, same_padding: bool, scales: int, attention: bool, num_classes: int) -> None:
        import timm  # slow to load, and no other network of this module needs it

        super().__init__()
        if name not in timm.list_models():
            raise unknown_name("architecture of timm", name, timm.list_models())
        network: Any = timm.create_model(name, pretrained=False, num_classes=0, **_any_size(name))
        if not hasattr(network, "forward_intermediates"):
            raise VitobenchError(f"timm's {name} has no feature maps to pool; choose another network.")
        self.backbone = network
        self.scales = scales
        if same_padding:
            _pad_same(self.backbone)
        self.pool = MultiScalePooling([stage["num_chs"] for stage in network.feature_info[-scales:]], attention)
        self.head = classifier(self.pool.width, num_classes)

    def maps(self, x: Tensor) -> list[Tensor]:
        """Feature maps that the pooling reads, from fine to coarse, for normalised (N, 3, H, W)."""
        outputs: list[Tensor] = self.backbone.forward_intermediates(
            x, indices=self.scales, norm=True, output_fmt="NCHW", intermediates_only=True
        )
        return outputs

    def named_maps(self, x: Tensor) -> list[NamedMap]:
        """All feature maps of the network of timm, with timm's names of the layers."""
        return timm_maps(self.backbone, x)


def _any_size(name: str) -> dict[str, Any]:
    """What makes a transformer take images of another size than it was designed for."""
    if name.startswith(("vit_", "deit_", "deit3_", "eva")):
        return {"dynamic_img_size": True}
    return {"strict_img_size": False} if name.startswith("swin_") else {}


def _pad_same(module: nn.Module) -> None:
    """Replace convolutions by ones with the same weights that pad as TensorFlow does."""
    from timm.layers import Conv2dSame

    for name, child in module.named_children():
        if isinstance(child, nn.Conv2d):
            same = Conv2dSame(
                child.in_channels,
                child.out_channels,
                child.kernel_size,  # type: ignore[arg-type]
                stride=child.stride,  # type: ignore[arg-type]
                dilation=child.dilation,  # type: ignore[arg-type]
                groups=child.groups,
                bias=child.bias is not None,
            )
            with torch.no_grad():
                same.load_state_dict(child.state_dict())
            setattr(module, name, same)
        else:
            _pad_same(child)


MICRO = "micro-resnet8"
TIMM = "timm/"

_RETIRED = {
    "micro-resnet": "the network of the first micro-world (generator version 1), which vitobench trained up to 0.2"
}
"""Backbones of earlier versions, and what they were."""

ARCHITECTURES = tuple(f"{MICRO}/{pooling}" for pooling in POOLINGS)


def build(architecture: str, num_classes: int) -> PooledNetwork:
    """Build an untrained network.

    Args:
        architecture: ``BACKBONE/POOLING``. A backbone is ``"micro-resnet8"``, ``"resnet50"`` (VITO's, with convolutions
            padded as in TensorFlow) or ``"timm/NAME"``, any network of timm that gives feature maps; poolings are those
            of `POOLINGS`.
        num_classes: Outputs of the classifier; 0 for none.

    Raises:
        UnknownNameError: A backbone or pooling that this project does not define.
        VitobenchError: A backbone of an earlier version, or a network of timm that gives no feature maps.
    """
    backbone, _, pooling = architecture.rpartition("/")
    if backbone in _RETIRED:
        raise VitobenchError(
            f"{architecture!r} is {_RETIRED[backbone]}. Train the model again (`bench pretrain` with {MICRO!r}), or "
            "use it with that version."
        )
    if pooling not in POOLINGS:
        raise unknown_name(f"pooling (in {architecture!r})", pooling, POOLINGS)
    network: PooledNetwork
    if backbone == MICRO:
        network = MicroResNet(pooling, num_classes)
    elif backbone == "resnet50" or backbone.startswith(TIMM):
        stages, attention = POOLINGS[pooling]
        name, padded = backbone.removeprefix(TIMM), backbone == "resnet50"
        network = MappedNetwork(name, padded, len(stages), attention, num_classes)
    else:
        known = [f"{name}/{p}" for name in (MICRO, "resnet50", TIMM + "NAME") for p in POOLINGS]
        raise unknown_name("architecture", architecture, known)
    return network.to(memory_format=torch.channels_last)
