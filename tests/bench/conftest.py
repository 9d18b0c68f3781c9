"""Tiny models and small tasks, so that a whole run takes a second."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file

from vitobench.bench import settings as settings_module
from vitobench.bench.claims import training
from vitobench.bench.cli import main
from vitobench.bench.engine import executors
from vitobench.bench.planning import plan as plan_module
from vitobench.bench.run import Outcome, execute, rescore
from vitobench.bench.settings import Settings
from vitobench.identity import file_digest
from vitobench.models.networks import build
from vitobench.models.sources import zoo as zoo_source
from vitobench.reports.page import html
from vitobench.results import unit_file
from vitobench.tasks import registry as task_registry
from vitobench.tasks.task import Condition
from vitobench.tests.processes import Ended, run_from_nothing

ZOO_SCRIPT = """
import sys
from pathlib import Path
from vitobench.models.sources import zoo
zoo.ZOO_FOLDER = Path(sys.argv[1])
from vitobench.bench import settings
settings.SHIPPED = zoo.ZOO_FOLDER / "shipped"
from vitobench.bench.cli import main
try:
    main(sys.argv[2:])
finally:
    print("LOADED", *sorted({"torch", "timm", "pandas", "matplotlib"} & set(sys.modules)), file=sys.stderr)
"""


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Networks this small are faster on one thread, many times so where other tests use the other cores."""
    for module in (executors, training):  # which would take every core
        monkeypatch.setattr(module, "usable_cores", lambda: 1)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="package", autouse=True)
def packed_quickly() -> Iterator[None]:
    """Small files matter to users: to pack one as tightly as possible takes as long as to compute what is in it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unit_file, "LEVEL", 1)
        yield


@pytest.fixture(autouse=True)
def no_figures(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the figures of pages out: to draw them takes as long as the rest of a small run."""
    if "figures" not in request.fixturenames:
        monkeypatch.setattr(html, "page_figures", lambda *_: ())


@pytest.fixture(scope="package", autouse=True)
def nothing_shipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Runs of this process compute what they are asked, whatever predictions the package carries."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings_module, "SHIPPED", tmp_path_factory.mktemp("package") / "shipped")
        yield


@pytest.fixture
def figures() -> None:
    """For tests of the page: it has its figures, which `no_figures` leaves out."""


def write_model(folder: Path, name: str, seed: int, baseline: str | None = None, size: int = 64) -> Path:
    """A checkpoint with its card beside it and inside it, as in the zoo; untrained, but its decisions vary."""
    torch.manual_seed(seed)
    network = build("micro-resnet8/average", 16)
    with torch.inference_mode():
        # A pass in training mode gives the batch norms their statistics, without which one class would win always.
        network.train()(torch.randn(32, 3, size, size))
        network.eval()
        features = network.features(torch.randn(64, 3, size, size))
        network.head.weight.div_(features.std(0).clamp(min=1e-3))
        network.head.bias.copy_(-network.head(features).mean(0))
    card = {
        "name": name,
        "architecture": "micro-resnet8/average",
        "preprocessing": {
            "size": size,
            "resize": size,
            "interpolation": "bilinear",
            "mean": [0.5] * 3,
            "std": [0.25] * 3,
        },
        "label_space": "microworld-16",
        "num_classes": 16,
        "licence": "Apache-2.0",
        "baseline": baseline,
        "description": "An untrained network for tests.",
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.safetensors"
    tensors = {key: value.contiguous().clone() for key, value in network.state_dict().items()}
    save_file(tensors, path, metadata={"vitobench": json.dumps(card)})
    (folder / f"{name}.json").write_text(json.dumps(card | {"sha256": file_digest(path)}), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def zoo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three models under the names of the zoo, and `other`, which declares no baseline."""
    folder = tmp_path_factory.mktemp("zoo")
    write_model(folder, "supervised", 1)
    write_model(folder, "moclr", 2, "supervised")
    write_model(folder, "vito", 3, "moclr")
    write_model(folder, "other", 4)
    return folder


@pytest.fixture
def zoo(zoo_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(zoo_source, "ZOO_FOLDER", zoo_folder)
    return zoo_folder


@pytest.fixture
def small_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The suite with a few images, six corrupted conditions, and units of five images."""
    names = ("shot_noise", "fog", "contrast")
    changes = {
        "micro-val": {"images": 14},
        "micro-c": {
            "images": 12,
            "conditions": tuple(Condition(name, severity) for name in names for severity in (2, 5)),
            "families": {"noise": names[:1], "weather": names[1:2], "digital": names[2:]},
        },
        "micro-light": {"images": 14},
        "micro-cue-conflict": {"images": 20},
    }
    kept = ("micro-val", "micro-c", "micro-light", "micro-cue-conflict", "imagenet-val", "imagenet-c")
    for name, change in changes.items():
        monkeypatch.setitem(task_registry.TASKS, name, replace(task_registry.TASKS[name], **change))
    suite = replace(task_registry.SUITES["robustness"], tasks=kept)
    monkeypatch.setitem(task_registry.SUITES, "robustness", suite)
    monkeypatch.setattr(plan_module, "SHARD", 5)


@pytest.fixture
def run_small(zoo: Path, small_tasks: None, tmp_path: Path) -> Callable[..., Outcome]:
    """Run on the small tasks; keyword arguments go to `Settings`."""

    def run(*models: str, compute: bool = True, **more: object) -> Outcome:
        values: dict[str, object] = {"suite": "robustness", "store": tmp_path / "store", "device": "cpu", "threads": 2}
        settings = Settings(models=models, **(values | more))  # type: ignore[arg-type]
        return execute(settings) if compute else rescore(settings)

    return run


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[object, Path, Callable[[], Any]], Any]:
    """Make a store once; later calls with the same key copy it to where it is wanted, and give what making it gave."""
    made: dict[object, tuple[Path, Any]] = {}

    def call(key: object, store: Path, make: Callable[[], Any]) -> Any:
        if key in made:
            shutil.copytree(made[key][0], store)
        else:
            result = make()
            copy = tmp_path_factory.mktemp("stores") / "store"
            shutil.copytree(store, copy)
            made[key] = copy, result
        return made[key][1]

    return call


@pytest.fixture
def stored_run(run_small: Callable[..., Outcome], once: Callable[..., Any], tmp_path: Path) -> Callable[..., Outcome]:
    """`run_small` into an empty store, for tests of what is done with a store: the same run is made only once."""

    def run(*models: str, store: Path = tmp_path / "store", **more: Any) -> Outcome:
        key = ("run_small", models, *sorted(more.items()))
        outcome: Outcome = once(key, store, lambda: run_small(*models, store=store, **more))
        return outcome

    return run


@dataclass(frozen=True)
class Loaded(Ended):
    """How a process of `ZOO_SCRIPT` ended, and which large libraries it loaded."""

    @property
    def loaded(self) -> set[str]:
        line = next(line for line in self.err.splitlines() if line.startswith("LOADED"))
        return set(line.split()[1:])


Bench = Callable[..., Ended]


@pytest.fixture
def bench(zoo_folder: Path, tmp_path: Path) -> Callable[..., Loaded]:
    """The command line in a process of its own, with the tiny models as its zoo."""

    def call(*args: object) -> Loaded:
        done = run_from_nothing(ZOO_SCRIPT, zoo_folder, *args, cwd=tmp_path)
        return Loaded(done.code, done.out, done.err)

    return call


@pytest.fixture
def make_model() -> Callable[..., Path]:
    return write_model


@pytest.fixture
def bench_here(zoo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Bench:
    """The command line within this process, which spares the import of torch."""
    monkeypatch.chdir(tmp_path)

    def call(*args: object) -> Ended:
        capsys.readouterr()
        code = 0
        try:
            main([str(arg) for arg in args])
        except SystemExit as done:
            code = int(done.code or 0)
        shown = capsys.readouterr()
        return Ended(code, shown.out, shown.err)

    return call


@pytest.fixture
def stored_command(
    bench_here: Bench, small_tasks: None, once: Callable[..., Any], tmp_path: Path
) -> Callable[..., Path]:
    """A command that fills `bench-results` on the small tasks, made only once, and the store's folder."""

    def call(*args: str) -> Path:
        def make() -> None:
            done = bench_here(*args)
            assert done.code == 0, done.err

        once(args, tmp_path / "bench-results", make)
        return tmp_path / "bench-results"

    return call


@pytest.fixture
def two_models(stored_command: Callable[..., Path]) -> Path:
    """The store of vito and other on two tasks of 14 images, in units of five."""
    return stored_command("run", "--model", "vito", "--model", "other", "--task", "micro-val", "--task", "micro-light",
                          "--baseline", "none", "--device", "cpu", "--quiet")  # fmt: skip


@pytest.fixture
def classifier(tmp_path: Path) -> str:
    """An untrained classifier of ImageNet's classes, by its name in a command that is run in the test's folder."""
    torch.manual_seed(0)
    network = timm.create_model("test_resnet", pretrained=False, num_classes=1000)
    torch.save(network.state_dict(), tmp_path / "mine.pth")
    return "file:mine.pth?arch=timm:test_resnet"
