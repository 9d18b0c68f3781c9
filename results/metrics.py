"""Every metric by name: its heading, unit and direction, and what a difference means.

An unknown metric is an error. A comparison has to know which side is better: to guess would call a worse error a win.
Metrics of several kinds of task are here; a kind declares those that it alone has, and `add`s them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ..errors import unknown_name


@dataclass(frozen=True)
class Metric:
    """How a metric is named and read.

    Attributes:
        name: As in `Score`.
        label: Heading for a person.
        better: 1 when higher is better, -1 when lower is.
        percent: Whether tables show it in percent: its values are fractions. Others are shown as they are.
        decimals: How many of them tables show.
        words: What the two verdicts mean: of the better side, of the worse.
    """

    name: str
    label: str
    better: int = 1
    percent: bool = True
    decimals: int = 1
    words: tuple[str, str] = ("better", "worse")

    @property
    def scale(self) -> float:
        """What tables multiply a value with: 100 where it is shown in percent, else 1."""
        return 100.0 if self.percent else 1.0

    @property
    def arrow(self) -> str:
        """A heading's ending, which says that lower is better; empty where higher is."""
        return " ↓" if self.better < 0 else ""

    @property
    def heading(self) -> str:
        """The label with its arrow."""
        return f"{self.label}{self.arrow}"

    @property
    def axis(self) -> str:
        """The heading of an axis of a figure, which says where it is in percent."""
        return f"{self.label}{' (%)' if self.percent else ''}{self.arrow}"


_CONSISTENT = ("more consistent", "less consistent")

METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        metric.name: metric
        for metric in (
            Metric("top1", "Top-1 accuracy"),
            Metric("top5", "Top-5 accuracy"),
            Metric("ece", "Expected calibration error", -1),
            Metric("rms_calibration_error", "RMS calibration error", -1),
            Metric("aurra", "AURRA"),
            Metric("risk_at_80", "Error at 80 % coverage", -1),
            Metric("coverage_at_5", "Coverage at 5 % error"),
            Metric("worst_classes", "Top-1, worst tenth of classes"),
            # In points of accuracy, above 0 where clean accuracy does not explain it.
            Metric("effective_robustness", "Effective robustness"),
            Metric("pm0", "Accuracy on anchors (pm-0)"),
            Metric("pm10", "Accuracy on all frames (pm-10)"),
            Metric("flip_probability", "Flip probability", -1),
            Metric("mean_flip_rate", "Mean flip rate", -1),
            Metric("top5_distance", "Top-5 distance", -1, percent=False, decimals=2),
            Metric("mean_top5_distance", "Mean top-5 distance", -1, percent=False, decimals=2),
            Metric("mce", "mCE", -1),
            Metric("relative_mce", "Relative mCE", -1),
            Metric("ce", "CE", -1),
            # Human alignment; in percent like everything else, so that kappa 0.21 is 21.
            Metric("accuracy", "Accuracy"),
            Metric("accuracy_difference", "Squared accuracy difference", -1, words=("nearer", "farther")),
            Metric("observed_consistency", "Observed consistency", words=_CONSISTENT),
            Metric("expected_consistency", "Expected consistency", words=("higher", "lower")),
            Metric("error_consistency", "Error consistency (κ)", words=_CONSISTENT),
            Metric("error_consistency_defined", "Error consistency (κ), of defined", words=_CONSISTENT),
            Metric("error_consistency_corrected", "Error consistency (κ), corrected", words=_CONSISTENT),
            Metric("copy_probability", "Copy probability", words=_CONSISTENT),
            Metric("error_consistency_stimuli", "Stimuli for κ ± 0.05", -1, False, 0, words=("fewer", "more")),
            Metric("error_consistency_lowest", "Lowest possible error consistency"),
            Metric("error_consistency_highest", "Highest possible error consistency"),
            Metric("observed_consistency_ceiled", "Observed consistency, share of the ceiling", words=_CONSISTENT),
            Metric("error_consistency_ceiled", "Error consistency, share of the ceiling", words=_CONSISTENT),
            Metric(
                "error_consistency_defined_ceiled",
                "Error consistency of defined, share of the ceiling",
                words=_CONSISTENT,
            ),
            Metric("response_entropy", "Response entropy (bits)", 1, False, 3, words=("higher", "lower")),
            Metric("mean_rank", "Mean rank", -1, percent=False, decimals=2),
            Metric("mean_rank_defined", "Mean rank, κ of defined", -1, percent=False, decimals=2),
            # Not a quality in itself: people decide by shape in about 96 % of conflicts, so higher is nearer to people.
            Metric("shape_bias", "Shape bias", words=("more by shape", "more by texture")),
            # Saliency: agreement of two maps.
            Metric("alignment", "Alignment", words=("nearer", "farther")),
            Metric("spearman", "Spearman", words=("nearer", "farther")),
            Metric("dice", "Dice", words=("nearer", "farther")),
            Metric("iou", "IoU", words=("nearer", "farther")),
        )
    }
)

_OF_KINDS: dict[str, Metric] = {}
"""Metrics that a single kind of task has."""


def add(new: Metric) -> None:
    """Make a metric known, as the kind of task does that alone measures it.

    Raises:
        ValueError: There is another metric of this name.
    """
    known = METRICS.get(new.name) or _OF_KINDS.setdefault(new.name, new)
    if known != new:
        raise ValueError(f"the metric {new.name!r} is declared twice: {known} and {new}")


def metric(name: str) -> Metric:
    """A metric by name.

    Raises:
        UnknownNameError: With the nearest names.
    """
    known = METRICS.get(name) or _OF_KINDS.get(name)
    if known is None:
        advice = "Declare it in `metrics` of the kind of task that measures it."
        raise unknown_name("metric", name, (*METRICS, *_OF_KINDS), advice)
    return known
