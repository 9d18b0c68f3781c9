"""The configuration: what goes before what, what is written, and what every mistake in it says."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vitobench.bench import configuration
from vitobench.bench.cli import main
from vitobench.bench.cli.data import data_command
from vitobench.bench.doctor.check import FAIL, OK, WARN
from vitobench.bench.doctor.places import check_configuration
from vitobench.errors import VitobenchError
from vitobench.models.spec import PRECISIONS
from vitobench.tasks.opening import USER_DATA

Bench = Callable[..., Any]


@pytest.fixture(autouse=True)
def own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The working folder and the user's configuration are the test's own."""
    monkeypatch.delenv("VITOBENCH_CONFIG", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home" / ".config"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


@pytest.fixture
def user(tmp_path: Path) -> Path:
    file = tmp_path / "home" / ".config" / "vitobench" / "vitobench.toml"
    file.parent.mkdir(parents=True)
    return file


def photographs(root: Path, *wnids: str) -> Path:
    for number, wnid in enumerate(wnids or ("n01440764", "n02099601")):
        (root / wnid).mkdir(parents=True)
        pixels = np.random.default_rng(number).integers(0, 256, (60, 70, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / wnid / f"ILSVRC2012_val_{number + 1:08d}.JPEG")
    return root


def test_without_files_nothing_is_configured() -> None:
    assert configuration.layers() == ()
    assert configuration.data_folders({}).paths == {}
    assert configuration.default("device", "auto") == "auto"
    assert configuration.further_stores() == ()
    assert configuration.data_root(Path("data")) == Path("data")


def test_the_precisions_are_those_of_models() -> None:
    for name in PRECISIONS:
        Path("vitobench.toml").write_text(f'precision = "{name}"')
        assert configuration.default("precision", "") == name


def test_the_command_line_goes_before_the_environment_and_that_before_files(
    user: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    user.write_text(
        'device = "cuda:1"\nprecision = "float16"\nalso = ["stores/a", "s3://b"]\ndata_root = "sets"\n'
        '[data]\nimagenet = "from-user"\nimagenet-a = "a"\nimagenet-r = "~/r"\nobjectnet = "/o"\n'
    )
    (user.parent / "sets").mkdir()
    Path("vitobench.toml").write_text('device = "cpu"\n[data]\nimagenet = "here"\nimagenet-a = "../up"\n')
    disk = tmp_path / "disk"
    photographs(disk / "imagenet" / "val")
    monkeypatch.setenv("VITOBENCH_DATA", str(disk))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    here = Path.cwd()

    folders = configuration.data_folders({"imagenet-a": Path("typed")})
    assert folders.paths == {
        "imagenet-a": Path("typed"),
        "imagenet": disk / "imagenet" / "val",
        "imagenet-real": disk / "imagenet" / "val",
        "imagenet-r": tmp_path / "home" / "r",
        "objectnet": Path("/o"),
    }
    assert folders.origins == {
        "imagenet": f"VITOBENCH_DATA={disk}",
        "imagenet-real": f"VITOBENCH_DATA={disk}",
        "imagenet-r": f"{user}: data.imagenet-r",
        "objectnet": f"{user}: data.objectnet",
    }
    monkeypatch.delenv("VITOBENCH_DATA")
    folders = configuration.data_folders({})
    assert folders.paths["imagenet"] == here / "here"
    assert folders.origins["imagenet"] == "vitobench.toml: data.imagenet"
    assert configuration.default("device", "auto") == "cpu"
    assert configuration.default("precision", "float32") == "float16"
    assert configuration.further_stores() == (str(user.parent / "stores" / "a"), "s3://b")
    assert configuration.data_root(Path("data")) == user.parent / "sets"

    named = tmp_path / "named.toml"
    named.write_text('precision = "bfloat16"')
    monkeypatch.setenv("VITOBENCH_CONFIG", str(named))
    assert configuration.data_folders({}).paths == {}
    assert (configuration.default("device", "auto"), configuration.default("precision", "")) == ("auto", "bfloat16")
    monkeypatch.setenv("VITOBENCH_CONFIG", os.devnull)
    assert configuration.layers() == ()


def test_the_users_file_in_the_working_folder_is_read_once(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    user.write_text('device = "cpu"')
    monkeypatch.chdir(user.parent)
    assert configuration.files() == (Path("vitobench.toml"),)


def test_the_file_in_the_documentation_is_valid_and_has_every_key(user: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
    user.write_text(page.partition("```toml\n")[2].partition("```")[0], encoding="utf-8")
    assert all(getattr(configuration.read(user), field.name) for field in fields(configuration.Configuration))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('devise = "cpu"', "devise = 'cpu' is not a known key. Did you mean 'device'?"),
        ('device = "gpu"', "device = 'gpu' must be 'auto', 'cpu', 'cuda', 'cuda:N' or 'mps'."),
        ('precision = "float64"', "precision = 'float64' must be 'float32', 'bfloat16' or 'float16'."),
        ('also = "s3://b"', "also = 's3://b' must be a list, each text, not empty."),
        ("cache = 3", "cache = 3 must be text, not empty."),
        ('data = "/data"', "data = '/data' must be a table, each value text, not empty."),
        ("[data]\nimagenet = 3", "data.imagenet = 3 must be text, not empty."),
        ('[data]\nimagenet-rr = "/r"', "data.imagenet-rr = '/r' is not a known data set. Did you mean 'imagenet-r'"),
        ("device =", "is not TOML: Invalid value"),
        ('device = "cpu"\ndevice = "cpu"', "is not TOML: Cannot overwrite a value"),
    ],
)
def test_a_mistake_names_file_key_value_and_what_would_be_valid(text: str, message: str, user: Path) -> None:
    user.write_text(text)
    with pytest.raises(VitobenchError) as error:
        configuration.layers()
    assert str(error.value).startswith(f"{user}")
    assert message in str(error.value)
    (row,) = check_configuration()
    assert row.status == FAIL
    assert message in row.found


def test_a_file_that_is_gone_or_no_text_is_named(user: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    user.write_bytes(b"device = 'caf\xe9'")
    with pytest.raises(VitobenchError, match="is not TOML: it is not text"):
        configuration.layers()
    monkeypatch.setenv("VITOBENCH_CONFIG", str(tmp_path / "gone.toml"))
    with pytest.raises(VitobenchError, match=r"VITOBENCH_CONFIG=.*gone\.toml does not exist"):
        configuration.layers()
    monkeypatch.setenv("VITOBENCH_CONFIG", str(tmp_path))
    with pytest.raises(VitobenchError, match="is not a file"):
        configuration.layers()


def test_a_root_that_is_gone_is_the_folder_of_what_is_nowhere_else(
    tmp_path: Path, user: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    monkeypatch.setenv("VITOBENCH_DATA", str(gone))
    user.write_text('[data]\nimagenet = "/x"\n')
    folders = configuration.data_folders({"imagenet-a": Path("typed")})
    assert (folders.paths["imagenet"], folders.paths["imagenet-a"]) == (Path("/x"), Path("typed"))
    assert folders.paths["imagenet-r"] == gone
    assert folders.origins["imagenet-r"] == f"VITOBENCH_DATA={gone}"
    assert "model-vs-human-answers" not in folders.paths  # those are looked for beside the stimuli
    assert configuration.data_folders({}, with_gone=False).paths == {"imagenet": Path("/x")}


def test_adding_keeps_every_other_line(user: Path, tmp_path: Path) -> None:
    before = '# mine\ndevice = "cpu"  # no GPU\n\n[data]  # sets\nimagenet = "/x"   # val\n# the end\n'
    user.write_text(before)
    configuration.add_folders(user, {"imagenet": tmp_path / "new", "imagenet-a": tmp_path})
    after = user.read_text()
    lines = before.replace('"/x"', f'"{tmp_path / "new"}"').splitlines()
    assert [line for line in after.splitlines() if line in lines] == lines
    assert set(after.splitlines()) - set(lines) == {f'imagenet-a = "{tmp_path}"'}
    assert configuration.data_folders({}).paths == {"imagenet": tmp_path / "new", "imagenet-a": tmp_path}
    user.write_text('device = "gpu"')
    with pytest.raises(VitobenchError, match="device"):
        configuration.add_folders(user, {"imagenet": tmp_path})
    assert user.read_text() == 'device = "gpu"'
    fresh = tmp_path / "new folder" / "vitobench.toml"
    configuration.add_folders(fresh, {"imagenet": tmp_path})
    assert configuration.read(fresh).data == {"imagenet": str(tmp_path)}


def test_the_configured_cache_is_used_unless_the_environment_names_one(
    user: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    user.write_text('cache = "caches"')
    monkeypatch.setenv("XDG_CACHE_HOME", "/elsewhere")
    configuration.use_cache()
    assert os.environ["XDG_CACHE_HOME"] == "/elsewhere"
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    configuration.use_cache()
    assert os.environ["XDG_CACHE_HOME"] == str(user.parent / "caches")
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    user.write_text("cache =")  # `bench doctor` and runs report it
    configuration.use_cache()
    assert os.environ["XDG_CACHE_HOME"] == ""


def test_the_doctor_says_what_is_read_and_what_is_gone(
    user: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (row,) = check_configuration()
    assert (row.status, "no file" in row.found, str(user) in row.found) == (OK, True, True)
    user.write_text('device = "cpu"\n[data]\nimagenet = "/gone/val"\n')
    monkeypatch.setenv("VITOBENCH_DATA", str(tmp_path))
    rows = check_configuration()
    assert [(row.name, row.status) for row in rows] == [("variable", OK), ("file", OK), ("data.imagenet", WARN)]
    assert f"VITOBENCH_DATA={tmp_path}" in rows[0].found
    assert "data imagenet; device cpu" in rows[1].found
    assert rows[2].found == f"{user}: data.imagenet = '/gone/val' is no folder"


# The commands.


def call(*args: str) -> int:
    try:
        main(list(args))
    except SystemExit as done:
        return int(done.code or 0)
    return 0


def test_add_writes_the_users_file_or_that_of_the_working_folder(
    user: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = photographs(tmp_path / "x")
    assert call("data", "add", "imagenet", str(folder)) == 0
    assert f"imagenet = {folder} is written to {user}." in capsys.readouterr().out
    assert configuration.read(user).data == {"imagenet": str(folder)}
    other = photographs(tmp_path / "y")
    assert call("data", "add", "imagenet", str(other), "--here", "--quiet") == 0
    assert configuration.read(Path("vitobench.toml")).data == {"imagenet": str(other)}
    assert capsys.readouterr() == ("", "")
    assert call("data", "add", "imagenet", str(folder)) == 0
    assert f"vitobench.toml: data.imagenet names {other}, which goes before it" in capsys.readouterr().err


def test_add_refuses_what_has_not_the_form(
    user: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x" / "cat").mkdir(parents=True)
    for args, message in (
        (("imagenet-a", str(tmp_path / "x")), "does not look like imagenet-a. Expected one folder per class"),
        (("imagenet", str(tmp_path / "x")), "does not look like imagenet. It needs photographs in one folder per"),
        (("model-vs-human", str(tmp_path / "x")), "does not look like model-vs-human"),
        (("imagenet-aa", str(tmp_path)), "no data set named 'imagenet-aa'. Did you mean 'imagenet-a'"),
        (("imagenet", str(tmp_path / "gone")), "does not exist"),
        (("imagenet", str(tmp_path), "--links", "x"), "--links needs --labels FILE"),
    ):
        assert call("data", "add", *args) == 2
        assert message in " ".join(capsys.readouterr().err.split())
    monkeypatch.setenv("VITOBENCH_CONFIG", str(user))
    user.write_text("")
    assert call("data", "add", "imagenet", str(photographs(tmp_path / "y")), "--here") == 2
    assert f"VITOBENCH_CONFIG={user} is read instead" in " ".join(capsys.readouterr().err.split())
    assert user.read_text() == ""


def test_scan_shows_what_is_there_and_adds_what_is_certain(
    user: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = tmp_path / "disk"
    photographs(disk / "one")
    photographs(disk / "two")
    photographs(disk / "c" / "fog" / "1")
    (disk / "mine" / "n01440764").mkdir(parents=True)
    (disk / "mine" / "n01440764" / "cat.jpg").touch()
    (disk / "flat").mkdir()
    (disk / "flat" / "ILSVRC2012_val_00000001.JPEG").touch()

    def rows(*args: str) -> list[dict[str, Any]]:
        assert call("data", "scan", *args, "--json") == 0
        return list(json.loads(capsys.readouterr().out))

    before = rows(str(disk))
    states = {(row["name"], Path(row["folder"]).name): (row["state"], row["note"]) for row in before}
    add = f"bench data add imagenet {disk}"
    assert states[("imagenet-c", "c")] == ("new", "")
    assert states[("imagenet", "one")] == ("one of 2", f"to choose it: {add}/one")
    assert states[("imagenet", "mine")] == (
        "uncertain", f"other sets look like this; if it is imagenet: {add}/mine"
    )  # fmt: skip
    assert states[("imagenet", "flat")] == ("not sorted", f"{add}/flat --labels FILE")
    assert not user.exists()
    monkeypatch.setenv("VITOBENCH_DATA", str(disk))  # names the root; no set is in its usual place
    assert rows() == before
    after = rows("--add")
    assert configuration.read(user).data == {"imagenet-c": str(disk / "c")}
    assert {row["state"] for row in after if row["name"] == "imagenet-c"} == {"added"}
    now = {row["name"]: (row["state"], row["note"]) for row in rows()}
    assert now["imagenet-c"] == ("in use", f"named by {user}: data.imagenet-c")
    assert call("data", "add", "imagenet", str(disk / "one")) == 0
    capsys.readouterr()
    states = {row["folder"]: row["state"] for row in rows() if row["name"] == "imagenet" and row["certain"]}
    assert states == {
        str(disk / "one"): "in use",
        str(disk / "two"): "another in use",
        str(disk / "flat"): "not sorted",
    }
    assert call("data", "scan") == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert f"imagenet-c: named by {user}: data.imagenet-c" in shown
    monkeypatch.delenv("VITOBENCH_DATA")
    assert call("data", "scan") == 2
    assert "Name the folder to look in" in capsys.readouterr().err
    (tmp_path / "nothing").mkdir()
    assert call("data", "scan", str(tmp_path / "nothing")) == 0
    assert "No known data set below" in capsys.readouterr().out


def test_names_of_folders_are_completed() -> None:
    from click.shell_completion import ShellComplete

    complete = ShellComplete(data_command, {}, "data", "_DATA_COMPLETE")
    found = [item.value for item in complete.get_completions(["add"], "imagenet-d")]
    assert found == [name for name in USER_DATA if name.startswith("imagenet-d")]
    assert "imagenet-depth" in found


def test_a_run_reads_configured_folders_and_the_plan_says_so(
    bench_here: Bench, classifier: str, user: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = photographs(tmp_path / "val")
    user.write_text(f'device = "cpu"\n[data]\nimagenet = "{folder}"\nimagenet-a = "/gone"\nobjectnet = "/gone"\n')
    asked = ("--model", classifier, "--task", "imagenet-val")
    planned = bench_here("plan", *asked, "--no-measure", "--json", "plan.json")
    assert planned.code == 0, planned.err
    assert f"Reads {folder} (imagenet, from {user}: data.imagenet): imagenet-val" in planned.out
    assert f"Configuration: {user}" in planned.out
    assert "was not used" not in planned.out
    (read,) = json.loads(Path("plan.json").read_text())["folders"]
    assert read == {
        "name": "imagenet", "folder": str(folder), "origin": f"{user}: data.imagenet", "tasks": ["imagenet-val"]
    }  # fmt: skip
    done = bench_here("run", *asked, "--no-gallery", "--json", "run.json")
    assert done.code == 0, done.err
    (record,) = Path("bench-results").rglob("runs/*.json")
    assert json.loads(record.read_text())["settings"]["device"] == "cpu"

    other = photographs(tmp_path / "other")
    typed = bench_here("plan", *asked, "--no-measure", "--data", f"imagenet={other}")
    assert f"Reads {other} (imagenet, from --data): imagenet-val" in typed.out

    gone = bench_here("run", "--model", classifier, "--task", "imagenet-val", "--task", "imagenet-a")
    assert gone.code == 2
    assert f"{user}: data.imagenet-a: the folder '/gone' does not exist. Mount it, correct or remove" in gone.err
    monkeypatch.setenv("VITOBENCH_DATA", "/gone")
    gone = bench_here("run", *asked, "--task", "imagenet-r")
    assert (gone.code, "VITOBENCH_DATA=/gone: the folder '/gone' does not exist." in gone.err) == (2, True)
    assert bench_here("run", *asked, "--no-gallery").code == 0  # which needs nothing below it
    user.write_text('device = "gpu"')
    broken = bench_here("run", *asked)
    assert (broken.code, f"{user}: device = 'gpu' must be" in broken.err) == (2, True)
    assert bench_here("run", *asked, "--device", "cpu").code == 2
    assert bench_here("data", "list").code == 0
