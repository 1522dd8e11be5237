"""What differs between the libraries: where GradientTape comes from. And the same first weights for both."""

import keras
import numpy as np

GradientTape = getattr(keras, "GradientTape", None)
if GradientTape is None and keras.backend.backend() == "tensorflow":
    # Keras has none; TensorFlow, on which the programs with a tape run then, does.
    import tensorflow

    GradientTape = tensorflow.GradientTape


def start(model, seed=0):
    """Sets a model's weights to numbers that depend on their shapes alone, sized as Glorot would."""
    random = np.random.RandomState(seed)
    values = []
    for weight in model.weights:
        shape = tuple(weight.shape)
        draw = random.standard_normal(shape)
        name = weight.path.split("/")[-1]
        if name in ("gamma", "moving_variance") or (name == "scale" and len(shape) < 2):
            value = np.ones(shape)
        elif len(shape) < 2:
            value = np.zeros(shape)
        else:
            value = draw * np.sqrt(2.0 / (np.prod(shape[:-1]) + shape[-1]))
        values.append(value.astype("float32"))
    model.set_weights(values)
    return model


def report(loss):
    """Prints the last line: what the test compares."""
    print(f"loss {float(loss):.6f}")
