"""Names and numbers for MLflow, and a tracking folder read back where MLflow is installed."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import pytest

from vitobench.bench.exports import trackers
from vitobench.bench.exports.trackers import metrics_of, params_of
from vitobench.errors import VitobenchError
from vitobench.results.schema import Score


def test_names_are_what_mlflow_accepts_and_stay_apart() -> None:
    scores = [Score("m", task, "é:x", "top1", value, math.nan, 1.0, 9) for task, value in (("a@b", 0.5), ("a?b", 0.25))]
    assert metrics_of(scores) == {
        "a_b/__x/top1": 0.5, "a_b/__x/top1.ci_high": 1.0,
        "a_b/__x/top1_2": 0.25, "a_b/__x/top1_2.ci_high": 1.0,
    }  # fmt: skip
    assert metrics_of([dataclasses.replace(scores[0], value=math.nan)]) == {}


def test_parameters_say_what_the_numbers_are_of(handed) -> None:
    found = params_of(handed("").outcome.data, "vito@500")
    assert found["model.identity"] == "vito@500@" + "0" * 16
    assert (found["task.val"], found["task.c"], found["version.vitobench"], found["seed"]) == (
        "val@11", "c@22", "9.9", "4",
    )  # fmt: skip


@pytest.mark.filterwarnings("ignore")  # of MLflow's own dependencies
def test_a_tracking_folder_holds_every_number(handed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mlflow")
    from mlflow.tracking import MlflowClient

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    place = (tmp_path / "tracking").as_uri()
    handover = handed(place)
    lines = trackers.export_mlflow(handover)
    assert len(lines) == 3
    client = MlflowClient(tracking_uri=place)
    runs = client.search_runs([client.get_experiment_by_name("vitobench").experiment_id])
    assert {run.info.run_name for run in runs} == set(handover.models)
    for run in runs:
        assert run.info.status == "FINISHED"
        own = [s for s in handover.outcome.data.scores if s.model == run.info.run_name]
        assert run.data.metrics == metrics_of(own)
        assert run.data.metrics["val/overall/top1"] == own[0].value
        assert run.data.params["model"] == run.info.run_name
    document = client.download_artifacts(runs[0].info.run_id, trackers.DOCUMENT, str(tmp_path))
    assert len(json.loads(Path(document).read_text())["scores"]) == 12


@pytest.mark.filterwarnings("ignore")
def test_a_refusal_of_mlflow_is_one_message(handed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mlflow")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(VitobenchError, match=r"MLflow at nonsense://x failed: .*use --to for another"):
        trackers.export_mlflow(handed("nonsense://x"))
