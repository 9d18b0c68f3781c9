"""What a run was asked to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

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
        store: Folder of the results.
        limit: Largest number of images for each task; None takes the task's own.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
        workers: Threads that read and corrupt images; None takes the number of cores.
        seed: Seed of the micro-world's sets and of the corruptions.
        batch: Images per forward pass.
    """

    models: tuple[str, ...]
    baselines: tuple[str, ...] | None = None
    suite: str | None = None
    tasks: tuple[str, ...] = ()
    data: Mapping[str, Path] = field(default_factory=dict)
    store: Path = Path("bench-results")
    limit: int | None = None
    device: str = "auto"
    workers: int | None = None
    seed: int = 0
    batch: int = 50
