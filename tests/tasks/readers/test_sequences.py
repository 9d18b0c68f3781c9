import pickle
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vitobench.errors import DataError
from vitobench.tasks.images import hashing
from vitobench.tasks.images.geometry import Geometry
from vitobench.tasks.images.reading import CHANGED
from vitobench.tasks.images.source import LoadFailure
from vitobench.tasks.images.walking import left_out_of
from vitobench.tasks.opening import open_source
from vitobench.tasks.readers.sequences import PerturbationSequences


def opened(root: Path, perturbation: str, **asked: Any) -> PerturbationSequences:
    source = open_source("imagenet-p", {"imagenet-p": root}, None, 0, conditions=[perturbation], **asked)
    assert isinstance(source, PerturbationSequences)
    return source


av = pytest.importorskip("av")

VIDEOS = {"n01440764/a.mp4": 5, "n15075141/b.mp4": 3, "n01443537/c.mp4": 4}
PLAIN = Geometry(32, 40, "bilinear")


def write_video(path: Path, greys: list[int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=Fraction(5))
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        stream.bit_rate = 2_000_000
        for grey in greys:
            image = np.full((32, 32, 3), grey, np.uint8)
            image[:16] = (grey, 0, 0)
            for packet in stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


def greys_of(video: str) -> list[int]:
    return [60 + 30 * n + 5 * list(VIDEOS).index(video) for n in range(VIDEOS[video])]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for video in VIDEOS:
        write_video(tmp_path / "p" / "brightness" / video, greys_of(video))
    write_video(tmp_path / "p" / "gaussian_noise" / "n01440764" / "a.mp4", [50, 60])
    return tmp_path / "p"


def test_frames_lie_sequence_by_sequence(root: Path) -> None:
    source = opened(root, "brightness")
    assert isinstance(source, PerturbationSequences)
    assert (len(source), len(source.sequences), source.label_space) == (12, 3, "imagenet-1k")
    assert np.concatenate(source.sequences).tolist() == list(range(12))
    label = {"n01440764": 0, "n01443537": 1, "n15075141": 999}
    pixels, failed = source.load(range(12), PLAIN)
    assert failed == {}
    for frames in source.sequences:
        video = source.image_ids[frames[0]].rsplit("/", 1)[0]
        assert [source.image_ids[n] for n in frames] == [f"{video}/{k:03d}" for k in range(VIDEOS[video])]
        assert set(source.labels[frames]) == {label[video[:9]]}
        # The encoder is lossy: a few grey levels in the middle of flat halves, and red above, not blue.
        np.testing.assert_allclose(pixels[frames, 24, 16].mean(axis=1), greys_of(video), atol=6)
        np.testing.assert_allclose(pixels[frames, 8, 16, 0], greys_of(video), atol=12)
        assert (pixels[frames, 8, 16, 2] < 25).all()
    some, failed = source.load([11, 0, 5], PLAIN)
    assert failed == {}
    np.testing.assert_array_equal(some, pixels[[11, 0, 5]])


def test_nothing_is_cut_for_another_size(root: Path) -> None:
    source = opened(root, "brightness")
    pixels, failed = source.load([0], Geometry(16, 20, "bilinear"))
    assert failed == {}
    assert (
        abs(int(pixels[0, 0, 0, 2]) - int(pixels[0, 15, 0, 2])) > 40
    )  # the dark top and the grey bottom are both there


def test_noise_is_compared_with_the_first_frame(root: Path) -> None:
    assert opened(root, "gaussian_noise").compare_with_first
    assert not opened(root, "brightness").compare_with_first


def test_the_digest_follows_the_videos_and_the_perturbation(root: Path, tmp_path: Path) -> None:
    first = opened(root, "brightness").digest
    moved = root.rename(tmp_path / "moved")
    assert opened(moved, "brightness", cache=tmp_path / "c.json").digest == first
    assert opened(moved, "brightness", cache=tmp_path / "c.json").digest == first
    (moved / "weather").mkdir()
    (moved / "brightness").rename(moved / "weather" / "brightness")
    assert opened(moved, "brightness").digest == first
    (moved / "brightness").mkdir()
    with pytest.raises(DataError, match="brightness twice"):
        opened(moved, "brightness")
    (moved / "weather" / "brightness").rename(moved / "scale")
    assert opened(moved, "scale").digest != first


@pytest.mark.parametrize("hashed", [False, True])
def test_a_pickled_copy_opens_nothing(
    root: Path, monkeypatch: pytest.MonkeyPatch, hashed: bool, change_in_place: Callable[[Path], None]
) -> None:
    source = opened(root, "brightness", progress=lambda done, total: None)
    expected = source.load(range(12), PLAIN)[0]
    digest = opened(root, "brightness").digest
    if hashed:
        assert source.digest == digest
    copy = pickle.loads(pickle.dumps(source))
    if hashed:
        monkeypatch.setattr(hashing, "file_digest", lambda path: pytest.fail("hashed again"))
    assert (copy.name, copy.image_ids, copy.digest) == ("imagenet-p/brightness", source.image_ids, digest)
    np.testing.assert_array_equal(copy.load(range(12), PLAIN)[0], expected)
    video = copy.image_ids[0].rsplit("/", 1)[0]
    monkeypatch.undo()
    change_in_place(root / "brightness" / video)
    _, failed = copy.load(range(12), PLAIN)
    assert failed == dict.fromkeys(range(VIDEOS[video]), LoadFailure(CHANGED, transient=True))


def test_damaged_and_vanished_videos_are_reported(root: Path) -> None:
    (root / "brightness" / "n01440764" / "a.mp4").write_bytes(b"no video")
    source = opened(root, "brightness")
    assert len(source) == 1 + 3 + 4
    bad = source.image_ids.index("n01440764/a.mp4/000")
    (root / "brightness" / "n15075141" / "b.mp4").unlink()
    gone = [n for n, i in enumerate(source.image_ids) if i.startswith("n15075141")]
    pixels, failed = source.load(range(8), PLAIN)
    assert sorted(failed) == sorted([bad, *gone])
    assert not failed[bad].transient
    assert str(root) not in failed[bad].reason
    assert failed[gone[0]] == LoadFailure("No such file or directory", transient=True)
    assert not pixels[[bad, *gone]].any()


@pytest.mark.parametrize(
    ("perturbation", "words"),
    [
        ("tilt", ["no folder 'tilt'", "brightness"]),
        ("empty", ["no videos"]),
        ("strange", ["not classes of ImageNet", "cat"]),
    ],
)
def test_errors_say_what_was_expected_and_where_it_is(root: Path, perturbation: str, words: list[str]) -> None:
    (root / "empty" / "n01440764").mkdir(parents=True)
    (root / "strange" / "cat").mkdir(parents=True)
    with pytest.raises(DataError) as caught:
        opened(root, perturbation)
    for word in [*words, "Expected", ".mp4", "ImageNet-P: published at https://"]:
        assert word in str(caught.value)
    with pytest.raises(DataError, match="needs its perturbations named"):
        open_source("imagenet-p", {"imagenet-p": root}, None, 0)


def test_without_pyav_it_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(DataError, match="pip install av"):
        opened(root, "brightness")


def test_a_video_that_cannot_be_read_makes_another_set(root: Path, tmp_path: Path) -> None:
    cache = tmp_path / "c.json"
    whole = opened(root, "brightness", cache=cache).digest
    video = root / "brightness" / "n01440764" / "a.mp4"
    video.rename(tmp_path / "aside.mp4")
    without = opened(root, "brightness", cache=cache).digest
    video.symlink_to(tmp_path / "nowhere.mp4")
    # How many frames it had is not known now, so what the cache knows of its content does not help.
    source = opened(root, "brightness", cache=cache)
    assert (len(source), source.frames["n01440764/a.mp4"]) == (1 + 3 + 4, 1)
    assert source.digest not in (whole, without)
    assert source.manifest()["n01440764/a.mp4"] == "unreadable"
    at = source.image_ids.index("n01440764/a.mp4/000")
    assert source.load(range(8), PLAIN)[1] == {at: LoadFailure("No such file or directory", transient=True)}
    (tmp_path / "aside.mp4").rename(tmp_path / "nowhere.mp4")
    assert source.load([at], PLAIN)[1] == {0: LoadFailure(CHANGED, transient=True)}
    assert opened(root, "brightness", cache=cache).digest == whole


def test_one_folder_for_two_perturbations_is_refused(root: Path) -> None:
    (root / "fog").symlink_to("brightness")
    with pytest.raises(DataError, match=r"fog and brightness in .* are the same folder"):
        open_source("imagenet-p", {"imagenet-p": root}, None, 0, conditions=["brightness", "fog"])
    (root / "brightness" / "n01440764" / "notes.txt").touch()
    (root / "brightness" / "n01440764" / "up").symlink_to("..")
    source = open_source("imagenet-p", {"imagenet-p": root}, None, 0, conditions=["brightness", "gaussian_noise"])
    assert set(source.image_ids) == {"n01440764/a.mp4/000", "n01440764/a.mp4/001"}
    assert left_out_of(source).kinds[".txt files"] == (1, "brightness/n01440764/notes.txt")
