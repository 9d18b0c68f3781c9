"""Lightning Fabric for a run: one device, several devices of a machine, or the processes of torchrun or SLURM."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lightning_fabric import Fabric


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
