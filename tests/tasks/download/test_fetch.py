"""Downloads against a server on this machine."""

from __future__ import annotations

import errno
import gzip
import json
import random
import shutil
from collections import namedtuple
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from vitobench.errors import DataError
from vitobench.tasks.download import fetch as fetch_module
from vitobench.tasks.download import partial as partial_module
from vitobench.tasks.download import publication as checking
from vitobench.tasks.download.fetch import fetch as real_fetch
from vitobench.tasks.download.publication import RemoteFile

CONTENT = random.Random(0).randbytes(300_000)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_module, "CHUNK", 10_000)
    monkeypatch.setattr(checking, "CHUNK", 10_000)


def fetch(file: RemoteFile, target: Path, **more: Any) -> Path:
    return real_fetch(file, target, backoff=0.0, **more)


def beside(target: Path) -> list[str]:
    return sorted(p.name for p in target.parent.iterdir())


def interrupted(site: Any, file: RemoteFile, target: Path, at: int) -> None:
    """A first download that was killed after some bytes: Ctrl-C, for a process cannot be killed here."""
    seen = 0

    def stop(done: int, total: int) -> None:
        nonlocal seen
        seen = done
        if done >= at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(file, target, progress=stop)
    assert target.with_name(target.name + ".part").stat().st_size == seen >= at
    assert not target.exists()


def test_a_download_is_the_published_bytes_and_nothing_else(site: Any, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    target = tmp_path / "deep" / "a.tar"
    assert fetch(site.publish("a.tar", CONTENT), target, progress=lambda *x: told.append(x)) == target
    assert target.read_bytes() == CONTENT
    assert beside(target) == ["a.tar"]
    assert told[-1] == (300_000, 300_000)
    assert [done for done, _ in told] == sorted({done for done, _ in told})
    assert site.asked[0]["Accept-Encoding"] == "identity"


def test_what_is_there_is_checked_and_not_asked_for(site: Any, tmp_path: Path) -> None:
    target = tmp_path / "a.tar"
    file = site.publish("a.tar", CONTENT)
    target.write_bytes(CONTENT)
    fetch(file, target)
    assert site.asked == []


def test_a_wrong_file_that_is_there_is_named_and_kept(site: Any, tmp_path: Path) -> None:
    target = tmp_path / "a.tar"
    file = site.publish("a.tar", CONTENT)
    target.write_bytes(b"\0" + CONTENT[1:])
    with pytest.raises(DataError, match=r"a\.tar is not a\.tar as published: its sha256 is .* Remove it"):
        fetch(file, target)
    target.write_bytes(CONTENT[:-1])
    with pytest.raises(DataError, match="it has 299,999 bytes, but the published one has 300,000"):
        fetch(file, target)
    assert target.exists()


@pytest.mark.parametrize("tags", [{"etag": '"v1"'}, {"modified": "Mon, 01 Jan 2024 00:00:00 GMT"}, {"etag": 'W/"v1"'}])
def test_an_interrupted_download_goes_on(site: Any, tmp_path: Path, tags: dict[str, str]) -> None:
    target = tmp_path / "a.tar"
    file = site.publish("a.tar", CONTENT, **tags)
    interrupted(site, file, target, 100_000)
    fetch(file, target)
    assert target.read_bytes() == CONTENT
    assert site.ranges == ["", "bytes=100000-"]
    # A weak tag says nothing about bytes, so it may not be used as a condition.
    assert site.asked[1].get("If-Range") == (None if "W/" in str(tags) else next(iter(tags.values())))
    assert beside(target) == ["a.tar"]


def test_connections_that_break_are_taken_up_where_they_broke(site: Any, tmp_path: Path) -> None:
    file = site.publish("a.tar", CONTENT, etag='"v1"', cut=[50_000, 0, 120_000, 0, 0, None])
    target = fetch(file, tmp_path / "a.tar")
    assert target.read_bytes() == CONTENT
    assert len(site.asked) == 6
    assert site.ranges[1] == "bytes=50000-"
    assert site.ranges[-1] == "bytes=170000-"


def test_a_connection_that_breaks_often_but_gains_each_time_is_not_given_up(site: Any, tmp_path: Path) -> None:
    file = site.publish("a.tar", CONTENT, etag='"v1"', cut=[15_000] * 19)
    assert fetch(file, tmp_path / "a.tar").read_bytes() == CONTENT
    assert len(site.asked) == 20


def test_a_server_that_never_ends_is_not_followed(site: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = replace(site.publish("a.tar", CONTENT, length=False), size=20_000)
    sizes = []
    write = partial_module.Partial.write

    def watch(self: partial_module.Partial, data: bytes) -> None:
        write(self, data)
        sizes.append(self.size)

    monkeypatch.setattr(partial_module.Partial, "write", watch)
    with pytest.raises(DataError, match="the published one has 20,000"):
        fetch(file, tmp_path / "a.tar")
    assert max(sizes) <= 30_000


def test_a_connection_that_only_breaks_is_given_up_and_what_was_had_is_kept(site: Any, tmp_path: Path) -> None:
    file = site.publish("a.tar", CONTENT, etag='"v1"', cut=[50_000, *[0] * 50])
    target = tmp_path / "a.tar"
    with pytest.raises(DataError, match=r"keeps breaking off.*put it at .*a\.tar"):
        fetch(file, target)
    assert (tmp_path / "a.tar.part").stat().st_size == 50_000
    site.pages["/a.tar"].cut.clear()
    assert fetch(file, target).read_bytes() == CONTENT


def test_a_server_without_ranges_is_read_from_the_start(site: Any, tmp_path: Path) -> None:
    target = tmp_path / "a.tar"
    file = site.publish("a.tar", CONTENT, ranges=False, length=False)
    interrupted(site, file, target, 100_000)
    assert fetch(file, target).read_bytes() == CONTENT


@pytest.mark.parametrize("if_range", [True, False])
def test_a_file_that_changed_meanwhile_is_begun_again(site: Any, tmp_path: Path, if_range: bool) -> None:
    target = tmp_path / "a.tar"
    interrupted(site, site.publish("a.tar", CONTENT, etag='"v1"'), target, 100_000)
    new = bytes(reversed(CONTENT))
    assert fetch(site.publish("a.tar", new, etag='"v2"', if_range=if_range), target).read_bytes() == new
    # With no checksum to find it out, a mixture of both would pass unseen.
    other = tmp_path / "b.tar"
    interrupted(site, replace(site.publish("b.tar", CONTENT, etag='"v1"'), sha256=None), other, 100_000)
    file = replace(site.publish("b.tar", new, etag='"v2"', if_range=if_range), sha256=None)
    assert fetch(file, other).read_bytes() == new


def test_a_file_that_became_shorter_is_begun_again(site: Any, tmp_path: Path) -> None:
    target = tmp_path / "a.tar"
    interrupted(site, site.publish("a.tar", CONTENT), target, 200_000)
    short = CONTENT[5:150_000]
    assert fetch(site.publish("a.tar", short), target).read_bytes() == short
    assert site.ranges[1] == "bytes=200000-"


@pytest.mark.parametrize("known", [True, False])
def test_a_part_that_is_complete_is_checked_and_named(site: Any, tmp_path: Path, known: bool) -> None:
    target = tmp_path / "a.tar"
    file = site.publish("a.tar", CONTENT, etag='"v1"')
    file = file if known else replace(file, size=None)
    interrupted(site, file, target, 300_000)
    assert fetch(file, target).read_bytes() == CONTENT
    assert site.ranges == ([""] if known else ["", "bytes=300000-"])


def test_a_part_of_unknown_origin_is_not_trusted(site: Any, tmp_path: Path) -> None:
    (tmp_path / "a.tar.part").write_bytes(b"something else")
    file = replace(site.publish("a.tar", CONTENT), sha256=None)
    assert fetch(file, tmp_path / "a.tar").read_bytes() == CONTENT
    (tmp_path / "b.tar.part").write_bytes(b"something else")
    (tmp_path / "b.tar.part.json").write_text(json.dumps({"url": "https://elsewhere.org/b.tar", "total": "300000"}))
    file = replace(site.publish("b.tar", CONTENT), sha256=None)
    assert fetch(file, tmp_path / "b.tar").read_bytes() == CONTENT


def test_damage_on_the_way_is_found_and_nothing_is_kept(site: Any, tmp_path: Path) -> None:
    file = site.publish("a.tar", CONTENT)
    site.pages["/a.tar"].content = CONTENT[:1000] + b"!" + CONTENT[1001:]
    with pytest.raises(DataError, match=r"http://127.*a\.tar as published: its sha256 is .* It was removed"):
        fetch(file, tmp_path / "a.tar")
    assert list(tmp_path.iterdir()) == []
    md5_only = replace(file, sha256=None, md5="0" * 32)
    with pytest.raises(DataError, match="its md5 is"):
        fetch(md5_only, tmp_path / "a.tar")


@pytest.mark.parametrize("length", [True, False])
@pytest.mark.parametrize("size", [100_000, 400_000])
def test_another_size_is_found(site: Any, tmp_path: Path, size: int, length: bool) -> None:
    file = replace(site.publish("a.tar", CONTENT, length=length), size=size)
    with pytest.raises(DataError, match="now a different file" if length else f"the published one has {size:,}"):
        fetch(file, tmp_path / "a.tar")
    assert list(tmp_path.iterdir()) == []


def test_a_file_without_published_size_or_checksum_is_taken_as_it_is(site: Any, tmp_path: Path) -> None:
    file = replace(site.publish("a.tar", CONTENT, length=False), size=None, sha256=None)
    assert fetch(file, tmp_path / "a.tar").read_bytes() == CONTENT


def test_redirects_are_followed_and_resumed_through(site: Any, tmp_path: Path) -> None:
    file = site.publish("real.tar", CONTENT, etag='"v1"', cut=[80_000])
    site.publish("a.tar", b"", location="/real.tar")
    target = fetch(replace(file, url=f"{site.address}/a.tar", name="a.tar"), tmp_path / "a.tar")
    assert target.read_bytes() == CONTENT
    assert [(x["path"], x.get("Range")) for x in site.asked][-1] == ("/real.tar", "bytes=80000-")


def test_a_server_that_claims_compression_gives_the_bytes_as_published(site: Any, tmp_path: Path) -> None:
    packed = gzip.compress(CONTENT)
    file = site.publish("a.tar.gz", packed, encoding="gzip")
    assert fetch(file, tmp_path / "a.tar.gz").read_bytes() == packed


def test_a_busy_server_is_asked_again(site: Any, tmp_path: Path) -> None:
    file = site.publish("a.tar", CONTENT, statuses=[503, 429, 500])
    assert fetch(file, tmp_path / "a.tar").read_bytes() == CONTENT
    assert len(site.asked) == 4


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"statuses": [404]}, "answers 404 Not Found"),
        ({"statuses": [403]}, "answers 403 Forbidden"),
        ({"statuses": [503] * 20}, "answers 503"),
        ({"kind": "text/html; charset=utf-8"}, r"gives a web page, not a\.tar"),
        ({"location": "/a.tar"}, "Exceeded 30 redirects"),
    ],
)
def test_refusals_name_the_address_and_the_way_out(
    site: Any, tmp_path: Path, more: dict[str, Any], message: str
) -> None:
    file = site.publish("a.tar", CONTENT, **more)
    with pytest.raises(DataError, match=message) as caught:
        fetch(file, tmp_path / "a.tar")
    assert file.url in str(caught.value)
    assert f"put it at {tmp_path / 'a.tar'}" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_without_a_network_the_message_says_how_to_place_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = []
    monkeypatch.setattr("urllib3.util.retry.Retry.sleep", lambda self, response=None: waits.append(1))
    file = RemoteFile("http://127.0.0.1:9/a.tar", "a.tar")  # the discard port: nobody listens
    with pytest.raises(DataError) as caught:
        fetch(file, tmp_path / "a.tar")
    assert "127.0.0.1 cannot be reached" in str(caught.value)
    assert "refused" in str(caught.value)
    assert f"download {file.url} elsewhere, put it at {tmp_path / 'a.tar'}" in str(caught.value)
    assert len(waits) <= 2, "nobody wants to wait a minute to hear that there is no network"


def test_an_address_that_turns_unencrypted_is_refused(site: Any, tmp_path: Path) -> None:
    file = site.publish("a.tar", CONTENT)
    import requests

    response = requests.Response()
    response.url, response.status_code = file.url, 200
    partial = partial_module.Partial(replace(file, url="https://127.0.0.1/a.tar"), tmp_path / "a.tar")
    with pytest.raises(DataError, match="not encrypted"):
        fetch_module._refuse(response, replace(file, url="https://127.0.0.1/a.tar"), partial)


@pytest.mark.parametrize(("unpack", "free"), [(False, 300_000), (True, 50_500_000)])
def test_a_disk_that_is_too_small_is_told_before(
    site: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unpack: bool, free: int
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 0, free))
    with pytest.raises(DataError, match=r"are needed to download.*Make room, or name another folder with --to"):
        fetch(site.publish("a.tar", CONTENT), tmp_path / "a.tar", room_to_unpack=unpack)
    assert list(tmp_path.iterdir()) == []
    if unpack:
        assert fetch(site.publish("a.tar", CONTENT), tmp_path / "a.tar").exists()


def test_a_disk_that_fills_up_keeps_what_is_there(site: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = partial_module.Partial.write

    def full(self: partial_module.Partial, data: bytes) -> None:
        if self.size >= 100_000:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(self, data)

    target = tmp_path / "a.tar"
    file = site.publish("a.tar", CONTENT, etag='"v1"')
    monkeypatch.setattr(partial_module.Partial, "write", full)
    with pytest.raises(DataError, match=r"The disk is full at .*is kept"):
        fetch(file, target)
    monkeypatch.setattr(partial_module.Partial, "write", write)
    assert fetch(file, target).read_bytes() == CONTENT
    assert site.ranges == ["", "bytes=100000-"]


def test_a_folder_that_cannot_be_written_is_named(site: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="file cannot be written"):
        fetch(site.publish("a.tar", CONTENT), tmp_path / "file" / "a.tar")


def test_two_downloads_of_one_file_do_not_mix(site: Any, tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    file = site.publish("a.tar", CONTENT)

    def second(done: int, total: int) -> None:
        with pytest.raises(DataError, match="written by another process"):
            fetch(file, tmp_path / "a.tar")

    assert fetch(file, tmp_path / "a.tar", progress=second).read_bytes() == CONTENT


NEW = bytes(reversed(CONTENT))
OLD_DATE, NEW_DATE = "Mon, 01 Jan 2024 00:00:00 GMT", "Tue, 02 Jan 2024 00:00:00 GMT"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {}),  # nothing tells the versions apart, and both have the same length
        ({"etag": 'W/"v1"'}, {"etag": 'W/"v1"'}),  # a weak tag may stay the same where bytes change
        ({"etag": '"v1"'}, {"etag": '"v2"', "if_range": False}),
        ({"modified": OLD_DATE}, {"modified": NEW_DATE, "if_range": False}),
        ({"etag": '"v1"'}, {"etag": '"v2"', "if_range": False, "quiet_range": True}),
        ({"modified": OLD_DATE}, {"modified": NEW_DATE, "if_range": False, "quiet_range": True}),
        ({"modified": "now"}, {"modified": "now", "if_range": False}),  # changed twice in a second
    ],
)
def test_two_versions_are_never_mixed_where_no_checksum_would_tell(
    site: Any, tmp_path: Path, before: dict[str, Any], after: dict[str, Any]
) -> None:
    if before.get("modified") == "now":
        date = formatdate(usegmt=True)
        before, after = {"modified": date}, {**after, "modified": date}
    target = tmp_path / "a.tar"
    interrupted(site, replace(site.publish("a.tar", CONTENT, **before), sha256=None), target, 100_000)
    file = replace(site.publish("a.tar", NEW, **after), sha256=None)
    assert fetch(file, target).read_bytes() == NEW
    # Nor where the connection breaks within one command.
    site.publish("b.tar", CONTENT, **before, cut=[100_000])
    file = replace(file, url=f"{site.address}/b.tar")

    def swap(done: int, total: int) -> None:
        if done == 100_000:
            site.publish("b.tar", NEW, **after)

    assert fetch(file, tmp_path / "b.tar", progress=swap).read_bytes() == NEW


@pytest.mark.parametrize("tags", [{"etag": '"v1"'}, {"modified": OLD_DATE}])
def test_without_a_checksum_a_strong_validator_lets_a_download_go_on(
    site: Any, tmp_path: Path, tags: dict[str, str]
) -> None:
    target = tmp_path / "a.tar"
    file = replace(site.publish("a.tar", CONTENT, **tags), sha256=None)
    interrupted(site, file, target, 100_000)
    assert fetch(file, target).read_bytes() == CONTENT
    assert site.ranges == ["", "bytes=100000-"]
    assert site.asked[1]["If-Range"] == next(iter(tags.values()))


@pytest.mark.parametrize(
    "claimed",
    [
        "bytes 50000-299999/300000",  # another part
        "bytes 100000-299999/300001",  # of a file of another size
        "bytes 100000-299999/200000",
        "bytes 100000-150000/300000",  # not as long as the body
        "bytes 100000-99999/300000",
        "items 1-2/3",
        "",
    ],
)
@pytest.mark.parametrize("checked", [True, False])
def test_an_answer_that_is_another_part_is_not_taken(site: Any, tmp_path: Path, claimed: str, checked: bool) -> None:
    target = tmp_path / "a.tar"
    file = site.publish("a.tar", CONTENT, etag='"v1"', content_range=[claimed])
    file = replace(file, size=None) if checked else replace(file, size=None, sha256=None)
    interrupted(site, file, target, 100_000)
    assert fetch(file, target).read_bytes() == CONTENT
    assert site.ranges == ["", "bytes=100000-", ""]


def test_a_server_that_gives_less_than_the_rest_is_asked_for_what_is_left(site: Any, tmp_path: Path) -> None:
    target = tmp_path / "a.csv"
    file = replace(site.publish("a.csv", CONTENT, etag='"v1"', most=90_000), size=None, sha256=None)
    interrupted(site, file, target, 100_000)
    assert fetch(file, target).read_bytes() == CONTENT
    assert site.ranges == ["", "bytes=100000-", "bytes=190000-", "bytes=280000-"]


def test_a_body_shorter_than_announced_is_no_whole_file(site: Any, tmp_path: Path) -> None:
    """Once, it is made up for; always, it is an error."""
    content = CONTENT[:20_000]
    file = site.publish("a.csv", content, etag='"v1"', cut=[10_000])
    unknown = replace(file, size=None, sha256=None)
    assert fetch(unknown, tmp_path / "a.csv").read_bytes() == content
    site.publish("b.csv", content, announced=20_001)
    with pytest.raises(DataError, match="keeps breaking off"):
        fetch(replace(unknown, url=f"{site.address}/b.csv"), tmp_path / "b.csv")
    assert not (tmp_path / "b.csv").exists()


def test_a_body_without_an_end_is_refused_where_nothing_tells_a_part_from_the_whole(site: Any, tmp_path: Path) -> None:
    file = replace(site.publish("a.csv", CONTENT, length=False), sha256=None)
    assert fetch(file, tmp_path / "a.csv").read_bytes() == CONTENT  # its size is published
    with pytest.raises(DataError, match=r"does not give the size of .*a\.csv"):
        fetch(replace(file, size=None), tmp_path / "b.csv")
    assert beside(tmp_path / "b.csv") == ["a.csv"]


def test_a_compressed_answer_is_no_file_where_no_checksum_would_tell(site: Any, tmp_path: Path) -> None:
    packed = gzip.compress(b"a,b\n")
    file = replace(site.publish("a.csv", packed, encoding="gzip"), size=None, sha256=None)
    with pytest.raises(DataError, match=r"a\.csv is sent compressed \(gzip\)"):
        fetch(file, tmp_path / "a.csv")
    assert list(tmp_path.iterdir()) == []
    # A .gz that a server declares is the file itself.
    file = replace(site.publish("a.csv.gz", packed, encoding="gzip"), sha256=None)
    assert fetch(file, tmp_path / "a.csv.gz").read_bytes() == packed


def test_a_redirect_that_leads_to_another_file_meanwhile_starts_again(site: Any, tmp_path: Path) -> None:
    """Both have the same tag and length, as copies on two servers that count versions may have."""
    site.publish("v1.csv", CONTENT, etag='"1"')
    site.publish("v2.csv", NEW, etag='"1"')
    site.publish("latest.csv", b"", location="/v1.csv")
    file = RemoteFile(f"{site.address}/latest.csv", "latest.csv")
    interrupted(site, file, tmp_path / "latest.csv", 100_000)
    site.publish("latest.csv", b"", location="/v2.csv")
    assert fetch(file, tmp_path / "latest.csv").read_bytes() == NEW


def test_a_complete_part_of_unknown_version_is_not_taken_for_the_file(site: Any, tmp_path: Path) -> None:
    target = tmp_path / "a.csv"
    file = replace(site.publish("a.csv", CONTENT, etag='"v1"'), size=None, sha256=None)
    interrupted(site, file, target, 300_000)
    site.publish("a.csv", NEW, etag='"v2"', if_range=False)  # answers 416 for whatever version
    assert fetch(file, target).read_bytes() == NEW


def test_a_server_that_always_breaks_off_and_has_no_validator_is_given_up(site: Any, tmp_path: Path) -> None:
    file = replace(site.publish("a.csv", CONTENT, cut=[10_000, 20_000] * 40), size=None, sha256=None)
    with pytest.raises(DataError, match="keeps breaking off"):
        fetch(file, tmp_path / "a.csv")
    assert len(site.asked) <= 16
