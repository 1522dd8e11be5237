"""Numbers of 64 bits that stand for texts, the same on every machine, as TensorFlow computes them.

FarmHash's Fingerprint64 (Pike and Alakuijala, 2014) and SipHash-2-4 (Aumasson and Bernstein, 2012). Texts of the same
length are computed at once, a column a byte.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

_K0, _K1, _K2 = np.uint64(0xC3A5C85C97CB3127), np.uint64(0xB492B66FBE98F273), np.uint64(0x9AE16A3B2F90404F)
#: The key that crosses begin with.
CROSS_KEY = 0xDECAFCAFFE


def by_length(texts: list[bytes], compute: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """The numbers of texts, computed for all texts of a length at once.

    Args:
        texts: The texts.
        compute: Takes bytes `(texts, length)` and returns uint64 `(texts,)`.
    """
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    result = np.zeros(len(texts), np.uint64)
    for length in np.unique(lengths):
        places = np.flatnonzero(lengths == length)
        joined = b"".join(texts[place] for place in places)
        result[places] = compute(np.frombuffer(joined, np.uint8).reshape(len(places), int(length)))
    return result


def _word(data: np.ndarray, start: int, size: int = 8) -> np.ndarray:
    """A little-endian word of each text."""
    kind = "<u8" if size == 8 else "<u4"
    return np.ascontiguousarray(data[:, start : start + size]).view(kind)[:, 0].astype(np.uint64)


def _number(value: int) -> np.uint64:
    return np.uint64(value & 0xFFFFFFFFFFFFFFFF)


def _right(x: Any, bits: int) -> Any:
    """The lowest bits go to the top."""
    return (x >> np.uint64(bits)) | (x << np.uint64(64 - bits))


def _left(x: Any, bits: int) -> Any:
    return _right(x, 64 - bits)


def _shifted(x: Any) -> Any:
    return x ^ (x >> np.uint64(47))


def _pair(u: Any, v: Any, factor: Any) -> Any:
    return _shifted((v ^ _shifted((u ^ v) * factor)) * factor) * factor


def fingerprint64(data: np.ndarray) -> np.ndarray:
    """FarmHash's Fingerprint64 of texts of one length.

    Args:
        data: Bytes `(texts, length)`.
    """
    length = data.shape[1]
    if length > 64:
        return _long(data)
    factor = _number(int(_K2) + 2 * length)
    if length > 16:
        return _medium(data, factor)
    if length >= 8:
        a, b = _word(data, 0) + _K2, _word(data, length - 8)
        return _pair(_right(b, 37) * factor + a, (_right(a, 25) + b) * factor, factor)
    if length >= 4:
        first, last = _word(data, 0, 4), _word(data, length - 4, 4)
        return _pair(np.uint64(length) + (first << np.uint64(3)), last, factor)
    if length > 0:
        a, b, c = (data[:, place].astype(np.uint64) for place in (0, length >> 1, length - 1))
        y, z = a + (b << np.uint64(8)), np.uint64(length) + (c << np.uint64(2))
        return _shifted(y * _K2 ^ z * _K0) * _K2
    return np.full(len(data), _K2)


def _medium(data: np.ndarray, factor: Any) -> np.ndarray:
    length = data.shape[1]
    a = _word(data, 0) * (_K1 if length <= 32 else _K2)
    b, c, d = _word(data, 8), _word(data, length - 8) * factor, _word(data, length - 16) * _K2
    y = _right(a + b, 43) + _right(c, 30) + d
    z = _pair(y, a + _right(b + _K2, 18) + c, factor)
    if length <= 32:
        return z
    e, f = _word(data, 16) * factor, _word(data, 24)
    g, h = (y + _word(data, length - 32)) * factor, (z + _word(data, length - 24)) * factor
    return _pair(_right(e + f, 43) + _right(g, 30) + h, e + _right(f + a, 18) + g, factor)


def _weak(data: np.ndarray, start: int, a: Any, b: Any) -> tuple[Any, Any]:
    first, second, third, last = (_word(data, start + 8 * number) for number in range(4))
    a = a + first
    b = _right(b + a + last, 21)
    whole = a + second + third
    return whole + last, b + _right(whole, 44) + a


def _long(data: np.ndarray) -> np.ndarray:
    length = data.shape[1]
    seed = 81
    x = np.full(len(data), _number(seed * int(_K2))) + _word(data, 0)
    y = np.full(len(data), _number(seed * int(_K1) + 113))
    z = _shifted(y * _K2 + np.uint64(113)) * _K2
    v = w = (np.zeros_like(x), np.zeros_like(x))

    def mix(start: int, factor: Any, x: Any, y: Any, z: Any, v: Any, w: Any, weight: int) -> Any:
        times = np.uint64(weight)
        x = _right(x + y + v[0] + _word(data, start + 8), 37) * factor
        y = _right(y + v[1] + _word(data, start + 48), 42) * factor
        x = x ^ (w[1] * times)
        y = y + v[0] * times + _word(data, start + 40)
        z = _right(z + w[0], 33) * factor
        v = _weak(data, start, v[1] * factor, x + w[0])
        w = _weak(data, start + 32, z + w[1], y + _word(data, start + 16))
        return z, y, x, v, w

    end = (length - 1) // 64 * 64
    for start in range(0, end, 64):
        x, y, z, v, w = mix(start, _K1, x, y, z, v, w, 1)
    factor = _K1 + ((z & np.uint64(0xFF)) << np.uint64(1))
    first = w[0] + np.uint64((length - 1) & 63)
    v = (v[0] + first, v[1])
    w = (first + v[0], w[1])
    x, y, z, v, w = mix(length - 64, factor, x, y, z, v, w, 9)
    return _pair(_pair(v[0], w[0], factor) + _shifted(y) * _K0 + z, _pair(v[1], w[1], factor) + x, factor)


def siphash(data: np.ndarray, key: tuple[int, int]) -> np.ndarray:
    """SipHash-2-4 of texts of one length.

    Args:
        data: Bytes `(texts, length)`.
        key: Two numbers of 64 bits.
    """
    count, length = data.shape
    whole = length // 8 * 8
    rest = np.zeros((count, 8), np.uint8)
    rest[:, : length - whole] = data[:, whole:]
    rest[:, 7] = length & 0xFF
    first, second = _number(key[0]), _number(key[1])
    state = [
        np.full(count, value)
        for value in (
            first ^ np.uint64(0x736F6D6570736575),
            second ^ np.uint64(0x646F72616E646F6D),
            first ^ np.uint64(0x6C7967656E657261),
            second ^ np.uint64(0x7465646279746573),
        )
    ]
    words = [_word(data, start) for start in range(0, whole, 8)]
    for word in [*words, _word(rest, 0)]:
        state[3] = state[3] ^ word
        _rounds(state, 2)
        state[0] = state[0] ^ word
    state[2] = state[2] ^ np.uint64(0xFF)
    _rounds(state, 4)
    return np.asarray(state[0] ^ state[1] ^ state[2] ^ state[3])


def _rounds(state: list[Any], count: int) -> None:
    a, b, c, d = state
    for _ in range(count):
        a, c = a + b, c + d
        b, d = _left(b, 13) ^ a, _left(d, 16) ^ c
        a, c = _left(a, 32) + d, c + b
        b, d = _left(b, 17) ^ c, _left(d, 21) ^ a
        c = _left(c, 32)
    state[:] = [a, b, c, d]


def joined(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The number of two numbers, in this order.

    Args:
        first: uint64 `(values,)`.
        second: uint64 `(values,)`.
    """
    factor = np.uint64(0xC6A4A7935BD1E995)
    result = first ^ factor ^ (_shifted(second * factor) * factor)
    return np.asarray(_shifted(_shifted(result * factor) * factor))


def texts_of(values: np.ndarray) -> list[bytes]:
    """Values as the texts that stand for them: numbers in decimals, floats cut to integers."""
    flat = values.ravel()
    if flat.dtype.kind == "f":
        flat = flat.astype(np.int64)
    if flat.dtype.kind == "b":
        return [b"true" if value else b"false" for value in flat.tolist()]
    if flat.dtype.kind == "S":
        return list(flat.tolist())
    return [value if isinstance(value, bytes) else str(value).encode() for value in flat.tolist()]
