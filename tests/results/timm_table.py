"""Make ``results/published/timm.csv`` of timm's result files: ``python -m vitobench.tests.results.timm_table RESULTS``.

RESULTS is the folder ``results`` of huggingface/pytorch-image-models. Files may hold some of the models only; a number
that a file does not hold stays empty. Models named ``test_...`` are left out: they are toys for timm's own tests.
"""

from __future__ import annotations

import csv
import io
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path

from vitobench.models.training_data import of_timm
from vitobench.results import published
from vitobench.results.published.timm import IMAGES

FILES: Mapping[str, tuple[str, str]] = {
    "imagenet-val": ("results-imagenet.csv", ""),
    "imagenet-real": ("results-imagenet-real.csv", "imagenet-val"),
    "imagenet-v2-matched-frequency": ("results-imagenetv2-matched-frequency.csv", "imagenet-v2-clean"),
    "imagenet-sketch": ("results-sketch.csv", "imagenet-val"),
    "imagenet-a-clean": ("results-imagenet-a-clean.csv", ""),
    "imagenet-a": ("results-imagenet-a.csv", "imagenet-a-clean"),
    "imagenet-r-clean": ("results-imagenet-r-clean.csv", ""),
    "imagenet-r": ("results-imagenet-r.csv", "imagenet-r-clean"),
}
"""By column: the file, and the column that its ``top1_diff`` is the difference to. For ImageNet-V2, whose file is of
another year than that of the validation set, that has a column of its own."""

COLUMNS = (*list(FILES)[:2], "imagenet-v2-clean", *list(FILES)[2:])
_ROUNDING = 0.0021
"""Accuracies and their differences are rounded to 0.001 each."""

Key = tuple[str, int]


class InconsistentError(Exception):
    """A row of a file contradicts itself or another file."""


def _read(path: Path) -> Iterator[tuple[Key, float, float | None]]:
    """Weights and size, top-1 in percent, and the difference to the clean set where the file has it."""
    with path.open(encoding="utf-8", newline="") as opened:
        for row in csv.DictReader(opened):
            key = (row["model"], int(row["img_size"]))
            top1, error = float(row["top1"]), float(row["top1_err"])
            if abs(top1 + error - 100) > _ROUNDING:
                raise InconsistentError(f"{path.name}: {key} has top1 {top1} and top1_err {error}")
            yield key, top1, float(row["top1_diff"]) if row.get("top1_diff") else None


def _nearest(top1: float, column: str) -> float:
    """The accuracy in percent of a whole number of images that is nearest to one."""
    images = IMAGES["imagenet-val" if column == "imagenet-v2-clean" else column]
    return round(100 * round(top1 / 100 * images) / images, 3)


def _counted(top1: float, column: str, where: str) -> float:
    """An accuracy in percent, if it is that of a whole number of images as far as three decimals tell."""
    if abs(top1 - _nearest(top1, column)) > _ROUNDING:
        raise InconsistentError(f"{where} {column} {top1}, no whole number of images: {_nearest(top1, column)} is")
    return top1


def table(folder: Path) -> dict[Key, dict[str, float]]:
    """Read the files of a folder and check them against each other.

    Args:
        folder: With some of `FILES`.

    Returns:
        By weights and size, top-1 in percent by column. A clean accuracy that only ``top1_diff`` tells is worked out.

    Raises:
        InconsistentError: Numbers contradict each other, so that at least one of them is wrong.
    """
    found: dict[Key, dict[str, float]] = defaultdict(dict)
    for column, (name, clean) in FILES.items():
        if not (folder / name).is_file():
            continue
        for key, top1, difference in _read(folder / name):
            if column in found[key]:
                raise InconsistentError(f"{name}: {key} is there twice")
            found[key][column] = _counted(top1, column, f"{name}: {key}")
            if difference is None or not clean:
                continue
            implied = _counted(round(top1 - difference, 3), clean, f"{name}: {key} implies")
            known = found[key].setdefault(clean, implied)
            if abs(known - implied) > _ROUNDING:
                raise InconsistentError(f"{name}: {key} has {top1} and {difference}, but {clean} is {known}")
            if abs(implied - _nearest(implied, clean)) < abs(known - _nearest(known, clean)):
                found[key][clean] = implied
    return dict(found)


def as_csv(rows: Mapping[Key, Mapping[str, float]]) -> str:
    """The table as text, sorted by weights and size."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["weights", "size", "trained_on", *COLUMNS])
    for (weights, size), row in sorted(rows.items()):
        if weights.startswith("test_"):
            continue
        values = [f"{row[column]:.3f}" if column in row else "" for column in COLUMNS]
        writer.writerow([weights, size, of_timm(weights), *values])
    return stream.getvalue()


if __name__ == "__main__":
    written = Path(str(resources.files(published) / "timm.csv"))
    written.write_text(as_csv(table(Path(sys.argv[1]))), encoding="utf-8")
