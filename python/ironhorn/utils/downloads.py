"""`get_file`: a file from the network, kept in a folder; checked, and unpacked without leaving that folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ironhorn.errors import FileFormatError

_CHUNK = 1 << 16


def get_file(
    fname: Any = None,
    origin: str | None = None,
    untar: bool = False,
    md5_hash: str | None = None,
    file_hash: str | None = None,
    cache_subdir: str = "datasets",
    hash_algorithm: str = "auto",
    extract: bool = False,
    archive_format: Any = "auto",
    cache_dir: Any = None,
    force_download: bool = False,
) -> str:
    """Downloads a file if it is not there yet.

    Args:
        fname: Name of the file; the last part of `origin` when `None`.
        origin: Address: `http`, `https`, `ftp` or `file`.
        untar: The older word for `extract` of tar files.
        md5_hash: The older word for `file_hash`.
        file_hash: Checksum that the file must have (SHA-256 or MD5, in hexadecimal digits).
        cache_subdir: Folder below the cache; an absolute path is taken as it is.
        hash_algorithm: `"auto"` (by the length of `file_hash`), `"sha256"` or `"md5"`.
        extract: Whether to unpack an archive.
        archive_format: `"auto"`, `"tar"`, `"zip"`, or a list of them.
        cache_dir: The cache: `~/.keras` when `None`, or what `KERAS_HOME` says.
        force_download: Whether to download it anew.

    Returns:
        The path of the file, or of the folder into which it was unpacked.

    Raises:
        ValueError: If an argument is missing or unknown.
        FileFormatError: If the checksum is wrong, or a member of the archive would lie outside the folder.

    Example:
        ```python
        path = ironhorn.utils.get_file("data.csv", "https://example.com/data.csv", file_hash="9f86d0...")
        ```
    """
    if origin is None:
        raise ValueError("`origin`, the address of the file, must be given.")
    if hash_algorithm not in ("auto", "sha256", "md5"):
        raise ValueError(f"`hash_algorithm` must be 'auto', 'sha256' or 'md5'. Received: {hash_algorithm!r}")
    file_hash, hash_algorithm = (md5_hash, "md5") if md5_hash and not file_hash else (file_hash, hash_algorithm)
    name = os.fspath(fname) if fname else _name_of(origin)
    if not name:
        raise ValueError(f"No name of a file can be read from origin={origin!r}: give `fname`.")
    if name in (".", "..") or any(separator in name for separator in ("/", "\\", os.sep)):
        raise ValueError(f"`fname` must be a name without folders; `cache_dir` says where. Received: fname={name!r}")
    folder = Path(cache_dir or os.environ.get("KERAS_HOME") or Path.home() / ".keras") / cache_subdir
    path, target = folder / name, folder / name
    if extract or untar:
        if fname and "." in name:
            target = folder / f"{name.partition('.')[0]}_extracted"
        else:
            path = folder / f"{name}_archive"
    path.parent.mkdir(parents=True, exist_ok=True)
    if force_download or not path.exists() or (file_hash and not _has_hash(path, file_hash, hash_algorithm)):
        _download(origin, path, file_hash, hash_algorithm)
    if not (extract or untar):
        return str(path)
    if force_download or not target.exists():
        _unpack(path, target, "tar" if untar else archive_format)
    return str(target)


def _name_of(origin: str) -> str:
    from urllib.parse import urlsplit

    return os.path.basename(urlsplit(origin).path)


def _inside(path: Path, folder: Path) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def _digest(path: Path, expected: str, algorithm: str) -> str:
    import hashlib

    if algorithm == "auto":
        algorithm = "sha256" if len(expected) == 64 else "md5"
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _has_hash(path: Path, expected: str, algorithm: str) -> bool:
    return _digest(path, expected, algorithm) == expected.lower()


def _download(origin: str, path: Path, file_hash: str | None, algorithm: str) -> None:
    """Writes the file under another name first, so that what stands at `path` is always whole."""
    import shutil
    import tempfile
    from urllib.error import URLError
    from urllib.parse import urlsplit
    from urllib.request import urlopen

    from ironhorn.training.progress import write_line

    if urlsplit(origin).scheme not in ("http", "https", "ftp", "file"):
        raise ValueError(f"`origin` must begin with http, https, ftp or file. Received: origin={origin!r}")
    write_line(f"Downloading data from {origin}")
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            try:
                with urlopen(origin, timeout=60) as response:
                    shutil.copyfileobj(response, file, _CHUNK)
            except URLError as error:
                raise OSError(f"{origin} cannot be downloaded: {error}") from error
            file.flush()
            os.fsync(file.fileno())
        if file_hash and not _has_hash(Path(temporary), file_hash, algorithm):
            raise FileFormatError(
                f"{origin} has the checksum {_digest(Path(temporary), file_hash, algorithm)}, not {file_hash}: the "
                "file is incomplete or has been replaced. Nothing was kept."
            )
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)


def _unpack(path: Path, target: Path, archive_format: Any) -> None:
    """Unpacks into a folder beside `target`, which gets its name when all members are there."""
    import shutil
    import tarfile
    import tempfile
    import zipfile

    formats = [archive_format] if isinstance(archive_format, str) else list(archive_format or ())
    if formats == ["auto"]:
        formats = ["tar", "zip"]
    if unknown := [name for name in formats if name not in ("tar", "zip")]:
        raise ValueError(f"`archive_format` must be 'auto', 'tar' or 'zip'. Received: {unknown[0]!r}")
    folder = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    try:
        if "tar" in formats and tarfile.is_tarfile(path):
            with tarfile.open(path) as archive:
                _unpack_tar(archive, folder, path)
        elif "zip" in formats and zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as zipped:
                for entry in zipped.infolist():
                    _check_member(entry.filename, folder, path)
                    kind = entry.external_attr >> 28
                    if kind == 0o12:
                        raise FileFormatError(f"{path} holds the link {entry.filename!r}, which is not unpacked.")
                zipped.extractall(folder)
        else:
            raise FileFormatError(f"{path} is no archive of a known kind ({', '.join(formats)}).")
        if target.exists():
            shutil.rmtree(target)
        os.replace(folder, target)
        os.chmod(target, 0o755)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unpack_tar(archive: Any, folder: Path, path: Path) -> None:
    import tarfile

    for member in archive.getmembers():
        _check_member(member.name, folder, path)
    try:
        archive.extractall(folder, filter="data")
    except tarfile.TarError as error:
        raise FileFormatError(f"{path} is not unpacked: {error}") from error


def _check_member(name: str, folder: Path, path: Path) -> None:
    if os.path.isabs(name) or not _inside(folder / name, folder):
        raise FileFormatError(f"{path} holds {name!r}, which would lie outside its folder: nothing is unpacked.")
