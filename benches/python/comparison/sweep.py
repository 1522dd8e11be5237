"""Whether cost grows as work does: two convolutions with batch normalization, over batches, channels and image sizes.

The first convolution goes from 32 channels to the number that varies, the second back to 32, so that work is linear in
each axis. A point that costs more than 1.5 times as much a row, a channel or a pixel as the cheaper of its two
neighbours is a cliff.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

CLIFF = 1.5
ROUNDS, CALLS = 5, 3
BATCHES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 31, 32, 33, 48, 64, 96, 128)
CHANNELS = (8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64, 72, 80, 96, 112, 128)
SIZES = (8, 10, 12, 15, 16, 17, 20, 24, 28, 31, 32, 33, 40, 48, 56, 63, 64, 65, 80)


def calls(keras: Any, batch: int, channels: int, size: int) -> dict[str, Callable[[], Any]]:
    """A training step and a prediction, warmed up."""
    layers = keras.layers
    model = keras.Sequential([keras.Input((size, size, 32))])
    for filters in (channels, 32):
        model.add(layers.Conv2D(filters, 3, padding="same", use_bias=False))
        model.add(layers.BatchNormalization())
        model.add(layers.ReLU())
    model.compile("adam", "mse")
    x = np.random.default_rng(0).normal(size=(batch, size, size, 32)).astype("float32")
    both: dict[str, Callable[[], Any]] = {
        "fit": lambda: model.train_on_batch(x, x),
        "predict": lambda: model.predict(x, batch_size=batch, verbose=0),
    }
    for call in both.values():
        call()
    return both


def least(functions: dict[int, Callable[[], Any]]) -> dict[int, float]:
    """The fewest seconds of each call over rounds in which they take turns: what disturbs a round only adds to it."""
    fewest = dict.fromkeys(functions, float("inf"))
    for _ in range(ROUNDS):
        for point, call in functions.items():
            for _ in range(CALLS):
                started = time.perf_counter()
                call()
                fewest[point] = min(fewest[point], time.perf_counter() - started)
    return fewest


def cliffs(costs: dict[int, float]) -> dict[int, float]:
    """How much more than the cheaper of its neighbours each point costs a unit."""
    points = list(costs)
    return {
        point: costs[point] / min(costs[other] for other in points[max(i - 1, 0) : i + 2] if other != point)
        for i, point in enumerate(points)
    }


def run(keras: Any) -> dict[str, str]:
    """A sentence for each axis and measure."""
    axes: dict[str, tuple[tuple[int, ...], Callable[[int], dict[str, Callable[[], Any]]], Callable[[int], int]]] = {
        "batch": (BATCHES, lambda n: calls(keras, n, 32, 32), lambda n: n),
        "channels": (CHANNELS, lambda n: calls(keras, 8, n, 32), lambda n: n),
        "image size": (SIZES, lambda n: calls(keras, 8, 32, n), lambda n: n * n),
    }
    sentences = {}
    for axis, (points, make, units) in axes.items():
        made = {point: make(point) for point in points}
        for name in ("fit", "predict"):
            seconds = least({point: made[point][name] for point in points})
            factors = cliffs({point: seconds[point] / units(point) for point in points})
            worst = max(factors, key=factors.__getitem__)
            over = {point: factor for point, factor in factors.items() if factor > CLIFF}
            listed = "; ".join(f"{point} costs {factor:.2f}x" for point, factor in over.items())
            sentences[f"{axis} {name}"] = (
                f"sweep, {axis} {points[0]} to {points[-1]}, {name}: a unit of work costs at most"
                f" {factors[worst]:.2f}x what it costs at a neighbouring size (at {worst})"
                + (f"; CLIFFS over {CLIFF}x: {listed}." if over else ".")
            )
    return sentences
