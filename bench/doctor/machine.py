"""Checks of the machine: system, cores, memory, threads, and the devices that models run on."""

from __future__ import annotations

import os
import platform
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ...cores import allowed_cores
from ...tasks.download.publication import readable_size
from .check import FAIL, OK, WARN, Check

# Check the machine: operating system, cores and memory, within the limits of a container.


MACHINE = "machine"
LEAN = 2_000_000_000
"""Bytes of free memory below which the default batch size or several workers are likely to run out of it."""


@dataclass(frozen=True)
class Machine:
    """What `measure_machine` found.

    Attributes:
        system: Operating system and processor.
        cores: Cores of the machine.
        usable: Cores that this process may use, by its affinity and its container; a container's quota may be a
            fraction.
        memory: Bytes of memory, or the container's limit if that is lower; None if unknown on this system.
        free: Bytes of memory that are free; None if unknown on this system.
    """

    system: str
    cores: int
    usable: float
    memory: int | None
    free: int | None


def measure_machine(limits: Path = Path("/sys/fs/cgroup"), memory_file: Path = Path("/proc/meminfo")) -> Machine:
    """Look at this machine.

    Args:
        limits: Folder of the cgroup files, which hold a container's limits on Linux.
        memory_file: File in which Linux reports free memory.
    """
    memory, free = _memory(memory_file)
    limit, used = (_number(limits / name) for name in ("memory.max", "memory.current"))
    if limit is not None and memory is not None and limit < memory:
        memory = limit
        unused = max(0, limit - (used or 0))
        free = unused if free is None else min(free, unused)
    return Machine(
        f"{platform.system()} {platform.release()}, {platform.machine()}",
        os.cpu_count() or 1,
        allowed_cores(limits),
        memory,
        free,
    )


def check_machine(machine: Machine) -> list[Check]:
    """Rows for the machine."""
    return [
        Check(MACHINE, "system", OK, machine.system),
        _cores(machine),
        _free(machine),
    ]


def _cores(machine: Machine) -> Check:
    if machine.usable >= machine.cores:
        return Check(MACHINE, "cores", OK, str(machine.cores))
    return Check(MACHINE, "cores", OK, f"{machine.cores}, of which this process may use {machine.usable:g}")


def _free(machine: Machine) -> Check:
    if machine.memory is None:
        return Check(MACHINE, "memory", OK, "unknown on this system")
    free = "" if machine.free is None else f", {readable_size(machine.free)} free"
    low = machine.free is not None and machine.free < LEAN
    advice = "use a smaller --batch and one worker" if low else ""
    return Check(MACHINE, "memory", WARN if low else OK, readable_size(machine.memory) + free, advice)


def _memory(memory_file: Path) -> tuple[int | None, int | None]:
    """Bytes of memory, and how many are free, counting caches as free."""
    with suppress(OSError, ValueError, KeyError, IndexError):
        lines = (line.split() for line in memory_file.read_text().splitlines())
        sizes = {words[0]: 1024 * int(words[1]) for words in lines if len(words) > 1}
        return sizes["MemTotal:"], sizes.get("MemAvailable:")
    with suppress(OSError, ValueError, AttributeError):  # macOS knows these two names; Windows has no sysconf
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), None
    return None, None


def _number(path: Path) -> int | None:
    with suppress(OSError, ValueError):
        return int(path.read_text())
    return None


# Check the environment variables that set how many threads compute, and how idle threads wait.


THREADS = "threads"

_OF_LIBRARIES = ("MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


def check_threads(environment: Mapping[str, str], cores: int) -> list[Check]:
    """Rows for ``OMP_NUM_THREADS``, for the variables of other libraries if they are set, and for how threads wait.

    Args:
        environment: Environment variables.
        cores: Cores that this process may use.
    """
    rows = [_openmp(environment.get("OMP_NUM_THREADS"), cores)]
    for name in _OF_LIBRARIES:
        value = environment.get(name)
        if value is not None:
            rows.append(_library(name, value, cores))
    return [*rows, _waiting(environment.get("OMP_WAIT_POLICY", ""))]


def _openmp(value: str | None, cores: int) -> Check:
    name = "OMP_NUM_THREADS"
    if value is None:
        return Check(THREADS, name, OK, f"not set: a forward pass uses all {cores} cores")
    number = _count(value)
    if number is None:
        return Check(THREADS, name, WARN, f"{value!r} is not a number of threads", f"unset it, or set it to {cores}")
    if number > cores:
        return Check(THREADS, name, WARN, f"{number}, but there are {cores} cores", f"unset it, or set it to {cores}")
    if number < cores:
        words = f"a run with one worker uses {number} of {cores} cores"
        return Check(THREADS, name, WARN, words, "unset it, unless other programs need the rest")
    return Check(THREADS, name, OK, value)


def _library(name: str, value: str, cores: int) -> Check:
    number = _count(value)
    if number is None or number > cores:
        return Check(THREADS, name, WARN, value, f"unset it, or set it to {cores} at most")
    return Check(THREADS, name, OK, value)


def _waiting(policy: str) -> Check:
    if policy.strip().upper() == "ACTIVE":
        advice = (
            "unset it (bench sets PASSIVE): spinning threads take the cores from those that read and corrupt images"
        )
        return Check(THREADS, "OMP_WAIT_POLICY", WARN, "ACTIVE: waiting threads spin", advice)
    return Check(THREADS, "OMP_WAIT_POLICY", OK, policy or "not set")


def _count(value: str) -> int | None:
    # OpenMP accepts a list such as "4,2", a number for each level of nesting; only the outermost matters here.
    first = value.split(",")[0].strip()
    return int(first) if first.isdecimal() and int(first) > 0 else None


# Check what models run on: torch, the CPU and GPUs.


DEVICES = "devices"
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
        return [Check(DEVICES, "torch", FAIL, f"cannot be loaded: {devices.problem}", way_out)]
    slow = devices.seconds > SLOW
    rows = [
        Check(
            DEVICES,
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
        rows.append(Check(DEVICES, "mps", OK, "an Apple GPU"))
    automatic = "cuda" if devices.gpus else "mps" if devices.mps else "cpu"
    return [*rows, Check(DEVICES, "--device auto", OK, f"uses {automatic}")]


def _processor(devices: Devices) -> Check:
    threads = f"{devices.threads} thread{'' if devices.threads == 1 else 's'} in a forward pass"
    words = f"{devices.instructions or 'unknown'} kernels, {threads}"
    if devices.instructions == "DEFAULT" and devices.processor in ("x86_64", "AMD64"):
        advice = "the CPU has no AVX2, or ATEN_CPU_CAPABILITY is set: models run several times slower"
        return Check(DEVICES, "cpu", WARN, words, advice)
    return Check(DEVICES, "cpu", OK, words)


def _gpu_row(gpu: Gpu) -> Check:
    words = f"{gpu.name}, {readable_size(gpu.memory)}"
    if not gpu.problem:
        return Check(DEVICES, gpu.device, OK, words)
    advice = "install a build of torch for it (https://pytorch.org/get-started), or run with --device cpu"
    return Check(DEVICES, gpu.device, FAIL, f"{words}: {gpu.problem}", advice)


def _without(devices: Devices) -> Check:
    if not devices.driver:
        return Check(DEVICES, "gpu", OK, "none; models run on the CPU")
    if not devices.built_for:
        advice = "install a CUDA build: https://pytorch.org/get-started"
        return Check(DEVICES, "gpu", WARN, "there is a driver, but this build of torch has no GPU support", advice)
    if devices.hidden is not None:
        words = f"torch sees none; CUDA_VISIBLE_DEVICES is {devices.hidden!r}"
        return Check(DEVICES, "gpu", WARN, words, "unset CUDA_VISIBLE_DEVICES, or name a device in it")
    advice = "run nvidia-smi to see whether the driver works and is recent enough"
    return Check(DEVICES, "gpu", WARN, f"there is a driver, but torch (for {devices.built_for}) sees none", advice)
