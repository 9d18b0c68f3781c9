"""The exports by name, and what an export is: scores go in, files or runs of another tool come out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ...errors import VitobenchError, unknown_name
from ...files import check_output, check_output_folder, write_file
from ...text import utf8

if TYPE_CHECKING:
    from ..run import Outcome

# What an export is.


SCREEN = "-"
"""Target that prints."""


@dataclass(frozen=True)
class Handover:
    """The arguments of an exporter.

    Attributes:
        outcome: Scores and their provenance, of the models asked for and of the baselines that were scored with them.
        models: Names of the models asked for; an export that has a place for each model makes no place for others.
        to: File, folder or address to write to; ``"-"`` prints, where the export is text.
        show: Takes the text that is printed for ``"-"``.
        options: What else was given, by the names of `ExportSpec.options`.
    """

    outcome: Outcome
    models: tuple[str, ...]
    to: str
    show: Callable[[str], None] = print
    options: Mapping[str, str] = field(default_factory=dict)


class Exporter(Protocol):
    """A function that writes an export."""

    def __call__(self, handover: Handover) -> list[str]:
        """Write scores.

        Args:
            handover: The scores, and where to write them.

        Returns:
            Lines for a person that say what was written.

        Raises:
            VitobenchError: A package is missing, or the target cannot be written.
        """


@dataclass(frozen=True)
class ExportSpec:
    """An export as listed; the packages it needs are not imported.

    Attributes:
        name: What the user types.
        address: Module of this package and `Exporter` in it: ``"files:export_csv"``.
        writes: What it writes, for the listing.
        kind: What ``--to`` names: ``text`` is a file that may be printed instead; ``file``, ``folder``, ``address``.
        target: The same for a person.
        default: ``--to`` where it is not given.
        extra: Extra of vitobench that brings its packages; empty where none is needed.
        packages: Modules that have to be importable.
        options: Options of the command that this format alone has.
    """

    name: str
    address: str
    writes: str
    kind: str
    target: str
    default: str
    extra: str = ""
    packages: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    def check_options(self, options: Mapping[str, str]) -> None:
        """Refuse an option that the format would ignore.

        Raises:
            VitobenchError: It is of another format.
        """
        for name in options:
            if name not in self.options:
                having = [spec.name for spec in EXPORTS.values() if name in spec.options]
                raise VitobenchError(f"--{name} does nothing for --format {self.name}; it is for {', '.join(having)}.")

    def check_target(self, to: str) -> None:
        """Refuse what cannot be written to, before anything is scored.

        Raises:
            VitobenchError: A folder instead of a file, a file instead of a folder, or a format that cannot be printed.
        """
        if to == SCREEN and self.kind != "text":
            raise VitobenchError(f"--format {self.name} cannot be printed; set --to to {self.target}.")
        if self.kind in ("text", "file") and to != SCREEN:
            check_output(to)
        if self.kind == "folder":
            check_output_folder(to)

    def load(self) -> Exporter:
        """Import its function.

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
        module, _, function = self.address.partition(":")
        exporter: Exporter = getattr(import_module(f".{module}", __package__), function)
        return exporter


# The exports by name. Importing this loads none of the packages that they need.


EXPORTS: dict[str, ExportSpec] = {
    spec.name: spec
    for spec in (
        ExportSpec(
            "csv",
            "files:export_csv",
            "One row per score of each model",
            "text",
            "a file, or - to print it",
            "scores.csv",
        ),
        ExportSpec(
            "json",
            "files:export_json",
            "Everything: scores, comparisons, missing data, models, tasks, versions",
            "text",
            "a file, or - to print it",
            "scores.json",
        ),
        ExportSpec(
            "parquet",
            "files:export_parquet",
            "The rows of csv with types; models, tasks and versions in the file's metadata",
            "file",
            "a file",
            "scores.parquet",
        ),
        ExportSpec(
            "hugging-face",
            "hugging_face:export_hugging_face",
            "The headline numbers of one model as the model-index of a model card",
            "text",
            "a card (.md; merged if it exists) or a .yaml file; - to print the block",
            "model-index.yaml",
            "hugging-face",
            ("huggingface_hub", "yaml"),
        ),
        ExportSpec(
            "eval-results",
            "eval_results:export_eval_results",
            "The main number of each task of one model, for the folder .eval_results of its repository on the Hub",
            "text",
            "a .yaml file (merged if it exists); - to print it",
            ".eval_results/vitobench.yaml",
            "hugging-face",
            ("yaml",),
            ("benchmark", "source"),
        ),
        ExportSpec(
            "mlflow",
            "trackers:export_mlflow",
            "One run per model, with scores as metrics and tasks and models as parameters",
            "address",
            "a tracking address, such as http://HOST:5000; MLflow's own by default",
            "",
            "mlflow",
            ("mlflow",),
        ),
        ExportSpec(
            "tensorboard",
            "trackers:export_tensorboard",
            "One folder of events per model; checkpoints of one training run share a folder, as steps",
            "folder",
            "a folder",
            "tensorboard",
            "tensorboard",
            ("tensorboard",),
        ),
    )
}
"""In the order of the listing; a new export is added here."""


def export_spec(name: str) -> ExportSpec:
    """An export by name.

    Raises:
        UnknownNameError: With the nearest names.
    """
    if name not in EXPORTS:
        raise unknown_name("export", name, EXPORTS)
    return EXPORTS[name]


# Text to a file, or to the screen.


def put(handover: Handover, text: str, what: str) -> list[str]:
    """Write text where the handover says, all of it or nothing.

    Args:
        handover: Its ``to`` is a file, or `SCREEN`.
        text: Ends with a newline.
        what: What it is, for the line that says so.

    Raises:
        StoreError: It cannot be written.
    """
    if handover.to == SCREEN:
        handover.show(text.removesuffix("\n"))
        return [what]
    write_file(Path(handover.to), utf8(text))
    return [f"{what}: {handover.to}"]


# Pass existing scores to an export by its name.


def hand_over(
    outcome: Outcome,
    form: str,
    to: str | None = None,
    models: Sequence[str] = (),
    options: Mapping[str, str] | None = None,
) -> list[str]:
    """Export scores.

    Args:
        outcome: The scores.
        form: Name of the export.
        to: Where to; its default if None.
        models: Models that get a place of their own; all if empty.
        options: Further options of the format.

    Returns:
        Lines for a person that say what was written.

    Raises:
        UnknownNameError: No such export or model.
        VitobenchError: A package is missing, the target cannot be written, or an option is of another format.
    """
    spec = export_spec(form)
    spec.check_options(options or {})
    target = spec.default if to is None else to
    spec.check_target(target)
    exporter = spec.load()
    known = [str(model["name"]) for model in outcome.data.models]
    for name in models:
        if name not in known:
            raise unknown_name("model of this result", name, known)
    return exporter(Handover(outcome, tuple(models) or tuple(known), target, options=options or {}))
