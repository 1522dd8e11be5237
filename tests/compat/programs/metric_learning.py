"""Embeddings of length 1 under a circle loss, with a metric of one's own."""

import keras
import numpy as np
from adapter import report, start
from keras import layers, ops


@keras.saving.register_keras_serializable(package="programs")
class MeanNorm(keras.metrics.Metric):
    def __init__(self, name="mean_norm", **kwargs):
        super().__init__(name=name, **kwargs)
        self.total = self.add_weight(name="total", initializer="zeros")
        self.count = self.add_weight(name="count", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        norms = ops.sqrt(ops.sum(ops.square(y_pred), axis=-1))
        self.total.assign_add(ops.sum(norms))
        self.count.assign_add(ops.cast(ops.shape(y_pred)[0], "float32"))

    def result(self):
        return self.total / self.count


random = np.random.RandomState(21)
labels = random.randint(0, 5, 200)
x = (random.standard_normal((5, 6))[labels] + 0.3 * random.standard_normal((200, 6))).astype("float32")
model = start(
    keras.Sequential(
        [keras.Input((6,)), layers.Dense(16, activation="silu"), layers.Dense(4), layers.UnitNormalization()]
    )
)
model.compile(keras.optimizers.AdamW(0.005), keras.losses.Circle(gamma=8.0), metrics=[MeanNorm()])
history = model.fit(x, labels, batch_size=40, epochs=6, shuffle=False, verbose=0)
assert abs(history.history["mean_norm"][-1] - 1.0) < 1e-3
report(history.history["loss"][-1])
