"""Writes keras_reference.json: what layers of real Keras compute, and how Keras writes their configurations.

Run it with an interpreter that has Keras and JAX: KERAS_BACKEND=jax python tests/layers/make_keras_reference.py
"""

import json
import pathlib

import jax
import keras
import numpy as np

L = keras.layers
generator = np.random.default_rng(0)
MASK = [[True, True, False, False], [True, False, True, False]]


def normal(*shape):
    return generator.standard_normal(shape).astype("float32")


def cases():
    """Yields layer, inputs, arguments of the call."""
    yield L.Dense(3, activation="relu", kernel_regularizer="l2", bias_initializer="ones"), normal(2, 4), {}
    yield L.Dense(3, use_bias=False, kernel_constraint="non_neg"), normal(2, 3, 4), {}
    for padding in ("valid", "same"):
        for strides, dilation, groups in (((1, 1), (1, 1), 1), ((2, 1), (1, 1), 2), ((1, 1), (2, 1), 1)):
            options = {"strides": strides, "dilation_rate": dilation, "groups": groups, "padding": padding}
            yield L.Conv2D(4, (3, 2), activation="tanh", **options), normal(1, 6, 5, 2), {}
        yield L.MaxPooling2D(2, padding=padding), normal(1, 5, 4, 2), {}
        yield L.AveragePooling2D((2, 3), strides=2, padding=padding), normal(1, 5, 6, 2), {}
        yield L.MaxPooling1D(2, padding=padding), normal(1, 5, 2), {}
        yield L.AveragePooling1D(3, strides=2, padding=padding), normal(1, 6, 2), {}
    yield L.Conv1D(3, 3, padding="causal", dilation_rate=2), normal(1, 7, 2), {}
    yield L.Conv1D(4, 3, padding="same", strides=2, groups=2), normal(1, 7, 2), {}
    for cls in (L.GlobalAveragePooling2D, L.GlobalMaxPooling2D):
        yield cls(), normal(2, 3, 4, 2), {}
        yield cls(keepdims=True, data_format="channels_first"), normal(2, 2, 3, 4), {}
    yield L.GlobalAveragePooling1D(), normal(2, 4, 2), {"mask": MASK}
    yield L.GlobalMaxPooling1D(), normal(2, 4, 2), {}
    yield L.BatchNormalization(), normal(4, 3), {}
    yield L.BatchNormalization(momentum=0.9), normal(4, 3), {"training": True}
    yield L.BatchNormalization(axis=1, epsilon=0.01), normal(4, 3, 2), {"training": True}
    yield L.BatchNormalization(scale=False), normal(2, 4, 3), {"training": True, "mask": MASK}
    yield L.Dropout(0.5, noise_shape=(None, 1), seed=3), normal(2, 3), {}
    yield L.Flatten(), normal(2, 3, 2), {}
    yield L.Flatten(data_format="channels_first"), normal(2, 3, 2, 2), {}
    yield L.Reshape((2, -1)), normal(2, 6), {}
    yield L.Rescaling(2.0, 1.0), normal(2, 3), {}
    yield L.Activation("gelu"), normal(2, 3), {}
    yield L.ReLU(max_value=0.5, negative_slope=0.1, threshold=0.2), normal(2, 8), {}
    yield L.LeakyReLU(), normal(2, 3), {}
    yield L.Softmax(), normal(2, 4), {"mask": MASK}
    yield L.Softmax(axis=[1, 2]), normal(2, 3, 2), {}
    yield L.Embedding(5, 3, mask_zero=True), generator.integers(0, 5, (2, 4)).astype("int32"), {}
    yield L.Masking(0.5), normal(2, 3, 2), {}
    for options in (
        {},
        {"return_sequences": True},
        {"return_sequences": True, "return_state": True, "go_backwards": True},
    ):
        for mask in ({}, {"mask": MASK}):
            yield L.LSTM(3, **options), normal(2, 4, 2), mask
            yield L.LSTM(3, activation="relu", recurrent_activation="hard_sigmoid", **options), normal(2, 4, 2), mask
    yield L.LSTM(2, use_bias=False, unit_forget_bias=False, dropout=0.2, recurrent_dropout=0.1), normal(2, 4, 2), {}
    for mode in ("concat", "sum", "mul", "ave", None):
        yield L.Bidirectional(L.LSTM(2, return_sequences=True), merge_mode=mode), normal(2, 4, 2), {"mask": MASK}
    yield L.Bidirectional(L.LSTM(2, return_state=True)), normal(2, 4, 2), {}
    for cls in (L.Add, L.Multiply, L.Average, L.Maximum, L.Minimum):
        yield cls(), [normal(2, 3), normal(2, 3), normal(2, 3)], {}
    yield L.Subtract(), [normal(2, 3), normal(2, 3)], {}
    yield L.Concatenate(axis=1), [normal(2, 3, 2), normal(2, 1, 2)], {}


def numbers(array):
    """An array as JSON: dtype, shape and values that make the same float32 again."""
    array = np.asarray(array)
    values = array.ravel().tolist()
    if array.dtype.kind == "f":
        values = [float(f"{value:.9g}") for value in values]
    return {"dtype": array.dtype.name, "shape": list(array.shape), "values": values}


def record(layer, inputs, options):
    """Everything about one case."""
    kwargs = {name: np.array(value) if name == "mask" else value for name, value in options.items()}
    layer(inputs, **kwargs)
    before = [np.abs(normal(*weight.shape)) for weight in layer.weights]
    layer.set_weights(before)
    outputs = jax.tree_util.tree_leaves(layer(inputs, **kwargs))
    case = {
        "class": type(layer).__name__,
        "config": json.loads(json.dumps(layer.get_config())),
        "inputs": [numbers(array) for array in inputs] if isinstance(inputs, list) else numbers(inputs),
        "call": options,
        "weights": [numbers(weight) for weight in before],
        "weights_after": [numbers(weight) for weight in layer.get_weights()],
        "outputs": [numbers(output) for output in outputs],
    }
    if not isinstance(inputs, list):
        shape = layer.compute_output_shape((None, *inputs.shape[1:]))
        case["output_shape"] = json.loads(json.dumps(shape))
    return case


if __name__ == "__main__":
    found = {"keras": keras.__version__, "cases": [record(*case) for case in cases()]}
    path = pathlib.Path(__file__).with_name("keras_reference.json")
    text = json.dumps(found, separators=(",", ":")).replace('{"class"', '\n{"class"')
    path.write_text(text + "\n", encoding="utf-8")
    print(len(found["cases"]), "cases,", path.stat().st_size, "bytes")
