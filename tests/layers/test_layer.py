"""The base class of layers: tracking, building, calling, masks, losses, weights, configuration, errors."""

import numpy as np
import pytest

import ironhorn as keras
from ironhorn import backend, layers, ops
from ironhorn.errors import NotBuiltError, UnsupportedError
from ironhorn.testing import assert_raises_text, run_layer_test


class Scale(layers.Layer):
    def __init__(self, start=1.0, **kwargs):
        super().__init__(**kwargs)
        self.start = start

    def build(self, input_shape):
        self.factor = self.add_weight(
            shape=(input_shape[-1],), initializer=keras.initializers.Constant(self.start), name="factor"
        )

    def call(self, inputs):
        return inputs * self.factor


class Block(layers.Layer):
    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.inner = [layers.Dense(units, name="first"), layers.Dense(units, name="second")]
        self.named = {"drop": layers.Dropout(0.5, seed=3)}

    def call(self, inputs):
        for layer in self.inner:
            inputs = layer(inputs)
        return self.named["drop"](inputs)


def test_custom_layer():
    run_layer_test(
        Scale,
        {"start": 2.0},
        input_shape=(2, 3),
        expected_output_shape=(2, 3),
        expected_num_trainable_weights=1,
        custom_objects={"Scale": Scale},
    )


def test_custom_layer_of_layers_without_build():
    run_layer_test(
        Block,
        {"units": 3},
        input_shape=(2, 3),
        expected_output_shape=(2, 3),
        expected_num_trainable_weights=4,
        expected_num_seed_generators=1,
        custom_objects={"Block": Block},
        run_saving_check=True,
    )


def test_variables_come_in_order_and_once():
    layer = Block(2)
    layer(np.ones((1, 2), "float32"))
    layer.again = layer.inner[0]
    names = [variable.path for variable in layer.weights]
    assert names == [f"{layer.name}/{part}" for part in ("first/kernel", "first/bias", "second/kernel", "second/bias")]
    assert len(layer.variables) == 5
    assert len(layer.trainable_variables) == 4
    assert len(layer.non_trainable_variables) == 1


def test_attributes_are_tracked_inside_containers():
    layer = layers.Layer()
    layer.group = []
    layer.group.append(layers.Dense(1))
    layer.table = {}
    layer.table["b"] = layers.Dense(1)
    layer.pair = (layers.Dense(1), 3)
    assert len(layer._layers) == 3
    layer.group.pop()
    del layer.table["b"]
    assert len(layer._layers) == 1


def test_names_are_unique():
    assert layers.Dense(1).name != layers.Dense(1).name
    assert layers.Dense(1, name="mine").name == "mine"
    with pytest.raises(ValueError, match="'/'"):
        layers.Dense(1, name="a/b")


def test_build_is_recorded():
    layer = Scale()
    layer.build((None, 4))
    assert layer.built
    assert layer.path == layer.name
    assert layer.get_build_config() == {"input_shape": (None, 4)}
    again = Scale()
    again.build_from_config(layer.get_build_config())
    assert again.factor.shape == (4,)


def test_state_is_locked_after_build():
    layer = Scale()
    layer(np.ones((1, 2), "float32"))
    assert_raises_text(ValueError, [layer.name, "is built", "__init__"], lambda: layer.add_weight(shape=(1,)))


def test_training_reaches_inner_layers():
    seen = []

    class Probe(layers.Layer):
        def call(self, inputs, training=None):
            seen.append(training)
            return inputs

    class Outer(layers.Layer):
        def __init__(self):
            super().__init__()
            self.probe = Probe()
            self.other = Probe()

        def call(self, inputs):
            return self.other(self.probe(inputs, training=False))

    outer = Outer()
    outer(np.ones((1, 1), "float32"), training=True)
    assert seen[-2:] == [False, True]
    outer(np.ones((1, 1), "float32"))
    assert seen[-2:] == [False, None]


def test_floats_are_cast_and_integers_are_not():
    seen = []

    class Probe(layers.Layer):
        def call(self, inputs):
            seen.append(inputs.dtype)
            return inputs

    Probe(dtype="float32")(np.ones((1,), "float64"))
    Probe(dtype="float64")(np.ones((1,), "float32"))
    Probe()(np.ones((1,), "int32"))
    Probe(autocast=False)(np.ones((1,), "float64"))
    assert seen == ["float32", "float64", "int32", "float64"]


def test_masks_travel():
    inputs = np.array([[1, 2, 0], [3, 0, 0]])
    outputs = layers.Dense(2)(layers.Embedding(4, 3, mask_zero=True)(inputs))
    np.testing.assert_array_equal(backend.get_keras_mask(outputs).numpy(), inputs != 0)
    flat = layers.Flatten()
    with pytest.warns(UserWarning, match="does not support masking"):
        flattened = flat(outputs)
    assert backend.get_keras_mask(flattened) is None


def test_losses():
    class Noisy(layers.Layer):
        def __init__(self):
            super().__init__(activity_regularizer="l2")
            self.dense = layers.Dense(1, kernel_regularizer="l1", kernel_initializer="ones")

        def call(self, inputs):
            self.add_loss(ops.sum(inputs))
            return self.dense(inputs)

    layer = Noisy()
    inputs = np.array([[1.0, 2.0], [3.0, 4.0]], "float32")
    for _ in range(2):  # The losses of a call replace those of the one before.
        layer(inputs)
        values = sorted(float(loss) for loss in layer.losses)
        np.testing.assert_allclose(values, sorted([10.0, 0.01 * (9 + 49) / 2, 0.01 * 2]), rtol=1e-6)


def test_weights_can_be_read_and_set():
    layer = layers.Dense(2)
    layer.build((None, 3))
    values = [np.arange(6.0).reshape(3, 2), np.ones(2)]
    layer.set_weights(values)
    for have, want in zip(layer.get_weights(), values, strict=True):
        np.testing.assert_array_equal(have, want)
    assert layer.count_params() == 8
    assert_raises_text(
        ValueError, [layer.name, "(3, 2)", "(2, 3)", "kernel"], lambda: layer.set_weights([values[0].T, values[1]])
    )
    assert_raises_text(ValueError, [layer.name, "1 arrays", "2 weights"], lambda: layer.set_weights(values[:1]))


def test_trainable_is_passed_down_and_changes_the_generation():
    layer = Block(2)
    layer(np.ones((1, 2), "float32"))
    before = layer._generation
    layer.inner[0].trainable = False
    changed = layer._generation
    assert changed != before
    assert len(layer.trainable_weights) == 2
    layer.inner[0].trainable = True
    assert layer._generation == before
    layer.trainable = False
    assert not layer.trainable_weights
    assert not layer.inner[1].trainable


def test_stateless_call():
    layer = layers.BatchNormalization(momentum=0.5)
    layer.build((None, 2))
    inputs = np.array([[0.0, 1.0], [2.0, 5.0]], "float32")
    before = layer.get_weights()
    outputs, state = layer.stateless_call(
        layer.trainable_variables, layer.non_trainable_variables, inputs, training=True
    )
    np.testing.assert_allclose(state[0], [0.5, 1.5])
    assert outputs.shape == (2, 2)
    for old, new in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_configuration_is_made_of_the_arguments():
    class Plain(layers.Layer):
        def __init__(self, size, mode="a", **kwargs):
            super().__init__(**kwargs)

    config = Plain(3, name="p").get_config()
    assert {key: config[key] for key in ("name", "size", "mode", "trainable")} == {
        "name": "p",
        "size": 3,
        "mode": "a",
        "trainable": True,
    }
    assert Plain.from_config(config).get_config() == config


def test_configuration_that_cannot_be_made():
    class Holder(layers.Layer):
        def __init__(self, value, **kwargs):
            super().__init__(**kwargs)

    assert_raises_text(NotImplementedError, ["Holder", "get_config"], lambda: Holder(object()).get_config())
    assert_raises_text(ValueError, ["Dense", "colour"], lambda: layers.Dense.from_config({"units": 1, "colour": 1}))


def test_dtype_policies():
    layer = layers.Dense(1, dtype="float64")
    assert layer(np.ones((1, 2))).dtype == "float64"
    assert layer.kernel.dtype == "float64"
    layer = layers.Dense(1, dtype="mixed_float16")
    assert layer(np.ones((1, 2))).dtype == "float16"
    assert layer.kernel.dtype == "float32"
    assert_raises_text(UnsupportedError, ["Quantized"], lambda: layers.Dense(1, dtype="int8_from_float32"))
    assert_raises_text(ValueError, ["Unknown dtype policy", "nonsense"], lambda: layers.Dense(1, dtype="nonsense"))


@pytest.mark.parametrize(
    ("call", "error", "texts"),
    [
        (lambda: layers.Dense(1)(np.ones(3, "float32")), ValueError, ["dense", "(3,)", "min_ndim=2", "batch"]),
        (lambda: layers.Dense(1)([1.0, 2.0]), ValueError, ["by position", "convert_to_tensor"]),
        (lambda: layers.Dense(1, colour="red"), ValueError, ["Dense", "colour"]),
        (lambda: layers.Layer()(np.ones(1)), NotImplementedError, ["Layer", "call"]),
        (lambda: layers.Dense(1).count_params(), NotBuiltError, ["not built", "build(input_shape)"]),
        (lambda: layers.Layer(trainable="yes"), ValueError, ["trainable", "True or False"]),
    ],
)
def test_errors(call, error, texts):
    assert_raises_text(error, texts, call)


def test_wrong_size_names_layer_shapes_and_remedy():
    layer = layers.Dense(2, name="head")
    layer(np.ones((1, 4), "float32"))
    assert_raises_text(
        ValueError,
        ["'head'", "(5, 3)", "size 4 on axis -1", "found 3"],
        lambda: layer(np.ones((5, 3), "float32")),
    )


def test_forgotten_constructor():
    class Forgetful(layers.Layer):
        def __init__(self):
            self.size = 1

        def call(self, inputs):
            return inputs

    assert_raises_text(RuntimeError, ["Forgetful", "super().__init__()"], lambda: Forgetful()(np.ones(1)))


def test_error_in_call_names_the_layer():
    class Broken(layers.Layer):
        def call(self, inputs):
            raise ValueError("no")

    with pytest.raises(ValueError, match="no") as caught:
        Broken(name="broken")(np.ones((2, 3), "float32"))
    assert any("'broken'" in note and "(2, 3)" in note for note in caught.value.__notes__)


def test_engine_errors_name_the_path_of_the_layer():
    class Narrow(layers.Layer):
        def build(self, input_shape):
            self.kernel = self.add_weight(shape=(5, 2), name="kernel")

        def call(self, inputs):
            return ops.matmul(inputs, self.kernel)

    class Choosing(layers.Layer):
        def call(self, inputs):
            return inputs if ops.sum(inputs) > 0 else -inputs

    inside = lambda layer: keras.Sequential([keras.Input((4,)), layer], name="whole")  # noqa: E731
    assert_raises_text(ValueError, ["'whole/narrow'", "matmul", "(5, 2)"], lambda: inside(Narrow(name="narrow")))
    assert_raises_text(
        TypeError,
        ["'whole/choosing'", "bool()", "ops.cond", "run_eagerly=True"],
        lambda: inside(Choosing(name="choosing")),
    )
    model = keras.Sequential([keras.Input((2,), dtype="int32"), layers.Embedding(5, 2, name="table")], name="whole")
    assert_raises_text(
        IndexError,
        ["'whole/table'", "index 9", "size 5"],
        lambda: model.predict(np.array([[1, 9]], "int32"), verbose=0),
    )
