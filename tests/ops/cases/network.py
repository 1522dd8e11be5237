"""Functions of neural networks."""

from __future__ import annotations

from typing import Any

import numpy as np

from ironhorn import ops
from ops import references as ref
from ops.cases.case import (
    Argument,
    Case,
)

IMAGES = Argument((2, 6, 5, 3), "unit")
SEQUENCES = Argument((2, 9, 4), "unit")


def conv(note: str, x: Argument, kernel: tuple[int, ...], **options: Any) -> Case:
    """A convolution."""
    renamed = {"dilation_rate": "dilation"}
    reference = {renamed.get(key, key): value for key, value in options.items()}
    return Case(
        "conv",
        (x, Argument(kernel, "unit", batch=False)),
        lambda a, b: ref.conv(a, b, **reference),
        call=lambda a, b: ops.conv(a, b, data_format="channels_last", **options),
        note=note,
        tolerance=4.0,
    )


def first_to_last(x: np.ndarray) -> np.ndarray:
    """Channels second to channels last."""
    return np.moveaxis(x, 1, -1)


def pool(name: str, kind: str, note: str, x: Argument, size: int, strides: int, padding: str) -> Case:
    """A pooling."""
    return Case(
        name,
        (Argument(x.shape, "any"),),
        lambda a: ref.pool(kind, a, size, strides, padding),
        call=lambda a: getattr(ops, name)(a, size, strides, padding, data_format="channels_last"),
        note=note,
    )


def lstm(note: str, bias: bool = True, mask: bool = False, units: int = 3, **options: Any) -> Case:
    """An LSTM of all three outputs."""
    batch, time, features = 2, 4, 3
    arguments = [
        Argument((batch, time, features), "unit"),
        Argument((batch, units), "unit"),
        Argument((batch, units), "unit"),
        Argument((features, 4 * units), "unit", batch=False),
        Argument((units, 4 * units), "unit", batch=False),
    ]
    if bias:
        arguments.append(Argument((4 * units,), "unit", batch=False))
    if mask:
        arguments.append(Argument((batch, time), "mask", dtype="bool"))

    def split(arrays: Any) -> tuple[Any, dict[str, Any]]:
        return arrays[:5], {**options, "bias": arrays[5] if bias else None, "mask": arrays[-1] if mask else None}

    def reference(*arrays: Any) -> Any:
        given, named = split(arrays)
        return ref.lstm(*given, **named)

    def call(*arrays: Any) -> Any:
        given, named = split(arrays)
        return ops.lstm(*given, **named)

    return Case("lstm", tuple(arguments), reference, call=call, note=note, tolerance=8.0)


CASES: list[Case] = [
    # Networks.
    Case("softmax", (Argument((3, 4)),), ref.softmax, tolerance=4.0),
    Case("softmax", (Argument((3, 50), "wide"),), ref.softmax, note="long", second=False, tolerance=16.0),
    Case(
        "softmax", (Argument((2, 3, 4)),), lambda x: ref.softmax(x, 1), call=lambda x: ops.softmax(x, 1), note="middle"
    ),
    Case(
        "softmax",
        (Argument((2, 3, 4)),),
        lambda x: ref.softmax(x, (1, 2)),
        call=lambda x: ops.softmax(x, (1, 2)),
        note="two",
        tolerance=4.0,
    ),
    Case("log_softmax", (Argument((3, 4)),), lambda x: np.log(ref.softmax(x)), tolerance=4.0),
    Case(
        "log_softmax",
        (Argument((2, 3, 4)),),
        lambda x: np.log(ref.softmax(x, 1)),
        call=lambda x: ops.log_softmax(x, 1),
        note="middle",
        tolerance=4.0,
    ),
    conv("", IMAGES, (3, 3, 3, 2)),
    conv("same", IMAGES, (3, 2, 3, 4), padding="same"),
    conv("strides", IMAGES, (3, 3, 3, 2), strides=2, padding="same"),
    conv("strides valid", IMAGES, (2, 3, 3, 2), strides=2),
    conv("dilation", IMAGES, (2, 2, 3, 2), dilation_rate=2),
    conv("point", IMAGES, (1, 1, 3, 17)),
    conv("groups", Argument((2, 5, 4, 4), "unit"), (2, 2, 2, 6)),
    conv("one axis", SEQUENCES, (3, 4, 5)),
    conv("one axis same", SEQUENCES, (4, 4, 2), padding="same", strides=2),
    Case(
        "conv",
        (Argument((2, 3, 6, 5), "unit"), Argument((2, 2, 3, 2), "unit", batch=False)),
        lambda x, w: np.moveaxis(ref.conv(first_to_last(x), w), -1, 1),
        call=lambda x, w: ops.conv(x, w, data_format="channels_first"),
        note="channels first",
        tolerance=4.0,
        second=False,
    ),
    Case(
        "depthwise_conv",
        (Argument((2, 5, 4, 3), "unit"), Argument((2, 2, 3, 2), "unit", batch=False)),
        lambda x, w: ref.conv(x, w.reshape(2, 2, 1, 6)),
        call=lambda x, w: ops.depthwise_conv(x, w, data_format="channels_last"),
        tolerance=4.0,
    ),
    pool("max_pool", "max", "", IMAGES, 2, 2, "valid"),
    pool("max_pool", "max", "same", IMAGES, 3, 2, "same"),
    pool("max_pool", "max", "overlapping", IMAGES, 3, 1, "valid"),
    pool("max_pool", "max", "one axis", SEQUENCES, 2, 2, "valid"),
    pool("average_pool", "average", "", IMAGES, 2, 2, "valid"),
    pool("average_pool", "average", "same", IMAGES, 3, 2, "same"),
    pool("average_pool", "average", "one axis", SEQUENCES, 3, 1, "same"),
    Case(
        "batch_normalization",
        (
            Argument((3, 4)),
            Argument((4,), batch=False),
            Argument((4,), "positive", batch=False),
            Argument((4,), batch=False),
            Argument((4,), batch=False),
        ),
        ref.batch_normalization,
        call=lambda x, mean, variance, offset, scale: ops.batch_normalization(x, mean, variance, -1, offset, scale),
        tolerance=4.0,
    ),
    Case(
        "batch_normalization_train",
        (Argument((6, 4)), Argument((4,), batch=False), Argument((4,), batch=False)),
        ref.batch_normalization_train,
        empty=False,
        tolerance=32.0,
    ),
    Case(
        "batch_normalization_train",
        (
            Argument((2, 5, 3)),
            Argument((3,), batch=False),
            Argument((3,), batch=False),
            Argument((2, 5), "mask", dtype="bool"),
        ),
        ref.batch_normalization_train,
        call=lambda x, scale, offset, mask: ops.batch_normalization_train(x, scale, offset, mask=mask),
        note="mask",
        empty=False,
        tolerance=32.0,
    ),
    lstm(""),
    lstm("no bias", bias=False),
    lstm("mask", mask=True),
    lstm("mask backwards zero", mask=True, go_backwards=True, zero_output_for_mask=True),
    Case(
        "binary_crossentropy",
        (Argument((3, 4), "binary", smooth=False), Argument((3, 4), "probabilities")),
        ref.binary_crossentropy,
        tolerance=4.0,
    ),
    Case(
        "binary_crossentropy",
        (Argument((3, 4), "binary", smooth=False), Argument((3, 4))),
        lambda t, x: ref.binary_crossentropy(t, x, True),
        call=lambda t, x: ops.binary_crossentropy(t, x, from_logits=True),
        note="logits",
        tolerance=4.0,
    ),
    Case(
        "categorical_crossentropy",
        (Argument((3, 4), "probabilities", smooth=False), Argument((3, 4), "probabilities")),
        ref.categorical_crossentropy,
        tolerance=4.0,
    ),
    Case(
        "categorical_crossentropy",
        (Argument((2, 3, 4), "probabilities", smooth=False), Argument((2, 3, 4))),
        lambda t, x: ref.categorical_crossentropy(t, x, True, 1),
        call=lambda t, x: ops.categorical_crossentropy(t, x, from_logits=True, axis=1),
        note="logits, middle axis",
        tolerance=8.0,
    ),
    Case(
        "sparse_categorical_crossentropy",
        (Argument((4,), "classes", dtype="int32"), Argument((4, 3), "probabilities")),
        ref.sparse_categorical_crossentropy,
        tolerance=4.0,
    ),
    Case(
        "sparse_categorical_crossentropy",
        (Argument((2, 3), "classes", dtype="int64"), Argument((2, 3, 5))),
        lambda t, x: ref.sparse_categorical_crossentropy(t, x, True),
        call=lambda t, x: ops.sparse_categorical_crossentropy(t, x, from_logits=True),
        note="logits",
        tolerance=8.0,
    ),
]
