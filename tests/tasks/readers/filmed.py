"""Small sets of filmed actions in the form of the published ones: a square that goes right or left, or dark frames."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from vitobench.tasks.datasets.actions import ClipForm
from vitobench.tasks.datasets.registry import DATA_SETS
from vitobench.tasks.registry import TASKS
from vitobench.tasks.understanding.actions import Recognising

Write = Callable[[Path, int, int], None]
"""Writes a clip: its file, its class, and a number by which it differs from others of the class."""


def touch(path: Path, action: int, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")


def write_frames(path: Path, frames: Sequence[np.ndarray]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    webm = path.suffix == ".webm"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libvpx" if webm else "mpeg4", rate=25, options={"cpu-used": "16"} if webm else {})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt, stream.bit_rate = "yuv420p", 2_000_000
        stream.codec_context.thread_count = 1
        for frame in frames:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
        out.mux(stream.encode(None))


def moving(path: Path, action: int, number: int) -> None:
    """A bright square goes to the right (class 0) or to the left (others), at any height."""
    rng = np.random.default_rng([action, number])
    top, frames = int(rng.integers(2, 20)), []
    for step in range(9):
        frame = np.full((32, 48, 3), 30, np.uint8)
        left = 8 + 2 * step if action == 0 else 24 - 2 * step
        frame[top : top + 8, left : left + 8] = 220
        frames.append(frame)
    write_frames(path, frames)


def write_ucf(root: Path, classes: Sequence[str], write: Write = moving, groups: int = 8) -> Path:
    """Two clips for each class and group; split k has group k to be judged."""
    listing = root / "ucfTrainTestlist"
    listing.mkdir(parents=True)
    (listing / "classInd.txt").write_text("".join(f"{n} {name}\n" for n, name in enumerate(classes, 1)))
    names = {}
    for action, name in enumerate(classes):
        for group in range(1, groups + 1):
            for clip in (1, 2):
                file = f"{name}/v_{name}_g{group:02d}_c{clip:02d}.avi"
                names[file] = (action, group)
                write(root / "UCF-101" / file, action, 2 * group + clip)
    for split in (1, 2, 3):
        parts = [[n for n, (_, group) in names.items() if (group == split) == judged] for judged in (False, True)]
        (listing / f"trainlist0{split}.txt").write_text("".join(f"{n} {names[n][0] + 1}\n" for n in parts[0]))
        (listing / f"testlist0{split}.txt").write_text("".join(f"{n}\r\n" for n in parts[1]))
    return root


def write_hmdb(root: Path, classes: Sequence[str], write: Write = moving, films: int = 8) -> Path:
    """Two clips of each film and class; split k has films k, k + 3, ... to be judged, and leaves out one clip."""
    lists = root / "testTrainMulti_7030_splits"
    lists.mkdir(parents=True)
    for action, name in enumerate(classes):
        clips = [(film, f"Film_{film}!_[x]_{name}_u_cm_np1_fr_med_{k}.avi") for film in range(films) for k in range(2)]
        for number, (_, file) in enumerate(clips):
            write(root / "hmdb51_org" / name / file, action, number)
        for split in (1, 2, 3):
            marks = [0 if file.endswith("_1.avi") else 2 if film % 3 == split - 1 else 1 for film, file in clips]
            lines = [f"{file} {mark} \n" for (_, file), mark in zip(clips, marks, strict=True)]
            (lists / f"{name}_test_split{split}.txt").write_text("".join(lines))
    return root


def write_ssv2(root: Path, classes: Sequence[str], write: Write = moving, clips: int = 28) -> Path:
    """Clips 1, 2, ... take the classes in turn; every fourth is for validation."""
    (root / "labels").mkdir(parents=True)
    (root / "labels/labels.json").write_text(json.dumps({name: str(n) for n, name in enumerate(classes)}))
    rows = []
    for clip in range(1, clips + 1):
        name = classes[clip % len(classes)]
        template = name.replace("something", "[something]").replace("Something", "[Something]")
        rows.append({"id": str(clip), "label": "of a cup", "template": template, "placeholders": ["a cup"]})
        write(root / f"20bn-something-something-v2/{clip}.webm", clip % len(classes), clip)
    for part, own in (("train", [r for r in rows if int(str(r["id"])) % 4]), ("validation", rows[3::4])):
        (root / f"labels/{part}.json").write_text(json.dumps(own))
    return root


def of_few_classes(monkeypatch: pytest.MonkeyPatch, name: str, classes: tuple[str, ...]) -> None:
    """Make a published set one of these classes alone."""
    data_set, task = DATA_SETS[name], TASKS[name]
    assert isinstance(data_set.form, ClipForm)
    assert isinstance(task.protocol, Recognising)
    monkeypatch.setitem(DATA_SETS, name, replace(data_set, form=replace(data_set.form, classes=classes)))
    monkeypatch.setitem(TASKS, name, replace(task, protocol=replace(task.protocol, classes=classes)))
