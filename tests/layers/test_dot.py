"""The dot product as a layer."""

import numpy as np
import pytest

from ironhorn import layers
from ironhorn.testing import assert_raises_text, run_layer_test


@pytest.mark.parametrize(
    ("axes", "shapes", "expected"),
    [
        (1, [(2, 4), (2, 4)], (2, 1)),
        ((1, 2), [(2, 3, 5), (2, 6, 3)], (2, 5, 6)),
        (-1, [(2, 3, 4, 5), (2, 5)], (2, 3, 4)),
        ((2, 1), [(2, 3, 4), (2, 4, 5, 6)], (2, 3, 5, 6)),
    ],
)
def test_dot(axes, shapes, expected):
    run_layer_test(layers.Dot, {"axes": axes}, input_shape=shapes, expected_output_shape=expected)
    run_layer_test(layers.Dot, {"axes": axes, "normalize": True}, input_shape=shapes, expected_output_shape=expected)


def test_values_and_cosines():
    a, b = np.array([[3.0, 4.0]], "float32"), np.array([[0.0, 2.0]], "float32")
    assert layers.dot([a, b]).numpy().tolist() == [[8.0]]
    np.testing.assert_allclose(layers.dot([a, b], normalize=True), [[0.8]], rtol=1e-6)


def test_errors():
    a, b = np.ones((2, 3, 4), "float32"), np.ones((2, 5), "float32")
    assert_raises_text(ValueError, ["sizes differ: 4 and 5"], lambda: layers.Dot(-1)([a, b]))
    assert_raises_text(ValueError, ["axes=0", "batch"], lambda: layers.Dot(0)([a, b]))
    assert_raises_text(ValueError, ["two tensors", "3"], lambda: layers.Dot(1)([a, a, a]))
    assert_raises_text(TypeError, ["axes='last'"], lambda: layers.Dot("last"))
