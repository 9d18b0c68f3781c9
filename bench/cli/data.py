"""``bench data``: list, download and verify published data sets; find and name folders of them."""

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
    from ...tasks.datasets.recognition import Recognised
    from ...tasks.download.publication import Publication, RemoteFile

ASK_ABOVE = 1_000_000_000
"""Downloads of more bytes than this need a confirmation."""

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


def _complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    from ...tasks.datasets.registry import PUBLICATIONS

    return [name for name in PUBLICATIONS if name.startswith(incomplete)]


def _complete_folders(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    from ...tasks.opening import USER_DATA

    return [name for name in USER_DATA if name.startswith(incomplete)]


_HERE = click.option("--here", is_flag=True, help="Write vitobench.toml in the working folder, not the user's.")


@click.group("data")
def data_command() -> None:
    """Find, name, list, download and verify data sets.

    \b
    bench data scan /data --add
    bench data add imagenet /data/imagenet/val
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
    show_default="the configured data_root, or data",
    help="Target folder: archives go into DIR/archives/NAME, data into DIR/NAME.",
)
@click.option("--only", multiple=True, metavar="FILE", help="Download only this file of the data set. Repeatable.")
@click.option("--remove-archives", is_flag=True, help="Delete each archive after unpacking it.")
@click.option("--yes", is_flag=True, help="Start large downloads without asking.")
@quiet_option
def get_command(
    names: tuple[str, ...], root: Path | None, only: tuple[str, ...], remove_archives: bool, yes: bool, quiet: bool
) -> None:
    """Download published data sets, check them and unpack them.

    Repeat the command to resume an interrupted download. If you already have an archive, put it where the download
    would go: it is then checked and unpacked.
    """
    from ...errors import VitobenchError
    from ...tasks.datasets.registry import get_publication
    from ...tasks.download.get import chosen_files, get
    from .. import configuration

    publications = [get_publication(name) for name in dict.fromkeys(names)]
    if only and len(publications) > 1:
        raise click.UsageError("--only works with a single data set; name just one.")
    if not only:
        everything = dict.fromkeys(
            name for publication in publications for name in (publication.name, *publication.along)
        )
        publications = [get_publication(name) for name in everything]
    downloads = [(publication, chosen_files(publication, only)) for publication in publications]
    root = home_path(root) if root is not None else configuration.data_root(Path("data"))
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
    elif not quiet and not (verification.archives or verification.folders):
        lists = f": {', '.join(publication.required)}" if publication.required else ""
        echo(f"{publication.title}: what must be in {verification.folder} is there{lists}.")
        echo("Images were not counted: vitobench does not know how many there should be.")
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


# ``bench data add`` and ``scan``.


@data_command.command("add")
@click.argument("name", shell_complete=_complete_folders)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, exists=True, file_okay=False))
@_HERE
@click.option(
    "--labels",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Classes of ImageNet's validation images, if they are in one flat folder; see docs/data.md.",
)
@click.option(
    "--links",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="With --labels: the folder to make, with a link to each image; DIR-sorted by default.",
)
@quiet_option
def add_command(name: str, folder: Path, here: bool, labels: Path | None, links: Path | None, quiet: bool) -> None:
    """Name a folder of a data set for every later command, instead of --data NAME=DIR.

    Writes one line of the user's vitobench.toml (VITOBENCH_CONFIG names another file) and leaves its other lines as
    they are. DIR must have the form of the data set; its images are not read.

    \b
    bench data add imagenet /data/imagenet/val
    bench data add imagenet /data/ILSVRC2012_img_val --labels LOC_val_solution.csv
    """
    from ...errors import DataError, unknown_name
    from ...tasks.opening import USER_DATA, expected_form
    from ...tasks.scanning import read_as
    from .. import configuration

    if name not in USER_DATA:
        raise unknown_name("data set", name, USER_DATA, "`bench data list` describes them.")
    if links is not None and labels is None:
        raise click.UsageError("--links needs --labels FILE, the classes of the images.")
    file = configuration.file_to_write(here)
    recognised = read_as(folder, name)
    if recognised is not None and recognised.flat:
        folder = _sort(folder, labels, links, quiet)
    elif labels is not None:
        raise click.UsageError(f"--labels is for validation images in one flat folder, and {folder} is none.")
    elif recognised is None:
        raise DataError(f"{folder} does not look like {name}. {expected_form(name, folder)}")
    configuration.add_folders(file, {name: folder})
    if not quiet:
        echo(f"{name} = {folder.absolute()} is written to {file}.")
    effective = configuration.data_folders({})
    if effective.paths[name].absolute() != folder.absolute():
        echo(f"Note: {effective.origins[name]} names {effective.paths[name]}, which goes before it.", err=True)


def _sort(folder: Path, labels: Path | None, links: Path | None, quiet: bool) -> Path:
    """Make a sorted folder of links to the images of a flat one."""
    from ...errors import DataError
    from ...tasks.images.sorting import FORMS, read_labels, sort_by_links

    if labels is None:
        raise DataError(
            f"{folder} holds ImageNet's validation images in one flat folder, whose names do not tell the class. Add "
            f"--labels FILE with the classes: {FORMS}. A folder of links is then made; the images stay where they are."
        )
    to = links if links is not None else folder.absolute().with_name(f"{folder.absolute().name}-sorted")
    with _bars(quiet)("Linking") as progress:
        count = sort_by_links(folder, read_labels(labels), to, progress)
    if not quiet:
        echo(f"{count:,} images are linked by class in {to}.")
    return to


@data_command.command("scan")
@click.argument("root", required=False, metavar="[ROOT]", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--add", is_flag=True, help="Write the new folders to the configuration, as `bench data add` does.")
@_HERE
@_JSON
@quiet_option
def scan_command(root: Path | None, add: bool, here: bool, as_json: bool, quiet: bool) -> None:
    """Look below ROOT for data sets that vitobench knows, by the names of folders and files.

    Without ROOT, looks in VITOBENCH_DATA or the configured data_root. No image is read, and nothing is changed unless
    you give --add, which adds what can be no other data set and has no folder yet.

    \b
    bench data scan /data
    bench data scan /data --add
    """
    from ...tasks.scanning import scan
    from .. import configuration

    if root is None:
        root = configuration.data_root(Path())
        if root == Path():
            variable = configuration.ROOT_VARIABLE
            raise click.UsageError(f"Name the folder to look in: bench data scan ROOT; {variable}=ROOT is the default.")
    with _bars(quiet or as_json)("Looking") as progress:
        recognised = scan(root.absolute(), progress)
    known = configuration.data_folders({}, with_gone=False)
    rows = [_scanned(one, recognised, known) for one in recognised]
    new = {row["name"]: Path(row["folder"]) for row in rows if row["state"] == _NEW}
    file = configuration.file_to_write(here)
    if add and new:
        configuration.add_folders(file, new)
        for row in rows:
            row["state"] = "added" if row["state"] == _NEW else row["state"]
    footer = [f"{row['name']}: {row['note']}" for row in rows if row["note"]]
    if not rows:
        footer = [f"No known data set below {root}. `bench data list` says where each is published."]
    elif add:
        footer.append(f"{len(new)} added to {file}." if new else "Nothing was added.")
    elif new:
        footer.append(f"Add {'them' if len(new) > 1 else 'it'} with: bench data scan {root} --add")
    if as_json:
        print_rows(rows, (), True)
    elif rows and not quiet:
        print_rows(rows, ("name", "folder", "state", "recognised_by"), False, footer)
    elif not quiet:
        echo(footer[0])


_NEW = "new"


def _scanned(one: Recognised, recognised: Sequence[Recognised], known: Any) -> dict[str, Any]:
    """A row of `bench data scan`: a folder, what it is, and whether it is or can be added."""
    same = {other.folder for other in recognised if other.name == one.name and other.certain and not other.flat}
    add = f"bench data add {one.name} {one.folder}"
    state, note = _NEW, ""
    if one.name in known.paths and known.paths[one.name].resolve() == one.folder.resolve():
        state, note = "in use", f"named by {known.origins[one.name]}"
    elif one.flat:
        state, note = "not sorted", f"{add} --labels FILE"
    elif not one.certain:
        state, note = "uncertain", f"other sets look like this; if it is {one.name}: {add}"
    elif one.name in known.paths:
        state, note = "another in use", f"{known.origins[one.name]} names {known.paths[one.name]}; to change it: {add}"
    elif len(same) > 1:
        state, note = f"one of {len(same)}", f"to choose it: {add}"
    return {
        "name": one.name,
        "folder": str(one.folder),
        "state": state,
        "recognised_by": one.why,
        "certain": one.certain,
        "note": note,
    }
