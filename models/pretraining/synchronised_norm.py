"""Batch normalisation over the batch of all ranks.

torch's `SyncBatchNorm` does this on accelerators, but rejects tensors on a CPU. This module is used there, so that a
run on a cluster of CPUs, and every test without an accelerator, computes the same thing.
"""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce
from torch.nn.modules.batchnorm import _BatchNorm


class CpuSyncBatchNorm(_BatchNorm):
    """Batch normalisation with the statistics of all ranks, which must have parts of equal size.

    Sums are exchanged in float64 in the forward and the backward pass, so that gradients are those of the whole batch.
    """

    def _check_input_dim(self, input: Tensor) -> None:
        """Accept any (N, C, ...)."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalise (N, C, ...)."""
        if not self.training:
            return super().forward(input)
        axes = [0, *range(2, input.ndim)]
        wide = input.double()
        sums = all_reduce(torch.stack([wide.sum(axes), wide.square().sum(axes)]))
        count = input.numel() // input.shape[1] * dist.get_world_size()
        mean = sums[0] / count
        variance = (sums[1] / count - mean.square()).clamp(min=0)
        if self.running_mean is not None and self.running_var is not None:
            with torch.no_grad():
                share = self.momentum if self.momentum is not None else 0.1
                self.running_mean.lerp_(mean.to(self.running_mean), share)
                self.running_var.lerp_((variance * count / max(1, count - 1)).to(self.running_var), share)
                if self.num_batches_tracked is not None:
                    self.num_batches_tracked.add_(1)
        shape = (1, -1, *([1] * (input.ndim - 2)))
        scaled = (wide - mean.view(shape)) * (variance + self.eps).rsqrt().view(shape)
        return (scaled.float() * self.weight.view(shape) + self.bias.view(shape)).to(input.dtype)


def synchronise(module: nn.Module, device: torch.device) -> nn.Module:
    """Make every batch normalisation of a module use all ranks; weights and names do not change.

    Args:
        module: Changed in place; if it is a batch normalisation itself, use the returned object.
        device: Device it will be trained on.
    """
    if device.type != "cpu":
        return nn.SyncBatchNorm.convert_sync_batchnorm(module)
    if isinstance(module, _BatchNorm):
        synchronised = CpuSyncBatchNorm(
            module.num_features, module.eps, module.momentum, module.affine, module.track_running_stats
        )
        synchronised.load_state_dict(module.state_dict())
        # Share the parameter objects: a target's must stay without gradients, or the reducer would wait for them
        # forever.
        synchronised.weight, synchronised.bias = module.weight, module.bias
        return synchronised.train(module.training)
    for name, child in module.named_children():
        setattr(module, name, synchronise(child, device))
    return module
