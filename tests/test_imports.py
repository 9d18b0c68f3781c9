"""Which module may import which, and what may not be loaded for a listing."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Mapping, Set
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from vitobench.tests import processes

ROOT = Path(__file__).parent.parent
PACKAGE = "vitobench"
LAYERS = ("bench", "models", "tasks", "results", "reports")
LONGEST = 500
DATA = tuple(f"vitobench.tasks.{room}" for room in ("images", "clips", "microworld", "download"))


def sources() -> dict[str, Path]:
    """Every module of the package by its dotted name."""
    found = {}
    for path in [
        ROOT / "__init__.py",
        *ROOT.glob("*.py"),
        *(p for layer in LAYERS for p in (ROOT / layer).rglob("*.py")),
    ]:
        parts = [PACKAGE, *path.relative_to(ROOT).with_suffix("").parts]
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


SOURCES = sources()


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imports(module: str, when_imported: bool, typing: bool = True) -> frozenset[str]:
    """Modules of the package that a module names.

    Args:
        module: Dotted name.
        when_imported: Only those that load together with it: none of a function's, none for type checkers.
        typing: Whether to include those for type checkers, if all are asked for.
    """
    path = SOURCES[module]
    here = module if path.name == "__init__.py" else module.rpartition(".")[0]
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        if is_type_checking(node) and (when_imported or not typing):
            return
        if when_imported and isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            return
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parent = here.split(".")[: len(here.split(".")) - node.level + 1]
                base = ".".join([*parent, *([node.module] if node.module else [])])
            for alias in node.names:
                full = f"{base}.{alias.name}"
                found.add(full if full in SOURCES else base)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(parsed(path))
    return frozenset(name for name in found if name in SOURCES)


def layer_of(module: str) -> str:
    """The folder of a module; empty for those at the root."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in LAYERS else ""


def users(layer: str) -> list[str]:
    return [module for module in SOURCES if layer_of(module) == layer]


def test_the_parser_sees_the_imports() -> None:
    assert "vitobench.bench.planning.plan" in imports("vitobench.bench.run", when_imported=True)
    assert "vitobench.bench.engine.worker" not in imports("vitobench.bench.run", when_imported=True)
    assert "vitobench.bench.engine.worker" in imports("vitobench.bench.run", when_imported=False)
    assert "vitobench.models.sources.plugins" in imports("vitobench.models.registry", when_imported=True)


@pytest.mark.parametrize(
    ("layer", "allowed"),
    [
        ("results", {"results", ""}),
        ("reports", {"reports", "results", ""}),
        ("tasks", {"tasks", "results", ""}),
        ("models", {"models", "tasks", ""}),
        ("bench", {*LAYERS, ""}),
    ],
)
def test_layers_import_downwards(layer: str, allowed: set[str]) -> None:
    wrong = [
        f"{module} imports {other}"
        for module in users(layer)
        for other in imports(module, when_imported=False)
        if layer_of(other) not in allowed
    ]
    assert wrong == []


def test_models_know_nothing_of_tasks_but_their_data() -> None:
    wrong = [
        f"{module} imports {other}"
        for module in users("models")
        for other in imports(module, when_imported=False)
        if layer_of(other) == "tasks" and not other.startswith(DATA)
    ]
    assert wrong == []


def test_nothing_below_the_command_line_imports_the_public_api() -> None:
    wrong = [m for m in SOURCES if m != PACKAGE and PACKAGE in imports(m, when_imported=False)]
    assert wrong == []


def circle(edges: Mapping[str, Set[str]]) -> list[str]:
    """The first circle of a graph, from a node back to itself; empty if there is none."""
    done: set[str] = set()

    def walk(node: str, path: tuple[str, ...]) -> list[str]:
        if node in path:
            return [*path[path.index(node) :], node]
        if node in done:
            return []
        for other in sorted(edges[node]):
            if around := walk(other, (*path, node)):
                return around
        done.add(node)
        return []

    return next((around for node in sorted(edges) if (around := walk(node, ()))), [])


def used_by_code(module: str) -> frozenset[str]:
    """What a module imports at any time, by a function or when it is imported itself."""
    return imports(module, when_imported=False, typing=False) - {module}


def test_a_circle_is_seen() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_modules_import_each_other_in_no_circle_not_even_late() -> None:
    assert circle({module: used_by_code(module) for module in SOURCES}) == []


def room(module: str) -> str:
    """The folder directly below a layer that a module is in; empty for a module of the layer itself."""
    parts = module.split(".")
    inside = len(parts) > 3 or (len(parts) == 3 and SOURCES[module].name == "__init__.py")
    return ".".join(parts[:3]) if layer_of(module) and inside else ""


def test_folders_of_a_layer_import_each_other_in_no_circle() -> None:
    edges: dict[str, set[str]] = {}
    for module in SOURCES:
        if here := room(module):
            others = {room(other) for other in used_by_code(module)} - {"", here}
            edges.setdefault(here, set()).update(others)
    assert circle(edges | {other: set() for others in edges.values() for other in others if other not in edges}) == []


def test_modules_stay_short() -> None:
    long = {m: n for m, p in SOURCES.items() if (n := len(p.read_text(encoding="utf-8").splitlines())) > LONGEST}
    assert long == {}


def run(script: str, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", script, *args], capture_output=True, text=True, check=False, timeout=120
    )


@pytest.fixture(scope="module")
def called() -> dict[str, dict[str, Any]]:
    """Exit code and output of every command, and the heavy modules that it loads; one process, which starts once."""
    script = """
import contextlib, io, json, sys
from vitobench.bench.cli import main
heavy = {"torch", "torchvision", "timm", "pandas", "matplotlib", "seaborn", "numba", "scipy", "pyarrow", "PIL", "cv2",
         "fsspec", "requests", "av"}
called = {}
for command in sys.argv[1:]:
    before, code, output = set(sys.modules), 0, io.StringIO()
    try:
        with contextlib.redirect_stdout(output):
            main(command.split())
    except SystemExit as done:
        code = done.code or 0
    called[command] = {"code": code, "output": output.getvalue(), "heavy": sorted(heavy & set(sys.modules) - before)}
print(json.dumps(called))
"""
    (mark,) = test_help_and_listings_load_nothing_heavy.pytestmark
    done = run(script, *mark.args[1])
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, Any]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    "command",
    ["--help", "--version", "run --help", "plan --help", "score --help", "saliency --help", "report --help",
     "results --help", "results list --help", "pretrain --help", "curate --help", "compare --help",
     "probe --help", "mock-run --help", "finetune --help", "curve --help", "figures --help", "figures --list",
     "tables --help", "tables --list", "reproduce --help",
     "export --help", "export --list", "export --list --json",
     "doctor --help",
     "models", "models --json", "tasks", "tasks --json", "suites", "suites --json",
     "recipes", "recipes --json", "data --help", "data list", "data list --json", "data get --help",
     "data verify --help", "data scan --help", "data add --help"],
)  # fmt: skip
def test_help_and_listings_load_nothing_heavy(command: str, called: dict[str, dict[str, Any]]) -> None:
    assert called[command]["heavy"] == []
    assert called[command]["code"] == 0
    assert called[command]["output"].strip()


def test_importing_the_package_loads_nothing_heavy() -> None:
    script = "import sys, vitobench; vitobench.__version__; assert not {'torch', 'pandas', 'numpy'} & set(sys.modules)"
    done = run(script)
    assert done.returncode == 0, done.stderr


def test_every_module_works_without_opencv(tmp_path: Path) -> None:
    script = """
import importlib, sys
assert "cv2" not in sys.modules
sys.modules["cv2"] = None
for name in sys.argv[1:]:
    importlib.import_module(name)
import numpy as np
from vitobench.tasks.corruptions import CORRUPTIONS, EXTRA, corrupt
images = np.full((1, 64, 64, 3), 128, np.uint8)
for name in CORRUPTIONS + EXTRA:
    assert corrupt(images, name, 3, image_ids=["a"], variant="published").shape == images.shape
"""
    done = processes.run(script, *SOURCES, cwd=tmp_path, strict=False)
    assert done.code == 0, done.err
