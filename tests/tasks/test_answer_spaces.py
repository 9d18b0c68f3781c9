import hashlib
import pickle
import subprocess
import sys

import numpy as np
import pytest
import timm.data
import torch

from vitobench.errors import UnknownNameError
from vitobench.tasks.answer_spaces import ANSWER_SPACES, answer_space

SIZES = {
    "imagenet-1k": (1000, 1000),
    "imagenet-a": (200, 200),
    "imagenet-r": (200, 200),
    "objectnet": (125, 113),
    "imagenet-vid": (288, 30),
    "ytbb": (231, 19),
    "laion-c": (285, 16),
    "tiny-imagenet": (200, 200),
    "entry-level-16": (207, 16),
    "entry-level-16-max": (207, 16),
    "entry-level-16-sum": (207, 16),
}


def fingerprint(ids: tuple[int, ...]) -> str:
    return hashlib.sha256(",".join(map(str, ids)).encode()).hexdigest()[:16]


def named(space: str, ids: list[int]) -> str:
    """The class that some of ImageNet's classes, all of one group, count as."""
    found = {answer_space(space).class_of[i] for i in ids}
    assert len(found) == 1
    return answer_space(space).label_names[found.pop()]


@pytest.mark.parametrize("name", ANSWER_SPACES)
def test_sizes_and_ranges(name: str) -> None:
    space = answer_space(name)
    assert (len(space.imagenet), space.size) == SIZES[name]
    assert len(space.label_names) == space.size
    assert len(set(space.imagenet)) == len(space.imagenet)
    assert min(space.imagenet) >= 0
    assert max(space.imagenet) < 1000
    assert all(list(group) == sorted(group) for group in space.groups)
    assert all(space.label_names)
    assert set(SIZES) == set(ANSWER_SPACES)


def test_the_classes_of_a_and_r_are_those_of_the_authors_code() -> None:
    a, r = answer_space("imagenet-a"), answer_space("imagenet-r")
    assert fingerprint(a.imagenet) == "973e8c3e530bf5db"
    assert fingerprint(r.imagenet) == "a1d9a9ace3098120"
    assert len(set(a.imagenet) & set(r.imagenet)) == 86
    assert [g[0] for g in a.groups] == sorted(a.imagenet)


def test_merged_classes_hold_what_their_names_say() -> None:
    info = timm.data.ImageNetInfo()
    wnids = info.label_names()

    def lemmas(space: str, name: str) -> list[str]:
        found = answer_space(space)
        return [
            info.label_name_to_description(wnids[i], detailed=False)
            for i in found.groups[found.label_names.index(name)]
        ]

    for space in ("imagenet-vid", "ytbb"):
        assert named(space, list(range(151, 269))) == "dog"
        assert lemmas(space, "zebra") == ["zebra"]
        assert lemmas(space, "airplane") == ["airliner"]
        assert sorted(lemmas(space, "elephant")) == [
            "African elephant, Loxodonta africana",
            "Indian elephant, Elephas maximus",
        ]
        assert lemmas(space, "motorcycle") == ["moped"]
    assert lemmas("ytbb", "umbrella") == ["umbrella"]
    assert lemmas("objectnet", "Alarm clock") == ["analog clock", "digital clock"]
    assert "teapot" in lemmas("objectnet", "Teapot")


@pytest.mark.parametrize("name", ANSWER_SPACES)
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_scores_are_the_largest_logit_of_each_group(name: str, dtype: str) -> None:
    space = answer_space(name)
    logits = torch.randn(5, 1000, generator=torch.Generator().manual_seed(1)).to(getattr(torch, dtype)) - 20
    expected = torch.stack([torch.stack([logits[:, i] for i in group]).max(dim=0).values for group in space.groups], 1)
    found = space.scores(logits)
    assert found.dtype == logits.dtype
    assert torch.equal(found, expected)
    if dtype != "bfloat16":
        array = space.scores(logits.numpy())
        assert isinstance(array, np.ndarray)
        assert array.dtype == logits.numpy().dtype
        np.testing.assert_array_equal(array, expected.numpy())


def test_the_best_class_is_that_of_the_best_kept_logit() -> None:
    space = answer_space("objectnet")
    logits = np.random.default_rng(0).normal(size=(200, 1000))
    kept = np.array(space.imagenet)
    best = kept[logits[:, kept].argmax(axis=1)]
    assert [space.class_of[int(i)] for i in best] == space.scores(logits).argmax(axis=1).tolist()


def test_a_nan_in_a_group_is_not_hidden() -> None:
    space = answer_space("imagenet-vid")
    logits = np.zeros((1, 1000), np.float32)
    logits[0, 200] = np.nan
    for scores in (space.scores(logits), space.scores(torch.from_numpy(logits)).numpy()):
        assert np.flatnonzero(np.isnan(scores[0])).tolist() == [space.label_names.index("dog")]


def test_imagenet_itself_is_passed_through() -> None:
    logits = np.zeros((2, 1000))
    assert answer_space("imagenet-1k").scores(logits) is logits


@pytest.mark.parametrize("shape", [(2, 200), (1000,), (2, 1001)])
def test_other_widths_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="1000"):
        answer_space("imagenet-a").scores(np.zeros(shape))


def test_spaces_travel_and_unknown_names_are_told() -> None:
    space = answer_space("ytbb")
    assert space.scores(np.zeros((1, 1000))).shape == (1, 19)
    assert pickle.loads(pickle.dumps(space)) == space
    with pytest.raises(UnknownNameError, match="imagenet-a"):
        answer_space("imagenet-aa")


def test_a_list_of_spaces_loads_no_numerical_library() -> None:
    script = (
        "import sys; from vitobench.tasks.answer_spaces import ANSWER_SPACES, answer_space;"
        "[answer_space(n).label_names for n in ANSWER_SPACES];"
        "from vitobench.tasks.datasets.registry import PUBLISHED;"
        "assert not {'torch', 'numpy', 'timm', 'pandas', 'PIL'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
