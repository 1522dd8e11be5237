"""Residual blocks with batch normalisation, trained under a cosine schedule with momentum."""

import keras
import numpy as np
from adapter import report, start
from keras import layers

random = np.random.RandomState(17)
y = random.randint(0, 3, 150)
x = random.standard_normal((150, 12, 12, 3)).astype("float32") * 0.7
x[np.arange(150), :, :, y] += 0.3


def residual(x, filters, stride=1):
    shortcut = x
    x = layers.Conv2D(filters, 3, strides=stride, padding="same", use_bias=False)(x)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    if stride > 1 or shortcut.shape[-1] != filters:
        shortcut = layers.BatchNormalization()(layers.Conv2D(filters, 1, strides=stride, use_bias=False)(shortcut))
    return layers.ReLU()(layers.add([x, shortcut]))


inputs = keras.Input((12, 12, 3))
h = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(8, 3, padding="same", use_bias=False)(inputs)))
h = residual(residual(h, 8), 16, 2)
outputs = layers.Dense(3)(layers.GlobalAveragePooling2D()(h))
model = start(keras.Model(inputs, outputs))
schedule = keras.optimizers.schedules.CosineDecay(0.05, 24, alpha=0.1)
model.compile(
    keras.optimizers.SGD(schedule, momentum=0.9, nesterov=True, weight_decay=1e-4),
    keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
history = model.fit(x, y, batch_size=25, epochs=4, shuffle=False, verbose=0)
report(history.history["loss"][-1])
