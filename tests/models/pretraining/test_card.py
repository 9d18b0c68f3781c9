"""The page of a model says how it was made."""

from __future__ import annotations

import json
from importlib import resources

import pytest

from vitobench.models.pretraining.produce import card_page
from vitobench.models.pretraining.recipe import load_recipe, recipe_facts


@pytest.mark.parametrize(
    ("changes", "command"),
    [
        ({}, "`bench pretrain micro/moclr`"),
        ({"seed": 2}, "`bench pretrain micro/moclr --seed 2`"),
        ({"steps": 400, "seed": 1}, "`bench pretrain micro/moclr --steps 400 --seed 1`"),
    ],
)
def test_the_command_that_makes_a_model_stands_on_its_page(changes: dict[str, int], command: str) -> None:
    facts = json.loads((resources.files("vitobench.models.zoo") / "moclr.json").read_text(encoding="utf-8"))
    recipe = recipe_facts(load_recipe("micro/moclr", **changes))
    assert command in card_page(facts | {"recipe": recipe})
