"""Rows of the pooling layers."""

from __future__ import annotations

from typing import Any

from layers.rows.row import Row

SHAPES: dict[int, tuple[int, ...]] = {1: (2, 7, 3), 2: (2, 6, 5, 3), 3: (2, 5, 4, 6, 2)}


def first(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape with the channels second."""
    return (shape[0], shape[-1], *shape[1:-1])


def sliding(layer: str, rank: int) -> list[Row]:
    """Windows of one size."""
    shape = SHAPES[rank]

    def row(note: str, shape: tuple[int, ...], *given: Any, varying: Any = (), **options: Any) -> Row:
        return Row(
            layer, lambda k: getattr(k.layers, layer)(*given, **options), inputs=[shape], note=note, varying=varying
        )

    return [
        row("", shape, 2, varying=tuple(range(1, rank + 1))),
        row("same", shape, 3, strides=2, padding="same"),
        row("overlapping", shape, tuple(range(rank + 1, 1, -1)) if rank > 1 else 3, strides=1),
        row("first", first(shape), 2, strides=3, padding="same", data_format="channels_first"),
    ]


def whole(layer: str, rank: int) -> list[Row]:
    """All of the spatial axes at once."""
    shape = SHAPES[rank]

    def row(note: str, shape: tuple[int, ...], varying: Any = (), **options: Any) -> Row:
        return Row(layer, lambda k: getattr(k.layers, layer)(**options), inputs=[shape], note=note, varying=varying)

    return [
        row("", shape, varying=tuple(range(1, rank + 1))),
        row("keepdims", shape, keepdims=True),
        row("first", first(shape), data_format="channels_first"),
    ]


def adaptive(layer: str, rank: int) -> list[Row]:
    """As many windows as are asked for."""
    shape = SHAPES[rank]

    def row(note: str, shape: tuple[int, ...], outputs: Any, **options: Any) -> Row:
        return Row(layer, lambda k: getattr(k.layers, layer)(outputs, **options), inputs=[shape], note=note)

    return [
        row("", shape, 3),
        row("sizes", shape, (4, 2, 5)[:rank]),
        row("one", shape, 1),
        row("first", first(shape), 2, data_format="channels_first"),
    ]


ROWS = [
    *(row for kind in ("Max", "Average") for rank in (1, 2, 3) for row in sliding(f"{kind}Pooling{rank}D", rank)),
    *(row for kind in ("Max", "Average") for rank in (1, 2, 3) for row in whole(f"Global{kind}Pooling{rank}D", rank)),
    *(
        row
        for kind in ("Max", "Average")
        for rank in (1, 2, 3)
        for row in adaptive(f"Adaptive{kind}Pooling{rank}D", rank)
    ),
    Row(
        "GlobalAveragePooling1D",
        lambda k: k.layers.GlobalAveragePooling1D(),
        inputs=[(2, 4, 3)],
        mask=[[1, 1, 0, 0], [1, 0, 1, 1]],
        note="mask",
    ),
]
