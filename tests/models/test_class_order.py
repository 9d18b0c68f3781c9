"""Which output of a classifier is which class: lists of names, published label spaces, and what is refused."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import pytest
import torch
from timm.data import ImageNetInfo

from vitobench.errors import CheckpointError
from vitobench.models.class_order import LISTS, ClassOrder, order_of, order_of_named
from vitobench.tasks.images.classes import cifar_names, imagenet_names, imagenet_synonyms, imagenet_wnids
from vitobench.tasks.microworld.vocabulary import CLASSES

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
    with pytest.raises(
        CheckpointError, match=r"the name of line \d+, '(crane|maillot)', may be n\d+ .* or n\d+ .*Write"
    ):
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
        ([*WNIDS, WNIDS[0]], r"lines 1 and 1001 \('n01440764', 'n01440764'\) are both n01440764 \(tench\)"),
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


# Classifiers whose outputs have names.


FULL = [", ".join(names) for names in imagenet_synonyms()]
CRANES = [number for number, name in enumerate(imagenet_names()) if name == "crane"]


def named(names: list[str], asked: str | None = None) -> ClassOrder:
    return order_of_named(names, asked, "hf:a", "Write labels=FILE.")


def test_names_in_the_usual_order_are_read_in_whatever_form() -> None:
    for names in (FULL, list(imagenet_names()), list(imagenet_wnids())):
        assert named(names).plain
        assert named(names).space == "imagenet-1k"
    assert named([f"{wnid} {name}" for wnid, name in zip(imagenet_wnids(), FULL, strict=True)]).plain
    assert named([name.upper().replace(" ", "_") for name in FULL]).plain
    assert (named(list(CLASSES)).plain, named(list(CLASSES)).space) == (True, "microworld-16")
    assert (
        named([name.replace(" ", "_") for name in cifar_names(100)]).plain,
        named([name.replace(" ", "_") for name in cifar_names(100)]).space,
    ) == (True, "cifar-100")
    assert (named(list(cifar_names(10))).plain, named(list(cifar_names(10))).space) == (True, "cifar-10")


def test_another_order_is_found_by_names() -> None:
    shuffled = list(range(1000))
    random.Random(0).shuffle(shuffled)
    order = named([imagenet_wnids()[label] for label in shuffled]).outputs
    assert [shuffled[output] for output in order] == list(range(1000))
    order = named(list(reversed(CLASSES))).outputs
    assert order == tuple(range(15, -1, -1))


def test_one_of_two_classes_with_a_name_is_found_by_what_the_others_leave() -> None:
    # "maillot" is a name of two classes, "maillot, tank suit" all the names of one of them.
    labels = [label for label, names in enumerate(imagenet_synonyms()) if "maillot" in names]
    assert len(labels) == 2
    names = list(reversed([*imagenet_wnids()]))
    for label in labels:
        names[999 - label] = FULL[label]
    assert named(names).outputs == tuple(range(999, -1, -1))
    names = list(reversed([*imagenet_wnids()]))
    names[999 - CRANES[0]] = "crane"
    assert named(names).outputs == tuple(range(999, -1, -1))


def test_a_background_is_left_out() -> None:
    outputs = named(["background", *FULL])
    assert outputs.space == "imagenet-1k"
    assert outputs.outputs == tuple(range(1, 1001))


def swapped(names: list[str], one: int, other: int) -> list[str]:
    names = list(names)
    names[one], names[other] = names[other], names[one]
    return names


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([f"LABEL_{n}" for n in range(1000)], r"its 1000 outputs have no names \(LABEL_0, .*labels=FILE"),
        ([str(n) for n in range(16)], "its 16 outputs have no names"),
        (FULL[:999], r"999 classes .*classifier of 1000 \(imagenet-1k\) or 16"),
        (["unicorn", *FULL[1:]], r"1 of its 1000 outputs have names of no class of imagenet-1k: 'unicorn'"),
        (["n00000000", *FULL[1:]], "names of no class"),
        ([FULL[1], *FULL[1:]], r"outputs 0 and 1 .* are both n01443537 \(goldfish\)"),
        (swapped(FULL, 0, 5), r"output 134, 'crane', may be n02012849 \(crane\) or n03126707"),
        (["mug", *CLASSES[1:]], "outputs 0 and 6"),
    ],
)
def test_what_is_not_certain_is_refused(names: list[str], said: str) -> None:
    with pytest.raises(CheckpointError, match=said):
        named(names)


def test_a_user_can_say_that_outputs_are_in_order() -> None:
    said = named([f"LABEL_{number}" for number in range(16)], "microworld-16")
    assert (said.plain, said.space) == (True, "microworld-16")
    with pytest.raises(CheckpointError, match="has 17 outputs, and microworld-16 has 16"):
        named(["a"] * 17, "microworld-16")


@pytest.mark.parametrize("name", ["imagenet-22k", "imagenet-21k-goog"])
def test_outputs_of_a_larger_label_space_are_read_if_their_names_agree(name: str) -> None:
    info = ImageNetInfo(name)
    names = [info.index_to_description(number) for number in range(info.num_classes())]
    assert named(names) == order_of(len(names), None, "model")
    assert named([f"LABEL_{number}" for number in range(len(names))], name) == named(names)
    with pytest.raises(CheckpointError, match="no names"):
        named([f"LABEL_{number}" for number in range(len(names))])
    with pytest.raises(
        CheckpointError, match=rf"as many outputs as {name}, .* and other names: output \d+, n\d+ .* is '"
    ):
        named(names[1:] + names[:1])


def test_capitals_decide_only_where_both_classes_are_there(tmp_path: Path) -> None:
    names = [*imagenet_wnids()][::-1]
    names[999 - 264], names[999 - 474] = "Cardigan", "cardigan"
    assert named(names).outputs == tuple(range(999, -1, -1))
    names[999 - 264], names[999 - 474] = "cardigan", "a woollen jacket"
    with pytest.raises(CheckpointError, match=r"'cardigan', may be n02113186 \(Cardigan\) or n02963159"):
        order(tmp_path, names)


def test_a_list_may_be_of_another_label_space(tmp_path: Path) -> None:
    found = order_of(16, str(tmp_path / "classes.txt"), "model") if order(tmp_path, [*CLASSES][::-1]) else None
    assert found is not None
    assert (found.space, found.outputs) == ("microworld-16", tuple(range(15, -1, -1)))
