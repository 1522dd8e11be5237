"""Event files as TensorBoard reads them, written without TensorFlow.

A file is a row of records: length (8 bytes), checksum of the length (4), payload, checksum of the payload (4), all
little-endian. A checksum is the CRC-32C of the bytes, rotated and shifted so that data with checksums inside can be
checked again. The payload is an `Event` of protocol buffers; the few messages it takes are encoded here by hand, a
field each: key (number and kind), then a whole number, eight or four bytes, or a length and bytes.
"""

from __future__ import annotations

import itertools
import os
import socket
import struct
import time
import zlib
from typing import Any

import numpy as np

_FLOAT, _DOUBLE, _STRING = 1, 2, 7
_BUCKETS = 30
_MOST_IMAGES = 3

_numbers = itertools.count()
_table: list[int] = []


class EventFile:
    """One event file of a folder, written from its first event on.

    Args:
        directory: The folder; made if it is not there.
    """

    def __init__(self, directory: str):
        os.makedirs(directory, exist_ok=True)
        name = f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}.{next(_numbers)}.v2"
        self.path = os.path.join(directory, name)
        self._file = open(self.path, "xb")
        self._file.write(record(_real(1, time.time()) + _bytes(3, b"brain.Event:2")))

    def scalar(self, tag: str, value: Any, step: int) -> None:
        """Adds a number.

        Args:
            tag: Its name.
            value: The number; kept as float32.
            step: Its place on the axis.
        """
        with np.errstate(over="ignore"):
            content = struct.pack("<f", np.float32(value))
        self._add(tag, step, _metadata("scalars"), _tensor(_FLOAT, (), _bytes(4, content)))

    def histogram(self, tag: str, values: Any, step: int) -> None:
        """Adds the distribution of some values: 30 ranges of equal width and how many values are in each.

        Args:
            tag: Its name.
            values: An array.
            step: Its place on the axis.
        """
        rows = histogram_rows(values)
        content = _bytes(4, rows.astype("<f8").tobytes())
        self._add(tag, step, _metadata("histograms"), _tensor(_DOUBLE, rows.shape, content))

    def images(self, tag: str, images: np.ndarray, step: int) -> None:
        """Adds images; three of them at most.

        Args:
            tag: Their name.
            images: Floats from 0 to 1, in the shape (images, height, width, channels) with 1, 3 or 4 channels.
            step: Their place on the axis.
        """
        height, width = images.shape[1:3]
        levels = np.nan_to_num(np.clip(images[:_MOST_IMAGES], 0, 1) * images.dtype.type(255.5))
        pixels = np.minimum(levels, 255).astype(np.uint8)
        parts = [str(width).encode(), str(height).encode(), *map(png, pixels)]
        self._add(tag, step, _metadata("images"), _strings(parts, (len(parts),)))

    def model(self, tag: str, text: str, step: int) -> None:
        """Adds a model as JSON, from which TensorBoard draws its graph.

        Args:
            tag: Its name.
            text: The JSON.
            step: Its place on the axis.
        """
        self._add(tag, step, _metadata("graph_keras_model", b"1"), _strings([text.encode()], ()))

    def flush(self) -> None:
        """Hands everything to the system, where TensorBoard sees it."""
        self._file.flush()

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def __del__(self) -> None:
        """Closes the file of a training that did not come to its end."""
        if hasattr(self, "_file"):
            self._file.close()

    def _add(self, tag: str, step: int, metadata: bytes, tensor: bytes) -> None:
        value = _bytes(1, tag.encode()) + _bytes(8, tensor) + _bytes(9, metadata)
        summary = _bytes(1, value)
        self._file.write(record(_real(1, time.time()) + _whole(2, step) + _bytes(5, summary)))


def record(payload: bytes) -> bytes:
    """Frames a payload."""
    length = struct.pack("<Q", len(payload))
    return length + struct.pack("<I", masked_checksum(length)) + payload + struct.pack("<I", masked_checksum(payload))


def masked_checksum(data: bytes) -> int:
    """The CRC-32C of some bytes, masked as records need it."""
    crc = checksum(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def checksum(data: bytes) -> int:
    """The CRC-32C (Castagnoli) of some bytes.

    Example:
        >>> hex(checksum(b"123456789"))
        '0xe3069283'
    """
    if not _table:
        for byte in range(256):
            for _ in range(8):
                byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
            _table.append(byte)
    crc, table = 0xFFFFFFFF, _table
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def histogram_rows(values: Any) -> np.ndarray:
    """Returns the rows (left edge, right edge, count) of a histogram.

    Args:
        values: An array.

    Returns:
        Array of shape (30, 3). Values that are all the same count in the last row; values that are not finite count
        nowhere.
    """
    flat = np.asarray(values, dtype=np.float64).ravel()
    flat = flat[np.isfinite(flat)]
    if flat.size == 0:
        return np.zeros((_BUCKETS, 3))
    low, high = float(flat.min()), float(flat.max())
    counts = np.zeros(_BUCKETS)
    if low == high:
        counts[-1] = flat.size
        return np.stack([np.full(_BUCKETS, high), np.full(_BUCKETS, high), counts], axis=1)
    places = np.minimum(np.floor((flat - low) / ((high - low) / _BUCKETS)).astype(np.int64), _BUCKETS - 1)
    counts += np.bincount(places, minlength=_BUCKETS)
    edges = np.linspace(low, high, _BUCKETS + 1)
    return np.stack([edges[:-1], edges[1:], counts], axis=1)


def png(pixels: np.ndarray) -> bytes:
    """Encodes an image as PNG.

    Args:
        pixels: Bytes of shape (height, width, channels) with 1, 3 or 4 channels.
    """
    height, width, channels = pixels.shape
    kind = {1: 0, 3: 2, 4: 6}[channels]
    # Every row begins with the number of its filter; 0 is none.
    rows = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)], axis=1)

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows.tobytes())) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def _varint(number: int) -> bytes:
    """A whole number in groups of seven bits, lowest first; negative ones as 64 bits."""
    number &= 0xFFFFFFFFFFFFFFFF
    groups = bytearray()
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    groups.append(number)
    return bytes(groups)


def _whole(field: int, number: int) -> bytes:
    return _varint(field << 3) + _varint(number)


def _real(field: int, number: float) -> bytes:
    return _varint(field << 3 | 1) + struct.pack("<d", number)


def _bytes(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _metadata(plugin: str, content: bytes = b"") -> bytes:
    """Which part of TensorBoard shows a summary."""
    return _bytes(1, _bytes(1, plugin.encode()) + _bytes(2, content))


def _tensor(dtype: int, shape: tuple[int, ...], content: bytes) -> bytes:
    axes = b"".join(_bytes(2, _whole(1, length)) for length in shape)
    return _whole(1, dtype) + _bytes(2, axes) + content


def _strings(parts: list[bytes], shape: tuple[int, ...]) -> bytes:
    return _tensor(_STRING, shape, b"".join(_bytes(8, part) for part in parts))
