"""Rows of the layers that regularise; while they do nothing: their statistics are tested in test_regularization.py."""

from layers.rows.row import Row

ROWS = [
    Row("Dropout", lambda k: k.layers.Dropout(0.3), inputs=[(2, 3)]),
]
