from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vitobench.errors import DataError, UnknownNameError
from vitobench.tasks.alignment.experiments import ALIGNMENT_SETS, CATEGORIES, alignment_set, image_id
from vitobench.tasks.alignment.trial_files import read_people
from vitobench.tasks.datasets.record import Opening, StimuliForm
from vitobench.tasks.datasets.registry import DATA_SETS
from vitobench.tasks.images.geometry import Geometry
from vitobench.tasks.images.source import has_depth
from vitobench.tasks.opening import available, check_data_names, folders_of, how_to_bring, open_source
from vitobench.tasks.readers.stimuli import PublishedStimuli


def opened(root: Path, name: str, cache: Path | None = None) -> PublishedStimuli:
    record = DATA_SETS[f"model-vs-human/{name}"]
    assert isinstance(record.form, StimuliForm)
    return PublishedStimuli(record, record.form, Opening((root,), cache=cache))


Write = Callable[..., np.ndarray]
CUT = Geometry(224, 256, "bilinear")  # what models do with photographs


@pytest.fixture(scope="session")
def published() -> Path:
    where = os.environ.get("VITOBENCH_TEST_DATA")
    if not where or not (Path(where) / "stimuli").is_dir():
        pytest.skip("VITOBENCH_TEST_DATA names no folder with stimuli (stimuli/<data set>/<category>/*.png)")
    return Path(where) / "stimuli"


def session_file(data_set: str, number: int, condition: str | None = None, category: str | None = None) -> str:
    """A stimulus's name as the authors give it."""
    known = alignment_set(data_set)
    return (
        f"{number:04d}_{known.abbreviation}_dnn_{condition or known.conditions[number % len(known.conditions)]}_"
        f"{category or CATEGORIES[number % 16]}_10_n0304163{number % 10}_{number}.png"
    )


@pytest.fixture
def sessions(tmp_path: Path, write: Write) -> Callable[..., Path]:
    def make(data_set: str, count: int = 20, inside: str = "datasets", session: str = "session-1") -> Path:
        for number in range(1, count + 1):
            place = tmp_path / inside / data_set / "dnn" / session
            write(place / session_file(data_set, number), number, size=(224, 224))
        return tmp_path

    return make


@pytest.mark.parametrize(("name", "count"), [("edge", 160), ("silhouette", 160), ("cue-conflict", 134)])
def test_published_stimuli_in_category_folders(published: Path, name: str, count: int) -> None:
    source = open_source(f"model-vs-human/{name}", {"model-vs-human": published}, None, 0)
    assert isinstance(source, PublishedStimuli)
    assert (source.name, source.label_space) == (f"model-vs-human/{name}", "entry-level-16")
    assert len(source) == count
    whole = count == ALIGNMENT_SETS[name].stimuli
    assert source.notes == (() if whole else (f"model-vs-human/{name}: {count} of 1280 stimuli are here.",))
    for label, stimulus in zip(source.labels, source.image_ids, strict=True):
        # Names of files begin with the category, too.
        assert stimulus.rpartition("/")[2].startswith(CATEGORIES[label])
    if whole:
        assert np.bincount(source.labels).tolist() == [10] * 16
    pixels, failed = source.load(range(12), CUT)
    assert failed == {}
    for position in range(12):
        expected = np.array(Image.open(published / name / source.image_ids[position]).convert("RGB"))
        assert expected.shape == (224, 224, 3)
        np.testing.assert_array_equal(pixels[position], expected)


@pytest.mark.parametrize("name", ["edge", "silhouette", "cue-conflict"])
def test_published_stimuli_join_peoples_trials(published: Path, name: str) -> None:
    people = published.parent / "human"
    if not people.is_dir():
        pytest.skip("VITOBENCH_TEST_DATA holds no trials of human observers (human/<data set>/*.csv)")
    source = opened(published, name)
    label_of = {image_id(i): label for i, label in zip(source.image_ids, source.labels, strict=True)}
    for trials in read_people(people, [alignment_set(name)])[name].values():
        answered = dict(zip(trials.image_ids.tolist(), trials.categories.tolist(), strict=True))
        assert {key: answered[key] for key in label_of} == label_of
        if len(source) == alignment_set(name).stimuli:
            assert set(answered) == set(label_of)


@pytest.mark.parametrize("inside", ["datasets", "."])
@pytest.mark.parametrize("name", ["contrast", "eidolonII", "false-colour", "high-pass", "sketch"])
def test_stimuli_in_sessions(sessions: Callable[..., Path], name: str, inside: str) -> None:
    root = sessions(name, inside=inside)
    source = opened(root, name)
    assert sorted(source.image_ids) == [session_file(name, n) for n in range(1, 21)]
    assert source.image_ids != tuple(sorted(source.image_ids))
    assert [i.split("_")[4] for i in source.image_ids] == [CATEGORIES[label] for label in source.labels]
    assert source.notes == (f"model-vs-human/{name}: 20 of {ALIGNMENT_SETS[name].stimuli} stimuli are here.",)
    assert not source.conditions
    assert not has_depth(source)
    place = root / inside / name / "dnn" / "session-1"
    whole, _ = source.load(range(20), CUT)
    for pixels, stimulus in zip(whole, source.image_ids, strict=True):
        np.testing.assert_array_equal(pixels, np.array(Image.open(place / stimulus)))
    small, _ = source.load([3], Geometry(64, 72, "bicubic"))
    resized = Image.open(place / source.image_ids[3]).resize((64, 64), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(small[0], np.array(resized))


def test_several_sessions(sessions: Callable[..., Path], write: Write) -> None:
    root = sessions("contrast")
    write(root / "datasets" / "contrast" / "dnn" / "session-2" / session_file("contrast", 33), 33)
    source = opened(root, "contrast")
    assert len(source) == 21
    assert f"session-2/{session_file('contrast', 33)}" in source.image_ids
    assert not source.load(range(21), CUT)[1]
    sessions("contrast", count=1, session="session-3")
    with pytest.raises(DataError, match=r"several stimuli of the same image: n03041631_1\.png"):
        opened(root, "contrast")


def test_the_digest_follows_content_and_data_set(sessions: Callable[..., Path], tmp_path: Path) -> None:
    root = sessions("eidolonI")
    source = opened(root, "eidolonI", cache=tmp_path / "cache.json")
    copy = pickle.loads(pickle.dumps(source))
    assert (copy.digest, copy.image_ids) == (source.digest, source.image_ids)
    np.testing.assert_array_equal(copy.labels, source.labels)
    np.testing.assert_array_equal(copy.load([1], CUT)[0], source.load([1], CUT)[0])
    assert copy.notes == source.notes
    (root / "datasets").rename(tmp_path / "moved")
    (tmp_path / "moved" / "eidolonI").rename(tmp_path / "eidolonI")
    moved = opened(tmp_path, "eidolonI")
    assert moved.digest == source.digest
    path = moved.root / moved.image_ids[0]
    path.write_bytes(path.read_bytes() + b"\0")
    assert opened(tmp_path, "eidolonI").digest != source.digest


def test_the_same_files_in_other_data_sets_are_other_data(tmp_path: Path, write: Write) -> None:
    for name in ("edge", "silhouette"):
        write(tmp_path / name / "cat" / "cat1.JPEG", 1)
        write(tmp_path / name / "dog" / "dog1.jpg", 2)
        (tmp_path / name / ".DS_Store").write_text("")
    found = [opened(tmp_path, name) for name in ("edge", "silhouette")]
    assert found[0].image_ids == found[1].image_ids
    assert len({source.digest for source in found}) == 2
    assert {CATEGORIES[label] for label in found[0].labels} == {"cat", "dog"}


def test_folders_of_another_form_are_refused(tmp_path: Path, sessions: Callable[..., Path], write: Write) -> None:
    with pytest.raises(DataError, match=r"does not exist[\s\S]*session-1/[\s\S]*published at"):
        opened(tmp_path / "nowhere", "contrast")
    sessions("rotation")
    with pytest.raises(DataError, match=r"has no folder contrast, nor datasets/contrast; it has datasets\."):
        opened(tmp_path, "contrast")
    write(tmp_path / "edge" / "airplane" / "a.png")
    write(tmp_path / "edge" / "zebra" / "z.png")
    with pytest.raises(DataError, match=r"not categories: zebra\. The categories are airplane, bear[\s\S]*airplane/"):
        opened(tmp_path, "edge")
    (tmp_path / "silhouette" / "airplane").mkdir(parents=True)
    with pytest.raises(DataError, match="has no images"):
        opened(tmp_path, "silhouette")
    write(tmp_path / "low-pass" / "cat" / "a.png")
    with pytest.raises(DataError, match="are unknown: it has no"):
        opened(tmp_path, "low-pass")
    write(tmp_path / "colour" / "dnn" / "first" / session_file("colour", 1))
    with pytest.raises(DataError, match="not sessions: first"):
        opened(tmp_path, "colour")
    with pytest.raises(UnknownNameError, match="Did you mean 'model-vs-human/contrast'"):
        open_source("model-vs-human/contrasts", {"model-vs-human": tmp_path}, None, 0)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("cat.png", "is not named by 7 parts"),
        (session_file("contrast", 7, category="zebra"), "has the unknown category 'zebra'; expected one of airplane"),
        (session_file("contrast", 7, condition="c31"), "'c31' is not a condition of contrast; expected one of c100"),
    ],
)
def test_names_that_do_not_tell_are_refused(
    sessions: Callable[..., Path], write: Write, name: str, problem: str
) -> None:
    root = sessions("contrast")
    write(root / "datasets" / "contrast" / "dnn" / "session-1" / name)
    with pytest.raises(DataError, match=problem) as found:
        opened(root, "contrast")
    assert name in str(found.value)


def test_all_data_sets_share_one_folder(tmp_path: Path, write: Write) -> None:
    folders = {"model-vs-human": tmp_path}
    for name in ALIGNMENT_SETS:
        dataset = f"model-vs-human/{name}"
        assert folders_of(dataset) == ("model-vs-human",)
        assert not available(dataset, {})
        assert not available(dataset, folders)  # nothing is in it
        assert "--data model-vs-human=DIR" in how_to_bring(dataset)
    with pytest.raises(DataError, match="none of the stimulus sets"):
        check_data_names(folders)
    write(tmp_path / "datasets" / "edge" / "cat" / "cat1.png")
    check_data_names(folders)
    assert available("model-vs-human/edge", folders)
    assert not available("model-vs-human/contrast", folders)
    with pytest.raises(DataError, match="--data model-vs-human=DIR"):
        open_source("model-vs-human/edge", {}, None, 0)


def test_what_systems_leave_is_no_category_and_no_session(
    tmp_path: Path, sessions: Callable[..., Path], write: Write
) -> None:
    for name in ("cat", "dog"):
        write(tmp_path / "edge" / name / f"{name}1.png", size=(224, 224))
        write(tmp_path / "edge" / name / "@eaDir" / f"{name}1.png" / "SYNOPHOTO_THUMB_M.png")
    write(tmp_path / "edge" / "@eaDir" / "cat" / "cat1.png")
    (tmp_path / "edge" / "cat" / "list.csv").touch()
    source = opened(tmp_path, "edge")
    assert sorted(source.image_ids) == ["cat/cat1.png", "dog/dog1.png"]
    assert source.left_out.line("edge") == "Left out of edge: .csv files: 1 (cat/list.csv)."
    sessions("contrast", inside=".")
    write(tmp_path / "contrast" / "dnn" / "__MACOSX" / "session-1" / "x.png")
    write(tmp_path / "contrast" / "dnn" / "session-1" / "@eaDir" / "x.png")
    assert len(opened(tmp_path, "contrast")) == 20
