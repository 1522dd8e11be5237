"""Dense, Embedding, Masking, Input."""

import numpy as np
import pytest

import ironhorn as keras
from ironhorn import backend, layers
from ironhorn.errors import UnsupportedError
from ironhorn.testing import assert_raises_text, run_layer_test


@pytest.mark.parametrize(
    "options",
    [{}, {"activation": "relu"}, {"use_bias": False}, {"dtype": "float64"}, {"activity_regularizer": "l2"}],
)
def test_dense(options):
    run_layer_test(
        layers.Dense,
        {"units": 4, **options},
        input_shape=(3, 5),
        expected_output_shape=(3, 4),
        expected_num_trainable_weights=1 if options.get("use_bias") is False else 2,
        expected_num_non_trainable_weights=0,
        expected_num_seed_generators=0,
        expected_num_losses=1 if "activity_regularizer" in options else 0,
        supports_masking=True,
    )


def test_dense_on_sequences():
    run_layer_test(
        layers.Dense,
        {"units": 4},
        input_shape=(3, 2, 5),
        expected_output_shape=(3, 2, 4),
        expected_mask_shape=(3, 2),
    )


def test_dense_computes():
    layer = layers.Dense(2, activation="relu")
    layer.build((None, 2))
    layer.set_weights([np.array([[1.0, -1.0], [2.0, 0.5]]), np.array([0.5, -0.25])])
    np.testing.assert_allclose(layer(np.array([[1.0, 1.0], [0.0, 2.0]], "float32")), [[3.5, 0.0], [4.5, 0.75]])


def test_dense_errors():
    assert_raises_text(ValueError, ["units", "positive", "-1"], lambda: layers.Dense(-1))
    assert_raises_text(UnsupportedError, ["lora_rank", "not supported"], lambda: layers.Dense(1, lora_rank=2))
    assert_raises_text(
        ValueError, ["'d'", "(None, None)", "Input(shape=...)"], lambda: layers.Dense(1, name="d").build((None, None))
    )


@pytest.mark.parametrize("mask_zero", [False, True])
def test_embedding(mask_zero):
    run_layer_test(
        layers.Embedding,
        {"input_dim": 4, "output_dim": 3, "mask_zero": mask_zero},
        input_data=np.array([[1, 3, 0], [2, 0, 0]], "int32"),
        expected_output_shape=(2, 3, 3),
        expected_num_trainable_weights=1,
        supports_masking=mask_zero,
    )


def test_embedding_looks_up_and_masks():
    table = np.arange(8.0).reshape(4, 2)
    layer = layers.Embedding(4, 2, mask_zero=True, weights=[table])
    ids = np.array([[3, 0], [1, 2]])
    outputs = layer(ids)
    np.testing.assert_array_equal(outputs, table[ids])
    np.testing.assert_array_equal(backend.get_keras_mask(outputs), ids != 0)


def test_embedding_errors():
    assert_raises_text(ValueError, ["input_dim", "positive"], lambda: layers.Embedding(0, 2))
    with pytest.warns(UserWarning, match="input_length.*Remove"):
        layers.Embedding(3, 2, input_length=4)


def test_masking():
    run_layer_test(layers.Masking, {"mask_value": 0.0}, input_shape=(2, 3, 4), expected_output_shape=(2, 3, 4))
    inputs = np.array([[[0.0, 0.0], [1.0, 0.0]]], "float32")
    np.testing.assert_array_equal(backend.get_keras_mask(layers.Masking()(inputs)), [[False, True]])


def test_input():
    tensor = keras.Input((3, None), batch_size=2, dtype="int32", name="ids")
    assert (tensor.shape, tensor.dtype, tensor.name) == ((2, 3, None), "int32", "ids")
    layer = tensor._keras_history.operation
    assert layer.get_config()["batch_shape"] == (2, 3, None)
    again = layers.InputLayer.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()


@pytest.mark.parametrize(
    ("arguments", "error", "texts"),
    [
        ({}, ValueError, ["needs a shape"]),
        ({"shape": 3}, ValueError, ["tuple", "(3,)"]),
        ({"shape": (3,), "batch_shape": (1, 3)}, ValueError, ["batch_shape", "alone"]),
        ({"shape": (3,), "sparse": True}, UnsupportedError, ["sparse", "dense"]),
    ],
)
def test_input_errors(arguments, error, texts):
    assert_raises_text(error, texts, lambda: keras.Input(**arguments))


@pytest.mark.parametrize(
    ("options", "shape", "expected"),
    [
        ({"equation": "ab,bc->ac", "output_shape": 3, "bias_axes": "c"}, (2, 4), (2, 3)),
        ({"equation": "...ab,bc->...ac", "output_shape": (None, 3)}, (2, 5, 4, 6), (2, 5, 4, 3)),
        ({"equation": "ab...,bc->ac...", "output_shape": 3, "bias_axes": "c"}, (2, 4, 5), (2, 3, 5)),
    ],
)
def test_einsum_dense(options, shape, expected):
    run_layer_test(
        layers.EinsumDense,
        options,
        input_shape=shape,
        expected_output_shape=expected,
        expected_num_trainable_weights=1 + ("bias_axes" in options),
    )


def test_einsum_dense_is_initialized_as_dense():
    kernel = layers.EinsumDense("abc,cde->abde", (None, 50, 60))
    kernel.build((None, None, 200))
    np.testing.assert_allclose(np.abs(kernel.kernel.numpy()).max(), np.sqrt(6.0 / (200 + 3000)), rtol=1e-2)


def test_einsum_dense_errors():
    inputs = np.ones((2, 3, 4), "float32")
    layer = layers.EinsumDense
    assert_raises_text(ValueError, ["must read like", "'ab->ac'"], lambda: layer("ab->ac", 3)(inputs))
    assert_raises_text(ValueError, ["'ab,bc->ac'", "(2, 3, 4)"], lambda: layer("ab,bc->ac", 3)(inputs))
    assert_raises_text(ValueError, ["'d' in the kernel only"], lambda: layer("abc,cd->ab", (None,))(inputs))
    assert_raises_text(ValueError, ["size is 3", "5"], lambda: layer("abc,cd->abd", (5, 2))(inputs))
    assert_raises_text(ValueError, ["bias_axes='x'"], lambda: layer("abc,cd->abd", (None, 2), bias_axes="x")(inputs))
    with pytest.raises(UnsupportedError, match="LoRA"):
        layer("ab,bc->ac", 3, lora_rank=2)


def test_reversible_embedding():
    layer = layers.ReversibleEmbedding(5, 3, mask_zero=True)
    vectors = layer(np.array([[1, 0]]))
    np.testing.assert_array_equal(backend.get_keras_mask(vectors), [[True, False]])
    scores = layer(vectors, reverse=True)
    np.testing.assert_allclose(scores, vectors.numpy() @ layer.embeddings.numpy().T, rtol=1e-5)
    inputs = keras.Input((7,), dtype="int32")
    assert layer(layer(inputs), reverse=True).shape == (None, 7, 5)
