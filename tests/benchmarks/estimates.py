"""What ``bench plan`` foretells, beside what the run then takes.

    python tests/benchmarks/estimates.py --photos DIR

DIR holds photographs in one folder per WordNet id. Times are of whole commands, with imports, scores and the page.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def bench(*args: object) -> float:
    """Seconds of one command."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "vitobench.bench", *map(str, args), "--quiet"]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode not in (0, 3):
        sys.exit(done.stderr.decode())
    return time.perf_counter() - started


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True)
    photos = parser.parse_args().photos
    real = ("--model", "efficientnet-lite0", "--data", f"imagenet={photos}")
    cases = {
        "vito and its baselines, suite robustness": ("--model", "vito", "--suite", "robustness"),
        "efficientnet-lite0, clean": (*real, "--task", "imagenet-val"),
        "efficientnet-lite0, ImageNet-C on 60 photographs": (*real, "--task", "imagenet-c", "--limit", 60),
    }
    print(f"{'':50}{'planned s':>10}{'taken s':>9}{'ratio':>7}{'planned MB':>12}{'written MB':>12}{'planning s':>12}")
    for title, args in cases.items():
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            planning = bench("plan", *args, "--store", folder / "store", "--json", folder / "plan.json")
            plan = json.loads((folder / "plan.json").read_text())
            taken = bench("run", *args, "--store", folder / "store")
            written = sum(path.stat().st_size for path in (folder / "store/predictions").rglob("*.parquet"))
            print(
                f"{title:50}{plan['seconds']:10.1f}{taken:9.1f}{plan['seconds'] / taken:7.2f}"
                f"{plan['bytes'] / 1e6:12.2f}{written / 1e6:12.2f}{planning:12.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
