"""TFRecord files against the package `tfrecord` and against bytes put together here."""

import struct
from pathlib import Path

import pytest

from vitobench.errors import DataError
from vitobench.tasks.images.tfrecord import parse_example, read_record, read_records


def slow_crc32c(content: bytes) -> int:
    """Bit by bit, as the definition has it."""
    crc = 0xFFFFFFFF
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def framed(content: bytes) -> bytes:
    def masked(part: bytes) -> bytes:
        crc = slow_crc32c(part)
        return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) % 2**32)

    length = struct.pack("<Q", len(content))
    return length + masked(length) + content + masked(content)


def varint(value: int) -> bytes:
    value %= 1 << 64
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def example(features: dict[str, bytes]) -> bytes:
    entries = [field(1, field(1, name.encode()) + field(2, feature)) for name, feature in features.items()]
    return field(1, b"".join(entries))


def test_the_checksum_of_these_tests_is_that_of_published_vectors() -> None:
    # RFC 3720, appendix B.4, and the check value of every catalogue of CRCs.
    assert slow_crc32c(b"\0" * 32) == 0x8A9136AA
    assert slow_crc32c(b"\xff" * 32) == 0x62A8AB43
    assert slow_crc32c(bytes(range(32))) == 0x46DD794E
    assert slow_crc32c(b"123456789") == 0xE3069283
    assert slow_crc32c(b"") == 0


def test_records_come_in_order_and_one_by_one(tmp_path: Path) -> None:
    contents = [b"", b"one", bytes(range(256)) * 300]
    path = tmp_path / "a.tfrecords"
    path.write_bytes(b"".join(map(framed, contents)))
    records = list(read_records(path))
    assert [record.content for record in records] == contents
    assert [record.offset for record in records] == [0, 16, 35]
    assert [read_record(path, record.offset) for record in records] == contents
    with pytest.raises(DataError, match="ends before byte"):
        read_record(path, path.stat().st_size)


def test_files_of_the_package_are_read(tmp_path: Path) -> None:
    writer_module = pytest.importorskip("tfrecord.writer")
    path = tmp_path / "theirs.tfrecords"
    writer = writer_module.TFRecordWriter(str(path))
    values = [7, -3, 0, 2**62, -(2**63)]
    writer.write({"image": (b"\x00\xff" * 500, "byte"), "label": (values, "int"), "weights": ([0.5, -1.25], "float")})
    writer.write({"image": (b"second", "byte"), "label": (1, "int")})
    writer.close()
    first, second = [parse_example(record.content, "x") for record in read_records(path)]
    assert first == {"image": [b"\x00\xff" * 500], "label": values, "weights": [0.5, -1.25]}
    assert second == {"image": [b"second"], "label": [1]}


def test_examples_with_unpacked_numbers_empty_features_and_unknown_fields() -> None:
    unpacked = field(3, varint(1 << 3) + varint(5) + varint(1 << 3) + varint(-5))
    floats = field(2, varint(1 << 3 | 5) + struct.pack("<f", 0.25))
    made = example({"n": unpacked, "f": floats, "none": b"", "two": field(1, field(1, b"a") + field(1, b"b"))})
    made += field(9, b"later") + varint(8 << 3 | 1) + bytes(8)
    assert parse_example(made, "x") == {"n": [5, -5], "f": [0.25], "none": [], "two": [b"a", b"b"]}


@pytest.mark.parametrize("cut", [5, 13, 20, 70])
def test_a_truncated_file_is_told_with_its_offset(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "cut.tfrecords"
    path.write_bytes((framed(b"x" * 20) + framed(b"y" * 40))[:cut])
    offset = 0 if cut < 36 else 36
    with pytest.raises(DataError, match=rf"cut\.tfrecords, byte {offset}: the file ends within"):
        list(read_records(path))


@pytest.mark.parametrize(("position", "words"), [(0, "no record begins here"), (14, "checksum of this record of 20")])
def test_a_flipped_bit_is_told_with_its_offset(tmp_path: Path, position: int, words: str) -> None:
    content = bytearray(framed(b"a" * 20) + framed(b"x" * 20))
    content[36 + position] ^= 4
    path = tmp_path / "flipped.tfrecords"
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"byte 36: .*{words}"):
        list(read_records(path))


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.tfrecords"
    path.write_text("This is not a record, but a text of some length.")
    with pytest.raises(DataError, match="byte 0: no record begins here"):
        list(read_records(path))
    with pytest.raises(DataError, match="cannot be read"):
        list(read_records(tmp_path / "absent"))
    for content in (b"\x0a", b"\x0a\xff\x01x", b"\x0b", b"\xff" * 12, b"\x0a\x02\x0a\x05"):
        with pytest.raises(DataError, match=r"the record is not a tf\.train\.Example"):
            parse_example(content, "the record")
