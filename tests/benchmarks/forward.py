"""Images a second of a network's forward pass on a CPU, in several ways, beside ONNX Runtime.

Every way runs in a process of its own, because settings of the allocator and of OpenMP hold for a whole process. Each
takes the same normalised images and is held against the plain network: contiguous tensors, float32, nothing fused.
Images are the photographs of ``VITOBENCH_TEST_DATA`` or frames of the micro-world; noise where there are none.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from vitobench.models import registry
from vitobench.models.arithmetic import keep_freed_memory
from vitobench.models.model import PIXELS_AT_ONCE, fold_batch_norms

Forward = Callable[[Tensor], Tensor]

NETWORKS = ("efficientnet-lite0", "resnet50", "vito", "moclr", "supervised")
WAYS: dict[str, tuple[str, dict[str, str]]] = {
    "plain": ("contiguous, the allocator as it is", {"VITOBENCH_KEEP_MEMORY": "0"}),
    "channels-last": ("channels last, freed memory kept", {}),
    "folded": ("as above, batch normalisation folded", {}),
    "model": ("as above, large batches in parts: what Model does", {}),
    "folded-thread": ("as folded, in a thread that is not the main one", {}),
    "model-thread": ("as model, in a thread that is not the main one", {}),
    "model-passive": ("as model, with OMP_WAIT_POLICY=PASSIVE", {"OMP_WAIT_POLICY": "PASSIVE"}),
    "model-1-thread": ("as model, torch.set_num_threads(1)", {}),
    "fx-fuse": ("channels last, torch.fx.experimental.optimization.fuse", {}),
    "jit-freeze": ("channels last, torch.jit.trace and freeze", {}),
    "jit-optimize": ("channels last, torch.jit.optimize_for_inference", {}),
    "inductor": ("channels last, torch.compile with freezing; needs a compiler", {}),
    "bfloat16": ("channels last, autocast to bfloat16", {}),
    "onnxruntime": ("the peer, where it is installed", {}),
}


def build(name: str) -> tuple[nn.Module, int]:
    """The network and the side of its images."""
    if name == "resnet50":  # speed does not depend on the weights
        import timm

        from vitobench.models.state_dicts import TimmNetwork

        torch.manual_seed(0)
        return TimmNetwork(timm.create_model("resnet50", pretrained=False)).eval().requires_grad_(False), 224
    model = registry.load(name)
    module = {"package": "packages"}.get(model.spec.source, model.spec.source)
    network = sys.modules[f"vitobench.models.sources.{module}"].build(model.spec)
    network = network.to(memory_format=torch.contiguous_format)
    return network.eval().requires_grad_(False), model.spec.preprocessing.size


def images(size: int, count: int) -> Tensor:
    """Normalised float32 (count, 3, size, size), channels last."""
    from vitobench.tasks.images.folders import ImageFolder
    from vitobench.tasks.images.geometry import Geometry
    from vitobench.tasks.microworld.sets import MicroSet

    photos = Path(os.environ.get("VITOBENCH_TEST_DATA", "")) / "photos"
    if size == 64:
        pixels, _ = MicroSet("val", count).load(range(count), Geometry(64, 64, "bilinear"))
    elif "VITOBENCH_TEST_DATA" in os.environ and photos.is_dir():
        pixels, _ = ImageFolder(photos).load(range(count), Geometry(size, 256, "bicubic"))
    else:
        pixels = (
            torch.randint(0, 256, (count, size, size, 3), generator=torch.Generator().manual_seed(0)).byte().numpy()
        )
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0)


def forward_of(way: str, network: nn.Module, example: Tensor, threads: int) -> tuple[Forward, bool]:
    """The forward pass of a way, and whether it wants channels-last images."""
    if way == "plain":
        return network, False
    keep_freed_memory()
    if way == "onnxruntime":
        return _onnxruntime(network, example, threads), False
    network = network.to(memory_format=torch.channels_last)
    if way.startswith(("folded", "model")):
        folded = fold_batch_norms(network, example[:1])
        if way.startswith("folded"):
            return folded, True
        at_once = max(1, PIXELS_AT_ONCE // example.shape[-1] ** 2)
        return lambda x: torch.cat([folded(part) for part in x.split(at_once)]), True
    if way == "fx-fuse":
        from torch.fx.experimental.optimization import fuse

        return fuse(network).to(memory_format=torch.channels_last), True
    if way.startswith("jit"):
        finish = torch.jit.freeze if way == "jit-freeze" else torch.jit.optimize_for_inference
        return finish(torch.jit.trace(network, example)), True
    if way == "inductor":
        import torch._inductor.config as inductor

        inductor.freezing = True
        return torch.compile(network, dynamic=False), True
    if way == "bfloat16":

        def autocast(x: Tensor) -> Tensor:
            with torch.autocast("cpu", torch.bfloat16):
                return network(x).float()

        return autocast, True
    return network, True


def _onnxruntime(network: nn.Module, example: Tensor, threads: int) -> Forward:
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "network.onnx")
        axes = {"x": {0: "n"}}
        torch.onnx.export(
            network, (example.contiguous(),), path, dynamo=False, input_names=["x"], dynamic_axes=axes, opset_version=17
        )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda x: torch.from_numpy(session.run(None, {"x": x.numpy()})[0])


def measure(name: str, way: str, batches: list[int], seconds: float, threads: int) -> dict[str, object]:
    """Time one way of one network in this process."""
    torch.set_num_threads(1 if way.endswith("1-thread") else threads)
    network, size = build(name)
    data = images(size, max(batches))
    with torch.no_grad():
        expected = torch.cat([network(x) for x in data.contiguous().split(8)])
        started = time.perf_counter()
        forward, channels_last = forward_of(way, network, data[:2], threads)
        prepared = time.perf_counter() - started
    layout = torch.channels_last if channels_last else torch.contiguous_format
    rows: dict[str, object] = {}
    with torch.inference_mode():
        for batch in batches:
            x = data[:batch].contiguous(memory_format=layout)
            started = time.perf_counter()
            forward(x)
            prepared += time.perf_counter() - started
            times: list[float] = []
            faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
            while sum(times) < seconds or len(times) < 3:
                started = time.perf_counter()
                forward(x)
                times.append(time.perf_counter() - started)
            faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults
            rows[str(batch)] = (batch / statistics.median(times), faults / len(times) / batch)
        logits = forward(data.contiguous(memory_format=layout))
    same = (logits.argmax(1) == expected.argmax(1)).float().mean()
    difference = (logits - expected).abs().max()
    return {"rows": rows, "prepared": prepared, "same": float(same), "difference": float(difference)}


def work(name: str, way: str, batches: list[int], seconds: float, threads: int) -> None:
    """Print what `measure` finds as the last line, as JSON."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    found: dict[str, object] = {}

    def run() -> None:
        try:
            found.update(measure(name, way, batches, seconds, threads))
        except Exception as error:  # a way that does not work here is a result, too
            found["error"] = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:80]}"

    if way in ("folded-thread", "model-thread"):
        other = threading.Thread(target=run)
        other.start()
        other.join()
    else:
        run()
    print(json.dumps(found))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--network", action="append", choices=NETWORKS, help="may be repeated; all by default")
    parser.add_argument("--way", action="append", choices=list(WAYS), help="may be repeated; all by default")
    parser.add_argument("--batch", action="append", type=int, help="may be repeated; 1, 8 and 50 by default")
    parser.add_argument("--seconds", type=float, default=1.5, help="how long each way is timed at each batch")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--in-this-process", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    batches = options.batch or [1, 8, 50]
    if options.in_this_process:
        work(options.network[0], options.way[0], batches, options.seconds, options.threads)
        return
    for name in options.network or NETWORKS:
        print(
            f"{name}, {options.threads} threads: images a second (page faults an image) at each batch, ratio to plain"
        )
        print(
            f"{'':16s}" + "".join(f"{b:>24d}" for b in batches) + f"{'first calls':>14s}{'max |Δ|':>10s}{'top-1':>9s}"
        )
        plain: dict[str, list[float]] = {}
        for way in options.way or WAYS:
            command = [sys.executable, __file__, "--in-this-process", "--network", name, "--way", way]
            command += ["--seconds", str(options.seconds), "--threads", str(options.threads)]
            command += [word for b in batches for word in ("--batch", str(b))]
            environment = {**os.environ, "OMP_NUM_THREADS": str(options.threads), **WAYS[way][1]}
            done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
            lines = done.stdout.splitlines()
            found = json.loads(lines[-1]) if lines else {"error": done.stderr[-200:]}
            if "error" in found:
                print(f"{way:16s}  {found['error']}", flush=True)
                continue
            if way == "plain":
                plain = found["rows"]
            cells = [
                f"{speed:9.1f} ({faults:5.0f})" + (f" x{speed / plain[b][0]:<5.2f}" if b in plain else " " * 7)
                for b, (speed, faults) in found["rows"].items()
            ]
            tail = f"{found['prepared']:12.2f} s{found['difference']:10.1e}{100 * found['same']:8.1f}%"
            print(f"{way:16s}" + "".join(f"{cell:>24s}" for cell in cells) + tail, flush=True)
        print()
    for way, (meaning, _) in WAYS.items():
        print(f"{way:16s} {meaning}")


if __name__ == "__main__":
    main()
