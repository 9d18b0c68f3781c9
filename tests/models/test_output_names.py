"""Which output is which class, by name."""

from __future__ import annotations

import random

import pytest

from vitobench.errors import CheckpointError
from vitobench.models.output_names import Outputs, outputs_in_order, outputs_named
from vitobench.tasks.images.classes import cifar_names, imagenet_names, imagenet_synonyms, imagenet_wnids
from vitobench.tasks.microworld.vocabulary import CLASSES

FULL = [", ".join(names) for names in imagenet_synonyms()]
CRANES = [number for number, name in enumerate(imagenet_names()) if name == "crane"]


def named(names: list[str]) -> Outputs:
    return outputs_named(names, "hf:a", "Write labels=FILE.")


def test_names_in_the_usual_order_are_read_in_whatever_form() -> None:
    for names in (FULL, list(imagenet_names()), list(imagenet_wnids())):
        assert named(names) == Outputs("imagenet-1k", None)
    assert named([f"{wnid} {name}" for wnid, name in zip(imagenet_wnids(), FULL, strict=True)]).order is None
    assert named([name.upper().replace(" ", "_") for name in FULL]).order is None
    assert named(list(CLASSES)) == Outputs("microworld-16", None)
    assert named([name.replace(" ", "_") for name in cifar_names(100)]) == Outputs("cifar-100", None)
    assert named(list(cifar_names(10))) == Outputs("cifar-10", None)


def test_another_order_is_found_by_names() -> None:
    shuffled = list(range(1000))
    random.Random(0).shuffle(shuffled)
    order = named([imagenet_wnids()[label] for label in shuffled]).order
    assert order is not None
    assert [shuffled[output] for output in order] == list(range(1000))
    order = named(list(reversed(CLASSES))).order
    assert order == tuple(range(15, -1, -1))


def test_one_of_two_classes_with_a_name_is_found_by_what_the_others_leave() -> None:
    # "maillot" is a name of two classes, "maillot, tank suit" all the names of one of them.
    labels = [label for label, names in enumerate(imagenet_synonyms()) if "maillot" in names]
    assert len(labels) == 2
    names = list(reversed([*imagenet_wnids()]))
    for label in labels:
        names[999 - label] = FULL[label]
    assert named(names).order == tuple(range(999, -1, -1))
    names = list(reversed([*imagenet_wnids()]))
    names[999 - CRANES[0]] = "crane"
    assert named(names).order == tuple(range(999, -1, -1))


def test_a_background_is_left_out() -> None:
    outputs = named(["background", *FULL])
    assert outputs.label_space == "imagenet-1k"
    assert outputs.order == tuple(range(1, 1001))


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
    assert outputs_in_order("microworld-16", 16, "hf:a") == Outputs("microworld-16")
    with pytest.raises(CheckpointError, match="has 17 outputs, and microworld-16 has 16"):
        outputs_in_order("microworld-16", 17, "hf:a")
