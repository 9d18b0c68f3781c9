"""The devices of a run: Lightning Fabric, communication between them, and batch normalisation over all of them."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce
from torch.nn.modules.batchnorm import _BatchNorm

if TYPE_CHECKING:
    from lightning_fabric import Fabric


# Lightning Fabric for a run: one device, several devices of a machine, or the processes of torchrun or SLURM.


def make_fabric(devices: int = 1, accelerator: str = "auto") -> Fabric:
    """Start the processes of a run, or join those of a launcher.

    Under torchrun, and under ``srun`` with several tasks, the launcher sets the numbers of devices and machines, and
    ``devices`` is ignored. Fabric's precision plugin is not used, because it would also round the views, and attacks on
    them, to the eight bits of bfloat16; the trainer uses autocast instead.

    Args:
        devices: Devices of this machine.
        accelerator: ``"auto"``, ``"cpu"``, ``"cuda"`` or another of Fabric's names.
    """
    from lightning_fabric import Fabric

    # Fabric logs its precision and seeds in every run. Set the level after the import, which resets it.
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    devices, nodes = _launched(devices)
    several = devices * nodes > 1
    fabric = Fabric(
        accelerator=accelerator,
        devices=devices,
        num_nodes=nodes,
        strategy="ddp" if several else "auto",
    )
    fabric.launch()
    return fabric


def leave(fabric: Fabric) -> None:
    """Destroy the process group, after the last collective operation.

    If a process exited while its peers still communicate, gloo would abort them.

    Args:
        fabric: From `make_fabric`.
    """
    import torch.distributed as processes

    fabric.barrier()
    if processes.is_available() and processes.is_initialized():
        processes.destroy_process_group()


def _launched(devices: int) -> tuple[int, int]:
    env = os.environ
    if "TORCHELASTIC_RUN_ID" in env:
        local = int(env["LOCAL_WORLD_SIZE"])
        return local, int(env["WORLD_SIZE"]) // local
    if "SLURM_NTASKS" in env and int(env["SLURM_NTASKS"]) > 1:
        nodes = int(env.get("SLURM_NNODES", "1"))
        return int(env["SLURM_NTASKS"]) // nodes, nodes
    return devices, 1


# Communication between the devices of a run: gathering and averaging, with Lightning Fabric.


class Ranks:
    """The processes that train together, seen from one of them. All of them must make the same calls.

    Args:
        fabric: Launched Lightning Fabric; None for a single process.
    """

    def __init__(self, fabric: Fabric | None = None) -> None:
        self._fabric = fabric
        self.count = 1 if fabric is None else fabric.world_size
        self.rank = 0 if fabric is None else fabric.global_rank

    def gather(self, rows: Tensor, gradients: bool = False) -> Tensor:
        """The rows of all ranks, (count * N, ...), in the order of ranks.

        Args:
            rows: (N, ...), with the same N on every rank.
            gradients: Let gradients flow back to the rank that a row comes from.
        """
        if self._fabric is None or self.count == 1:
            return rows
        gathered = cast(Tensor, self._fabric.all_gather(rows.contiguous(), sync_grads=gradients))
        return gathered.flatten(0, 1)

    def mean(self, value: Tensor) -> Tensor:
        """Average of a tensor over the ranks; no gradient flows."""
        if self._fabric is None or self.count == 1:
            return value.detach()
        return cast(Tensor, self._fabric.all_reduce(value.detach().clone(), reduce_op="mean"))

    def same(self, word: str) -> str:
        """The word of the first rank, for what each rank has measured and all must agree on."""
        if self._fabric is None or self.count == 1:
            return word
        return self._fabric.broadcast(word)

    def first(self, rows: int) -> int:
        """Where this rank's rows begin among the gathered ones, if each rank has `rows` rows."""
        return self.rank * rows


# Batch normalisation over the batch of all ranks.
#
# torch's `SyncBatchNorm` does this on accelerators, but rejects tensors on a CPU. This class is used there, so that a
# run on a cluster of CPUs, and every test without an accelerator, computes the same thing.


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
