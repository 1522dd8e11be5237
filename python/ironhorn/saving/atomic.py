"""Files that are, after any crash, either the old one or the new one.

The new content goes to `<name>.tmp-<process>-<random>` beside the target, is forced to disk, renamed over the target,
and the rename is forced to disk. The old file is never removed before the new one is complete.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import time
from collections.abc import Iterator
from typing import BinaryIO

_STALE_SECONDS = 3600.0


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Opens a new file that takes the place of `path` when the block ends without an exception.

    Args:
        path: The file to write. If it is a symbolic link, the file that it leads to is replaced, not the link.

    Yields:
        A binary file, open for reading and writing.

    Raises:
        OSError: If the directory does not exist or cannot be written; the old file is then untouched.
    """
    target = os.path.realpath(os.fspath(path))
    directory, name = os.path.split(target)
    if not os.path.isdir(directory):
        raise FileNotFoundError(
            f"Cannot write {os.fspath(path)!r}: the directory {directory!r} does not exist. Create it."
        )
    if os.path.isdir(target):
        raise IsADirectoryError(f"Cannot write {os.fspath(path)!r}: it is a directory. Choose another name.")
    _remove_stale(directory, name)
    temporary = os.path.join(directory, f"{name}.tmp-{os.getpid()}-{os.urandom(4).hex()}")
    descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            with contextlib.suppress(FileNotFoundError):
                os.chmod(temporary, stat.S_IMODE(os.stat(target).st_mode))
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    _sync_directory(directory)


def _sync_directory(directory: str) -> None:
    """Force a rename to disk, where the system lets a directory be opened."""
    if os.name == "nt":
        return
    descriptor = os.open(directory, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_stale(directory: str, name: str) -> None:
    """Remove what writers of the same file left behind when they were killed."""
    pattern = re.compile(re.escape(name) + r"\.tmp-(\d+)-[0-9a-f]{8}")
    with os.scandir(directory) as entries:
        for entry in entries:
            match = pattern.fullmatch(entry.name)
            if match is None or _is_running(int(match.group(1))):
                continue
            with contextlib.suppress(OSError):
                if time.time() - entry.stat(follow_symlinks=False).st_mtime > _STALE_SECONDS:
                    os.unlink(entry.path)


def _is_running(process: int) -> bool:
    """Whether a process of this number exists on this machine."""
    if os.name == "nt":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
