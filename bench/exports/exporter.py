"""What an export is: scores go in, files or runs of another tool come out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

from ...errors import VitobenchError
from ...files import check_output, check_output_folder
from ..run import Outcome

SCREEN = "-"
"""Target that prints."""


@dataclass(frozen=True)
class Handover:
    """What an exporter gets.

    Attributes:
        outcome: Scores and their provenance, of the models asked for and of the baselines that were scored with them.
        models: Names of the models asked for; an export that has a place for each model makes no place for others.
        to: File, folder or address to write to; ``"-"`` prints, where the export is text.
        show: Takes the text that is printed for ``"-"``.
    """

    outcome: Outcome
    models: tuple[str, ...]
    to: str
    show: Callable[[str], None] = print


class Exporter(Protocol):
    """What the module of an export has."""

    def export(self, handover: Handover) -> list[str]:
        """Write scores.

        Args:
            handover: What, and where to.

        Returns:
            Lines for a person that say what was written.

        Raises:
            VitobenchError: A package is missing, or the target cannot be written.
        """


@dataclass(frozen=True)
class ExportSpec:
    """An export by name, without what it is made with.

    Attributes:
        name: What the user types.
        module: Module of this package that is an `Exporter`.
        writes: What comes out.
        kind: What ``--to`` names: ``text`` is a file that may be printed instead; ``file``, ``folder``, ``address``.
        target: The same for a person.
        default: ``--to`` where it is not given.
        extra: Extra of vitobench that brings its packages; empty where none is needed.
        packages: Modules that have to be importable.
    """

    name: str
    module: str
    writes: str
    kind: str
    target: str
    default: str
    extra: str = ""
    packages: tuple[str, ...] = ()

    def check_target(self, to: str) -> None:
        """Refuse what cannot be written to, before anything is scored.

        Raises:
            VitobenchError: A folder in place of a file, the other way round, or a screen for what is no text.
        """
        if to == SCREEN and self.kind != "text":
            raise VitobenchError(f"--format {self.name} cannot be printed; set --to to {self.target}.")
        if self.kind in ("text", "file") and to != SCREEN:
            check_output(to)
        if self.kind == "folder":
            check_output_folder(to)

    def load(self) -> Exporter:
        """Import what it is made with.

        Raises:
            VitobenchError: A package is missing; the message says what to install.
        """
        for package in self.packages:
            try:
                import_module(package)
            except ImportError as error:
                raise VitobenchError(
                    f"--format {self.name} needs a package ({error}): pip install 'vitobench[{self.extra}]'"
                ) from None
        found: Exporter = import_module(f".{self.module}", __package__)
        return found
