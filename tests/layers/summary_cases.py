"""Models and arguments of `summary`, which print the same under Keras and Ironhorn."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def chain(k: Any) -> Any:
    """A stack of layers."""
    layers = k.layers
    return k.Sequential(
        [
            k.Input((8, 8, 3), name="image"),
            layers.Conv2D(4, 3, name="conv"),
            layers.BatchNormalization(name="norm"),
            layers.Dropout(0.5, name="drop"),
            layers.Flatten(name="flat"),
            layers.Dense(2, name="a_layer_with_a_name_that_is_much_longer_than_its_column_is_wide"),
        ],
        name="chain",
    )


def trained(k: Any) -> Any:
    """A model that has been trained for a step, with a frozen layer."""
    import numpy as np

    model = k.Sequential([k.Input((3,)), k.layers.Dense(4, name="one"), k.layers.Dense(1, name="two")], name="trained")
    model.layers[0].trainable = False
    model.compile(k.optimizers.Adam(), "mse")
    model.train_on_batch(np.ones((2, 3), "float32"), np.ones((2, 1), "float32"))
    return model


def graph(k: Any) -> Any:
    """Inner models, a shared layer, ops, two inputs and two outputs."""
    layers = k.layers
    inside = k.Input((5,), name="inside")
    inner = k.Model(inside, [layers.Dense(4, name="left")(inside), layers.Dense(3, name="right")(inside)], name="inner")
    stack = k.Sequential([k.Input((5,)), layers.Dense(6, name="first"), layers.Dense(5, name="second")], name="stack")
    shared = layers.Dense(5, name="shared")
    a, b = k.Input((5,), name="a"), k.Input((5,), name="b")
    x = layers.Add(name="sum")([shared(stack(a)), shared(b)])
    left, right = inner(x)
    right = layers.Concatenate(name="join")([right, x])
    frozen = layers.Dense(2, name="frozen")
    frozen.trainable = False
    return k.Model({"a": a, "b": b}, [frozen(left), k.ops.relu(right * 2.0)], name="graph")


def long_chain(k: Any) -> Any:
    """A functional model that is a chain, with data of no fixed length."""
    words = k.Input((None,), dtype="int32", name="words")
    x = k.layers.Embedding(1000, 16, name="embed")(words)
    x, state = k.layers.GRU(8, return_state=True, return_sequences=True, name="gru")(x)
    return k.Model(words, [x, state], name="long_chain")


def written(k: Any) -> Any:
    """A model that is a class, before it has seen data."""

    class Written(k.Model):
        def __init__(self) -> None:
            super().__init__(name="written")
            self.one = k.layers.Dense(3, name="one")
            self.two = k.layers.Dense(1, name="two")

        def call(self, inputs: Any) -> Any:
            return self.two(self.one(inputs))

    return Written()


def unbuilt(k: Any) -> Any:
    """A stack whose input is not known."""
    return k.Sequential([k.layers.Dense(3, name="one"), k.layers.Dropout(0.1, name="two")], name="[unbuilt]")


def cases(k: Any) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Title, model and arguments."""
    for make in (chain, trained, graph, long_chain, written, unbuilt):
        yield make.__name__, make(k), {}
    for options in (
        {"line_length": 60},
        {"line_length": 140},
        {"positions": [0.5, 0.7, 1.0]},
        {"show_trainable": True},
        {"expand_nested": True},
        {"layer_range": ["conv", "drop"]},
        {"layer_range": ["drop", "conv"]},
        {"layer_range": ("n.*", "f.*")},
    ):
        yield f"chain {options}", chain(k), options
    for options in (
        {"line_length": 70},
        {"line_length": 130, "expand_nested": True},
        {"line_length": 150, "expand_nested": True, "show_trainable": True},
        {"positions": [0.2, 0.5, 0.6, 1.0], "line_length": 100},
        {"layer_range": ["sum", "inner"], "expand_nested": True},
    ):
        yield f"graph {options}", graph(k), options


def summaries(k: Any) -> dict[str, str]:
    """What each case prints."""
    printed = {}
    for title, model, options in cases(k):
        lines: list[str] = []
        model.summary(print_fn=lines.append, **options)
        printed[title] = "".join(lines)
    return printed
