"""``bench data``: list, download and verify published data sets."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...files import home_path, json_text
from ...terminal import echo, open_console
from .listings import print_rows
from .options import quiet_option

if TYPE_CHECKING:
    from ...tasks.download.publication import Publication, RemoteFile

ASK_ABOVE = 1_000_000_000
"""Downloads of more bytes than this need a confirmation."""

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


def _complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    from ...tasks.datasets.registry import PUBLICATIONS

    return [name for name in PUBLICATIONS if name.startswith(incomplete)]


@click.group("data")
def data_command() -> None:
    """List, download and verify published data sets.

    \b
    bench data list
    bench data get imagenet-a imagenet-r --to data
    bench data get imagenet-c --only noise.tar --yes
    bench data verify imagenet-c data

    Exit codes: 0 everything requested is there, 2 wrong usage, 3 something is missing or damaged.
    """


@data_command.command("list")
@_JSON
def list_command(as_json: bool) -> None:
    """List the published data sets with size, licence and checksums."""
    from ...tasks.datasets.registry import PUBLICATIONS, download_in_words
    from ...tasks.download.publication import LICENCES

    rows: list[dict[str, Any]] = []
    for publication in PUBLICATIONS.values():
        facts = publication.publication_facts()
        if not as_json:
            facts["download"] = download_in_words(publication)
        rows.append(facts)
    licences = {publication.licence for publication in PUBLICATIONS.values()}
    footer = [f"{name}: {where}" for name, where in LICENCES.items() if name in licences]
    print_rows(rows, ("name", "download", "licence", "checksums", "page"), as_json, footer)


@data_command.command("get")
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=_complete)
@click.option(
    "--to",
    "root",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    default="data",
    show_default=True,
    help="Target folder: archives go into DIR/archives/NAME, data into DIR/NAME.",
)
@click.option("--only", multiple=True, metavar="FILE", help="Download only this file of the data set. Repeatable.")
@click.option("--remove-archives", is_flag=True, help="Delete each archive after unpacking it.")
@click.option("--yes", is_flag=True, help="Start large downloads without asking.")
@quiet_option
def get_command(
    names: tuple[str, ...], root: Path, only: tuple[str, ...], remove_archives: bool, yes: bool, quiet: bool
) -> None:
    """Download published data sets, check them and unpack them.

    Repeat the command to resume an interrupted download. If you already have an archive, put it where the download
    would go: it is then checked and unpacked.
    """
    from ...errors import VitobenchError
    from ...tasks.datasets.registry import get_publication
    from ...tasks.download.get import chosen_files, get

    publications = [get_publication(name) for name in dict.fromkeys(names)]
    if only and len(publications) > 1:
        raise click.UsageError("--only works with a single data set; name just one.")
    if not only:
        everything = dict.fromkeys(
            name for publication in publications for name in (publication.name, *publication.along)
        )
        publications = [get_publication(name) for name in everything]
    downloads = [(publication, chosen_files(publication, only)) for publication in publications]
    root = home_path(root)
    _announce(downloads, root, yes, quiet)
    failed = False
    for publication, files in downloads:
        try:
            place = get(publication, files, root, _bars(quiet), remove_archives)
        except VitobenchError as error:
            echo(f"{publication.name}: {error}", err=True)
            failed = True
            continue
        echo(f"{publication.title} is there: {_usage(publication, place)}")
    if failed:
        sys.exit(3)


@data_command.command("verify")
@click.argument("name", shell_complete=_complete)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, exists=True, file_okay=False))
@_JSON
@quiet_option
def verify_command(name: str, folder: Path, as_json: bool, quiet: bool) -> None:
    """Compare DIR with the published data set: archives by checksum, folders by their number of images.

    DIR is the folder you gave to `bench data get --to`, or the data folder itself.
    """
    from ...tasks.datasets.registry import get_publication
    from ...tasks.download.get import verify

    publication = get_publication(name)
    with _bars(quiet or as_json)("Verifying") as progress:
        verification = verify(publication, folder, progress)
    if as_json:
        echo(json_text(verification))
    elif verification.problems:
        print_rows([asdict(problem) for problem in verification.problems], ("kind", "where", "reason"), False)
    elif not quiet:
        counts = f"{verification.archives} archives, {verification.folders} folders, {verification.images:,} images"
        echo(f"{publication.title} is complete: {counts} in {verification.folder}.")
    if verification.unchecked and not as_json and not quiet:
        echo(f"Not checked, because no size or checksum is published: {', '.join(verification.unchecked)}.")
    if verification.problems:
        sys.exit(3)


def _announce(
    downloads: Sequence[tuple[Publication, Sequence[RemoteFile]]], root: Path, yes: bool, quiet: bool
) -> None:
    """Print what will be downloaded and its licence; ask for confirmation if it is large."""
    from ...tasks.download.get import missing_bytes
    from ...tasks.download.publication import LICENCES, readable_size

    sizes: list[int | None] = []
    for publication, files in downloads:
        if publication.gated:
            continue
        size = missing_bytes(publication, files, root)
        sizes.append(size)
        if not quiet:
            how_much = "a download of unpublished size" if size is None else f"{readable_size(size)} to download"
            echo(f"{publication.title}: {how_much} from {publication.page}")
            echo(f"  licence: {publication.licence} ({LICENCES[publication.licence]})")
            if publication.notes:
                echo(f"  {publication.notes}")
    total = sum(size or 0 for size in sizes)
    if yes or (total <= ASK_ABOVE and None not in sizes):
        return
    if not sys.stdin.isatty():
        raise click.UsageError("The download is large, or its size is not published; add --yes to start it.")
    if not click.confirm("Download?"):
        echo("Nothing was downloaded.", err=True)
        sys.exit(3)


def _bars(quiet: bool) -> Any:
    from ..progress import counting

    def open_bar(title: str) -> AbstractContextManager[Any]:
        if quiet:
            return counting(None, title)

        return counting(open_console(err=True), title)

    return open_bar


def _usage(publication: Publication, place: Path) -> str:
    from ...tasks.datasets.registry import publication_of
    from ...tasks.opening import USER_DATA

    homes = {name: publication_of(name) for name in USER_DATA}
    options = [f"--data {name}={place / at[1]}" for name, at in homes.items() if at and at[0] == publication.name]
    if options:
        return f"use it with {' '.join(options)}"
    return f"{place} (no task of this version reads it yet)"
