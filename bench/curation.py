"""Curate a collection of videos: choose source, classes and classifier, run the stages, write the results."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DataError, VitobenchError
from ..files import home_path
from ..models.pretraining.curation.settings import CurationSettings
from ..text import utf8

if TYPE_CHECKING:
    from rich.console import Console

    from ..models.model import Model
    from ..models.pretraining.curation.curate import Curation, Stage
    from ..models.pretraining.curation.queries import QueryClass
    from ..models.pretraining.curation.sources import Source
    from ..reports.page.html import ShownClip

MICROWORLD = "microworld"
"""A source: the micro-world, skewed and mislabelled."""


@dataclass(frozen=True)
class CurationJob:
    """The options of a curation.

    Attributes:
        source: Folder or CSV file of videos, or `MICROWORLD`.
        output: Folder for manifest, page, summary and evidence.
        classes: A list's name or a CSV file; None takes those of the classifier.
        model: Name of the classifier; None takes efficientnet-lite0, for the micro-world the shipped ``supervised``.
        against: Folder of evaluation images that no clip may look like.
        settings: All other choices.
        clips: Clips of the micro-world's source.
        device: As for runs.
        batch: Frames per forward pass.
        shown: Most clips of each verdict on the page.
    """

    source: str
    output: Path
    classes: str | None = None
    model: str | None = None
    against: Path | None = None
    settings: CurationSettings = field(default_factory=CurationSettings)
    clips: int = 1000
    device: str = "auto"
    batch: int = 50
    shown: int = 36


@dataclass(frozen=True)
class Curated:
    """The result of a curation.

    Attributes:
        summary: As in ``summary.json``.
        manifest: The file.
        page: The file.
        examined: Videos that were looked at in this run.
    """

    summary: dict[str, Any]
    manifest: Path
    page: Path
    examined: int


def run_curation(job: CurationJob, console: Console | None = None) -> Curated:
    """Curate a collection; a run that was interrupted, or that has other thresholds, reuses stored evidence.

    Args:
        job: The options.
        console: Where to show progress; None is silent.

    Raises:
        VitobenchError: Wrong settings, no such source, classes or model, or an output that cannot be written.
    """
    from ..files import write_file
    from ..models.pretraining.curation.curate import curate
    from ..models.pretraining.curation.duplicates import EvaluationImages, hash_evaluation_images
    from ..models.pretraining.curation.manifest import plain_row, summarise
    from ..models.pretraining.curation.queries import load_queries
    from ..models.registry import resolve
    from ..reports.page.html import write_curation_page
    from ..tasks.images.walking import left_out_of

    micro = job.source == MICROWORLD
    spec = resolve(job.model or ("supervised" if micro else "efficientnet-lite0"))
    labels = _labels(spec.label_space)
    queries = load_queries(job.classes or spec.label_space, spec.label_space, len(labels))
    source = _source(job)
    with _stages(console) as stage:
        images = EvaluationImages({}, 0)
        if job.against is not None:
            images = hash_evaluation_images(
                job.against,
                job.output / "evaluation-hashes.jsonl",
                lambda done, total: stage("Hashing evaluation images", done, total, ""),
            )
        curation = curate(
            source,
            queries,
            lambda: _load(spec.name, job.device),
            spec.identity,
            job.settings,
            images.hashes,
            job.output,
            stage,
            job.batch,
        )
        rows = curation.decisions.rows
        top_k = job.settings.top_k
        lines = [json.dumps(plain_row(r, queries, labels, top_k), ensure_ascii=False) + "\n" for r in rows]
        summary = {
            "source": source.name,
            "classifier": spec.identity,
            "classes_from": job.classes or spec.label_space,
            "against": None if job.against is None else str(job.against),
            "evaluation_images": len(images.hashes),
            "evaluation_images_unreadable": images.unreadable,
            "left_out": {
                name: record
                for name, record in (
                    ("source", left_out_of(source).record("the source")),
                    ("against", images.left_out.record("the evaluation images")),
                )
                if record
            },
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            **summarise(curation.decisions, queries, job.settings),
        }
        clips = _shown(source, curation, queries, labels, job, stage)
    manifest, page = job.output / "manifest.jsonl", job.output / "report.html"
    write_file(manifest, utf8("".join(lines)))
    write_file(job.output / "summary.json", utf8(json.dumps(summary, indent=1, ensure_ascii=False) + "\n"))
    write_curation_page(summary, clips, page)
    return Curated(summary, manifest, page, curation.examined)


def _labels(label_space: str) -> Sequence[str]:
    from ..tasks.images.classes import imagenet_names
    from ..tasks.microworld.vocabulary import CLASSES

    if label_space == "imagenet-1k":
        return imagenet_names()
    if label_space == "microworld-16":
        return CLASSES
    raise VitobenchError(f"The names of this model's classes ({label_space}) are not known; choose another --model.")


def _source(job: CurationJob) -> Source:
    if job.source == MICROWORLD:
        from ..models.pretraining.curation.sources import MicroSource

        if job.settings.clip_seconds < 2.56:
            raise DataError(
                "The micro-world's clips last 2.56 s and are not cut; leave --clip-seconds at 2.56 or more."
            )
        return MicroSource(job.clips, job.settings.seed)
    from ..models.pretraining.curation.sources import FolderSource

    return FolderSource(home_path(job.source))


def _load(name: str, device: str) -> Model:
    from ..models.registry import load
    from .engine.executors import choose_device

    return load(name).to(choose_device(device))


def _shown(
    source: Source,
    curation: Curation,
    queries: Sequence[QueryClass],
    labels: Sequence[str],
    job: CurationJob,
    stage: Stage,
) -> list[ShownClip]:
    from ..models.pretraining.curation.manifest import choose_shown, thumbnail
    from ..reports.page.html import ShownClip

    chosen = choose_shown(curation.decisions.rows, job.shown)
    clips = []
    for number, row in enumerate(chosen, start=1):
        answers = row.evidence.answers if row.evidence else ()
        first = answers[len(answers) // 2] if answers else None
        title = row.seen.video.metadata.get("title", "")
        clips.append(
            ShownClip(
                clip=row.clip_id,
                title=title if isinstance(title, str) else ", ".join(title),
                reason=row.reason.value,
                kept=row.kept,
                named=queries[row.query].name if row.query is not None else "",
                answer=labels[first.labels[0]] if first else "",
                confidence=first.confidences[0] if first else 0.0,
                duplicate_of=row.duplicate_of,
                problem=row.problem,
                picture=thumbnail(
                    source, row, job.output / "thumbnails", curation.contents.get(row.seen.video.path, "")
                ),
            )
        )
        stage("Contact sheet", number, len(chosen), "")
    return clips


@contextmanager
def _stages(console: Console | None) -> Iterator[Stage]:
    """A bar for each stage in turn; a stage starts with its first report."""
    from .progress import bar

    opened: dict[str, Any] = {}

    def close() -> None:
        if opened:
            opened.pop("manager").__exit__(None, None, None)
            opened.clear()

    def stage(title: str, done: int, total: int, what: str) -> None:
        if opened.get("title") != title:
            close()
            manager = bar(console, title, total)
            opened.update(title=title, manager=manager, advance=manager.__enter__(), done=0)
        opened["advance"](done - opened["done"], what)
        opened["done"] = done

    try:
        yield stage
    finally:
        close()
