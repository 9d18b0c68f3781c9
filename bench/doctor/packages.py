"""Checks of packages: those that every installation needs, and optional ones by extra."""

from __future__ import annotations

import importlib.metadata
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from ...models.registry import SOURCES
from .check import FAIL, OK, WARN, Check

# The packages that vitobench requires, and the installed versions.


NAME = "vitobench"


@dataclass(frozen=True)
class Wants:
    """What a version of vitobench requires.

    Attributes:
        version: Version of vitobench.
        python: Specifier of Python's version.
        required: Requirements of every installation, as in ``pyproject.toml``.
        extras: Requirements of each extra.
    """

    version: str
    python: str
    required: tuple[str, ...]
    extras: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Needed:
    """A required package.

    Attributes:
        name: Name of the distribution.
        bounds: Version specifier, such as ``">=2.4"``.
        installed: Installed version, or None.
    """

    name: str
    bounds: str
    installed: str | None

    @property
    def fits(self) -> bool:
        """Whether it is installed with a supported version."""
        return self.installed is not None and SpecifierSet(self.bounds).contains(self.installed, prereleases=True)


def wants(checkout: Path) -> Wants | None:
    """What this copy of vitobench requires; None if it is neither a checkout nor installed.

    A checkout's ``pyproject.toml`` wins over installed metadata, which an editable installation does not update.

    Args:
        checkout: Folder of the package; only in a checkout does it contain ``pyproject.toml``.
    """
    try:
        project = tomllib.loads((checkout / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        if project["name"] == NAME:
            extras = {extra: tuple(needs) for extra, needs in project.get("optional-dependencies", {}).items()}
            return Wants(project["version"], project["requires-python"], tuple(project["dependencies"]), extras)
    except (OSError, tomllib.TOMLDecodeError, KeyError):
        pass
    try:
        metadata = importlib.metadata.metadata(NAME)
    except importlib.metadata.PackageNotFoundError:
        return None
    return _installed_wants(metadata)


def _installed_wants(metadata: importlib.metadata.PackageMetadata) -> Wants:
    lines = [Requirement(line) for line in metadata.get_all("Requires-Dist") or ()]
    environment = {key: str(value) for key, value in default_environment().items()}

    def belongs(line: Requirement, extra: str) -> bool:
        if line.marker is None:
            return not extra
        for_everyone = line.marker.evaluate({**environment, "extra": ""})
        return for_everyone != bool(extra) and line.marker.evaluate({**environment, "extra": extra})

    def of(extra: str) -> tuple[str, ...]:
        return tuple(f"{line.name}{line.specifier}" for line in lines if belongs(line, extra))

    names = [str(name) for name in metadata.get_all("Provides-Extra") or ()]
    return Wants(
        str(metadata["Version"]), str(metadata["Requires-Python"] or ""), of(""), {name: of(name) for name in names}
    )


def installed(requirements: Sequence[str]) -> list[Needed]:
    """The installed version of each requirement; requirements for other systems are left out."""
    packages = []
    for line in map(Requirement, requirements):
        if line.marker is not None and not line.marker.evaluate():
            continue
        try:
            version: str | None = importlib.metadata.version(line.name)
        except importlib.metadata.PackageNotFoundError:
            version = None
        packages.append(Needed(line.name, str(line.specifier), version))
    return packages


# Check packages: those that every installation needs, and optional ones by extra.


GROUP = "packages"
OPTIONAL = "optional packages"
PLUGINS = "plugins"

_PURPOSES = {
    "hugging-face": "for bench export --format hugging-face",
    "mlflow": "for bench export --format mlflow",
    "ray": "for --executor ray",
    "tensorboard": "for bench pretrain --log tensorboard and bench export --format tensorboard",
    "torchcodec": 'for decoder="torchcodec" of clips, instead of PyAV',
    "wandb": "for bench pretrain --log wandb",
    **{source.extra: source.extra_is_for for source in SOURCES if source.extra},
}
PURPOSES = dict(sorted(_PURPOSES.items()))
"""What each extra is for."""

FOR_DEVELOPMENT = ("test", "dev")
"""Extras that users do not need."""


def check_python(bounds: str, version: str, kind: str) -> Check:
    """Whether Python's version (such as ``"3.12.1"``) is within bounds (such as ``">=3.11"``).

    Args:
        bounds: Version specifier.
        version: Python's version.
        kind: Implementation, such as ``"CPython"``.
    """
    if SpecifierSet(bounds).contains(version, prereleases=True):
        return Check(GROUP, "Python", OK, f"{version} ({kind})")
    return Check(GROUP, "Python", FAIL, f"{version}, not {bounds}", f"make an environment with Python {bounds}")


def check_required(needed: Sequence[Needed], version: str, place: Path) -> list[Check]:
    """A row for vitobench, one for all its dependencies, and one for each that is missing or has the wrong version.

    Args:
        needed: The dependencies.
        version: Version of vitobench.
        place: Folder of vitobench.
    """
    wrong = [need for need in needed if not need.fits]
    rows = [Check(GROUP, NAME, OK, f"{version} in {place}")]
    if len(wrong) < len(needed):
        rows.append(
            Check(GROUP, "dependencies", OK, f"{len(needed) - len(wrong)} of {len(needed)} have a supported version")
        )
    for need in wrong:
        state = "not installed" if need.installed is None else f"{need.installed}, not {need.bounds}"
        rows.append(Check(GROUP, need.name, FAIL, state, f"pip install '{need.name}{need.bounds}'"))
    return rows


def check_optional(extras: Mapping[str, Sequence[Needed]]) -> list[Check]:
    """A row for each optional extra; it is fine if one is not installed.

    Args:
        extras: Packages of each extra.
    """
    rows = []
    for extra, needed in extras.items():
        if extra in FOR_DEVELOPMENT:
            continue
        install = f"pip install '{NAME}[{extra}]'"
        purpose = PURPOSES.get(extra, "")
        absent = [need.name for need in needed if need.installed is None]
        wrong = [need for need in needed if need.installed is not None and not need.fits]
        if wrong:
            state = "; ".join(f"{need.name} {need.installed}, not {need.bounds}" for need in wrong)
            rows.append(Check(OPTIONAL, extra, WARN, f"{state}; {purpose}", install))
        elif absent:
            rows.append(Check(OPTIONAL, extra, OK, f"{', '.join(absent)} not installed; {purpose}", install))
        else:
            state = ", ".join(f"{need.name} {need.installed}" for need in needed)
            rows.append(Check(OPTIONAL, extra, OK, state))
    return rows


def check_torchcodec(problem: str) -> list[Check]:
    """A warning if TorchCodec is installed but does not load.

    Args:
        problem: From `torchcodec_problem`.
    """
    if not problem:
        return []
    return [
        Check(OPTIONAL, "torchcodec", WARN, problem, "install FFmpeg's shared libraries, or ignore this: PyAV decodes")
    ]


def torchcodec_problem() -> str:
    """Why TorchCodec is installed but does not load; empty if it loads."""
    from ...errors import DataError

    try:
        from ...tasks.clips.decoding import TorchCodec

        TorchCodec()
    except DataError as error:
        return str(error)
    return ""


def check_plugins(plugged: Iterable[tuple[str, str, str]], unreadable: Iterable[str]) -> list[Check]:
    """A row for those that can be used, and one for each that cannot: nothing else suffers from it.

    Args:
        plugged: Name, package with its version, and what is wrong with it, of each plugin.
        unreadable: Packages whose entry points cannot be read, a line each.
    """
    every = list(plugged)
    names = ", ".join(f"{name} ({origin})" for name, origin, problem in every if not problem)
    rows = [Check(PLUGINS, PLUGINS, OK, names or ("none can be used" if every else "none installed"))]
    rows += [
        Check(PLUGINS, name, WARN, problem, f"update or uninstall {origin.partition(' ')[0]}")
        for name, origin, problem in every
        if problem
    ]
    return [*rows, *(Check(PLUGINS, "entry points", WARN, line, "reinstall that package") for line in unreadable)]


def measure_plugins() -> list[tuple[str, str, str]]:
    """Every plugin of every group, as `check_plugins` takes it. Their code is imported."""
    from ...models.pretraining import methods
    from ...reports.figures import registry as figure_registry
    from ...tasks import plugin_tasks
    from ...tasks.corruptions import registry as corruptions
    from ...tasks.registry import TASKS

    models = [row for source in SOURCES if not source.shipped for row in source.listing()]
    entries = [(row.name, row.source, row.problem) for row in models]
    for plugged in (
        plugin_tasks.listed(TASKS),
        corruptions.plugged(),
        methods.plugged(),
        figure_registry.plugged(),
    ):
        entries += [(plugin.name, plugin.origin, problem) for plugin, _, problem in plugged]
    return entries
