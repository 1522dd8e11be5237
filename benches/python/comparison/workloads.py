"""The workloads: a network, what it is fed, and how often a repeat goes over it.

Data are random: no figure here is about accuracy. Weights start from `starting_value` in every library.
"""

import dataclasses
import math
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from comparison import networks

CHECKED_ROWS = 4


@dataclasses.dataclass(frozen=True)
class Workload:
    """A network with its data.

    Args:
        network: Makes it, from a library with Keras' interface and the share that dropout drops.
        sample: Shape of one sample.
        task: What is learned: `"classes"`, `"yes_or_no"` or `"number"`.
        unit: What a sample is.
        batch: Samples of a step, and of a batch of `predict`.
        samples: How many there are.
        epochs: How often a repeat of `fit` goes over them; zero where training is not measured.
        vocabulary: Number of words where a sample is a text.
        classes: Number of classes.
        description: The network in words.
    """

    network: Callable[[Any, float], Any]
    sample: tuple[int, ...]
    task: str
    unit: str
    batch: int
    samples: int
    epochs: int
    description: str
    vocabulary: int | None = None
    classes: int = 10

    @property
    def name(self) -> str:
        """The name on the command line."""
        return self.network.__name__

    def data(self, samples: int | None = None) -> tuple[Any, Any]:
        """Samples and what is to be learned of them, the same in every process."""
        rng = np.random.default_rng(0)
        shape = (samples or self.samples, *self.sample)
        if self.vocabulary:
            x = rng.integers(0, self.vocabulary, shape).astype("int32")
        else:
            x = rng.normal(size=shape).astype("float32")
        if self.task == "classes":
            return x, rng.integers(0, self.classes, len(x))
        if self.task == "yes_or_no":
            return x, rng.integers(0, 2, (len(x), 1)).astype("float32")
        return x, rng.normal(size=(len(x), 1)).astype("float32")


def starting_value(layer: str, position: int, role: str, shape: tuple[int, ...]) -> Any:
    """The value that a weight starts from, in Keras' layout.

    It is drawn by the weight's own name, so that libraries need not list weights in the same order.

    Args:
        layer: Name of the layer.
        position: Which of the layer's weights.
        role: Keras' name of the weight: `"kernel"`, `"gamma"` and so on.
        shape: Its shape.
    """
    noise = np.random.default_rng(zlib.crc32(f"{layer} {position}".encode())).normal(size=shape)
    if role.endswith("kernel"):
        depthwise = len(shape) == 4 and shape[-1] == 1
        noise /= math.sqrt(math.prod(shape[:2] if depthwise else shape[:-1]))
    elif role in ("gamma", "moving_variance"):
        noise = 1 + 0.1 * noise.clip(-5, 5)
    else:
        noise *= 0.1
    return noise.astype("float32")


WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload(networks.small, (8,), "number", "rows", 32, 32_000, 2, "Dense 16, Dense 1; batch 32"),
        Workload(networks.mlp, (784,), "classes", "rows", 128, 12_800, 2, "784-512-512-10; batch 128"),
        Workload(
            networks.mnist_cnn,
            (28, 28, 1),
            "classes",
            "images",
            128,
            5_120,
            2,
            "28x28x1, Conv 32 3x3, pool, Conv 64 3x3, pool, dropout, Dense 10; batch 128",
        ),
        Workload(
            networks.resnet20,
            (32, 32, 3),
            "classes",
            "images",
            128,
            1_280,
            1,
            "ResNet-20, 32x32x3; batch 128",
        ),
        Workload(
            networks.textcnn,
            (500,),
            "yes_or_no",
            "texts",
            32,
            1_280,
            1,
            "500 words, Embedding(20000, 128), 2 x Conv1D(128, 7, strides 3), greatest, Dense 128, Dense 1; batch 32",
            vocabulary=20_000,
        ),
        Workload(
            networks.imdb_lstm,
            (200,),
            "yes_or_no",
            "texts",
            32,
            640,
            1,
            "200 words, Embedding(20000, 128), 2 x bidirectional LSTM 64, Dense 1; batch 32",
            vocabulary=20_000,
        ),
        Workload(
            networks.sensor_gru,
            (120, 14),
            "number",
            "windows",
            256,
            2_560,
            1,
            "120 x 14, GRU 64, GRU 32, Dense 1; batch 256",
        ),
        Workload(
            networks.resnet50,
            (224, 224, 3),
            "classes",
            "images",
            8,
            16,
            0,
            "ResNet-50, 224x224x3",
            classes=1000,
        ),
        Workload(
            networks.mobilenet_v2,
            (224, 224, 3),
            "classes",
            "images",
            8,
            32,
            0,
            "MobileNetV2, 224x224x3",
            classes=1000,
        ),
    )
}
