"""The same graphs built by Keras, where it is installed: names, paths, configurations, summaries, numbers."""

import json

import numpy as np
import pytest

import ironhorn
from ironhorn import tree

keras = pytest.importorskip("keras", reason="compares with Keras itself")


def branches(k):
    x = k.Input((8, 8, 3), name="x")
    a = k.layers.Conv2D(4, 3, padding="same", name="a")(x)
    b = k.layers.Conv2D(4, 1, name="b")(x)
    y = k.layers.MaxPooling2D(name="p")(k.layers.BatchNormalization(name="n")(k.layers.Add(name="add_up")([a, b])))
    return k.Model(x, k.layers.Dense(5, name="d")(k.layers.Flatten(name="f")(y)), name="m")


def masked(k):
    x = k.Input((6,), dtype="int32", name="x")
    e = k.layers.Embedding(9, 4, mask_zero=True, name="e")(x)
    h = k.layers.Bidirectional(k.layers.LSTM(3, return_sequences=True, name="l"), name="b")(e)
    s, hidden, cell = k.layers.LSTM(2, return_state=True, name="s")(h)
    q = k.layers.LSTM(2, name="q")(h, initial_state=[hidden, cell])
    return k.Model(x, (k.layers.Dropout(0.5, name="drop")(k.layers.Dense(2, name="d")(s)), q), name="m")


def with_ops(k):
    a, b = k.Input((4,), name="a"), k.Input((4,), name="b")
    shared = k.layers.Dense(4, name="shared")
    joined = k.layers.Concatenate(name="join")([shared(a), shared(b)])
    return k.Model({"a": a, "b": b}, [k.ops.relu(joined[:, :4]) * 2.0, k.ops.sum(shared(a), axis=1)], name="m")


DATA = {
    branches: np.random.default_rng(0).standard_normal((2, 8, 8, 3)).astype("float32"),
    masked: np.array([[1, 2, 3, 0, 0, 0], [4, 5, 6, 7, 8, 0]], "int32"),
    with_ops: {name: np.random.default_rng(1).standard_normal((3, 4)).astype("float32") for name in "ab"},
}


@pytest.mark.parametrize("make", DATA, ids=lambda make: make.__name__)
def test_graph(make):
    keras.backend.clear_session()
    ironhorn.backend.reset_names()
    theirs, ours = make(keras), make(ironhorn)
    assert [layer.name for layer in ours.layers] == [layer.name for layer in theirs.layers]
    assert [variable.path for variable in ours.weights] == [variable.path for variable in theirs.weights]
    weights = [np.abs(np.random.default_rng(i).standard_normal(v.shape)) for i, v in enumerate(theirs.weights)]
    data = DATA[make]

    def outputs(model):
        model.set_weights(weights)
        return [np.asarray(value) for value in tree.flatten(tree.map_structure(np.asarray, model(data)))]

    expected = outputs(theirs)
    their_config, our_config = (json.loads(json.dumps(model.get_config())) for model in (theirs, ours))
    revived_there = keras.Model.from_config(json.loads(json.dumps(our_config)))
    revived_here = ironhorn.Model.from_config(json.loads(json.dumps(their_config)))
    for model in (ours, revived_there, revived_here):
        for have, want in zip(outputs(model), expected, strict=True):
            np.testing.assert_allclose(have, want, rtol=1e-4, atol=1e-5)
    assert our_config == their_config
    for options in ({}, {"expand_nested": True, "show_trainable": True}):
        texts: list[list[str]] = [[], []]
        for model, text in zip((theirs, ours), texts, strict=True):
            model.summary(print_fn=text.append, line_length=100, **options)
        assert texts[0] == texts[1]
