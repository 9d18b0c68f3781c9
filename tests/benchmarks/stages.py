"""Images a second of each stage of a run, on generated photographs and with random weights.

`gpu.py` puts them beside whole runs. Nothing is downloaded, and no data set is needed.
"""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from vitobench.bench.engine.pixels import apply_condition
from vitobench.cores import usable_cores
from vitobench.models import registry
from vitobench.models.arithmetic import arithmetic
from vitobench.models.batching import answer
from vitobench.models.model import Model
from vitobench.models.spec import PRECISIONS, ModelSpec
from vitobench.tasks.images.classes import imagenet_wnids
from vitobench.tasks.images.folders import ImageFolder
from vitobench.tasks.images.geometry import Geometry
from vitobench.tasks.microworld.sets import MicroSet
from vitobench.tasks.registry import all_tasks
from vitobench.tasks.task import Condition
from vitobench.tests.benchmarks.training_step import wait_for

BATCH = 50  # the default of `bench run`
DISTINCT = 200  # photographs; more are links to these


@dataclass(frozen=True)
class Setup:
    """The device, and the folder with weights and photographs.

    Attributes:
        device: Where networks compute.
        small: Small networks and few images, to test the scripts.
        folder: Files of the networks, and ``photographs``.
        networks: timm's names.
        photographs: How many there are.
    """

    device: torch.device
    small: bool
    folder: Path
    networks: tuple[str, ...]
    photographs: int

    @property
    def photos(self) -> Path:
        return self.folder / "photographs"

    @property
    def precisions(self) -> tuple[str, ...]:
        return tuple(p for p in PRECISIONS if p != "float16" or self.device.type != "cpu")

    def name_of(self, network: str) -> str:
        """The name for ``--model``."""
        return network if network == "vito" else f"file:{self.folder / network}.pth?arch=timm:{network}"

    @property
    def batch(self) -> int:
        """Images at a time."""
        return 8 if self.small else BATCH

    @property
    def seconds(self) -> float:
        """How long a stage is timed, at least."""
        return 0.05 if self.small else 0.5

    def load(self, network: str, precision: str = "float32") -> Model:
        return registry.load(replace(spec_of(self, network), precision=precision)).to(self.device)


@cache
def spec_of(setup: Setup, network: str) -> ModelSpec:
    return registry.resolve(setup.name_of(network))


@cache
def model_of(setup: Setup, network: str, precision: str = "float32") -> Model:
    """Shared by all measurements, which must not change it."""
    return setup.load(network, precision)


def prepare(device: torch.device, small: bool, folder: Path) -> Setup:
    """Write weights and photographs."""
    networks = ("test_resnet",) if small else ("resnet50", "vit_base_patch16_224")
    made = Setup(device, small, folder, networks, 24 if small else 4000)
    for network in networks:
        _write_weights(network, folder / f"{network}.pth")
    _write_photographs(made.photos, made.photographs)
    return made


def _write_weights(network: str, path: Path) -> None:
    """Random weights of a fixed seed. No block is switched off by a normalisation that begins at zero."""
    import timm

    torch.manual_seed(0)
    more = {"zero_init_last": False} if "resnet" in network else {}
    torch.save(timm.create_model(network, pretrained=False, num_classes=1000, **more).state_dict(), path)


def _write_photographs(folder: Path, count: int) -> None:
    """JPEG files of 500 x 375 pixels, with the spectrum of photographs, in folders by WordNet id."""
    height, width = 375, 500
    fy, fx = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    fall = 1.0 / np.maximum(np.hypot(fy, fx), 1.0 / width)

    def place(number: int) -> Path:
        path = folder / imagenet_wnids()[number % 1000] / f"generated_{number:05}.JPEG"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def write(number: int) -> None:
        rng = np.random.default_rng(number)
        noise = rng.standard_normal((3, *fall.shape)) + 1j * rng.standard_normal((3, *fall.shape))
        noise[1:] = noise[:1] + 0.3 * noise[1:]  # the colours of a photograph are correlated
        pixels = np.fft.irfft2(noise * fall, s=(height, width))
        pixels = 127 + 60 * (pixels - pixels.mean()) / pixels.std()
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8).transpose(1, 2, 0)).save(place(number), quality=90)

    with ThreadPoolExecutor(usable_cores()) as pool:
        list(pool.map(write, range(min(DISTINCT, count))))
    for number in range(DISTINCT, count):
        os.link(place(number % DISTINCT), place(number))


@cache
def pixels_of(setup: Setup, network: str, count: int) -> np.ndarray:
    """uint8 (count, size, size, 3): the micro-world for `vito`, photographs for the others."""
    if network == "vito":
        return MicroSet("val", count).load(range(count), Geometry(64, 64, "bilinear"))[0]
    numbers = range(min(count, setup.photographs, DISTINCT))
    few = ImageFolder(setup.photos).load(numbers, spec_of(setup, network).preprocessing.geometry)[0]
    return np.resize(few, (count, *few.shape[1:]))


@contextmanager
def only_cores(count: int) -> Iterator[None]:
    """Let this thread, and the threads and processes that it starts, use a few cores, where the system can do that."""
    threads = torch.get_num_threads()
    torch.set_num_threads(min(count, threads))
    own = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    if own:
        os.sched_setaffinity(0, sorted(own)[:count])
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        if own:
            os.sched_setaffinity(0, own)


def core_counts() -> list[int]:
    """All cores, half of them and a quarter of them."""
    cores = usable_cores()
    return sorted({cores, max(1, cores // 2), max(1, cores // 4)}, reverse=True)


def a_second(work: Callable[[], object], amount: int, seconds: float) -> float:
    """How much of an amount is done in a second. The first call, which compiles and allocates, does not count."""
    work()
    calls, started = 0, time.perf_counter()
    while calls < 2 or time.perf_counter() - started < seconds:
        work()
        calls += 1
    return amount * calls / (time.perf_counter() - started)


@cache
def decoding_rate(setup: Setup, cores: int) -> float:
    """From files to pixels of a network's size."""
    source, geometry = ImageFolder(setup.photos), spec_of(setup, setup.networks[0]).preprocessing.geometry
    numbers = range(min(setup.photographs, DISTINCT))
    return _in_threads(lambda number: source.load([number], geometry), numbers, 1, cores, setup.seconds)


@cache
def corrupting_rate(setup: Setup, cores: int) -> float:
    """From pixels to corrupted pixels, over all conditions of ImageNet-C, as many of each."""
    images = pixels_of(setup, setup.networks[0], 1 if setup.small else 4)
    ids = [str(number) for number in range(len(images))]

    def draw(condition: Condition) -> None:
        apply_condition(images, condition, ids, 0)

    # In an order that spreads slow corruptions over the threads.
    conditions = sorted(all_tasks()["imagenet-c"].conditions, key=lambda c: (c.severity, c.name))
    return _in_threads(draw, conditions, len(images), cores, setup.seconds)


def compile_corruptions(setup: Setup) -> float:
    """Seconds that the first use of every corruption takes, on a fresh machine mostly compilation."""
    started = time.monotonic()
    for condition in {c.name: c for c in all_tasks()["imagenet-c"].conditions}.values():
        apply_condition(pixels_of(setup, setup.networks[0], 1), condition, ["0"], 0)
    return time.monotonic() - started


def _in_threads(work: Callable[[Any], object], items: Sequence[Any], each: int, cores: int, seconds: float) -> float:
    with only_cores(cores), ThreadPoolExecutor(cores) as pool:
        return a_second(lambda: list(pool.map(work, items)), each * len(items), seconds)


@cache
def forward_rate(setup: Setup, network: str, precision: str, batch: int = 0) -> float:
    """From pixels in the memory of the machine to logits there, as the engine asks for them; 0 is the usual batch."""
    batch = batch or setup.batch
    model, images = model_of(setup, network, precision), pixels_of(setup, network, 2 * batch)
    return a_second(lambda: answer(model, images, batch), len(images), setup.seconds)


def network_rate(setup: Setup, network: str, precision: str, channels_last: bool) -> float:
    """The plain network alone, on normalised images that are on the device already."""
    images = torch.from_numpy(pixels_of(setup, network, setup.batch)).permute(0, 3, 1, 2)
    plain, x = model_of(setup, network, precision).differentiable(images)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    plain, x = copy.deepcopy(plain).to(memory_format=layout), x.detach().contiguous(memory_format=layout)

    def work() -> None:
        with torch.inference_mode(), arithmetic(precision, setup.device):
            plain(x)
        wait_for(setup.device)

    return a_second(work, setup.batch, setup.seconds)


def copying_rates(setup: Setup) -> dict[str, float]:
    """Images a second from the machine's memory to a GPU: as they are, pinned before, and pinned on the way."""
    batch = torch.from_numpy(pixels_of(setup, setup.networks[0], BATCH))
    pinned = batch.pin_memory()

    def send(pixels: Callable[[], torch.Tensor]) -> Callable[[], None]:
        def work() -> None:
            pixels().to(setup.device, non_blocking=True)
            wait_for(setup.device)

        return work

    ways = {"copy": lambda: batch, "copy, pinned": lambda: pinned, "pin and copy": batch.pin_memory}
    return {way: a_second(send(pixels), BATCH, setup.seconds) for way, pixels in ways.items()}
