"""A variational autoencoder with its own train_step."""

import keras
import numpy as np
from adapter import GradientTape, report, start
from keras import layers, ops


class Sampling(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.seed_generator = keras.random.SeedGenerator(1337)

    def call(self, inputs):
        mean, log_variance = inputs
        noise = keras.random.normal(shape=ops.shape(mean), seed=self.seed_generator)
        return mean + ops.exp(0.5 * log_variance) * noise


class VAE(keras.Model):
    def __init__(self, encoder, decoder, **kwargs):
        super().__init__(**kwargs)
        self.encoder, self.decoder = encoder, decoder
        self.total = keras.metrics.Mean(name="total")
        self.divergence = keras.metrics.Mean(name="divergence")

    @property
    def metrics(self):
        return [self.total, self.divergence]

    def train_step(self, data):
        with GradientTape() as tape:
            mean, log_variance, code = self.encoder(data)
            decoded = self.decoder(code)
            error = ops.mean(ops.sum(ops.square(data - decoded), axis=1))
            divergence = -0.5 * (1 + log_variance - ops.square(mean) - ops.exp(log_variance))
            divergence = ops.mean(ops.sum(divergence, axis=1))
            loss = error + 0.1 * divergence
        gradients = tape.gradient(loss, self.trainable_weights)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_weights, strict=True))
        self.total.update_state(loss)
        self.divergence.update_state(divergence)
        return {metric.name: metric.result() for metric in self.metrics}


random = np.random.RandomState(3)
x = (random.standard_normal((2048, 3)) @ random.standard_normal((3, 10))).astype("float32")
inputs = keras.Input((10,))
h = layers.Dense(16, activation="relu")(inputs)
mean, log_variance = layers.Dense(3)(h), layers.Dense(3)(h)
encoder = keras.Model(inputs, [mean, log_variance, Sampling()([mean, log_variance])])
decoder = keras.Sequential([keras.Input((3,)), layers.Dense(16, activation="relu"), layers.Dense(10)])
start(encoder, 1)
start(decoder, 2)
vae = VAE(encoder, decoder)
vae.compile(optimizer=keras.optimizers.Adam(0.01))
history = vae.fit(x, batch_size=64, epochs=12, shuffle=False, verbose=0)
report(history.history["total"][-1])
