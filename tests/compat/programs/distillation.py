"""A student learns from a teacher: compute_loss is overridden, nothing else."""

import keras
import numpy as np
from adapter import report, start
from keras import layers, ops


class Distiller(keras.Model):
    def __init__(self, student, teacher, temperature=3.0, alpha=0.3):
        super().__init__()
        self.student, self.teacher = student, teacher
        self.teacher.trainable = False
        self.temperature, self.alpha = temperature, alpha
        self.divergence = keras.losses.KLDivergence()

    def call(self, x):
        return self.student(x)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        own = super().compute_loss(x, y, y_pred, sample_weight)
        soft = ops.softmax(self.teacher(x, training=False) / self.temperature)
        guess = ops.softmax(y_pred / self.temperature)
        return self.alpha * own + (1 - self.alpha) * self.temperature**2 * self.divergence(soft, guess)


random = np.random.RandomState(25)
x = random.standard_normal((300, 8)).astype("float32")
y = np.argmax(np.stack([x[:, :3].sum(1), x[:, 3:6].sum(1), x[:, 6:].sum(1)], axis=1), axis=1)
teacher = start(keras.Sequential([keras.Input((8,)), layers.Dense(32, activation="relu"), layers.Dense(3)]), 1)
teacher.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
teacher.fit(x, y, batch_size=30, epochs=10, shuffle=False, verbose=0)
student = start(keras.Sequential([keras.Input((8,)), layers.Dense(4, activation="relu"), layers.Dense(3)]), 2)
model = Distiller(student, teacher)
model.compile(
    keras.optimizers.Adam(0.02),
    keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=[keras.metrics.SparseCategoricalAccuracy()],
)
history = model.fit(x, y, batch_size=30, epochs=6, shuffle=False, verbose=0)
report(history.history["loss"][-1])
