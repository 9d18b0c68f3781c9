"""Lightning Fabric for a run: one device, several of a machine, or what torchrun or SLURM have started."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def make_fabric(devices: int = 1, accelerator: str = "auto") -> Fabric:
    """Start the processes of a run, or join those that were started.

    Under torchrun, and under ``srun`` with several tasks, the numbers of devices and machines are those of the
    launcher, and ``devices`` is not looked at. Autocast is the trainer's: Fabric's would round the views, and attacks
    on them, to the eight bits of bfloat16.

    Args:
        devices: Devices of this machine.
        accelerator: ``"auto"``, ``"cpu"``, ``"cuda"`` or another of Fabric's names.
    """
    from lightning_fabric import Fabric

    # It tells about its precision and its seeds, once for every run; its import sets the level to that.
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
    """Take the group of processes down, when nothing is gathered any more.

    A process that ends while its peers still listen makes gloo abort them.

    Args:
        fabric: What `make_fabric` returned.
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
