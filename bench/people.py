"""The observers that models are compared with: people, with trials from a folder or the store, or simulated ones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..errors import DataError
from ..results import records
from ..results.store import Store
from ..tasks.alignment.answered import packed, unpacked
from ..tasks.alignment.datasets import AlignmentSet
from ..tasks.alignment.response_folder import read_people
from ..tasks.alignment.trials import Trials
from ..tasks.data.downloads.place import data_place
from ..tasks.datasets.human import HUMAN, HUMAN_ANSWERS
from ..tasks.datasets.registry import get_publication
from .plan import PlannedTask

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
