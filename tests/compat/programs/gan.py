"""A generative adversarial network: two models, two optimizers, one train_step."""

import keras
import numpy as np
from adapter import GradientTape, report, start
from keras import layers, ops


class GAN(keras.Model):
    def __init__(self, discriminator, generator, latent):
        super().__init__()
        self.discriminator, self.generator, self.latent = discriminator, generator, latent
        self.seed_generator = keras.random.SeedGenerator(1)
        self.d_tracker, self.g_tracker = keras.metrics.Mean(name="d_loss"), keras.metrics.Mean(name="g_loss")

    @property
    def metrics(self):
        return [self.d_tracker, self.g_tracker]

    def compile(self, d_optimizer, g_optimizer, loss_fn):
        super().compile()
        self.d_optimizer, self.g_optimizer, self.loss_fn = d_optimizer, g_optimizer, loss_fn

    def noise(self, count):
        return keras.random.normal((count, self.latent), seed=self.seed_generator)

    def train_step(self, real):
        count = ops.shape(real)[0]
        both = ops.concatenate([self.generator(self.noise(count)), real], axis=0)
        labels = ops.concatenate([ops.ones((count, 1)), ops.zeros((count, 1))], axis=0)
        with GradientTape() as tape:
            d_loss = self.loss_fn(labels, self.discriminator(both))
        gradients = tape.gradient(d_loss, self.discriminator.trainable_weights)
        self.d_optimizer.apply(gradients, self.discriminator.trainable_weights)
        noise = self.noise(count)
        with GradientTape() as tape:
            g_loss = self.loss_fn(ops.zeros((count, 1)), self.discriminator(self.generator(noise)))
        gradients = tape.gradient(g_loss, self.generator.trainable_weights)
        self.g_optimizer.apply(gradients, self.generator.trainable_weights)
        self.d_tracker.update_state(d_loss)
        self.g_tracker.update_state(g_loss)
        return {"d_loss": self.d_tracker.result(), "g_loss": self.g_tracker.result()}


random = np.random.RandomState(4)
x = (random.standard_normal((2048, 2)) * [0.5, 2.0] + [1.0, -1.0]).astype("float32")
discriminator = keras.Sequential(
    [keras.Input((2,)), layers.Dense(16), layers.LeakyReLU(negative_slope=0.2), layers.Dense(1)]
)
generator = keras.Sequential([keras.Input((3,)), layers.Dense(16), layers.LeakyReLU(), layers.Dense(2)])
start(discriminator, 1)
start(generator, 2)
gan = GAN(discriminator, generator, 3)
gan.compile(
    keras.optimizers.Adam(0.002, beta_1=0.5),
    keras.optimizers.Adam(0.002, beta_1=0.5),
    keras.losses.BinaryCrossentropy(from_logits=True),
)
history = gan.fit(x, batch_size=128, epochs=8, shuffle=False, verbose=0)
report(history.history["d_loss"][-1] + history.history["g_loss"][-1])
