"""`ironhorn.swap` and `python -m ironhorn`, each in a process of its own."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest

import ironhorn


def run(*arguments: str, code: int = 0) -> str:
    """Run Python and return what it printed."""
    result = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=120)
    assert result.returncode == code, result.stderr
    return result.stdout + result.stderr


def run_code(text: str, code: int = 0) -> str:
    return run("-c", text, code=code)


def test_every_way_to_import_keras() -> None:
    run_code(
        "import ironhorn\n"
        "specification = ironhorn.layers.__spec__\n"
        "ironhorn.swap('keras')\n"
        "ironhorn.swap('keras')\n"
        "from keras import layers\n"
        "from keras.layers import Dense\n"
        "import keras.ops\n"
        "import keras.optimizers.schedules\n"
        "from keras.utils import to_categorical\n"
        "from keras.datasets import mnist\n"
        "import keras\n"
        "assert keras is ironhorn and layers is ironhorn.layers and Dense is ironhorn.layers.Dense\n"
        "assert keras.ops is ironhorn.ops and ironhorn.layers.__spec__ is specification\n"
        "assert ironhorn.layers.__name__ == 'ironhorn.layers'\n"
    )


def test_surprise() -> None:
    run_code(
        "import ironhorn\n"
        "ironhorn.swap('surprise')\n"
        "from surprise import SVD, Dataset\n"
        "from surprise.model_selection import cross_validate\n"
        "import ironhorn.surprise\n"
        "assert SVD is ironhorn.surprise.SVD\n"
    )


def test_private_and_missing_modules_say_so() -> None:
    text = run_code("import ironhorn\nironhorn.swap('keras')\nimport keras.src.layers", code=1)
    assert "`keras.src" in text and "private to Keras" in text and "from keras import layers" in text
    text = run_code("import ironhorn\nironhorn.swap('keras')\nimport keras.applications", code=1)
    assert "Ironhorn has no `keras.applications`" in text
    text = run_code("import ironhorn\nironhorn.swap('surprise')\nimport surprise.nothing", code=1)
    assert "Ironhorn has no `surprise.nothing`" in text


def test_tensorflow_keras_says_what_to_write() -> None:
    text = run_code("import ironhorn\nironhorn.swap('keras')\nimport tensorflow.keras.layers", code=1)
    assert "import keras" in text and "ModuleNotFoundError" in text


def test_a_library_that_was_imported_before_is_an_error(tmp_path: pathlib.Path) -> None:
    (tmp_path / "keras.py").write_text("")
    text = run_code(
        f"import sys\nsys.path.insert(0, {str(tmp_path)!r})\nimport keras, ironhorn\nironhorn.swap('keras')", code=1
    )
    assert "AlreadyImportedError: 'keras' was imported already" in text and "python -m ironhorn run" in text


def test_unknown_names() -> None:
    with pytest.raises(ValueError, match="cannot stand in for 'torch'"):
        ironhorn.swap("torch")
    with pytest.raises(ValueError, match="Name what to stand in for"):
        ironhorn.swap()


def test_run_a_script(tmp_path: pathlib.Path) -> None:
    (tmp_path / "neighbour.py").write_text("value = 7\n")
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\nfrom keras.layers import Dense\nimport keras, neighbour\n"
        "print(__name__, keras.__name__, sys.argv[1:], neighbour.value)\n"
    )
    assert run("-m", "ironhorn", "run", str(script), "--epochs", "3") == "__main__ ironhorn ['--epochs', '3'] 7\n"


def test_run_passes_exit_codes_and_complains_about_missing_files(tmp_path: pathlib.Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("raise SystemExit(5)\n")
    run("-m", "ironhorn", "run", str(script), code=5)
    assert "there is no file" in run("-m", "ironhorn", "run", str(tmp_path / "none.py"), code=2)


def test_doctor_and_version() -> None:
    text = run("-m", "ironhorn", "doctor")
    for word in ("ironhorn", "python", "numpy", "threads", "instruction set"):
        assert word in text
    assert run("-m", "ironhorn", "--version").strip() == ironhorn.__version__
    assert "unknown command" in run("-m", "ironhorn", "dance", code=2)
