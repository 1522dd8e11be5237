"""Whether cost grows as work does: two convolutions with batch normalization, over batches, channels and image sizes.

Each point costs so much a unit of work (a row, a product of channels, a pixel). A point that costs more than 1.5 times
what the cheaper of its two neighbours costs a unit is a cliff.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

CLIFF = 1.5
REPEATS = 9
BATCHES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 31, 32, 33, 48, 64, 96, 128)
CHANNELS = (8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64, 72, 80, 96, 112, 128)
SIZES = (8, 12, 15, 16, 17, 20, 24, 28, 31, 32, 33, 40, 48, 56, 63, 64, 65, 80)


def seconds(keras: Any, batch: int, channels: int, size: int) -> dict[str, float]:
    """Seconds of a training step and of a prediction."""
    layers = keras.layers
    model = keras.Sequential([keras.Input((size, size, channels))])
    for _ in range(2):
        model.add(layers.Conv2D(channels, 3, padding="same", use_bias=False))
        model.add(layers.BatchNormalization())
        model.add(layers.ReLU())
    model.compile("adam", "mse")
    x = np.random.default_rng(0).normal(size=(batch, size, size, channels)).astype("float32")
    return {
        "fit": least(lambda: model.train_on_batch(x, x)),
        "predict": least(lambda: model.predict(x, batch_size=batch, verbose=0)),
    }


def least(run: Callable[[], Any]) -> float:
    """The fewest seconds of several calls: whatever disturbs one only adds to it."""
    run()
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return min(times)


def cliffs(costs: dict[int, float]) -> dict[int, float]:
    """How much more than the cheaper of its neighbours each point costs a unit."""
    points = list(costs)
    return {
        point: costs[point] / min(costs[other] for other in points[max(i - 1, 0) : i + 2] if other != point)
        for i, point in enumerate(points)
    }


def run(keras: Any) -> dict[str, str]:
    """A sentence for each axis and measure."""
    axes: dict[str, tuple[tuple[int, ...], Callable[[int], dict[str, float]], Callable[[int], float]]] = {
        "batch": (BATCHES, lambda n: seconds(keras, n, 32, 32), lambda n: n),
        "channels": (CHANNELS, lambda n: seconds(keras, 8, n, 32), lambda n: n * n),
        "image size": (SIZES, lambda n: seconds(keras, 8, 32, n), lambda n: n * n),
    }
    sentences = {}
    for axis, (points, measure, units) in axes.items():
        measured = {point: measure(point) for point in points}
        for name in ("fit", "predict"):
            factors = cliffs({point: measured[point][name] / units(point) for point in points})
            worst = max(factors, key=factors.__getitem__)
            over = {point: factor for point, factor in factors.items() if factor > CLIFF}
            listed = "; ".join(f"{point} costs {factor:.2f}x" for point, factor in over.items())
            sentences[f"{axis} {name}"] = (
                f"sweep, {axis} {points[0]} to {points[-1]}, {name}: a unit of work costs at most"
                f" {factors[worst]:.2f}x what it costs at a neighbouring size (at {worst})"
                + (f"; CLIFFS over {CLIFF}x: {listed}." if over else ".")
            )
    return sentences
