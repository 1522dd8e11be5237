"""Data sets of `keras.utils` as further cases of `training_cases.py`: folders of files, time series, splits."""

from __future__ import annotations

import os
import struct
import tempfile
import wave
import zlib
from contextlib import contextmanager

import numpy as np

from compat.training_cases import case, cases, listed, rng


def write_png(path, pixels):
    """Writes bytes of shape (height, width, 3) as a PNG file."""
    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header))
        file.write(chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


@contextmanager
def folder():
    """A folder with images, texts and sounds of two classes."""
    generator = rng(31)
    with tempfile.TemporaryDirectory() as root:
        for name, count in (("cats", 3), ("dogs", 2)):
            os.makedirs(os.path.join(root, name, "deep"))
            for index in range(count):
                path = os.path.join(root, name, "deep" if index == 1 else "", str(index))
                height, width = generator.integers(4, 9, 2)
                write_png(f"{path}.png", generator.integers(0, 256, (height, width, 3), dtype="uint8"))
                with open(f"{path}.txt", "w", encoding="utf-8") as file:
                    file.write(f"{name} number {index}")
                with wave.open(f"{path}.wav", "wb") as file:
                    file.setnchannels(1)
                    file.setsampwidth(2)
                    file.setframerate(8000)
                    length = generator.integers(5, 12)
                    file.writeframes(generator.integers(-(2**15), 2**15, length, dtype="int16").tobytes())
        yield root


def plain(element):
    """One element of a data set as nested lists."""
    if isinstance(element, tuple):
        return [plain(part) for part in element]
    array = np.asarray(element)
    if array.dtype.kind in "OSU":
        return [item.decode() if isinstance(item, bytes) else str(item) for item in array.ravel()]
    return listed(array)


def _folder(kind, **arguments):
    def run(keras):
        make = getattr(keras.utils, f"{kind}_dataset_from_directory")
        with folder() as root:
            made = make(root, verbose=False, **{"shuffle": False, **arguments})
            parts = made if isinstance(made, (list, tuple)) else [made]
            return [
                {
                    "batches": [plain(element) for element in part] if not arguments.get("shuffle") else None,
                    "classes": part.class_names,
                    "files": [os.path.relpath(path, root) for path in getattr(part, "file_paths", ())]
                    if kind == "image"
                    else None,
                }
                for part in parts
            ]

    return run


SIZE = {"image_size": (4, 5)}
cases(
    "folder",
    {
        "images": _folder("image", batch_size=2, **SIZE),
        "one by one": _folder("image", batch_size=None, **SIZE),
        "categorical": _folder("image", label_mode="categorical", color_mode="rgba", **SIZE),
        "binary": _folder("image", label_mode="binary", interpolation="nearest", **SIZE),
        "no labels": _folder("image", labels=None, crop_to_aspect_ratio=True, **SIZE),
        "own labels": _folder("image", labels=[3, 1, 1, 3, 1], pad_to_aspect_ratio=True, image_size=(6, 4)),
        "class names": _folder("image", class_names=["dogs", "cats"], data_format="channels_first", **SIZE),
        "training": _folder("image", validation_split=0.4, subset="training", **SIZE),
        "validation": _folder("image", validation_split=0.4, subset="validation", **SIZE),
        "shuffled split": _folder("image", validation_split=0.4, subset="both", seed=5, shuffle=True, **SIZE),
        "texts": _folder("text", batch_size=2, max_length=9),
        "sounds": _folder("audio", batch_size=2, output_sequence_length=8),
        "sounds of unequal length": _folder("audio", batch_size=3, label_mode="categorical"),
    },
)

SERIES = np.arange(60.0).reshape(30, 2)


def _windows(data, targets, *arguments, **options):
    def run(keras):
        made = keras.utils.timeseries_dataset_from_array(data, targets, *arguments, **options)
        return [plain(element) for element in made]

    return run


cases(
    "time series",
    {
        "plain": _windows(SERIES, None, 5, batch_size=4),
        "targets": _windows(SERIES[:-5], SERIES[5:], 5, sequence_stride=3, sampling_rate=2, batch_size=4),
        "part": _windows(SERIES, SERIES[:, 0], 5, start_index=3, end_index=20, batch_size=4),
        "one by one": _windows(SERIES[:12], SERIES[:6, 1], 3, batch_size=None),
    },
)


@case
def splits(keras):
    results = []
    for data, sizes in [
        ((SERIES, SERIES[:, 0]), {"left_size": 0.3}),
        ([SERIES, SERIES[:, 0]], {"right_size": 4}),
        (SERIES, {"left_size": 2, "right_size": 0.5}),
    ]:
        left, right = keras.utils.split_dataset(data, **sizes)
        results.append([len(left), len(right), [plain(element) for element in right]])
    return results
