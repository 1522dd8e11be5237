"""Helpers for tests of layers, losses and metrics of your own."""

from __future__ import annotations

from ironhorn.testing.layer_test import assert_raises_text, run_layer_test

__all__ = ["assert_raises_text", "run_layer_test"]
