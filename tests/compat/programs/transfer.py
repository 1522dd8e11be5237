"""Transfer learning: a trained base is frozen, a head is trained, then all is tuned."""

import keras
import numpy as np
from adapter import report, start
from keras import layers

random = np.random.RandomState(10)
x = random.standard_normal((200, 8, 8, 2)).astype("float32")
first = (x[:, :4].mean((1, 2, 3)) > x[:, 4:].mean((1, 2, 3))).astype("int32")
second = (x[..., 0].std((1, 2)) > x[..., 1].std((1, 2))).astype("int32")
base = keras.Sequential(
    [
        keras.Input((8, 8, 2)),
        layers.Conv2D(8, 3, activation="relu"),
        layers.BatchNormalization(),
        layers.GlobalMaxPooling2D(),
    ],
    name="base",
)
inputs = keras.Input((8, 8, 2))
teacher = start(keras.Model(inputs, layers.Dense(2, activation="softmax")(base(inputs))), 1)
teacher.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
teacher.fit(x, first, batch_size=25, epochs=3, shuffle=False, verbose=0)

base.trainable = False
before = [np.array(weight) for weight in base.weights]
inputs = keras.Input((8, 8, 2))
head = layers.Dense(2, activation="softmax", kernel_initializer="zeros")
model = keras.Model(inputs, head(base(inputs, training=False)))
assert len(model.trainable_weights) == 2
model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "sparse_categorical_crossentropy")
model.fit(x, second, batch_size=25, epochs=3, shuffle=False, verbose=0)
for weight, old in zip(base.weights, before, strict=True):
    np.testing.assert_array_equal(np.array(weight), old)
base.trainable = True
model.compile(keras.optimizers.SGD(0.01), "sparse_categorical_crossentropy")
history = model.fit(x, second, batch_size=25, epochs=3, shuffle=False, verbose=0)
report(history.history["loss"][-1])
