from pathlib import Path

import pytest
import torch

from vitobench.errors import UnknownNameError, VitobenchError
from vitobench.models.networks import build
from vitobench.models.pretraining.recipe import OBJECTIVES, Recipe, recipe_facts
from vitobench.models.pretraining.recipe_files import list_recipes, load_recipe

LEAST = 'name = "mine"\ndescription = "d"\nobjective = "contrastive"\narchitecture = "micro-resnet"\n'


def write(folder: Path, text: str) -> str:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_shipped_recipes_load() -> None:
    names = list_recipes()
    assert {"micro/vito", "micro/moclr", "micro/supervised"} < set(names)
    for name in names:
        recipe = load_recipe(name)
        group, _, model = name.partition("/")
        assert recipe.name == (model if group == "micro" else f"{model}-{group}")
        assert (recipe.data == "clips") == (group != "micro")
        with torch.device("meta"):
            assert build(recipe.network, 16).pool.width > 0
        assert recipe.description
        assert recipe.warmup < recipe.steps
    assert {load_recipe(name).objective for name in names} == set(OBJECTIVES)


def test_vito_and_its_twin_differ_in_frames_and_pooling_alone() -> None:
    vito, twin = recipe_facts(load_recipe("micro/vito")), recipe_facts(load_recipe("micro/moclr"))
    differing = {key for key in vito if vito[key] != twin[key]}
    assert differing == {"name", "description", "pooling", "scales", "window", "baseline"}
    assert (vito["pooling"], vito["scales"], vito["window"]) == ("attention", 2, 2.56)
    assert vito["baseline"] == "moclr"


def test_ablations_change_one_thing_each() -> None:
    vito = recipe_facts(load_recipe("micro/vito"))
    for name, key in (
        ("micro/vito-still", "window"),
        ("micro/vito-average", "pooling"),
        ("micro/vito-uncurated", "data"),
    ):
        other = recipe_facts(load_recipe(name))
        assert {k for k in vito if vito[k] != other[k]} == {"name", "description", "baseline", key}
    # Attention adds no width to the features, so that average pooling at the same scales is its control.
    widths = {build(load_recipe(f"micro/{name}").network, 16).pool.width for name in ("vito", "vito-average")}
    assert len(widths) == 1


def test_a_file_of_ones_own_and_changes(tmp_path: Path) -> None:
    recipe = load_recipe(write(tmp_path, LEAST + "steps = 7\nlearning_rate = 1\n"), batch=32, seed=None)
    assert recipe == Recipe("mine", "d", "contrastive", "micro-resnet", steps=7, learning_rate=1, batch=32, seed=0)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_file_of_an_editor_of_windows(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes((LEAST + "steps = 7\n").replace("\n", "\r\n").encode(encoding))
    assert load_recipe(str(path)).steps == 7
    path.write_bytes(b"# Gr\xf6\xdfe\n")
    with pytest.raises(VitobenchError, match="save it as UTF-8"):
        load_recipe(str(path))


def test_unknown_names_are_refused_with_the_valid_ones(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"Did you mean 'micro/vito'.*\.toml"):
        load_recipe("micro/vitto")
    with pytest.raises(UnknownNameError, match="Did you mean 'steps'"):
        load_recipe(write(tmp_path, LEAST + "stepps = 7\n"))
    with pytest.raises(UnknownNameError, match="byol, contrastive, dino"):
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
        ("window = 2.56\nframes_per_clip = 1", "frames_per_clip of 2"),
        ('steps = "many"', "steps = 'many' must be of type int"),
        ("steps = 7.5", "steps = 7.5"),
        ("steps = true", "steps = True"),
        ("channels_last = 1", "type bool"),
        ("scales = 3", "scales = 3 must be 1 or 2"),
        ("batch = 10\naccumulate = 3", "must divide the batch"),
        ("temperature = 0", "temperature = 0"),
        ("momentum = 1.5", "momentum = 1.5 must be from 0 to 1"),
        ("[augmentation]\ngrey = 2", "grey = 2"),
        ("[augmentation]\nblur = 1", "list of 2 numbers"),
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


def test_single_settings_are_replaced_and_checked() -> None:
    recipe = load_recipe("micro/vito", ("window=0", "pooling=average", "augmentation.grey=0.5"))
    assert (recipe.window, recipe.pooling, recipe.augmentation.grey) == (0, "average", 0.5)
    for setting, message in (("steps", "KEY=VALUE"), ("stepps=3", "'steps'"), ("views.grey=1", "augmentation")):
        with pytest.raises(VitobenchError, match=message):
            load_recipe("micro/vito", (setting,))
