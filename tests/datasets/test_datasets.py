"""Loading data sets from caches: right files, damaged files, no files."""

import gzip
import hashlib
import io
import pathlib
import re
import types
import urllib.error
import urllib.request
import zipfile

import numpy as np
import pytest

import ironhorn
from ironhorn.datasets import bibmon, fashion_mnist, files, mnist, process_plant, tennessee_eastman
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


def write_wheel(folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wheel with small files at the places that the loaders read."""
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / bibmon.WHEEL, "w") as wheel:
        for fault in range(22):
            for part, rows in (("", 3), ("_te", 4)):
                run = np.arange(rows * 52).reshape(rows, 52) + fault + 0.5
                lines = (" ".join(map(str, row)) for row in (run.T if fault == 0 and not part else run))
                wheel.writestr(f"bibmon/tennessee_eastman/d{fault:02d}{part}.dat", "\n".join(lines) + "\n")
        wheel.writestr(
            "bibmon/real_process_data/real_process_data.csv",
            ",tag0,tag1\n2017-12-24 00:00:00,0.5,Bad\n2017-12-24 00:05:00,-0.0,1e3\n",
        )
    digest = hashlib.sha256((folder / bibmon.WHEEL).read_bytes()).hexdigest()
    monkeypatch.setattr(bibmon, "SHA256", digest)


def test_runs_of_the_plant_are_rows_of_52_values(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_wheel(tmp_path / "keras" / "datasets", monkeypatch)
    train, test = ironhorn.datasets.tennessee_eastman.load_data()
    assert list(train) == list(test) == list(range(22))
    for fault in range(22):
        np.testing.assert_array_equal(train[fault], np.arange(3 * 52).reshape(3, 52) + fault + 0.5)
        np.testing.assert_array_equal(test[fault], np.arange(4 * 52).reshape(4, 52) + fault + 0.5)


def test_cells_without_a_number_are_nan(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_wheel(tmp_path / "cache" / "datasets", monkeypatch)
    values, times, tags = ironhorn.datasets.process_plant.load_data()
    np.testing.assert_array_equal(values, [[0.5, np.nan], [0, 1000]])
    assert str(times[1]) == "2017-12-24T00:05:00" and tags == ["tag0", "tag1"]


@pytest.mark.parametrize("module", [tennessee_eastman, process_plant], ids=["tennessee_eastman", "process_plant"])
def test_the_wheel_is_missing_or_damaged(tmp_path: pathlib.Path, module: types.ModuleType) -> None:
    folder = tmp_path / "cache" / "datasets"
    with pytest.raises(FileNotFoundError, match=re.escape(f"--dest {folder} bibmon==1.2.0")):
        module.load_data()
    folder.mkdir(parents=True)
    (folder / bibmon.WHEEL).write_bytes(b"not what was asked for")
    with pytest.raises(FileFormatError, match="is not the expected file: its SHA-256 is 918378f0"):
        module.load_data()
