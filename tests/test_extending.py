"""Every recipe of docs/extending.md, as it is written there: one file is added, and the commands below it work."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

from vitobench.tests import processes
from vitobench.tests.processes import BENCH, Ended

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "extending.md"
pytestmark = pytest.mark.skipif(not PAGE.is_file(), reason="the documentation is in a checkout only")

# Each folder of the package is searched in a second place, too: a file is added without touching the checkout.
ADDED = """
import importlib.machinery, pathlib, sys
added = pathlib.Path(sys.argv[1])
class Beside:
    @staticmethod
    def find_spec(name, path=None, target=None):
        folder = added.joinpath(*name.split(".")[1:])
        if path is None or not name.startswith("vitobench.") or not folder.is_dir():
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        spec.submodule_search_locations.append(str(folder))
        return spec
sys.meta_path.insert(0, Beside)
from vitobench.bench.cli import main
main(sys.argv[2:])
"""


@dataclass(frozen=True)
class Recipe:
    """A section of the page: the files that it adds, by path, and the commands that need no data set."""

    files: dict[str, str]
    commands: list[list[str]]


def recipe(title: str) -> Recipe:
    text = PAGE.read_text(encoding="utf-8").partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    files = {}
    for before, code in re.findall(r"(.*?)```python\n(.*?)```", text, re.DOTALL):
        files[re.findall(r"`([\w/]+\.py)`", before)[-1]] = code
    lines = [
        line
        for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
        for line in block.replace("\\\n", "").splitlines()
    ]
    return Recipe(files, [shlex.split(line) for line in lines if "DIR" not in line])


RECIPES = {
    "A corruption": ("tasks/corruptions/more/rain.py", (("Micro-world, Rain", "Top-1 accuracy"),)),
    "A data set": ("tasks/datasets/fruit.py", (("fruit", "MIT"),)),
    "A metric or a kind of task": ("tasks/kinds/sure.py", (("Sure in new light", "Confident errors ↓"),)),
    "A source of models": (
        "models/sources/untrained.py",
        (("untrained:SEED: a network with random weights",), ("untrained:0", "Top-1 accuracy")),
    ),
    "A figure": ("reports/figures/bars.py", (("Top-1 accuracy as bars",), ("bars: figures/bars-micro-val.svg",))),
    "A pretraining method": ("models/pretraining/method_vicreg.py", (("runs/vicreg/vicreg.safetensors",),)),
}


def run(script: str, cwd: Path, *args: object, python_path: str = "") -> Ended:
    variables = {"PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "200"}
    return processes.run(
        script, *args, cwd=cwd, variables=variables | ({"PYTHONPATH": python_path} if python_path else {})
    )


def add(title: str, folder: Path) -> None:
    """Write the files of a recipe where the page says, below a folder."""
    for name, code in recipe(title).files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(code, encoding="utf-8")


def test_every_recipe_of_the_page_is_tried() -> None:
    titles = re.findall(r"^\| \[.*?\]\(#(.*?)\) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert titles == [title.lower().replace(" ", "-") for title in RECIPES]


@pytest.mark.parametrize("title", RECIPES)
def test_a_recipe_adds_one_file_and_its_commands_work(title: str, tmp_path: Path) -> None:
    path, expected = RECIPES[title]
    written = recipe(title)
    assert list(written.files) == [path]  # one file, and no other is changed: all others are those of the package
    assert not (ROOT / path).exists()
    added = tmp_path / "added"
    add(title, added)
    work = tmp_path / "work"
    work.mkdir()
    if title == "A figure":
        asked = ("--model", "supervised", "--task", "micro-val", "--limit", 8, "--recompute")
        done = run(ADDED, work, added, "run", *asked)
        assert done.code == 0, done.err
        assert "Micro-world, clean: bars" in (work / "bench-results/report.html").read_text(encoding="utf-8")
    script = ADDED
    if title == "A pretraining method":  # which is measured on 2,000 images at its end
        script = ADDED.replace(
            "main(", "from vitobench.models.pretraining import produce\nproduce.CLEAN_IMAGES = 64\nmain("
        )
    for (program, *args), texts in zip(written.commands, expected, strict=True):
        assert program == "bench"
        done = run(script, work, added, *args)
        assert done.code == 0, done.err
        for text in texts:
            assert text in done.out
    if title == "A pretraining method":
        facts = json.loads((work / "runs/vicreg/vicreg.json").read_text())["recipe"]
        assert (facts["objective"], facts["vicreg"]["covariance"]) == ("vicreg", 2.0)


LISTINGS = """
for command in ("models", "tasks", "recipes", "figures --list"):
    try:
        main([*command.split(), "--json"])
    except SystemExit as done:
        assert not done.code
loaded = {"torch", "matplotlib", "pandas", "scipy", "numba"} & set(sys.modules)
assert not loaded, loaded
"""


def test_what_the_recipes_add_leaves_listings_light(tmp_path: Path) -> None:
    for title in RECIPES:
        add(title, tmp_path / "added")
    script = ADDED.replace("main(sys.argv[2:])", LISTINGS)
    done = processes.run_from_nothing(script, tmp_path / "added", cwd=tmp_path)
    assert done.code == 0, done.err
    for name in ("micro-rain", "fruit", "micro-sure", "bars"):
        assert f'"{name}"' in done.out


def test_a_corruption_gets_tasks_on_both_worlds_and_a_kind_its_metric(tmp_path: Path) -> None:
    for title in ("A corruption", "A metric or a kind of task"):
        add(title, tmp_path)
    script = ADDED.replace("main(sys.argv[2:])", """
import json, numpy as np
from vitobench.results.metrics import metric
from vitobench.tasks.corruptions import corrupt
from vitobench.tasks.kinds import KINDS
from vitobench.tasks.registry import SUITES, TASKS
grey = np.full((2, 64, 64, 3), 90, np.uint8)
rainy = [corrupt(grey, "rain", severity, image_ids=["a", "b"]) for severity in range(1, 6)]
again = corrupt(grey[1:], "rain", 3, image_ids=["b"])
print(json.dumps({
    "tasks": [name for name in TASKS if "rain" in name], "suite": "micro-rain" in SUITES["robustness"].tasks,
    "facts": TASKS["imagenet-rain"].identity_facts("d", 0)["corruptions"], "world": TASKS["imagenet-rain"].world,
    "wet": [int((images != grey).any(axis=3).sum()) for images in rainy], "same": bool((again[0] == rainy[2][1]).all()),
    "better": metric("sure_errors").better, "kind": "sure" in KINDS,
}))
""")  # fmt: skip
    done = run(script, tmp_path, tmp_path)
    assert done.code == 0, done.err
    facts = json.loads(done.out)
    assert facts["tasks"] == ["micro-rain", "imagenet-rain"]
    assert facts["suite"]
    assert facts["world"] == "photographs"
    assert facts["facts"] == [0, "rain 1 raw"]
    assert facts["wet"] == sorted(facts["wet"])
    assert facts["wet"][0] > 0
    assert facts["same"]
    assert facts["better"] == -1
    assert facts["kind"]


def install(site: Path, package: str, groups: dict[str, dict[str, str]]) -> None:
    folder = site / f"{package}-1.0.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    lines = [
        line for group, names in groups.items() for line in (f"[{group}]", *(f"{n} = {t}" for n, t in names.items()))
    ]
    (folder / "entry_points.txt").write_text("\n".join(lines) + "\n")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """The recipes' files as modules of a package, with the entry points that the page shows; and a broken package."""
    folder = tmp_path / "site"
    page = PAGE.read_text(encoding="utf-8")
    shown = tomllib.loads(re.findall(r"```toml\n(.*?)```", page, re.DOTALL)[0])["project"]["entry-points"]
    own = {group: names for group, names in shown.items() if next(iter(names.values())).startswith("my_") and
           "my_package" not in next(iter(names.values()))}  # fmt: skip
    assert list(own) == ["vitobench.corruptions", "vitobench.sources", "vitobench.figures", "vitobench.methods"]
    install(folder, "mine", own)
    install(folder, "odd", {group: {f"odd-{group[10:-1]}": f"absent_{group[10:]}"} for group in own})
    for title, (path, _) in RECIPES.items():
        for code in recipe(title).files.values():
            (folder / f"my_{Path(path).stem.removeprefix('figure_').removeprefix('method_')}.py").write_text(code)
    return folder


def test_the_same_files_are_plugins(site: Path, tmp_path: Path) -> None:
    def bench(*args: object) -> Ended:
        return run(BENCH, tmp_path, *args, python_path=str(site))

    rows = {row["name"]: row for row in json.loads(bench("models", "--json").out)}
    assert rows["untrained:NAME"]["source"] == "mine 1.0"
    assert rows["untrained:NAME"]["description"] == "a network with random weights, as a control"
    assert "odd-source of odd 1.0 failed" in rows["odd-source:NAME"]["problem"]
    done = bench("run", "--model", "untrained:0", "--model", "odd-source:x", "--baseline", "none", "--task",
                 "micro-val", "--limit", 8, "--device", "cpu", "--json", "scores.json")  # fmt: skip
    assert done.code == 3, done.err
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert {row["model"] for row in scores["scores"] if row["value"] is not None} == {"untrained:0"}
    assert any("No module named 'absent_sources'" in row["reason"] for row in scores["failures"])
    (model,) = (record for record in scores["models"] if record["name"] == "untrained:0")
    assert model["extra"]["plugin"] == "mine 1.0"
    assert "Micro-world, clean: bars" in (tmp_path / "bench-results/report.html").read_text(encoding="utf-8")
    done = bench("run", "--model", "untrained:x", "--task", "micro-val")
    assert done.code == 2
    assert "untrained:x has no valid seed. Write a whole number" in done.err

    listing = bench("figures", "--list", "--json")
    assert json.loads(listing.out)[-1]["name"] == "bars"
    assert "odd-figure of odd 1.0 failed" in listing.err
    drawn = bench("figures", "bars", "--format", "svg")
    assert drawn.code == 0, drawn.err
    assert (tmp_path / "figures/bars-micro-val.csv").read_text().splitlines()[0] == "model,value,ci_low,ci_high"

    assert "odd-method of odd 1.0 failed" in bench("recipes", "--json").err
    done = bench("pretrain", "micro/simclr", "--set", "objective=odd-method")
    assert done.code == 2
    assert "odd-method of odd 1.0 failed" in done.err
    done = bench("pretrain", "micro/simclr", "--set", "objective=vicreg", "--set", "covariance=-1")
    assert done.code == 2
    assert "vicreg.covariance = -1 must be a finite number of 0 or more" in done.err

    checks = [row for row in json.loads(bench("doctor", "--json").out) if row["group"] == "plugins"]
    assert [row["status"] for row in checks] == ["ok", *["warn"] * 4]
    for name in ("rain", "untrained:NAME", "bars", "vicreg"):
        assert f"{name} (mine 1.0)" in checks[0]["found"]
    assert {row["advice"] for row in checks[1:]} == {"update or uninstall odd"}


def test_a_figure_of_a_plugin_that_fails_is_named_on_the_page_and_stops_no_other(site: Path, tmp_path: Path) -> None:
    module = site / "my_bars.py"
    module.write_text(module.read_text().replace("    numbers = rows(data, task)\n", "    raise SystemExit(1)\n"))
    args = ("run", "--model", "supervised", "--task", "micro-val", "--limit", 4, "--device", "cpu", "--recompute")
    done = run(BENCH, tmp_path, *args, python_path=str(site))
    assert done.code == 0, done.err
    page = (tmp_path / "bench-results/report.html").read_text(encoding="utf-8")
    assert "The plugin bars of mine 1.0 failed: drawing the figure: SystemExit" in page
    assert "Overview" in page
    done = run(BENCH, tmp_path, "figures", "headline", "bars", "--format", "svg", python_path=str(site))
    assert done.code == 3
    assert "The plugin bars of mine 1.0 failed: drawing the figure" in done.err
    assert (tmp_path / "figures/headline.svg").is_file()
