"""Depthwise and separable convolutions, zero padding, group normalisation, and an exponential moving average."""

import keras
import numpy as np
from adapter import report, start
from keras import layers

random = np.random.RandomState(24)
x = random.standard_normal((80, 14, 14, 3)).astype("float32")
y = keras.utils.to_categorical((x[:, ::2].mean((1, 2, 3)) > x[:, 1::2].mean((1, 2, 3))).astype(int), 2)
model = start(
    keras.Sequential(
        [
            keras.Input((14, 14, 3)),
            layers.Rescaling(0.5),
            layers.ZeroPadding2D(1),
            layers.Conv2D(8, 3, strides=2),
            layers.GroupNormalization(4),
            layers.Activation("hard_swish"),
            layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2),
            layers.LayerNormalization(),
            layers.SeparableConv2D(12, 3, activation="relu6"),
            layers.AveragePooling2D(2),
            layers.Cropping2D(((0, 0), (0, 0))),
            layers.Flatten(),
            layers.Dense(2, activation="softmax"),
        ]
    )
)
model.compile(
    keras.optimizers.Lion(0.001, use_ema=True, ema_momentum=0.9),
    keras.losses.CategoricalCrossentropy(label_smoothing=0.05),
    metrics=[keras.metrics.TopKCategoricalAccuracy(1), keras.metrics.F1Score(average="macro")],
)
history = model.fit(x, y, batch_size=20, epochs=4, shuffle=False, verbose=0)
report(history.history["loss"][-1] + model.evaluate(x, y, verbose=0, return_dict=True)["loss"])
