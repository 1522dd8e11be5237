"""Product inspection: sort photographs of goods into ten classes, and say which ones a person should look at.

A small convolutional network on Fashion-MNIST (60,000 training and 10,000 test images, 28x28, grey). Plain Keras:

    python -m ironhorn run examples/product_inspection.py        # on Ironhorn
    python examples/product_inspection.py                        # on Keras itself
"""

import time

import keras
from keras import layers

CLASSES = ["t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot"]

keras.utils.set_random_seed(7)
(x_train, y_train), (x_test, y_test) = keras.datasets.fashion_mnist.load_data()
x_train, x_test = x_train[..., None], x_test[..., None]

model = keras.Sequential(
    [
        keras.Input((28, 28, 1)),
        layers.Rescaling(1.0 / 255),
        layers.Conv2D(16, 3, padding="same", use_bias=False),
        layers.BatchNormalization(),
        layers.Activation("relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(32, 3, padding="same", use_bias=False),
        layers.BatchNormalization(),
        layers.Activation("relu"),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dropout(0.25),
        layers.Dense(128, activation="relu"),
        layers.Dense(10, activation="softmax"),
    ]
)
model.summary()
model.compile(keras.optimizers.Adam(), loss="sparse_categorical_crossentropy", metrics=["accuracy"])


def slow_down(epoch, logs=None):
    """Halve the step with every epoch."""
    model.optimizer.learning_rate = 1e-3 * 0.5**epoch


started = time.perf_counter()
slower = keras.callbacks.LambdaCallback(on_epoch_begin=slow_down)
model.fit(x_train, y_train, batch_size=64, epochs=5, callbacks=[slower], verbose=2)
seconds = time.perf_counter() - started

_, accuracy = model.evaluate(x_test, y_test, batch_size=500, verbose=0)
probabilities = model.predict(x_test, batch_size=500, verbose=0)
predicted = probabilities.argmax(axis=1)
sure = probabilities.max(axis=1) >= 0.9
right = predicted == y_test

print(f"\ntest accuracy {accuracy:.4f}, 5 epochs in {seconds:.1f} s")
print(f"sorted without a person: {sure.mean():.1%} of the goods, of which {right[sure].mean():.2%} right")
for name, recall in sorted(((CLASSES[c], right[y_test == c].mean()) for c in range(10)), key=lambda pair: pair[1])[:3]:
    print(f"hardest class: {name:10s} {recall:.1%} found")
