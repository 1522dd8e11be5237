"""Finding the file of a data set in a local cache, or downloading it.

Caches are searched in this order: `$IRONHORN_DATA`, `$KERAS_HOME`, `~/.keras`, `.data` in the working directory; each
holds a folder `datasets` laid out as Keras lays it out. A download goes into the first of the first three that is
set, under a temporary name, is checked against its SHA-256, and only then takes its own name. The network is asked
for nothing when a cache has the file.

The SHA-256 of a `.gz` file is that of its unpacked content: two packings of one file differ in bytes that say nothing.
"""

import os
import pathlib
import zlib

from ironhorn.errors import FileFormatError

KERAS_ADDRESS = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
LARGEST_FILE = 64 * 2**20


def cache_folders() -> list[pathlib.Path]:
    """The folders that may hold `datasets/...`, most specific first."""
    named = [os.environ[variable] for variable in ("IRONHORN_DATA", "KERAS_HOME") if os.environ.get(variable)]
    return [*map(pathlib.Path, named), pathlib.Path.home() / ".keras", pathlib.Path(".data")]


def find_file(name: str, folder: str = "", elsewhere: tuple[str, ...] = ()) -> pathlib.Path | None:
    """The first copy of a data file on this machine.

    Args:
        name: File name, as Keras stores it.
        folder: Folder below `datasets`, as Keras names it.
        elsewhere: Further folders that may hold the file, such as those of a system package.

    Returns:
        Its path, or `None` where no cache has it.
    """
    folders = [cache / "datasets" / folder for cache in cache_folders()] + [pathlib.Path(path) for path in elsewhere]
    return next((path / name for path in folders if (path / name).is_file()), None)


def fetch_file(name: str, sha256: str, folder: str = "", elsewhere: tuple[str, ...] = ()) -> pathlib.Path:
    """A data file from a local cache, else downloaded into one.

    Args:
        name: File name, as Keras stores it.
        sha256: What the SHA-256 of a downloaded file (unpacked, for `.gz`) must be.
        folder: Folder below `datasets`, as Keras names it.
        elsewhere: Further folders that may hold the file.

    Returns:
        The path of the file.

    Raises:
        FileNotFoundError: If no cache has the file and it could not be downloaded; says what to put where.
        FileFormatError: If what was downloaded is not the expected file.
    """
    found = find_file(name, folder, elsewhere)
    if found is not None:
        return found
    return download(KERAS_ADDRESS + name, cache_folders()[0] / "datasets" / folder / name, sha256)


def download(address: str, target: pathlib.Path, sha256: str) -> pathlib.Path:
    """Download a file, check it, and put it in place."""
    import gzip
    import hashlib
    import tempfile
    import urllib.request

    try:
        with urllib.request.urlopen(address, timeout=30) as answer:
            content = answer.read(LARGEST_FILE)
    except OSError as error:
        raise FileNotFoundError(
            f"The data file {target.name} is in none of the folders {', '.join(map(str, cache_folders()))} (below "
            f"`datasets`), and downloading {address} failed: {error}. Put the file at {target}, or set IRONHORN_DATA "
            "to a folder that has it in `datasets`."
        ) from error
    try:
        digest = hashlib.sha256(gzip.decompress(content) if target.suffix == ".gz" else content).hexdigest()
    except (EOFError, gzip.BadGzipFile, zlib.error):
        digest = "that of no whole gzip file"
    if digest != sha256:
        raise FileFormatError(
            f"What {address} served is not the expected file: its SHA-256 is {digest}, expected {sha256}. "
            f"Try again, or put the right file at {target}."
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=target.name, delete=False) as temporary:
        temporary.write(content)
        temporary.flush()
        os.fsync(temporary.fileno())
    os.replace(temporary.name, target)
    return target
