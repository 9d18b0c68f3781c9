"""What was scored and drawn before, and the facts that decide whether it still holds.

Scores, comparisons, figures and pictures are functions of the stored units, the request and the code. All three are in
the key under which they are kept in the store's ``cache/`` folder.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import platform
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, cached_property
from pathlib import Path
from typing import Any, TypeVar

from ...models.spec import ModelSpec
from ...reports.alignment_data import AlignmentData
from ...reports.data import Disagreement, Example, Overlay, Picture, Said
from ...results import kept, records
from ...results.kept import Anew, Keeper, Kept
from ...results.layout import IMAGES, MARK, safe_name
from ...results.published.tables import PublishedScore
from ...results.ranking import Contest
from ...results.schema import (
    Comparison,
    CurvePoint,
    Failure,
    MethodComparison,
    ObserverComparison,
    ObserverScore,
    Score,
)
from ...results.store import Store
from ...tasks.plugin_tasks import origin_of
from ..catalogue import truth_facts
from ..planning.plan import Plan, PlannedTask
from .parts import AlignedPart, Missing, TaskPart

_READERS = 4

T = TypeVar("T")

_CLASSES = (
    TaskPart, Missing, AlignedPart, AlignmentData, Contest, Score, ObserverScore, PublishedScore, Failure,
    CurvePoint, Comparison, MethodComparison, ObserverComparison, Disagreement, Picture, Said, Example, Overlay,
)  # fmt: skip

# The version of the code: a developer's edit is another version, although the number of the release stays.

_ROOT = Path(__file__).parents[2]
_LAYERS = ("bench", "models", "reports", "results", "tasks")
_READ = frozenset({".py", ".csv", ".json", ".j2", ".css", ".js"})
_LIBRARIES = (
    "numpy",
    "scipy",
    "numba",
    "matplotlib",
    "seaborn",
    "pillow",
    "pyarrow",
    "opencv-python",
    "imagecorruptions",
)


def _sources() -> Iterator[Path]:
    yield from sorted(_ROOT.glob("*.py"))
    for layer in _LAYERS:
        yield from sorted(path for path in (_ROOT / layer).rglob("*") if path.suffix in _READ)


@cache
def code_digest() -> str:
    """Digest of the package's code and tables, of Python, and of the versions of the libraries that compute.

    Raises:
        OSError: A file of the package cannot be read.
    """
    hasher = hashlib.sha256()
    for path in _sources():
        content = path.read_bytes()
        hasher.update(f"{path.relative_to(_ROOT).as_posix()} {len(content)}\n".encode())
        hasher.update(content)
    lines = [platform.python_version(), platform.machine()]
    for name in _LIBRARIES:
        try:
            lines.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            lines.append(f"{name} absent")
    hasher.update("\n".join(lines).encode())
    return hasher.hexdigest()


# The facts of a plan that decide what its predictions say.


def fingerprint(store: Store, task: str, model: str, ranges: Sequence[tuple[int, int]]) -> list[tuple[str, str]]:
    """The files that `Store.read` would read, without decoding them.

    Returns:
        For each range the name of its file and the SHA-256 of its bytes; both empty where there is none.

    Raises:
        OSError: One of them cannot be read.
    """
    located = store.locate(task, model, ranges)
    names = [name for name in located if name is not None]

    def digest(name: str) -> str:
        return hashlib.sha256(store.folder.read(name)).hexdigest()

    if len(names) < 2 * _READERS:
        digests = [digest(name) for name in names]
    else:
        with ThreadPoolExecutor(_READERS) as pool:
            digests = list(pool.map(digest, names))
    known = dict(zip(names, digests, strict=True))
    return [("", "") if name is None else (name, known[name]) for name in located]


def fingerprint_asked(store: Store, task: str) -> str:
    """SHA-256 of the file behind `Store.asked`, by the folder of the task's identity; empty where there is none.

    Raises:
        OSError: It cannot be read.
    """
    try:
        return hashlib.sha256(store.folder.read(f"{IMAGES}/{task}.json.gz")).hexdigest()
    except FileNotFoundError:
        return ""


class Memory:
    """Values that were computed from a store before; shared by everything that one command scores and draws.

    Args:
        store: Where the predictions are; what is kept is beside them, or in the user's cache folder where the store is
            not a folder of this machine.
        anew: Compute everything, and keep nothing.
    """

    def __init__(self, store: Store, anew: bool = False) -> None:
        self.store = store
        self._anew = anew
        self._units: dict[tuple[str, int, str], list[tuple[str, str]]] = {}

    @cached_property
    def _kept(self) -> Kept | None:
        # Only when it is first needed: a run makes its store, and then its predictions.
        local = self.store.folder.local
        there = self.store.exists() if local is None else (local / MARK).is_file()
        if self._anew or not there:
            return None
        try:
            return Kept(records.cache_file(self.store, kept.FOLDER), code_digest(), _CLASSES)
        except OSError:  # a package that is not made of files
            return None

    @property
    def keeper(self) -> Keeper:
        """Keeps values by facts that the caller knows."""
        return self._kept or Anew()

    def of_task(self, plan: Plan, planned: PlannedTask, request: Any, make: Callable[[], T]) -> T:
        """What the predictions of one task say, with those of the tasks whose images are known in it.

        Args:
            plan: What was asked.
            planned: The task.
            request: Plain data: what is computed, and everything asked beyond the plan; None is never kept.
            make: Computes it.
        """
        known = (planned.task.clean, *planned.task.shifted)
        clean = [other for other in plan.tasks if other.task.name in known]
        return self.of_tasks(plan, [planned, *clean], request, make)

    def of_tasks(self, plan: Plan, tasks: Sequence[PlannedTask], request: Any, make: Callable[[], T]) -> T:
        """What the predictions of some tasks say together; see `of_task`."""
        if self._kept is None or request is None or any(origin_of(planned.task) for planned in tasks):
            return make()  # a plugin's code is not in the digest
        try:
            facts = self._facts(plan, tasks)
        except OSError:
            return make()

        def still() -> bool:
            # Another run may have stored units since they were listed.
            names = {planned.identity for planned in tasks}
            self._units = {key: files for key, files in self._units.items() if key[0] not in names}
            try:
                return self._facts(plan, tasks) == facts
            except OSError:
                return False

        return self._kept.remember([facts, request], make, still)

    def _facts(self, plan: Plan, tasks: Sequence[PlannedTask]) -> Any:
        return [
            # Lines on what is missing name files.
            self.store.location,
            plan.settings.decisions,
            [[spec.name, spec.identity] for spec in plan.models],
            [self._task_facts(plan, planned) for planned in tasks],
        ]

    def _task_facts(self, plan: Plan, planned: PlannedTask) -> Any:
        task = planned.task
        return [
            planned.identity,
            planned.images,
            task.identity_facts(planned.data_digest, planned.seed),
            [task.kind.name, task.metric, task.reference, task.clean, dict(task.families), list(task.shifted)],
            fingerprint_asked(self.store, safe_name(planned.identity)),
            truth_facts(planned, self.store),
            [self.units(planned, spec) for spec in plan.models if plan.takes(spec, task)],
        ]

    def units(self, planned: PlannedTask, spec: ModelSpec) -> list[tuple[str, str]]:
        """Files of one model and task with their digests, read once.

        Raises:
            OSError: One cannot be read.
        """
        key = (planned.identity, planned.images, spec.identity)
        if key not in self._units:
            self._units[key] = fingerprint(self.store, planned.identity, spec.identity, planned.ranges())
        return self._units[key]
