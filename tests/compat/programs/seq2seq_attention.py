"""An encoder and a decoder with attention reverse sequences; the states go from one to the other."""

import keras
import numpy as np
from adapter import report, start
from keras import layers

random = np.random.RandomState(6)
source = random.randint(1, 12, (192, 7))
target = source[:, ::-1]
shifted = np.concatenate([np.zeros((192, 1), int), target[:, :-1]], axis=1)
encoder_inputs = keras.Input((None,), dtype="int32", name="source")
h = layers.Embedding(12, 16, mask_zero=True)(encoder_inputs)
encoded, forward_h, forward_c, backward_h, backward_c = layers.Bidirectional(
    layers.LSTM(12, return_sequences=True, return_state=True)
)(h)
state_h = layers.Concatenate()([forward_h, backward_h])
state_c = layers.Concatenate()([forward_c, backward_c])
decoder_inputs = keras.Input((None,), dtype="int32", name="shifted")
d = layers.Embedding(12, 16)(decoder_inputs)
d = layers.LSTM(24, return_sequences=True)(d, initial_state=[state_h, state_c])
context = layers.Attention()([d, encoded])
outputs = layers.TimeDistributed(layers.Dense(12, activation="softmax"))(layers.Concatenate()([d, context]))
model = start(keras.Model([encoder_inputs, decoder_inputs], outputs))
model.compile(keras.optimizers.Adam(0.01, clipnorm=1.0), "sparse_categorical_crossentropy", metrics=["accuracy"])
history = model.fit([source, shifted], target, batch_size=32, epochs=4, shuffle=False, verbose=0)
report(history.history["loss"][-1])
