"""``bench score``."""

from __future__ import annotations

from typing import Any

import click

from .options import stored


@click.command("score")
@stored
def score_command(**values: Any) -> None:
    """Compute scores, intervals and comparisons from a store: no model is loaded and no image read.

    Without --model all models of the store are scored, without --suite and --task all tasks. What is missing is listed,
    and the exit code is 3.

    \b
    bench score
    bench score --store /data/results --model vito --baseline moclr --suite robustness --json scores.json
    """
    from .show import score_and_show

    score_and_show(values, page=False)
