"""After a crash at any moment a file is the old one or the new one."""

from __future__ import annotations

import os
import pathlib
import signal
import stat
import subprocess
import sys
import time
from typing import Any

import numpy as np
import pytest

import ironhorn
from ironhorn.errors import UnsupportedError
from ironhorn.saving import atomic

OLD, NEW = b"old" * 1000, b"new" * 5000


def replace(path: pathlib.Path) -> None:
    with atomic.replacing(path) as file:
        file.write(NEW)


class FailingCalls:
    """Stands in for `os` and lets the nth call that touches the disk fail."""

    names = ("open", "fdopen", "fsync", "replace", "chmod", "stat", "close")

    def __init__(self, failing: int) -> None:
        self.left = failing

    def __getattr__(self, name: str) -> Any:
        original = getattr(os, name)
        if name not in self.names:
            return original

        def call(*args: Any, **kwargs: Any) -> Any:
            self.left -= 1
            if self.left == 0:
                raise OSError(28, "No space left on device")
            return original(*args, **kwargs)

        return call


def test_any_failing_call_leaves_old_or_new(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    outcomes = []
    for failing in range(1, 30):
        path.write_bytes(OLD)
        with monkeypatch.context() as patch:
            calls = FailingCalls(failing)
            patch.setattr(atomic, "os", calls)
            try:
                replace(path)
                outcomes.append("worked")
            except OSError:
                outcomes.append("failed")
        assert path.read_bytes() in (OLD, NEW)
        assert [item.name for item in tmp_path.iterdir()] == ["file"]
        if calls.left > 0:
            break
    assert outcomes[-1] == "worked" and outcomes.count("failed") >= 5


def test_an_exception_while_writing_keeps_the_old_file(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(OLD)
    with pytest.raises(KeyboardInterrupt), atomic.replacing(path) as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert path.read_bytes() == OLD
    assert [item.name for item in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(os.name == "nt", reason="needs kill")
def test_killed_at_any_moment(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"\0" * 200_000)
    code = (
        "import sys\n"
        "from ironhorn.saving.atomic import replacing\n"
        "print('ready', flush=True)\n"
        "while True:\n"
        "    for value in (1, 2):\n"
        "        with replacing(sys.argv[1]) as file:\n"
        "            for _ in range(20):\n"
        "                file.write(bytes([value]) * 10_000)\n"
    )
    random = np.random.RandomState(0)
    for _ in range(6):
        process = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(random.uniform(0.0, 0.05))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        content = path.read_bytes()
        assert len(content) == 200_000 and len(set(content)) == 1


def test_stale_temporary_files_are_removed(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "file"
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    stale = tmp_path / f"file.tmp-{int(dead.stdout)}-00ff00ff"
    mine = tmp_path / f"file.tmp-{os.getpid()}-00ff00ff"
    other = tmp_path / "file.tmp-notes"
    for item in (stale, mine, other):
        item.write_bytes(b"x")
        os.utime(item, (1, 1))
    replace(path)
    assert sorted(item.name for item in tmp_path.iterdir()) == sorted([path.name, mine.name, other.name])


@pytest.mark.skipif(os.name == "nt", reason="needs permissions and links")
def test_permissions_and_links_are_kept(tmp_path: pathlib.Path) -> None:
    path, link = tmp_path / "file", tmp_path / "link"
    path.write_bytes(OLD)
    path.chmod(0o640)
    link.symlink_to(path)
    replace(link)
    assert link.is_symlink() and path.read_bytes() == NEW
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_refusals(tmp_path: pathlib.Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"does not exist\. Create it"):
        replace(tmp_path / "none" / "file")
    with pytest.raises(IsADirectoryError, match="it is a directory"):
        replace(tmp_path)
    model = ironhorn.Sequential([ironhorn.Input((2,)), ironhorn.layers.Dense(1)])
    model.save(tmp_path / "model.keras")
    with pytest.raises(FileExistsError, match=r"exists already.*overwrite=True"):
        model.save(tmp_path / "model.keras", overwrite=False)
    with pytest.raises(ValueError, match=r"must end in `.keras`"):
        model.save(tmp_path / "model")
    with pytest.raises(UnsupportedError, match=r"legacy HDF5 format.*save_weights"):
        model.save(tmp_path / "model.h5")
    with pytest.raises(ValueError, match=r"must end in `.weights.h5`"):
        model.save_weights(tmp_path / "model.h5")
    with pytest.raises(UnsupportedError, match="max_shard_size"):
        ironhorn.saving.save_weights(model, tmp_path / "model.weights.h5", max_shard_size=1)


def test_a_failed_save_keeps_the_old_model(tmp_path: pathlib.Path) -> None:
    class Broken(ironhorn.layers.Layer):
        def call(self, inputs: Any) -> Any:
            return inputs

        def save_own_variables(self, store: Any) -> None:
            raise RuntimeError("disk on fire")

    path = tmp_path / "model.keras"
    ironhorn.Sequential([ironhorn.Input((2,)), ironhorn.layers.Dense(1)], name="first").save(path)
    before = path.read_bytes()
    with pytest.raises(RuntimeError, match="disk on fire"):
        ironhorn.Sequential([ironhorn.Input((2,)), Broken()]).save(path)
    assert path.read_bytes() == before
    assert [item.name for item in tmp_path.iterdir()] == ["model.keras"]
