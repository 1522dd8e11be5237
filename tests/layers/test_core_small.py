"""Identity, Lambda, Wrapper, and activations with weights."""

import json

import numpy as np
import pytest

import ironhorn
from ironhorn import backend, layers, ops
from ironhorn.errors import UnsupportedError
from ironhorn.testing import assert_raises_text, run_layer_test

X = np.random.default_rng(5).standard_normal((4, 3)).astype("float32")


def double(x):
    return x * 2.0


@ironhorn.saving.register_keras_serializable("core_small")
def scaled(x, factor=1.0, training=None):
    return x * (factor if training else 1.0)


def test_identity():
    run_layer_test(layers.Identity, {}, input_data=X, expected_output=X, supports_masking=True)
    found = layers.Identity()([X, X[:1]])
    assert [tuple(part.shape) for part in found] == [(4, 3), (1, 3)]


@pytest.mark.parametrize("shared", [None, [1], [1, 2]])
def test_prelu(shared):
    x = np.random.default_rng(1).standard_normal((3, 4, 2)).astype("float32")
    options = {"alpha_initializer": {"class_name": "Constant", "config": {"value": 0.3}}, "shared_axes": shared}
    layer = run_layer_test(
        layers.PReLU,
        options,
        input_data=x,
        expected_output=np.where(x > 0, x, np.float32(0.3) * x),
        expected_num_trainable_weights=1,
        supports_masking=True,
    )
    sizes = [1 if shared and axis in shared else x.shape[axis] for axis in (1, 2)]
    assert tuple(layer.alpha.shape) == tuple(sizes)


def test_prelu_errors():
    assert_raises_text(ValueError, ["shared_axes", "batch is axis 0"], lambda: layers.PReLU(shared_axes=[0])(X))
    symbolic = backend.KerasTensor((None, None, 3))
    assert_raises_text(ValueError, ["not known", "shared_axes"], lambda: layers.PReLU()(symbolic))


def test_elu():
    run_layer_test(layers.ELU, {"alpha": 0.5}, input_data=X, expected_output=np.where(X > 0, X, 0.5 * np.expm1(X)))


def test_lambda_of_a_registered_function():
    run_layer_test(
        layers.Lambda,
        {"function": scaled, "arguments": {"factor": 3.0}},
        input_data=X,
        expected_output=X,
        expected_num_trainable_weights=0,
    )
    np.testing.assert_allclose(layers.Lambda(scaled, arguments={"factor": 3.0})(X, training=True), 3.0 * X)


def test_lambda_in_memory():
    layer = layers.Lambda(lambda x: ops.sum(x, axis=-1), output_shape=())
    assert layer(backend.KerasTensor((None, 3))).shape == (None,)
    np.testing.assert_allclose(layer(X), X.sum(-1), rtol=1e-6)
    counted = layers.Lambda(lambda x: ops.cast(x > 0, "int32"))
    assert counted(backend.KerasTensor((None, 3))).dtype == "int32"
    inputs = layers.Input((3,))
    model = ironhorn.Model(inputs, layers.Lambda(lambda x: x + 1.0)(inputs))
    np.testing.assert_allclose(model.predict(X, verbose=0), X + 1.0, rtol=1e-6)
    np.testing.assert_allclose(ironhorn.models.clone_model(model)(X), X + 1.0, rtol=1e-6)


def test_lambda_and_masks():
    seen = []

    def look(x, mask=None):
        seen.append(mask)
        return x

    masked = layers.Masking()(np.array([[[1.0], [0.0]]], "float32"))
    outputs = layers.Lambda(look, mask=lambda inputs, mask: mask)(masked)
    np.testing.assert_array_equal(seen[0], [[True, False]])
    np.testing.assert_array_equal(backend.get_keras_mask(outputs), [[True, False]])
    with pytest.warns(UserWarning, match="does not support masking"):
        assert backend.get_keras_mask(layers.Lambda(lambda x: x + 1.0)(masked)) is None


def test_lambda_code_is_neither_written_nor_read(tmp_path):
    model = ironhorn.Sequential([layers.Input((3,)), layers.Lambda(lambda x: x + 1.0)])
    with pytest.raises(UnsupportedError, match="named function or a Layer subclass"):
        model.save(tmp_path / "model.keras")
    for function in ({"class_name": "__lambda__", "config": {"code": "4wEAAAA="}}, ["4wEAAAA=", None, None]):
        with pytest.raises(UnsupportedError, match="neither written to files nor read"):
            layers.Lambda.from_config({"name": "x", "function": function})


def test_lambda_of_a_named_function_needs_custom_objects():
    config = json.loads(json.dumps(layers.serialize(layers.Lambda(double))))
    with pytest.raises(ironhorn.errors.UnknownObjectError, match="custom_objects"):
        layers.deserialize(config)
    layer = layers.deserialize(config, custom_objects={"double": double})
    np.testing.assert_array_equal(layer(X), 2.0 * X)


class Twice(layers.Wrapper):
    def call(self, inputs):
        return self.layer(self.layer(inputs))


def test_wrapper():
    layer = run_layer_test(
        Twice,
        {"layer": layers.Dense(3)},
        input_shape=(2, 3),
        expected_num_trainable_weights=2,
        custom_objects={"Twice": Twice},
    )
    assert layer.layer.built
    assert_raises_text(ValueError, ["goes around a layer", "3"], lambda: layers.Wrapper(3))


def test_serialize_and_deserialize():
    layer = layers.Dense(3, activation="relu", name="dense_of_three")
    config = layers.serialize(layer)
    assert config["class_name"] == "Dense"
    assert layers.deserialize(config).get_config() == layer.get_config()
    assert layers.deserialize({"class_name": "Dense", "config": {"units": 2}}).units == 2
