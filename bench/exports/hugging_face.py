"""Scores in a Hugging Face model card: the ``model-index``, merged into the card that is there."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub.repocard import REGEX_YAML_BLOCK  # the same as on the Hub's server

from ...errors import DataError, VitobenchError
from ...reports.data import ReportData, title_of
from ...reports.headline import headline_rows, hole_lines
from ...results.metrics import metric
from ...results.schema import Score, TaskRecord, View
from .exporter import SCREEN, Handover, put

# One key in the YAML at the head of a Markdown file, replaced without touching a byte of the rest.
#
# Libraries that write a card again lose its comments and its layout. Here YAML is parsed to locate the key, the
# text of its value is replaced, and the result is read back and compared with what was intended.


_BOM = "\ufeff"


def read_front(text: str, where: str) -> dict[str, Any]:
    """The front matter of a Markdown file; empty where there is none.

    Raises:
        DataError: It is not YAML, or not a mapping.
    """
    return _load(_split(text)[1] or "", where)


def with_key(text: str, key: str, value: Any, where: str) -> str:
    """The same file with another value of a key in its front matter, which is made where there is none.

    Args:
        text: The file's text.
        key: On the first level; it is added where it is not there.
        value: Plain data.
        where: The file, for messages.

    Raises:
        DataError: The front matter is not YAML, or so tied up (anchors, tags) that the key cannot be replaced alone.
    """
    before, front, after = _split(text)
    line = "\r\n" if "\r\n" in text else "\n"
    block = line.join(dump({key: value}).splitlines())
    if front is None:
        return f"{before}---{line}{block}{line}---{line}{after}"
    old = _load(front, where)
    start, end = _span(front, key, where)
    if start is None:
        joint = "" if not front or front.endswith(("\n", "\r")) else line
        # Behind the last key; before the first where the last is a text whose end would become another.
        tries = [f"{front}{joint}{block}", f"{block}{line}{front}"]
    else:
        tries = [front[:start] + block + front[end:]]
    meant = {**old, key: value}
    for new in tries:
        with suppress(yaml.YAMLError):
            if yaml.safe_load(new) == meant:
                return before + new + after
    raise DataError(
        f"{where}: {key} in the front matter cannot be replaced without changing other lines. Write it in block "
        "style at the end of the front matter, without anchors, or name another file with --to."
    )


def dump(value: dict[str, Any]) -> str:
    """Plain data as YAML in block form, keys in their order."""
    text: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=120)
    return text


def _split(text: str) -> tuple[str, str | None, str]:
    """The text before the front matter, the front matter, and the text after it."""
    start = len(_BOM) if text.startswith(_BOM) else 0
    match = REGEX_YAML_BLOCK.search(text[start:])
    if match is None:
        return text[:start], None, text[start:]
    begin, end = (start + place for place in match.span(2))
    return text[:begin], text[begin:end], text[end:]


def _load(front: str, where: str) -> dict[str, Any]:
    try:
        metadata = yaml.safe_load(front)
    except yaml.YAMLError as error:
        raise DataError(f"{where}: its front matter is not YAML ({' '.join(str(error).split())}).") from None
    if metadata is None:
        return {}
    if not isinstance(metadata, dict):
        raise DataError(f"{where}: the front matter is not a mapping of keys to values.")
    return metadata


def _span(front: str, key: str, where: str) -> tuple[int | None, int]:
    """Where the key begins and where the last line of its value ends; (None, 0) where it is not there."""
    root = yaml.compose(front, Loader=yaml.SafeLoader)
    pairs = [pair for pair in root.value if pair[0].value == key] if isinstance(root, yaml.MappingNode) else []
    if not pairs:
        return None, 0
    if len(pairs) > 1:
        raise DataError(f"{where}: {key} occurs twice in the front matter; remove one.")
    name, value = pairs[0]
    # The end of a block is that of its last leaf: the parser counts the comments behind it as a part of it.
    end = max(name.end_mark.index, *(leaf.end_mark.index for leaf in _leaves(value)))
    while front[end - 1] in "\r\n":
        end -= 1
    ends = [place for place in (front.find("\n", end), front.find("\r", end)) if place >= 0]
    return name.start_mark.index, min(ends, default=len(front))


def _leaves(node: Any) -> Iterator[Any]:
    if isinstance(node, yaml.ScalarNode) or node.flow_style or not node.value:
        yield node
        return
    for child in node.value:
        for part in child if isinstance(child, tuple) else (child,):
            yield from _leaves(part)


# Scores as the ``model-index`` of a Hugging Face model card, and merging them into one that is there.
#
# The form is that of https://github.com/huggingface/hub-docs/blob/main/modelcard.md; huggingface_hub lays it out.


Entry = dict[str, Any]

MARK = "vitobench"
"""Key in ``dataset.args`` that marks our results."""

_HUB_METRICS = {"top1": "accuracy"}
"""Metrics that the Hub knows under another name."""


def headline(data: ReportData, model: str) -> list[tuple[Score, str]]:
    """The headline numbers of a model that are defined, with their labels; of human alignment the main metrics."""
    own = data.of([model])
    wanted = [(row.task, row.condition, row.metric) for row in headline_rows(own) if not row.part]
    aligned = own.tasks_with(View.ALIGNMENT)
    wanted += [(str(task["name"]), "overall", str(task["metric"])) for task in aligned]
    scores = [own.score(model, *key) for key in wanted]
    return [(score, metric(score.metric).label) for score in scores if score is not None and math.isfinite(score.value)]


def entry_of(data: ReportData, model: str) -> Entry:
    """The headline numbers of a model as an entry of ``model-index``.

    Values are fractions. What the Hub has no field for is in ``args``: of a metric its 95 % interval and the number
    of images, of a data set the task's identity and the version of vitobench.
    """
    from huggingface_hub import EvalResult
    from huggingface_hub.repocard_data import eval_results_to_model_index

    version = str(data.run.get("versions", {}).get("vitobench", ""))
    results = []
    for score, label in headline(data, model):
        task = data.task(score.task)
        origin = {MARK: version, "task": task.get("identity"), "data": task.get("data"), "seed": task.get("seed")}
        results.append(
            EvalResult(
                task_type="image-classification",
                task_name="Image classification",
                dataset_type=score.task,
                dataset_name=_name(task),
                dataset_config=None if score.condition == "overall" else score.condition,
                dataset_revision=task.get("data_digest"),
                dataset_args={key: value for key, value in origin.items() if value is not None},
                metric_type=_HUB_METRICS.get(score.metric, score.metric),
                metric_name=label,
                metric_value=score.value,
                metric_args={"ci_low": score.ci_low, "ci_high": score.ci_high, "confidence": 0.95, "n": score.n},
            )
        )
    (entry,) = eval_results_to_model_index(model, results)
    return dict(entry)


def _name(task: TaskRecord) -> str:
    """The title, which also says if the images are from the micro-world."""
    title = title_of(task)
    return f"{title} (procedural micro-world)" if task.get("world") == "microworld" else title


def merged(existing: Any, entry: Entry, where: str) -> list[Entry]:
    """Put an entry into a ``model-index``.

    Earlier results of vitobench for the same task are replaced in place; everything else stays as it is.

    Args:
        existing: What the card has; None for nothing.
        entry: From `entry_of`. If the card is for one model, its name there is kept.
        where: The card's file, for messages.

    Raises:
        DataError: The card's ``model-index`` is not of the form that the Hub asks for.
    """
    entries = [] if existing is None else existing
    if not (isinstance(entries, list) and all(map(_is_entry, entries))):
        raise DataError(
            f"{where}: model-index is not a list of entries with name and results. Fix or remove it, or name another "
            "file with --to."
        )
    named = [place for place, other in enumerate(entries) if other.get("name") == entry["name"]]
    places = named or ([0] if len(entries) == 1 else [])
    if not places:
        return [*entries, entry]
    place = places[0]
    results = _renewed(entries[place]["results"], entry["results"])
    return [*entries[:place], {**entries[place], "results": results}, *entries[place + 1 :]]


def _renewed(old: list[Any], new: list[Entry]) -> list[Any]:
    left = {_key(result): result for result in new}
    renewed = set(left)
    results: list[Any] = []
    for result in old:
        key = _key(result)
        if not (_is_ours(result) and key in renewed):
            results.append(result)
        elif key in left:  # of several that are the same, one remains
            results.append(left.pop(key))
    return [*results, *left.values()]


def _is_entry(other: Any) -> bool:
    return isinstance(other, dict) and isinstance(other.get("results"), list)


def _key(result: Any) -> tuple[Any, ...]:
    task, data = (_part(result, name) for name in ("task", "dataset"))
    return task.get("type"), data.get("type"), data.get("config")


def _is_ours(result: Any) -> bool:
    args = _part(result, "dataset").get("args")
    return isinstance(args, dict) and MARK in args


def _part(result: Any, name: str) -> Entry:
    part = result.get(name) if isinstance(result, dict) else None
    return part if isinstance(part, dict) else {}


# Headline numbers as evaluation results of a Hugging Face model card.


KEY = "model-index"


def export_hugging_face(handover: Handover) -> list[str]:
    """See `Exporter`."""
    if len(handover.models) != 1:
        raise VitobenchError(
            f"A model card describes one model; name it with --model. The store has: {', '.join(handover.models)}."
        )
    (model,) = handover.models
    entry = entry_of(handover.outcome.data, model)
    count = sum(len(result["metrics"]) for result in entry["results"])
    if not count:
        raise VitobenchError(f"{model} has no headline number with a value, so there is nothing to put on a card.")
    data = handover.outcome.data.of([model])
    absent = [f"Left out: {line}" for line in hole_lines(headline_rows(data), data.undefined)]
    what = f"{count} headline numbers of {model}"
    path = Path(handover.to)
    if handover.to == SCREEN or path.suffix in (".yaml", ".yml"):
        return [*put(handover, dump({KEY: [entry]}), what), *absent]
    if path.suffix.lower() != ".md":
        raise VitobenchError(
            f"--to {path}: the name must end in .md for a card, or in .yaml for the metadata block alone."
        )
    try:
        # By bytes: reading as text would make one kind of line ending of all.
        text = path.read_bytes().decode() if path.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}.") from None
    index = merged(read_front(text, str(path)).get(KEY), entry, str(path))
    card = with_key(text, KEY, index, str(path))
    return [*put(handover, card, f"{what}, {'merged into' if text else 'a new card'}"), *absent]
