"""Three small training problems, written once in plain Keras and run under any library that speaks Keras' API.

`make_trajectories.py` runs them under real Keras and stores what it sees; `test_trajectories.py` runs them under
Ironhorn and compares. Everything a run depends on (initial weights, batches) comes from `numpy.random.RandomState`,
whose streams never change, so that only results are stored.
"""

from __future__ import annotations

from typing import Any

import numpy as np

PROBLEMS = ("cnn", "lstm", "mlp")
STEPS = 100


def build_model(keras: Any, problem: str) -> Any:
    """Build one of the three models with the given Keras-like module.

    Args:
        keras: Real Keras or Ironhorn.
        problem: `"cnn"` (convolutions without bias, each before a batch normalization), `"lstm"` (masked
            bidirectional LSTM over an embedding) or `"mlp"`.

    Returns:
        A built, uncompiled model.
    """
    layers = keras.layers
    if problem == "cnn":
        return keras.Sequential(
            [
                keras.Input((10, 10, 2)),
                layers.Conv2D(6, 3, padding="same", use_bias=False),
                layers.BatchNormalization(momentum=0.9),
                layers.Activation("relu"),
                layers.MaxPooling2D(2),
                layers.Conv2D(8, 3, use_bias=False),
                layers.BatchNormalization(momentum=0.9),
                layers.Activation("relu"),
                layers.GlobalAveragePooling2D(),
                layers.Dense(5),
            ]
        )
    if problem == "lstm":
        tokens = keras.Input((12,), dtype="int32")
        hidden = layers.Embedding(25, 6, mask_zero=True)(tokens)
        hidden = layers.Bidirectional(layers.LSTM(5, return_sequences=True))(hidden)
        hidden = layers.Bidirectional(layers.LSTM(4))(hidden)
        return keras.Model(tokens, layers.Dense(4)(hidden))
    if problem == "mlp":
        return keras.Sequential(
            [
                keras.Input((7,)),
                layers.Dense(16, activation="relu"),
                layers.Dense(12, activation="tanh"),
                layers.Dense(3),
            ]
        )
    raise ValueError(f"Unknown problem {problem!r}: choose one of {PROBLEMS}.")


def loss_for(keras: Any, problem: str) -> Any:
    """Return the loss that `problem` is trained with."""
    if problem == "mlp":
        return keras.losses.MeanSquaredError()
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def initial_weights(model: Any, seed: int) -> list[np.ndarray]:
    """Draw values for every weight of `model`, in the order of `model.weights`.

    Matrices and filters are scaled by their number of inputs; `gamma` and `moving_variance` lie around 1.
    """
    random = np.random.RandomState(seed)
    values = []
    for weight in model.weights:
        shape = tuple(weight.shape)
        name = weight.name.split("/")[-1].split(":")[0]
        draw = random.standard_normal(shape)
        if name in ("gamma", "moving_variance"):
            value = 1.0 + 0.1 * np.tanh(draw)
        elif len(shape) >= 2 and name != "embeddings":
            value = draw / np.sqrt(np.prod(shape[:-1]))
        else:
            value = 0.1 * draw
        values.append(value)
    return values


def make_batches(problem: str, seed: int, steps: int = STEPS) -> list[tuple[np.ndarray, np.ndarray]]:
    """Draw `steps` batches of inputs and targets with something to learn in them."""
    random = np.random.RandomState(seed)
    batches = []
    if problem == "cnn":
        patterns = random.standard_normal((5, 10, 10, 2))
        for _ in range(steps):
            labels = random.randint(0, 5, size=8)
            batches.append((0.7 * patterns[labels] + random.standard_normal((8, 10, 10, 2)), labels))
    elif problem == "lstm":
        for _ in range(steps):
            tokens = random.randint(1, 25, size=(8, 12))
            lengths = random.randint(1, 13, size=8)
            tokens[np.arange(12)[None, :] >= lengths[:, None]] = 0
            tokens[random.uniform(size=tokens.shape) < 0.05] = 0
            tokens[:, 0] = np.maximum(tokens[:, 0], 1)
            labels = (tokens.max(axis=1) // 7).astype("int64")
            batches.append((tokens.astype("int32"), labels))
    elif problem == "mlp":
        mixing = random.standard_normal((7, 3))
        for _ in range(steps):
            inputs = random.standard_normal((16, 7))
            batches.append((inputs, np.sin(inputs @ mixing) + 0.1 * random.standard_normal((16, 3))))
    else:
        raise ValueError(f"Unknown problem {problem!r}: choose one of {PROBLEMS}.")
    return batches


def run(keras: Any, problem: str, optimizer: str, dtype: str, seed: int = 0) -> dict[str, Any]:
    """Train one model for `STEPS` batches and record the loss of every step.

    Args:
        keras: Real Keras or Ironhorn.
        problem: One of `PROBLEMS`.
        optimizer: `"sgd"` (momentum 0.9) or `"adam"`.
        dtype: `"float64"` or `"float32"`; becomes `floatx` for the run.
        seed: Seed of the weights; the batches use `seed + 1000`.

    Returns:
        `{"losses": float64 array of STEPS values, "weights": list of arrays, "names": list of str}`.
    """
    previous, previous_policy = keras.config.floatx(), keras.config.dtype_policy().name
    keras.config.set_floatx(dtype)
    if keras.config.dtype_policy().name != dtype:
        # Keras takes the default policy of layers from `floatx` only once, when it is first needed.
        keras.config.set_dtype_policy(dtype)
    try:
        model = build_model(keras, problem)
        model.set_weights([value.astype(dtype) for value in initial_weights(model, seed)])
        if optimizer == "sgd":
            chosen = keras.optimizers.SGD(learning_rate=0.05, momentum=0.9)
        else:
            chosen = keras.optimizers.Adam(learning_rate=0.005)
        model.compile(optimizer=chosen, loss=loss_for(keras, problem))
        losses = []
        for inputs, targets in make_batches(problem, seed + 1000):
            if inputs.dtype.kind == "f":
                inputs = inputs.astype(dtype)
            if targets.dtype.kind == "f":
                targets = targets.astype(dtype)
            model.reset_metrics()
            losses.append(float(model.train_on_batch(inputs, targets)))
        return {
            "losses": np.array(losses, dtype="float64"),
            "weights": [np.asarray(value) for value in model.get_weights()],
            "names": [weight.path.split("/")[-1] for weight in model.weights],
        }
    finally:
        keras.config.set_floatx(previous)
        if keras.config.dtype_policy().name != previous_policy:
            keras.config.set_dtype_policy(previous_policy)
