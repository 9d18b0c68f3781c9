"""``bench curate``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from ...models.pretraining.curation.settings import FIELDS, MAX_HASH_DISTANCE, CurationSettings
from ...terminal import echo, open_console
from ..curation import MICROWORLD, CurationJob

_DEFAULT = CurationSettings()


def _fields(ctx: click.Context, param: click.Parameter, value: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in value.split(",") if name.strip())


@click.command("curate")
@click.argument("source", required=False)
@click.option("--source", "named_source", help=f"As SOURCE; '{MICROWORLD}' is a skewed, noisy micro-world.")
@click.option(
    "--output", type=click.Path(path_type=Path), required=True, help="Folder for manifest, page and evidence."
)
@click.option(
    "--classes", help="imagenet-1k, entry-level-16, imagenet-vid-30, ytbb-19 or a CSV file: name,synonyms,members."
)
@click.option("--model", help="Classifier: efficientnet-lite0 by default, for the micro-world 'supervised'.")
@click.option(
    "--fields",
    default=",".join(_DEFAULT.fields),
    show_default=True,
    callback=_fields,
    help=f"Metadata to search for class names: {', '.join(FIELDS)}.",
)
@click.option("--clip-seconds", type=float, default=_DEFAULT.clip_seconds, show_default=True, help="Length of a clip.")
@click.option(
    "--shortest",
    "shortest_seconds",
    type=float,
    default=_DEFAULT.shortest_seconds,
    show_default=True,
    help="A last clip of fewer seconds is dropped.",
)
@click.option("--frames", type=int, default=_DEFAULT.frames, show_default=True, help="Frames looked at in each clip.")
@click.option("--top-k", type=int, help="The class has to be among so many first answers; 5, in the micro-world 1.")
@click.option("--agree", type=int, default=_DEFAULT.agree, show_default=True, help="On at least so many frames.")
@click.option(
    "--confidence", type=float, default=_DEFAULT.confidence, show_default=True, help="With at least this probability."
)
@click.option("--against", type=click.Path(path_type=Path), help="Folder of evaluation images that no clip may show.")
@click.option(
    "--hash-distance",
    type=int,
    default=_DEFAULT.hash_distance,
    show_default=True,
    help=f"Near-duplicates differ in at most so many of 64 bits, 0 to {MAX_HASH_DISTANCE}.",
)
@click.option("--per-class", type=int, help="Most clips of a class; by default the median over classes.")
@click.option("--uncurated", is_flag=True, help="The ablation: as many clips, at random from the source.")
@click.option(
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    default=_DEFAULT.seed,
    show_default=True,
    help="Of the ablation and the micro-world.",
)
@click.option(
    "--clips",
    type=click.IntRange(min=1),
    default=CurationJob.clips,
    show_default=True,
    help="Clips of the micro-world's source.",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:N or mps.")
@click.option(
    "--batch", type=click.IntRange(min=1), default=CurationJob.batch, show_default=True, help="Frames per forward pass."
)
@click.option(
    "--shown",
    type=click.IntRange(min=0),
    default=CurationJob.shown,
    show_default=True,
    help="Most clips of each verdict on the page.",
)
@click.option("--quiet", is_flag=True, help="No progress and no table.")
def curate_command(
    source: str | None,
    named_source: str | None,
    output: Path,
    classes: str | None,
    model: str | None,
    against: Path | None,
    top_k: int | None,
    clips: int,
    device: str,
    batch: int,
    shown: int,
    quiet: bool,
    **choices: Any,
) -> None:
    """Choose balanced, confirmed, distinct clips from SOURCE.

    SOURCE is a folder of videos with sidecars (NAME.info.json, as yt-dlp writes them) or a CSV file with the columns
    path,title,tags. Writes manifest.jsonl, report.html and summary.json. The same command goes on where an interrupted
    one was, and other thresholds use what was seen before.
    """
    if (source is None) == (named_source is None):
        raise click.UsageError("Name one source: a folder, a CSV file, or --source microworld.")
    chosen = source or named_source or ""
    usual = 1 if chosen == MICROWORLD else _DEFAULT.top_k
    settings = CurationSettings(top_k=usual if top_k is None else top_k, **choices)

    from ..curation import run_curation

    console = None if quiet else open_console()
    job = CurationJob(chosen, output, classes, model, against, settings, clips, device, batch, shown)
    done = run_curation(job, console)
    summary = done.summary
    if console is not None:
        from .listings import print_rows

        print_rows(summary["reasons"], ("reason", "clips", "meaning"), False)
        console.print(
            f"Kept {summary['kept']} of {summary['clips']} clips from {summary['videos']} videos, "
            f"{summary['classes_kept']} of {summary['classes_asked']} classes, at most {summary['cap']} a class; "
            f"{done.examined} videos looked at in this run."
        )
        for record in summary["left_out"].values():
            if record["line"]:
                console.print(record["line"], style="yellow", soft_wrap=True, markup=False)
        if summary["metadata_problems"]:
            first = summary["metadata_problem_examples"][0]
            console.print(
                f"{summary['metadata_problems']} videos have no readable metadata, for instance {first['video']}: "
                f"{first['problem']}.", soft_wrap=True, markup=False,
            )  # fmt: skip
        console.print(f"Manifest: {done.manifest}\nPage: {done.page}", soft_wrap=True)
    if not summary["kept"]:
        echo("No clip was kept; the reasons are in the page.", err=True)
        sys.exit(3)
