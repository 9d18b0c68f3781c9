"""Which output of a classifier is which class: lists of names, published label spaces, and what is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
from timm.data import ImageNetInfo

from vitobench.errors import CheckpointError
from vitobench.models.class_order import LISTS, order_of
from vitobench.tasks.images.classes import imagenet_names, imagenet_synonyms, imagenet_wnids

WNIDS = imagenet_wnids()


def order(tmp_path: Path, lines: list[str], name: str = "classes.txt") -> tuple[int, ...]:
    path = tmp_path / name
    path.write_text("\n".join(lines), encoding="utf-8")
    found = order_of(len(lines), str(path), "model")
    assert found is not None
    return found.outputs


def shuffled(count: int) -> list[int]:
    return torch.randperm(count, generator=torch.Generator().manual_seed(0)).tolist()


def test_ids_and_full_names_say_any_order(tmp_path: Path) -> None:
    places = shuffled(1000)
    classes = sorted(range(1000), key=places.__getitem__)  # the class of each output
    assert order(tmp_path, [WNIDS[label] for label in classes]) == tuple(places)
    full = [", ".join(imagenet_synonyms()[label]) for label in classes]
    mixed = [WNIDS[label] if label in (134, 517) else text for label, text in zip(classes, full, strict=True)]
    assert order(tmp_path, mixed) == tuple(places)
    numbered = [f"{number}: {WNIDS[label]} {imagenet_names()[label]}" for number, label in enumerate(classes)]
    assert order(tmp_path, numbered) == tuple(places)
    keras = {str(number): [WNIDS[label], imagenet_names()[label]] for number, label in enumerate(classes)}
    (tmp_path / "index.json").write_text(json.dumps(keras))
    found = order_of(1000, str(tmp_path / "index.json"), "model")
    assert found is not None
    assert found.outputs == tuple(places)


def test_names_that_two_classes_have_are_told_apart_by_the_order_or_refused(tmp_path: Path) -> None:
    assert order(tmp_path, list(imagenet_names())) == tuple(range(1000))
    assert order(tmp_path, ["background", *imagenet_names()]) == tuple(range(1, 1001))
    with pytest.raises(CheckpointError, match=r"ambiguous in line \d+: '(crane|maillot)' is n\d+ or n\d+\. Write"):
        order(tmp_path, list(imagenet_names())[::-1])


def test_the_names_of_torchvision_are_understood(tmp_path: Path) -> None:
    weights = pytest.importorskip("torchvision").models.ResNet50_Weights.DEFAULT
    assert order(tmp_path, weights.meta["categories"]) == tuple(range(1000))  # "crane bird" is a name of its own


def test_capitals_tell_a_dog_from_a_garment(tmp_path: Path) -> None:
    names = list(imagenet_names())
    assert (names[264], names[474]) == ("Cardigan", "cardigan")
    names[134], names[517], names[638], names[639] = WNIDS[134], WNIDS[517], WNIDS[638], WNIDS[639]
    places = shuffled(1000)
    classes = sorted(range(1000), key=places.__getitem__)
    assert order(tmp_path, [names[label] for label in classes]) == tuple(places)


@pytest.mark.parametrize("name", LISTS)
def test_larger_label_spaces_are_read_at_the_thousand(name: str) -> None:
    info = ImageNetInfo(name)
    found = order_of(info.num_classes(), None, "model")
    assert found is not None
    assert found.name == name
    for label, output in enumerate(found.outputs):
        assert (info.index_to_label_name(output) if output >= 0 else None) == (
            WNIDS[label] if WNIDS[label] in info.label_names() else None
        )
    assert len(found.lacking) <= 9
    assert all(WNIDS[label] in found.note for label in found.lacking[:5])


def test_the_order_of_names_and_a_background_class_have_words_of_their_own() -> None:
    named = order_of(1000, "by-name", "model")
    assert named is not None
    ranked = [
        imagenet_names()[label].replace("-", " ").casefold()
        for label in sorted(range(1000), key=named.outputs.__getitem__)
    ]
    assert ranked == sorted(ranked)
    shifted = order_of(1001, "background-first", "model")
    assert shifted is not None
    assert shifted.outputs == tuple(range(1, 1001))
    assert order_of(1000, None, "model") is None
    with pytest.raises(CheckpointError, match=r"model has 1000 outputs, but .* background-first names 1001"):
        order_of(1000, "background-first", "model")


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([*WNIDS, WNIDS[0]], r"names n01440764 twice: lines 1 \('n01440764'\) and 1001"),
        (["cat", "dog"], r"names 0 of the 1000 classes.*'cat', 'dog'\. Write a WordNet id"),
        (list(WNIDS[:500]), r"names 500 of the 1000 classes"),
        ([], "is empty"),
    ],
)
def test_lists_that_cannot_be_used_are_explained(tmp_path: Path, lines: list[str], words: str) -> None:
    with pytest.raises(CheckpointError, match=words):
        order(tmp_path, lines)


def test_files_that_are_no_lists_are_explained(tmp_path: Path) -> None:
    for name, content, words in (
        ("absent.txt", None, "cannot be read.*background-first"),
        ("bytes.txt", b"\xff\xfe\x00\xd8", "cannot be read"),
        ("broken.json", b"{", "is not understood"),
        ("numbers.json", b"[1, 2]", "is not understood"),
        ("gap.json", b'{"0": "a", "2": "b"}', "is not understood"),
    ):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(CheckpointError, match=rf"{re.escape(name)}.*{words}"):
            order_of(1000, str(tmp_path / name), "model")
