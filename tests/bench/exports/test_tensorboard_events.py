"""Event files, read back by TensorBoard."""

from __future__ import annotations

from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.custom_scalar import layout_pb2

from vitobench.bench.exports import trackers
from vitobench.errors import StoreError


def read(folder: Path) -> EventAccumulator:
    return EventAccumulator(str(folder)).Reload()


def test_checkpoints_of_a_training_are_steps_of_one_folder(handed, tmp_path: Path) -> None:
    lines = trackers.export_tensorboard(handed(tmp_path))
    assert len(lines) == 2
    assert "at 2 steps" in lines[0]
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"vito", "file_a_b_net.pth_arch_timm_x"}
    found = read(tmp_path / "vito")
    points = [(e.step, e.value) for e in found.Scalars("val/overall/top1")]
    assert points == [(500, pytest.approx(0.9)), (1000, pytest.approx(0.8))]
    assert [e.value for e in found.Scalars("val/overall/top1.ci_low")] == [pytest.approx(0.8), pytest.approx(0.7)]
    assert "c/snow/3/top1" in found.Tags()["scalars"]
    assert "c/overall/mce" not in found.Tags()["scalars"]
    (text, _) = found.Tensors("provenance/text_summary")
    assert b"val@11" in text.tensor_proto.string_val[0]


def test_the_intervals_are_bands_of_custom_scalars(handed, tmp_path: Path) -> None:
    trackers.export_tensorboard(handed(tmp_path, "vito@500"))
    (event,) = read(tmp_path / "vito@500").Tensors("custom_scalars__config__")
    layout = layout_pb2.Layout.FromString(event.tensor_proto.string_val[0])
    series = layout.category[0].chart[0].margin.series[0]
    assert (series.value, series.lower, series.upper) == (
        "val/overall/top1", "val/overall/top1.ci_low", "val/overall/top1.ci_high",
    )  # fmt: skip


def test_an_earlier_export_is_replaced_and_other_files_stay(handed, tmp_path: Path) -> None:
    other = tmp_path / "vito" / "events.out.tfevents.1.host.1.0"
    other.parent.mkdir()
    other.write_bytes(b"")
    for _ in range(2):
        trackers.export_tensorboard(handed(tmp_path, "vito@500", "vito@1000"))
    ours = [path for path in other.parent.iterdir() if path != other]
    assert other.exists()
    assert len(ours) == 1
    assert len(read(tmp_path / "vito").Scalars("val/overall/top1")) == 2


def test_a_folder_that_cannot_be_written_is_said(handed, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        trackers.export_tensorboard(handed(tmp_path / "file" / "runs"))
