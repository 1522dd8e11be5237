"""The networks of the workloads, from layers of Keras' interface: the same code for Ironhorn and for Keras.

Layers have names, by which `torch_networks` and the weights to start from find them. A function takes the library and
the share that dropout drops, which is zero where results of libraries are compared.
"""

import math
from typing import Any


def small(keras: Any, dropout: float) -> Any:
    """Two dense layers, so little work that what is left is dispatch."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(16, activation="relu", name="dense1"),
            layers.Dense(1, name="dense2"),
        ]
    )


def mlp(keras: Any, dropout: float) -> Any:
    """Three dense layers, 784-512-512-10."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((784,)),
            layers.Dense(512, activation="relu", name="dense1"),
            layers.Dense(512, activation="relu", name="dense2"),
            layers.Dense(10, activation="softmax", name="dense3"),
        ]
    )


def mnist_cnn(keras: Any, dropout: float) -> Any:
    """Two convolutions with pooling, as in the first example of Keras."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu", name="conv1"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu", name="conv2"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(dropout),
            layers.Dense(10, activation="softmax", name="dense"),
        ]
    )


def textcnn(keras: Any, dropout: float) -> Any:
    """Words, two strided convolutions over them, the greatest of each filter."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((500,), dtype="int32"),
            layers.Embedding(20_000, 128, name="embedding"),
            layers.Dropout(dropout),
            layers.Conv1D(128, 7, strides=3, activation="relu", name="conv1"),
            layers.Conv1D(128, 7, strides=3, activation="relu", name="conv2"),
            layers.GlobalMaxPooling1D(),
            layers.Dense(128, activation="relu", name="dense1"),
            layers.Dropout(dropout),
            layers.Dense(1, activation="sigmoid", name="dense2"),
        ]
    )


def imdb_lstm(keras: Any, dropout: float) -> Any:
    """Words, and two layers of LSTM in both directions."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((200,), dtype="int32"),
            layers.Embedding(20_000, 128, name="embedding"),
            layers.Bidirectional(layers.LSTM(64, return_sequences=True), name="lstm1"),
            layers.Bidirectional(layers.LSTM(64), name="lstm2"),
            layers.Dense(1, activation="sigmoid", name="dense"),
        ]
    )


def sensor_gru(keras: Any, dropout: float) -> Any:
    """Readings of 14 sensors, two layers of GRU, one number."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((120, 14)),
            layers.GRU(64, return_sequences=True, name="gru1"),
            layers.GRU(32, name="gru2"),
            layers.Dense(1, name="dense"),
        ]
    )


def convolution(keras: Any, x: Any, name: str, filters: int, size: int, strides: int = 1) -> Any:
    """A convolution without bias and the batch normalization after it."""
    layers = keras.layers
    x = layers.Conv2D(filters, size, strides=strides, padding="same", use_bias=False, name=f"{name}_conv")(x)
    return layers.BatchNormalization(name=f"{name}_norm")(x)


def resnet20(keras: Any, dropout: float) -> Any:
    """ResNet-20 for images of 32x32 (He and others 2015, section 4.2), with projections where the size changes."""
    relu = keras.layers.ReLU
    inputs = keras.Input((32, 32, 3))
    x = relu()(convolution(keras, inputs, "stem", 16, 3))
    for stage, filters in enumerate((16, 32, 64)):
        for block in range(3):
            strides = 2 if stage > 0 and block == 0 else 1
            name = f"stage{stage}_block{block}"
            y = relu()(convolution(keras, x, f"{name}_first", filters, 3, strides))
            y = convolution(keras, y, f"{name}_second", filters, 3)
            if strides > 1:
                x = convolution(keras, x, f"{name}_shortcut", filters, 1, strides)
            x = relu()(keras.layers.Add()([x, y]))
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(10, activation="softmax", name="dense")(x))


def resnet50(keras: Any, dropout: float) -> Any:
    """ResNet-50 for images of 224x224 (He and others 2015, table 1)."""
    relu = keras.layers.ReLU
    inputs = keras.Input((224, 224, 3))
    x = relu()(convolution(keras, inputs, "stem", 64, 7, 2))
    x = keras.layers.MaxPooling2D(3, 2, padding="same")(x)
    for stage, (filters, blocks) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3))):
        for block in range(blocks):
            strides = 2 if stage > 0 and block == 0 else 1
            name = f"stage{stage}_block{block}"
            y = relu()(convolution(keras, x, f"{name}_first", filters, 1, strides))
            y = relu()(convolution(keras, y, f"{name}_second", filters, 3))
            y = convolution(keras, y, f"{name}_third", 4 * filters, 1)
            if block == 0:
                x = convolution(keras, x, f"{name}_shortcut", 4 * filters, 1, strides)
            x = relu()(keras.layers.Add()([x, y]))
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(1000, activation="softmax", name="dense")(x))


# Expansion, filters, blocks and strides of each stage.
MOBILE_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def mobilenet_v2(keras: Any, dropout: float) -> Any:
    """MobileNetV2 for images of 224x224 (Sandler and others 2018, table 2)."""
    layers = keras.layers

    def relu6(x: Any) -> Any:
        return layers.ReLU(max_value=6.0)(x)

    inputs = keras.Input((224, 224, 3))
    x = relu6(convolution(keras, inputs, "stem", 32, 3, 2))
    channels = 32
    for stage, (expansion, filters, blocks, first) in enumerate(MOBILE_STAGES):
        for block in range(blocks):
            strides = first if block == 0 else 1
            name = f"stage{stage}_block{block}"
            y = x
            if expansion > 1:
                y = relu6(convolution(keras, y, f"{name}_expand", expansion * channels, 1))
            y = layers.DepthwiseConv2D(
                3, strides=strides, padding="same", use_bias=False, name=f"{name}_depthwise_conv"
            )(y)
            y = relu6(layers.BatchNormalization(name=f"{name}_depthwise_norm")(y))
            y = convolution(keras, y, f"{name}_project", filters, 1)
            x = layers.Add()([x, y]) if strides == 1 and channels == filters else y
            channels = filters
    x = relu6(convolution(keras, x, "head", 1280, 1))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(1000, activation="softmax", name="dense")(x))


def operations(model: Any) -> tuple[int, int]:
    """Floating-point operations of all products of one sample, forward and in a training step.

    A multiplication and addition are two. The derivative of a product is two products; where its input is the sample
    it is one, because nobody asks for the derivative of that.
    """
    forward = training = 0
    for layer in model.layers:
        kernels = [weight for weight in layer.weights if weight.name.endswith("kernel")]
        # Each element of a kernel is used once a pixel of the output, or once a step of a sequence.
        recurrent = any(weight.name == "recurrent_kernel" for weight in kernels)
        uses = layer.input.shape[1] if recurrent else math.prod(layer.output.shape[1:-1])
        own = 2 * uses * sum(math.prod(kernel.shape) for kernel in kernels)
        training += (3 if forward or any("embed" in other.name for other in model.layers) else 2) * own
        forward += own
    return forward, training


def kept_bytes(model: Any, batch: int) -> int:
    """Bytes that the derivative of a convolutional network has to keep of a batch of float32.

    Each convolution needs its input, and batch normalization the output of the convolution before it; all else can be
    computed again from these by elementwise loops.
    """
    kept = {}
    for layer in model.layers:
        if any(weight.name == "kernel" for weight in layer.weights):
            normalized = not getattr(layer, "use_bias", True)
            for tensor in (layer.input, layer.output) if normalized else (layer.input,):
                kept[id(tensor)] = 4 * batch * math.prod(tensor.shape[1:])
    return sum(kept.values())
