"""Numbers from papers and public result files, each with its source and what was done differently there."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

# Numbers from papers and public result files, each with its source.


ALEXNET_CLEAN_ERROR = 0.4348
"""AlexNet's error on the clean validation set (imagenet-testbed, validation accuracy 56.52 %)."""


@dataclass(frozen=True)
class ReferenceErrors:
    """Published errors of a reference model, which corruption errors are divided by.

    Attributes:
        name: What a task calls it: ``"alexnet"``.
        errors: By corruption, the error rates at severities 1 to 5; one number where only their mean is published.
        clean: Error rate on clean images; None where none was published for these images.
        images: How many images they were measured on.
        source: Where they stand.
        licence: SPDX name of the source's licence.
    """

    name: str
    errors: Mapping[str, tuple[float, ...]]
    clean: float | None
    images: int
    source: str
    licence: str


def rows_of(name: str) -> list[dict[str, str]]:
    """The rows of a CSV file of this folder."""
    text = (resources.files(__package__) / name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def _column(name: str, column: str) -> dict[str, float]:
    return {row["corruption"]: float(row[column]) for row in rows_of(name)}


def alexnet_errors() -> dict[str, tuple[float, ...]]:
    """AlexNet's errors on ImageNet-C, by corruption, for severities 1 to 5: the 15 of the mean, then the 4 extra ones.

    Source: hendrycks/robustness, README at commit 76d9393 (Apache-2.0); 50,000 images of the published JPEG folders.
    """
    return {
        row.pop("corruption"): tuple(float(value) for value in row.values())
        for row in rows_of("alexnet-imagenet-c.csv")
    }


def alexnet_3dcc_errors() -> dict[str, float]:
    """AlexNet's error on ImageNet-3DCC by corruption, mean over severities.

    Source: RobustBench/robustbench, model_info/imagenet/corruptions/unaggregated_results_3d.csv (MIT); its 5,000
    images; equal to the file at commit 78fcc9e. The authors of the benchmark published none. An older version (24ce20d)
    has no AlexNet yet, and other errors of ResNet-50 for bit_error, h265_abr and h265_crf; the other nine agree.
    """
    return _column("imagenet-3dcc-5k.csv", "alexnet_error")


def resnet50_3dcc_errors() -> dict[str, float]:
    """Error of ResNet-50 (torchvision, V1) on ImageNet-3DCC by corruption; source as `alexnet_3dcc_errors`."""
    return _column("imagenet-3dcc-5k.csv", "resnet50_error")


def resnet50_3dcc_corruption_errors() -> dict[str, float]:
    """CE of ResNet-50 on ImageNet-3DCC, 1 is AlexNet's; mCE 73.2 %; source as `alexnet_3dcc_errors`."""
    return _column("imagenet-3dcc-5k.csv", "resnet50_ce")


def resnet50_corruption_errors() -> dict[str, float]:
    """CE of ResNet-50 (torchvision, V1) on ImageNet-C by corruption, 1 is AlexNet's; mCE 76.4 %.

    Source: RobustBench/robustbench, model_info/imagenet/corruptions/unaggregated_results.csv (MIT); its 5,000 images,
    divided by AlexNet's errors on the same ones; equal to the file at commit 78fcc9e. On all 50,000 images the mCE is
    76.7 %.
    """
    return _column("resnet50-imagenet-c.csv", "ce_5k")


def _alexnet() -> ReferenceErrors:
    source = "hendrycks/robustness, README at commit 76d9393"
    return ReferenceErrors("alexnet", alexnet_errors(), ALEXNET_CLEAN_ERROR, 50_000, source, "Apache-2.0")


def _alexnet_3dcc() -> ReferenceErrors:
    source = "RobustBench/robustbench, model_info/imagenet/corruptions/unaggregated_results_3d.csv"
    means = {name: (value,) for name, value in alexnet_3dcc_errors().items()}
    return ReferenceErrors("alexnet-3dcc-5k", means, None, 5_000, source, "MIT")


_REFERENCES: Mapping[str, Callable[[], ReferenceErrors]] = {"alexnet": _alexnet, "alexnet-3dcc-5k": _alexnet_3dcc}
"""By the name that a task may give as its reference without any model being run."""


@cache
def published_reference(name: str | None) -> ReferenceErrors | None:
    """The published errors of this name; None where it names no table, and so a model that is run."""
    make = _REFERENCES.get(name or "")
    return make() if make else None


# Single numbers from papers and public result files, each with its source and what was done otherwise than here.


@dataclass(frozen=True)
class PublishedScore:
    """One published number.

    Attributes:
        model: As the source calls it; where only that tells two apart, with its training or the size of its data.
        data_set: ``"imagenet-c"``, a data set of human alignment, or ``"all"`` for the mean of these.
        metric: As in `results.schema.Score`.
        value: As printed; accuracies as fractions.
        source: Where it was published.
        protocol: What its authors did otherwise than this package, as far as it is known.
    """

    model: str
    data_set: str
    metric: str
    value: float
    source: str
    protocol: str


@cache
def published_rows(name: str) -> tuple[PublishedScore, ...]:
    """The numbers of ``NAME.csv`` with their sources from ``NAME-sources.csv``."""
    sources = {row["key"]: row for row in rows_of(f"{name}-sources.csv")}
    return tuple(
        PublishedScore(
            row["model"], row["data_set"], row["metric"], float(row["value"]),
            sources[row["source"]]["source"], sources[row["source"]]["protocol"],
        )
        for row in rows_of(f"{name}.csv")
    )  # fmt: skip


# Published numbers of robustness; every one was measured on photographs.


_SAME_IMAGES = {"imagenet-c-folders": "imagenet-c", "imagenet-3dcc-folders": "imagenet-3dcc"}


def published_robustness() -> tuple[PublishedScore, ...]:
    """All of them."""
    return published_rows("robustness")


def published_for(task: str) -> tuple[PublishedScore, ...]:
    """Those that may stand beside a task of this name; none where the images are others."""
    data_set = _SAME_IMAGES.get(task, task)
    return tuple(row for row in published_robustness() if row.data_set == data_set)


# Published numbers of human alignment, on the stimuli and against the people of model-vs-human.


def published_alignment() -> tuple[PublishedScore, ...]:
    """All of them.

    A model may have two values of one metric from two sources; the one whose protocol is nearest to ours comes first.
    """
    return published_rows("human-alignment")
