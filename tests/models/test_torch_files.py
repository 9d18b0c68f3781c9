"""Torch files of strangers: nothing unpacks to more than the file itself, and nothing is run."""

from __future__ import annotations

import io
import re
import struct
import warnings
import zipfile
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import vitobench
from vitobench.errors import CheckpointError, VitobenchError
from vitobench.identity import seal_file
from vitobench.models import registry
from vitobench.models.pretraining.checkpoint import NAME, load_training
from vitobench.models.pretraining.recipe import list_recipes, load_recipe
from vitobench.models.state_dicts import load_torch, read_state_dict

STATE = {"fc.weight": torch.arange(6.0).view(2, 3), "fc.bias": torch.zeros(2)}

READERS: dict[str, Callable[[Path], object]] = {
    "a model": lambda path: registry.resolve(f"file:{path}?arch=timm:test_resnet"),
    "a state dict": read_state_dict,
    "a training": lambda path: load_training(path, load_recipe(list_recipes()[0])),
}


def entries(path: Path) -> list[tuple[str, bytes]]:
    with zipfile.ZipFile(path) as archive:
        return [(name, archive.read(name)) for name in archive.namelist()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    torch.save(STATE, tmp_path / NAME)
    return tmp_path / NAME


@pytest.fixture
def unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever lets torch open the file has lost: it would fill the memory first."""
    monkeypatch.setattr(torch, "load", lambda *args, **kwargs: pytest.fail("torch opened the file"))


@pytest.mark.parametrize("reader", READERS)
def test_a_zip_bomb_is_refused_before_it_is_unpacked(path: Path, reader: str, unread: None) -> None:
    content = entries(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content:
            archive.writestr(name, bytes(2**24) if name.endswith("data/0") else data)
    assert path.stat().st_size < 2**15
    if reader == "a training":  # one that was put there on purpose
        seal_file(path)
    with pytest.raises(CheckpointError, match=r"data\.pkl' is compressed \([\d,]+ bytes that unpack to "):
        READERS[reader](path)


@pytest.mark.parametrize("protocol", ["zip", "legacy"])
def test_a_pickle_that_asks_for_memory_by_a_number_is_refused(tmp_path: Path, protocol: str, unread: None) -> None:
    call = b"\x80\x02cbuiltins\nbytearray\nJ\x00\x00\x00\x70\x85R."  # bytearray(1879048192)
    path = tmp_path / "c.pth"
    if protocol == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in (("c/data.pkl", call), ("c/version", b"3\n"), ("c/byteorder", b"little")):
                archive.writestr(name, data)
    else:
        path.write_bytes(call)
    with pytest.raises(CheckpointError, match="makes a bytearray, which can fill the memory"):
        load_torch(path)


def headers(content: bytes) -> list[int]:
    """Where the records of the central directory begin."""
    return [match.start() for match in re.finditer(rb"PK\x01\x02", content)]


@pytest.mark.parametrize(
    ("offset", "layout", "value", "words"),
    [
        (20, "<II", (2**31, 2**31), "shares bytes with another or goes beyond the end"),  # sizes, larger than the file
        (42, "<I", (0,), "shares bytes with another"),  # where the entry begins: all at the same place
        (24, "<I", (2**31,), "is compressed"),  # another size than it takes
        (10, "<H", (8,), "is compressed"),
    ],
)
def test_entries_that_lie_about_their_size_or_place_are_refused(
    tmp_path: Path, unread: None, offset: int, layout: str, value: tuple[int, ...], words: str
) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in (("c/data.pkl", b"x" * 100), ("c/data/0", bytes(400)), ("c/version", b"3")):
            archive.writestr(name, data)
    content = bytearray(buffer.getvalue())
    struct.pack_into(layout, content, headers(content)[1] + offset, *value)
    path = tmp_path / "c.pth"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=words):
        load_torch(path)


def test_readers_of_zip_files_cannot_be_played_against_each_other(path: Path, unread: None) -> None:
    # A second list of entries behind the first: Python's zipfile and torch's reader take different ones.
    path.write_bytes(path.read_bytes() + b"PK\x05\x06 and so on")
    with pytest.raises(CheckpointError, match="has no end"):
        load_torch(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x89HDF\r\n\x1a\n" + bytes(99), "it is an HDF5 file, as Keras writes it.*onnx:FILE"),
        (b"\x1c\0\0\0TFL3" + bytes(99), "TensorFlow Lite.*litert_plugin"),
        (b"GGUF\x03" + bytes(99), "GGUF"),
        (b"<!doctype html><html>404</html>", "text, perhaps the page of a server"),
        (b"anything else", "not a torch checkpoint[.]$"),
    ],
)
def test_files_of_other_programs_are_named_and_not_to_be_unpickled(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "c.pth").write_bytes(content)
    with pytest.raises(CheckpointError, match=words) as caught:
        load_torch(tmp_path / "c.pth")
    assert "weights_only=False" not in str(caught.value)


def test_one_place_opens_torch_files() -> None:
    root = Path(vitobench.__file__).parent
    users = [
        str(file.relative_to(root))
        for folder in ("models", "bench", "results", "tasks", "reports")
        for file in sorted((root / folder).rglob("*.py"))
        if re.search(r"\btorch\.load\(", re.sub(r'"""(?s:.*?)"""', "", file.read_text(encoding="utf-8")))
    ]
    assert users == ["models/state_dicts.py"]


@pytest.mark.parametrize("legacy", [False, True])
def test_honest_files_are_read(tmp_path: Path, legacy: bool) -> None:
    path = tmp_path / "c.pth"
    torch.save(STATE | {"step": 3}, path, _use_new_zipfile_serialization=not legacy)
    read = load_torch(path)
    assert read["step"] == 3
    assert torch.equal(read["fc.weight"], STATE["fc.weight"])


def test_the_advice_for_files_with_code_keeps_every_set_of_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "it's.ckpt"
    sets = {"state_dict": STATE, "state_dict_ema": {name: value + 1 for name, value in STATE.items()}}
    torch.save(sets | {"args": Namespace(lr=0.1), "optimizer_states": [{}], "network": torch.nn.Linear(1, 1)}, path)
    with pytest.raises(CheckpointError, match="any code") as caught:
        load_torch(path)
    advice = [line.removeprefix("  ") for line in str(caught.value).splitlines() if line.startswith("  ")]
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec("\n".join(advice), {})
    converted = load_torch(tmp_path / "it's-weights.pth")
    assert converted.keys() == sets.keys()
    assert all(torch.equal(converted[a][b], sets[a][b]) for a in sets for b in STATE)


NAMES = [
    "", ":", "file:", "timm:", "torchvision:", "file:\0", "file:a\0b?arch=timm:test_resnet", "file:" + "a" * 5000,
    "file:" + "a/" * 3000, "file:~nobody-of-that-name/x.pth", "file:/dev/null", "file:/dev/zero?arch=timm:test_resnet",
    "file:/proc/self/mem", "file:.", "file:?arch=timm:resnet10t", "file:x?arch=", "file:x?weights=", "file:\ud800.pth",
    "file:x?arch=timm:test_resnet&", "file:x?arch=timm:test_resnet&arch=timm:test_vit", "timm:\ud800", "timm:\0",
    "timm:resnet10tt", "timm:.a1_in1k", "timm:resnet10t.", "timm:resnet10t.a.b", "timm:" + "x" * 5000, "Timm:resnet10t",
    "torchvision:resnet18.", "torchvision:.DEFAULT", "torchvision:__init__", "torchvision:resnet18.__class__", "vito ",
    "vito\x1b[31m", "../vito", "vito.json", "*", "[", "zoo:vito", "file:x.safetensors?arch=timm:../../etc/passwd",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_no_name_of_a_model_ends_in_a_traceback(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*args: object, **kwargs: object) -> None:
        raise OSError("no network in tests")

    monkeypatch.setattr("timm.create_model", offline)
    monkeypatch.setattr("torchvision.models.get_model", offline)
    with pytest.raises(VitobenchError) as caught:
        registry.resolve(name)
    assert len(str(caught.value)) > 20
