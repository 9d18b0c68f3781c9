from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import torch

from vitobench.decoding import Positive
from vitobench.errors import UnknownNameError, VitobenchError
from vitobench.identity import OMITTED_IF_DEFAULT
from vitobench.models.networks import build
from vitobench.models.pretraining import methods
from vitobench.models.pretraining import recipe as recipe_files
from vitobench.models.pretraining.checkpoint import run_digest
from vitobench.models.pretraining.learners import LEARNERS, learner_of
from vitobench.models.pretraining.methods import METHODS, Contrastive, Dino, MethodSettings, TwoViews
from vitobench.models.pretraining.recipe import Recipe, current_form, list_recipes, load_recipe, recipe_facts

LEAST = 'name = "mine"\ndescription = "d"\nobjective = "contrastive"\narchitecture = "micro-resnet8"\n'


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
    assert {load_recipe(name).objective for name in names} == set(METHODS)


def test_vito_and_its_twins_differ_in_pooling_in_time_and_in_what_they_see() -> None:
    vito, frames, twin = (recipe_facts(load_recipe(f"micro/{name}")) for name in ("vito", "moclr-frames", "moclr"))
    texts = {"name", "description", "baseline"}
    assert {key for key in vito if vito[key] != frames[key]} - texts == {"pooling", "scales", "window"}
    assert {key for key in frames if frames[key] != twin[key]} - texts == {"data", "frames_per_clip"}
    assert twin["data"] == "micro-photographs"
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
    assert recipe == Recipe("mine", "d", Contrastive(), "micro-resnet8", steps=7, learning_rate=1, batch=32, seed=0)


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
        ("steps = 0", "steps = 0 must be a whole number of 1 or more"),
        ("batch = -1", "batch = -1"),
        ("window = 2.56\nframes_per_clip = 1", "frames_per_clip of 2"),
        ('steps = "many"', "steps = 'many' must be a whole number of 1 or more"),
        ("steps = 7.5", "steps = 7.5"),
        ("steps = true", "steps = True"),
        ("channels_last = 1", "channels_last = 1 must be true or false"),
        ("scales = 3", "scales = 3 must be 1 or 2"),
        ("batch = 10\naccumulate = 3", "must divide the batch"),
        ("[contrastive]\ntemperature = 0", r"mine\.toml: contrastive\.temperature = 0 must be a finite number above 0"),
        ("[contrastive]\ntemperature = nan", "contrastive.temperature = nan must be a finite number above 0"),
        ("[contrastive]\nmomentum = 1.5", "contrastive.momentum = 1.5 must be a number from 0 to 1"),
        ("[contrastive]\nhidden = 0", "contrastive.hidden = 0 must be a whole number of 1 or more"),
        ("[contrastive]\nhidden = 1.5", "contrastive.hidden = 1.5 must be a whole number of 1 or more"),
        ("[contrastive]\ntarget_statistics = 'bach'", "must be 'batch' or 'running'. Did you mean 'batch'"),
        ("[contrastive]\ntemprature = 1", "Did you mean 'temperature'"),
        (
            "[contrastive]\nprototypes = 8",
            r"contrastive\.prototypes = 8 is not a known key\. Valid names: hidden, momentum",
        ),
        ("[dino]\nprototypes = 8", r"the table \[dino\] has no effect with the objective 'contrastive'"),
        ("temperature = 0.2", r"temperature is a setting of contrastive; write it below a line \[contrastive\]"),
        ("prototypes = 8", "prototypes is a setting of dino, and the objective here is 'contrastive'; remove it"),
        ("contrastive = 3", "contrastive = 3 must be a table"),
        ("method = 3", "'method'"),
        ("[l2-robst]\nepsilon = 1", "no table in .*Did you mean 'l2-robust'"),
        ("[augmentation]\ngrey = 2", r"mine\.toml: augmentation\.grey = 2 must be a number from 0 to 1"),
        ("[augmentation]\nblur = 1", r"augmentation\.blur = 1 must be a list of 2, each a number from 0 to 1"),
        ("baseline = 3", "baseline = 3"),
        ('learning_rate = "1e-3"', "learning_rate = '1e-3' must be a finite number of 0 or more"),
    ],
)
def test_impossible_values_are_named(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(VitobenchError, match=message):
        load_recipe(write(tmp_path, LEAST + line + "\n"))


def test_changes_are_checked_too() -> None:
    with pytest.raises(VitobenchError, match="recipe micro/vito: steps = 0"):
        load_recipe("micro/vito", steps=0)


def test_single_settings_are_replaced_and_checked() -> None:
    recipe = load_recipe("micro/vito", ("window=0", "pooling=average", "augmentation.grey=0.5"))
    assert (recipe.window, recipe.pooling, recipe.augmentation.grey) == (0, "average", 0.5)
    for setting, message in (("steps", "KEY=VALUE"), ("stepps=3", "'steps'"), ("views.grey=1", "augmentation")):
        with pytest.raises(VitobenchError, match=message):
            load_recipe("micro/vito", (setting,))


def test_a_method_owns_its_settings(tmp_path: Path) -> None:
    dino = LEAST.replace("contrastive", "dino")
    recipe = load_recipe(write(tmp_path, dino + "[dino]\nteacher_temperature = 0.05\nhidden = 64\n"))
    assert recipe.method == Dino(hidden=64, teacher_temperature=0.05)
    facts = recipe_facts(recipe)
    assert facts["objective"] == "dino"
    assert facts["dino"] == {
        "hidden": 64, "projection": 128, "momentum": 0.99, "target_statistics": "batch", "temperature": 0.1,
        "teacher_temperature": 0.05, "centre_momentum": 0.9, "prototypes": 1024,
    }  # fmt: skip
    assert not {"teacher_temperature", "epsilon", "contrastive", "method"} & set(facts)
    assert set(recipe_facts(load_recipe("micro/supervised"))) & set(METHODS) == set()


def test_what_set_replaces(tmp_path: Path) -> None:
    for setting in ("temperature=0.2", "contrastive.temperature=0.2"):
        assert load_recipe("micro/vito", (setting,)).method == Contrastive(temperature=0.2)
    # Another objective keeps what both methods have, in whatever order the settings are given.
    big = load_recipe("one-gpu/vito", ("prototypes=8", "objective=dino", "dino.centre_momentum=0.5"))
    assert big.method == Dino(temperature=0.1, momentum=0.99, hidden=4096, projection=256, prototypes=8,
                              centre_momentum=0.5)  # fmt: skip
    assert load_recipe("one-gpu/vito", ("objective=supervised",)).method == METHODS["supervised"]()
    without = write(tmp_path, LEAST.replace('objective = "contrastive"\n', ""))
    assert load_recipe(without, ("objective=byol",)).objective == "byol"
    with pytest.raises(VitobenchError, match="objective is missing; valid are contrastive, simclr"):
        load_recipe(without)
    for setting, message in (
        ("prototypes=8", "prototypes is a setting of dino, and the objective here is 'contrastive'"),
        ("dino.prototypes=8", "for which dino has no effect; add --set objective=dino"),
        ("temprature=1", "Did you mean 'temperature'"),
        ("contrastive.temprature=1", "Did you mean 'temperature'"),
        ("contrastive=1", r"write its settings below a line \[contrastive\]"),
        ("dino=1", r"the table \[dino\] has no effect"),
        ("objective=dyno", "Did you mean 'dino'"),
        ("objective=3", "objective = 3 must be text; valid are contrastive"),
        ("dyno.prototypes=8", "augmentation, contrastive"),
    ):
        with pytest.raises(VitobenchError, match=message):
            load_recipe("micro/vito", (setting,))


def test_a_new_setting_changes_the_digests_of_its_own_method_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def digests() -> dict[str, str]:
        return {name: run_digest(load_recipe(name)) for name in list_recipes()}

    @dataclass(frozen=True)
    class Newer(Dino):
        sharper: float = 0.5

    before = digests()
    assert len(set(before.values())) == len(before)
    monkeypatch.setattr(methods, "_own", lambda: {**METHODS, "dino": Newer})
    after = digests()
    assert {name for name in before if before[name] != after[name]} == {"micro/dino"}


def test_a_setting_that_is_added_later_ends_no_run() -> None:
    @dataclass(frozen=True)
    class Later(Dino):
        sharper: Positive = field(default=0.5, metadata=OMITTED_IF_DEFAULT)

    recipe = load_recipe("micro/dino")
    assert run_digest(replace(recipe, method=Later())) == run_digest(recipe)
    assert run_digest(replace(recipe, method=Later(sharper=0.6))) != run_digest(recipe)


def test_every_method_has_a_learner_and_a_name() -> None:
    assert set(LEARNERS) == {*METHODS.values(), TwoViews}
    assert {name: learner_of(method) for name, method in METHODS.items()}.keys() == METHODS.keys()
    shared = {*recipe_files._SHARED, *METHODS}  # a setting without its table has to mean one thing
    assert not shared & {key for name in METHODS for key in methods.keys_of(name)}
    assert all(issubclass(method, MethodSettings) and method().objective == name for name, method in METHODS.items())


def test_cards_of_earlier_versions_are_read() -> None:
    now = recipe_facts(load_recipe("micro/simclr"))
    flat = {key: value for key, value in now.items() if key != "simclr"} | now["simclr"]
    flat |= {"momentum": 0.99, "target_statistics": "batch", "same_view_negatives": False, "prototypes": 1024,
             "teacher_temperature": 0.04, "centre_momentum": 0.9, "epsilon": 0.5, "attack_steps": 3,
             "attack_step_size": 0.33}  # fmt: skip
    assert current_form(flat) == now
    assert current_form(now) == now
    assert current_form(flat | {"temperature": 0.1}) != now
    assert current_form({}) == {}
    plain = recipe_facts(load_recipe("micro/supervised"))
    assert current_form(plain | {"temperature": 0.1, "epsilon": 0.5}) == plain


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (("window=1.0",), "needs clips"),
        (("frames_per_clip=4",), "must be 1"),
        (("data=micro", "window=1.0"), "frames_per_clip of 2 or more"),
    ],
)
def test_photographs_have_one_moment(settings: tuple[str, ...], message: str) -> None:
    with pytest.raises(VitobenchError, match=message):
        load_recipe("micro/moclr", settings)
