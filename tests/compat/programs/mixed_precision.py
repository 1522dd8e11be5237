"""Mixed precision: bfloat16 arithmetic, float32 weights, a float32 head."""

import keras
import numpy as np
from adapter import report, start
from keras import layers

keras.config.set_dtype_policy("mixed_bfloat16")
random = np.random.RandomState(11)
x = random.standard_normal((400, 20)).astype("float32")
y = (x[:, :10].sum(1) > x[:, 10:].sum(1)).astype("int32")
model = start(
    keras.Sequential(
        [
            keras.Input((20,)),
            layers.Dense(32, activation="relu"),
            layers.Dense(32, activation="relu"),
            layers.Dense(2, activation="softmax", dtype="float32"),
        ]
    )
)
assert model.layers[0].compute_dtype == "bfloat16" and model.layers[0].kernel.dtype == "float32"
model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
history = model.fit(x, y, batch_size=40, epochs=3, shuffle=False, verbose=0)
report(history.history["loss"][-1])
