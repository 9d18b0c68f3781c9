"""Which data sets lie where."""

from __future__ import annotations

from pathlib import Path

from vitobench.bench.doctor.check import OK, WARN
from vitobench.bench.doctor.places import check_data, check_named, measure_data, named_in_runs
from vitobench.tasks.datasets.registry import PUBLICATIONS
from vitobench.tasks.download.publication import data_place, file_place


def test_nothing_there(tmp_path: Path) -> None:
    found = measure_data(tmp_path)
    assert found.published == tuple(PUBLICATIONS)
    assert (found.fetched, found.partial, found.incomplete) == ((), {}, ())
    (row,) = check_data(found)
    assert row.status == OK
    assert "bench data get NAME" in row.advice


def test_by_hand_unpacked_and_begun(tmp_path: Path) -> None:
    (data_place(PUBLICATIONS["imagenet"], tmp_path) / "n01440764").mkdir(parents=True)
    begun = PUBLICATIONS["imagenet-a"]
    part = file_place(begun, begun.files[0], tmp_path)
    part.parent.mkdir(parents=True)
    part.with_name(part.name + ".part").write_bytes(b"x")
    data_place(PUBLICATIONS["imagenet-r"], tmp_path).mkdir(parents=True)  # empty
    found = measure_data(tmp_path)
    assert (found.fetched, found.incomplete) == (("imagenet",), ("imagenet-a",))
    summary, row = check_data(found)
    assert f"1 of {len(PUBLICATIONS)} in {tmp_path}: imagenet" in summary.found
    assert (row.status, row.advice) == (WARN, f"bench data get imagenet-a --to {tmp_path}")


def test_a_set_of_plain_files_got_in_part(tmp_path: Path) -> None:
    clickme = PUBLICATIONS["clickme"]
    file = clickme.files[0]
    place = file_place(clickme, file, tmp_path)
    place.parent.mkdir(parents=True)
    place.write_bytes(b"")
    found = measure_data(tmp_path)
    assert found.partial == {"clickme": f"1 of {len(clickme.files)} files"}
    assert "clickme (1 of" in check_data(found)[0].found
    real = PUBLICATIONS["imagenet-real"]
    sized = file_place(real, real.files[0], tmp_path)
    sized.parent.mkdir(parents=True)
    sized.write_bytes(b"shorter than published")
    assert measure_data(tmp_path).incomplete == ("imagenet-real",)


def test_folders_of_the_newest_run_are_looked_for(tmp_path: Path) -> None:
    gone, both = tmp_path / "gone", f"{tmp_path}, {tmp_path / 'gone'}"
    runs = [
        {"data": {"imagenet": {"folder": str(tmp_path)}, "imagenet-with-depth": {"folder": both}}},
        {"data": {"imagenet": {"folder": str(gone)}}},
        {},
    ]
    found = named_in_runs(runs)
    assert found == {"imagenet": [str(tmp_path)], "imagenet-with-depth": [str(tmp_path), str(gone)]}
    there, absent = check_named(found)
    assert (there.status, absent.status) == (OK, WARN)
    assert str(gone) in absent.found


def test_a_folder_with_a_comma_is_one(tmp_path: Path) -> None:
    odd = tmp_path / "a, b"
    odd.mkdir()
    assert named_in_runs([{"data": {"imagenet": {"folder": str(odd)}}}]) == {"imagenet": [str(odd)]}
