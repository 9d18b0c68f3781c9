"""What is said of torch and of GPUs that this machine need not have."""

from __future__ import annotations

import dataclasses
import sys

import pytest
import torch

from vitobench.bench.doctor.check import FAIL, OK, WARN, Check
from vitobench.bench.doctor.machine import Devices, Gpu, check_devices, measure_devices

PLAIN = Devices("2.9", 2.0, "", "x86_64", "AVX2", 8)
GPU = Gpu("cuda:0", "A100", 40_000_000_000)


def rows(**changes: object) -> dict[str, Check]:
    return {check.name: check for check in check_devices(dataclasses.replace(PLAIN, **changes))}


def test_a_plain_processor_is_well() -> None:
    found = rows()
    assert {check.status for check in found.values()} == {OK}
    assert found["cpu"].found == "AVX2 kernels, 8 threads in a forward pass"
    assert found["--device auto"].found == "uses cpu"


def test_gpus_are_taken_and_one_that_does_not_compute_fails() -> None:
    found = rows(gpus=(GPU, dataclasses.replace(GPU, device="cuda:1", problem="no kernel image")), built_for="CUDA 13")
    assert (found["cuda:0"].status, found["cuda:0"].found) == (OK, "A100, 40.0 GB")
    assert found["cuda:1"].status == FAIL
    assert "no kernel image" in found["cuda:1"].found
    assert found["--device auto"].found == "uses cuda"
    assert "gpu" not in found
    assert rows(mps=True)["--device auto"].found == "uses mps"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"driver": True}, "has no GPU support"),
        ({"driver": True, "built_for": "CUDA 13", "hidden": ""}, "CUDA_VISIBLE_DEVICES is ''"),
        ({"driver": True, "built_for": "CUDA 13"}, "torch (for CUDA 13) sees none"),
    ],
)
def test_a_gpu_that_torch_does_not_see_is_a_warning(changes: dict[str, object], words: str) -> None:
    found = rows(**changes)["gpu"]
    assert found.status == WARN
    assert words in found.found
    assert found.advice


def test_slow_imports_and_plain_kernels_are_warnings() -> None:
    assert rows(seconds=60.0)["torch"].status == WARN
    assert rows(instructions="DEFAULT")["cpu"].status == WARN
    assert rows(instructions="DEFAULT", processor="arm64")["cpu"].status == OK


def test_this_machine_is_measured() -> None:
    found = measure_devices()
    assert (found.version, found.threads, found.problem) == (torch.__version__, torch.get_num_threads(), "")
    assert len(found.gpus) == (torch.cuda.device_count() if torch.cuda.is_available() else 0)


def test_torch_that_does_not_load_is_one_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)
    found = measure_devices()
    assert "torchvision" in found.problem
    (row,) = check_devices(found)
    assert row.status == FAIL
