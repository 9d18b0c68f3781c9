"""Everything that crosses ranks, in two processes over gloo, against one process with the whole batch."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.multiprocessing as mp

from vitobench.models.pretraining.checkpoint import NAME, load_state
from vitobench.models.pretraining.learners import make_learner
from vitobench.tests.models.pretraining.two_ranks import OBJECTIVES, RANKS, RECIPE, one_rank, small, step, views


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ranks")
    try:
        mp.spawn(one_rank, args=(_free_port(), str(folder)), nprocs=RANKS)
    except mp.ProcessExitedException:  # gloo may abort a process at its end; a wrong step raises something else
        mp.spawn(one_rank, args=(_free_port(), str(folder)), nprocs=RANKS)
    return folder


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_two_processes_do_what_one_does_with_the_whole_batch(two_processes: Path, objective: str) -> None:
    torch.manual_seed(0)
    learner = make_learner(replace(RECIPE, method=small(objective))).train()
    loss = step(learner, learner, views())
    found = torch.load(two_processes / f"{objective}.pt", weights_only=True)
    torch.testing.assert_close(found["loss"], loss, rtol=1e-5, atol=1e-6)
    expected = learner.state_dict()
    assert set(found["state"]) == set(expected)
    moved = 0
    torch.manual_seed(0)
    fresh = make_learner(replace(RECIPE, method=small(objective))).state_dict()
    for name, value in found["state"].items():
        # Targets normalise with statistics of the whole batch, too: everything but rounding is the same.
        torch.testing.assert_close(value, expected[name], rtol=1e-3, atol=2e-5, msg=lambda m, n=name: f"{n}: {m}")
        moved += not torch.equal(value, fresh[name])
    assert moved > 40


def test_a_signal_to_one_process_stops_both_once_the_step_is_saved(two_processes: Path) -> None:
    found = torch.load(two_processes / "stopped.pt", weights_only=True)
    assert "SIGTERM: saved at step 3 of 6" in found["stopped"]
    state = load_state(two_processes / "cut" / NAME)
    assert state is not None
    assert (state["step"], state["ranks"], state["threads"]) == (3, 2, 1)
    whole = load_state(two_processes / "whole" / NAME)
    assert whole is not None
    assert whole["step"] == 6
