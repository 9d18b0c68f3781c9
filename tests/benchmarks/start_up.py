"""What a command loads and how long it takes to start: modules of vitobench, and time as a ratio to importing click.

    python -m vitobench.tests.benchmarks.start_up [--repeats 9] [--suite robustness] [--limit 4]

Counts the modules ``vitobench.*`` in ``sys.modules`` after ``bench --help``, after listings and after a small run of
the main job, then times ``bench --help`` against ``python -c "import click"``, alternately; the ratio is that of the
medians. Folders count as modules, because Python imports them as such.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter

_LOADED = """
import json, os, sys
sys.stdout = open(os.devnull, "w")
from vitobench.bench.cli import main
try:
    main(sys.argv[1:])
except SystemExit as done:
    assert done.code in (None, 0, 3), done.code
print(json.dumps(sorted(name for name in sys.modules if name.split(".")[0] == "vitobench")), file=sys.__stdout__)
"""
_HELP = [sys.executable, "-c", "from vitobench.bench.cli import main; main(['--help'])"]
_CLICK = [sys.executable, "-c", "import click"]


def loaded(*args: str) -> list[str]:
    """Modules of vitobench that a command line loads, in a process and an empty folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", _LOADED, *args]
        done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=True)
    modules: list[str] = json.loads(done.stdout)
    return modules


def by_folder(modules: list[str]) -> str:
    """How many are in each top folder, most first."""
    count = Counter(name.split(".")[1] if name.count(".") > 1 else "root" for name in modules)
    return ", ".join(f"{folder} {number}" for folder, number in count.most_common())


def seconds(command: list[str]) -> float:
    """Wall time of a command."""
    start = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def main() -> None:
    """Print the counts, then the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--suite", default="robustness", help="of the small run")
    parser.add_argument("--limit", default="4", help="images of each task in the small run")
    asked = parser.parse_args()
    run = ["run", "--model", "vito", "--suite", asked.suite, "--limit", asked.limit, "--device", "cpu", "--quiet"]
    for args in (["--help"], ["tasks"], ["models"], ["run", "--help"], run):
        modules = loaded(*args)
        print(f"{len(modules):4} modules  bench {' '.join(args)}  ({by_folder(modules)})", flush=True)
    pairs = [(seconds(_HELP), seconds(_CLICK)) for _ in range(asked.repeats)]
    ours, click = (statistics.median(times) for times in zip(*pairs, strict=True))
    print(f"bench --help: {1000 * ours:.0f} ms, {ours / click:.2f} times import click ({1000 * click:.0f} ms)")


if __name__ == "__main__":
    main()
