"""``bench run``."""

from __future__ import annotations

from typing import Any

import click

from .options import gallery_option, running, selection


@click.command("run")
@selection
@gallery_option
@running
def run_command(**values: Any) -> None:
    """Run a suite or tasks on models, show the table and write the HTML page.

    Predictions that the store already holds are not computed again: repeat the command to resume an interrupted run,
    or add a model to run only that one. Baselines and reference models run too. `bench plan` with the same arguments
    estimates the cost. Several runs can share a store, on one machine or many; each skips what the others have done.

    \b
    bench run --model vito --suite robustness
    bench run --model efficientnet-lite0 --suite robustness --data imagenet=DIR
    bench run --model file:mine.safetensors --baseline vito --suite robustness --json scores.json
    bench run --model timm:resnet50 --suite robustness --data imagenet=DIR --executor ray --address auto
    """
    from .show import run_and_show

    run_and_show(values)
