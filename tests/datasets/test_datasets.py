"""Loading data sets from caches: right files, damaged files, no files."""

import gzip
import io
import pathlib
import urllib.error
import urllib.request

import numpy as np
import pytest

import ironhorn
from ironhorn.datasets import fashion_mnist, files, mnist
from ironhorn.datasets.idx import read_idx
from ironhorn.errors import FileFormatError


@pytest.fixture(autouse=True)
def no_network_and_no_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise urllib.error.URLError("no network in tests")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    monkeypatch.setattr(fashion_mnist, "DEBIAN_FOLDER", str(tmp_path / "no-debian"))
    monkeypatch.setenv("IRONHORN_DATA", str(tmp_path / "cache"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()


def write_fashion_mnist(folder: pathlib.Path) -> dict[str, np.ndarray]:
    """Four files of the right shapes, filled with numbers."""
    arrays = {}
    folder.mkdir(parents=True)
    for name in fashion_mnist.FILES:
        count = 60000 if name.startswith("train") else 10000
        shape = (count, 28, 28) if "images" in name else (count,)
        arrays[name] = np.resize(np.arange(251, dtype=np.uint8), shape)
        (folder / name).write_bytes(gzip.compress(idx(arrays[name]), compresslevel=1))
    return arrays


@pytest.mark.parametrize("cache", ["cache", "keras", ".keras", ".data"])
def test_fashion_mnist_is_read_from_every_cache(tmp_path: pathlib.Path, cache: str) -> None:
    arrays = write_fashion_mnist(tmp_path / cache / "datasets" / "fashion-mnist")
    (x_train, y_train), (x_test, y_test) = ironhorn.datasets.fashion_mnist.load_data()
    assert x_train.shape == (60000, 28, 28) and y_train.shape == (60000,)
    assert x_test.shape == (10000, 28, 28) and y_test.shape == (10000,)
    assert x_train.dtype == y_train.dtype == x_test.dtype == y_test.dtype == np.uint8
    np.testing.assert_array_equal(x_train, arrays["train-images-idx3-ubyte.gz"])
    np.testing.assert_array_equal(y_test, arrays["t10k-labels-idx1-ubyte.gz"])


@pytest.mark.parametrize("load", [fashion_mnist.load_data, mnist.load_data], ids=["fashion_mnist", "mnist"])
def test_missing_files_say_what_to_put_where(tmp_path: pathlib.Path, load: object) -> None:
    with pytest.raises(FileNotFoundError, match="IRONHORN_DATA") as caught:
        load()
    assert str(tmp_path / "cache" / "datasets") in str(caught.value)
    assert "no network in tests" in str(caught.value)


def test_a_download_is_checked_before_it_takes_its_name(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def serve(address: str, timeout: float) -> io.BytesIO:
        asked.append(address)
        return io.BytesIO(gzip.compress(b"not what was asked for"))

    monkeypatch.setattr(urllib.request, "urlopen", serve)
    with pytest.raises(FileFormatError, match="is not the expected file"):
        fashion_mnist.load_data()
    assert asked == [files.KERAS_ADDRESS + "train-images-idx3-ubyte.gz"]
    assert list(tmp_path.rglob("*.gz*")) == []

    digest = "918378f05b3ba62e1297bd47bb4307dee1a3ffa9c374e4fc36697bb3d678874c"
    got = files.download("address", tmp_path / "new" / "file.gz", digest)
    assert gzip.decompress(got.read_bytes()) == b"not what was asked for"


def damaged(kind: str) -> bytes:
    whole = gzip.compress(idx(np.zeros((3, 2), np.uint8)))
    return {
        "truncated": whole[:-9],
        "not gzip": b"hello, this is text",
        "wrong shape": gzip.compress(idx(np.zeros((2, 3), np.uint8))),
        "too short": gzip.compress(idx(np.zeros((3, 2), np.uint8))[:-1]),
        "too long": gzip.compress(idx(np.zeros((3, 2), np.uint8)) + b"x"),
        "empty": b"",
    }[kind]


@pytest.mark.parametrize("kind", ["truncated", "not gzip", "wrong shape", "too short", "too long", "empty"])
def test_a_damaged_file_is_refused_by_name(tmp_path: pathlib.Path, kind: str) -> None:
    path = tmp_path / "labels.gz"
    path.write_bytes(damaged(kind))
    with pytest.raises(FileFormatError, match=r"labels\.gz .*Remove it and fetch it again"):
        read_idx(path, (3, 2))


def test_mnist_refuses_another_archive(tmp_path: pathlib.Path) -> None:
    (tmp_path / "cache" / "datasets").mkdir(parents=True)
    np.savez(tmp_path / "cache" / "datasets" / "mnist.npz", x_train=np.zeros(3))
    with pytest.raises(FileFormatError, match=r"mnist\.npz is not the MNIST file"):
        mnist.load_data()
