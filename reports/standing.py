"""What to know of models before their numbers are set side by side: image size, training data, timm's own numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..results.published.timm import IMAGES, Agreement, agreement, sizes_of
from .data import Record, ReportData, title_of
from .wording import HOLE, MINUS

# Facts about a model, from its record.


_UNKNOWN = "unknown"
_NAMES = {
    "in1k": "ImageNet-1k",
    "in21k": "more of ImageNet",
    "web": "images of the web",
    "distilled": "ImageNet-1k, with a teacher",
    _UNKNOWN: "unknown data",
}


def pixels(record: Record) -> int | None:
    """Side of the images that a model sees, in pixels; None where its record does not tell."""
    preprocessing = record.get("preprocessing")
    size = preprocessing.get("size") if isinstance(preprocessing, Mapping) else None
    return size if isinstance(size, int) and record.get("source") != "imported" else None


def training_class(record: Record) -> str:
    """The class of its training data, as in `models.training_data`."""
    return str(record.get("training_class") or _UNKNOWN)


def _trained(data: ReportData) -> list[Record]:
    """Records of models; baselines that see no image are trained on nothing."""
    return [record for record in data.models if record.get("source") != "baseline"]


def _extra(record: Record, key: str) -> str:
    extra = record.get("extra")
    return str(extra.get(key) or "") if isinstance(extra, Mapping) else ""


def marks(data: ReportData) -> dict[str, str]:
    """By model, a few words that belong under its name; empty where there is nothing to tell.

    The size of its images, if sizes differ or it was chosen, and the class of its training data, if classes differ.
    """
    sizes = {pixels(record) for record in _trained(data)} - {None}
    classes = {training_class(record) for record in _trained(data)}
    words = {}
    for record in _trained(data):
        size = pixels(record)
        parts = [f"{size} px"] if size and (len(sizes) > 1 or _extra(record, "size")) else []
        parts += [training_class(record)] if len(classes) > 1 else []
        words[str(record["name"])] = ", ".join(parts)
    return words


def mixed_line(data: ReportData) -> str:
    """A sentence if models of several training classes stand side by side; empty if not."""
    groups: dict[str, list[str]] = {}
    for record in _trained(data):
        groups.setdefault(training_class(record), []).append(str(record["name"]))
    if len(groups) < 2:
        return ""
    trained = "; ".join(f"{_NAMES.get(name, name)}: {', '.join(models)}" for name, models in groups.items())
    known = "different" if _UNKNOWN not in groups else "different or unknown"
    return f"Trained on {known} data, so differences need not be due to the architecture or the method. {trained}."


def exposure_lines(data: ReportData) -> list[str]:
    """A sentence for each training class whose data may hold the very images of some tasks."""
    lines = []
    sources = {str(task.get("images_from") or "") for task in data.task_records} - {""}
    for source in sorted(sources):
        models = [str(record["name"]) for record in data.models if training_class(record) == source]
        tasks = [title_of(t) for t in data.task_records if t.get("images_from") == source]
        if models:
            lines.append(
                f"{', '.join(models)}: trained on {_NAMES.get(source, source)}, which may hold images of: "
                f"{'; '.join(tasks)}. Accuracy there may be memory."
            )
    return lines


# Whether runs of timm's models agree with what timm published.


def hundredths(value: float, sign: bool = False) -> str:
    """A fraction in percent with two decimals, which is how precisely numbers are published."""
    return f"{100 * value:{'+' if sign else ''}.2f}".replace("-", MINUS)


@dataclass(frozen=True)
class Match:
    """One number of one model beside the published one.

    Attributes:
        model: Its name.
        title: Title of the task.
        agreement: The comparison.
    """

    model: str
    title: str
    agreement: Agreement

    @property
    def words(self) -> str:
        """The comparison as a sentence."""
        result = self.agreement
        numbers = (
            f"{self.title}: {hundredths(result.value)} here, {hundredths(result.published)} published, difference "
            f"{hundredths(result.difference, sign=True)} with ±{hundredths(result.margin)} expected"
        )
        return numbers if result.agrees else f"{numbers}. Likely causes: {'; '.join(result.causes)}"


def matches(data: ReportData) -> list[Match]:
    """Every top-1 accuracy that timm published of a model's weights at its size and crop.

    A size or resize that was chosen as a number of pixels is not compared: timm may have cropped otherwise.
    """
    compared = []
    for record in data.models:
        weights, size, chosen = _extra(record, "timm_weights"), pixels(record), _extra(record, "size")
        if not weights or size is None or chosen.isdecimal() or _extra(record, "resize"):
            continue
        for task in data.task_records:
            name = str(task["name"])
            score = data.score(str(record["name"]), name, "overall", "top1") if name in IMAGES else None
            result = None if score is None else agreement(name, score.value, score.n, weights, size)
            if result is not None:
                compared.append(Match(str(record["name"]), title_of(task), result))
    return compared


def match_lines(data: ReportData) -> list[str]:
    """A sentence for each model of timm: how many numbers agree, which is farthest off, or why there is none."""
    every = matches(data)
    lines = []
    for model in dict.fromkeys(match.model for match in every):
        own = [match for match in every if match.model == model]
        differing = [match for match in own if not match.agreement.agrees]
        line = f"{model}: {len(own) - len(differing)} of {len(own)} numbers agree with those that timm published."
        if differing:
            worst = max(differing, key=lambda match: abs(match.agreement.difference) / match.agreement.margin)
            line += f" Farthest is {worst.words}."
        lines.append(line)
    compared = {match.model for match in every}
    tasks = {str(task["name"]) for task in data.task_records} & set(IMAGES)
    for record in data.models:
        weights, size = _extra(record, "timm_weights"), pixels(record)
        sizes = sizes_of(weights) if weights and tasks and record["name"] not in compared else ()
        if sizes and size not in sizes:
            published = " and ".join(map(str, sizes))
            lines.append(
                f"{record['name']}: run at {size} pixels; timm's numbers that are known here are at {published}."
            )
    return lines


def standing_lines(data: ReportData) -> list[str]:
    """All of these sentences, for a terminal, Markdown and the page."""
    return [*filter(None, [mixed_line(data)]), *exposure_lines(data), *match_lines(data)]


def about(record: Record) -> tuple[str, str]:
    """Size and training data of a model in words."""
    size, trained = pixels(record), training_class(record)
    return (f"{size} px" if size else HOLE), _NAMES.get(trained, trained)
