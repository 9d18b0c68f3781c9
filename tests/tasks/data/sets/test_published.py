import inspect
from pathlib import Path

import pytest

from vitobench.errors import DataError
from vitobench.tasks.answer_spaces import ANSWER_SPACES
from vitobench.tasks.data.sets.cifar_c import CifarC
from vitobench.tasks.data.sets.class_folders import ClassFolders
from vitobench.tasks.data.sets.condition_folders import ConditionFolders
from vitobench.tasks.data.sets.frames import FrameGroups
from vitobench.tasks.data.sets.imagenet_val import ImageNetReal, ImageNetSubset
from vitobench.tasks.data.sets.opening import open_published
from vitobench.tasks.data.sets.published import PUBLISHED
from vitobench.tasks.data.sets.sequences import PerturbationSequences
from vitobench.tasks.data.source import ConditionSource, ImageSource


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_set_says_what_it_expects_and_where_it_is(tmp_path: Path, name: str) -> None:
    published = PUBLISHED[name]
    assert published.label_space in (*ANSWER_SPACES, "cifar-10", "cifar-100")
    with pytest.raises(DataError) as caught:
        open_published(name, tmp_path / "nowhere", ["brightness"] if published.reader == "sequences" else None)
    message = str(caught.value)
    assert "does not exist" in message
    assert message.endswith(f"{published.title} is published at {published.page}")
    assert f"{tmp_path / 'nowhere'}/" in message
    assert "{" not in message


@pytest.mark.parametrize(
    ("reader", "protocol"),
    [
        (ClassFolders, ImageSource),
        (ImageNetReal, ImageSource),
        (ImageNetSubset, ImageSource),
        (FrameGroups, ImageSource),
        (PerturbationSequences, ImageSource),
        (ConditionFolders, ConditionSource),
        (CifarC, ConditionSource),
    ],
)
def test_every_reader_loads_as_its_protocol_says(reader: type, protocol: type) -> None:
    mine, theirs = (list(inspect.signature(c.load).parameters) for c in (reader, protocol))
    assert mine == theirs
