"""What a run costs beyond its forward passes: time, sharing between models, a repeated run, memory.

    python tests/benchmarks/engine.py overhead --photos DIR
    python tests/benchmarks/engine.py sharing
    python tests/benchmarks/engine.py memory --photos DIR

Every number comes with its peer, measured beside it: the forward passes of the same number of images through the same
model with nothing else going on, one model beside eight, a thousand images beside ten thousand. DIR holds photographs
in one folder per WordNet id.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FORWARD = """
import sys, time
import torch
from vitobench.models.batching import answer
from vitobench.models.registry import load
name, count = sys.argv[1], int(sys.argv[2])
model = load(name)
size = model.spec.preprocessing.size
images = torch.randint(0, 256, (100, size, size, 3), dtype=torch.uint8).numpy()
answer(model, images, 50)
started = time.perf_counter()
for _ in range(count // 100):
    answer(model, images, 50)
print(time.perf_counter() - started)
"""


ALONE = ("--baseline", "none", "--recompute")  # the package has the predictions of its models


def bench(*args: object) -> float:
    """Seconds of one command."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "vitobench.bench", *map(str, args), "--quiet"], capture_output=True, check=False
    )
    if done.returncode not in (0, 3):  # a mean corruption error may be undefined at few images
        sys.exit(done.stderr.decode())
    return time.perf_counter() - started


def record(store: Path) -> dict:
    """The record of the newest run."""
    return json.loads(max((store / "runs").glob("*.json")).read_text())


def forward(model: str, images: int) -> float:
    """Seconds of the forward passes alone, in a process of their own, scaled to a number of images."""
    counted = max(100, images // 100 * 100)
    done = subprocess.run(
        [sys.executable, "-c", FORWARD, model, str(counted)], capture_output=True, check=True, text=True,
        env=os.environ | {"OMP_WAIT_POLICY": "PASSIVE"},
    )  # fmt: skip
    return float(done.stdout) * images / counted


def checkpoint(folder: Path, architecture: str) -> str:
    """An untrained classifier of 1,000 classes: time does not depend on what was learnt."""
    import timm
    import torch

    torch.manual_seed(0)
    path = folder / f"{architecture}.pth"
    torch.save(timm.create_model(architecture, pretrained=False, num_classes=1000).state_dict(), path)
    return f"file:{path}?arch=timm:{architecture}"


def overhead(folder: Path, photos: Path) -> None:
    """Whole command over pure forward passes, and the same command again."""
    cases = [
        ("ResNet-50, photographs at 224, clean", checkpoint(folder, "resnet50"), ("--task", "imagenet-val"), 250),
        ("ResNet-50, photographs at 224, ImageNet-C", checkpoint(folder, "resnet50"), ("--task", "imagenet-c"), 36),
        ("EfficientNet-Lite0, photographs, ImageNet-C", "efficientnet-lite0", ("--task", "imagenet-c"), 120),
        ("micro-world vito at 64, micro-C", "vito", ("--task", "micro-c"), 480),
    ]
    print(f"{'':46}{'forward s':>10}{'run s':>8}{'run/forward':>13}{'marginal':>10}{'again s':>9}")
    for number, (title, model, task, limit) in enumerate(cases):
        data = ("--data", f"imagenet={photos}") if "imagenet" in task[1] else ()
        took, pure, again = [], [], 0.0
        for images in (limit // 3, limit):
            store = folder / f"overhead{number}-{images}"
            args = ("run", "--model", model, *ALONE, *task, *data, "--limit", images, "--store", store)
            bench(*args)
            found = record(store)["effort"]
            took.append(found["seconds"])
            # Micro-C runs its reference model along, which has the same size.
            pure.append(forward(model, found["images"]))
            again = bench(*args)
        marginal = (took[1] - took[0]) / (pure[1] - pure[0])
        print(
            f"{title:46}{pure[1]:10.1f}{took[1]:8.1f}{took[1] / pure[1]:13.2f}{marginal:10.2f}{again:9.2f}", flush=True
        )
    print(
        "run: with the import of torch and the loading of the model; marginal: what three times the images add to both"
    )


def sharing(folder: Path) -> None:
    """What eight models cost over one, forward passes taken away."""
    from safetensors import safe_open
    from safetensors.torch import save_file

    from vitobench.models.sources.zoo import ZOO_FOLDER

    with safe_open(ZOO_FOLDER / "supervised.safetensors", "pt") as opened:
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - not a mapping
        metadata = opened.metadata()
    names = []
    for number in range(8):
        name = next(iter(tensors))
        save_file(tensors | {name: tensors[name] * (1 + number / 1000)}, folder / f"{number}.safetensors", metadata)
        names.append(f"file:{folder / f'{number}.safetensors'}")
    costs = []
    for count in (1, 8):
        store = folder / f"sharing{count}"
        models = [part for name in names[:count] for part in ("--model", name)]
        bench("run", *models, *ALONE, "--task", "micro-c", "--limit", 480, "--store", store)
        effort = record(store)["effort"]
        models_run = effort["images"] / (480 * 75)
        rest = effort["seconds"] - effort["forward_seconds"]
        costs.append(rest)
        print(
            f"{count} asked ({models_run:.0f} run, with the reference): {effort['seconds']:.1f} s, "
            f"of it forward {effort['forward_seconds']:.1f} s, rest {rest:.1f} s",
            flush=True,
        )
    print(f"rest of 8 over rest of 1: {costs[1] / costs[0]:.2f} (8 where nothing is shared)")


def memory(folder: Path, photos: Path) -> None:
    """Peak memory of a thousand and of ten thousand images."""
    many = folder / "photographs"
    files = sorted(path for path in photos.rglob("*") if path.suffix.lower() in {".jpg", ".jpeg"})
    for copy in range(10_000 // len(files) + 1):
        for path in files:
            target = many / path.parent.name / f"{copy}-{path.name}"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(path.resolve())
    small = checkpoint(folder, "test_resnet")
    for title, model, args in (
        ("micro-world, micro-val", "vito", ("--task", "micro-viewpoints")),
        ("photographs, imagenet-val", small, ("--task", "imagenet-val", "--data", f"imagenet={many}")),
    ):
        for limit in (1_000, 10_000):
            child = os.fork()
            if child == 0:  # a child of its own, since the peak of children is kept for all of them
                store = folder / f"memory-{title[:5]}-{limit}"
                bench("run", "--model", model, *ALONE, *args, "--limit", limit, "--store", store)
                peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
                print(f"{title:30}{limit:8,} images: peak {peak:6.0f} MB", flush=True)
                os._exit(0)
            os.waitpid(child, 0)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("overhead", "sharing", "memory"))
    parser.add_argument("--photos", type=Path, help="photographs in one folder per WordNet id")
    arguments = parser.parse_args()
    if arguments.what != "sharing" and arguments.photos is None:
        parser.error("--photos DIR is needed")
    with tempfile.TemporaryDirectory() as name:
        if arguments.what == "overhead":
            overhead(Path(name), arguments.photos)
        elif arguments.what == "sharing":
            sharing(Path(name))
        else:
            memory(Path(name), arguments.photos)


if __name__ == "__main__":
    main()
