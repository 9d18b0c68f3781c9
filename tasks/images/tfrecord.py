"""Read TFRecord files and the ``tf.train.Example`` messages in them, without TensorFlow.

A file is a sequence of records, each framed by its length and two checksums:

    uint64 length | uint32 masked CRC-32C of the length | content | uint32 masked CRC-32C of the content

all little-endian. TensorFlow's `Writing a TFRecord file` describes the framing, its ``example.proto`` and
``feature.proto`` the messages, and the encoding guide of Protocol Buffers their wire format.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from crc32c import crc32c

from ...errors import DataError

_HEAD = struct.Struct("<QI")
_TAIL = struct.Struct("<I")
_MASK = 0xA282EAD8
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

Feature = list[bytes] | list[int] | list[float]


class Record(NamedTuple):
    """One record.

    Attributes:
        offset: Where it begins in the file, in bytes.
        content: Its bytes.
    """

    offset: int
    content: bytes


def _masked(content: bytes) -> int:
    # TensorFlow rotates checksums and adds a constant, because a CRC of data that contains its own CRC is weak.
    crc = crc32c(content)
    return ((crc >> 15 | crc << 17) + _MASK) & 0xFFFFFFFF


def read_records(path: Path) -> Iterator[Record]:
    """Read an uncompressed TFRecord file, with at most one record in memory.

    Yields:
        Its records in order, with verified checksums.

    Raises:
        DataError: The file is missing, truncated, damaged or not a TFRecord file; the message gives the offset in
        bytes.
    """
    try:
        with path.open("rb") as handle:
            while (record := _next(handle, path)) is not None:
                yield record
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error


def read_record(path: Path, offset: int) -> bytes:
    """The content of the record at an offset; raises the errors of `read_records`."""
    try:
        with path.open("rb") as handle:
            handle.seek(offset)
            record = _next(handle, path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    if record is None:
        raise DataError(f"{path} ends before byte {offset}, where a record was.")
    return record.content


def _next(handle: BinaryIO, path: Path) -> Record | None:
    offset = handle.tell()
    head = handle.read(_HEAD.size)
    if not head:
        return None
    if len(head) < _HEAD.size:
        raise _truncated(path, offset)
    length, checksum = _HEAD.unpack(head)
    # Check the length's checksum before using it: a wrong length could mean exabytes.
    if _masked(head[:8]) != checksum:
        raise DataError(
            f"{path}, byte {offset}: no record begins here (the checksum of its length is wrong). The file is damaged, "
            "compressed, or no TFRecord file; fetch it again."
        )
    if offset + _HEAD.size + length + _TAIL.size > os.fstat(handle.fileno()).st_size:
        raise _truncated(path, offset)  # before reading, which would first allocate memory for that many bytes
    body = handle.read(length + _TAIL.size)
    content = body[:length]
    if _masked(content) != _TAIL.unpack(body[length:])[0]:
        raise DataError(
            f"{path}, byte {offset}: the checksum of this record of {length} bytes is wrong. The file is damaged; "
            "fetch it again."
        )
    return Record(offset, content)


def _truncated(path: Path, offset: int) -> DataError:
    return DataError(f"{path}, byte {offset}: the file ends within this record. It is truncated; fetch it again.")


def parse_example(content: bytes, where: str) -> dict[str, Feature]:
    """Read a ``tf.train.Example``.

    Args:
        content: The bytes of a record.
        where: Name for error messages.

    Returns:
        Features by name: lists of bytes, of integers (int64) or of floats (float32); empty if none was set.

    Raises:
        DataError: The bytes are not such a message.
    """
    example: dict[str, Feature] = {}
    try:
        for features in _messages(content, 1):
            for entry in _messages(features, 1):
                fields = dict(_fields(entry))
                example[_bytes(fields.get(1, b"")).decode()] = _feature(_bytes(fields.get(2, b"")))
    except (ValueError, IndexError, struct.error) as error:
        raise DataError(f"{where} is not a tf.train.Example ({error}).") from error
    return example


def _feature(content: bytes) -> Feature:
    for kind, values in _fields(content):
        if kind == 1:
            return [_bytes(value) for number, value in _fields(_bytes(values)) if number == 1]
        if kind == 2:
            floats: list[float] = []
            for number, value in _fields(_bytes(values)):
                if number == 1:  # packed, or one by one
                    floats += np.frombuffer(_bytes(value), "<f4").tolist()
            return floats
        if kind == 3:
            integers: list[int] = []
            for number, value in _fields(_bytes(values)):
                if number == 1:
                    integers += [value] if isinstance(value, int) else _varints(value)
            return [value - (1 << 64) if value >= 1 << 63 else value for value in integers]
    return []


def _messages(content: bytes, number: int) -> Iterator[bytes]:
    return (_bytes(value) for field_number, value in _fields(content) if field_number == number)


def _bytes(value: bytes | int) -> bytes:
    if isinstance(value, int):
        raise ValueError("a field holds a number instead of bytes")
    return value


def _fields(content: bytes) -> Iterator[tuple[int, bytes | int]]:
    """Number and value of every field: an int for a varint, bytes for any other type."""
    position = 0
    while position < len(content):
        key, position = _varint(content, position)
        wire = key & 7
        if wire == _VARINT:
            value, position = _varint(content, position)
            yield key >> 3, value
            continue
        if wire == _BYTES:
            size, position = _varint(content, position)
        elif wire in (_FIXED32, _FIXED64):
            size = 4 if wire == _FIXED32 else 8
        else:
            raise ValueError(f"unknown wire type {wire}")
        if position + size > len(content):
            raise ValueError("a field is longer than its message")
        yield key >> 3, content[position : position + size]
        position += size


def _varint(content: bytes, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = content[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & (1 << 64) - 1, position
    raise ValueError("a number of more than ten bytes")


def _varints(content: bytes) -> list[int]:
    values, position = [], 0
    while position < len(content):
        value, position = _varint(content, position)
        values.append(value)
    return values
