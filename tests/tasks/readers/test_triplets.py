"""Published triplets in all their forms: rows, names, pictures that are there or not, and rows that make no sense."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vitobench.errors import DataError
from vitobench.tasks.images.geometry import Geometry
from vitobench.tasks.opening import open_source

SIZE = Geometry(16, 16, "bilinear")
CONCEPTS = ("ant", "bat1", "cat", "dog", "eel")
HEADS = "id,left_vote,right_vote,votes,ref_path,left_path,right_path,split\n"


def picture(path: Path, shade: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (20, 20), (shade, shade, shade)).save(path)


def things(root: Path, rows: str, names: str = "Word\tuniqueID\n" + "".join(f"x\t{c}\n" for c in CONCEPTS)):
    root.mkdir(exist_ok=True)
    (root / "test_triplets.csv").write_text(rows)
    (root / "item_names.tsv").write_text(names)
    return open_source("things", {"things": root}, None, 0)


def nights(root: Path, rows: str, heads: str = HEADS):
    root.mkdir(exist_ok=True)
    (root / "data.csv").write_text(heads + rows)
    return open_source("nights", {"nights": root}, None, 0)


def by_id(source) -> dict[str, list[float]]:
    return dict(zip(source.image_ids, source.votes.tolist(), strict=True))


def test_rows_of_the_same_concepts_are_one_triplet(tmp_path: Path) -> None:
    source = things(tmp_path / "t", "3\t1\t2\t1\t77\n1\t2\t3\t3\t78\n2\t3\t1\t1\t79\n1\t2\t4\t2\t80\n")
    assert by_id(source) == {"ant+bat1+cat": [0.0, 1.0, 2.0], "ant+bat1+dog": [0.0, 1.0, 0.0]}
    assert source.labels[source.image_ids.index("ant+bat1+cat")] == 2
    commas = things(tmp_path / "c", "3,1,2,1,77\n1,2,3,3,78\n2,3,1,1,79\n1,2,4,2,80\n")
    assert commas.digest == source.digest
    other = things(tmp_path / "o", "3\t1\t2\t1\t77\n1\t2\t3\t3\t78\n2\t3\t1\t1\t79\n1\t2\t4\t3\t80\n")
    assert other.digest != source.digest  # one judgement of another revision is another set


def test_pictures_are_found_in_both_forms_and_stacked(tmp_path: Path) -> None:
    root = tmp_path / "t"
    picture(root / "images" / "ant.jpg", 40)
    picture(root / "images" / "bat1" / "bat1_01b.jpg", 120)
    picture(root / "images" / "bat1" / "bat1_02s.jpg", 255)
    picture(root / "images" / "cat.png", 200)
    source = things(root, "1 2 3 3\n2 3 4 1\n")
    pixels, failed = source.load(range(2), SIZE)
    whole = source.image_ids.index("ant+bat1+cat")
    shades = pixels[whole].reshape(3, 16, 16, 3).mean(axis=(1, 2, 3))
    assert shades == pytest.approx([40, 120, 200], abs=2)
    assert failed.keys() == {1 - whole}
    assert failed[1 - whole].reason == "there is no picture of dog"
    assert not failed[1 - whole].transient
    copy = pickle.loads(pickle.dumps(source))
    assert np.array_equal(copy.load(range(2), SIZE)[0], pixels)
    assert copy.digest == source.digest != things(tmp_path / "none", "1 2 3 3\n2 3 4 1\n").digest


def test_without_pictures_there_is_something_to_import_for_and_nothing_to_look_at(tmp_path: Path) -> None:
    source = things(tmp_path / "t", "1 2 3 3\n")
    assert source.names == (("ant", "bat1", "cat"),)
    pixels, failed = source.load([0], SIZE)
    assert pixels.shape == (1, 48, 16, 3)
    assert failed[0].reason == "there is no picture of ant"


def test_what_a_transform_is_fitted_on_leaves_out_what_is_scored(tmp_path: Path) -> None:
    root = tmp_path / "t"
    root.mkdir()
    (root / "trainset.txt").write_text("2 0 1\n0 1 3\n4.0 3 2\n1 2 0\n")  # concepts from 0, the odd one last
    source = things(root, "1 2 3 3\n")
    assert source.held_out_names == (("ant", "bat1", "dog"), ("eel", "dog", "cat"))
    assert source.held_out.votes.tolist() == [[0, 0, 1], [0, 0, 1]]
    assert source.digest != things(tmp_path / "o", "1 2 3 3\n").digest


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("1 2 3 4\n", "row 1: the odd one is at 1, 2 or 3, not 4"),
        ("1 2 3 3\n1 2 6 3\n", "row 2: '1 2 6 3' has to name three of the 5 concepts"),
        ("0 2 3 1\n", "row 1: '0 2 3 1' has to name"),
        ("1 1 3 1\n", "row 1: '1 1 3 1' has to name"),
        ("1 2 x 1\n", "row 1: '1 2 x 1' is not made of whole numbers"),
        ("1 2 3.5 1\n", "row 1: '1 2 3.5 1' is not made of whole numbers"),
        ("1 2 3 1.e999\n", "row 1: '1 2 3 1.e999' is not made of whole numbers"),
        ("1 2\n", "row 1: 2 numbers; give three or more"),
        ("\n", "has no rows"),
    ],
)
def test_rows_that_make_no_sense_are_named(tmp_path: Path, rows: str, message: str) -> None:
    with pytest.raises(DataError) as refused:
        things(tmp_path / "t", rows)
    assert message in str(refused.value)
    assert "test_triplets.csv      three concepts" in str(refused.value)


def test_files_that_are_absent_or_ambiguous_are_named(tmp_path: Path) -> None:
    root = tmp_path / "t"
    root.mkdir()
    with pytest.raises(DataError, match=r"has no item_names\.tsv"):
        open_source("things", {"things": root}, None, 0)
    with pytest.raises(DataError, match="no column uniqueID"):
        things(root, "1 2 3 3\n", "Word\nant\n")
    with pytest.raises(DataError, match="names twice: ant"):
        things(root, "1 2 3 3\n", "uniqueID\nant\nant\ncat\n")
    (root / "test_triplets.csv").unlink()
    (root / "item_names.tsv").write_text("uniqueID\nant\n")
    with pytest.raises(DataError, match=r"has no test_triplets\.csv or triplets\.csv"):
        open_source("things", {"things": root}, None, 0)
    picture(root / "images" / "ant.jpg", 1)
    picture(root / "images" / "ant" / "ant_01b.jpg", 1)
    with pytest.raises(DataError, match="two pictures of ant"):
        things(root, "1 2 3 3\n")


def test_nights_is_scored_where_six_agree_and_fitted_on_its_own_split(tmp_path: Path) -> None:
    rows = (
        "1,1,0,6,ref/1.png,d/1_0.png,d/1_1.png,test\n2,0.0,1.0,8,ref/2.png,d/2_0.png,d/2_1.png,test\n"
        "3,1,0,5,ref/3.png,d/3_0.png,d/3_1.png,test\n4,1,0,9,ref/4.png,d/4_0.png,d/4_1.png,train\n"
        "5,1,0,9,ref/5.png,d/5_0.png,d/5_1.png,val\n"
    )
    source = nights(tmp_path / "n", rows)
    # Whoever takes the left one leaves the pair of reference and left, which is choice 2; the first is never offered.
    assert by_id(source) == {"nights/1": [0.0, 0.0, 1.0], "nights/2": [0.0, 1.0, 0.0]}
    assert source.held_out_names == (("ref/4.png", "d/4_0.png", "d/4_1.png"),)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("1,1,1,6,a,b,c,test\n", "row 2: left_vote 1 and right_vote 1 are no shares"),
        ("1,1,0,many,a,b,c,test\n", "row 2: votes is 'many', which is no number"),
        ("1,1,0,nan,a,b,c,test\n", "row 2: votes is 'nan', which is no number"),
        ("1,1,0,6,a,b,c,test\n2,1,0,6,a\n", "row 3: fewer cells than the first row has"),
        (f'1,1,0,6,"{"a" * 140_000},b,c,test\n', "row 1: field larger than field limit"),
        ("1,1,0,6,a,b,c,test\n1,1,0,6,a,b,c,test\n", "row 3: the id 1 occurs twice"),
        ("1,1,0,6,../a,b,c,test\n", "names pictures outside of the folder: ../a"),
        ("1,1,0,6,a,b,c,train\n", "no row of the split test"),
    ],
)
def test_rows_of_nights_that_make_no_sense_are_named(tmp_path: Path, rows: str, message: str) -> None:
    with pytest.raises(DataError) as refused:
        nights(tmp_path / "n", rows)
    assert message in str(refused.value)


def test_a_table_of_nights_without_a_column_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="lacks the columns votes, split"):
        nights(tmp_path / "n", "1,1,0,a,b,c\n", "id,left_vote,right_vote,ref_path,left_path,right_path\n")
