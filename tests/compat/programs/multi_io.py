"""Named inputs and outputs, a loss and a weight for each, metrics for some."""

import keras
import numpy as np
from adapter import report, start
from keras import layers

random = np.random.RandomState(9)
text = random.randint(1, 30, (200, 9))
sensor = random.standard_normal((200, 5)).astype("float32")
priority = (sensor[:, :1] + (text[:, :1] > 15)).astype("float32")
department = (text.sum(1) % 4)[:, None]
text_input = keras.Input((None,), name="text", dtype="int32")
sensor_input = keras.Input((5,), name="sensor")
h = layers.GlobalAveragePooling1D()(layers.Embedding(30, 8)(text_input))
h = layers.concatenate([h, layers.Dense(8, activation="relu")(sensor_input)])
outputs = {
    "priority": layers.Dense(1, name="priority")(h),
    "department": layers.Dense(4, activation="softmax", name="department")(h),
}
model = start(keras.Model({"text": text_input, "sensor": sensor_input}, outputs))
model.compile(
    optimizer=keras.optimizers.RMSprop(0.01),
    loss={"priority": "mse", "department": keras.losses.SparseCategoricalCrossentropy()},
    loss_weights={"priority": 1.0, "department": 0.2},
    metrics={"department": ["accuracy"], "priority": ["mae"]},
    weighted_metrics={"priority": ["mse"]},
)
weights = {"priority": np.linspace(0.5, 1.5, 200), "department": np.ones(200)}
history = model.fit(
    {"text": text, "sensor": sensor},
    {"priority": priority, "department": department},
    sample_weight=weights,
    batch_size=20,
    epochs=5,
    shuffle=False,
    verbose=0,
)
assert set(model.predict({"text": text[:3], "sensor": sensor[:3]}, verbose=0)) == {"priority", "department"}
report(history.history["loss"][-1])
