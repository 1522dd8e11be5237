"""Recurrent layers of one state as one op; the LSTM is in `network`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ironhorn import ops
from ops.cases.case import Argument, Case

Array = np.ndarray


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def gru_step(x: Array, h: Array, kernel: Array, recurrent: Array, bias: Array | None, reset_after: bool) -> Array:
    """One step of a GRU; gates z, r, candidate."""
    units = h.shape[1]
    biases = np.zeros((2, 3 * units))
    if bias is not None:
        biases[: 2 if reset_after else 1] = bias
    xz, xr, xc = np.split(x @ kernel + biases[0], 3, axis=1)
    hz, hr, hc = np.split(h @ recurrent + biases[1], 3, axis=1)
    z, r = sigmoid(xz + hz), sigmoid(xr + hr)
    inner = r * hc if reset_after else (r * h) @ recurrent[:, 2 * units :]
    return z * h + (1 - z) * np.tanh(xc + inner)


def simple_step(x: Array, h: Array, kernel: Array, recurrent: Array, bias: Array | None, activation: str) -> Array:
    """One step of a simple recurrent layer."""
    total = x @ kernel + h @ recurrent + (0 if bias is None else bias)
    return np.tanh(total) if activation == "tanh" else np.maximum(total, 0)


def case(
    name: str,
    note: str,
    gates: int,
    bias_shape: tuple[int, ...] | None,
    mask: bool = False,
    go_backwards: bool = False,
    zero_output_for_mask: bool = False,
    **options: Any,
) -> Case:
    """Both outputs of an op, beside its step in a loop."""
    batch, time, features, units = 2, 4, 3, 3
    arguments = [
        Argument((batch, time, features), "unit"),
        Argument((batch, units), "unit"),
        Argument((features, gates * units), "unit", batch=False),
        Argument((units, gates * units), "unit", batch=False),
    ]
    if bias_shape is not None:
        arguments.append(Argument(bias_shape, "unit", batch=False))
    if mask:
        arguments.append(Argument((batch, time), "mask", dtype="bool"))
    step = gru_step if name == "gru" else simple_step

    def named(arrays: Any) -> dict[str, Any]:
        return {"bias": None if bias_shape is None else arrays[4], "mask": arrays[-1] if mask else None}

    def reference(*arrays: Any) -> tuple[Array, Array]:
        x, h, kernel, recurrent = arrays[:4]
        given = named(arrays)
        outputs = np.zeros((x.shape[0], x.shape[1], h.shape[1]))
        steps = range(x.shape[1])
        for position, t in enumerate(reversed(steps) if go_backwards else steps):
            after = step(x[:, t], h, kernel, recurrent, given["bias"], **options)
            shown = after
            if given["mask"] is not None:
                here = given["mask"][:, t, None].astype(bool)
                after = np.where(here, after, h)
                shown = np.where(here, after, 0.0 if zero_output_for_mask else h)
            h = after
            outputs[:, position] = shown
        return outputs, h

    def call(*arrays: Any) -> Any:
        return getattr(ops, name)(
            *arrays[:4],
            **named(arrays),
            **options,
            go_backwards=go_backwards,
            zero_output_for_mask=zero_output_for_mask,
        )

    return Case(name, tuple(arguments), reference, call=call, note=note, tolerance=8.0)


BACKWARDS = {"mask": True, "go_backwards": True, "zero_output_for_mask": True}

CASES: list[Case] = [
    case("gru", "", 3, (2, 9), reset_after=True),
    case("gru", "no bias", 3, None, reset_after=True),
    case("gru", "mask", 3, (2, 9), mask=True, reset_after=True),
    case("gru", "reset before", 3, (9,), reset_after=False),
    case("gru", "reset before mask backwards zero", 3, (9,), **BACKWARDS, reset_after=False),
    case("simple_rnn", "", 1, (3,), activation="tanh"),
    case("simple_rnn", "no bias", 1, None, mask=True, activation="tanh"),
    case("simple_rnn", "mask backwards zero", 1, (3,), **BACKWARDS, activation="tanh"),
]
