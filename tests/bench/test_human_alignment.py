"""``bench score --human``: exit codes, tables and JSON, on made-up trials."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest

from vitobench.bench.cli import main
from vitobench.tasks.alignment.experiments import ALIGNMENT_SETS, CATEGORIES

HEAD = ("subj", "session", "trial", "rt", "object_response", "category", "condition", "imagename")
SPELLED = {"0.9": "0.90", "3.0": "3", "True": "true", "False": "false"}


def write(folder: Path, observer: str, errors: float, *data_sets: str) -> None:
    """Trials of an observer in the reference's form, 16 stimuli for each condition, people's spelled otherwise."""
    person = observer.startswith("subject-")
    for number, name in enumerate(data_sets or ALIGNMENT_SETS):
        data_set = ALIGNMENT_SETS[name]
        rng = np.random.default_rng([number, *observer.encode()])
        end = f"{observer}_session_1" if person else f"{observer.replace('_', '-')}_session-1"
        path = folder / name / f"{name}_{end}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8", newline="") as handle:
            writer = csv.writer(handle)
            writer.writerow(["Session" if column == "session" and person else column for column in HEAD])
            for k in range(16 * len(data_set.conditions)):
                condition = data_set.conditions[k // 16]
                category, other = CATEGORIES[k % 16], CATEGORIES[(k + 1) % 16]
                image = f"{category}{k // 16}-{other}1.png"
                if person:
                    condition = SPELLED.get(condition, condition)
                    image = f"{k:04d}_{data_set.abbreviation}_s01_{condition}_{category}_00_{image}"
                response = other if rng.random() < errors else category
                writer.writerow([observer, 1, k + 1, 0.5 if person else "NaN", response, category, condition, image])


@pytest.fixture
def human(tmp_path: Path) -> Path:
    for observer, errors in (("subject-01", 0.2), ("subject-02", 0.3)):
        write(tmp_path / "human", observer, errors)
    return tmp_path / "human"


def call(*args: object) -> int:
    try:
        main(["score", *map(str, args)])
    except SystemExit as done:
        return int(done.code or 0)
    return 0


def test_people_alone(human: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("--suite", "human-alignment", "--human", human, "--json", tmp_path / "scores.json") == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    for word in ("Mean of the 17 data sets", "humans", "eidolonIII", "the published set has 1,280"):
        assert word in shown.out
    found = json.loads((tmp_path / "scores.json").read_text())
    assert set(found) == {"scores", "comparisons", "failures", "notes", "run"}
    assert set(found["scores"][0]) == {
        "observer", "reference", "data_set", "condition", "counted", "metric", "value", "ci_low", "ci_high",
        "people_ci_low", "people_ci_high", "n",
    }  # fmt: skip
    assert {row["observer"] for row in found["scores"]} == {"subject-01", "subject-02", "humans"}
    assert found["failures"] == []
    assert found["run"]["replicates"] == 1000


def test_models_beside_people(human: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "mine", "resnet_50", 0.5)
    write(tmp_path / "mine", "vit", 0.25)
    args = ("--human", human, "--responses", tmp_path / "mine", "--json", tmp_path / "scores.json")
    assert call(*args) == 0
    out = capsys.readouterr().out
    assert "resnet_50" in out
    assert "vit" in out
    found = json.loads((tmp_path / "scores.json").read_text())
    rows = {(r["observer"], r["metric"]): r for r in found["scores"] if r["data_set"] == "all"}
    assert rows[("vit", "accuracy")]["value"] > rows[("resnet_50", "accuracy")]["value"]
    assert rows[("vit", "error_consistency")]["reference"] == "humans"
    assert {(r["a"], r["b"]) for r in found["comparisons"]} == {("resnet_50", "vit")}
    assert call(*args, "--model", "vit", "--quiet") == 0
    found = json.loads((tmp_path / "scores.json").read_text())
    assert found["comparisons"] == []
    assert call(*args, "--model", "vit", "--baseline", "resnet_50", "--quiet") == 0
    found = json.loads((tmp_path / "scores.json").read_text())
    assert {(r["a"], r["b"]) for r in found["comparisons"]} == {("vit", "resnet_50")}
    assert capsys.readouterr() == ("", "")


def test_names_in_brackets_are_shown_as_they_are(
    human: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """rich would take [b] for markup and leave it out."""
    write(tmp_path / "mine", "vit[b]", 0.25)
    write(tmp_path / "mine", "vit[l]", 0.9)
    assert call("--human", human, "--responses", tmp_path / "mine", "--task", "sketch") == 0
    out = capsys.readouterr().out
    difference = next(line for line in out.splitlines() if "vit[b] − vit[l]" in line)
    assert "sketch" in difference
    assert difference.count("+") + difference.count("-") == 4  # one for each metric but the shape bias


def test_people_and_models_may_share_a_folder(human: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(human, "vit", 0.25)
    assert call("--human", human, "--responses", human, "--task", "edge", "--task", "cue-conflict") == 0
    out = capsys.readouterr().out
    table, _, rest = out.partition("No mean over the 17 data sets: only 2 have scores. No scores for: colour,")
    assert "edge" in table
    assert "sketch" not in table
    assert "sketch" in rest


def test_what_is_missing_is_listed_and_the_exit_code_is_3(
    human: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "mine", "vit", 0.25, "edge", "sketch")
    broken = tmp_path / "mine" / "edge" / "edge_broken_session-1.csv"
    broken.write_text(",".join(HEAD) + "\nx,1,1,NaN,zebra,dog,0,dog1.png\n")
    assert call("--human", human, "--responses", tmp_path / "mine", "--quiet") == 3
    err = capsys.readouterr().err
    assert f"{broken}, line 2: object_response is 'zebra'; expected one of airplane" in err
    absent = [name for name in ALIGNMENT_SETS if name not in ("edge", "sketch")]
    assert f"vit on {', '.join(absent)}: this observer has no file" in err
    assert len(err.splitlines()) == 2
    assert call("--human", human, "--responses", tmp_path / "mine", "--task", "sketch", "--quiet") == 0


def cells(out: str, name: str) -> list[str]:
    """The numbers in a line of a table that begins with a name, without their intervals."""
    (line,) = (line for line in out.splitlines() if line.strip().startswith(f"{name} "))
    return re.sub(r"\[.*?\]", "", line).split()[1:]


@pytest.mark.parametrize("given", [1, 2, 16])
def test_a_part_of_the_data_sets_is_shown_by_data_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], given: int
) -> None:
    names = list(reversed(ALIGNMENT_SETS))[:given]
    for observer, errors in (("subject-01", 0.2), ("subject-02", 0.3)):
        write(tmp_path / "human", observer, errors, *names)
    assert call("--human", tmp_path / "human", "--json", tmp_path / "scores.json") == 3
    out = capsys.readouterr().out
    rows = json.loads((tmp_path / "scores.json").read_text())["scores"]
    found = {
        (r["data_set"], r["metric"]): r["value"]
        for r in rows
        if (r["observer"], r["condition"]) == ("humans", "overall")
    }
    metrics = ("accuracy", "accuracy_difference", "observed_consistency", "error_consistency")
    for name in names:
        expected = [f"{found[name, metric]:.3f}".replace("-", "−") for metric in metrics]
        assert cells(out, name) == ["0.000" if value == "−0.000" else value for value in expected]
    absent = [name for name in ALIGNMENT_SETS if name not in names]
    here = "only 1 has scores" if given == 1 else f"only {given} have scores"
    said = " ".join(out.split())
    assert f"No mean over the 17 data sets: {here}. No scores for: {', '.join(absent)}." in said
    assert "—" not in out
    assert "Missing" not in out  # it was said once
    assert ("Shape bias on cue-conflict" in out) is ("cue-conflict" in names)


def test_models_that_lack_data_sets_are_shown_with_what_they_have(
    human: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("one", "two"):
        write(tmp_path / "mine", name, 0.4, "edge", "cue-conflict")
    args = ("--human", human, "--responses", tmp_path / "mine")
    assert call(*args) == 3
    out = capsys.readouterr().out
    table = out.partition("Paired differences")[0]
    assert "colour" not in table.partition("No mean")[0]  # no model has answers there
    assert table.count(" humans ") == 3  # in each data set, and its shape bias
    assert "—" not in table
    assert "No mean over the 17 data sets for one, two: scores on only 2 of them." in out
    absent = [name for name in ALIGNMENT_SETS if name not in ("edge", "cue-conflict")]
    missing = [line for line in out.splitlines() if line.startswith("Missing")]
    assert missing == [f"Missing: one, two on {', '.join(absent)}: this observer has no file"]
    # Beside a model that has everything, there are means, and a line for who has none.
    write(tmp_path / "mine", "whole", 0.3)
    assert call(*args) == 3
    out = capsys.readouterr().out
    assert "Mean of the 17 data sets" in out
    assert "No mean over the 17 data sets for one, two: scores on only 2 of them." in out
    assert "for whole" not in out
    # And a data set that people lack is no fault of the models.
    for path in (human / "sketch").iterdir():
        path.unlink()
    assert call(*args, "--model", "whole") == 3
    out = capsys.readouterr().out
    assert "No mean over the 17 data sets: only 16 have scores. No scores for: sketch." in out
    assert "Missing" not in out


def test_kappa_of_observers_who_never_err(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for observer in ("subject-01", "subject-02"):
        write(tmp_path / "human", observer, 0.0, "edge")
    args = ("--human", tmp_path / "human", "--task", "edge", "--json", tmp_path / "scores.json")

    def kappa() -> object:
        rows = json.loads((tmp_path / "scores.json").read_text())["scores"]
        return next(r["value"] for r in rows if (r["observer"], r["metric"]) == ("humans", "error_consistency"))

    assert call(*args) == 0
    assert kappa() is None
    assert call(*args, "--compat", "model-vs-human") == 0
    assert kappa() == 1.0


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--human", "absent"), "absent is not a folder"),
        (("--human", "."), "holds no trials of people; expected files such as colour/colour_subject-01_session_1.csv"),
        (("--human", "human", "--responses", "empty"), "has no predictions of models"),
        (("--responses", "empty"), "--responses needs --human DIR"),
        (("--compat", "model-vs-human"), "--compat needs --human DIR"),
        (("--human", "human", "--suite", "robustness"), "--human works only with --suite human-alignment"),
        (("--human", "human", "--task", "edges"), "Did you mean 'edge'"),
        (("--human", "human", "--limit", "3"), "--limit cannot be used with --human"),
        (("--human", "human", "--model", "vit"), "need --responses DIR"),
        (("--human", "human", "--responses", "mine", "--model", "vitt"), "Did you mean 'vit'"),
        (("--human", "human", "--json", "empty"), "empty is a folder; name a file"),
        (("--human", "human", "--responses", "wrong"), "line 2: 1 fields; expected 8"),
        (("--human", "damaged"), "edge_subject-01_session_1.csv, line 2: 1 fields; expected 8"),
        (("--suite", "human-alignment"), "needs --human DIR"),
    ],
)
def test_mistakes_end_in_a_message_and_exit_code_2(
    human: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    args: tuple[str, ...], message: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    write(tmp_path / "mine", "vit", 0.2)
    for folder, name in (("wrong", "vit_session-1"), ("damaged", "subject-01_session_1")):
        path = tmp_path / folder / "edge" / f"edge_{name}.csv"
        path.parent.mkdir(parents=True)
        path.write_text(",".join(HEAD) + "\nx\n")
    assert call(*args) == 2
    err = capsys.readouterr().err
    assert message in " ".join(err.split())
    assert "Traceback" not in err
