"""Functional, sequential and subclassed models: graphs, inputs, configurations, cloning, summaries."""

import copy
import json
import pickle

import numpy as np
import pytest

import ironhorn as keras
from ironhorn import layers, models, ops
from ironhorn.testing import assert_raises_text


def normal(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype("float32")


def shared_and_nested():
    """Two inputs, a shared layer, an inner model called twice, ops, several outputs."""
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    shared = layers.Dense(4, name="shared")
    inner_input = keras.Input((4,), name="inner_input")
    inner_output = ops.relu(layers.Dense(3, name="inner_dense")(inner_input)) + 1.0
    inner = keras.Model(inner_input, inner_output, name="inner")
    stack = keras.Sequential(
        [keras.Input((4,)), layers.Dense(3), layers.Dropout(0.5), layers.BatchNormalization()], name="stack"
    )
    joined = layers.Concatenate(name="join")([shared(a), shared(b)])
    outputs = {
        "joined": joined,
        "stack": stack(joined[:, :4]),
        "inner": inner(joined[:, 4:]),
        "sum": ops.sum(inner(shared(a)), axis=1, keepdims=True),
    }
    return keras.Model({"a": a, "b": b}, outputs, name="whole")


DATA = {"a": normal(2, 4), "b": normal(2, 4) + 1}


def assert_same(have, want, **tolerance):
    have, want = keras.tree.flatten(have), keras.tree.flatten(want)
    assert len(have) == len(want)
    for one, other in zip(have, want, strict=True):
        np.testing.assert_allclose(one, other, **(tolerance or {"rtol": 1e-6, "atol": 1e-6}))


def test_functional_computes():
    model = shared_and_nested()
    outputs = model(DATA)
    weights = {variable.path: variable.numpy() for variable in model.weights}
    kernel, bias = weights["shared/kernel"], weights["shared/bias"]
    joined = np.concatenate([DATA["a"] @ kernel + bias, DATA["b"] @ kernel + bias], axis=1)
    np.testing.assert_allclose(outputs["joined"], joined, rtol=1e-5, atol=1e-6)
    inner = np.maximum(joined[:, :4] @ weights["inner_dense/kernel"] + weights["inner_dense/bias"], 0) + 1
    np.testing.assert_allclose(outputs["sum"], inner.sum(1, keepdims=True), rtol=1e-5, atol=1e-6)


def test_functional_attributes():
    model = shared_and_nested()
    assert [layer.name for layer in model.layers] == ["a", "b", "shared", "join", "inner", "stack"]
    assert model.get_layer("shared") is model.layers[2] is model.get_layer(index=2)
    assert model.input_names == ["a", "b"]
    assert model.input_shape == [(None, 4), (None, 4)]
    assert len(model.weights) == 2 + 2 + 2 + 4
    assert model.count_params() == 20 + 15 + 15 + 12
    assert model.built
    simple = keras.Model((x := keras.Input((3,))), layers.Dense(2)(x))
    assert (simple.input_shape, simple.output_shape) == ((None, 3), (None, 2))
    assert simple.compute_output_shape((7, 3)) == (7, 2)


def test_configuration_round_trip():
    model = shared_and_nested()
    config = model.get_config()
    text = json.dumps(config)
    again = keras.Model.from_config(json.loads(text))
    again.set_weights(model.get_weights())
    assert_same(again(DATA), model(DATA))
    assert json.dumps(again.get_config()) == text
    third = models.model_from_json(model.to_json())
    third.set_weights(model.get_weights())
    assert_same(third(DATA), model(DATA))


def test_configuration_has_keras_form():
    x = keras.Input((4,), name="x")
    y = layers.Dense(3, name="d")(x)
    model = keras.Model(x, ops.sum(y, axis=1) * 2.0, name="m")
    config = json.loads(json.dumps(model.get_config()))
    assert config["input_layers"] == ["x", 0, 0]
    product, total, dense = config["layers"][3], config["layers"][2], config["layers"][1]
    assert dense["inbound_nodes"] == [
        {
            "args": [
                {
                    "class_name": "__keras_tensor__",
                    "config": {"shape": [None, 4], "dtype": "float32", "keras_history": ["x", 0, 0]},
                }
            ],
            "kwargs": {},
        }
    ]
    assert dense["build_config"] == {"input_shape": [None, 4]}
    assert (total["module"], total["class_name"], total["registered_name"]) == ("keras.src.ops.numpy", "Sum", "Sum")
    assert total["config"]["axis"] == 1
    assert (product["class_name"], product["inbound_nodes"][0]["args"][1]) == ("Multiply", 2.0)
    assert config["output_layers"] == [product["name"], 0, 0]


def test_node_format_of_older_files():
    x = keras.Input((4,), name="x")
    model = keras.Model(x, layers.Dense(3, name="d")(x))
    config = json.loads(json.dumps(model.get_config()))
    config["layers"][1]["inbound_nodes"] = [[["x", 0, 0, {}]]]
    again = keras.Model.from_config(config)
    again.set_weights(model.get_weights())
    assert_same(again(DATA["a"]), model(DATA["a"]))


def test_masks_reach_through_the_graph():
    x = keras.Input((None,), dtype="int32")
    outputs = layers.Bidirectional(layers.LSTM(3))(layers.Embedding(5, 4, mask_zero=True)(x))
    model = keras.Model(x, outputs)
    long = np.array([[1, 2, 3, 0, 0], [4, 0, 0, 0, 0]])
    short = model(np.array([[1, 2, 3]]))
    np.testing.assert_allclose(model(long)[:1], short, rtol=1e-5, atol=1e-6)
    again = keras.Model.from_config(json.loads(json.dumps(model.get_config())))
    again.set_weights(model.get_weights())
    assert_same(again(long), model(long))


def test_training_reaches_layers_whose_node_recorded_it():
    x = keras.Input((1000,))
    model = keras.Model(x, layers.Dropout(0.5, seed=1)(x))
    again = keras.Model.from_config(json.loads(json.dumps(model.get_config())))
    for one in (model, again):
        ones = np.ones((1, 1000), "float32")
        assert one(ones).numpy().min() == 1.0
        assert one(ones, training=True).numpy().min() == 0.0


def test_inputs_by_name_list_and_rank():
    a, b = keras.Input((2,), name="a"), keras.Input((1,), name="b")
    model = keras.Model([a, b], layers.Concatenate()([a, b]))
    given = [normal(3, 2), normal(3, 1)]
    expected = np.concatenate(given, axis=1)
    for inputs in (given, tuple(given), {"a": given[0], "b": given[1]}, [given[0], given[1][:, 0]]):
        np.testing.assert_allclose(model(inputs), expected)


def test_model_of_inner_tensors():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="one"), layers.Dense(2, name="two")])
    middle = model.get_layer("one").output
    features = keras.Model(model.inputs, middle)
    head = keras.Model(middle, model.outputs)
    x = normal(2, 4)
    assert_same(head(features(x)), model(x))
    assert head.get_layer("two") is model.get_layer("two")


def test_subclassed_model():
    class TwoLayers(keras.Model):
        def __init__(self, units=3, **kwargs):
            super().__init__(**kwargs)
            self.units = units
            self.first = layers.Dense(units, activation="relu")
            self.second = layers.Dense(1)

        def call(self, inputs, training=None):
            return self.second(self.first(inputs))

    model = TwoLayers(4, name="two")
    assert not model.built
    outputs = model(normal(2, 3))
    assert model.built
    assert outputs.shape == (2, 1)
    assert [layer.name for layer in model.layers] == [model.first.name, model.second.name]
    assert model.weights[0].path == f"two/{model.first.name}/kernel"
    assert model.get_config()["units"] == 4
    again = TwoLayers.from_config(model.get_config())
    again.build_from_config(model.get_build_config())
    again.set_weights(model.get_weights())
    assert_same(again(normal(2, 3)), outputs)
    inside = keras.Model((x := keras.Input((3,))), model(x))
    assert_same(inside(normal(2, 3)), outputs)


def test_subclass_that_passes_inputs_and_outputs():
    class Classifier(keras.Model):
        def __init__(self, size=2):
            x = keras.Input((size,))
            super().__init__(inputs=x, outputs=layers.Dense(3)(x), name="classifier")
            self.size = size

    model = Classifier(4)
    assert isinstance(model, models.Functional)
    assert model(normal(2, 4)).shape == (2, 3)
    assert model.get_config()["size"] == 4


def test_sequential_grows_and_shrinks():
    model = keras.Sequential(name="s")
    model.add(keras.Input((4,)))
    model.add(layers.Dense(3, name="one"))
    assert len(model.weights) == 2
    model.add(layers.Dense(2, name="two"))
    assert model.output_shape == (None, 2)
    generation = model._generation
    assert model.pop().name == "two"
    assert model._generation != generation
    assert model.output_shape == (None, 3)
    assert [layer.name for layer in model.layers] == ["one"]


def test_sequential_is_built_later():
    model = keras.Sequential([layers.Dense(3), layers.Dense(2)])
    assert not model.built
    assert model.weights == []
    assert_raises_text(AttributeError, ["not built", "input_shape"], lambda: model.input_shape)
    assert model(normal(5, 4)).shape == (5, 2)
    assert model.weights[0].path == f"{model.name}/{model.layers[0].name}/kernel"
    assert model.input_shape == (5, 4) or model.input_shape == (None, 4)
    other = keras.Sequential([layers.Dense(3)])
    other.build((None, 7))
    assert other.output_shape == (None, 3)


def test_sequential_configuration():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.BatchNormalization()])
    config = json.loads(json.dumps(model.get_config()))
    assert [layer["class_name"] for layer in config["layers"]] == ["InputLayer", "Dense", "BatchNormalization"]
    assert config["build_input_shape"] == [None, 4]
    again = keras.Sequential.from_config(config)
    assert json.loads(json.dumps(again.get_config())) == config
    again.set_weights(model.get_weights())
    assert_same(again(normal(2, 4)), model(normal(2, 4)))


def test_texts_pass_through_a_model():
    vectorize = layers.TextVectorization(vocabulary=["a", "b"], output_sequence_length=3)
    model = keras.Sequential([keras.Input((1,), dtype="string"), vectorize, layers.Embedding(4, 2)])
    outputs = model(np.array([["a b"], ["x"]]))
    assert outputs.shape == (2, 3, 2)
    np.testing.assert_allclose(outputs, model.layers[1](vectorize(["a b", "x"])))


@pytest.mark.parametrize("make", [shared_and_nested, lambda: keras.Sequential([keras.Input((4,)), layers.Dense(2)])])
def test_clone(make):
    model = make()
    clone = models.clone_model(model)
    data = DATA if isinstance(model.input_shape, list) else DATA["a"]
    assert [layer.name for layer in clone.layers] == [layer.name for layer in model.layers]
    assert not {id(variable) for variable in clone.weights} & {id(variable) for variable in model.weights}
    clone.set_weights(model.get_weights())
    assert_same(clone(data), model(data))


def test_clone_functions():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(2, name="d"), layers.Dense(2, name="e")])
    functional = keras.Model(model.inputs, model.outputs)

    def wider(layer):
        config = {**layer.get_config(), "units": 5}
        return layers.Dense.from_config(config)

    assert models.clone_model(model, clone_function=wider).output_shape == (None, 5)
    calls = []

    def call(layer, *args, **kwargs):
        calls.append(layer.name)
        return layer(*args, **kwargs)

    models.clone_model(functional, call_function=call)
    assert calls == ["d", "e"]
    assert_raises_text(ValueError, ["call_function"], lambda: models.clone_model(model, call_function=call))


@pytest.mark.parametrize("way", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
@pytest.mark.parametrize("make", [shared_and_nested, lambda: keras.Sequential([keras.Input((4,)), layers.Dense(2)])])
def test_copies_and_pickles(make, way):
    model = make()
    data = DATA if isinstance(model.input_shape, list) else DATA["a"]
    before = model(data)
    twin = way(model)
    assert_same(twin(data), before)
    assert twin.name == model.name
    assert json.dumps(twin.get_config()) == json.dumps(model.get_config())
    twin.set_weights([np.zeros_like(weight) for weight in twin.get_weights()])
    assert_same(model(data), before)


def test_pickle_of_a_trained_and_deep_model():
    x = y = keras.Input((4,))
    for _ in range(150):
        y = layers.Activation("tanh")(y)
    model = keras.Model(x, layers.Dense(1, kernel_regularizer="l2")(y))
    model.compile("adam", "mse")
    model.fit(normal(8, 4), normal(8, 1), epochs=2, verbose=0)
    twin = pickle.loads(pickle.dumps(model))
    assert_same(twin.predict(normal(8, 4), verbose=0), model.predict(normal(8, 4), verbose=0))
    for one in (model, twin):
        one.fit(normal(8, 4), normal(8, 1), verbose=0)
    assert_same(twin.get_weights(), model.get_weights())


SEQUENTIAL_SUMMARY = """\
Model: "s"
┏━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━┓
┃ Layer (type)                    ┃ Output Shape           ┃       Param # ┃
┡━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━┩
│ one (Dense)                     │ (None, 3)              │            15 │
├─────────────────────────────────┼────────────────────────┼───────────────┤
│ norm (BatchNormalization)       │ (None, 3)              │            12 │
└─────────────────────────────────┴────────────────────────┴───────────────┘
 Total params: 27 (108.00 B)
 Trainable params: 21 (84.00 B)
 Non-trainable params: 6 (24.00 B)
"""


def test_summary():
    model = keras.Sequential(
        [keras.Input((4,)), layers.Dense(3, name="one"), layers.BatchNormalization(name="norm")], name="s"
    )
    printed = []
    model.summary(print_fn=printed.append, line_length=76)
    assert "".join(printed) == SEQUENTIAL_SUMMARY


def test_summary_of_a_graph(monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    printed = []
    shared_and_nested().summary(print_fn=printed.append, line_length=120, expand_nested=True, show_trainable=True)
    text = "".join(printed)
    for part in ("Connected to", "Trainable", "a[0][0], b[0][0]", "└ inner_dense", "(Sum)", "Total params: 62"):
        assert part in text
    shared_and_nested().summary(print_fn=printed.append, layer_range=("shared", "join"), line_length=120)
    assert "join" in printed[-1]
    assert "stack" not in printed[-1]


def test_summary_in_plain_text(monkeypatch):
    import builtins

    original = builtins.__import__

    def without_rich(name, *args, **kwargs):
        if name.startswith("rich"):
            raise ImportError(name)
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_rich)
    printed = []
    keras.Sequential([keras.Input((4,)), layers.Dense(3, name="one")], name="s").summary(print_fn=printed.append)
    lines = printed[0].split("\n")
    assert lines[0] == 'Model: "s"'
    assert any("one (Dense)" in line and "(None, 3)" in line and line.endswith("15") for line in lines)
    assert lines[-3] == " Total params: 15 (60.00 B)"


def dense(*args, **kwargs):
    return layers.Dense(2, *args, **kwargs)


@pytest.mark.parametrize(
    ("call", "texts"),
    [
        (lambda: keras.Model(keras.Input((2,)), keras.Input((2,))), ["does not depend"]),
        (lambda: keras.Model(np.ones(2), keras.Input((2,))), ["inputs", "symbolic tensors"]),
        (lambda: keras.Model([], keras.Input((2,))), ["at least one tensor"]),
        (lambda: keras.Sequential([3]), ["takes layers", "3"]),
        (lambda: keras.Sequential([dense(name="x"), dense(name="x")]), ["'x'", "another name"]),
        (lambda: keras.Sequential([dense(), keras.Input((2,))]), ["first layer"]),
        (lambda: keras.Sequential([keras.Input((2,)), keras.Input((3,))]), ["input of shape (None, 2)"]),
        (lambda: keras.Sequential().build((None, 2)), ["no layers"]),
        (lambda: shared_and_nested().get_layer("nothing"), ["'nothing'", "shared"]),
        (lambda: shared_and_nested().get_layer(), ["name", "index"]),
        (lambda: shared_and_nested()({"a": DATA["a"]}), ["Missing: ['b']"]),
        (lambda: shared_and_nested()([DATA["a"]]), ["2 input(s)", "Received 1"]),
        (
            lambda: shared_and_nested()({"a": normal(2, 4, 4), "b": DATA["b"]}),
            ["expects shape (None, 4)", "'a'", "(2, 4, 4)"],
        ),
        (lambda: keras.Sequential([keras.Input((4,)), dense()])(normal(4)), ["(None, 4)", "(4,)", "x[None]"]),
        (lambda: shared_and_nested().summary(layer_range=("no", "join"), line_length=120), ["layer_range", "'no'"]),
    ],
)
def test_errors(call, texts):
    assert_raises_text(ValueError, texts, call)


def test_disconnected_graph_names_tensor_and_remedy():
    a, b = keras.Input((2,), name="a"), keras.Input((2,), name="b")
    assert_raises_text(
        ValueError, ["not connected", "name=b", "`inputs`"], lambda: keras.Model(a, layers.Add()([a, b]))
    )


def test_layer_of_two_arguments_in_a_stack():
    class Pair(layers.Layer):
        def call(self, first, second):
            return first + second

    assert_raises_text(
        ValueError,
        ["['first', 'second']", "Model(inputs, outputs)"],
        lambda: keras.Sequential([keras.Input((2,)), Pair()]),
    )


def test_damaged_configurations():
    config = json.loads(json.dumps(shared_and_nested().get_config()))
    config["layers"] = [layer for layer in config["layers"] if layer["name"] != "shared"]
    assert_raises_text(ValueError, ["'shared'", "does not list"], lambda: keras.Model.from_config(config))
    x = keras.Input((4,), name="x")
    loop = json.loads(json.dumps(keras.Model(x, layers.Dense(3, name="d")(x)).get_config()))
    loop["layers"][1]["inbound_nodes"][0]["args"][0]["config"]["keras_history"] = ["d", 0, 0]
    assert_raises_text(ValueError, ["loop", "['d']"], lambda: keras.Model.from_config(loop))
    op = json.loads(json.dumps(keras.Model(x, ops.relu(x)).get_config()))
    op["layers"][1]["class_name"] = "Fft"
    assert_raises_text(ValueError, ["'Fft'", "not supported"], lambda: keras.Model.from_config(op))


def test_texts_are_prepared_on_the_host():
    texts = np.array([["a b"], ["b"]])
    for first in ([keras.Input((1,), dtype="string")], []):
        vectorize = layers.TextVectorization(vocabulary=["a", "b"], output_sequence_length=3)
        model = keras.Sequential([*first, vectorize, layers.Embedding(4, 2)])
        prepared = model._on_host(texts)
        np.testing.assert_array_equal(prepared, [[2, 3, 0], [3, 0, 0]])
        np.testing.assert_array_equal(model(prepared), model(texts))
    number, text = keras.Input((1,), name="number"), keras.Input((1,), dtype="string", name="text")
    joined = layers.Concatenate()([number, layers.Flatten()(layers.Embedding(4, 2)(vectorize(text)))])
    both = keras.Model({"number": number, "text": text}, joined)
    data = {"number": normal(2, 1), "text": texts}
    prepared = both._on_host(data)
    assert prepared["text"].dtype == "int64"
    np.testing.assert_array_equal(both(prepared), both(data))
    plain = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
    assert plain._on_host(DATA) is DATA


def test_a_model_with_text_vectorization_trains_on_texts():
    vectorize = layers.TextVectorization(vocabulary=["good", "bad"], output_sequence_length=3)
    model = keras.Sequential(
        [
            keras.Input((), dtype="string"),
            vectorize,
            layers.Embedding(4, 4, mask_zero=True),
            layers.LSTM(4),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.05), "binary_crossentropy", metrics=["accuracy"])
    texts = ["good", "bad", "good good", "bad x bad"] * 8
    labels = np.array([1.0, 0.0, 1.0, 0.0] * 8)
    history = model.fit(texts, labels, epochs=30, validation_data=(np.array(texts), labels), verbose=0).history
    assert history["val_accuracy"][-1] == 1.0
    assert model.evaluate(texts, labels, verbose=0)[1] == 1.0
    predictions = model.predict(["good", "bad bad"], verbose=0)
    assert predictions[0] > 0.5 > predictions[1]
    np.testing.assert_allclose(predictions, model.predict_on_batch(np.array(["good", "bad bad"])), rtol=1e-5)
    np.testing.assert_allclose(predictions, model(np.array(["good", "bad bad"])), rtol=1e-5)
    model.train_on_batch(texts, labels)
