"""Writes `tensorboard_reference.json`: the events that real Keras writes for `tensorboard_case.py`.

Run it where Keras 3, JAX, TensorFlow and TensorBoard are installed:

    KERAS_BACKEND=jax python tests/training/make_tensorboard_reference.py
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import keras
import tensorboard
import tensorflow as tf
from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard_case import run


def rounded(values):
    return [float(f"{value:.9g}") for value in values]


def described(value):
    """Tag, plugin, data class, dtype, shape and values of a summary; images as pixels."""
    metadata, tensor = value.metadata, value.tensor
    plugin = metadata.plugin_data.plugin_name
    array = tf.make_ndarray(tensor)
    if plugin == "images":
        width, height, *images = array.tolist()
        pixels = [tf.io.decode_png(image).numpy().tolist() for image in images]
        content = [width.decode(), height.decode(), pixels]
    elif plugin == "graph_keras_model":
        content = None
    elif "steps_per_second" in value.tag:
        content = None
    else:
        content = rounded(array.ravel().tolist())
    return {
        "tag": value.tag,
        "plugin": plugin,
        "plugin content": metadata.plugin_data.content.decode(),
        "dtype": tensor.dtype,
        "shape": list(array.shape),
        "content": content,
    }


def recorded(update_freq):
    events = []
    with tempfile.TemporaryDirectory() as directory:
        run(keras, directory, update_freq)
        for path in sorted(Path(directory).rglob("*tfevents*")):
            for data in RawEventFileLoader(str(path)).Load():
                event = Event.FromString(data)
                for value in event.summary.value:
                    events.append({"folder": path.parent.name, "step": event.step, **described(value)})
    return events


def main():
    document = {
        "keras": keras.__version__,
        "tensorboard": tensorboard.__version__,
        "epoch": recorded("epoch"),
        "batch": recorded("batch"),
    }
    target = Path(__file__).with_name("tensorboard_reference.json")
    target.write_text(json.dumps(document, separators=(",", ":")) + "\n")
    print(f"{len(document['epoch'])} and {len(document['batch'])} events, {target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
