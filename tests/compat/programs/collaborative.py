"""Collaborative filtering: embeddings of users and films, and a dot product."""

import keras
import numpy as np
from adapter import report, start
from keras import layers, ops, regularizers

random = np.random.RandomState(7)
users, films = random.randint(0, 50, 1500), random.randint(0, 40, 1500)
taste, style = random.standard_normal((50, 3)), random.standard_normal((40, 3))
ratings = 1 / (1 + np.exp(-np.sum(taste[users] * style[films], axis=1)))
pairs = np.stack([users, films], axis=1)


class Recommender(keras.Model):
    def __init__(self, user_count, film_count, size, **kwargs):
        super().__init__(**kwargs)
        penalty = regularizers.L2(1e-5)
        self.user_embedding = layers.Embedding(user_count, size, embeddings_regularizer=penalty)
        self.user_bias = layers.Embedding(user_count, 1)
        self.film_embedding = layers.Embedding(film_count, size, embeddings_regularizer=penalty)
        self.film_bias = layers.Embedding(film_count, 1)

    def call(self, inputs):
        user, film = self.user_embedding(inputs[:, 0]), self.film_embedding(inputs[:, 1])
        dot = ops.sum(user * film, axis=1, keepdims=True)
        return ops.sigmoid(dot + self.user_bias(inputs[:, 0]) + self.film_bias(inputs[:, 1]))


model = Recommender(50, 40, 6)
model(pairs[:2])
start(model)
model.compile(keras.optimizers.Adam(0.02), loss=keras.losses.BinaryCrossentropy())
history = model.fit(pairs, ratings, batch_size=64, epochs=6, shuffle=False, verbose=0, validation_split=0.1)
report(history.history["val_loss"][-1])
