"""A task of your own, installed as a plugin and run beside those of vitobench.

pip install ./examples/upside_down_plugin
python examples/custom_task.py --limit 100
"""

import argparse

import vitobench

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--limit", type=int, default=100, help="images for each task")
parser.add_argument("--store", default="bench-results")
parser.add_argument("--report", default="report.html")


def main() -> None:
    """Run the clean images and the same ones upside down."""
    asked = parser.parse_args()
    result = vitobench.run(["vito"], tasks=["micro-val", "upside-down"], limit=asked.limit, store=asked.store)
    print(result.scores.query("metric == 'top1' and condition == 'overall'").to_string())
    print(f"Page: {result.report(asked.report)}")


if __name__ == "__main__":
    main()
