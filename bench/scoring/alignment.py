"""From stored predictions to scores of human alignment, against people or simulated observers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ...errors import DataError
from ...results import records
from ...results.schema import Comparison, Failure, Score, narrowed
from ...results.store import Store
from ...tasks.alignment.consistency import HUMANS
from ...tasks.alignment.decisions import only, packed, shown, trials_of, unpacked
from ...tasks.alignment.evidence import VERSION as EVIDENCE_VERSION
from ...tasks.alignment.evidence import Evidence
from ...tasks.alignment.experiments import ALIGNMENT_SETS, MICRO_ALIGNMENT_SETS, AlignmentSet, data_set_of, mean_of
from ...tasks.alignment.observers import PREFIX as _STANDING_IN
from ...tasks.alignment.observers import SIMULATED, simulated_panel
from ...tasks.alignment.scoring import Scored, score_alignment
from ...tasks.alignment.trial_files import read_people
from ...tasks.alignment.trials import Trials, responses_to, stimuli_of
from ...tasks.datasets.human import HUMAN, HUMAN_ANSWERS
from ...tasks.datasets.registry import get_publication
from ...tasks.download.publication import data_place
from ...tasks.opening import open_source
from ...tasks.scoring.samples import Answers
from ...tasks.task import Task
from ...text import escaped
from ..planning.plan import Plan, PlannedTask

if TYPE_CHECKING:
    from ...tasks.alignment.micro_stimuli import AlignmentStimuli

# The observers that models are compared with: people, with trials from a folder or the store, or simulated ones.


_CHECKOUT = "raw-data"
"""Folder of the people's trials beside the stimuli, as in model-vs-human's repository."""


def answers_folder(data: Mapping[str, Path]) -> Path | None:
    """Where the people's trials lie: the folder named for them, or one beside the stimuli that were named."""
    if HUMAN_ANSWERS in data:
        return data[HUMAN_ANSWERS]
    if HUMAN not in data:
        return None
    stimuli = data[HUMAN]
    fetched = data_place(get_publication(HUMAN_ANSWERS), stimuli.parent)
    beside = (stimuli / _CHECKOUT, stimuli.parent / _CHECKOUT, fetched)
    return next((folder for folder in beside if folder.is_dir()), stimuli)


def people_of(
    data: Mapping[str, Path], planned: PlannedTask, data_set: AlignmentSet, store: Store
) -> dict[str, Trials] | str:
    """Trials of the people of one data set: from the folder that was named, else what the store has kept of it.

    Args:
        data: Folders that the user named.
        planned: The task.
        data_set: What it asks about.
        store: Where earlier runs left the trials.

    Returns:
        By person; or a line that says why there are none.
    """
    folder = answers_folder(data)
    if folder is not None:
        try:
            return read_people(folder, [data_set])[data_set.name]
        except DataError as error:
            return f"{error} Use --data {HUMAN_ANSWERS}=DIR for another folder."
    facts = records.packed(store, records.TRUTHS, _kept_as(planned), planned.data_digest)
    if facts is None:
        return f"people's trials are missing from the store or damaged: run again with --data {HUMAN}=DIR"
    return unpacked(data_set, facts)


def keep_people(data: Mapping[str, Path], planned: PlannedTask, data_set: AlignmentSet, store: Store) -> None:
    """Keep the people's trials beside the predictions, so that these can be scored without the folder.

    Raises:
        StoreError: The store cannot be written.
    """
    if answers_folder(data) is None:
        return
    people = people_of(data, planned, data_set, store)
    if not isinstance(people, str):
        records.keep_packed(store, records.TRUTHS, _kept_as(planned), planned.data_digest, packed(people))


def _kept_as(planned: PlannedTask) -> str:
    return f"{planned.task.dataset}/people"


# What the stimuli of the micro-world show its simulated observers. A run measures it on the way where its models see
# stimuli of the same size; it is stored with the predictions, so that scoring renders nothing.


def evidence_in(planned: PlannedTask, image_ids: Sequence[str], store: Store) -> Evidence | str:
    """The evidence in stimuli of the micro-world: as a run or a store knows it, else measured now.

    Args:
        planned: The task.
        image_ids: Of its stimuli, as the store spells them.
        store: Where earlier runs left what they measured.

    Returns:
        In the order of the ids; or a line that says why it cannot be known.
    """
    source = _stimuli(planned)
    if source.digest != planned.data_digest:
        return (
            f"the simulated observers cannot see these stimuli of {planned.task.dataset}: another version of the "
            "micro-world rendered them. Run the task again, or score it with the version of vitobench that ran it."
        )
    places = {escaped(image_id): place for place, image_id in enumerate(source.image_ids)}
    if not places.keys() >= set(image_ids):
        strange = next(image_id for image_id in image_ids if image_id not in places)
        return f"{strange!r} is not a stimulus of {planned.task.dataset}; expected names such as {min(places)!r}"
    for one in (store.own, *store.below):
        if source.measured().keys() >= set(image_ids):
            break
        known = records.packed(one, records.TRUTHS, _evidence_kept_as(planned), planned.data_digest)
        with suppress(ValueError, TypeError):  # of another form: measured anew
            source.know(known or {})
    return source.evidence([places[image_id] for image_id in image_ids])


def keep_evidence(plan: Plan, store: Store) -> None:
    """Keep what a run measured of the stimuli of the micro-world, besides what the store has already.

    Raises:
        StoreError: The store cannot be written.
    """
    for planned in worlds_of(plan).get("microworld", ()):
        if planned.source is None:
            continue
        measured, kept_as = _stimuli(planned).measured(), _evidence_kept_as(planned)
        known = records.packed(store, records.TRUTHS, kept_as, planned.data_digest) or {}
        if not known.keys() >= measured.keys():
            records.keep_packed(store, records.TRUTHS, kept_as, planned.data_digest, known | measured)


def _stimuli(planned: PlannedTask) -> AlignmentStimuli:
    source = planned.source or open_source(planned.task.dataset, {}, planned.images, planned.seed)
    return cast("AlignmentStimuli", source)


def _evidence_kept_as(planned: PlannedTask) -> str:
    return f"{planned.task.dataset}/evidence-{EVIDENCE_VERSION}"


# From stored predictions to scores of human alignment: the rows of all tasks, and additional ones.


@dataclass(frozen=True)
class Aligned:
    """What the tasks of human alignment of one world say.

    Attributes:
        world: ``"microworld"`` or ``"photographs"``.
        reference: The group that models are compared with, as one observer.
        data_sets: Those that were asked.
        scored: All that is known of every observer.
        scores: Of the models alone, as rows that all tasks share.
        comparisons: For the (model, baseline) pairs asked for.
        failures: What is missing.
        mean: What scores call the mean over data sets, as a task.
    """

    world: str
    reference: str
    data_sets: tuple[AlignmentSet, ...]
    scored: Scored
    scores: tuple[Score, ...]
    comparisons: tuple[Comparison, ...]
    failures: tuple[Failure, ...]
    mean: Task


def worlds_of(plan: Plan) -> dict[str, list[PlannedTask]]:
    """The tasks of human alignment of a plan by world; each is scored by itself."""
    worlds: dict[str, list[PlannedTask]] = defaultdict(list)
    for planned in plan.tasks:
        if planned.task.kind.together:
            worlds[planned.task.world].append(planned)
    return worlds


def people_facts(tasks: Sequence[PlannedTask], plan: Plan, store: Store) -> list[object] | None:
    """The trials of people that tasks of one world are scored with, as plain data; None where they are in a folder."""
    photographs = [planned for planned in tasks if planned.task.world != "microworld"]
    if photographs and answers_folder(plan.settings.data) is not None:
        return None
    return [records.packed(store, records.TRUTHS, _kept_as(planned), planned.data_digest) for planned in photographs]


def set_of(planned: PlannedTask) -> AlignmentSet:
    """The data set that a task of human alignment asks about."""
    name = data_set_of(planned.task)
    return (MICRO_ALIGNMENT_SETS if planned.task.world == "microworld" else ALIGNMENT_SETS)[name]


def align(
    world: str, tasks: Sequence[PlannedTask], plan: Plan, answers: Callable[[str], Mapping[str, Answers]], store: Store
) -> Aligned:
    """Score the tasks of human alignment of one world.

    Args:
        world: Which.
        tasks: From `worlds_of`.
        plan: What was asked.
        answers: From the name of a task to the answers of each model.
        store: May hold the trials of people.
    """
    task_of = {data_set_of(planned.task): planned.task.name for planned in tasks}
    everyone = tuple(spec.name for spec in plan.models if any(plan.takes(spec, planned.task) for planned in tasks))
    people: dict[str, Mapping[str, Trials]] = {}
    models: dict[str, Mapping[str, Trials]] = {}
    asked: list[AlignmentSet] = []
    failures: list[Failure] = []
    for planned in tasks:
        data_set, name = set_of(planned), planned.task.name
        try:
            own = trials_of(data_set, answers(name))
        except DataError as error:
            failures.append(Failure("*", name, "*", "*", str(error)))
            continue
        if not own:
            continue  # why is among the failures of the run
        if world == "microworld":
            stimuli = shown(data_set, next(iter(own.values())).image_names)
            evidence = evidence_in(planned, stimuli.image_names, store)
            shared: Mapping[str, Trials] | str
            if isinstance(evidence, str):
                shared = evidence
            else:
                observers = simulated_panel([(stimuli, evidence)])[data_set.name]
                shared = {k: v for k, v in observers.items() if k.startswith(_STANDING_IN)}
                own = {**own, **{k: v for k, v in observers.items() if not k.startswith(_STANDING_IN)}}
        else:
            shared = people_of(plan.settings.data, planned, data_set, store)
        if isinstance(shared, str):
            failures.append(Failure("*", name, "*", "*", shared))
            continue
        together = _on_the_same(shared, own)
        problem = _mismatch(together)
        if problem:
            failures.append(Failure("*", name, "*", "*", problem))
            continue
        asked.append(data_set)
        models[data_set.name] = own
        people[data_set.name] = together
    pairs = [(a, b) for a, b in plan.pairs if a in everyone and b in everyone]
    reference = SIMULATED if world == "microworld" else HUMANS
    scored = score_alignment(people, models, asked, list(dict.fromkeys(b for _, b in pairs)), reference=reference)
    failures += [Failure(p.observer, task_of[p.data_set], "*", "*", p.reason) for p in scored.problems]
    return Aligned(
        world,
        reference,
        tuple(set_of(planned) for planned in tasks),
        scored,
        tuple(narrowed(row, Score) for row in scored.scores if row.model in everyone),
        tuple(narrowed(row, Comparison) for row in scored.comparisons if (row.a, row.b) in pairs),
        tuple(failures),
        mean_task(world, tasks),
    )


def mean_task(world: str, tasks: Sequence[PlannedTask]) -> Task:
    """What scores call the mean over the data sets of one world, as a task."""
    title = f"Alignment, mean of {len(tasks)} data sets"
    return replace(tasks[0].task, name=mean_of(world), title=title, metric="error_consistency", dataset="")


def _on_the_same(people: Mapping[str, Trials], models: Mapping[str, Trials]) -> dict[str, Trials]:
    """People's trials on the stimuli that the models answered: of a part of a set, or of its first few."""
    answered = next(iter(models.values())).image_ids
    return {name: only(trials, answered) for name, trials in people.items()}


def _mismatch(people: Mapping[str, Trials]) -> str:
    """Why people's trials of a data set cannot be set side by side; empty where they can."""
    try:
        stimuli = stimuli_of(next(iter(people.values())))
        for trials in people.values():
            responses_to(stimuli, trials)
    except DataError as error:
        return str(error)
    return ""
