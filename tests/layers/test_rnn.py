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


@pytest.mark.parametrize("kind", [layers.GRU, layers.SimpleRNN])
@pytest.mark.parametrize(
    "options", [{}, {"return_sequences": True}, {"return_state": True}, {"use_bias": False}, {"activation": "softsign"}]
)
def test_one_state_layers(kind, options):
    shape = (2, 4, 5) if options.get("return_sequences") else (2, 5)
    run_layer_test(
        kind,
        {"units": 5, **options},
        input_shape=(2, 4, 3),
        expected_output_shape=(shape, shape) if options.get("return_state") else shape,
        expected_num_trainable_weights=2 if options.get("use_bias") is False else 3,
        expected_num_non_trainable_variables=1,
        expected_num_seed_generators=1,
        supports_masking=True,
        expected_mask_shape=(2, 4) if options.get("return_sequences") else None,
    )


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("go_backwards", [False, True])
@pytest.mark.parametrize("zero", [False, True])
@pytest.mark.parametrize("options", [{}, {"reset_after": False}, {"activation": "relu"}])
def test_operations_are_what_their_cells_do(mask, go_backwards, zero, options):
    """A layer in one operation and a loop around its cell give the same."""
    inputs, mask = data(), MASKS[mask]
    kinds = [layers.GRU] if "reset_after" in options else [layers.GRU, layers.SimpleRNN, layers.LSTM]
    for kind in kinds:
        shared = {
            "return_sequences": True,
            "return_state": True,
            "go_backwards": go_backwards,
            "zero_output_for_mask": zero,
        }
        layer = kind(3, **options, **shared)
        have = layer(inputs, mask=mask)
        want = layers.RNN(layer.cell, **shared)(inputs, mask=mask)
        for one, other in zip(have, want, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", [layers.LSTM, layers.GRU, layers.SimpleRNN])
def test_dropout_is_the_same_at_every_step(kind):
    """An identity through time shows the mask that each step's inputs got."""
    inputs = np.ones((4, 6, 3), "float32")
    layer = kind(5, dropout=0.5, return_sequences=True, seed=3)
    rnn = layers.RNN(layer.cell, return_sequences=True)
    for one in (layer, rnn):
        outputs = one(inputs, training=True).numpy()
        assert not np.allclose(outputs, one(inputs, training=False).numpy())
        assert not np.allclose(outputs, one(inputs, training=True).numpy())
    stacked = layers.RNN([kind(5, dropout=0.5).cell, kind(4, recurrent_dropout=0.5).cell], return_sequences=True)
    assert not np.allclose(stacked(inputs, training=True), stacked(inputs, training=False))
    assert stacked.cell.cells[0]._dropout_masks is None


class Counter(layers.Layer):
    """A cell with states of two shapes, one of them a matrix, whose output is neither."""

    state_size = (1, 2)
    output_size = (2, 3)

    def get_initial_state(self, batch_size=None):
        return [keras.ops.zeros((batch_size, 1)), keras.ops.ones((batch_size, 2, 3))]

    def call(self, inputs, states, training=False):
        count, matrix = states
        matrix = matrix + keras.ops.expand_dims(inputs, 1) * (2.0 if training else 1.0)
        return matrix * 10.0, (count + 1.0, matrix)


def test_a_cell_of_ones_own():
    inputs = data()
    layer = layers.RNN(Counter(), return_sequences=True, return_state=True)
    outputs, count, matrix = layer(inputs)
    running = 1 + np.cumsum(inputs, axis=1)
    np.testing.assert_allclose(outputs[:, :, 0], 10 * running, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(count, np.full((2, 1), 4.0))
    np.testing.assert_allclose(matrix[:, 1], running[:, -1], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(layer(inputs, training=True)[2][:, 0], 1 + 2 * inputs.sum(1), rtol=1e-5, atol=1e-5)
    assert layer.compute_output_shape((None, 4, 3)) == ((None, 4, 2, 3), (None, 1), (None, 2, 3))
    outputs, count, _ = layer(inputs, mask=np.array([[0, 1, 0, 1], [1, 0, 0, 1]], bool))
    np.testing.assert_array_equal(count.numpy()[:, 0], [2, 2])
    np.testing.assert_array_equal(outputs[0, 0], np.zeros((2, 3)))
    np.testing.assert_array_equal(outputs[0, 1], outputs[0, 2])
    symbolic = keras.Input((None, 3))
    model = keras.Model(symbolic, layers.RNN(Counter(), go_backwards=True)(symbolic))
    np.testing.assert_allclose(model.predict(inputs, verbose=0)[:, 0], 10 * running[:, -1], rtol=1e-5, atol=1e-5)


class Plain:
    """A cell that is no layer."""

    state_size = 3

    def call(self, inputs, states):
        return inputs + states[0], inputs + states[0]


def test_a_cell_that_is_no_layer():
    inputs = data()
    np.testing.assert_allclose(layers.RNN(Plain())(inputs), inputs.sum(1), rtol=1e-5, atol=1e-6)
    stack = layers.RNN([Plain(), layers.GRUCell(2)], return_state=True)
    output, first, second = stack(inputs)
    np.testing.assert_allclose(first, inputs.sum(1), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(output, second[0])


def test_stacked_cells():
    inputs = data()
    layer = layers.RNN([layers.LSTMCell(3), layers.GRUCell(2)], return_state=True, return_sequences=True, stateful=True)
    outputs, (hidden, cell), last = layer(inputs)
    assert outputs.shape == (2, 4, 2) and hidden.shape == cell.shape == (2, 3)
    np.testing.assert_array_equal(last[0], outputs[:, -1])
    assert layer.compute_output_shape((2, 4, 3)) == ((2, 4, 2), [(2, 3), (2, 3)], [(2, 2)])
    again = layer(inputs)[0]
    assert not np.allclose(outputs, again)
    layer.reset_state()
    np.testing.assert_array_equal(layer(inputs)[0], outputs)
    alone = layers.RNN(layer.cell.cells, return_sequences=True)(inputs)
    np.testing.assert_allclose(alone, outputs, rtol=1e-6)
    assert layer.cell.state_size == [[3, 3], 2] and layer.cell.output_size == 2
    config = json.loads(json.dumps(layer.get_config()))
    assert json.loads(json.dumps(layers.RNN.from_config(config).get_config())) == config


def test_states_from_one_layer_to_another():
    """An encoder's states, symbolic, begin a decoder."""
    source, target = keras.Input((None, 3)), keras.Input((None, 3))
    _, *states = layers.LSTM(4, return_state=True)(source)
    outputs = layers.LSTM(4, return_sequences=True)(target, initial_state=states)
    hidden = layers.GRU(4, return_state=True)(source)[1]
    outputs = layers.concatenate([outputs, layers.GRU(4, return_sequences=True)(target, initial_state=hidden)])
    model = keras.Model([source, target], layers.TimeDistributed(layers.Dense(2))(outputs))
    model.compile("sgd", "mse")
    x, y = data(), np.zeros((2, 4, 2), "float32")
    before = model.evaluate([x, x], y, verbose=0)
    model.fit([x, x], y, epochs=3, verbose=0)
    assert model.evaluate([x, x], y, verbose=0) < before
    assert model.predict([x, x[:, :3]], verbose=0).shape == (2, 3, 2)


def test_masks_of_an_embedding_and_lengths_that_vary():
    model = keras.Sequential(
        [
            layers.Embedding(10, 4, mask_zero=True),
            layers.Bidirectional(layers.GRU(3, return_sequences=True)),
            layers.TimeDistributed(layers.Dense(3)),
            layers.SimpleRNN(2),
        ]
    )
    short, long = np.array([[3, 4, 5]]), np.array([[3, 4, 5, 0, 0]])
    np.testing.assert_allclose(model.predict(short, verbose=0), model.predict(long, verbose=0), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("inner", [layers.GRU(3, stateful=True), layers.RNN(layers.LSTMCell(3), stateful=True)])
def test_bidirectional_stateful(inner):
    inputs = data()
    layer = layers.Bidirectional(inner)
    first, second = layer(inputs).numpy(), layer(inputs).numpy()
    assert not np.allclose(first, second)
    layer.reset_state()
    np.testing.assert_array_equal(layer(inputs), first)


def test_bidirectional_of_ones_own_cell():
    inputs = data()
    layer = layers.Bidirectional(layers.RNN(Counter(), return_sequences=True), merge_mode="sum")
    running = 1 + np.cumsum(inputs, axis=1)
    backward = 1 + np.cumsum(inputs[:, ::-1], axis=1)[:, ::-1]
    np.testing.assert_allclose(layer(inputs)[:, :, 0], 10 * (running + backward), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("options", [{}, {"return_sequences": True, "padding": "same"}])
def test_conv_lstm(rank, options):
    spatial = (4,) * rank if options else (3,) * rank
    shape = (2, 3, *spatial, 2) if options else (2, *spatial, 2)
    run_layer_test(
        getattr(layers, f"ConvLSTM{rank}D"),
        {"filters": 2, "kernel_size": 2, **options},
        input_shape=(2, 3, *(4,) * rank, 3),
        expected_output_shape=shape,
        expected_num_trainable_weights=3,
        expected_num_non_trainable_variables=1,
        expected_num_seed_generators=1,
        supports_masking=True,
        expected_mask_shape=(2, 3) if options else None,
    )


def test_conv_lstm_is_its_cell_step_by_step():
    inputs = np.random.default_rng(3).standard_normal((2, 4, 5, 5, 2)).astype("float32")
    for options in ({}, {"unroll": True}, {"go_backwards": True}):
        layer = layers.ConvLSTM2D(3, 2, return_sequences=True, **options)
        for mask in (None, np.array([[1, 0, 1, 1], [0, 1, 1, 0]], bool)):
            have = layer(inputs, mask=mask)
            order = range(4)[::-1] if "go_backwards" in options else range(4)
            states = layer.cell.get_initial_state(2)
            for position, step in enumerate(order):
                counted = np.ones(2, bool) if mask is None else mask[:, step]
                _, after = layer.cell(inputs[:, step], states)
                states = [np.where(counted[:, None, None, None], a, b) for a, b in zip(after, states, strict=True)]
                np.testing.assert_allclose(have[:, position], states[0], rtol=1e-4, atol=1e-5)
    layer = layers.ConvLSTM2D(3, 2, dropout=0.5, recurrent_dropout=0.5)
    assert not np.allclose(layer(inputs, training=True), layer(inputs, training=False))
    assert_raises_text(ValueError, ["channels and spatial sizes"], lambda: layer_on((None, 3, None, 5, 2)))


def layer_on(shape):
    return layers.ConvLSTM2D(2, 2).build(shape)


class Twice(layers.Layer):
    """A layer that TimeDistributed knows nothing of."""

    def call(self, inputs, mask=None):
        return inputs * (2.0 if mask is None else keras.ops.where(mask, 2.0, 0.0))


@pytest.mark.parametrize(
    ("inner", "step"),
    [(layers.Dense(3), (5, 3)), (layers.Conv1D(3, 2), (5, 3)), (layers.BatchNormalization(), (3,))],
)
def test_time_distributed(inner, step):
    run_layer_test(
        layers.TimeDistributed,
        {"layer": inner},
        input_shape=(2, 4, *step),
        expected_output_shape=(2, 4, *inner.compute_output_shape((2, *step))[1:]),
        supports_masking=True,
        expected_mask_shape=(2, 4),
    )


def test_time_distributed_passes_masks_on():
    inputs = np.ones((2, 3, 4), "float32")
    mask = np.random.default_rng(0).random((2, 3, 4)) > 0.5
    for shape in ((3, 4), (None, 4)):
        symbolic, counted = keras.Input(shape), keras.Input(shape, dtype="bool")
        model = keras.Model([symbolic, counted], layers.TimeDistributed(Twice())(symbolic, mask=counted))
        np.testing.assert_array_equal(model.predict([inputs, mask], verbose=0), 2.0 * mask)
    assert_raises_text(
        ValueError,
        ["(2, 3, 4)", "(2, 2)"],
        lambda: layers.TimeDistributed(Twice())(inputs, mask=np.ones((2, 2), bool)),
    )
    assert_raises_text(
        ValueError, ["at least 3 axes", "(2, 3)"], lambda: layers.TimeDistributed(Twice())(np.ones((2, 3)))
    )


def test_more_errors():
    assert_raises_text(ValueError, ["GRUCell", "positive"], lambda: layers.GRU(-1))
    assert_raises_text(ValueError, ["state_size"], lambda: layers.RNN(Twice()))
    assert_raises_text(ValueError, ["call(inputs, states)"], lambda: layers.RNN(3))
    assert_raises_text(ValueError, ["at least one cell"], lambda: layers.StackedRNNCells([]))
    assert_raises_text(ValueError, ["return_state"], lambda: layers.Bidirectional(layers.Dense(3)))
    assert_raises_text(ValueError, ["strides=(2, 2)"], lambda: layers.ConvLSTM2D(2, 3, strides=2, dilation_rate=2))
