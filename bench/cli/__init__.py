"""The command line. Each command's module is imported only when it is called, so that help and listings stay quick."""

from __future__ import annotations

import gc
import importlib
import os
import sys
from typing import Any

import click

from ...caches import prepare_caches
from ...cores import limit_openmp
from ...interruption import answer_signals
from ...terminal import echo, prepare_streams
from ..configuration import use_cache
from .ending import check_arguments, guarded, pipes

_COMMANDS = {
    "run": ("run", "Run a suite or tasks on models; show the table, write the page."),
    "mock-run": ("checks", "Check a new model in seconds: outputs, preprocessing, label order, every task."),
    "plan": ("run", "Show what a run would do and cost: units, minutes, disk space, missing data."),
    "score": ("run", "Compute scores and comparisons from a store, without running a model."),
    "saliency": ("run", "Compare a model's saliency maps with people's maps or with object masks."),
    "compare": (
        "reporting",
        "Compare models in a store: corrected paired tests, ranks, seeds and --fail-if conditions.",
    ),
    "report": ("run", "Score the predictions in a store and rewrite the HTML page, without running a model."),
    "figures": ("reporting", "Draw a paper's figures from a store: PDF, SVG and PNG, with a CSV of the numbers."),
    "tables": ("reporting", "Write a paper's tables from a store: LaTeX, Markdown, HTML or CSV."),
    "export": ("reporting", "Export scores: CSV, JSON, Parquet, a model card, MLflow, TensorBoard."),
    "results": ("results", "List, show, import, export, verify, prune and migrate the contents of a store."),
    "data": ("data", "Find, name, list, download and verify data sets."),
    "pretrain": ("pretrain", "Pretrain a model from a recipe and fit its linear head."),
    "curate": ("curate", "Select balanced, confirmed, distinct clips from a collection of videos."),
    "probe": ("probe", "Fit a head on a model's frozen features: linear, nearest neighbours or attentive."),
    "finetune": ("probe", "Fine-tune a whole model on labelled images."),
    "curve": ("pretrain", "Run a suite or tasks on the checkpoints of one training run and show the results by step."),
    "reproduce": ("pretrain", "Test the claims of VITO's paper in the micro-world: train, measure, write the tables."),
    "doctor": ("checks", "Check this machine: versions, devices, optional packages, data, store, threads."),
    "models": ("listings", "List the named models."),
    "tasks": ("listings", "List the tasks."),
    "suites": ("listings", "List the suites."),
    "recipes": ("listings", "List the pretraining recipes."),
}


class _LazyGroup(click.Group):
    """A group that lists its commands without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        module = importlib.import_module(f".{_COMMANDS[name][0]}", __package__)
        command: click.Command = getattr(module, f"{name.replace('-', '_')}_command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])

    def make_context(self, *args: Any, **more: Any) -> click.Context:
        with pipes():
            return super().make_context(*args, **more)

    def invoke(self, ctx: click.Context) -> Any:
        with pipes():
            return super().invoke(ctx)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        from ...errors import unknown_name

        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            ctx.fail(str(unknown_name("command", args[0], _COMMANDS)))
        return super().resolve_command(ctx, args)


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="vitobench")
def group() -> None:
    """Is a new vision checkpoint really more robust and more human-like than its baselines?

    \b
    bench run --model vito --suite robustness
    bench run --model timm:resnet50 --suite robustness --data imagenet=DIR

    Exit codes: 0 everything requested is there; 1 a check of `bench doctor` failed, standard output could not be
    written, or vitobench has a bug; 2 wrong usage; 3 something is missing (the summary says what); 4 a --fail-if
    condition of `bench compare` is met; 130 interrupted; 141 output pipe closed (`bench tasks | head -1`); 143
    terminated. Tab completion: eval "$(_BENCH_COMPLETE=bash_source bench)" (or zsh_source, fish_source).
    """


def main(args: list[str] | None = None) -> None:
    """Entry point of ``bench``: every error ends in a message and an exit code, never in a traceback."""
    # OpenMP threads spin while they wait for one another. If the cores are shared, with our own threads that read
    # images or with another process, spinning can make a forward pass many times slower; sleeping costs little.
    # torch reads these variables when it loads, so they have to be set first.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    limit_openmp()
    # Python looks for cycles of garbage after every 700 new objects. Of the millions that libraries make while they
    # load and numba while it compiles, nearly all stay, and looking took up to a fifth of the time.
    gc.set_threshold(10_000, *gc.get_threshold()[1:])
    prepare_streams()
    use_cache()
    note = prepare_caches()
    with answer_signals():
        code = guarded(lambda: _command(sys.argv[1:] if args is None else args, note))
    if code:
        sys.exit(code)


def _command(args: list[str], note: str) -> int:
    check_arguments(args)
    try:
        code = group.main(args=args, prog_name="bench", standalone_mode=False)
    finally:
        if note and "--quiet" not in args and not {"numba", "matplotlib", "torch"}.isdisjoint(sys.modules):
            echo(note, err=True)
    return code if isinstance(code, int) else 0
