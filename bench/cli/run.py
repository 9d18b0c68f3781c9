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
    """Run a suite or tasks on models; show the table, write the page.

    What the store already holds is not run again: the same command finishes an interrupted run, and a model added to
    it runs alone. Baselines and reference models come along. `bench plan` with the same arguments tells the cost first.
    Several runs may work on one store at once, on one machine or many; each takes up what the others have left.

    \b
    bench run --model vito --suite robustness
    bench run --model efficientnet-lite0 --suite robustness --data imagenet=DIR
    bench run --model file:mine.safetensors --baseline vito --suite robustness --json scores.json
    bench run --model timm:resnet50 --suite robustness --data imagenet=DIR --executor ray --address auto
    """
    from .show import run_and_show

    run_and_show(values)
