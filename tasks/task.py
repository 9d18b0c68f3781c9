"""A task is a frozen declaration; `bench.engine.pixels` makes its pixels and `scoring` its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ..identity import digest
from .corruptions.record import own_versions
from .corruptions.registry import find as find_corruption

if TYPE_CHECKING:
    from .kinds.kind import Kind
    from .saliency.protocol import MapProtocol
    from .understanding.protocol import FeatureProtocol


@dataclass(frozen=True)
class Condition:
    """One cell of a task.

    Attributes:
        name: Corruption or shift; ``"clean"`` for untouched pixels.
        severity: 1 to 5 for corruptions, otherwise 0.
        variant: ``"raw"``, or ``"published"`` for corrupted pixels that are then saved as JPEG, as the published
            folders were.
    """

    name: str
    severity: int = 0
    variant: str = "raw"

    @property
    def key(self) -> str:
        """``"gaussian_noise/3"``, or only the name if the severity is 0."""
        return f"{self.name}/{self.severity}" if self.severity else self.name

    @property
    def corrupts(self) -> bool:
        """Whether pixels change under this condition."""
        return self.severity > 0


@dataclass(frozen=True)
class Task:
    """A frozen declaration.

    Attributes:
        name: The name for ``--task``.
        title: Heading in tables.
        version: Raised when the task's images or protocol change.
        kind: What is stored and measured, one of `kinds.KINDS`.
        world: ``"microworld"`` or ``"photographs"``.
        label_space: The classes that a model must predict: ``"microworld-16"``, ``"imagenet-1k"``, ...
        dataset: Where the images come from: ``"microworld/val"``, ``"imagenet"``.
        images: Number of images without ``--limit``; None means all.
        conditions: The cells.
        clean: Name of the clean counterpart, if the task has a shift.
        metric: Main metric.
        reference: Model whose errors normalise the mean corruption error, if any.
        families: Groups of conditions for tables and figures.
        citation: Source of the protocol.
        notes: Known deviations from the protocol, for the documentation.
        answers: Name of the answer space, if the task's classes are not those of the label space.
        on_disk: Whether the data set has images for every condition; otherwise they are drawn on the fly.
        maps: How a model's maps are made and what they are compared with; saliency only.
        made_of: Name of the task whose predictions its numbers are made of; it has none of its own and is never run.
            Its data set holds annotations of that task's images, unless nothing has to be known of them.
        shifted: Names of tasks on shifted images of the known classes, whose stored predictions count as known beside
            those of the clean counterpart; unseen classes only.
        protocol: How numbers are made from a model's features, where that is what is asked; any encoder takes part.
    """

    name: str
    title: str
    version: int
    kind: Kind
    world: str
    label_space: str
    dataset: str
    images: int | None
    conditions: tuple[Condition, ...]
    clean: str | None = None
    metric: str = "top1"
    reference: str | None = None
    families: dict[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    citation: str = ""
    notes: str = ""
    answers: str = ""
    on_disk: bool = False
    maps: MapProtocol | None = None
    made_of: str = ""
    shifted: tuple[str, ...] = ()
    protocol: FeatureProtocol | None = None

    @property
    def needs_depth(self) -> bool:
        """Whether any condition needs depth maps."""
        return self.corrupts and any(find_corruption(c.name).needs_depth for c in self.conditions if c.corrupts)

    @property
    def corrupts(self) -> bool:
        """Whether any condition is drawn from other pixels."""
        return not self.on_disk and any(condition.corrupts for condition in self.conditions)

    @property
    def _drawn(self) -> list[Condition]:
        """The conditions whose pixels a corruption makes."""
        return [condition for condition in self.conditions if condition.corrupts] if self.corrupts else []

    def identity_facts(self, data_digest: str, seed: int) -> dict[str, Any]:
        """Everything that the identity covers, as plain data for a record.

        Args:
            data_digest: Digest of the image source.
            seed: Seed of the corruptions.
        """
        versions = {token for c in self._drawn for token in find_corruption(c.name).tokens(c.variant)}
        facts = {
            "name": self.name,
            "version": self.version,
            "data_digest": data_digest,
            "conditions": [condition.key for condition in self.conditions],
            "corruptions": [seed, *sorted(versions)] if versions else None,
        }
        facts |= {"answers": self.answers} if self.answers else {}
        facts |= {"maps": self.maps.facts(self.images)} if self.maps is not None else {}
        return facts | ({"protocol": self.protocol.facts()} if self.protocol is not None else {})

    def identity(self, data_digest: str, seed: int) -> str:
        """``name@digest`` over the version, the data, the conditions and, where they matter, corruptions and seed.

        Args:
            data_digest: Digest of the image source.
            seed: Seed of the corruptions.
        """
        return task_identity(self.identity_facts(data_digest, seed))

    def unchanged_since(self, record: Mapping[str, Any], data_digest: str, seed: int) -> tuple[Condition, ...]:
        """The conditions under which an earlier version of this task showed the same pixels.

        The version of a corruption is the only part of an identity that concerns some conditions and not others. If
        anything else differs, no condition is certain to be the same.

        Args:
            record: The earlier version's `identity_facts`, as stored.
            data_digest: Digest of the image source now.
            seed: Seed of the corruptions now.

        Returns:
            All conditions but those of corruptions with another version; empty if anything else differs.
        """
        now = self.identity_facts(data_digest, seed)
        rest = ("name", "version", "data_digest", "conditions", "answers")
        if not self.corrupts or any(now.get(name) != record.get(name) for name in rest):
            return ()
        seed_then, *tokens_then = record.get("corruptions") or [None]
        corruptions = {c.name: find_corruption(c.name) for c in self._drawn}
        collections = {corruptions[c.name].tokens(c.variant)[0] for c in self._drawn}
        versions_then = own_versions(set(tokens_then) - collections, corruptions)
        if seed_then != seed or versions_then is None or not collections <= set(tokens_then):
            return ()
        changed = {name for name, corruption in corruptions.items() if corruption.version != versions_then[name]}
        return tuple(condition for condition in self.conditions if condition.name not in changed)


def task_identity(facts: Mapping[str, Any]) -> str:
    """The identity of a task from `Task.identity_facts`, computed before a run or read from its record."""
    names = ["name", "version", "data_digest", "conditions", "corruptions"]
    # Tasks in the label space of the model keep the identity that they had before there were others.
    names += [name for name in ("answers", "maps", "protocol") if name in facts]
    return f"{facts['name']}@{digest(tuple(facts[name] for name in names))[:16]}"


def answered_by(task: Task, decisions: str) -> Task:
    """A task whose categories merge probabilities by another rule; the same task where it merges none.

    Args:
        task: As declared.
        decisions: ``"mean"``, ``"max"`` or ``"sum"``; see `alignment.decisions.RULES`.
    """
    if not task.kind.merges or not task.answers or decisions == "mean":
        return task
    return replace(task, answers=f"{task.answers}-{decisions}")


def with_samples(task: Task, samples: int | None) -> Task:
    """A task of SmoothGrad with another number of noisy copies; any other task as it is.

    Args:
        task: As declared.
        samples: Noisy copies of each image; None takes those of the declaration.
    """
    if task.maps is None or not task.maps.samples or samples is None:
        return task
    return replace(task, maps=replace(task.maps, samples=samples))
