"""Whether a GPU computes the same, and what keeps it waiting: one script, under eight minutes on a large GPU.

    python tests/benchmarks/gpu.py --json gpu.json
    python tests/benchmarks/gpu.py --small

It needs the checkout and what vitobench depends on, and downloads nothing: ResNet-50 and ViT-B have random weights of a
fixed seed, `vito` is the zoo's, photographs are generated. Its parts are

- predictions: the CPU in float32 beside the device in every precision, on the same images;
- memory: a batch that does not fit is halved, and predicts what the smaller batch predicts;
- workers: two workers on one device store what one stores;
- training: a step of VITO at 224 pixels over the forward and backward passes of its networks;
- rates: images a second of decoding and corrupting, with a few numbers of cores, and of forward passes;
- runs: whole runs of `vitobench.run` over the forward passes alone, with a few numbers of cores and workers.

``--seconds`` bounds each part (`runs` may take twice as long): what does not fit is left out and listed. A part that
fails stops no other. The exit code is 0 if all parts ran and everything that must be equal is equal. ``--small`` takes
small networks on the CPU, to test the script itself.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

import vitobench
from vitobench.bench.engine.executors import choose_device
from vitobench.bench.run import Effort, Outcome
from vitobench.cores import usable_cores
from vitobench.errors import VitobenchError
from vitobench.models import registry
from vitobench.models.batching import answer
from vitobench.models.pretraining.clips import ClipPool, Place
from vitobench.models.pretraining.devices import make_fabric
from vitobench.models.pretraining.feeds import PoolFeed, pool_batch
from vitobench.models.pretraining.recipe import Recipe, load_recipe
from vitobench.tasks.registry import all_tasks
from vitobench.tests.benchmarks import stages
from vitobench.tests.benchmarks.stages import (
    BATCH,
    Setup,
    a_second,
    core_counts,
    forward_rate,
    model_of,
    only_cores,
    pixels_of,
    spec_of,
)
from vitobench.tests.benchmarks.training_step import bare_passes, our_step

SAME = 3e-4
"""Largest difference between float32 logits, as a share of the largest, that another order of sums explains.
TensorFloat-32 would differ more."""

CLOSE = 1e-3
"""Largest difference between confidences of the same pixels, weights and precision."""


@dataclass
class Part:
    """What one part has measured, and the time it has left."""

    deadline: float
    rows: list[dict[str, Any]] = field(default_factory=list)
    held: dict[str, bool] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    seconds: float = 0.0
    error: str = ""

    def left(self) -> float:
        return self.deadline - time.monotonic()

    def fits(self, what: str, seconds: float = 0.0) -> bool:
        """Whether there is time for something; if not, it is listed as left out."""
        if self.left() > seconds:
            return True
        self.left_out.append(what)
        return False

    def row(self, **values: Any) -> None:
        """Add a row; underscores in names become spaces."""
        self.rows.append({name.replace("_", " "): value for name, value in values.items()})


# What must be equal: predictions of the device and the CPU, of a halved batch, of two workers.


def predictions(setup: Setup, part: Part) -> None:
    """The CPU in float32 beside the device in every precision."""
    count = 20 if setup.small else 100
    for network in (*setup.networks, "vito"):
        images = pixels_of(setup, network, count)
        expected, _ = answer(registry.load(spec_of(setup, network)), images, BATCH)
        ranked = expected.softmax(1).topk(2, dim=1)
        lead = ranked.values[:, 0] - ranked.values[:, 1]
        for precision in setup.precisions:
            if not part.fits(f"{network} in {precision}"):
                continue
            logits, _ = answer(model_of(setup, network, precision), images, BATCH)
            confidence, best = logits.softmax(1).max(dim=1)
            other = best != ranked.indices[:, 0]
            differ = float((logits - expected).abs().max() / expected.abs().max())
            part.row(
                network=network,
                precision=precision,
                images=count,
                classes=len(ranked.indices[:, 0].unique()),
                top1_agrees=1.0 - float(other.float().mean()),
                largest_lead_lost=float(lead[other].max()) if other.any() else 0.0,
                confidence_differs=float((confidence - ranked.values[:, 0]).abs().max()),
                logits_differ=differ,
            )
            if precision == "float32":
                part.held[f"{network}: float32 logits of the device are the CPU's"] = differ <= SAME


def memory(setup: Setup, part: Part) -> None:
    """A batch that does not fit is halved."""
    network, batch = setup.networks[0], 24 if setup.small else 512
    images = pixels_of(setup, network, batch)
    cramped = _in_little_memory if setup.device.type == "cuda" else _with_errors_of_our_own
    logits, used, limit = cramped(setup, network, images, batch)
    again, _ = answer(setup.load(network), images, used)
    differ = float((logits.softmax(1).amax(1) - again.softmax(1).amax(1)).abs().max())
    same, agree = torch.equal(logits, again), bool((logits.argmax(1) == again.argmax(1)).all())
    part.row(network=network, asked=batch, used=used, limit=limit, bits_equal=same, confidence_differs=differ)
    part.held["a batch that does not fit is halved"] = 0 < used < batch
    part.held["the halved batch predicts what the smaller one predicts"] = agree and differ <= CLOSE


def _in_little_memory(setup: Setup, network: str, images: np.ndarray, batch: int) -> tuple[torch.Tensor, int, str]:
    """Limit torch to a little more memory than a quarter of the batch takes."""
    model, cuda = setup.load(network), torch.cuda
    cuda.empty_cache()
    cuda.reset_peak_memory_stats(setup.device)
    answer(model, images[: batch // 4], batch // 4)
    limit = int(1.2 * cuda.max_memory_reserved(setup.device))
    cuda.empty_cache()
    total = cuda.get_device_properties(setup.device).total_memory
    cuda.set_per_process_memory_fraction(limit / total, setup.device)
    try:
        return *answer(model, images, batch), f"{limit / 2**20:,.0f} MiB"
    finally:
        cuda.set_per_process_memory_fraction(1.0, setup.device)
        cuda.empty_cache()


def _with_errors_of_our_own(
    setup: Setup, network: str, images: np.ndarray, batch: int
) -> tuple[torch.Tensor, int, str]:
    """The forward pass fails as torch's does. To really fill the memory of a CPU would harm other programs."""
    model, most = setup.load(network), 4

    def fail(_: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        if len(inputs[0]) > most:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: a limit of this benchmark")

    model.network.register_forward_pre_hook(fail)
    return *answer(model, images, batch), f"{most} images"


def workers(setup: Setup, part: Part) -> None:
    """One worker, then two, which take turns on the device."""
    cases = [("vito", "micro-val", 200)]
    cases += [] if setup.small else [(setup.networks[0], "imagenet-val", 300)]
    for network, task, images in cases:
        if not part.fits(f"{network} on {task}", 5.0):
            continue
        stored, seconds = [], []
        for count in (1, 2):
            store, started = setup.folder / f"{task}-{count}-workers", time.monotonic()
            run(setup, network, task, "float32", images, count, store)
            seconds.append(time.monotonic() - started)
            rows = pd.read_parquet(store / "predictions").astype({"image_id": str})
            stored.append(rows.sort_values("image_id", ignore_index=True))
        one, two = stored
        same = one["image_id"].tolist() == two["image_id"].tolist()
        agree = float((one["top1"] == two["top1"]).mean()) if same else 0.0
        differ = float((one["confidence"] - two["confidence"]).abs().max()) if same else 1.0
        part.row(network=network, task=task, images=images, top1_agrees=agree, confidence_differs=differ)
        part.rows[-1] |= {"1 worker s": seconds[0], "2 workers s": seconds[1]}
        part.held[f"{network}: two workers store what one stores"] = agree == 1.0 and differ <= CLOSE


# A training step over its passes.


@dataclass(frozen=True)
class ReadyFeed:
    """Gives the same views at every step, so that none have to be made."""

    pool: ClipPool
    classes: int = 16
    exam: None = None

    def batches(self, recipe: Recipe, views: int, first: int, rank: int, ranks: int) -> Iterator[Any]:
        yield from repeat(pool_batch(self.pool, recipe, views, Place(0)))


def training(setup: Setup, part: Part) -> None:
    """The networks alone, the step on views that are ready, the step that makes its views."""
    name, batch = ("micro/vito", 4) if setup.small else ("one-gpu/vito", 64)
    fabric = make_fabric(accelerator=setup.device.type)
    works: list[tuple[dict[str, Any], str, Callable[[], Callable[[], None]]]] = []
    for precision in ("float32", "bfloat16"):
        recipe = load_recipe(name, clips=2 * batch, batch=batch, steps=100_000, precision=precision)
        part.row(recipe=name, size=recipe.size, batch=batch, precision=precision)
        shape = (recipe.clips, 2, 3, recipe.size, recipe.size)  # noise costs what frames cost
        frames = torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
        pool = ClipPool(frames, torch.arange(recipe.clips) % 16)
        folders = [setup.folder / f"{precision}-{views}-views" for views in ("ready", "made")]
        row = part.rows[-1]
        works.append((row, "passes", partial(bare_passes, recipe, pool, True, fabric.device)))
        works.append((row, "step", partial(our_step, recipe, ReadyFeed(pool), folders[0], fabric)))
        works.append((row, "step that makes views", partial(our_step, recipe, PoolFeed(pool), folders[1], fabric)))
    for number, (row, kind, make) in enumerate(works):
        if part.fits(f"{kind} in {row['precision']}", 2.0):
            seconds = 0.0 if setup.small else min(4.0, 0.4 * part.left() / (len(works) - number))
            row[f"{kind} ms"] = 1000 / a_second(make(), 1, seconds)
    for row in part.rows:
        if {"passes ms", "step ms"} <= set(row):
            row["step / passes"] = row["step ms"] / row["passes ms"]


# Images a second of each stage, and of whole runs.


def rates(setup: Setup, part: Part) -> None:
    """Every stage alone."""
    seconds = setup.seconds
    for cores in core_counts():
        for stage, rate in (("decode", stages.decoding_rate), ("corrupt", stages.corrupting_rate)):
            if part.fits(f"{stage} with {cores} cores", 3 * seconds):
                part.rows.append({"stage": stage, "cores": cores, "images/s": rate(setup, cores)})
    if setup.device.type == "cuda":
        for stage, images in stages.copying_rates(setup).items():
            part.rows.append({"stage": stage, "batch": BATCH, "images/s": images})
    for network in (*setup.networks, "vito"):
        for precision in setup.precisions:
            about = {"network": network, "precision": precision}
            for batch in (setup.batch,) if setup.small else (setup.batch, 256):
                if part.fits(f"{network} in {precision}, batch {batch}", 2 * seconds):
                    images = forward_rate(setup, network, precision, batch)
                    part.rows.append({"stage": "forward", **about, "batch": batch, "images/s": images})
            for channels_last in (False, True):
                layout = "channels last" if channels_last else "contiguous"
                if part.fits(f"{network} in {precision}, {layout}", 2 * seconds):
                    images = stages.network_rate(setup, network, precision, channels_last)
                    row = {"stage": "network alone", **about, "batch": setup.batch, "layout": layout}
                    part.rows.append(row | {"images/s": images})


def runs(setup: Setup, part: Part) -> None:
    """Whole runs over the forward passes alone: what three quarters of the images take more than one quarter."""
    first, quick = setup.networks[0], "bfloat16" if setup.device.type == "cuda" else "float32"
    most, *fewer = core_counts()
    cases = [(first, "imagenet-val", quick, most, 1), (first, "imagenet-c", quick, most, 1)]
    if not setup.small:
        cases += [(first, "imagenet-c", quick, cores, 1) for cores in fewer]
        cases += [(network, "imagenet-c", quick, most, 1) for network in setup.networks[1:]]
        cases += [(first, "imagenet-val", quick, cores, 1) for cores in fewer]
        cases += [(first, "imagenet-c", "float32", most, 1), (first, "imagenet-c", quick, most, 2)]
    cases = list(dict.fromkeys(cases))
    for number, (network, task, precision, cores, count) in enumerate(cases):
        if not part.fits(f"{network}, {task}, {precision}, {cores} cores, {count} workers", 2.0):
            continue
        conditions = len(all_tasks()[task].conditions)
        pure = forward_rate(setup, network, precision)
        supply = (stages.decoding_rate if conditions == 1 else stages.corrupting_rate)(setup, cores)
        # As many images as fit into this run's part of the time, half of which is for starts and scores.
        seconds = 0.5 * part.left() / (len(cases) - number)
        images = int(min(pure, supply) * seconds / conditions) // 20 * 20
        images = 4 if setup.small else min(setup.photographs, max(80, images))
        with only_cores(cores):
            few, many = (
                run(setup, network, task, precision, n, count, setup.folder / f"run{number}-{n}").effort
                for n in (images // 4, images)
            )
        # The start (loading a model, processes, the first call) is the same in both.
        if many.seconds <= few.seconds:
            few = Effort()  # too few images to tell them apart: the start is part of the numbers
        took = many.seconds - few.seconds
        rate = (many.images - few.images) / took
        part.row(network=network, task=task, precision=precision, cores=cores, workers=count, images=images)
        part.rows[-1] |= {
            "images/s": rate,
            "forward alone": pure,
            "pixels alone": supply,
            "run / forward": pure / rate,
            "in forward": (many.forward_seconds - few.forward_seconds) / took / count,
            "waiting": (many.waited_seconds - few.waited_seconds) / took / count,
            "start s": few.seconds - few.images / rate,
        }


def run(setup: Setup, network: str, task: str, precision: str, images: int, count: int, store: Path) -> Outcome:
    """A run through the Python API; an incomplete one is an error."""
    result = vitobench.run(
        [setup.name_of(network)],
        tasks=[task],
        baselines=[],
        data={} if task.startswith("micro") else {"imagenet": setup.photos},
        store=store,
        recompute=True,  # the package has vito's predictions
        limit=images,
        device=str(setup.device),
        precision=precision,
        workers=count,
        batch=BATCH,
    )
    computed, expected = result.outcome.effort.images, images * len(all_tasks()[task].conditions)
    if computed != expected:
        reasons = [failure.reason for failure in result.data.failures][:3]
        raise VitobenchError(f"{network} on {task}: {computed} of {expected} images were predicted {reasons}")
    return result.outcome


# The script.


PARTS: dict[str, Callable[[Setup, Part], None]] = {
    "predictions": predictions,
    "memory": memory,
    "workers": workers,
    "training": training,
    "rates": rates,
    "runs": runs,
}
"""In the order in which they run: what must be equal first."""


def facts(device: torch.device) -> dict[str, Any]:
    """What the numbers are measured on."""
    measured_on: dict[str, Any] = {
        "device": str(device),
        "machine": platform.machine(),
        "cores": usable_cores(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
    if device.type == "cuda":
        about = torch.cuda.get_device_properties(device)
        measured_on |= {"gpu": about.name, "gpu GiB": round(about.total_memory / 2**30, 1), "cuda": torch.version.cuda}
    return measured_on


def show(name: str, part: Part) -> None:
    """A table of the rows, what was compared, and what is missing."""
    print(f"\n{name} ({part.seconds:.0f} s)")
    columns = list(dict.fromkeys(key for row in part.rows for key in row))
    cells = [columns, *([_cell(row.get(key)) for key in columns] for row in part.rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells if part.rows else ():
        print("  " + "  ".join(text.rjust(width) for text, width in zip(line, widths, strict=True)))
    for what, held in part.held.items():
        print(f"  {'ok' if held else 'NOT EQUAL'}: {what}")
    if part.left_out:
        print(f"  left out for lack of time: {'; '.join(part.left_out)}")
    if part.error:
        print(f"  FAILED: {part.error}")
    sys.stdout.flush()


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return "" if value is None else str(value)


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Run the parts, print each when it ends, and return everything."""
    started = time.monotonic()
    names = options.part or list(PARTS)
    device = torch.device(choose_device(options.device or ("cpu" if options.small else "auto")))
    if device.type == "cuda" and device.index is None:
        device = torch.device("cuda", 0)  # where there are several, workers would spread over them
    setup = stages.prepare(device, options.small, folder)
    report: dict[str, Any] = {"facts": facts(device), "parts": {}, "complete": False}
    if {"rates", "runs"} & set(names):
        report["facts"]["compiling s"] = stages.compile_corruptions(setup)
    report["facts"]["preparing s"] = time.monotonic() - started
    print(", ".join(f"{key} {_cell(value)}" for key, value in report["facts"].items()), flush=True)
    parts: dict[str, Part] = {}
    for name in names:
        began = time.monotonic()
        part = parts[name] = Part(began + options.seconds * (2 if name == "runs" else 1))
        try:
            PARTS[name](setup, part)
        except Exception as error:  # the other parts still have something to say
            part.error = f"{type(error).__name__}: {(str(error).splitlines() or ['no message'])[0]}"
            traceback.print_exc()
        part.seconds = time.monotonic() - began
        show(name, part)
        report["parts"][name] = {key: value for key, value in asdict(part).items() if key != "deadline"}
        report["seconds"] = time.monotonic() - started
        report["complete"] = len(parts) == len(names) and not any(
            own.error or own.left_out or not all(own.held.values()) for own in parts.values()
        )
        if options.json is not None:
            options.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return report


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", help="auto, cpu, cuda, cuda:N or mps; by default auto, with --small cpu")
    parser.add_argument("--part", action="append", choices=list(PARTS), help="may be repeated; all by default")
    parser.add_argument("--seconds", type=float, default=55.0, help="for each part; `runs` takes twice as many")
    parser.add_argument("--small", action="store_true", help="small networks and few images, to test the script")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything there, after each part")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        report = measure(options, Path(name))
    ended = "Everything ran, and what must be equal is." if report["complete"] else "Something failed or is missing."
    print(f"\n{ended} ({report['seconds']:.0f} s)")
    return 0 if report["complete"] else 1


if __name__ == "__main__":
    sys.exit(main())
