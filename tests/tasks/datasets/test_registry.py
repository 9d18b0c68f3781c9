"""The records of the published sets against themselves and against the documentation."""

from __future__ import annotations

import hashlib
import importlib.util
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from vitobench.errors import UnknownNameError
from vitobench.tasks import kinds
from vitobench.tasks.alignment.experiments import ALIGNMENT_SETS, MICRO_ALIGNMENT_SETS
from vitobench.tasks.answer_spaces import answer_space
from vitobench.tasks.corruptions import CORRUPTIONS
from vitobench.tasks.datasets.record import ClassFolderForm
from vitobench.tasks.datasets.registry import (
    DATA_SET_TASKS,
    DATA_SETS,
    PUBLICATIONS,
    PUBLISHED,
    get_publication,
    markdown_table,
    publication_of,
)
from vitobench.tasks.download.publication import LICENCES, Publication, RemoteFile, readable_size
from vitobench.tasks.microworld.sets import FRAMES
from vitobench.tasks.opening import USER_DATA, folders_of
from vitobench.tasks.registry import TASKS

DOCS = Path(__file__).parents[3] / "docs"
EVERY = list(PUBLICATIONS.values())
OF_FEATURES = tuple(dict.fromkeys(task.kind for task in DATA_SET_TASKS if task.protocol is not None))


def test_names_are_unique_and_what_users_bring_is_among_them() -> None:
    assert len(PUBLICATIONS) == 48
    assert len({*PUBLICATIONS, *PUBLISHED}) == 58
    rendered = [name for name in DATA_SETS if name.startswith("microworld/")]
    stimuli = [name for name in DATA_SETS if name.startswith("model-vs-human/")]
    listed = [name for name in DATA_SETS if name.startswith("openood/")]
    assert (len(rendered), len(stimuli), len(listed)) == (19 + len(MICRO_ALIGNMENT_SETS), len(ALIGNMENT_SETS), 5)
    parts = {"imagenet-with-depth", "imagenet-a-clean", "imagenet-r-clean", "laion-c-clean", "imagenet-x-multi"}
    parts |= {"imagenet-with-train", "imagenet-low-shot"}
    assert set(DATA_SETS) == {*PUBLICATIONS, *PUBLISHED, *rendered, *stimuli, *listed, *parts}
    brought = {name: publication_of(name) for name in USER_DATA}
    # Made by the user, or several downloads in one folder.
    alone = ["imagenet-depth", "imagenet-train", "imagenet-subsets", "transfer"]
    assert [name for name, found in brought.items() if found is None] == alone
    assert {found[0] for found in brought.values() if found} <= set(PUBLICATIONS)
    for name, folder in (found for found in brought.values() if found and found[1]):
        assert folder in {f.path for f in PUBLICATIONS[name].folders}


@pytest.mark.parametrize("publication", EVERY, ids=lambda p: p.name)
def test_every_entry_is_complete_and_safe(publication: Publication) -> None:
    assert re.fullmatch(r"[a-z0-9-]+", publication.name)
    assert publication.licence in LICENCES
    assert publication.citation
    assert urlsplit(publication.page).scheme == "https"
    assert bool(publication.files) != publication.gated
    assert publication.notes or not publication.gated
    assert publication.folders or publication.required or publication.name in ("imagenet-p", "imagenet-vid-robust")
    assert len({file.name for file in publication.files}) == len(publication.files)
    paths = [publication.unpacks_to, *(f.path for f in publication.folders), *publication.required]
    for path in paths:
        assert not path.startswith("/")
        assert ".." not in path
    for file in publication.files:
        assert urlsplit(file.url).scheme == "https"
        assert urlsplit(file.url).hostname
        assert re.fullmatch(r"[\w.-]+", file.name)
        assert file.size is None or file.size > 0
        assert file.md5 is None or re.fullmatch(r"[0-9a-f]{32}", file.md5)
        assert file.sha256 is None or re.fullmatch(r"[0-9a-f]{64}", file.sha256)


def test_no_two_files_share_a_checksum() -> None:
    found = [s for p in EVERY for file in p.files for s in (file.md5, file.sha256) if s is not None]
    assert len(found) == len(set(found)) > 15


def test_plain_tar_archives_have_sizes_of_whole_blocks() -> None:
    # A typing error in a size would refuse a good file. All but ImageNet-C's are whole tar records of 10,240 bytes.
    sizes = {file.name: file.size for p in EVERY for file in p.files if file.name.endswith(".tar") and file.size}
    assert {name for name, size in sizes.items() if size % 512} <= {"noise.tar", "blur.tar", "weather.tar"}
    assert len(sizes) > 5


def test_real_labels_are_those_that_timm_brings() -> None:
    timm = importlib.util.find_spec("timm")  # found, not imported: that takes seconds
    assert timm is not None
    assert timm.origin is not None
    path = Path(timm.origin).parent / "data" / "_info" / "imagenet_real_labels.json"
    (file,) = PUBLICATIONS["imagenet-real"].files
    assert (path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest()) == (file.size, file.sha256)


def test_the_conditions_of_imagenet_c_are_those_of_the_corruptions_here() -> None:
    paths = [folder.path for folder in PUBLICATIONS["imagenet-c"].folders]
    assert len(paths) == 19 * 5
    assert {f"{name}/{severity}" for name in CORRUPTIONS for severity in range(1, 6)} <= set(paths)


def test_the_stimuli_of_model_vs_human_are_as_many_as_its_paper_says() -> None:
    assert sum(folder.images or 0 for folder in PUBLICATIONS["model-vs-human"].folders) == 18_080


def test_the_documentation_has_the_table() -> None:
    page = (DOCS / "data.md").read_text(encoding="utf-8")
    assert markdown_table() in page, "docs/data.md has another table than datasets.registry.markdown_table()"


def test_the_page_on_robustness_says_what_the_records_say() -> None:
    page = (DOCS / "robustness.md").read_text(encoding="utf-8")
    rows = [line.split(" | ") for line in page.partition("## Micro-world")[0].splitlines() if line.startswith("| `")]
    words = re.findall(r"`([^`]+)`", " ".join(cell for row in rows for cell in row))
    saliency, similarity, unseen, features = (
        (DOCS / f"{name}.md").read_text(encoding="utf-8")
        for name in ("saliency", "similarity", "unseen", "understanding")
    )
    others = (
        ((kinds.SALIENCY,), saliency),
        ((kinds.ODD_ONE_OUT, kinds.TWO_ALTERNATIVES), similarity),
        ((kinds.UNSEEN, kinds.FULL_SPECTRUM), unseen),
        (OF_FEATURES, features),
    )
    for task in DATA_SET_TASKS:
        own = next((text for kinds_of, text in others if task.kind in kinds_of), None)
        if own is not None:
            assert f"`{task.name}`" in own
            assert str(task.images or "") in own or task.maps is not None
            continue
        if task.world == "microworld" or task.kind.together:
            continue
        # A row may leave out what the names in it have in common: `-threshold-0.7`.
        assert task.name in words or any(w.startswith("-") and task.name.endswith(w) for w in words), task.name
        for row in (row for row in rows if f"`{task.name}`" in row[0]):
            for folder in folders_of(task.dataset):
                assert f"`{folder}`" in row[1] or (row[1].startswith("the same") and folder == task.name), task.name
    for name in PUBLISHED:
        assert f"`{name}`" in page + saliency + similarity + features or name.startswith("imagenet-v2-"), name
    protocol = {row[0].split("`")[1]: row[2] for row in rows}
    objectnet = PUBLISHED["objectnet"].form
    assert isinstance(objectnet, ClassFolderForm)
    assert f"{len(objectnet.classes())} shared classes" in protocol["objectnet"]
    assert f"{objectnet.border} pixels are cut off each side" in protocol["objectnet"]
    for name in ("imagenet-a", "imagenet-r"):  # which share a row
        assert f"among the set's {answer_space(name).size} classes" in protocol["imagenet-a"]
    for name, word in (
        ("imagenet-c", "corruptions"), ("imagenet-c-bar", "corruptions"), ("imagenet-3dcc", "corruptions"),
        ("imagenet-p", "perturbations"),
    ):  # fmt: skip
        names = {
            condition.name
            for condition in TASKS[name].conditions
            if condition.name not in TASKS[name].families.get("extra", ())
        }
        assert f"{len(names)} {word}" in protocol[name]
    sizes = " and ".join(str(answer_space(name).size) for name in ("imagenet-vid", "ytbb"))
    assert f"{sizes} classes" in protocol["imagenet-vid-robust"]


def test_the_page_on_robustness_says_how_large_the_micro_world_tasks_are() -> None:
    page = (DOCS / "robustness.md").read_text(encoding="utf-8").partition("## Micro-world")[2].partition("\n## ")[0]
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| `")]
    micro = [task for task in DATA_SET_TASKS if task.world == "microworld" and not task.kind.together]
    elsewhere = (
        kinds.SALIENCY,
        kinds.ODD_ONE_OUT,
        kinds.TWO_ALTERNATIVES,
        kinds.UNSEEN,
        kinds.FULL_SPECTRUM,
        *OF_FEATURES,
    )
    tasks = [task for task in micro if task.kind not in elsewhere]  # their pages have the others
    for task in tasks:
        (row,) = (
            row
            for row in rows
            if f"`{task.name}`" in row[0] or any(task.name == f"micro{w}" for w in re.findall(r"`(-[^`]+)`", row[0]))
        )
        size = f"{task.images:,}"
        if task.kind is kinds.VIDEO:
            size = f"{(task.images or 0) // FRAMES} clips × {FRAMES} frames"
        elif len(task.conditions) > 1:
            size += f" × {len(task.conditions)}"
        assert row[1].removesuffix(" |").removesuffix(" each") == size, task.name
    assert len(tasks) == 12


def test_unknown_names_are_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'imagenet-a'"):
        get_publication("imagenet-aa")


def test_sums_and_words() -> None:
    known = RemoteFile("https://a.org/a.tar", "a.tar", 1000, md5="0" * 32)
    bare = RemoteFile("https://a.org/b.zip", "b.zip")
    facts = {"name": "x", "title": "X", "page": "https://a.org", "licence": "MIT", "citation": "X"}
    assert Publication(files=(known, known), **facts).size_bytes == 2000
    assert Publication(files=(known, bare), **facts).size_bytes is None
    assert Publication(files=(known, bare), **facts).checksums == "md5 for 1 of 2 files"
    assert Publication(files=(bare,), **facts).checksums == "no checksum published"
    assert Publication(files=(), **facts).size_bytes is None
    assert RemoteFile("u", "n", md5="m", sha256="s").checksum == ("sha256", "s")
    assert [readable_size(n) for n in (None, 999, 1000, 22_565_673_785)] == [
        "not published", "999 bytes", "1.0 kB", "22.6 GB"
    ]  # fmt: skip
