"""How long the page takes and how large it gets: few models and many, each with a corruption task of 75 conditions.

    python -m vitobench.tests.benchmarks.report_scale [--models 2 10 50] [--keep FOLDER]

Prints seconds, megabytes and the ratio to the limit of 3 MB that a page of ten models should keep.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
from pathlib import Path
from typing import Any

from vitobench.reports.page.html import render_html

LIMIT = 3e6


def _made_up() -> Any:
    """The report that the tests use, of any size."""
    path = Path(__file__).parents[1] / "reports" / "conftest.py"
    spec = importlib.util.spec_from_file_location("made_up_report", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, nargs="+", default=[2, 10, 50])
    parser.add_argument("--keep", type=Path, help="Write the pages here, to be looked at.")
    asked = parser.parse_args()
    build = _made_up().build
    render_html(build(1))  # libraries load once
    print("models  scores  seconds      MB  of 3 MB")
    for count in asked.models:
        names = tuple(f"model-{number:02d}" for number in range(count))
        data = build(count, names=names)
        started = time.perf_counter()
        page = render_html(data)
        seconds = time.perf_counter() - started
        size = len(page.encode())
        print(f"{count:6d} {len(data.scores):7,d} {seconds:8.1f} {size / 1e6:7.2f} {size / LIMIT:7.0%}")
        if asked.keep:
            asked.keep.mkdir(parents=True, exist_ok=True)
            (asked.keep / f"{count}-models.html").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
