"""What a corruption is, and what a collection of them is. Importing this loads no kernel."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any


@dataclass(frozen=True)
class Collection:
    """Corruptions that were published together.

    Attributes:
        name: As in task identities.
        version: Raised when the pixels of all its corruptions change; those of one have their own version.
        variants: Ways of drawing; ``"published"`` saves the result as the published folders were saved.
        title: Heading in tables.
        citation: Where it was published.
    """

    name: str
    version: int
    variants: tuple[str, ...] = ("raw",)
    title: str = ""
    citation: str = ""


@dataclass(frozen=True)
class Corruption:
    """One corruption.

    Attributes:
        name: As in the conditions of tasks; unique over all collections.
        collection: Where it was published.
        kernel: ``kernel(image, draws, **parameters)`` gives the corrupted image, both uint8 (H, W, 3); with ``depth``
            (H, W) if it needs one. Either the function or its address, ``"package.module:function"``.
        parameters: From (severity, height, width) to the kernel's keyword arguments.
        version: Raised when this corruption's pixels change.
        needs_depth: Whether it is drawn from a depth map beside the image.
        counted: Whether its draws are a `draws.CounterDraws`, which gives whole words; a NumPy generator otherwise.
    """

    name: str
    collection: Collection
    kernel: str | Callable[..., Any]
    parameters: Callable[[int, int, int], Mapping[str, Any]]
    version: int = 0
    needs_depth: bool = False
    counted: bool = False

    def load(self) -> Callable[..., Any]:
        """The kernel's function; imports its module."""
        if callable(self.kernel):
            return self.kernel
        module, _, function = self.kernel.partition(":")
        kernel: Callable[..., Any] = getattr(import_module(module), function)
        return kernel

    def tokens(self, variant: str) -> tuple[str, ...]:
        """What a task's identity covers of it: its collection's version and, once it was raised, its own."""
        shared = f"{self.collection.name} {self.collection.version} {variant}"
        return (shared, f"{self.name} {self.version}") if self.version else (shared,)


def own_versions(tokens: Iterable[str], names: Iterable[str]) -> dict[str, int] | None:
    """The versions of corruptions from their own tokens; the way back from the second of `Corruption.tokens`.

    Args:
        tokens: Without those of collections.
        names: The corruptions; those without a token have version 0.

    Returns:
        Version by name; None if a token belongs to none of them.
    """
    versions = dict.fromkeys(names, 0)
    for token in tokens:
        name, _, number = token.rpartition(" ")
        if not number.isdecimal() or versions.get(name) != 0:
            return None
        versions[name] = int(number)
    return versions
