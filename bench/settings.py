"""The settings of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..results.layers import SHIPPED
from ..text import printable

EXECUTORS = ("local", "ray")

DECISIONS = ("mean", "max", "sum")
"""How the probabilities of ImageNet's classes become those of the 16 categories of human alignment."""

SHARD = 100
"""Images per unit: small enough that an interrupted run loses little, large enough that a file is worth writing."""


@dataclass(frozen=True)
class Settings:
    """Arguments of a run.

    Attributes:
        models: Model names, in the order asked.
        baselines: Models to compare with; None takes each model's declared one, empty none.
        suite: Suite name, or None where only tasks are named.
        tasks: Task names, in addition to the suite's.
        data: Folders of the data sets that a user brings, by name.
        origins: For folders that are not from the command line, who named them: a configuration file or a variable.
        store: Folder of the results, or a URL that fsspec opens.
        also: Stores that are read for what that one lacks, and never written to: folders or URLs.
        recompute: Read no layer, not even the predictions that are part of the package: compute what the store lacks.
        limit: Largest number of images for each task; None takes the task's own.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
        executor: ``"local"``, or ``"ray"`` for a Ray cluster.
        workers: Processes that run units side by side; None is one, within this process (Ray: as many as fit).
        threads: Threads of each worker that read and corrupt images; None shares the cores among the workers.
        address: Address of a running Ray cluster; None starts one on this machine.
        seed: Seed of the micro-world's sets and of the corruptions.
        batch: Images per forward pass.
        precision: ``"float32"``, or ``"bfloat16"`` or ``"float16"`` for autocast, which enters the models' identities.
        decisions: A name of `DECISIONS`; another than the mean enters the tasks' identities.
        samples: Noisy copies of each image for SmoothGrad, which enter the tasks' identities; None takes those of the
            tasks.
        new_data: Run on a folder whose images changed since the last run on it, instead of refusing it.
        recompute_scores: Score and draw everything anew, instead of taking what the store has kept of an earlier time.
    """

    models: tuple[str, ...]
    baselines: tuple[str, ...] | None = None
    suite: str | None = None
    tasks: tuple[str, ...] = ()
    data: Mapping[str, Path] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)
    store: Path | str = Path("bench-results")
    also: tuple[Path | str, ...] = ()
    recompute: bool = False
    limit: int | None = None
    device: str = "auto"
    executor: str = "local"
    workers: int | None = None
    threads: int | None = None
    address: str | None = None
    seed: int = 0
    batch: int = 50
    precision: str = "float32"
    decisions: str = "mean"
    samples: int | None = None
    new_data: bool = False
    recompute_scores: bool = False

    @property
    def given(self) -> dict[str, Path]:
        """The folders of data sets that were given for this run, less those that are configured for every run."""
        return {name: folder for name, folder in self.data.items() if name not in self.origins}

    def __post_init__(self) -> None:
        # As the models call themselves, see `registry.resolve`.
        object.__setattr__(self, "models", tuple(map(printable, self.models)))
        if self.baselines is not None:
            object.__setattr__(self, "baselines", tuple(map(printable, self.baselines)))

    @property
    def layers(self) -> tuple[Path | str, ...]:
        """The stores that are read below `store`: those that were named, then the package's own."""
        if self.recompute:
            return ()
        return (*self.also, SHIPPED) if SHIPPED.is_dir() else self.also
