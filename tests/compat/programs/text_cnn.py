"""Convolutions of several widths over words, with a text vectorisation layer in front."""

import keras
import numpy as np
from adapter import report, start
from keras import layers

random = np.random.RandomState(18)
words = ["pump", "valve", "leak", "noise", "motor", "belt", "hot", "cold", "stop", "ok"]
texts = [" ".join(random.choice(words, random.randint(3, 9))) for _ in range(240)]
y = np.array(["leak" in t and "valve" in t for t in texts]).astype("float32")
vectorize = layers.TextVectorization(max_tokens=20, output_sequence_length=10)
vectorize.adapt(texts)
x = np.array(vectorize(texts))
inputs = keras.Input((10,), dtype="int32")
h = layers.SpatialDropout1D(0.0)(layers.Embedding(20, 12)(inputs))
branches = [layers.GlobalMaxPooling1D()(layers.Conv1D(8, width, activation="relu")(h)) for width in (2, 3, 4)]
outputs = layers.Dense(1, activation="sigmoid")(layers.Concatenate()(branches))
model = start(keras.Model(inputs, outputs))
model.compile(keras.optimizers.Adam(0.02), "binary_crossentropy", metrics=["accuracy"])
history = model.fit(x, y, batch_size=24, epochs=6, shuffle=False, verbose=0)
report(history.history["loss"][-1])
