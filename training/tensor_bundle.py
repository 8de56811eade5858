"""Read a checkpoint of TensorFlow (a "tensor bundle") into arrays, without TensorFlow.

A bundle is an index and one or more files of raw numbers. The index is a sorted table of LevelDB:
blocks of (name, record), found through a block of handles that the footer points to. A record says
type, shape, file, offset, size and check sum, as a protocol buffer.

Source: google/leveldb, doc/table_format.md; tensorflow/core/protobuf/tensor_bundle.proto. The sum
is the masked CRC-32C of leveldb, util/crc32c.h.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

FOOTER, MAGIC = 48, 0xDB4775248B80FB57
TYPES: dict[int, np.dtype[Any]] = {
    1: np.dtype("<f4"),
    2: np.dtype("<f8"),
    3: np.dtype("<i4"),
    9: np.dtype("<i8"),
}


@dataclass(frozen=True)
class Record:
    """Where a tensor lies.

    Attributes:
        type: Number in `TYPES`.
        shape: Of the tensor.
        shard: Number of the file.
        offset: First byte in it.
        size: Bytes.
        checksum: Masked CRC-32C of the bytes.
    """

    type: int
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    checksum: int


def read(index: bytes, shards: Mapping[int, bytes]) -> dict[str, NDArray[Any]]:
    """Return all tensors by name.

    Args:
        index: The file that ends in ``.index``.
        shards: The files of numbers by their number.

    Raises:
        ValueError: If this is no such table, a block is packed, or a check sum does not fit.
    """
    tensors = {}
    for name, record in records(index).items():
        raw = shards[record.shard][record.offset : record.offset + record.size]
        if masked(crc32c(raw)) != record.checksum:
            raise ValueError(f"check sum of {name} does not fit")
        tensors[name] = np.frombuffer(raw, TYPES[record.type]).reshape(record.shape)
    return tensors


def records(index: bytes) -> dict[str, Record]:
    """Return where the tensors lie, by name."""
    if len(index) < FOOTER or struct.unpack("<Q", index[-8:])[0] != MAGIC:
        raise ValueError("index must be a sorted table with the magic number at its end")
    at = len(index) - FOOTER
    for _ in range(2):  # the handle of a block that is not needed here
        _, at = _varint(index, at)
    found = {}
    for _, handle in _block(index, at):
        for name, value in _block(index, 0, handle):
            if name:  # the nameless one tells about the whole
                found[name.decode()] = _record(value)
    return found


def _block(index: bytes, at: int, handle: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
    """Yield names and values of the block that a handle points to."""
    source = handle or index
    start, at = _varint(source, at)
    size, _ = _varint(source, at)
    if index[start + size]:
        raise ValueError("blocks must not be packed")
    block = index[start : start + size]
    n_restarts = struct.unpack("<I", block[-4:])[0]
    end, at, name = size - 4 - 4 * n_restarts, 0, b""
    while at < end:
        shared, at = _varint(block, at)
        own, at = _varint(block, at)
        length, at = _varint(block, at)
        name = name[:shared] + block[at : at + own]
        yield name, block[at + own : at + own + length]
        at += own + length


def _record(value: bytes) -> Record:
    fields = {number: content for number, content in _fields(value)}
    dims = [dict(_fields(dim)) for number, dim in _fields(fields.get(2, b"")) if number == 2]
    shape = tuple(dim.get(1, 0) for dim in dims)
    kind, shard, offset, size, checksum = (fields.get(number, 0) for number in (1, 3, 4, 5, 6))
    return Record(kind, shape, shard, offset, size, checksum)


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Yield number and content of each field of a protocol buffer."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        content: Any
        if tag & 7 == 0:
            content, at = _varint(message, at)
        elif tag & 7 == 2:
            length, at = _varint(message, at)
            content, at = message[at : at + length], at + length
        elif tag & 7 == 5:
            content, at = struct.unpack("<I", message[at : at + 4])[0], at + 4
        else:
            raise ValueError(f"field of kind {tag & 7}")
        yield tag >> 3, content


def _varint(source: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = source[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


# --- Check sums -----------------------------------------------------------------------------------


@cache
def _table() -> list[int]:
    found = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
        found.append(byte)
    return found


def crc32c(raw: bytes) -> int:
    """Return the CRC-32C (Castagnoli) of bytes."""
    table, value = _table(), 0xFFFFFFFF
    for byte in raw:
        value = (value >> 8) ^ table[(value ^ byte) & 255]
    return value ^ 0xFFFFFFFF


def masked(checksum: int) -> int:
    """Return a check sum as leveldb stores it: rotated and shifted."""
    return ((checksum >> 15 | checksum << 17) + 0xA282EAD8) & 0xFFFFFFFF
