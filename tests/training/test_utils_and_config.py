"""Helpers of `utils` around files and images, and the switches of `config`."""

import hashlib
import io
import tarfile
import traceback
import zipfile
from pathlib import Path

import numpy as np
import pytest

import ironhorn as keras
from ironhorn.errors import FileFormatError, UnsupportedError
from ironhorn.utils import get_file


@pytest.fixture
def origin(tmp_path):
    path = tmp_path / "data.bin"
    path.write_bytes(b"content")
    return path


def test_get_file_checks_and_keeps(origin, tmp_path, capsys):
    cache = tmp_path / "cache"
    digest = hashlib.sha256(b"content").hexdigest()
    path = get_file(origin=origin.as_uri(), cache_dir=cache, file_hash=digest)
    assert path == str(cache / "datasets" / "data.bin")
    assert "Downloading data from" in capsys.readouterr().out
    origin.write_bytes(b"changed")
    assert Path(get_file("data.bin", origin.as_uri(), cache_dir=cache)).read_bytes() == b"content"
    assert not capsys.readouterr().out
    with pytest.raises(FileFormatError, match="checksum"):
        get_file("data.bin", origin.as_uri(), cache_dir=cache, file_hash=digest, force_download=True)
    assert Path(path).read_bytes() == b"content"
    assert [entry.name for entry in (cache / "datasets").iterdir()] == ["data.bin"]
    md5 = hashlib.md5(b"changed").hexdigest()
    assert Path(get_file("data.bin", origin.as_uri(), cache_dir=cache, md5_hash=md5)).read_bytes() == b"changed"


@pytest.mark.parametrize("name", ["../data.bin", "a/b", "/etc/passwd", "..", "a\\b"])
def test_get_file_stays_in_its_folder(origin, tmp_path, name):
    with pytest.raises(ValueError, match="without folders"):
        get_file(name, origin.as_uri(), cache_dir=tmp_path)


def test_get_file_refuses_what_it_cannot_read(tmp_path):
    with pytest.raises(ValueError, match="must begin with http"):
        get_file("x", "gopher://example.invalid/x", cache_dir=tmp_path)
    with pytest.raises(ValueError, match="`origin`"):
        get_file("x")
    with pytest.raises(OSError, match="cannot be downloaded"):
        get_file("x", (tmp_path / "missing").as_uri(), cache_dir=tmp_path)
    assert not list((tmp_path / "datasets").iterdir())


def archive(kind, members, links=()):
    buffer = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(buffer, "w") as file:
            for name in members:
                file.writestr(name, "text")
            for name in links:
                entry = zipfile.ZipInfo(name)
                entry.external_attr = 0o120777 << 16
                file.writestr(entry, "/etc/passwd")
    else:
        with tarfile.open(fileobj=buffer, mode="w:gz") as file:
            for name in members:
                entry = tarfile.TarInfo(name)
                entry.size = 4
                file.addfile(entry, io.BytesIO(b"text"))
            for name in links:
                entry = tarfile.TarInfo(name)
                entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
                file.addfile(entry)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_archives_are_unpacked_inside_their_folder(kind, origin, tmp_path):
    origin.write_bytes(archive(kind, ["a.txt", "inner/b.txt"]))
    path = get_file("data.tar.gz", origin.as_uri(), cache_dir=tmp_path, extract=True)
    assert path.endswith("data_extracted")
    assert (Path(path) / "inner/b.txt").read_text() == "text"
    again = get_file(origin=origin.as_uri(), cache_dir=tmp_path, untar=kind == "tar", extract=True)
    assert again.endswith("data.bin")
    wrong = [{"members": ["../out.txt"]}, {"members": ["/out.txt"]}, {"members": [], "links": ["link"]}]
    for index, bad in enumerate(wrong):
        origin.write_bytes(archive(kind, **bad))
        with pytest.raises(FileFormatError):
            get_file(f"bad{index}.bin", origin.as_uri(), cache_dir=tmp_path, extract=True)
        assert not (tmp_path / "datasets" / f"bad{index}_extracted").exists()
        assert not (tmp_path / "out.txt").exists()
    origin.write_bytes(b"no archive")
    with pytest.raises(FileFormatError, match="no archive"):
        get_file("none.bin", origin.as_uri(), cache_dir=tmp_path, extract=True)


def test_images_there_and_back(tmp_path):
    pytest.importorskip("PIL")
    pixels = np.random.default_rng(0).integers(0, 256, (7, 9, 3)).astype("float32")
    for mode, channels in (("rgb", 3), ("rgba", 4), ("grayscale", 1)):
        wanted = np.concatenate([pixels, pixels[..., :1]], -1)[..., :channels]
        keras.utils.save_img(tmp_path / "image.png", wanted, scale=False)
        image = keras.utils.load_img(tmp_path / "image.png", color_mode=mode)
        np.testing.assert_array_equal(keras.utils.img_to_array(image), wanted)
    first = keras.utils.array_to_img(pixels.transpose(2, 0, 1), data_format="channels_first", scale=False)
    assert first.size == (9, 7)
    assert keras.utils.img_to_array(first, data_format="channels_first").shape == (3, 7, 9)
    scaled = keras.utils.img_to_array(keras.utils.array_to_img(pixels / 255 - 1))
    assert scaled.min() == 0
    assert scaled.max() == 255
    small = keras.utils.load_img(tmp_path / "image.png", target_size=(4, 4), keep_aspect_ratio=True)
    assert small.size == (4, 4)
    with pytest.warns(UserWarning, match="no alpha channel"):
        keras.utils.save_img(tmp_path / "image.jpg", np.zeros((2, 2, 4)))
    with pytest.raises(ValueError, match="3 axes"):
        keras.utils.array_to_img(np.zeros((2, 2)))
    with pytest.raises(ValueError, match="`color_mode`"):
        keras.utils.load_img(tmp_path / "image.png", color_mode="cmyk")


def test_folders_go_into_fit(tmp_path):
    for name in ("cats", "dogs"):
        (tmp_path / name).mkdir()
        for index in range(4):
            (tmp_path / name / f"{index}.txt").write_text(f"{name} {'meow' if name == 'cats' else 'bark'} {index}")
    train, test = keras.utils.text_dataset_from_directory(
        tmp_path, batch_size=3, validation_split=0.25, subset="both", seed=1, label_mode="binary", verbose=False
    )
    assert train.class_names == ["cats", "dogs"]
    words = keras.layers.TextVectorization(output_mode="multi_hot")
    words.adapt(np.concatenate(list(train.map(lambda texts, labels: texts))))
    numbers = train.cache().map(lambda texts, labels: (words(texts), labels)).prefetch(2)
    model = keras.Sequential([keras.layers.Dense(1, activation="sigmoid")])
    model.compile(keras.optimizers.Adam(0.1), "bce", metrics=["accuracy"])
    history = model.fit(
        numbers, epochs=20, verbose=0, validation_data=test.map(lambda texts, labels: (words(texts), labels))
    )
    assert history.history["accuracy"][-1] == 1.0
    first, second = ([tuple(texts) for texts, _ in train] for _ in range(2))
    assert first != second
    assert sorted(sum(first, ())) == sorted(sum(second, ()))
    with pytest.raises(ValueError, match="needs a `seed`"):
        keras.utils.text_dataset_from_directory(tmp_path, validation_split=0.25, subset="training")
    with pytest.raises(ValueError, match=r"No sounds found"):
        keras.utils.audio_dataset_from_directory(tmp_path, verbose=False)


def test_sample_data_sets():
    data = keras.utils.timeseries_dataset_from_array(np.arange(20.0), np.arange(20), 4, batch_size=5)
    assert len(data) == 4
    assert len(data.take(2)) == 2
    np.testing.assert_array_equal(next(iter(data.skip(3)))[1], [15, 16])
    shuffled = data.shuffle(seed=1)
    assert sorted(np.concatenate([y for _, y in shuffled])) == list(range(17))
    assert len(data.unbatch()) == 17
    assert len(data.unbatch().batch(4, drop_remainder=True)) == 4
    with pytest.raises(IndexError):
        data[4]
    with pytest.raises(ValueError, match="No window of 50 steps"):
        keras.utils.timeseries_dataset_from_array(np.arange(20.0), None, 50)
    for sizes, text in [({}, "At least one"), ({"left_size": 21}, "smaller than 20"), ({"left_size": 0.01}, "empty")]:
        with pytest.raises(ValueError, match=text):
            keras.utils.split_dataset(np.arange(20), **sizes)
    with pytest.raises(UnsupportedError, match="preferred_backend"):
        keras.utils.split_dataset(np.arange(20), 0.5, preferred_backend="torch")


def test_small_helpers():
    inputs = [keras.Input((2,)), keras.Input((3,))]
    outputs = keras.layers.Concatenate()(inputs)
    found = keras.utils.get_source_inputs(keras.layers.Dense(1)(outputs))
    assert [tensor.name for tensor in found] == [tensor.name for tensor in inputs]
    assert keras.utils.is_keras_tensor(outputs)
    assert not keras.utils.is_keras_tensor(np.ones(2))
    assert keras.utils.standardize_dtype(np.float64) == "float64"
    config = keras.utils.Config(rate=0.1)
    config.seed = 3
    config["units"] = 4
    assert (config.rate, config["seed"], len(config), list(config)) == (0.1, 3, 3, ["rate", "seed", "units"])
    with pytest.raises(AttributeError, match="Did you mean 'units'"):
        _ = config.unitz
    config.freeze()
    with pytest.raises(ValueError, match="frozen"):
        config.rate = 1
    with pytest.raises(UnsupportedError, match=r"utils\.serialize_keras_object"):
        keras.utils.legacy.serialize_keras_object(None)


@pytest.fixture
def model():
    made = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    made.compile("sgd", "mse")
    return made


def test_limits(model):
    x, y = np.ones((40, 2)), np.ones((40, 1))
    keras.config.set_max_epochs(2)
    keras.config.set_max_steps_per_epoch(3)
    try:
        assert (keras.config.max_epochs(), keras.config.max_steps_per_epoch()) == (2, 3)
        with pytest.warns(UserWarning, match="Limiting epochs to 2"), pytest.warns(UserWarning, match="Limiting steps"):
            history = model.fit(x, y, batch_size=4, epochs=5, verbose=0)
        assert history.epoch == [0, 1]
        assert int(model.optimizer.iterations) == 6
        with pytest.warns(UserWarning, match="Limiting steps_per_epoch to 3"):
            assert len(model.predict(x, batch_size=4, verbose=0)) == 12
    finally:
        keras.config.set_max_epochs(None)
        keras.config.set_max_steps_per_epoch(None)


def test_tracebacks_without_this_library(model):
    def frames():
        with pytest.raises(ValueError, match="same number of samples") as caught:
            model.fit(np.ones((4, 2)), np.ones((3, 1)), verbose=0)
        return [frame.filename for frame in traceback.extract_tb(caught.value.__traceback__)]

    assert any("ironhorn" in name for name in frames() if "tests" not in name)
    keras.config.enable_traceback_filtering()
    try:
        assert keras.config.is_traceback_filtering_enabled()
        assert len(frames()) <= 2
    finally:
        keras.config.disable_traceback_filtering()


def test_switches_that_are_refused():
    assert keras.config.is_nnx_enabled() is False
    assert keras.config.is_flash_attention_enabled() is False
    keras.config.disable_flash_attention()
    keras.config.set_backend("ironhorn")
    for function, text in [
        (keras.config.enable_flash_attention, "one way"),
        (lambda: keras.config.set_backend("jax"), "import keras"),
        (keras.config.enable_unsafe_deserialization, "register_keras_serializable"),
    ]:
        with pytest.raises(UnsupportedError, match=text):
            function()
