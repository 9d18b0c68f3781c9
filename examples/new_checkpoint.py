"""A new checkpoint against baselines.

    python examples/new_checkpoint.py my.safetensors --limit 100

Without a file the shipped VITO stands in for the new checkpoint. Predictions are kept in --store, so that a second call
computes only what is new.
"""

import argparse
from pathlib import Path

import vitobench

SHIPPED = Path(vitobench.__file__).parent / "models/zoo/vito.safetensors"

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("checkpoint", nargs="?", type=Path, default=SHIPPED)
parser.add_argument("--limit", type=int, default=100, help="images for each task")
parser.add_argument("--store", default="bench-results")
parser.add_argument("--report", default="report.html")


def main() -> None:
    """Run three tasks, print the paired differences, write the page."""
    asked = parser.parse_args()
    result = vitobench.run(
        [f"file:{asked.checkpoint}"],
        baselines=["moclr", "supervised"],
        tasks=["micro-val", "micro-light", "micro-cue-conflict"],
        limit=asked.limit,
        store=asked.store,
    )
    differences = result.compare()
    print(differences[["a", "b", "task", "metric", "difference", "ci_low", "ci_high", "verdict"]].to_string())
    print(f"Page: {result.report(asked.report)}")


if __name__ == "__main__":
    main()
