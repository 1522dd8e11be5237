"""Every layer under mixed precision: types as Keras gives them, numbers as near to float32 as 16 bits allow.

The table is `rows/`; `make_mixed_reference.py` records what Keras' layers give under the same policies.
"""

from __future__ import annotations

import functools
import json
from typing import Any

import numpy as np
import pytest

import ironhorn
from ironhorn import backend, config, ops, tree
from ironhorn.backend import CompiledFunction, GradientTape
from layers.rows import FAMILIES, FOLDER, Row

ROWS = [(family, row) for family, rows in FAMILIES.items() for row in rows]
#: One unit in the last place of numbers near 1.
PRECISION = 2.0**-7

each_row = pytest.mark.parametrize(("family", "row"), ROWS, ids=[f"{family}-{row.id}" for family, row in ROWS])


@functools.cache
def recorded() -> dict[str, list[tuple[str, float]] | None]:
    """What Keras' layers give."""
    found: dict[str, list[tuple[str, float]] | None] = json.loads((FOLDER / "mixed.json").read_text())
    return found


@pytest.fixture(autouse=True)
def policy_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    # Put back at the end: the policy that follows `floatx`.
    monkeypatch.setattr("ironhorn.dtype_policies.policy._default_policy", None)


def outputs(row: Row, policy: str) -> tuple[Any, list[Any], list[Any]]:
    """The layer with its weights, its inputs and what it gives."""
    config.set_dtype_policy(policy)
    layer = row.make(ironhorn)
    inputs = [ops.convert_to_tensor(array) for array in row.arrays("float32")]
    row.apply(layer, inputs, backend.set_keras_mask)
    layer.set_weights([row.weight(i, v.path, v.shape) for i, v in enumerate(layer.weights)])
    return layer, inputs, tree.flatten(row.apply(layer, inputs, backend.set_keras_mask))


@each_row
def test_layer(family: str, row: Row) -> None:
    assert f"{family}/{row.id}" in recorded(), f"record it: python tests/layers/make_mixed_reference.py {family}"
    keras = recorded()[f"{family}/{row.id}"]
    if keras is None:
        pytest.skip("Keras fails here")
    _, _, wide = outputs(row, "float32")
    layer, inputs, narrow = outputs(row, "mixed_bfloat16")
    assert all(v.dtype == "float32" for v in layer.weights if "float" in v.dtype)
    assert [x.dtype for x in narrow] == [dtype for dtype, _ in keras]
    for x, y, (_, deviation) in zip(narrow, wide, keras, strict=True):
        have, want = np.asarray(x).astype("float64"), np.asarray(y).astype("float64")
        np.testing.assert_array_equal(np.isfinite(have), np.isfinite(want))
        finite = np.isfinite(want)
        scale = max(float(np.abs(want[finite]).max(initial=0.0)), 1e-3)
        # Where a layer amplifies what rounding does, so does Keras'.
        allowed = PRECISION + deviation
        assert float(np.abs(have - want)[finite].max(initial=0.0)) <= allowed * scale
    if row.gradient is True and layer.trainable_variables:
        check_gradients(row, layer, inputs, [row.functional(i, x.shape) for i, x in enumerate(narrow)])


def check_gradients(row: Row, layer: Any, inputs: list[Any], factors: list[np.ndarray]) -> None:
    """Gradients of the weights are float32, and the same whether the layer is traced or not, up to rounding."""

    def compute(given: Any) -> list[Any]:
        with GradientTape() as tape:
            leaves = tree.flatten(row.apply(layer, list(given), backend.set_keras_mask))
            floats = [pair for pair in zip(leaves, factors, strict=True) if "float" in pair[0].dtype]
            number = sum(ops.sum(ops.cast(leaf, "float32") * factor) for leaf, factor in floats)
        return list(tape.gradient(number, layer.trainable_variables, unconnected_gradients="zero"))

    eager = compute(inputs)
    traced = CompiledFunction(compute, name=row.id)(inputs)
    scale = max(float(np.abs(np.asarray(gradient)).max(initial=0.0)) for gradient in eager)
    for a, b, variable in zip(eager, traced, layer.trainable_variables, strict=True):
        assert a.dtype == b.dtype == variable.dtype
        a, b = np.asarray(a), np.asarray(b)
        assert np.isfinite(a).all()
        np.testing.assert_allclose(a, b, rtol=0.05, atol=0.05 * max(scale, 1e-3))
