"""Reading zip archives that nobody vouches for: `.keras` files.

Before a member is read, the archive's directory is checked: how many members, their names, their kinds, and that the
sizes they claim are in proportion to what is stored. Members are read in pieces, against their checksums, and never
beyond the size that was checked.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import zipfile
import zlib
from typing import IO, BinaryIO

from ironhorn.errors import FileFormatError

_MAX_MEMBERS = 10_000
_MAX_NAME = 1_000
_MAX_EXPANSION = 100
_EXPANSION_FLOOR = 16 << 20
_MAX_TEXT = 256 << 20
_MAX_ASSETS = 4 << 30
_IN_MEMORY = 256 << 20
_PIECE = 1 << 20


class Archive:
    """A checked zip archive, open for reading.

    Args:
        file: A path, or a binary file that can seek.

    Raises:
        FileNotFoundError: If there is no such file.
        FileFormatError: If it is not a zip archive, is truncated, or breaks one of the rules above.
    """

    def __init__(self, file: str | os.PathLike[str] | BinaryIO) -> None:
        self.description = repr(os.fspath(file)) if isinstance(file, str | os.PathLike) else "the given file"
        try:
            self._zip = zipfile.ZipFile(file, "r")
        except zipfile.BadZipFile as error:
            raise FileFormatError(
                f"{self.description} is not a complete `.keras` archive ({error}). It may be truncated by an "
                "interrupted copy or download, or be of another format: fetch it again, or save the model again."
            ) from error
        try:
            self._check()
        except BaseException:
            self._zip.close()
            raise

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *exception: object) -> None:
        self._zip.close()

    def _refuse(self, reason: str) -> FileFormatError:
        return FileFormatError(
            f"{self.description} was not read: {reason}. No Keras or Ironhorn writes such a file: do not trust where "
            "it came from."
        )

    def _check(self) -> None:
        members = self._zip.infolist()
        if len(members) > _MAX_MEMBERS:
            raise self._refuse(f"it has {len(members)} members, more than {_MAX_MEMBERS}")
        source = self._zip.fp
        if source is None:
            raise self._refuse("it is closed")
        source.seek(0, os.SEEK_END)
        size = source.tell()
        seen: set[str] = set()
        stored = 0
        for member in members:
            name = member.filename
            if member.orig_filename != name or "\\" in name or "\x00" in name or len(name) > _MAX_NAME:
                raise self._refuse(f"the member name {name[:100]!r} is not a plain name")
            parts = name.removesuffix("/").split("/")
            if any(part in ("", ".", "..") for part in parts) or ":" in parts[0]:
                raise self._refuse(f"the member name {name!r} leads out of the archive")
            if name in seen:
                raise self._refuse(f"the member {name!r} occurs twice")
            seen.add(name)
            if member.flag_bits & 0x1:
                raise self._refuse(f"the member {name!r} is encrypted")
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise self._refuse(f"the member {name!r} is a link or device")
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise self._refuse(f"the member {name!r} is compressed by a method that is not supported")
            if member.file_size > max(_EXPANSION_FLOOR, _MAX_EXPANSION * member.compress_size):
                raise self._refuse(
                    f"the member {name!r} claims {member.file_size} bytes, but only {member.compress_size} are stored"
                )
            if member.compress_type == zipfile.ZIP_STORED and member.file_size != member.compress_size:
                raise self._refuse(f"the member {name!r} claims two different sizes")
            stored += member.compress_size
        if stored > size:
            raise self._refuse(f"its members claim {stored} stored bytes, but the file has {size}")

    @property
    def names(self) -> list[str]:
        """The names of all members."""
        return self._zip.namelist()

    def copy(self, name: str, target: IO[bytes], limit: int) -> None:
        """Copy one member into a file, checking its size and checksum.

        Args:
            name: The member.
            target: A binary file, open for writing.
            limit: The most bytes to write.

        Raises:
            FileFormatError: If the member is missing, too large or damaged.
        """
        try:
            information = self._zip.getinfo(name)
        except KeyError:
            raise FileFormatError(
                f"{self.description} has no member {name!r}, so that it is not a complete `.keras` file. It holds: "
                f"{', '.join(self.names[:10])}."
            ) from None
        if information.file_size > limit:
            raise self._refuse(f"the member {name!r} has {information.file_size} bytes, more than {limit}")
        try:
            written = 0
            with self._zip.open(information) as source:
                while piece := source.read(_PIECE):
                    written += len(piece)
                    if written > information.file_size:
                        raise self._refuse(f"the member {name!r} is longer than it claims")
                    target.write(piece)
            if written != information.file_size:
                raise zipfile.BadZipFile(f"{written} of {information.file_size} bytes are there")
        except (zipfile.BadZipFile, EOFError, OSError, ValueError, RuntimeError, zlib.error) as error:
            if isinstance(error, FileFormatError):
                raise
            raise FileFormatError(
                f"The member {name!r} of {self.description} is damaged ({error}). Fetch the file again, or save the "
                "model again."
            ) from error

    def text(self, name: str) -> str:
        """Return one member as text."""
        with tempfile.SpooledTemporaryFile(max_size=_MAX_TEXT) as buffer:
            self.copy(name, buffer, _MAX_TEXT)
            buffer.seek(0)
            try:
                return buffer.read().decode("utf-8")
            except UnicodeDecodeError as error:
                raise FileFormatError(
                    f"The member {name!r} of {self.description} is not UTF-8 text: {error}."
                ) from error

    def open(self, name: str) -> BinaryIO:
        """Return a copy of one member that can seek: in memory if it is small, else in a nameless file."""
        size = self._zip.getinfo(name).file_size if name in self._zip.NameToInfo else 0
        buffer = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)
        try:
            self.copy(name, buffer, size)
        except BaseException:
            buffer.close()
            raise
        buffer.seek(0)
        return buffer  # type: ignore[return-value]

    def extract(self, prefix: str, directory: str) -> bool:
        """Write all members below `prefix` to `directory`.

        Args:
            prefix: For instance `"assets/"`.
            directory: An existing, empty directory.

        Returns:
            Whether there were any.
        """
        root = os.path.realpath(directory)
        left = _MAX_ASSETS
        found = False
        for name in self.names:
            if not name.startswith(prefix) or name.endswith("/"):
                continue
            path = os.path.realpath(os.path.join(root, *name.removeprefix(prefix).split("/")))
            if os.path.commonpath([root, path]) != root or path == root:
                raise self._refuse(f"the member name {name!r} leads out of the archive")
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "xb") as target:
                self.copy(name, target, left)
                left -= target.tell()
            found = True
        return found


def add_directory(archive: zipfile.ZipFile, directory: str, prefix: str) -> None:
    """Store all files below `directory` in an archive that is being written, in the order of their names."""
    for folder, folders, files in os.walk(directory):
        folders.sort()
        for name in sorted(files):
            path = os.path.join(folder, name)
            relative = os.path.relpath(path, directory).replace(os.sep, "/")
            with open(path, "rb") as source, archive.open(f"{prefix}{relative}", "w", force_zip64=True) as target:
                shutil.copyfileobj(source, target, _PIECE)
