"""Write `golden/`: model files as real Keras writes them, with what the models answer.

Run it where `keras` and `jax` are installed (and `tensorflow` for the vectorizer), from the root of the repository:

    KERAS_BACKEND=jax python tests/saving/make_golden.py
    KERAS_BACKEND=tensorflow python tests/saving/make_golden.py

Names of models after it write just these.

Every model is trained for two batches, so that the optimizer has something to save. Next to `<name>.keras` and
`<name>.weights.h5` lies `<name>.npz` with the answers to `golden_models.data`, the weights, the optimizer's
variables and, in `next_loss`, the loss of the batch after loading. With TensorFlow, `vectorizer.keras` is written: a
model that holds an adapted `TextVectorization`, whose vocabulary is an asset.
"""

from __future__ import annotations

import pathlib
import sys

import golden_models
import keras
import numpy as np

FOLDER = pathlib.Path(__file__).resolve().parent / "golden"


def write_models() -> None:
    """Write models of `golden_models`."""
    for name in sys.argv[1:] or golden_models.MODELS:
        keras.utils.clear_session()
        keras.utils.set_random_seed(11)
        model = golden_models.build(keras, name)
        inputs, targets = golden_models.data(name)
        for _ in range(2):
            model.train_on_batch(inputs, targets)
        model.save(FOLDER / f"{name}.keras")
        model.save_weights(FOLDER / f"{name}.weights.h5")
        outputs = model.predict_on_batch(inputs)
        contents = {"keras_version": np.array(keras.__version__)}
        for index, value in enumerate(outputs if isinstance(outputs, list) else [outputs]):
            contents[f"output_{index}"] = np.asarray(value)
        for index, variable in enumerate(model.weights):
            contents[f"weight_{index}"] = np.asarray(variable.numpy())
        for index, variable in enumerate(model.optimizer.variables):
            contents[f"optimizer_{index}"] = np.asarray(variable.numpy())
        np.savez_compressed(FOLDER / f"{name}.npz", **contents)


def write_vectorizer() -> None:
    """Write a model that turns text into numbers."""
    keras.utils.clear_session()
    vectorizer = keras.layers.TextVectorization(max_tokens=12, output_sequence_length=6)
    vectorizer.adapt(["pump leaks oil", "Pump hot!", "track loose, track noisy", "oil hot"])
    model = keras.Sequential([keras.Input((1,), dtype="string"), vectorizer], name="vectorizer")
    model.save(FOLDER / "vectorizer.keras")
    texts = ["oil pump leaks", "Track: unknown words", ""]
    answers = np.asarray(vectorizer(texts))
    np.savez_compressed(
        FOLDER / "vectorizer.npz",
        texts=np.array(texts),
        answers=answers,
        vocabulary=np.array(vectorizer.get_vocabulary()),
        keras_version=np.array(keras.__version__),
    )


if __name__ == "__main__":
    if keras.backend.backend() == "tensorflow":
        write_vectorizer()
    else:
        write_models()
