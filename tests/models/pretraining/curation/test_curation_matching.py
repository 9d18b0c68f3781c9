from __future__ import annotations

import pytest

from vitobench.models.pretraining.curation.queries import Match, Matcher, QueryClass, imagenet_queries, plurals, words

QUERIES = (
    QueryClass("ball", ("ball",), (0,)),
    QueryClass("soccer ball", ("soccer ball",), (1,)),
    QueryClass("crane bird", ("crane",), (2,)),
    QueryClass("crane machine", ("crane",), (3,)),
    QueryClass("grey wolf", ("timber wolf", "grey wolf", "Canis lupus"), (4,)),
    QueryClass("mountain bike", ("mountain bike", "all-terrain bike"), (5,)),
    QueryClass("bear cub", ("teddy bear",), (6,)),
    QueryClass("bear claw", ("bear claw",), (7,)),
)
MATCHER = Matcher(QUERIES)


def found(title: str = "", **fields: object) -> list[str]:
    return [QUERIES[m.query].name for m in MATCHER.find({"title": title, **fields}, ("title", *fields))]


@pytest.mark.parametrize(
    ("title", "names"),
    [
        ("Playing BALL", ["ball"]),
        ("football and ballet", []),
        ("balls", ["ball"]),
        ("Soccer ball tricks", ["soccer ball"]),
        ("soccer balls!", ["soccer ball"]),
        ("a soccer ball and a ball", ["ball", "soccer ball"]),
        ("Crane at work", ["crane bird", "crane machine"]),
        ("grey wolves at night", ["grey wolf"]),
        ("canis LUPUS", ["grey wolf"]),
        ("all terrain bikes; mountain-bike", ["mountain bike"]),
        ("my_mountain_bike", ["mountain bike"]),
        ("ＢＡＬＬ", ["ball"]),
        ("", []),
    ],
)
def test_titles(title: str, names: list[str]) -> None:
    assert found(title) == names


def test_of_overlapping_terms_the_longest_then_the_first_wins() -> None:
    assert found("teddy bear claw") == ["bear cub"]


def test_no_term_crosses_from_one_tag_to_the_next() -> None:
    assert found(tags=("soccer", "ball")) == ["ball"]
    assert found(tags=("soccer ball",)) == ["soccer ball"]


def test_only_the_chosen_fields_are_searched_and_the_first_is_told() -> None:
    metadata = {"title": "holiday", "tags": ("crane",), "description": "a ball, a crane"}
    assert MATCHER.find(metadata, ("title",)) == ()
    assert MATCHER.find(metadata, ("title", "tags", "description")) == (
        Match(0, "ball", "description"),
        Match(2, "crane", "tags"),
        Match(3, "crane", "tags"),
    )


@pytest.mark.parametrize(
    ("singular", "plural"),
    [("dog", "dogs"), ("fox", "foxes"), ("finch", "finches"), ("butterfly", "butterflies"), ("monkey", "monkeys"),
     ("wolf", "wolves"), ("knife", "knives"), ("fireman", "firemen"), ("mouse", "mice"), ("goose", "geese"),
     ("mongoose", "mongooses"), ("potato", "potatoes"), ("piano", "pianos"), ("bus", "buses"), ("ox", "oxen"),
     ("human", "humans")],
)  # fmt: skip
def test_plurals(singular: str, plural: str) -> None:
    assert plural in plurals(singular)


def test_plurals_are_no_nonsense() -> None:
    assert plurals("human") == {"humans"}
    assert plurals("mongoose") == {"mongooses"}
    assert "foxs" not in plurals("fox")


def test_words_part_at_everything_but_letters_digits_and_apostrophes() -> None:
    assert words("Lady’s-slipper_no.5 (café)") == ("lady's", "slipper", "no", "5", "café")


def test_every_synonym_of_every_class_of_imagenet_finds_its_class() -> None:
    queries = imagenet_queries()
    matcher = Matcher(queries)
    assert len(queries) == len({query.name for query in queries}) == 1000
    for position, query in enumerate(queries):
        for term in query.terms:
            assert position in [m.query for m in matcher.find({"title": f"The {term}, again"}, ("title",))], term
    # Two of ImageNet's classes are called crane, and a crane fly is neither.
    assert [m.query for m in matcher.find({"title": "Cranes"}, ("title",))] == [134, 517]
