"""The whole product on one page."""

import pathlib

import numpy as np
import pytest

import ironhorn as keras
from ironhorn import layers, ops
from ironhorn.surprise import SVD, Dataset, Reader


def test_ops_take_arrays_and_symbols() -> None:
    x = np.array([[1.0, -2.0], [3.0, 4.0]], "float32")
    assert ops.relu(x).numpy().tolist() == [[1.0, 0.0], [3.0, 4.0]]
    assert ops.relu(keras.Input((2,))).shape == (None, 2)
    np.testing.assert_allclose(ops.matmul(x, x) @ x, x @ x @ x)


def test_derivatives_of_any_order() -> None:
    cube = keras.grad(lambda x: ops.sum(x**3))
    assert np.asarray(cube(np.array([2.0]))).tolist() == [12.0]
    assert np.asarray(keras.grad(lambda x: ops.sum(cube(x)))(np.array([2.0]))).tolist() == [12.0]


def quadrants() -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(0).uniform(-1, 1, (512, 2)).astype("float32")
    return x, (x[:, 0] * x[:, 1] > 0).astype("int64")


def quadrant_model() -> keras.Model:
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input((2,)), layers.Dense(24, "tanh"), layers.Dropout(0.05), layers.Dense(2)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.02), loss, metrics=["accuracy"])
    return model


def test_a_model_learns_and_repeats_itself(tmp_path: pathlib.Path) -> None:
    x, y = quadrants()
    model = quadrant_model()
    history = model.fit(x, y, batch_size=50, epochs=20, validation_split=0.25, verbose=0).history
    assert history["val_accuracy"][-1] > 0.9 > history["accuracy"][0]
    again = quadrant_model()
    assert again.fit(x, y, batch_size=50, epochs=20, validation_split=0.25, verbose=0).history == history

    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
    assert loaded.evaluate(x, y, verbose=0) == model.evaluate(x, y, verbose=0)


def test_images_and_texts() -> None:
    image = keras.Input((8, 8, 1))
    features = layers.Flatten()(layers.MaxPooling2D()(layers.Conv2D(4, 3, padding="same", activation="relu")(image)))
    words = keras.Input((None,), dtype="int32")
    state = layers.Bidirectional(layers.LSTM(5))(layers.Embedding(10, 3, mask_zero=True)(words))
    model = keras.Model([image, words], layers.Dense(3, "softmax")(layers.Concatenate()([features, state])))
    pixels, numbers = np.ones((2, 8, 8, 1), "float32"), np.array([[4, 2, 0, 0], [1, 0, 0, 0]])
    probabilities = model.predict([pixels, numbers], verbose=0)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-6)
    np.testing.assert_allclose(model.predict([pixels, numbers[:, :2]], verbose=0), probabilities, rtol=1e-5)


def test_a_recommender(tmp_path: pathlib.Path) -> None:
    lines = [f"{user} {item} {1 + (user + item) % 5}" for user in range(12) for item in range(10) if (user * item) % 4]
    (tmp_path / "ratings").write_text("\n".join(lines))
    data = Dataset.load_from_file(str(tmp_path / "ratings"), Reader(line_format="user item rating", sep=" "))
    algorithm = SVD(n_factors=8, n_epochs=60, lr_all=0.02, random_state=0).fit(data.build_full_trainset())
    assert 1.0 <= algorithm.predict("3", "7").est <= 5.0
    assert algorithm.predict("3", "3", r_ui=2.0).est == pytest.approx(2.0, abs=1.0)


def test_an_error_names_layer_and_shapes() -> None:
    with pytest.raises(ValueError, match=r"dense_of_four") as caught:
        layers.Dense(2, name="dense_of_four")(keras.Input(()))
    assert "()" in str(caught.value) or "None," in str(caught.value)
