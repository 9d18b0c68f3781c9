"""Numbers from papers and public result files, each with its source."""

from __future__ import annotations

import csv
from importlib import resources

ALEXNET_CLEAN_ERROR = 0.4348
"""AlexNet's error on the clean validation set (imagenet-testbed, validation accuracy 56.52 %)."""


def alexnet_errors() -> dict[str, tuple[float, ...]]:
    """AlexNet's errors on ImageNet-C, by corruption, for severities 1 to 5.

    Source: hendrycks/robustness, README at commit 76d9393 (Apache-2.0); 50,000 images of the published JPEG folders.
    """
    text = (resources.files(__package__) / "alexnet-imagenet-c.csv").read_text(encoding="utf-8")
    rows = csv.reader(text.splitlines()[1:])
    return {name: tuple(float(v) for v in values) for name, *values in rows}
