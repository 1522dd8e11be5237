"""`TensorBoard`: what it writes, beside what Keras wrote (recorded) and through TensorBoard's own readers (live)."""

from __future__ import annotations

import io
import json
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

import ironhorn as keras
from ironhorn.callbacks import event_file
from ironhorn.errors import UnsupportedError
from training.tensorboard_case import run

REFERENCE = json.loads(Path(__file__).with_name("tensorboard_reference.json").read_text())
X = np.random.default_rng(0).normal(size=(24, 4)).astype("float32")
Y = X[:, :1]


def model(*layers):
    keras.utils.set_random_seed(1)
    network = keras.Sequential([keras.layers.Input((4,)), *(layers or [keras.layers.Dense(1, name="last")])])
    network.compile("sgd", "mse")
    return network


# A reader of its own, which shares nothing with the writer.


def slow_crc32c(data):
    """CRC-32C bit by bit."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 * (crc & 1))
    return crc ^ 0xFFFFFFFF


def masked(data):
    crc = slow_crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) % 2**32


def records(content):
    while content:
        header, check = content[:8], struct.unpack("<I", content[8:12])[0]
        assert masked(header) == check
        (length,) = struct.unpack("<Q", header)
        payload, check = content[12 : 12 + length], struct.unpack("<I", content[12 + length : 16 + length])[0]
        assert len(payload) == length
        assert masked(payload) == check
        yield payload
        content = content[16 + length :]


def fields(message):
    """Numbers and values of the fields of a message."""
    stream = io.BytesIO(message)

    def varint():
        number = shift = 0
        while True:
            byte = stream.read(1)[0]
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return number

    while stream.tell() < len(message):
        key = varint()
        kind = key & 7
        value = varint() if kind == 0 else stream.read({1: 8, 2: None, 5: 4}[kind] or varint())
        yield key >> 3, value


def collected(message):
    found = {}
    for number, value in fields(message):
        found.setdefault(number, []).append(value)
    return found


def described(message):
    """A summary's value, as `make_tensorboard_reference.py` writes it."""
    value = collected(message)
    tensor = collected(value[8][0])
    plugin = collected(collected(value[9][0])[1][0])
    shape = [collected(axis)[1][0] for number, axis in fields(tensor[2][0]) if number == 2]
    dtype = tensor[1][0]
    name = plugin[1][0].decode()
    strings = tensor.get(8, [])
    if name == "images":
        content = [strings[0].decode(), strings[1].decode(), [pixels(image) for image in strings[2:]]]
    elif name == "graph_keras_model":
        content = strings[0].decode()
    else:
        content = np.frombuffer(tensor[4][0], {1: "<f4", 2: "<f8"}[dtype]).tolist()
    return {
        "tag": value[1][0].decode(),
        "plugin": name,
        "plugin content": plugin[2][0].decode(),
        "dtype": dtype,
        "shape": shape,
        "content": content,
    }


def pixels(image):
    """The pixels of a PNG whose rows are not filtered; checks its parts' checksums."""
    assert image[:8] == b"\x89PNG\r\n\x1a\n"
    place, parts = 8, {}
    while place < len(image):
        (length,) = struct.unpack(">I", image[place : place + 4])
        name, data = image[place + 4 : place + 8], image[place + 8 : place + 8 + length]
        assert struct.unpack(">I", image[place + 8 + length : place + 12 + length])[0] == zlib.crc32(name + data)
        parts[name] = data
        place += 12 + length
    assert list(parts) == [b"IHDR", b"IDAT", b"IEND"]
    width, height, depth, kind = struct.unpack(">IIBB", parts[b"IHDR"][:10])
    rows = np.frombuffer(zlib.decompress(parts[b"IDAT"]), np.uint8).reshape(height, -1)
    assert depth == 8
    assert not rows[:, 0].any()
    return rows[:, 1:].reshape(height, width, {0: 1, 2: 3, 6: 4}[kind]).tolist()


def events(directory):
    found = []
    for path in sorted(Path(directory).rglob("*tfevents*")):
        first, *others = records(path.read_bytes())
        assert collected(first)[3] == [b"brain.Event:2"]
        for record in others:
            event = collected(record)
            assert struct.unpack("<d", event[1][0])[0] > 1.5e9
            for number, value in fields(event[5][0]):
                assert number == 1
                found.append({"folder": path.parent.name, "step": event[2][0], **described(value)})
    return found


def tags(directory):
    return [(event["folder"], event["step"], event["tag"]) for event in events(directory)]


@pytest.mark.parametrize("update_freq", ["epoch", "batch"])
def test_as_keras(update_freq, tmp_path):
    run(keras, tmp_path, update_freq)
    actual = events(tmp_path)

    def key(event):
        return event["folder"], event["tag"], event["step"]

    expected = sorted(REFERENCE[update_freq], key=key)
    actual = sorted(actual, key=key)
    assert [key(event) for event in actual] == [key(event) for event in expected]
    for left, right in zip(expected, actual, strict=True):
        right, left = dict(right), dict(left)
        content, recorded = right.pop("content"), left.pop("content")
        assert left == right
        if left["plugin"] == "images":
            assert recorded[:2] == content[:2]
            assert np.abs(np.array(recorded[2]) - np.array(content[2])).max() <= 1
        elif left["plugin"] == "graph_keras_model":
            assert json.loads(content)["class_name"] == "Sequential"
        elif recorded is None:
            assert content[0] > 0
        else:
            np.testing.assert_allclose(content, recorded, rtol=2e-5, atol=1e-6)


def test_logs_of_batches_by_frequency(tmp_path):
    callback = keras.callbacks.TensorBoard(tmp_path, update_freq=3, write_graph=False)
    model().fit(X, Y, batch_size=3, epochs=2, verbose=0, callbacks=[callback])
    batches = [(step, tag) for _, step, tag in tags(tmp_path) if tag.startswith("batch")]
    assert batches == [(step, "batch_loss") for step in (3, 6, 9, 12, 15)]
    epochs = [(step, tag) for _, step, tag in tags(tmp_path) if tag.startswith("epoch")]
    assert epochs == [(epoch, f"epoch_{name}") for epoch in (0, 1) for name in ("loss", "learning_rate")]


def test_only_frequent_logs_listen_to_batches(tmp_path):
    callbacks = keras.callbacks
    for update_freq, listens in (("epoch", False), ("batch", True), (5, True)):
        callback = callbacks.TensorBoard(tmp_path, update_freq=update_freq)
        assert callbacks.CallbackList([callback]).listens("train") is listens


def test_subclassed_model_has_no_graph(tmp_path):
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.last = keras.layers.Dense(1)

        def call(self, inputs):
            return self.last(inputs)

    network = Own()
    network.compile("sgd", "mse")
    network.fit(X, Y, verbose=0, callbacks=[keras.callbacks.TensorBoard(tmp_path, histogram_freq=1)])
    names = [tag for _, _, tag in tags(tmp_path)]
    assert "keras" not in names
    assert sum(name.endswith("/histogram") for name in names) == 2


def test_model_that_cannot_be_described_is_left_out(tmp_path):
    class Bare(keras.layers.Layer):
        def __init__(self, array):
            super().__init__()
            self.array = array

        def call(self, inputs):
            return inputs * 2

        def get_config(self):
            raise NotImplementedError("no config")

    network = model(Bare(X), keras.layers.Dense(1))
    with pytest.warns(UserWarning, match="cannot be written as JSON"):
        network.fit(X, Y, verbose=0, callbacks=[keras.callbacks.TensorBoard(tmp_path)])
    assert "keras" not in [tag for _, _, tag in tags(tmp_path)]


def test_a_second_fit_writes_another_file(tmp_path):
    callback = keras.callbacks.TensorBoard(tmp_path, write_graph=False)
    network = model()
    for _ in range(2):
        network.fit(X, Y, verbose=0, callbacks=[callback])
    assert len(list(tmp_path.rglob("*tfevents*"))) == 2
    assert len(tags(tmp_path)) == 4


def test_learning_rate_of_a_schedule(tmp_path):
    network = model()
    network.compile(keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.5, 1, 0.5)), "mse")
    network.fit(X, Y, batch_size=12, epochs=2, verbose=0, callbacks=[keras.callbacks.TensorBoard(tmp_path)])
    rates = [event["content"] for event in events(tmp_path) if event["tag"] == "epoch_learning_rate"]
    np.testing.assert_allclose(np.ravel(rates), [0.125, 0.03125])


def test_checksum():
    # RFC 3720, B.4.
    assert event_file.checksum(bytes(32)) == 0x8A9136AA
    assert event_file.checksum(b"\xff" * 32) == 0x62A8AB43
    assert event_file.checksum(bytes(range(32))) == 0x46DD794E


@pytest.mark.parametrize("step", [0, 1, 127, 128, 300, 2**31, 2**62])
def test_steps_of_any_size(step, tmp_path):
    file = event_file.EventFile(str(tmp_path))
    file.scalar("value", 1e300, step)
    file.close()
    (event,) = events(tmp_path.parent / tmp_path.name)
    assert (event["step"], event["content"]) == (step, [np.inf])


def test_histograms_of_special_values():
    np.testing.assert_array_equal(event_file.histogram_rows([]), np.zeros((30, 3)))
    np.testing.assert_array_equal(event_file.histogram_rows([np.nan, np.inf]), np.zeros((30, 3)))
    rows = event_file.histogram_rows([2, 2, 2])
    assert rows[:, 2].tolist() == [0] * 29 + [3]
    assert (rows[:, :2] == 2).all()
    values = np.random.default_rng(0).normal(size=1000)
    rows = event_file.histogram_rows(values)
    assert rows[:, 2].sum() == 1000
    counts, edges = np.histogram(values, 30)
    np.testing.assert_array_equal(rows[:, 2], counts)
    np.testing.assert_allclose(rows[:, 0], edges[:-1])


def test_images_of_special_values(tmp_path):
    file = event_file.EventFile(str(tmp_path))
    image = np.array([-1, 0, 0.5, 1, 7, np.nan, np.inf, -np.inf], "float32").reshape(1, 2, 4, 1)
    file.images("gray", np.repeat(image, 5, axis=0), 0)
    file.images("color", np.zeros((1, 2, 3, 4), "float32"), 0)
    file.close()
    gray, color = events(tmp_path)
    assert gray["shape"] == [5]
    assert np.ravel(gray["content"][2][0]).tolist() == [0, 0, 127, 255, 255, 0, 255, 0]
    assert np.shape(color["content"][2]) == (1, 2, 3, 4)


def test_embeddings(tmp_path):
    inputs = keras.layers.Input((2,), dtype="int32")
    outputs = keras.layers.Dense(1)(keras.layers.Flatten()(keras.layers.Embedding(5, 3, name="words")(inputs)))
    network = keras.Model(inputs, outputs)
    network.compile("sgd", "mse")
    callback = keras.callbacks.TensorBoard(tmp_path, embeddings_freq=1, embeddings_metadata={"words": 'a "b".tsv'})
    network.fit(np.ones((8, 2), "int32"), np.ones((8, 1)), verbose=0, callbacks=[callback])
    text = (tmp_path / "projector_config.pbtxt").read_text()
    assert text == (
        'embeddings {\n  tensor_name: "words"\n  tensor_path: "words.tsv"\n  metadata_path: "a \\"b\\".tsv"\n}\n'
    )
    np.testing.assert_array_equal(
        np.loadtxt(tmp_path / "words.tsv", dtype="float32"), network.get_layer("words").get_weights()[0]
    )
    with pytest.raises(ValueError, match=r"Unrecognized `Embedding` layer names .*'other'.* Embeddings .*: words"):
        keras.callbacks.TensorBoard(tmp_path, embeddings_freq=1, embeddings_metadata={"other": "x"}).set_model(network)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"profile_batch": 2}, UnsupportedError, "profile_batch.*is not supported.*py-spy.*Received: 2"),
        ({"profile_batch": (1, 3)}, UnsupportedError, "profile_batch"),
        ({"update_freq": "step"}, ValueError, "`update_freq` must be 'epoch', 'batch' or a positive number"),
        ({"update_freq": 0}, ValueError, "`update_freq` must be"),
        ({"histogram_freq": -1}, ValueError, "`histogram_freq` must be 0 or a positive number"),
        ({"embeddings_freq": 1.5}, ValueError, "`embeddings_freq` must be"),
    ],
)
def test_wrong_arguments(arguments, error, text, tmp_path):
    with pytest.raises(error, match=text):
        keras.callbacks.TensorBoard(tmp_path, **arguments)


def test_images_without_histograms_say_so(tmp_path):
    with pytest.warns(UserWarning, match="histogram_freq"):
        keras.callbacks.TensorBoard(tmp_path, write_images=True)


@pytest.mark.peer
@pytest.mark.filterwarnings("ignore")
def test_live_tensorboard(tmp_path):
    pytest.importorskip("tensorboard", reason="TensorBoard is not installed")
    from tensorboard.backend.event_processing import plugin_event_accumulator as accumulator
    from tensorboard.util import tensor_util

    run(keras, tmp_path, "batch")
    reader = accumulator.EventAccumulator(str(tmp_path / "train"), {accumulator.TENSORS: 0})
    reader.Reload()
    expected = [event for event in events(tmp_path / "train") if event["folder"] == "train"]
    assert sorted(reader.Tags()["tensors"]) == sorted({event["tag"] for event in expected})
    for tag in reader.Tags()["tensors"]:
        ours = [event for event in expected if event["tag"] == tag]
        theirs = reader.Tensors(tag)
        plugin = reader.SummaryMetadata(tag).plugin_data.plugin_name
        assert plugin == ours[0]["plugin"]
        assert len(theirs) in (len(ours), 1)
        for left, right in zip(theirs, ours, strict=len(theirs) > 1):
            assert left.step == right["step"]
            array = tensor_util.make_ndarray(left.tensor_proto)
            assert array.size == np.prod(right["shape"])
            if plugin in ("scalars", "histograms"):
                assert array.ravel().tolist() == right["content"]
            elif plugin == "graph_keras_model":
                assert json.loads(array.item())["class_name"] == "Sequential"
            else:
                image = pytest.importorskip("PIL.Image")
                for part, shown in zip(array[2:], right["content"][2], strict=True):
                    picture = np.asarray(image.open(io.BytesIO(part)))
                    np.testing.assert_array_equal(picture.reshape(np.shape(shown)), shown)


@pytest.mark.peer
@pytest.mark.filterwarnings("ignore")
def test_live_projector(tmp_path):
    pytest.importorskip("tensorboard", reason="TensorBoard is not installed")
    from google.protobuf import text_format
    from tensorboard.plugins.projector import ProjectorConfig, projector_plugin

    test_embeddings(tmp_path)
    config = text_format.Parse((tmp_path / "projector_config.pbtxt").read_text(), ProjectorConfig())
    (embedding,) = config.embeddings
    assert embedding.metadata_path == 'a "b".tsv'
    rows = projector_plugin._read_tensor_tsv_file(str(tmp_path / embedding.tensor_path))
    assert np.shape(rows) == (5, 3)
