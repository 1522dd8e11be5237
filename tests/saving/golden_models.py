"""Models whose files real Keras wrote once (`golden/`), built from code so that Ironhorn can write the same models.

`make_golden.py` builds them under real Keras; `test_golden.py` loads the files under Ironhorn; `test_real_keras.py`
builds them under Ironhorn and has real Keras load what Ironhorn saved.
"""

from __future__ import annotations

from typing import Any

import numpy as np

MODELS = ("cnn", "functional", "mixed", "recurrent", "text", "transformer")


def build(keras: Any, name: str) -> Any:
    """Build and compile one model with the given Keras-like module."""
    layers = keras.layers
    if name == "cnn":
        model = keras.Sequential(
            [
                keras.Input((8, 8, 3)),
                layers.Rescaling(1.0 / 255.0, offset=-0.5),
                layers.Conv2D(4, 3, padding="same", use_bias=False, kernel_initializer="he_normal"),
                layers.BatchNormalization(),
                layers.Activation("relu"),
                layers.MaxPooling2D(2),
                layers.Conv2D(5, 3, activation="relu", kernel_regularizer=keras.regularizers.L2(1e-4)),
                layers.Dropout(0.25, seed=7),
                layers.Flatten(),
                layers.Dense(3, activation="softmax"),
            ],
            name="inspection",
        )
        model.compile(
            optimizer=keras.optimizers.Adam(0.01), loss="sparse_categorical_crossentropy", metrics=["accuracy"]
        )
        return model
    if name == "functional":
        left = keras.Input((4,), name="left")
        right = keras.Input((4,), name="right")
        inner = keras.Sequential(
            [keras.Input((6,)), layers.Dense(5, activation="tanh"), layers.Dense(5, use_bias=False)], name="inner"
        )
        shared = layers.Dense(6, activation="relu", name="shared")
        joined = layers.Concatenate(name="joined")([inner(shared(left)), shared(right)])
        score = layers.Dense(1, name="score")(joined)
        kind = layers.Dense(3, activation="softmax", name="kind")(joined)
        model = keras.Model(inputs=[left, right], outputs=[score, kind], name="two_towers")
        model.compile(
            optimizer=keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True),
            loss=[keras.losses.MeanSquaredError(), keras.losses.SparseCategoricalCrossentropy()],
            loss_weights=[1.0, 0.5],
        )
        return model
    if name == "mixed":
        model = keras.Sequential(
            [
                keras.Input((6,)),
                layers.Dense(8, activation="relu", dtype="mixed_float16"),
                layers.BatchNormalization(dtype="mixed_float16"),
                layers.Dense(5, dtype="float32"),
                layers.Dense(4, dtype="mixed_bfloat16"),
                layers.Dense(3, activation="softmax", dtype="float32"),
            ],
            name="mixed",
        )
        model.dtype_policy = keras.DTypePolicy("mixed_float16")
        model.compile(keras.optimizers.SGD(0.05, momentum=0.9), "sparse_categorical_crossentropy")
        return model
    if name == "recurrent":
        video = keras.Input((3, 4, 4, 2), name="video")
        hidden = layers.ConvLSTM2D(3, 2, return_sequences=True, seed=1)(video)
        hidden = layers.TimeDistributed(layers.Flatten())(hidden)
        hidden = layers.GRU(5, return_sequences=True, seed=2)(hidden)
        hidden = layers.Bidirectional(layers.GRU(2, reset_after=False, return_sequences=True, seed=3))(hidden)
        cells = [layers.LSTMCell(4, seed=4), layers.GRUCell(3, seed=5), layers.SimpleRNNCell(4, seed=6)]
        hidden = layers.RNN(layers.StackedRNNCells(cells), return_sequences=True)(hidden)
        hidden = layers.SimpleRNN(4)(hidden)
        model = keras.Model(video, layers.Dense(3, activation="softmax")(hidden), name="video")
        model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
        return model
    if name == "text":
        tokens = keras.Input((None,), dtype="int32", name="tokens")
        hidden = layers.Embedding(20, 6, mask_zero=True)(tokens)
        hidden = layers.Bidirectional(layers.LSTM(4, return_sequences=True))(hidden)
        hidden = layers.Bidirectional(layers.LSTM(3, dropout=0.1))(hidden)
        model = keras.Model(tokens, layers.Dense(4, activation="softmax")(hidden), name="reports")
        model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
        return model
    if name == "transformer":
        tokens = keras.Input((None,), dtype="int32", name="tokens")
        hidden = layers.Embedding(20, 8)(tokens)
        attended = layers.MultiHeadAttention(2, 3, value_dim=4, dropout=0.1, seed=3)(
            hidden, hidden, use_causal_mask=True
        )
        hidden = layers.LayerNormalization(epsilon=1e-5)(layers.Add()([hidden, attended]))
        hidden = layers.EinsumDense("abc,cd->abd", (None, 8), activation="relu", bias_axes="d")(hidden)
        hidden = layers.GroupQueryAttention(4, 4, 2, use_bias=False)(hidden, hidden)
        hidden = layers.GlobalAveragePooling1D()(layers.RMSNormalization()(hidden))
        model = keras.Model(tokens, layers.Dense(4, activation="softmax")(hidden), name="reader")
        model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
        return model
    raise ValueError(f"Unknown model {name!r}: choose one of {MODELS}.")


def data(name: str) -> tuple[Any, Any]:
    """Return inputs and targets of one batch for the named model."""
    random = np.random.RandomState(5)
    if name == "cnn":
        return random.randint(0, 256, size=(6, 8, 8, 3)).astype("float32"), random.randint(0, 3, size=6)
    if name == "functional":
        inputs = [random.standard_normal((6, 4)).astype("float32") for _ in range(2)]
        return inputs, [random.standard_normal((6, 1)).astype("float32"), random.randint(0, 3, size=6)]
    if name == "mixed":
        return random.standard_normal((6, 6)).astype("float32"), random.randint(0, 3, size=6)
    if name == "recurrent":
        return random.standard_normal((6, 3, 4, 4, 2)).astype("float32"), random.randint(0, 3, size=6)
    if name == "text":
        tokens = random.randint(1, 20, size=(6, 9))
        tokens[np.arange(9)[None, :] >= random.randint(1, 10, size=6)[:, None]] = 0
        return tokens.astype("int32"), random.randint(0, 4, size=6)
    if name == "transformer":
        return random.randint(0, 20, size=(6, 7)).astype("int32"), random.randint(0, 4, size=6)
    raise ValueError(f"Unknown model {name!r}: choose one of {MODELS}.")
