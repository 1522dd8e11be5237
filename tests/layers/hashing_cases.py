"""What the hashing layers are tested with: texts of many lengths, integers, and arguments."""

from __future__ import annotations

import pathlib
from typing import Any

import numpy as np

FILE = pathlib.Path(__file__).with_name("hashing_reference.json")

_LETTERS = "abcdefghijklmnopqrstuvwxyzÄé☃0123456789 "
#: Texts of 0 to 139 characters, so that every branch of the hashes is taken, and some repeated.
TEXTS = np.array(
    [["".join(_LETTERS[(7 * size + 3 * at * at) % len(_LETTERS)] for at in range(size))] for size in range(140)]
    + [["x" * 300], ["omar"], ["omar"]]
)
INTEGERS = np.array([[0], [1], [-1], [7], [12345678], [2**40], [-(2**62)], [999]], "int64")

HASHINGS: list[dict[str, Any]] = [
    {"num_bins": 2**31 - 1},
    {"num_bins": 3},
    {"num_bins": 1},
    {"num_bins": 1000003, "salt": 133},
    {"num_bins": 1000003, "salt": [133, 137]},
    {"num_bins": 5, "mask_value": "omar"},
    {"num_bins": 5, "mask_value": 7},
    {"num_bins": 4, "output_mode": "one_hot"},
    {"num_bins": 4, "output_mode": "multi_hot"},
    {"num_bins": 4, "output_mode": "count", "dtype": "float64"},
    {"num_bins": 9, "dtype": "int32"},
]


def given(arguments: dict[str, Any]) -> list[np.ndarray]:
    """What a layer of such arguments is called with: values that its mask value can be compared with."""
    if "mask_value" not in arguments:
        return [TEXTS, INTEGERS]
    return [TEXTS] if isinstance(arguments["mask_value"], str) else [INTEGERS]


_WORDS = np.array(["A", "B", "A", "long" * 30, ""])
_NUMBERS = np.array([101, 101, -102, 102, 0], "int64")
CROSSES: list[dict[str, Any]] = [
    {"num_bins": 2**31 - 1},
    {"num_bins": 5},
    {"num_bins": 5, "output_mode": "one_hot"},
]
FEATURES: list[Any] = [
    (_WORDS, _NUMBERS),
    (_NUMBERS, _WORDS),
    (_NUMBERS[:, None], _NUMBERS[::-1, None].copy(), _WORDS[:, None]),
]
