"""Recurrent layers against loops in NumPy."""

import json

import numpy as np
import pytest

import ironhorn as keras
from ironhorn import layers
from ironhorn.errors import UnsupportedError
from ironhorn.testing import assert_raises_text, run_layer_test

MASKS = {
    "none": None,
    "right": np.array([[1, 1, 1, 0], [1, 1, 0, 0]], bool),
    "left": np.array([[0, 1, 1, 1], [0, 0, 1, 1]], bool),
    "holes": np.array([[1, 0, 1, 0], [0, 1, 0, 1]], bool),
    "all": np.array([[0, 0, 0, 0], [1, 1, 1, 1]], bool),
}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def reference(
    inputs, weights, mask=None, go_backwards=False, zero_output=False, initial=None, act=np.tanh, gate=sigmoid
):
    kernel, recurrent, bias = (np.asarray(weight, "float64") for weight in weights)
    batch, steps, _ = inputs.shape
    units = recurrent.shape[0]
    hidden, cell = (np.zeros((batch, units)), np.zeros((batch, units))) if initial is None else initial
    outputs = []
    for step in reversed(range(steps)) if go_backwards else range(steps):
        i, f, g, o = np.split(inputs[:, step] @ kernel + hidden @ recurrent + bias, 4, axis=1)
        new_cell = gate(f) * cell + gate(i) * act(g)
        new_hidden = gate(o) * act(new_cell)
        counted = np.ones((batch, 1), bool) if mask is None else mask[:, step : step + 1]
        outputs.append(np.where(counted, new_hidden, 0.0 if zero_output else hidden))
        hidden, cell = np.where(counted, new_hidden, hidden), np.where(counted, new_cell, cell)
    return np.stack(outputs, axis=1), hidden, cell


def data(features=3):
    return np.random.default_rng(5).standard_normal((2, 4, features)).astype("float32")


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("go_backwards", [False, True])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_lstm(mask, go_backwards, activation):
    inputs, mask = data(), MASKS[mask]
    layer = layers.LSTM(3, return_sequences=True, return_state=True, go_backwards=go_backwards, activation=activation)
    outputs, hidden, cell = layer(inputs, mask=mask)
    act = np.tanh if activation == "tanh" else lambda x: np.maximum(x, 0)
    expected = reference(inputs, layer.get_weights(), mask, go_backwards, act=act)
    for have, want in zip((outputs, hidden, cell), expected, strict=True):
        np.testing.assert_allclose(have, want, rtol=1e-4, atol=1e-5)
    last = layers.LSTM(3, go_backwards=go_backwards, activation=activation)
    last.build(inputs.shape)
    last.set_weights(layer.get_weights())
    np.testing.assert_allclose(last(inputs, mask=mask), expected[1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("options", [{}, {"return_sequences": True}, {"return_state": True}, {"use_bias": False}])
def test_lstm_layer(options):
    shape = (2, 4, 5) if options.get("return_sequences") else (2, 5)
    run_layer_test(
        layers.LSTM,
        {"units": 5, **options},
        input_shape=(2, 4, 3),
        expected_output_shape=(shape, shape, shape) if options.get("return_state") else shape,
        expected_num_trainable_weights=2 if options.get("use_bias") is False else 3,
        expected_num_non_trainable_variables=1,
        expected_num_seed_generators=1,
        supports_masking=True,
        expected_mask_shape=(2, 4) if options.get("return_sequences") else None,
    )


def test_forget_bias_starts_at_one():
    layer = layers.LSTM(2)
    layer.build((None, None, 3))
    np.testing.assert_array_equal(layer.cell.bias.numpy(), [0, 0, 1, 1, 0, 0, 0, 0])


def test_initial_state():
    inputs = data()
    layer = layers.LSTM(3)
    initial = [np.full((2, 3), 0.3, "float32"), np.full((2, 3), -0.2, "float32")]
    outputs = layer(inputs, initial_state=initial)
    np.testing.assert_allclose(
        outputs, reference(inputs, layer.get_weights(), initial=initial)[1], rtol=1e-4, atol=1e-5
    )
    assert_raises_text(ValueError, ["2 states", "1 tensors"], lambda: layer(inputs, initial_state=initial[:1]))


def test_stateful():
    inputs = data()
    layer = layers.LSTM(3, stateful=True)
    plain = layers.LSTM(3)
    first, second = layer(inputs[:, :2]), layer(inputs[:, 2:])
    plain.build(inputs.shape)
    plain.set_weights(layer.get_weights())
    np.testing.assert_allclose(second, plain(inputs), rtol=1e-5, atol=1e-6)
    layer.reset_state()
    np.testing.assert_allclose(layer(inputs[:, :2]), first, rtol=1e-6)
    assert_raises_text(
        ValueError, ["stateful", "batch size 2", "3 sequences"], lambda: layer(np.ones((3, 2, 3), "float32"))
    )
    assert_raises_text(
        ValueError, ["stateful", "batch_shape"], lambda: layers.LSTM(3, stateful=True)(keras.Input((4, 3)))
    )


@pytest.mark.parametrize(
    "options", [{"dropout": 0.5}, {"recurrent_dropout": 0.5}, {"dropout": 0.3, "recurrent_dropout": 0.3}]
)
def test_dropout_acts_in_training_only(options):
    inputs = data()
    layer = layers.LSTM(8, seed=1, **options)
    plain = layers.LSTM(8)
    plain.build(inputs.shape)
    layer.build(inputs.shape)
    plain.set_weights(layer.get_weights())
    np.testing.assert_allclose(layer(inputs, training=False), plain(inputs), rtol=1e-5, atol=1e-6)
    first, second = layer(inputs, training=True).numpy(), layer(inputs, training=True).numpy()
    assert not np.allclose(first, plain(inputs).numpy())
    assert not np.allclose(first, second)


def test_cell_and_rnn():
    inputs = data()
    layer = layers.RNN(layers.LSTMCell(3), return_sequences=True)
    mask = MASKS["holes"]
    outputs = layer(inputs, mask=mask)
    np.testing.assert_allclose(outputs, reference(inputs, layer.get_weights(), mask)[0], rtol=1e-4, atol=1e-5)
    config = json.loads(json.dumps(layer.get_config()))
    again = layers.RNN.from_config(config)
    assert json.loads(json.dumps(again.get_config())) == config


@pytest.mark.parametrize("merge_mode", ["concat", "sum", "mul", "ave", None])
@pytest.mark.parametrize("return_sequences", [False, True])
@pytest.mark.parametrize("mask", ["none", "right", "holes"])
def test_bidirectional(merge_mode, return_sequences, mask):
    inputs, mask = data(), MASKS[mask]
    layer = layers.Bidirectional(layers.LSTM(3, return_sequences=return_sequences), merge_mode=merge_mode)
    outputs = layer(inputs, mask=mask)
    weights = layer.get_weights()
    forward, hidden_forward, _ = reference(inputs, weights[:3], mask, zero_output=return_sequences)
    backward, hidden_backward, _ = reference(inputs, weights[3:], mask, True, zero_output=return_sequences)
    pair = (forward, backward[:, ::-1]) if return_sequences else (hidden_forward, hidden_backward)
    merge = {
        "concat": lambda a, b: np.concatenate([a, b], -1),
        "sum": lambda a, b: a + b,
        "mul": lambda a, b: a * b,
        "ave": lambda a, b: (a + b) / 2,
        None: lambda a, b: (a, b),
    }[merge_mode]
    expected = merge(*pair)
    if merge_mode is None:
        for have, want in zip(outputs, expected, strict=True):
            np.testing.assert_allclose(have, want, rtol=1e-4, atol=1e-5)
    else:
        np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)


def test_bidirectional_layer():
    run_layer_test(
        layers.Bidirectional,
        {"layer": layers.LSTM(4, return_sequences=True)},
        input_shape=(2, 5, 3),
        expected_output_shape=(2, 5, 8),
        expected_num_trainable_weights=6,
        expected_num_seed_generators=2,
        supports_masking=True,
        expected_mask_shape=(2, 5),
    )


def test_bidirectional_names_its_layers():
    layer = layers.Bidirectional(layers.LSTM(1, name="reader"), name="both")
    layer.build((None, 2, 3))
    assert [variable.path for variable in layer.weights][::3] == [
        "both/forward_reader/lstm_cell/kernel",
        "both/backward_reader/lstm_cell/kernel",
    ]


def test_errors():
    assert_raises_text(ValueError, ["units", "positive"], lambda: layers.LSTM(0))
    assert_raises_text(UnsupportedError, ["use_cudnn", "auto"], lambda: layers.LSTM(1, use_cudnn=True))
    assert_raises_text(ValueError, ["ndim=3", "(2, 3)"], lambda: layers.LSTM(1)(np.ones((2, 3), "float32")))
    assert_raises_text(ValueError, ["merge_mode", "middle"], lambda: layers.Bidirectional(layers.LSTM(1), "middle"))
    assert_raises_text(ValueError, ["recurrent layer", "LSTM(32)"], lambda: layers.Bidirectional(3))
    assert_raises_text(
        ValueError,
        ["go_backwards"],
        lambda: layers.Bidirectional(layers.LSTM(1), backward_layer=layers.LSTM(1)),
    )
