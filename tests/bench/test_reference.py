"""The documentation's lists are those of the registries."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from vitobench.bench.reference import main
from vitobench.models.pretraining.recipe import list_recipes
from vitobench.tasks.registry import SUITES, TASKS

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_in_the_documentation_is_up_to_date() -> None:
    # In a process of its own: other tests have models and tasks of their own.
    command = [sys.executable, "-m", "vitobench.bench.reference"]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=True, timeout=200)
    written = (DOCS / "reference.md").read_text(encoding="utf-8")
    assert written == done.stdout, "run: python -m vitobench.bench.reference docs/reference.md"


def test_every_name_stands_in_it_with_its_source(capsys: pytest.CaptureFixture[str]) -> None:
    main([])
    text = capsys.readouterr().out
    for name in (*TASKS, *SUITES, *list_recipes()):
        assert f"`{name}`" in text
    for task in TASKS.values():
        assert task.citation in text
        assert task.notes in text


def test_links_of_the_documentation_lead_somewhere() -> None:
    import re

    root = DOCS.parent
    for path in (*DOCS.glob("*.md"), root / "README.md", root / "CONTRIBUTING.md"):
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (path.parent / target).exists(), f"{path.name} links to {target}"
