"""``bench run``."""

from __future__ import annotations

from typing import Any

import click

from .options import selection


@click.command("run")
@selection
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:N or mps.")
@click.option(
    "--workers", type=click.IntRange(min=1), help="Threads that read and corrupt images; the cores by default."
)
def run_command(**values: Any) -> None:
    """Run a suite or tasks on models; show the table, write the page.

    What the store already holds is not run again: the same command finishes an interrupted run, and a model added to
    it runs alone. Baselines and reference models come along.

    \b
    bench run --model vito --suite robustness
    bench run --model efficientnet-lite0 --suite robustness --data imagenet=DIR
    bench run --model file:mine.safetensors --baseline vito --suite robustness --json scores.json
    """
    from .show import run_and_show

    run_and_show(values, compute=True)
