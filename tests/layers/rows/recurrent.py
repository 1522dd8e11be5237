"""Rows of the recurrent layers."""

import numpy as np

from layers.rows.row import Row

MASK = [[1, 1, 0, 1], [0, 1, 1, 0]]
SEQUENCE = [(2, 4, 3)]
VIDEO = [(2, 3, 5, 4, 2)]


def _states(count: int, units: int) -> tuple[np.ndarray, ...]:
    """Initial states of two sequences."""
    values = np.linspace(-0.9, 0.8, count * 2 * units)
    return tuple(values.reshape(count, 2, units))


def _common(name: str) -> list[Row]:
    """What every recurrent layer that makes its own cell is tried with."""

    def row(note: str, make, mask=None, varying: tuple[int, ...] = (1,), **more) -> Row:
        return Row(name, make, inputs=SEQUENCE, note=note, mask=mask, varying=varying, **more)

    def layer(**options):
        return lambda k: getattr(k.layers, name)(3, **options)

    return [
        row("", layer()),
        row("sequences", layer(return_sequences=True)),
        row("mask", layer(return_sequences=True), mask=MASK),
        row("mask, last", layer(), mask=MASK, carried=True),
        row("state", layer(return_sequences=True, return_state=True)),
        row("backwards", layer(return_sequences=True, return_state=True, go_backwards=True), mask=MASK),
        row("zero output", layer(return_sequences=True, zero_output_for_mask=True), mask=MASK),
        row("zero output, last", layer(zero_output_for_mask=True), mask=MASK),
        row("no bias, relu", layer(use_bias=False, activation="relu")),
        row("other activation", layer(activation="softsign", return_sequences=True), mask=MASK),
        row("penalties", layer(kernel_regularizer="l2", recurrent_regularizer="l2", bias_constraint="non_neg")),
        row("unroll", layer(unroll=True, return_sequences=True), varying=()),
        row("dropout at rest", layer(dropout=0.5, recurrent_dropout=0.5)),
    ]


def _cells(k):
    return [k.layers.LSTMCell(3), k.layers.GRUCell(2), k.layers.LSTMCell(3)]


ROWS = [
    *_common("SimpleRNN"),
    *_common("GRU"),
    *_common("LSTM"),
    Row("SimpleRNN", lambda k: k.layers.SimpleRNN(18, activation="relu"), inputs=[(7, 3, 4)], note="wide"),
    Row("GRU", lambda k: k.layers.GRU(18, return_sequences=True), inputs=[(7, 3, 4)], note="wide", varying=(1,)),
    Row("GRU", lambda k: k.layers.GRU(18, reset_after=False), inputs=[(7, 3, 4)], note="wide, reset before"),
    Row("LSTM", lambda k: k.layers.LSTM(18), inputs=[(7, 3, 4)], note="wide"),
    Row("GRU", lambda k: k.layers.GRU(3, reset_after=False), inputs=SEQUENCE, note="reset before", varying=(1,)),
    Row(
        "GRU",
        lambda k: k.layers.GRU(3, reset_after=False, return_sequences=True, return_state=True, go_backwards=True),
        inputs=SEQUENCE,
        note="reset before, mask",
        mask=MASK,
    ),
    Row(
        "GRU",
        lambda k: k.layers.GRU(3, reset_after=False, recurrent_activation="hard_sigmoid"),
        inputs=SEQUENCE,
        note="reset before, hard",
    ),
    Row("LSTM", lambda k: k.layers.LSTM(3, unit_forget_bias=False), inputs=SEQUENCE, note="no forget bias"),
    Row(
        "SimpleRNN",
        lambda k: k.layers.SimpleRNN(3, return_state=True),
        inputs=SEQUENCE,
        note="initial state",
        mask=MASK,
        call={"initial_state": _states(1, 3)},
    ),
    Row(
        "GRU",
        lambda k: k.layers.GRU(3, return_sequences=True),
        inputs=SEQUENCE,
        note="initial state",
        mask=MASK,
        call={"initial_state": _states(1, 3)},
    ),
    Row(
        "LSTM",
        lambda k: k.layers.LSTM(3, return_state=True),
        inputs=SEQUENCE,
        note="initial state",
        mask=MASK,
        call={"initial_state": _states(2, 3)},
    ),
    Row("RNN", lambda k: k.layers.RNN(k.layers.GRUCell(3), return_sequences=True), inputs=SEQUENCE, varying=(1,)),
    Row(
        "RNN", lambda k: k.layers.RNN(k.layers.LSTMCell(3), return_state=True), inputs=SEQUENCE, note="LSTM", mask=MASK
    ),
    Row(
        "RNN",
        lambda k: k.layers.RNN(k.layers.SimpleRNNCell(3), go_backwards=True, return_sequences=True),
        inputs=SEQUENCE,
        note="simple",
        mask=MASK,
    ),
    Row("RNN", lambda k: k.layers.RNN(_cells(k), return_sequences=True), inputs=SEQUENCE, note="stack", varying=(1,)),
    Row("RNN", lambda k: k.layers.RNN(_cells(k)), inputs=SEQUENCE, note="stack, mask", mask=MASK),
    Row(
        "RNN",
        lambda k: k.layers.RNN(k.layers.StackedRNNCells([k.layers.GRUCell(3), k.layers.SimpleRNNCell(2)])),
        inputs=SEQUENCE,
        note="stack, unrolled",
    ),
    *[
        Row(
            "Bidirectional",
            lambda k, mode=mode: k.layers.Bidirectional(k.layers.GRU(3, return_sequences=True), merge_mode=mode),
            inputs=SEQUENCE,
            note=str(mode),
            mask=MASK,
            varying=(1,),
        )
        for mode in ("concat", "sum", "mul", "ave", None)
    ],
    Row("Bidirectional", lambda k: k.layers.Bidirectional(k.layers.SimpleRNN(3)), inputs=SEQUENCE, note="last"),
    Row(
        "Bidirectional",
        lambda k: k.layers.Bidirectional(k.layers.LSTM(3, return_state=True)),
        inputs=SEQUENCE,
        note="state",
        mask=MASK,
    ),
    Row(
        "Bidirectional",
        lambda k: k.layers.Bidirectional(k.layers.GRU(2, return_state=True, return_sequences=True), merge_mode=None),
        inputs=SEQUENCE,
        note="initial state",
        call={"initial_state": _states(2, 2)},
    ),
    Row(
        "Bidirectional",
        lambda k: k.layers.Bidirectional(
            k.layers.LSTM(3, return_sequences=True),
            backward_layer=k.layers.GRU(3, return_sequences=True, go_backwards=True),
        ),
        inputs=SEQUENCE,
        note="backward layer",
    ),
    Row(
        "Bidirectional",
        lambda k: k.layers.Bidirectional(k.layers.RNN(_cells(k), return_sequences=True)),
        inputs=SEQUENCE,
        note="cells",
    ),
    Row("TimeDistributed", lambda k: k.layers.TimeDistributed(k.layers.Dense(3)), inputs=SEQUENCE, varying=(1,)),
    Row("TimeDistributed", lambda k: k.layers.TimeDistributed(k.layers.Conv2D(3, 2)), inputs=VIDEO, note="images"),
    Row(
        "TimeDistributed",
        lambda k: k.layers.TimeDistributed(k.layers.TimeDistributed(k.layers.Dense(3, activation="tanh"))),
        inputs=[(2, 3, 4, 2)],
        note="twice",
    ),
    Row(
        "TimeDistributed",
        lambda k: k.layers.TimeDistributed(k.layers.GRU(3)),
        inputs=[(2, 3, 4, 2)],
        note="mask",
        mask=[[[1, 1, 0, 1], [0, 1, 1, 0], [1, 1, 1, 1]], [[1, 0, 0, 0], [0, 1, 1, 1], [1, 1, 0, 0]]],
    ),
    Row(
        "TimeDistributed",
        lambda k: k.layers.TimeDistributed(k.layers.BatchNormalization()),
        inputs=[(3, 4, 2)],
        note="statistics",
        call={"training": True},
    ),
    Row("ConvLSTM1D", lambda k: k.layers.ConvLSTM1D(2, 3), inputs=[(2, 3, 6, 2)], varying=(1,)),
    Row(
        "ConvLSTM1D",
        lambda k: k.layers.ConvLSTM1D(2, 3, strides=2, padding="same", return_sequences=True),
        inputs=[(2, 3, 6, 2)],
        note="strides",
    ),
    Row(
        "ConvLSTM1D",
        lambda k: k.layers.ConvLSTM1D(2, 2, data_format="channels_first", return_state=True, go_backwards=True),
        inputs=[(2, 3, 2, 6)],
        note="channels first",
    ),
    Row("ConvLSTM2D", lambda k: k.layers.ConvLSTM2D(2, 3), inputs=VIDEO, varying=(1,)),
    Row(
        "ConvLSTM2D",
        lambda k: k.layers.ConvLSTM2D(2, (2, 3), padding="same", return_sequences=True, return_state=True),
        inputs=VIDEO,
        note="sequences",
    ),
    Row(
        "ConvLSTM2D",
        lambda k: k.layers.ConvLSTM2D(2, 2, dilation_rate=2, use_bias=False, activation="relu", go_backwards=True),
        inputs=VIDEO,
        note="dilated",
    ),
    Row(
        "ConvLSTM2D",
        lambda k: k.layers.ConvLSTM2D(2, 2, data_format="channels_first", unroll=True),
        inputs=[(2, 3, 2, 5, 4)],
        note="channels first",
    ),
    Row("ConvLSTM3D", lambda k: k.layers.ConvLSTM3D(2, 2), inputs=[(2, 3, 3, 4, 3, 2)]),
    Row(
        "ConvLSTM3D",
        lambda k: k.layers.ConvLSTM3D(2, 2, padding="same", return_sequences=True, recurrent_activation="hard_sigmoid"),
        inputs=[(2, 2, 3, 2, 3, 2)],
        note="sequences",
    ),
    Row(
        "ConvLSTM3D",
        lambda k: k.layers.ConvLSTM3D(1, 2, strides=2, return_state=True),
        inputs=[(2, 2, 4, 4, 4, 1)],
        note="strides",
    ),
]
