"""What a source of models is: where its models come from, how their names look, and how they are listed and built.

Adding a source is a file in this folder with a subclass of `Source`, one object of it called ``SOURCE``, and the file's
name in `models.registry`. What depends on where a model comes from (listings, completion of names, the packages whose
versions a run records) asks the object, so no other file has to change.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from ..spec import ModelSpec

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class ModelRow:
    """One line of a listing; what is known of a model without hashing or loading anything.

    Attributes:
        name: What the user types.
        source: `Source.name`, or the package and version of a plugin.
        label_space: ``"microworld-16"`` or ``"imagenet-1k"``.
        training_data: What it was trained on.
        licence: Licence of the weights.
        baseline: Name of the model it is compared with by default, or None.
        description: One line.
        problem: Why it cannot be used now, and what helps; empty if it can.
    """

    name: str
    source: str
    label_space: str = ""
    training_data: str = ""
    licence: str = ""
    baseline: str | None = None
    description: str = ""
    problem: str = ""


@dataclass(frozen=True)
class WeightsFolder:
    """Where a source keeps the weights that it downloads.

    Attributes:
        what: What is in it, such as ``"weights of timm"``.
        path: The folder, which may not exist yet.
        variable: Of the environment, which names another folder.
    """

    what: str
    path: Path
    variable: str


class Source(ABC):
    """A source of models. Importing its module loads neither torch nor timm; `build` may load anything.

    Its models have either names of their own (`names`) or names that start with a `prefix`.

    Attributes:
        name: What `ModelSpec.source` says. It is stored, so it stays what it is.
        prefix: How names start, with the colon, such as ``"timm:"``; empty where models have names of their own.
        form: How such a name is written, such as ``"timm:NAME"``.
        about: What such a name stands for, in one line.
        extra: The extra of vitobench that installs what this source needs; empty if every installation has it.
        extra_is_for: What that extra is for, as `bench doctor` says it.
        libraries: Packages that decide what its models compute; a run records their versions.
        shipped: Whether its names are the same on every machine, so that the documentation lists them.
        can_reuse: Whether a description in a store may be taken as it is; `still_describes` decides.
    """

    name: ClassVar[str]
    prefix: ClassVar[str] = ""
    form: ClassVar[str] = ""
    about: ClassVar[str] = ""
    extra: ClassVar[str] = ""
    extra_is_for: ClassVar[str] = ""
    libraries: ClassVar[tuple[str, ...]] = ()
    shipped: ClassVar[bool] = True
    can_reuse: ClassVar[bool] = False

    @abstractmethod
    def resolve(self, name: str) -> ModelSpec:
        """Describe a model without loading it, as far as the hash of its weights allows.

        Args:
            name: A name for which `has` is true.

        Raises:
            VitobenchError: There is no such model, or its weights are missing, damaged or cannot be downloaded. The
                message names the fix.
        """

    @abstractmethod
    def build(self, spec: ModelSpec) -> nn.Module:
        """Build the network of a description, with its weights.

        Args:
            spec: From `resolve`.

        Returns:
            A module with the methods of `models.model.Network`, on the CPU.

        Raises:
            VitobenchError: As `resolve`, or the weights are no longer those of the description.
        """

    def names(self) -> Sequence[str]:
        """Names of its models, where they have names of their own. No code of others runs."""
        return ()

    def listing(self) -> list[ModelRow]:
        """A row for each of `names`. A model that cannot be used is listed with the reason and hides no other."""
        return []

    def has(self, name: str) -> bool:
        """Whether a name belongs to this source; it may still stand for no model."""
        if self.prefix:
            return name.startswith(self.prefix) and name != self.prefix
        return name in self.names()

    def complete(self, incomplete: str) -> list[str]:
        """Names that start like this, for the Tab key of a shell.

        Args:
            incomplete: What was typed so far. Until it holds the whole prefix nothing heavy is imported.
        """
        if self.prefix and incomplete.startswith(self.prefix):
            typed = incomplete.removeprefix(self.prefix)
            return [f"{self.prefix}{name}" for name in self.complete_after_prefix(typed)]
        return [name for name in (self.prefix, *self.names()) if name and name.startswith(incomplete)]

    def complete_after_prefix(self, typed: str) -> Sequence[str]:
        """What the rest of a name may be once the prefix is typed; all of it starts with ``typed``."""
        return [typed] if typed else [""]

    def downloads_to(self) -> WeightsFolder | None:
        """Where it keeps what it downloads, for `bench doctor`; None where it downloads nothing."""
        return None

    def still_describes(self, spec: ModelSpec) -> bool:
        """Whether an earlier description certainly holds now; False where only `resolve` can tell."""
        return False

    def file_of(self, name: str) -> Path | None:
        """The file that the user named, as typed; None where the name is no file's."""
        return None

    def encoder(self, architecture: str) -> nn.Module | None:
        """Build an untrained encoder of an architecture whose name starts with `prefix`.

        Returns:
            A module with ``features`` and perhaps ``tokens``; None where this source has no architectures of its own.

        Raises:
            UnknownNameError: No such architecture.
        """
        return None
