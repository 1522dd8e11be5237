"""What the references do not cover of losses and metrics: masks, errors, custom ones, configs."""

from __future__ import annotations

import numpy as np
import pytest

import ironhorn as keras
from ironhorn import backend, ops
from ironhorn.errors import UnknownObjectError, ValueRangeError


def masked(values, mask):
    tensor = ops.convert_to_tensor(np.asarray(values, "float32"))
    backend.set_keras_mask(tensor, ops.convert_to_tensor(np.asarray(mask)))
    return tensor


def test_mask_on_predictions_leaves_entries_out_of_the_mean():
    y_true = np.array([[1.0], [2.0], [9.0]], "float32")
    y_pred = masked([[0.0], [0.0], [0.0]], [True, True, False])
    assert float(keras.losses.MeanSquaredError()(y_true, y_pred)) == pytest.approx(2.5)
    assert float(keras.losses.MeanSquaredError(reduction="sum")(y_true, y_pred)) == pytest.approx(5.0)


def test_mask_and_weights_multiply():
    y_true = np.array([[1.0], [2.0], [9.0]], "float32")
    y_pred = masked([[0.0], [0.0], [0.0]], [True, True, False])
    loss = keras.losses.MeanSquaredError()(y_true, y_pred, sample_weight=np.array([2.0, 1.0, 5.0]))
    assert float(loss) == pytest.approx((2 * 1 + 4) / 2)


def test_mask_of_nothing_gives_zero():
    loss = keras.losses.MeanSquaredError()(np.ones((2, 1), "float32"), masked([[0.0], [0.0]], [False, False]))
    assert float(loss) == 0.0


def test_metric_respects_mask():
    metric = keras.metrics.MeanAbsoluteError()
    metric.update_state(np.array([[1.0], [5.0]], "float32"), masked([[0.0], [0.0]], [True, False]))
    assert float(metric.result()) == pytest.approx(1.0)


def test_custom_loss_class():
    class Cubed(keras.losses.Loss):
        def call(self, y_true, y_pred):
            return ops.mean(ops.absolute(y_true - y_pred) ** 3, axis=-1)

    loss = Cubed()
    assert float(loss(np.zeros((2, 1)), np.full((2, 1), 2.0))) == pytest.approx(8.0)
    assert loss.name.startswith("cubed")


def test_loss_without_call_says_what_to_define():
    with pytest.raises(NotImplementedError, match=r"call\(self, y_true, y_pred\)"):
        keras.losses.Loss()(np.zeros((1, 1)), np.zeros((1, 1)))


@pytest.mark.parametrize(
    ("get", "name", "hint"),
    [
        (keras.losses.get, "mean_square_error", "mean_squared_error"),
        (keras.losses.get, "sparse_categorical_cross_entropy", "sparse_categorical_crossentropy"),
        (keras.metrics.get, "acuracy", "accuracy"),
        (keras.optimizers.get, "adma", "adam"),
    ],
)
def test_unknown_name_is_answered_with_the_closest(get, name, hint):
    with pytest.raises(UnknownObjectError, match=f"{name!r}. Did you mean {hint!r}.*Known names: "):
        get(name)


def test_unknown_loss_is_noticed_by_compile():
    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])
    with pytest.raises(ValueError, match="Unknown loss 'msee'"):
        model.compile("sgd", "msee")


def test_wrong_reduction_lists_the_right_ones():
    with pytest.raises(ValueError, match="reduction='average'"):
        keras.losses.MeanSquaredError(reduction="average")


def test_label_out_of_range_names_the_label():
    with pytest.raises(ValueRangeError, match="5"):
        keras.losses.SparseCategoricalCrossentropy()(np.array([5]), np.full((1, 3), 1 / 3, "float32"))


def test_categorical_crossentropy_of_one_class_warns():
    with pytest.warns(SyntaxWarning, match="binary_crossentropy"):
        keras.losses.categorical_crossentropy(np.ones((2, 1)), np.ones((2, 1), "float32"))


def test_metric_without_super_says_so():
    class Bad(keras.metrics.Metric):
        def __init__(self):
            self.total = self.add_variable(shape=(), initializer="zeros")

    with pytest.raises(RuntimeError, match=r"super\(\).__init__\(\)"):
        Bad()


def test_nested_metric_variables_are_found():
    class Both(keras.metrics.Metric):
        def __init__(self):
            super().__init__()
            self.inner = keras.metrics.Mean()
            self.own = self.add_variable(shape=(2,), initializer="zeros", name="own")

    assert len(Both().variables) == 3


def test_configs_round_trip():
    for loss in (
        keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.1, reduction="sum"),
        keras.losses.SparseCategoricalCrossentropy(ignore_class=2),
    ):
        assert keras.losses.deserialize(keras.losses.serialize(loss)).get_config() == loss.get_config()
    for metric in (keras.metrics.TopKCategoricalAccuracy(k=3), keras.metrics.BinaryAccuracy(threshold=0.2)):
        assert keras.metrics.deserialize(keras.metrics.serialize(metric)).get_config() == metric.get_config()


def test_top_k_counts_ties_as_hits():
    metric = keras.metrics.SparseTopKCategoricalAccuracy(k=1)
    metric.update_state([1, 0], [[0.5, 0.5, 0.0], [0.1, 0.8, 0.1]])
    assert float(metric.result()) == pytest.approx(0.5)


def test_top_k_from_sorted_ids():
    metric = keras.metrics.SparseTopKCategoricalAccuracy(k=2, from_sorted_ids=True)
    metric.update_state(np.array([7, 3]), np.array([[1, 7, 3], [1, 7, 3]]))
    assert float(metric.result()) == pytest.approx(0.5)


def test_the_loss_of_class_numbers_is_one_op() -> None:
    """And its losses and gradients are those of rows of targets."""
    rng = np.random.default_rng(0)
    raw = rng.uniform(0.01, 1.0, (6, 5)).astype("float32")
    raw[2] = [0, 1, 0, 0, 0]
    labels = np.array([0, 4, 0, 1, 2, 3])
    p, one_hot = keras.Variable(raw), np.eye(5, dtype="float32")[labels]
    with keras.profile() as report, keras.GradientTape() as tape:
        losses = ops.sparse_categorical_crossentropy(labels, p)
    sparse = tape.gradient(losses, p)
    with keras.GradientTape() as tape:
        expected = ops.categorical_crossentropy(one_hot, p)
    np.testing.assert_array_equal(losses, expected)
    np.testing.assert_allclose(sparse, tape.gradient(expected, p), rtol=1e-5, atol=1e-6)
    assert {row.op for row in report.rows if "(6" in row.output} == {"cross_entropy"}
