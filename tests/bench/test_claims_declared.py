"""What claims ask of which methods: designs that are balanced, recipes that exist, numbers that are measured."""

from __future__ import annotations

import itertools

import pytest

from vitobench.bench.claims.declared import (
    BASELINES,
    CLAIMS,
    EXTRA,
    FACTORIAL,
    FACTORS,
    FEATURES,
    LADDER,
    METHODS,
    NUMBERS,
    ON_FRAMES,
    SOURCES,
    SUITE,
    UNTRAINED,
    WINDOWS,
    factor,
    together,
)
from vitobench.bench.claims.measuring import numbers
from vitobench.models.pretraining.recipe import Recipe, load_recipe
from vitobench.tasks.registry import get_suite, get_task


def recipe(name: str) -> Recipe:
    return load_recipe(METHODS[name].recipe, METHODS[name].settings)


def test_cells_of_the_factorial_differ_in_their_factors_alone() -> None:
    assert len(FACTORIAL) == 8
    for (attention, scales, time), name in FACTORIAL.items():
        found = recipe(name)
        assert found.pooling == ("attention" if attention else "average")
        assert found.scales == (2 if scales else 1)
        assert found.window == (2.56 if time else 0.0)
        plain = recipe("vito")
        for key in vars(plain):
            if key not in ("name", "description", "baseline", "pooling", "scales", "window"):
                assert getattr(found, key) == getattr(plain, key), f"{name} differs from vito in {key}"


def test_effects_are_orthogonal_contrasts() -> None:
    effects = [factor(name) for name in FACTORS] + [together(a, b) for a, b in itertools.combinations(FACTORS, 2)]
    for effect in effects:
        assert sum(effect.values()) == pytest.approx(0)
        assert set(effect) == set(FACTORIAL.values())
    for a, b in itertools.combinations(effects, 2):
        assert sum(a[name] * b[name] for name in a) == pytest.approx(0)
    # In a world where time adds 3 points, and 2 more where there is attention:
    world = {name: 3 * time + 2 * time * attention for (attention, _, time), name in FACTORIAL.items()}
    assert sum(factor("time")[n] * world[n] for n in world) == pytest.approx(4)
    assert sum(together("attention", "time")[n] * world[n] for n in world) == pytest.approx(2)
    assert sum(together("scales", "time")[n] * world[n] for n in world) == pytest.approx(0)


def differing(a: str, b: str) -> set[str]:
    one, two = recipe(a), recipe(b)
    names = ("name", "description", "baseline")
    return {key for key in vars(one) if key not in names and getattr(one, key) != getattr(two, key)}


@pytest.mark.parametrize("network", SOURCES)
def test_sources_differ_in_what_is_seen_alone(network: str) -> None:
    of = SOURCES[network]
    assert differing(of["time"], of["still"]) == differing(of["ideal, time"], of["ideal, still"]) == {"window"}
    assert differing(of["time"], of["ideal, time"]) == differing(of["still"], of["ideal, still"]) == {"data"}
    assert differing(of["still"], of["photographs"]) == {"data", "frames_per_clip"}
    assert recipe(of["photographs"]).data == "micro-photographs"
    assert recipe(of["still"]).data == "micro"
    assert recipe(of["ideal, still"]).data == "micro-ideal"


def test_baselines_see_photographs_and_have_twins_that_see_frames() -> None:
    for name in BASELINES:
        assert recipe(name).data == ("micro" if name == "moclr-video" else "micro-photographs")
    for name in ("moclr", *ON_FRAMES):
        assert differing(name, f"{name}-frames") == {"data", "frames_per_clip"}
        assert recipe(f"{name}-frames").data == "micro"
    assert differing("moclr-frames-one", "moclr") == {"data"}
    assert differing("moclr-frames-one", "moclr-frames") == {"frames_per_clip"}


def test_effects_of_pictures_and_of_time_give_back_what_a_world_was_made_of() -> None:
    # A world in which filming adds 5 points, framing 2, time 1, and 3 more where it is filmed.
    worth = {"photographs": 0, "ideal, still": 2, "ideal, time": 3, "still": 7, "time": 11}
    world = {method: worth[source] for of in SOURCES.values() for source, method in of.items()}
    world |= {method: worth["time" if cell[2] else "still"] for cell, method in FACTORIAL.items()}
    effects = {name: weights for claim in CLAIMS if claim.key in "12" for name, weights in claim.effects.items()}

    def value(name: str) -> float:
        return sum(weight * world[method] for method, weight in effects[name].items())

    expected = {"data": 7, "time": 4, "data × time": 3, "camera": 5, "framing and number": 2, "time, ideal camera": 1}
    assert {name: value(name) for name in expected} == pytest.approx(expected)


def test_every_method_has_the_same_budget() -> None:
    budgets = {(r.batch, r.clips, r.accumulate, r.size, r.schedule) for r in map(recipe, METHODS)}
    assert len(budgets) == 1
    assert {method.steps for name, method in METHODS.items() if name not in UNTRAINED} == {None}
    assert len({load_recipe(f"micro/{name}").steps for name in BASELINES}) == 1


def test_windows_differ_in_t_alone_and_untrained_methods_learn_nothing() -> None:
    for name, window in WINDOWS.items():
        assert recipe(name).window == window
        assert (recipe(name).pooling, recipe(name).scales) == ("attention", 2)
    for name, of in UNTRAINED.items():
        assert recipe(name).learning_rate == 0
        assert recipe(name).network == recipe(of).network


def test_steps_from_moclr_to_simclr_change_one_thing_each() -> None:
    steps = [recipe(name) for name in ("moclr", *LADDER)]
    changed = [{key for key in vars(a) if getattr(a, key) != getattr(b, key)} for a, b in itertools.pairwise(steps)]
    assert changed == [{"method"}, {"method"}]
    own = [vars(step.method) for step in steps]
    changed = [{key for key in a if a[key] != b[key]} for a, b in itertools.pairwise(own)]
    assert changed == [{"temperature"}, {"same_view_negatives"}]
    assert {step.data for step in steps} == {"micro-photographs"}
    last, end = steps[-1], recipe("simclr")
    assert {key for key in vars(end) if vars(end)[key] != vars(last)[key]} == {"name", "description", "method"}
    assert end.objective == "simclr"
    assert vars(end.method).items() < vars(last.method).items()


def test_every_claim_names_methods_and_numbers_that_there_are() -> None:
    for claim in CLAIMS:
        measured = {*get_suite(claim.suite).tasks, "micro-alignment", *EXTRA}
        for weights in claim.effects.values():
            assert set(weights) <= set(METHODS)
            assert sum(weights.values()) == pytest.approx(0)
        for asked in claim.numbers:
            assert asked in (FEATURES if claim.on_demand else NUMBERS)
            assert asked.task in measured
    assert len({number.title for number in numbers()}) == len(NUMBERS)
    more = numbers(asked.task for asked in FEATURES)
    assert len({number.title for number in more}) == len(NUMBERS) + len(FEATURES)
    for asked in FEATURES:
        assert asked.metric in {metric.name for metric in get_task(asked.task).kind.metrics}


def test_the_suite_asks_more_images_of_the_tasks_that_are_cheap() -> None:
    suite = get_suite(SUITE)
    assert suite.declared("micro-val").images == 2000
    assert suite.declared("micro-vid-robust").images == 320 * 21
    assert suite.declared("micro-c") == get_suite("robustness").declared("micro-c")


def test_hypotheses_cover_the_effects_of_their_claim() -> None:
    for claim in CLAIMS:
        parts = [(part.effect, asked) for part in claim.hypotheses for asked in part.numbers]
        assert len(parts) == len(set(parts)), claim.key
        if parts:
            assert set(parts) == {(name, asked) for name in claim.effects for asked in claim.numbers}, claim.key
    (primary,) = (claim for claim in CLAIMS if claim.hypotheses)
    assert (primary.key, len(primary.effects) * len(primary.numbers)) == ("1", 21)  # as docs/claims-plan.md says
