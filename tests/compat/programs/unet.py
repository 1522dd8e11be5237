"""A small U-Net segments squares."""

import keras
import numpy as np
from adapter import report, start
from keras import layers

random = np.random.RandomState(1)
masks = np.zeros((48, 16, 16, 1), "float32")
for mask in masks:
    i, j, size = random.randint(0, 9), random.randint(0, 9), random.randint(3, 7)
    mask[i : i + size, j : j + size] = 1.0
images = masks + 0.5 * random.standard_normal(masks.shape).astype("float32")


def block(x, filters):
    for _ in range(2):
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.Activation("relu")(x)
    return x


inputs = keras.Input((16, 16, 1))
down_1 = block(inputs, 8)
down_2 = block(layers.MaxPooling2D()(down_1), 16)
bottom = block(layers.MaxPooling2D()(down_2), 32)
up_2 = block(layers.Concatenate()([layers.Conv2DTranspose(16, 2, strides=2, padding="same")(bottom), down_2]), 16)
up_1 = block(layers.concatenate([layers.UpSampling2D()(up_2), down_1]), 8)
outputs = layers.Conv2D(1, 1, activation="sigmoid")(up_1)
model = start(keras.Model(inputs, outputs))
model.compile(keras.optimizers.Adam(0.01), keras.losses.Dice(axis=(1, 2, 3)), metrics=[keras.metrics.BinaryIoU([1])])
history = model.fit(images, masks, batch_size=16, epochs=5, shuffle=False, verbose=0)
report(history.history["loss"][-1])
