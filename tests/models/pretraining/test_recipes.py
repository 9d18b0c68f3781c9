from pathlib import Path

import pytest

from vitobench.errors import UnknownNameError, VitobenchError
from vitobench.models.networks import ARCHITECTURES
from vitobench.models.pretraining.recipe import Recipe, list_recipes, load_recipe, recipe_facts

LEAST = 'name = "mine"\ndescription = "d"\nobjective = "contrastive"\narchitecture = "micro-resnet/average"\n'


def write(folder: Path, text: str) -> str:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_shipped_recipes_load() -> None:
    assert list_recipes() == ["micro/moclr", "micro/supervised", "micro/vito"]
    for name in list_recipes():
        recipe = load_recipe(name)
        assert recipe.name == name.partition("/")[2]
        assert recipe.architecture in ARCHITECTURES
        assert recipe.description
        assert recipe.warmup < recipe.steps


def test_vito_and_its_twin_differ_in_frames_and_pooling_alone() -> None:
    vito, twin = recipe_facts(load_recipe("micro/vito")), recipe_facts(load_recipe("micro/moclr"))
    differing = {key for key in vito if vito[key] != twin[key]}
    assert differing == {"name", "description", "architecture", "baseline", "two_frames"}
    assert vito["two_frames"]
    assert vito["architecture"] == "micro-resnet/attention-2scale"
    assert vito["baseline"] == "moclr"


def test_a_file_of_ones_own_and_changes(tmp_path: Path) -> None:
    recipe = load_recipe(write(tmp_path, LEAST + "steps = 7\nlearning_rate = 1\n"), batch=32, seed=None)
    assert recipe == Recipe(
        "mine", "d", "contrastive", "micro-resnet/average", steps=7, learning_rate=1, batch=32, seed=0
    )


def test_unknown_names_are_refused_with_the_valid_ones(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"Did you mean 'micro/vito'.*\.toml"):
        load_recipe("micro/vitto")
    with pytest.raises(UnknownNameError, match="Did you mean 'steps'"):
        load_recipe(write(tmp_path, LEAST + "stepps = 7\n"))
    with pytest.raises(UnknownNameError, match="contrastive, supervised"):
        load_recipe(write(tmp_path, LEAST.replace("contrastive", "contrast")))


def test_files_that_are_no_recipes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(VitobenchError, match="no recipe file"):
        load_recipe(str(tmp_path / "absent.toml"))
    with pytest.raises(VitobenchError, match=r"mine\.toml is not valid TOML"):
        load_recipe(write(tmp_path, LEAST + "steps = = 7\n"))
    with pytest.raises(VitobenchError, match=r"incomplete.*architecture"):
        load_recipe(write(tmp_path, LEAST.replace("architecture", "baseline")))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("steps = 0", "steps = 0 must be 1 or more"),
        ("batch = -1", "batch = -1"),
        ("two_frames = true\nframes_per_clip = 1", "frames_per_clip of 2"),
        ('steps = "many"', "steps = 'many' must be of type int"),
        ("steps = 7.5", "steps = 7.5"),
        ("steps = true", "steps = True"),
        ("two_frames = 1", "type bool"),
        ("baseline = 3", "baseline = 3"),
        ('learning_rate = "1e-3"', "type float"),
    ],
)
def test_impossible_values_are_named(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(VitobenchError, match=message):
        load_recipe(write(tmp_path, LEAST + line + "\n"))


def test_changes_are_checked_too() -> None:
    with pytest.raises(VitobenchError, match="steps = 0"):
        load_recipe("micro/vito", steps=0)
