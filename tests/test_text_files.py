"""Text of unknown Unicode encoding, and names that another system wrote."""

from __future__ import annotations

import json
import os
import unicodedata
from pathlib import Path

import pytest

from vitobench.text_files import NotTextError, decode_text, named_file, read_text

CODECS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("text", ['{"é": "日本 🐈"}\r\n', "a", "a,b\n1,ü\n", "[]", ""])
def test_every_unicode_encoding_gives_the_text(codec: str, text: str) -> None:
    assert decode_text(text.encode(codec)) == text


@pytest.mark.parametrize("codec", CODECS)
def test_json_is_decoded_as_the_standard_library_decodes_it(codec: str) -> None:
    content = json.dumps({"título": [1, "ñ"]}, ensure_ascii=False).encode(codec)
    assert json.loads(decode_text(content)) == json.loads(content)


@pytest.mark.parametrize(
    "content",
    [
        "Größe".encode("cp1252"),
        "{}".encode("utf-16")[:-1],
        b"\xff\xfe\x00\xd8",  # half a surrogate pair
        b"\xef\xbb\xbf\xff",
        b"a,b\n\x00\x00\x00\x00",  # a file whose end was never written
        bytes(8),
    ],
)
def test_what_is_not_such_text_is_refused(content: bytes) -> None:
    with pytest.raises(NotTextError, match="save it as UTF-8"):
        decode_text(content)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(NotTextError, match="not a file"):
        read_text(tmp_path / "pipe.json")
    with pytest.raises(FileNotFoundError):
        read_text(tmp_path / "absent.json")


def test_a_name_means_the_file_of_exactly_this_name_first(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_text("")
    assert named_file(tmp_path, "a\\b") == tmp_path / "a" / "b"
    (tmp_path / "a\\b").write_text("")  # a name like any other, except for Windows
    assert named_file(tmp_path, "a\\b") == tmp_path / "a\\b"
    decomposed = unicodedata.normalize("NFD", "ü.mp4")
    (tmp_path / decomposed).write_text("")
    assert named_file(tmp_path, "ü.mp4").samefile(tmp_path / decomposed)
    assert named_file(tmp_path, "absent") == tmp_path / "absent"
