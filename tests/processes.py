"""Python processes of their own that need not import torch and its like anew.

Importing the large libraries takes longer than most of what tests do in a process. So one server of each test process
imports them, once, and forks for every process that a test asks for (`multiprocessing` calls it a fork server). Nothing
of this package is loaded in it. What a command imports, and when, is tested in processes that start from nothing.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import types
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

LIBRARIES = (
    "torch", "torchvision", "timm", "safetensors.torch", "numba.core.typed_passes", "numba.parfors.parfor",
    "scipy.stats", "scipy.ndimage", "pandas", "pyarrow.parquet", "pyarrow.dataset", "matplotlib.figure",
    "matplotlib.backends.backend_agg", "matplotlib.backends.backend_svg", "seaborn", "jinja2", "rich.console",
    "click", "lightning_fabric",
)  # fmt: skip
AS_SCRIPT = "import runpy, sys; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
BENCH = "import sys; from vitobench.bench.cli import main; main(sys.argv[1:])"

_server = multiprocessing.get_context("forkserver")
_server.set_forkserver_preload(list(LIBRARIES))


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit code, negative for a signal, and what it printed."""

    code: int
    out: str
    err: str


class Running:
    """A process that runs code as ``python -W error -c`` does.

    Args:
        code: The program.
        args: Its arguments.
        cwd: Its working folder.
        variables: Changes of the environment.
        strict: Whether warnings are errors.
    """

    def __init__(
        self, code: str, *args: object, cwd: Path, variables: Mapping[str, str] | None = None, strict: bool = True
    ) -> None:
        self._printed = Path(tempfile.mkdtemp(prefix="process-", dir=cwd.parent))
        arguments = (code, [*map(str, args)], cwd, _environment(variables), self._printed, strict)
        self._process = _server.Process(target=_run, args=arguments)
        program = sys.modules["__main__"]
        sys.modules["__main__"] = types.ModuleType("__main__")  # else what runs the tests would be imported there
        try:
            self._process.start()
        finally:
            sys.modules["__main__"] = program

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        """Its exit code, or None while it runs."""
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once, and nothing that it started."""
        self._process.kill()
        self._process.join()

    def clear(self) -> None:
        """End at once what is left of it and of the processes that it started."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.kill()

    def ended(self, timeout: float = 300) -> Ended:
        """Wait for its end."""
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            self.clear()
            raise AssertionError(f"not finished after {timeout:.0f} seconds: {self._text('err')}")
        return Ended(code, self._text("out"), self._text("err"))

    def _text(self, name: str) -> str:
        path = self._printed / name
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


def run(code: str, *args: object, cwd: Path, variables: Mapping[str, str] | None = None, strict: bool = True) -> Ended:
    """Run code to its end in a process of its own, see `Running`; it must not fail with a traceback."""
    done = Running(code, *args, cwd=cwd, variables=variables, strict=strict).ended()
    assert "Traceback" not in done.err, done.err
    return done


def run_from_nothing(code: str, *args: object, cwd: Path, variables: Mapping[str, str] | None = None) -> Ended:
    """The same in an interpreter that has loaded nothing yet, for tests of what is imported."""
    command = [sys.executable, "-W", "error", "-c", code, *map(str, args)]
    environment = _environment(variables)
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, timeout=300, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return Ended(done.returncode, done.stdout, done.stderr)


def bench(*args: object, cwd: Path, variables: Mapping[str, str] | None = None) -> Ended:
    """Run ``bench`` in a process of its own, see `run`."""
    return run(BENCH, *args, cwd=cwd, variables=variables)


def _environment(changes: Mapping[str, str] | None) -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", **(changes or {})}


def _run(code: str, args: list[str], cwd: Path, variables: dict[str, str], printed: Path, strict: bool) -> None:
    """What the new process does."""
    os.setsid()
    for name, number in (("out", 1), ("err", 2)):
        opened = os.open(printed / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(opened, number)
        os.close(opened)
    os.environ.clear()
    os.environ.update(variables)
    os.chdir(cwd)
    sys.path[:0] = filter(None, variables.get("PYTHONPATH", "").split(os.pathsep))
    sys.argv = ["-c", *args]
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    if strict:
        warnings.simplefilter("error")
    exec(compile(code, "<string>", "exec"), vars(main))
