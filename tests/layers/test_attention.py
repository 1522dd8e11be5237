"""Attention layers: what the reference table does not show."""

import numpy as np
import pytest

import ironhorn as keras
from ironhorn import backend, layers, ops
from ironhorn.errors import UnsupportedError
from ironhorn.testing import assert_raises_text, run_layer_test


def draw(*shape):
    """Numbers that are the same every time."""
    return np.random.default_rng(0).standard_normal(shape).astype("float32")


@pytest.mark.parametrize(
    ("cls", "options", "weights"),
    [
        (layers.Attention, {}, 0),
        (layers.Attention, {"use_scale": True, "score_mode": "concat"}, 2),
        (layers.AdditiveAttention, {"dropout": 0.3}, 1),
    ],
)
def test_attention(cls, options, weights):
    run_layer_test(
        cls,
        options,
        input_shape=[(2, 3, 4), (2, 5, 4)],
        expected_output_shape=(2, 3, 4),
        expected_num_trainable_weights=weights,
        expected_num_seed_generators=int("dropout" in options),
    )


def models(layer):
    """A model of two inputs that calls the layer on them."""
    query, value = keras.Input((None, 4)), keras.Input((None, 4))
    return keras.Model([query, value], layer(query, value))


@pytest.mark.parametrize(
    "make",
    [
        lambda: layers.MultiHeadAttention(2, 3, value_dim=2, dropout=0.2, seed=1),
        lambda: layers.MultiHeadAttention(2, 3, use_gate=True, sliding_window=2),
        lambda: layers.GroupQueryAttention(3, 4, 2),
    ],
)
def test_heads_in_a_model(make, tmp_path):
    model = models(make())
    model.compile("sgd", "mse")
    query, value = draw(4, 3, 4), draw(4, 5, 4)
    model.fit([query, value], draw(4, 3, 4), batch_size=2, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(model.predict([query, value], verbose=0), again.predict([query, value], verbose=0))
    layer = model.layers[-1]
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()


def test_masks_that_inputs_carry():
    layer = layers.MultiHeadAttention(2, 3)
    query, value = ops.convert_to_tensor(draw(2, 3, 4)), ops.convert_to_tensor(draw(2, 5, 4))
    mask = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], bool)
    wanted = layer(query, value, attention_mask=mask[:, None, :])
    backend.set_keras_mask(value, ops.convert_to_tensor(mask))
    np.testing.assert_array_equal(layer(query, value), wanted)
    assert backend.get_keras_mask(value) is not None
    other = value.numpy()
    other[0, 3:] = 7.0
    np.testing.assert_allclose(layer(query, other, value_mask=mask), wanted, rtol=1e-5, atol=1e-6)
    backend.set_keras_mask(query, ops.convert_to_tensor(mask[:, :3]))
    np.testing.assert_array_equal(backend.get_keras_mask(layer(query, value)), mask[:, :3])


def test_steps_see_nothing_later():
    layer = layers.GroupQueryAttention(3, 2, 1)
    x = draw(2, 6, 4)
    whole = layer(x, x, use_causal_mask=True).numpy()
    np.testing.assert_allclose(layer(x[:, :4], x[:, :4], use_causal_mask=True), whole[:, :4], rtol=1e-5, atol=1e-6)
    outputs, scores = layer(x, x, use_causal_mask=True, return_attention_scores=True)
    np.testing.assert_allclose(outputs, whole, rtol=1e-5, atol=1e-6)
    assert not np.triu(scores.numpy(), 1).any()
    assert scores.shape == (2, 2, 6, 6)


def test_dropout_acts_in_training_only():
    layer = layers.MultiHeadAttention(2, 3, dropout=0.5, seed=3)
    x = draw(2, 6, 4)
    np.testing.assert_array_equal(layer(x, x), layer(x, x))
    assert not np.array_equal(layer(x, x, training=True), layer(x, x, training=True))


def test_symbolic_shapes():
    query, value = keras.Input((3, 4)), keras.Input((5, 4))
    outputs, scores = layers.MultiHeadAttention(2, 3, output_shape=7)(query, value, return_attention_scores=True)
    assert (outputs.shape, scores.shape) == ((None, 3, 7), (None, 2, 3, 5))
    outputs, scores = layers.Attention()([query, value], return_attention_scores=True)
    assert (outputs.shape, scores.shape) == ((None, 3, 4), (None, 3, 5))


def test_a_subclass_may_attend_in_its_own_way():
    class Mean(layers.MultiHeadAttention):
        def _compute_attention(self, query, key, value, attention_mask=None, **options):
            assert attention_mask.shape == (1, 3, 3)
            return ops.add(query, ops.mean(value, axis=1, keepdims=True)), None

    x = draw(2, 3, 4)
    assert Mean(2, 4)(x, x, use_causal_mask=True).shape == (2, 3, 4)


def test_errors():
    x = draw(2, 3, 4)
    assert_raises_text(ValueError, ["num_heads", "positive"], lambda: layers.MultiHeadAttention(0, 3))
    assert_raises_text(
        ValueError, ["sliding_window", "positive"], lambda: layers.MultiHeadAttention(1, 3, sliding_window=0)
    )
    assert_raises_text(ValueError, ["multiple", "num_query_heads=3"], lambda: layers.GroupQueryAttention(2, 3, 2))
    for make in (
        lambda **o: layers.MultiHeadAttention(1, 3, **o),
        lambda **o: layers.GroupQueryAttention(3, 1, 1, **o),
    ):
        with pytest.raises(UnsupportedError, match="flash_attention=True is not supported"):
            make(flash_attention=True)
    with pytest.raises(ValueError, match="a key for every value"):
        layers.MultiHeadAttention(1, 3)(x, x, draw(2, 2, 4))
    assert_raises_text(ValueError, ["list of inputs", "[query, value]"], lambda: layers.Attention()(x))
    assert_raises_text(ValueError, ["score_mode", "'max'"], lambda: layers.Attention(score_mode="max"))
    with pytest.raises(UnsupportedError, match="flash_attention=True is not supported"):
        ops.dot_product_attention(x[..., None], x[..., None], x[..., None], flash_attention=True)
