"""Training steps, one-row predictions and an SVD fit: Ironhorn beside Keras on JAX and scikit-surprise, turn by turn.

    python benches/python/compare.py [case ...]

Both libraries get the same weights and the same batches in one process, take turns, and must agree on the result before
their times are printed: the best of several rounds. The rate stands beside what one large float32 matrix product of
NumPy reaches on all cores here.
"""

import argparse
import importlib.util
import os
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")

import numpy as np

import ironhorn
import ironhorn.surprise

ROUNDS = 5
Case = tuple[Callable[[Any], Any], np.ndarray, np.ndarray, int, float]


def peer(name: str) -> Any:
    """A library to compare with, or `None` where it is not installed."""
    return importlib.import_module(name) if importlib.util.find_spec(name) else None


def matrix_product_rate() -> float:
    """Floating-point operations a second of a large float32 matrix product."""
    a = np.random.default_rng(0).normal(size=(1536, 1536)).astype("float32")
    return 2 * 1536**3 / min(measure(lambda: a @ a) for _ in range(ROUNDS))


def measure(function: Callable[[], Any]) -> float:
    """Seconds of one call."""
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def take_turns(functions: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """The best time of each function over several rounds in which they take turns, after one call to warm up."""
    best = {}
    for name, function in functions.items():
        function()
        best[name] = float("inf")
    for _ in range(ROUNDS):
        for name, function in functions.items():
            best[name] = min(best[name], measure(function))
    return best


def mlp() -> Case:
    """784-512-256-10, batches of 128."""
    rng = np.random.default_rng(1)

    def build(keras: Any) -> Any:
        layers = keras.layers
        return keras.Sequential(
            [
                keras.Input((784,)),
                layers.Dense(512, activation="relu"),
                layers.Dense(256, activation="relu"),
                layers.Dense(10, activation="softmax"),
            ]
        )

    flops = 3 * 2 * (784 * 512 + 512 * 256 + 256 * 10)
    return build, rng.normal(size=(2560, 784)).astype("float32"), rng.integers(0, 10, 2560), 128, flops


def cnn() -> Case:
    """The network of examples/product_inspection.py, batches of 64."""
    rng = np.random.default_rng(2)

    def build(keras: Any) -> Any:
        layers = keras.layers
        return keras.Sequential(
            [
                keras.Input((28, 28, 1)),
                layers.Conv2D(16, 3, padding="same", use_bias=False),
                layers.BatchNormalization(),
                layers.Activation("relu"),
                layers.MaxPooling2D(),
                layers.Conv2D(32, 3, padding="same", use_bias=False),
                layers.BatchNormalization(),
                layers.Activation("relu"),
                layers.MaxPooling2D(),
                layers.Flatten(),
                layers.Dense(128, activation="relu"),
                layers.Dense(10, activation="softmax"),
            ]
        )

    flops = 3 * 2 * (28 * 28 * 16 * 9 + 14 * 14 * 32 * 144 + 1568 * 128 + 128 * 10)
    return build, rng.uniform(size=(1280, 28, 28, 1)).astype("float32"), rng.integers(0, 10, 1280), 64, flops


def lstm() -> Case:
    """The network of examples/fault_reports.py on 20 words, batches of 32."""
    rng = np.random.default_rng(3)
    words = rng.integers(1, 2000, (640, 20))
    words[np.arange(20) >= rng.integers(3, 21, (640, 1))] = 0

    def build(keras: Any) -> Any:
        layers = keras.layers
        return keras.Sequential(
            [
                keras.Input((20,), dtype="int32"),
                layers.Embedding(2000, 128, mask_zero=True),
                layers.Bidirectional(layers.LSTM(32)),
                layers.Dense(8, activation="softmax"),
            ]
        )

    flops = 3 * 2 * (20 * 2 * (128 + 32) * 4 * 32 + 64 * 8)
    return build, words.astype("int32"), rng.integers(0, 8, 640), 32, flops


def compare_training(title: str, case: Case, peak: float) -> None:
    """Time whole epochs of `fit` and compare the loss of the first."""
    build, x, y, batch_size, flops = case
    models = {"ironhorn": build(ironhorn)}
    if (keras := peer("keras")) is not None:
        models[f"keras {keras.__version__} on {keras.backend.backend()}"] = build(keras)
    first, *others = models.values()
    for model in others:
        model.set_weights(first.get_weights())
    for model in models.values():
        model.compile("adam", "sparse_categorical_crossentropy")
    losses = [m.fit(x, y, batch_size=batch_size, shuffle=False, verbose=0).history["loss"][0] for m in models.values()]
    np.testing.assert_allclose(losses, losses[0], rtol=2e-3)

    def epoch(model: Any) -> Callable[[], Any]:
        return lambda: model.fit(x, y, batch_size=batch_size, shuffle=False, verbose=0)

    for name, seconds in take_turns({name: epoch(model) for name, model in models.items()}).items():
        rate = flops * len(x) / seconds
        step = 1e3 * seconds * batch_size / len(x)
        print(f"{title:12s} {name:24s} {step:9.3f} ms a step  {rate / 1e9:7.1f} GFLOP/s  {rate / peak:4.2f} x NumPy")


def compare_prediction(title: str) -> None:
    """Time `predict` of one row."""

    def build(keras: Any) -> Any:
        return keras.Sequential([keras.Input((10,)), keras.layers.Dense(32, "relu"), keras.layers.Dense(2)])

    row = np.ones((1, 10), "float32")
    models = {"ironhorn": build(ironhorn)}
    if (keras := peer("keras")) is not None:
        models[f"keras {keras.__version__} on {keras.backend.backend()}"] = build(keras)
        list(models.values())[1].set_weights(models["ironhorn"].get_weights())
    results = [model.predict(row, verbose=0) for model in models.values()]
    for result in results:
        np.testing.assert_allclose(result, results[0], rtol=1e-5, atol=1e-6)

    def hundred(model: Any) -> Callable[[], Any]:
        return lambda: [model.predict(row, verbose=0) for _ in range(100)]

    for name, seconds in take_turns({name: hundred(model) for name, model in models.items()}).items():
        print(f"{title:12s} {name:24s} {1e4 * seconds:9.1f} us a call")


def compare_recommender(title: str) -> None:
    """Time an SVD fit on 100,000 made-up ratings."""
    rng = np.random.default_rng(4)
    pairs = np.unique(rng.integers(0, [943, 1682], (120_000, 2)), axis=0)[:100_000]
    stars = rng.integers(1, 6, len(pairs)).astype(float)
    raw = [(int(user), int(item), star, None) for (user, item), star in zip(pairs, stars, strict=True)]
    functions, estimates = {}, []
    libraries = {"ironhorn": ironhorn.surprise, "scikit-surprise": peer("surprise")}
    for name, surprise in libraries.items():
        if surprise is None:
            continue
        data = surprise.Dataset(surprise.Reader())
        trainset = data.construct_trainset(raw)
        algorithm = surprise.SVD(n_factors=100, n_epochs=20, random_state=0)
        estimates.append([algorithm.fit(trainset).predict(user, item).est for user, item in pairs[:50].tolist()])
        functions[name] = lambda algorithm=algorithm, trainset=trainset: algorithm.fit(trainset)
    for estimate in estimates:
        np.testing.assert_allclose(estimate, estimates[0], atol=1e-9)
    for name, seconds in take_turns(functions).items():
        print(f"{title:12s} {name:24s} {seconds:9.3f} s a fit  {20 * len(raw) / seconds / 1e6:7.1f} million ratings/s")


def main() -> None:
    """Run the cases named on the command line, or all."""
    training = {"mlp": mlp, "cnn": cnn, "lstm": lstm}
    others = {"predict_one": compare_prediction, "svd": compare_recommender}
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("cases", nargs="*", choices=[[], *training, *others], default=[])
    chosen = parser.parse_args().cases or [*training, *others]
    peak = matrix_product_rate()
    print(f"NumPy's float32 matrix product: {peak / 1e9:.0f} GFLOP/s")
    for name in chosen:
        if name in training:
            compare_training(name, training[name](), peak)
        else:
            others[name](name)


if __name__ == "__main__":
    main()
