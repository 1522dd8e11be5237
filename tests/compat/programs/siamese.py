"""A Siamese network: one encoder twice, a distance in a Lambda, a contrastive loss."""

import keras
import numpy as np
from adapter import report, start
from keras import layers, ops

random = np.random.RandomState(5)
centres = random.standard_normal((6, 8)) * 2
labels = random.randint(0, 6, (2, 400))
left, right = ((centres[side] + 0.5 * random.standard_normal((400, 8))).astype("float32") for side in labels)
same = (labels[0] == labels[1]).astype("float32")


def contrastive(y_true, y_pred, margin=1.0):
    near = ops.square(y_pred)
    far = ops.square(ops.maximum(margin - y_pred, 0.0))
    return ops.mean(y_true * near + (1 - y_true) * far)


encoder = keras.Sequential([keras.Input((8,)), layers.Dense(16, activation="tanh"), layers.Dense(4)])
a, b = keras.Input((8,)), keras.Input((8,))
distance = layers.Lambda(
    lambda pair: ops.sqrt(ops.maximum(ops.sum(ops.square(pair[0] - pair[1]), axis=1, keepdims=True), 1e-7)),
    output_shape=(1,),
)([encoder(a), encoder(b)])
model = start(keras.Model([a, b], distance))
model.compile(keras.optimizers.RMSprop(0.005), loss=contrastive)
history = model.fit([left, right], same, batch_size=40, epochs=6, shuffle=False, verbose=0)
report(history.history["loss"][-1])
