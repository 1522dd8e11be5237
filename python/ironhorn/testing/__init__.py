"""Helpers for tests of layers, losses, metrics and ops of your own."""

from __future__ import annotations

from ironhorn.testing.gradient_check import check_gradients
from ironhorn.testing.layer_test import assert_raises_text, run_layer_test
from ironhorn.testing.op_check import check_op

__all__ = ["assert_raises_text", "check_gradients", "check_op", "run_layer_test"]
