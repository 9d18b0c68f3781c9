"""The base class of sources of models: how their models are named, listed, described and built.

To add a source, add a file to this folder with a subclass of `Source` and an instance named ``SOURCE``. Everything
that depends on where a model comes from (listings, completion of names, the packages whose versions a run records)
uses this object, so no other file has to change.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from ..spec import ModelSpec, Preprocessing

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class ModelRow:
    """A row of a listing: what is known about a model without hashing or loading anything.

    Attributes:
        name: What the user types.
        source: `Source.name`, or the package and version of a plugin.
        label_space: ``"microworld-16"`` or ``"imagenet-1k"``.
        training_data: What it was trained on.
        licence: Licence of the weights.
        baseline: Name of the model it is compared with by default, or None.
        description: One line.
        problem: Why it cannot be used now, and the fix; empty if it can.
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
    """The folder of a source for downloaded weights.

    Attributes:
        what: Its contents, such as ``"weights of timm"``.
        path: The folder, which may not exist yet.
        variable: Environment variable that sets another folder.
    """

    what: str
    path: Path
    variable: str


@dataclass(frozen=True)
class Architecture:
    """A network of a library without weights, which a checkpoint may be for.

    Attributes:
        name: With the source's prefix, without a tag.
        heads: Modules of its classifier, the main one first.
        network: Builds it for a number of classes; 0 for the network without its classifier.
        wrap: Gives a network with so many classes the methods of `models.model.Network`.
        preprocessing: What a checkpoint with this SHA-256 is evaluated with, at a size as in ``timm:NAME?size=SIZE``.
        others: Further forms that its checkpoints have, such as another pooling: the same as ``network``.
        convert: Translates the names of a published checkpoint into those of the network, as the library does; gets
            names and tensors, and the network. None if the library has no such translation.
        facts: Facts for `ModelSpec.extra`, such as the library's version. If one changes, a description is out of date.
        at: The same for images of another size, in pixels. None if its networks take images of any size.
    """

    name: str
    heads: tuple[str, ...]
    network: Callable[[int], nn.Module]
    wrap: Callable[[nn.Module, int], nn.Module]
    preprocessing: Callable[[str, int | str], Preprocessing]
    others: tuple[Callable[[int], nn.Module], ...] = ()
    convert: Callable[[Mapping[str, Tensor], nn.Module], Mapping[str, Tensor]] | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    at: Callable[[int], Architecture] | None = None


Progress = Callable[[str, int, int], None]
"""Called with what is being done, the amount done, and the whole amount."""

_LISTENER: ContextVar[Progress | None] = ContextVar("progress of loading", default=None)


@contextmanager
def listening(progress: Progress | None) -> Iterator[None]:
    """Let `report` call this while the block loads a model; None for nobody."""
    token = _LISTENER.set(progress)
    try:
        yield
    finally:
        _LISTENER.reset(token)


def report(stage: str, done: int, total: int) -> None:
    """Say how far a source is with something that takes minutes, in `Source.build`; a caller may show it."""
    progress = _LISTENER.get()
    if progress is not None:
        progress(stage, done, total)


class Source(ABC):
    """A source of models. Importing its module loads neither torch nor timm; `build` may load anything.

    Its models have either names of their own (`names`) or names that start with a `prefix`.

    Attributes:
        name: Value of `ModelSpec.source`. It is stored, so it must not change.
        prefix: Prefix of names, with the colon, such as ``"timm:"``; empty if models have names of their own.
        form: Pattern of such a name, such as ``"timm:NAME"``.
        about: Explanation of such a name, in one line.
        extra: The extra of vitobench that installs what this source needs; empty if every installation has it.
        extra_is_for: What that extra is for, for `bench doctor`.
        libraries: Packages that affect what its models compute; a run records their versions.
        shipped: Whether its names are the same on every machine, so that the documentation lists them.
        can_reuse: Whether a description in a store may be reused; `still_describes` decides in each case.
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
            name: A name for which `has` returns True.

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
            VitobenchError: As for `resolve`, or the weights have changed since the description.
        """

    def names(self) -> Sequence[str]:
        """Names of its models, if they have names of their own. Runs no third-party code."""
        return ()

    def listing(self) -> list[ModelRow]:
        """A row for each of `names`. A model that cannot be used is listed with the reason and hides no other."""
        return []

    def has(self, name: str) -> bool:
        """Whether a name belongs to this source; there may still be no such model."""
        if self.prefix:
            return name.startswith(self.prefix) and name != self.prefix
        return name in self.names()

    def begins(self, architecture: str) -> bool:
        """Whether the name of an architecture starts with `prefix`; see `encoder`."""
        return bool(self.prefix) and architecture.startswith(self.prefix)

    def complete(self, incomplete: str) -> list[str]:
        """Names that start with `incomplete`, for tab completion.

        Nothing heavy is imported until the whole prefix is typed.
        """
        if self.prefix and incomplete.startswith(self.prefix):
            typed = incomplete.removeprefix(self.prefix)
            return [f"{self.prefix}{name}" for name in self.complete_after_prefix(typed)]
        return [name for name in (self.prefix, *self.names()) if name and name.startswith(incomplete)]

    def complete_after_prefix(self, typed: str) -> Sequence[str]:
        """Names without their prefix that start with ``typed``."""
        return [typed] if typed else [""]

    def downloads_to(self) -> WeightsFolder | None:
        """The folder it downloads to, for `bench doctor`; None if it downloads nothing."""
        return None

    def still_describes(self, spec: ModelSpec) -> bool:
        """Whether an earlier description is certainly still valid; False if only `resolve` can tell."""
        return False

    def file_of(self, name: str) -> Path | None:
        """The file in a name, as typed; None if the name has no file."""
        return None

    def with_classes(self, name: str, label_space: str) -> str | None:
        """The name of the same model predicting other classes; None if it has none."""
        return None

    def encoder(self, architecture: str) -> nn.Module | None:
        """Build an untrained encoder of an architecture whose name starts with `prefix`.

        Returns:
            A module with ``features`` and optionally ``tokens``; None if this source has no architectures of its own.

        Raises:
            UnknownNameError: There is no such architecture.
        """
        return None

    def architecture(self, name: str) -> Architecture | None:
        """A network that a checkpoint names by ``arch=``.

        Args:
            name: Starts with `prefix`; a tag may choose the preprocessing.

        Returns:
            None if this source has no architectures for checkpoints.

        Raises:
            UnknownNameError: There is no such architecture.
        """
        return None
