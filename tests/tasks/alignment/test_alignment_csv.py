from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vitobench.errors import DataError
from vitobench.tasks.alignment.experiments import ALIGNMENT_SETS, CATEGORIES, alignment_set
from vitobench.tasks.alignment.trial_files import (
    COLUMNS,
    left_out_of_folder,
    model_trials,
    read_models,
    read_people,
    read_trials,
    write_trials,
)
from vitobench.tasks.alignment.trials import Trials, responses_to, stimuli_of

HEAD = "subj,Session,trial,rt,object_response,category,condition,imagename\n"
LINES = (
    "subject-01,1,1,0.75,knife,knife,c30,0001_cop_s01_c30_knife_10_n03041632_7380.png\n",
    "subject-01,1,2,NaN,na,bicycle,c100,0002_cop_s01_c100_bicycle_10_n03792782_5966.png\n",
    "subject-01,1,3,1.5,dog,bear,c05,0003_cop_s01_c05_bear_10_n02134084_5274.png\n",
)
CONTRAST = alignment_set("contrast")


def written(folder: Path, *lines: str, head: str = HEAD, name: str = "trials.csv") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(head + "".join(lines), encoding="utf-8")
    return path


def read(folder: Path, *lines: str, head: str = HEAD) -> Trials:
    return read_trials(written(folder, *lines, head=head), CONTRAST)


def test_reading(tmp_path: Path) -> None:
    found = read(tmp_path, *LINES)
    assert found.observer == "subject-01"
    assert [CONTRAST.conditions[c] for c in found.conditions] == ["c30", "c100", "c05"]
    assert [CATEGORIES[c] for c in found.categories] == ["knife", "bicycle", "bear"]
    assert found.responses.tolist() == [CATEGORIES.index("knife"), -1, CATEGORIES.index("dog")]
    np.testing.assert_array_equal(found.reaction_times, [0.75, np.nan, 1.5])
    assert found.image_ids.tolist() == ["n03041632_7380.png", "n03792782_5966.png", "n02134084_5274.png"]
    assert found.place(2) == f"{tmp_path / 'trials.csv'}, line 4"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be", "utf-32"])
def test_trials_are_read_in_every_unicode_encoding(tmp_path: Path, encoding: str) -> None:
    before, path = read(tmp_path, *LINES), tmp_path / "other.csv"
    path.write_bytes((tmp_path / "trials.csv").read_text().replace("\n", "\r\n").encode(encoding))
    after = read_trials(path, CONTRAST)
    assert after.image_names == before.image_names
    assert after.responses.tolist() == [CATEGORIES.index("knife"), -1, CATEGORIES.index("dog")]
    assert after.place(2).endswith("line 4")


def test_case_order_and_number_of_columns_do_not_matter(tmp_path: Path) -> None:
    frame = pd.read_csv(written(tmp_path, *LINES), keep_default_na=False, dtype=str)
    frame["more"] = "x"
    path = tmp_path / "other.csv"
    frame[list(frame.columns[::-1])].to_csv(path, index=False, encoding="utf-8-sig")
    before, after = read(tmp_path, *LINES), read_trials(path, CONTRAST)
    assert after.image_names == before.image_names
    np.testing.assert_array_equal(after.responses, before.responses)


def test_no_response_may_be_spelled_in_capitals(tmp_path: Path) -> None:
    assert read(tmp_path, LINES[1].replace(",na,", ",NA,")).responses.tolist() == [-1]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            (LINES[0], LINES[1].replace("c100,", "c101,", 1)),
            "line 3: 'c101' is not a condition of contrast; expected one",
        ),
        ((LINES[0], LINES[1].replace("na,", "zebra,", 1)), "line 3: object_response is 'zebra'; expected one of airpl"),
        ((LINES[0], LINES[1].replace("na,", ",", 1)), "line 3: object_response is ''; expected one of airplane"),
        ((LINES[0].replace("knife,knife", "knife,fork"),), "line 2: category is 'fork'; expected one of airplane"),
        ((LINES[0].replace("0.75", "fast"),), "line 2: rt is 'fast'; expected seconds"),
        ((LINES[0].replace(",1,1,", ",1,1.5,"),), "line 2: trial is '1.5'; expected a whole number"),
        ((LINES[0].replace("0001_cop_s01_c30_knife_10_n03041632_7380.png", ""),), "line 2: imagename is ''; expected"),
        ((LINES[0], LINES[1].replace("subject-01", "subject-02")), "line 3: subj is 'subject-02' after 'subject-01'"),
        ((LINES[0], "subject-01,1\n"), "line 3: 2 fields; expected 8"),
    ],
)
def test_errors_name_file_line_and_what_was_expected(tmp_path: Path, lines: tuple[str, ...], message: str) -> None:
    with pytest.raises(DataError) as error:
        read(tmp_path, *lines)
    assert str(error.value).startswith(f"{tmp_path / 'trials.csv'}, {message}")


def test_files_that_are_no_trials(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="line 1: no column 'rt' or 'imagename'; expected the header subj,"):
        read(tmp_path, head="subj,session,trial,object_response,category,condition\n")
    with pytest.raises(DataError, match="no column"):
        read(tmp_path, head="")
    path = tmp_path / "bytes.csv"
    path.write_bytes(HEAD.encode() + b"\xff\xfe\n")
    with pytest.raises(DataError, match="not a CSV file: it is not text in UTF-8"):
        read_trials(path, CONTRAST)
    with pytest.raises(DataError, match="cannot be read"):
        read_trials(tmp_path / "absent.csv", CONTRAST)


def test_matching_does_not_depend_on_the_order_of_trials(tmp_path: Path) -> None:
    stimuli = stimuli_of(read(tmp_path, *LINES))
    assert stimuli.conditions.tolist() == sorted(stimuli.conditions)
    same = read(tmp_path, *(line.replace("subject-01", "resnet").replace("_s01_", "_dnn_") for line in LINES[::-1]))
    np.testing.assert_array_equal(responses_to(stimuli, same), responses_to(stimuli, read(tmp_path, *LINES)))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (LINES[:2], r"trials\.csv does not match .* 1 of 3 stimuli are missing \(n02134084_5274\.png\)"),
        ((*LINES, LINES[0].replace("7380", "9")), r"1 are not in the data set \(n03041632_9\.png; first .*, line 5\)"),
        ((*LINES, LINES[0]), r"line 5: subject-01 was shown n03041632_7380\.png before, in .*, line 2"),
        ((*LINES[:2], LINES[2].replace("c05,", "c15,")), "of contrast has the condition c15; expected c05, as in"),
        ((*LINES[:2], LINES[2].replace("dog,bear", "dog,cat")), "has the category cat; expected bear"),
        ((), "has no trials"),
    ],
)  # fmt: skip
def test_other_stimuli_are_refused(tmp_path: Path, lines: tuple[str, ...], message: str) -> None:
    stimuli = stimuli_of(read(tmp_path, *LINES))
    with pytest.raises(DataError, match=message):
        responses_to(stimuli, read(tmp_path, *lines))


@pytest.mark.parametrize("name", ALIGNMENT_SETS)
def test_written_conditions_survive_a_guess_of_types(name: str, tmp_path: Path) -> None:
    """The reference reads with pandas, lets it guess types, and then compares conditions as strings."""
    data_set = alignment_set(name)
    conditions = [condition for condition in data_set.conditions for _ in range(2)]
    n = len(conditions)
    trials = model_trials(
        data_set, "my_model", [f"{i}.png" for i in range(n)], conditions, np.arange(n) % 16, np.full(n, 3)
    )
    path = write_trials(trials, tmp_path)
    assert path == tmp_path / name / f"{name}_my-model_session-1.csv"
    frame = pd.read_csv(path)
    assert tuple(frame.columns) == COLUMNS
    assert frame["condition"].astype(str).tolist() == conditions
    assert set(frame["subj"]) == {"my_model"}
    assert frame["rt"].isna().all()
    assert frame["trial"].tolist() == list(range(1, n + 1))
    again = read_trials(path, data_set)
    assert again.image_names == trials.image_names
    np.testing.assert_array_equal(again.conditions, trials.conditions)
    np.testing.assert_array_equal(again.responses, trials.responses)


def test_a_folder_holds_people_and_models_and_sessions_are_joined(tmp_path: Path) -> None:
    written(tmp_path, LINES[0], name="contrast/contrast_subject-01_session_1.csv")
    written(tmp_path, *LINES[1:], name="contrast/contrast_subject-01_session_2.csv")
    model = [line.replace("subject-01", "resnet_50") for line in LINES]
    written(tmp_path, *model, name="contrast/contrast_resnet-50_session-1.csv")
    written(tmp_path, "x\n", name="contrast/contrast_broken_session-1.csv")
    written(tmp_path, "x\n", name="performances/resnet-50.csv")
    sets = tuple(ALIGNMENT_SETS.values())
    people = read_people(tmp_path, sets)
    assert {name: list(by_name) for name, by_name in people.items()} == {"contrast": ["subject-01"]}
    trials = people["contrast"]["subject-01"]
    assert len(trials) == 3
    assert trials.place(1).endswith("session_2.csv, line 2")
    models, problems = read_models(tmp_path, sets)
    assert list(models["contrast"]) == ["resnet_50"]
    assert [(problem.data_set, problem.observer) for problem in problems] == [
        ("contrast", "contrast_broken_session-1.csv")
    ]
    assert "line 2: 1 fields; expected 8" in problems[0].reason


def test_empty_folders(tmp_path: Path) -> None:
    sets = tuple(ALIGNMENT_SETS.values())
    with pytest.raises(DataError, match="holds no trials of people; expected files such as colour/colour_subject-01"):
        read_people(tmp_path, sets)
    with pytest.raises(DataError, match="has no predictions of models; expected files such as"):
        read_models(tmp_path, sets)
    with pytest.raises(DataError, match="is not a folder"):
        read_people(tmp_path / "absent", sets)


def test_what_systems_and_office_programs_leave_is_no_trial(tmp_path: Path) -> None:
    written(tmp_path, LINES[0], name="contrast/contrast_subject-01_session_1.csv")
    written(tmp_path, *LINES[1:], name="contrast/contrast_subject-01_session_2.CSV")
    model = [line.replace("subject-01", "resnet_50") for line in LINES]
    written(tmp_path, *model, name="contrast/contrast_resnet-50_session-1.csv")
    for name in ("contrast_subject-01_session_1.csv", "contrast_resnet-50_session-1.csv"):
        (tmp_path / "contrast" / f"._{name}").write_bytes(b"\x00\x05\x16\x07\xff\xfe")
        (tmp_path / "contrast" / f"~${name}").write_bytes(b"\x04owner")
    written(tmp_path, *model, name="contrast/old/contrast_resnet-50_session-1.csv")
    written(tmp_path, *model, name="contrast/contrast_resnet-50_session-1.csv.bak")
    people = read_people(tmp_path, [CONTRAST])
    assert len(people["contrast"]["subject-01"]) == 3
    models, problems = read_models(tmp_path, [CONTRAST])
    assert problems == ()
    assert len(models["contrast"]["resnet_50"]) == 3
    assert left_out_of_folder(tmp_path, [CONTRAST, alignment_set("edge")]).line("it") == (
        "Left out of it: .bak files: 1 (contrast/contrast_resnet-50_session-1.csv.bak); "
        "folders inside: 1 (contrast/old)."
    )
