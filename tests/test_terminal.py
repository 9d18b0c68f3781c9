"""Names cannot steer a terminal, and no encoding or closed stream stops the work."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.table import Table
from rich.text import Text

from vitobench.terminal import echo, lost_output, open_console, output_to_errors, printable, shown

HOSTILE = {
    "\x1b[2J\x1b[1;31mred": r"\x1b[2J\x1b[1;31mred",
    "a\rb\x08c\x07": r"a\rb\x08c\x07",
    "\x9b2Jx\x85": r"\x9b2Jx\x85",
    "\u202ecod.exe\u2066\u200f": r"\u202ecod.exe\u2066\u200f",
    "one\ntwo\u2028three": r"one\ntwo\u2028three",
    "byte \udcff": r"byte \xff",
    "half \ud83d": r"half \ud83d",
    "\x7f\x00\t": r"\x7f\x00\t",
    "Zürich 東京 😀 κ▲": "Zürich 東京 😀 κ▲",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_written_out_on_one_line(name: str) -> None:
    assert shown(name) == HOSTILE[name]
    assert shown(Path(name.replace("\0", ""))) == HOSTILE[name].replace(r"\x00", "")


def test_text_keeps_its_lines() -> None:
    assert printable("a\n\tb\x1b[31m\r\n") == "a\n\tb\\x1b[31m\\r\n"


@pytest.mark.parametrize("err", [False, True])
def test_whatever_is_printed_is_written_out(err: bool, capsys: pytest.CaptureFixture[str]) -> None:
    echo("e\x1b[2J", err=err)
    console = open_console(err=err)
    console.print("p\x1b[2J", markup=False)
    console.print(Text("t\x1b[2J", "bold"))
    table = Table("h\x1b[2J", title="i\x1b[2J")
    table.add_row("c\x1b[2J")
    table.add_row(Text("d\u202ex"))
    console.print(table)
    text = capsys.readouterr()[err]
    assert "\x1b" not in text
    assert "\u202e" not in text
    for letter in "epthic":
        assert rf"{letter}\x1b[2J" in text
    assert r"d\u202ex" in text


def test_colours_of_our_own_stay_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Screen()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    open_console().print(Text("bad \x1b[8mhidden", "red"))
    assert screen.getvalue() == "\x1b[31mbad \\x1b[8mhidden\x1b[0m\n"


PRINTS = """
import sys
from vitobench.terminal import prepare_streams, echo
prepare_streams()
echo("−1.5 ▲ ▼ ↓κ ≥2 ±3 é 東 \\udcff")
print("−2")
"""


@pytest.mark.parametrize(
    ("encoding", "line"),
    [
        ("ascii", b"-1.5 ^ v vk >=2 +/-3 \\xe9 \\u6771 \\xff\n-2\n"),
        ("latin-1", b"-1.5 ^ v vk >=2 \xb13 \xe9 \\u6771 \\xff\n-2\n"),
        ("cp1252", b"-1.5 ^ v vk >=2 \xb13 \xe9 \\u6771 \\xff\n-2\n"),
        ("utf-8", "−1.5 ▲ ▼ ↓κ ≥2 ±3 é 東 \\xff\n−2\n".encode()),
    ],
)
def test_signs_that_an_encoding_lacks_keep_their_meaning(encoding: str, line: bytes) -> None:
    variables = os.environ | {"PYTHONIOENCODING": encoding}
    done = subprocess.run([sys.executable, "-c", PRINTS], capture_output=True, env=variables, check=False)
    assert done.stdout == line, done.stderr
    assert done.returncode == 0


CLOSED = """
import sys
from vitobench.terminal import prepare_streams
prepare_streams()
with open(sys.argv[1], "w") as file:
    assert file.fileno() > 2, file.fileno()
    print("nowhere")
    print("nowhere", file=sys.stderr)
    assert sys.stdin.read() == ""
    assert not sys.stdout.isatty()
    file.write("content")
"""


def test_closed_streams_are_replaced_and_their_numbers_go_to_no_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    command = ["sh", "-c", 'exec "$0" -c "$1" "$2" <&- >&- 2>&-', sys.executable, CLOSED, str(path)]
    assert subprocess.run(command, check=False).returncode == 0
    assert path.read_text() == "content"


def test_output_that_cannot_be_written_is_remembered_and_work_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:  # noqa: PTH123
        monkeypatch.setattr(sys, "stdout", full)
        echo("lost")
        console = open_console()
        console.print("lost, too")
        monkeypatch.undo()
    error = lost_output()
    assert error is not None
    assert error.strerror == "No space left on device"
    assert lost_output() is None


LOUD = """
import os, subprocess, sys
from vitobench.terminal import output_to_errors
with output_to_errors():
    print("python")
    os.write(1, b"descriptor\\n")
    subprocess.run(["echo", "child"])
    sys.stderr.write("error\\n")
    if "close" in sys.argv:
        sys.stdout.close(); os.close(1); os.close(2)
print("ours")
print("ours, error", file=sys.stderr)
with output_to_errors():
    print("again")
"""


@pytest.mark.parametrize("more", [[], ["close"]])
def test_output_of_others_goes_to_standard_error(more: list[str]) -> None:
    done = subprocess.run([sys.executable, "-c", LOUD, *more], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "ours\n"
    assert done.stderr.splitlines() == ["python", "descriptor", "child", "error", "ours, error", "again"]


def test_output_of_others_in_a_notebook_is_shown_as_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    out, err = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    with output_to_errors():
        print("loud")
    print("ours")
    assert (out.getvalue(), err.getvalue()) == ("ours\n", "loud\n")
