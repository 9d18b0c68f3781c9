"""Check what models run on: torch, the CPU and GPUs."""

from __future__ import annotations

import os
import platform
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from ...tasks.data.downloads.publication import readable_size
from .check import FAIL, OK, WARN, Check

GROUP = "devices"
SLOW = 30.0
"""Seconds for the import of torch above which something is wrong, such as a network file system."""


@dataclass(frozen=True)
class Gpu:
    """A GPU as torch sees it.

    Attributes:
        device: ``"cuda:0"``.
        name: Product name.
        memory: Bytes.
        problem: Why it cannot run a kernel; empty if it can.
    """

    device: str
    name: str
    memory: int
    problem: str = ""


@dataclass(frozen=True)
class Devices:
    """What `measure_devices` found.

    Attributes:
        version: torch's version; empty if it does not load.
        seconds: How long importing torch took; about 0 if it was already loaded.
        problem: Why torch or torchvision does not load; empty if both do.
        processor: CPU architecture: ``"x86_64"``, ``"arm64"``, ...
        instructions: Instruction set of torch's CPU kernels: ``"AVX2"``, ``"DEFAULT"``, ...
        threads: Threads of a forward pass.
        built_for: ``"CUDA 12.8"``, ``"ROCm 6.2"``; empty for a CPU-only build.
        driver: Whether an NVIDIA driver is installed.
        hidden: Value of ``CUDA_VISIBLE_DEVICES``, or None if it is not set.
        gpus: The GPUs.
        mps: Whether there is an Apple GPU.
    """

    version: str = ""
    seconds: float = 0.0
    problem: str = ""
    processor: str = ""
    instructions: str = ""
    threads: int = 0
    built_for: str = ""
    driver: bool = False
    hidden: str | None = None
    gpus: tuple[Gpu, ...] = ()
    mps: bool = False


def measure_devices() -> Devices:
    """Import torch and read off what it can use."""
    started = time.perf_counter()
    try:
        import torch

        seconds = time.perf_counter() - started
        import torchvision  # noqa: F401 - its import fails if it was built for another torch
    except Exception as error:  # a broken installation can raise anything
        return Devices(problem=" ".join((str(error) or type(error).__name__).split()))
    built = f"CUDA {torch.version.cuda}" if torch.version.cuda else ""
    built = f"ROCm {torch.version.hip}" if torch.version.hip else built
    return Devices(
        str(torch.__version__),
        seconds,
        "",
        platform.machine(),
        torch.backends.cpu.get_cpu_capability(),
        torch.get_num_threads(),
        built,
        shutil.which("nvidia-smi") is not None or Path("/proc/driver/nvidia/version").exists(),
        os.environ.get("CUDA_VISIBLE_DEVICES"),
        tuple(map(_gpu, range(torch.cuda.device_count()))) if torch.cuda.is_available() else (),
        torch.backends.mps.is_available(),
    )


def _gpu(number: int) -> Gpu:
    import torch

    device = f"cuda:{number}"
    problem = ""
    try:
        # torch lists a GPU that is too new or too old for the build; only the first kernel fails.
        torch.ones(2, device=device).sum().item()
    except RuntimeError as error:
        problem = str(error).strip().splitlines()[0]
    facts = torch.cuda.get_device_properties(number)
    return Gpu(device, facts.name, facts.total_memory, problem)


def check_devices(devices: Devices) -> list[Check]:
    """Rows for torch, the processor and GPUs."""
    if devices.problem:
        way_out = "pip install --force-reinstall torch torchvision, both of one build (https://pytorch.org/get-started)"
        return [Check(GROUP, "torch", FAIL, f"cannot be loaded: {devices.problem}", way_out)]
    slow = devices.seconds > SLOW
    rows = [
        Check(
            GROUP,
            "torch",
            WARN if slow else OK,
            f"{devices.version}, imported in {devices.seconds:.1f} s",
            "every worker waits as long; move the environment to a local disk" if slow else "",
        ),
        _processor(devices),
        *(_gpu_row(gpu) for gpu in devices.gpus),
    ]
    if not devices.gpus and not devices.mps:
        rows.append(_without(devices))
    if devices.mps:
        rows.append(Check(GROUP, "mps", OK, "an Apple GPU"))
    automatic = "cuda" if devices.gpus else "mps" if devices.mps else "cpu"
    return [*rows, Check(GROUP, "--device auto", OK, f"uses {automatic}")]


def _processor(devices: Devices) -> Check:
    threads = f"{devices.threads} thread{'' if devices.threads == 1 else 's'} in a forward pass"
    words = f"{devices.instructions or 'unknown'} kernels, {threads}"
    if devices.instructions == "DEFAULT" and devices.processor in ("x86_64", "AMD64"):
        advice = "the CPU has no AVX2, or ATEN_CPU_CAPABILITY is set: models run several times slower"
        return Check(GROUP, "cpu", WARN, words, advice)
    return Check(GROUP, "cpu", OK, words)


def _gpu_row(gpu: Gpu) -> Check:
    words = f"{gpu.name}, {readable_size(gpu.memory)}"
    if not gpu.problem:
        return Check(GROUP, gpu.device, OK, words)
    advice = "install a build of torch for it (https://pytorch.org/get-started), or run with --device cpu"
    return Check(GROUP, gpu.device, FAIL, f"{words}: {gpu.problem}", advice)


def _without(devices: Devices) -> Check:
    if not devices.driver:
        return Check(GROUP, "gpu", OK, "none; models run on the CPU")
    if not devices.built_for:
        advice = "install a CUDA build: https://pytorch.org/get-started"
        return Check(GROUP, "gpu", WARN, "there is a driver, but this build of torch has no GPU support", advice)
    if devices.hidden is not None:
        words = f"torch sees none; CUDA_VISIBLE_DEVICES is {devices.hidden!r}"
        return Check(GROUP, "gpu", WARN, words, "unset CUDA_VISIBLE_DEVICES, or name a device in it")
    advice = "run nvidia-smi to see whether the driver works and is recent enough"
    return Check(GROUP, "gpu", WARN, f"there is a driver, but torch (for {devices.built_for}) sees none", advice)
