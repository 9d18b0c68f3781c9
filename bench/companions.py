"""Models that run along with the requested ones: baselines to compare with, and references that normalise errors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..errors import VitobenchError
from ..models.spec import ModelSpec
from ..results.published.tables import published_reference
from ..results.schema import Failure
from ..tasks.task import Task
from .plan import takes

Resolve = Callable[[str], ModelSpec]


@dataclass(frozen=True)
class Company:
    """Requested models plus their baselines and references.

    Attributes:
        models: The requested models first.
        pairs: (model, baseline) to compare.
        failures: Baselines and references that could not be loaded, or not compared.
    """

    models: tuple[ModelSpec, ...]
    pairs: tuple[tuple[str, str], ...]
    failures: tuple[Failure, ...]


def companions(
    asked: Sequence[ModelSpec], tasks: Sequence[Task], baselines: Sequence[str] | None, resolve: Resolve
) -> Company:
    """Add the baselines and reference models that the requested models and tasks need.

    Args:
        asked: Models that the user named.
        tasks: What they are asked.
        baselines: Names that the user gave; None takes what each model declares.
        resolve: From a name to a model.

    Raises:
        VitobenchError: A baseline that the user typed does not exist.
    """
    models = {spec.name: spec for spec in asked}
    failures: list[Failure] = []

    def add(name: str) -> None:
        if name not in models:
            try:
                models[name] = resolve(name)
            except VitobenchError as error:
                # A name that the user typed is better refused now than reported after hours.
                if name in (baselines or ()):
                    raise
                failures.append(Failure(name, "*", "*", "*", str(error)))

    observers = {name for task in tasks for name in task.kind.observers}
    pairs: list[tuple[str, str]] = []
    for spec in asked:
        names = baselines if baselines is not None else (spec.baseline,) if spec.baseline else ()
        for name in dict.fromkeys(names):
            if name != spec.name:
                add(name)
                pairs.append((spec.name, name))
    spaces = {spec.label_space for spec in asked}
    for name in dict.fromkeys(name for task in tasks for name in task.kind.observers):
        add(name)
        if baselines is None and name in models:
            takers = (spec for spec in asked if any(name in t.kind.observers and takes(spec, t) for t in tasks))
            pairs += [(spec.name, name) for spec in takers if spec.name not in observers]
    for task in tasks:
        if task.reference is not None and published_reference(task.reference) is None and task.label_space in spaces:
            add(task.reference)
    if baselines is None:
        # A baseline that came along is compared with its own baseline if that is here anyway.
        for spec in list(models.values()):
            if spec.baseline in models and (spec.name, spec.baseline) not in pairs:
                pairs.append((spec.name, str(spec.baseline)))
    here = [(a, b) for a, b in pairs if b in models]
    for a, b in here:
        if models[a].label_space != models[b].label_space and b not in observers:
            reason = (
                f"predicts {models[b].label_space} classes and {a} predicts {models[a].label_space}: they cannot be "
                "compared"
            )
            failures.append(Failure(b, "*", "*", "*", reason))
    # A baseline that answers in nobody's classes has nothing to do here.
    kept = [spec for spec in models.values() if spec.label_space in spaces or spec.name in observers]
    comparable = [(a, b) for a, b in here if models[a].label_space == models[b].label_space or b in observers]
    return Company(tuple(kept), tuple(comparable), tuple(failures))
