"""A transformer block, written as a layer, classifies token sequences."""

import keras
import numpy as np
from adapter import report, start
from keras import layers, ops


class TransformerBlock(layers.Layer):
    def __init__(self, width, heads, hidden, **kwargs):
        super().__init__(**kwargs)
        self.attention = layers.MultiHeadAttention(num_heads=heads, key_dim=width // heads)
        self.feed_forward = keras.Sequential([layers.Dense(hidden, activation="gelu"), layers.Dense(width)])
        self.norm_1 = layers.LayerNormalization(epsilon=1e-6)
        self.norm_2 = layers.LayerNormalization(epsilon=1e-6)

    def call(self, inputs):
        x = self.norm_1(inputs + self.attention(inputs, inputs))
        return self.norm_2(x + self.feed_forward(x))


class TokenAndPosition(layers.Layer):
    def __init__(self, vocabulary, length, width, **kwargs):
        super().__init__(**kwargs)
        self.tokens = layers.Embedding(vocabulary, width)
        self.positions = layers.Embedding(length, width)

    def call(self, x):
        return self.tokens(x) + self.positions(ops.arange(0, ops.shape(x)[-1], 1))


random = np.random.RandomState(0)
x = random.randint(0, 40, (256, 12))
y = (np.sum(x < 10, axis=1) > 3).astype("int32")
inputs = keras.Input((12,), dtype="int32")
h = TokenAndPosition(40, 12, 16)(inputs)
h = TransformerBlock(16, 2, 32)(h)
h = layers.GlobalAveragePooling1D()(h)
h = layers.Dense(16, activation="relu")(h)
model = start(keras.Model(inputs, layers.Dense(2, activation="softmax")(h)))
model.compile(keras.optimizers.Adam(0.005), "sparse_categorical_crossentropy", metrics=["accuracy"])
history = model.fit(x, y, batch_size=32, epochs=4, shuffle=False, verbose=0)
report(history.history["loss"][-1])
