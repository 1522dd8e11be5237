"""The IDX format: two zero bytes, the element type, the rank, big-endian sizes, then the elements."""

import math
import pathlib
import zlib

import numpy as np
from numpy.typing import NDArray

from ironhorn.errors import FileFormatError

UNSIGNED_BYTE = 0x08


def read_idx(path: pathlib.Path, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Read a gzip-packed IDX file of bytes whose shape is known.

    Args:
        path: The file.
        shape: The shape that it must declare; no more memory than this is ever filled from it.

    Returns:
        A uint8 array of that shape.

    Raises:
        FileFormatError: If the file is truncated, not gzip, not IDX, or of another shape.
    """
    import gzip

    header = bytes([0, 0, UNSIGNED_BYTE, len(shape)]) + b"".join(size.to_bytes(4, "big") for size in shape)
    size = len(header) + math.prod(shape)
    try:
        with gzip.open(path, "rb") as file:
            content = file.read(size + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise FileFormatError(f"{path} is not a whole gzip file ({error}). Remove it and fetch it again.") from error
    if content[: len(header)] != header or len(content) != size:
        raise FileFormatError(
            f"{path} is not an IDX file of bytes with shape {shape}: it unpacks to {len(content)} bytes (expected "
            f"{size}) and begins {content[:4].hex(' ')} (expected {header[:4].hex(' ')}). Remove it and fetch it again."
        )
    return np.frombuffer(content, np.uint8, offset=len(header)).reshape(shape)
