"""`model(x)` on arrays is one program with the numbers of `predict`; what must run layer by layer still does."""

from typing import Any

import numpy as np
import pytest

import ironhorn as keras
from ironhorn import layers, ops


def image_model() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(4, 3, use_bias=False),
            layers.BatchNormalization(),
            layers.Activation("relu"),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(3, name="last"),
        ]
    )


def images(count: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, 8, 8, 1)).astype("float32")


def program_of(model: Any) -> Any:
    return model._whole_call._ready[2]


def test_a_call_gives_the_bits_of_predict_for_every_number_of_rows() -> None:
    model = image_model()
    for count in (1, 5, 1):
        np.testing.assert_array_equal(np.asarray(model(images(count))), model.predict(images(count), verbose=0))
    assert program_of(model).trace_count == 1


def test_a_call_follows_weights_and_attributes() -> None:
    model, x = image_model(), images(2)
    before = np.asarray(model(x))
    model.get_layer("last").activation = keras.activations.relu
    np.testing.assert_array_equal(np.asarray(model(x)), np.maximum(before, 0))
    model.set_weights([np.zeros_like(weight) for weight in model.get_weights()])
    assert not np.asarray(model(x)).any()


def test_tapes_and_training_see_every_layer() -> None:
    model, x = image_model(), ops.convert_to_tensor(images(2))
    model(x)
    with keras.GradientTape() as tape:
        loss = ops.sum(model(x))
    gradients = tape.gradient(loss, model.trainable_variables)
    assert all(gradient is not None for gradient in gradients)
    assert (np.asarray(model(x, training=True)) != np.asarray(model(x))).any()


def test_what_python_does_in_a_call_is_done_each_time() -> None:
    calls = []

    class Counting(layers.Layer):
        def call(self, inputs: Any) -> Any:
            calls.append(1)
            return inputs

    def activation(inputs: Any) -> Any:
        calls.append(2)
        return inputs

    for layer in (Counting(), layers.Dense(8, activation=activation), layers.Lambda(activation)):
        model = keras.Sequential([keras.Input((8,)), layer])
        calls.clear()
        model(np.ones((1, 8), "float32"))
        model(np.ones((1, 8), "float32"))
        assert len(calls) == 2 and program_of(model) is None


def test_masks_and_activity_losses_stay() -> None:
    words = np.array([[1, 2, 0]], "int32")
    model = keras.Sequential([keras.Input((3,), dtype="int32"), layers.Embedding(4, 2, mask_zero=True)])
    for _ in range(2):
        assert np.asarray(model(words)._keras_mask).tolist() == [[True, True, False]]
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1, activity_regularizer="l2")])
    for _ in range(2):
        model(np.ones((1, 2), "float32"))
        assert len(model.losses) == 1


def test_an_error_is_that_of_the_layer() -> None:
    model = image_model()
    model(images(1))
    with pytest.raises(ValueError, match="last"):
        model(np.ones((1, 9, 9, 1), "float32"))
    np.testing.assert_array_equal(np.asarray(model(images(1))), model.predict(images(1), verbose=0))


def test_several_inputs_and_inner_models() -> None:
    inner = image_model()
    inputs = [keras.Input((8, 8, 1)), keras.Input((8, 8, 1))]
    model = keras.Model(inputs, layers.Add()([inner(inputs[0]), inner(inputs[1])]))
    x = images(2)
    np.testing.assert_allclose(np.asarray(model([x, x])), 2 * np.asarray(inner(x)), rtol=1e-5, atol=1e-6)


def test_draws_differ_from_call_to_call() -> None:
    inputs = keras.Input((50,))
    model = keras.Model(inputs, layers.Dropout(0.5)(inputs, training=True))
    x = np.ones((2, 50), "float32")
    first, second = (np.asarray(model(x)) for _ in range(2))
    assert program_of(model) is not None and (first != second).any()
    assert set(np.unique(first)) == {0.0, 2.0}


def test_attributes_count_only_where_a_program_was_made_of_them() -> None:
    model = image_model()
    layer = model.get_layer("last")
    layer.note = "before"
    assert layer._edits is None
    model(images(1))
    layer.note = "after"
    assert layer._edits == 1
