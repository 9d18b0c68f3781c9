"""Backbones of timm as encoders with feature maps, among them VITO's ResNet-50."""

from __future__ import annotations

from typing import Any

import timm
import torch
from timm.layers import Conv2dSame
from torch import Tensor, nn

from ..errors import VitobenchError, unknown_name
from .networks import PooledNetwork, classifier
from .vito import MultiScalePooling


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
        found: list[Tensor] = self.backbone.forward_intermediates(
            x, indices=self.scales, norm=True, output_fmt="NCHW", intermediates_only=True
        )
        return found


def _any_size(name: str) -> dict[str, Any]:
    """What makes a transformer take images of another size than it was designed for."""
    if name.startswith(("vit_", "deit_", "deit3_", "eva")):
        return {"dynamic_img_size": True}
    return {"strict_img_size": False} if name.startswith("swin_") else {}


def _pad_same(module: nn.Module) -> None:
    """Replace convolutions by ones with the same weights that pad as TensorFlow does."""
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
