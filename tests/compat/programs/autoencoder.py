"""A dense autoencoder, saved, loaded, and cut in two."""

import os
import tempfile

import keras
import numpy as np
from adapter import report, start
from keras import layers

random = np.random.RandomState(2)
x = (random.standard_normal((300, 4)) @ random.standard_normal((4, 20))).astype("float32")
encoder = keras.Sequential(
    [keras.Input((20,)), layers.Dense(12, activation="selu"), layers.Dense(4, name="code")], name="encoder"
)
decoder = keras.Sequential([keras.Input((4,)), layers.Dense(12, activation="selu"), layers.Dense(20)], name="decoder")
inputs = keras.Input((20,))
model = start(keras.Model(inputs, decoder(encoder(inputs))))
model.compile(keras.optimizers.Nadam(0.01), loss=keras.losses.LogCosh())
model.fit(x, x, batch_size=50, epochs=15, shuffle=False, verbose=0)
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "autoencoder.keras")
    model.save(path)
    again = keras.models.load_model(path)
codes = again.get_layer("encoder").predict(x, verbose=0)
decoded = again.get_layer("decoder").predict(codes, verbose=0)
np.testing.assert_allclose(decoded, model.predict(x, verbose=0), rtol=1e-4, atol=1e-5)
report(again.evaluate(x, x, verbose=0))
