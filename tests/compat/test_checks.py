"""`check_op` and `check_gradients` pass what is right and catch what is wrong."""

from __future__ import annotations

import numpy as np
import pytest

from ironhorn import ops
from ironhorn.testing import check_gradients, check_op

VALUES = np.array([[0.5, -1.25, 2.0], [0.1, 0.2, -0.3]], dtype="float32")


def test_right_ops_pass() -> None:
    check_op(ops.tanh, np.tanh, [VALUES])
    check_op(ops.add, np.add, [VALUES, VALUES + 1])
    check_op(lambda x: ops.sum(x, axis=1), lambda x: x.sum(axis=1), [VALUES])


def test_a_wrong_value_is_caught() -> None:
    with pytest.raises(AssertionError, match="called eagerly, output 0"):
        check_op(ops.tanh, np.sin, [VALUES])


def test_a_wrong_gradient_is_caught() -> None:
    with pytest.raises(AssertionError, match=r"element \(0, 0\) of argument 0"):
        check_gradients(lambda x: ops.stop_gradient(x) * x, [VALUES])


def test_gradients_by_several_arguments() -> None:
    check_gradients(lambda x, y: {"product": ops.matmul(x, y)}, [VALUES, VALUES.T])


def test_nothing_to_differentiate() -> None:
    with pytest.raises(ValueError, match="nothing to differentiate"):
        check_gradients(lambda x: x, [np.array([1, 2])])
