"""``bench curate``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from ...models.pretraining.curation.settings import FIELDS, MAX_HASH_DISTANCE, CurationSettings
from ...terminal import echo, open_console
from ..curation import MICROWORLD, CurationJob
from .options import device_option

_DEFAULT = CurationSettings()


def _fields(ctx: click.Context, param: click.Parameter, value: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in value.split(",") if name.strip())


@click.command("curate")
@click.argument("source", required=False)
@click.option("--source", "named_source", help=f"Same as SOURCE; '{MICROWORLD}' generates a skewed, noisy micro-world.")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder for the manifest, the HTML page and the evidence.",
)
@click.option(
    "--classes", help="imagenet-1k, entry-level-16, imagenet-vid-30, ytbb-19 or a CSV file: name,synonyms,members."
)
@click.option("--model", help="Classifier; efficientnet-lite0 by default, 'supervised' for the micro-world.")
@click.option(
    "--fields",
    default=",".join(_DEFAULT.fields),
    show_default=True,
    callback=_fields,
    help=f"Metadata to search for class names: {', '.join(FIELDS)}.",
)
@click.option(
    "--clip-seconds", type=float, default=_DEFAULT.clip_seconds, show_default=True, help="Length of a clip, in seconds."
)
@click.option(
    "--shortest",
    "shortest_seconds",
    type=float,
    default=_DEFAULT.shortest_seconds,
    show_default=True,
    help="Drop a video's last clip if it is shorter than this, in seconds.",
)
@click.option("--frames", type=int, default=_DEFAULT.frames, show_default=True, help="Frames to classify in each clip.")
@click.option(
    "--top-k", type=int, help="The class must be among this many top predictions; 5 by default, 1 in the micro-world."
)
@click.option(
    "--agree",
    type=int,
    default=_DEFAULT.agree,
    show_default=True,
    help="The class must be found in at least this many frames.",
)
@click.option(
    "--confidence",
    type=float,
    default=_DEFAULT.confidence,
    show_default=True,
    help="The class must have at least this probability.",
)
@click.option(
    "--against",
    type=click.Path(path_type=Path),
    help="Folder of evaluation images; clips that look like one are dropped.",
)
@click.option(
    "--hash-distance",
    type=int,
    default=_DEFAULT.hash_distance,
    show_default=True,
    help=f"Hashes that differ in at most this many of 64 bits count as duplicates; 0 to {MAX_HASH_DISTANCE}.",
)
@click.option("--per-class", type=int, help="Maximum number of clips per class; the median over classes by default.")
@click.option(
    "--uncurated", is_flag=True, help="For ablations: keep the same number of clips, drawn at random from the source."
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    default=_DEFAULT.seed,
    show_default=True,
    help="Seed of --uncurated and of the micro-world.",
)
@click.option(
    "--clips",
    type=click.IntRange(min=1),
    default=CurationJob.clips,
    show_default=True,
    help="Number of clips that --source microworld generates.",
)
@device_option
@click.option(
    "--batch", type=click.IntRange(min=1), default=CurationJob.batch, show_default=True, help="Frames per forward pass."
)
@click.option(
    "--shown",
    type=click.IntRange(min=0),
    default=CurationJob.shown,
    show_default=True,
    help="Maximum number of clips to show per verdict on the page.",
)
@click.option("--quiet", is_flag=True, help="Show no progress and no table.")
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
    """Select balanced, confirmed, distinct clips from SOURCE.

    SOURCE is a folder of videos with sidecars (NAME.info.json, as yt-dlp writes them) or a CSV file with the columns
    path,title,tags. Writes manifest.jsonl, report.html and summary.json. Repeat the command to resume an interrupted
    run; if you change a threshold, classifier results are reused.
    """
    if (source is None) == (named_source is None):
        raise click.UsageError("Give exactly one source: a folder, a CSV file, or --source microworld.")
    source_name = source or named_source or ""
    default_top_k = 1 if source_name == MICROWORLD else _DEFAULT.top_k
    settings = CurationSettings(top_k=default_top_k if top_k is None else top_k, **choices)

    from ..curation import run_curation

    console = None if quiet else open_console()
    job = CurationJob(source_name, output, classes, model, against, settings, clips, device, batch, shown)
    curated = run_curation(job, console)
    summary = curated.summary
    if console is not None:
        from .listings import print_rows

        print_rows(summary["reasons"], ("reason", "clips", "meaning"), False)
        console.print(
            f"Kept {summary['kept']} of {summary['clips']} clips from {summary['videos']} videos, "
            f"{summary['classes_kept']} of {summary['classes_asked']} classes, at most {summary['cap']} per class; "
            f"this run examined {curated.examined} videos."
        )
        for record in summary["left_out"].values():
            if record["line"]:
                console.print(record["line"], style="yellow", soft_wrap=True, markup=False)
        if summary["metadata_problems"]:
            first = summary["metadata_problem_examples"][0]
            console.print(
                f"{summary['metadata_problems']} videos have no readable metadata, for example {first['video']}: "
                f"{first['problem']}.", soft_wrap=True, markup=False,
            )  # fmt: skip
        console.print(f"Manifest: {curated.manifest}\nPage: {curated.page}", soft_wrap=True)
    if not summary["kept"]:
        echo("No clip was kept; the page lists the reasons.", err=True)
        sys.exit(3)
