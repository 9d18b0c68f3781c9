"""The packages that vitobench requires, and the installed versions."""

from __future__ import annotations

import importlib.metadata
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

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
