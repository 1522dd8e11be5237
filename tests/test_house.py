"""What the package promises about itself: import, documents, stub, wheel."""

import importlib
import inspect
import os
import pathlib
import re
import subprocess
import sys
import types
import zipfile

import pytest

import ironhorn

ROOT = pathlib.Path(__file__).parent.parent
PACKAGE = ROOT / "python" / "ironhorn"
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a fresh interpreter in which warnings are errors."""
    variables = {**os.environ, **environment}
    if "PYTHONPYCACHEPREFIX" in environment:
        variables.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, env=variables, timeout=120)
    assert done.returncode == 0, done.stderr
    return done


def test_import_is_quiet_and_starts_no_thread() -> None:
    done = python("import os, ironhorn; print(len(os.listdir('/proc/self/task')))", OPENBLAS_NUM_THREADS="1")
    assert done.stdout == "1\n"
    assert done.stderr == ""


def test_import_costs_less_than_100_ms_beyond_numpy(tmp_path: pathlib.Path) -> None:
    # Processor time, which other processes lengthen less; compiled modules, as an installed package has them; the best
    # of several fresh interpreters, because whatever disturbs one only adds to it.
    code = "import numpy, time; t = time.process_time(); import ironhorn; print(time.process_time() - t)"
    seconds = [float(python(code, PYTHONPYCACHEPREFIX=str(tmp_path)).stdout) for _ in range(6)]
    assert min(seconds[1:]) < 0.1, seconds


def test_import_leaves_rare_companions_alone() -> None:
    companions = ("h5py", "rich", "PIL", "matplotlib", "pandas", "scipy", "asyncio", "multiprocessing")
    done = python(f"import sys, ironhorn; print([name for name in {companions!r} if name in sys.modules])")
    assert done.stdout == "[]\n"


def code_blocks(document: pathlib.Path) -> str:
    """The python blocks of a document as one program, on the lines on which they stand."""
    lines, inside = [], False
    for line in document.read_text().splitlines():
        inside = inside and line != "```"
        lines.append(line if inside else "")
        inside = inside or line == "```python"
    return "\n".join(lines)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_code_in_documents_runs(
    document: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    module = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", module)
    exec(compile(code_blocks(document), str(document), "exec"), module.__dict__)


def test_readme_has_code_to_run() -> None:
    assert code_blocks(ROOT / "README.md").count("import ironhorn") >= 3


@pytest.mark.parametrize("stub", sorted(PACKAGE.glob("*/__init__.pyi")), ids=lambda path: path.parent.name)
def test_lazy_names_resolve_and_no_module_hides_one(stub: pathlib.Path) -> None:
    package = importlib.import_module(f"ironhorn.{stub.parent.name}")
    modules = {path.stem for path in stub.parent.iterdir()} - {"__init__"}
    # An imported module becomes an attribute of its package, in the place of a name that is the same.
    assert not set(package.ALL) & modules
    for name in package.ALL:
        getattr(package, name)


def test_documents_name_no_file_that_is_missing() -> None:
    for document in [*DOCUMENTS, ROOT / "CONTRIBUTING.md", ROOT / "examples" / "README.md"]:
        for path in re.findall(
            r"`((?:docs|examples|src|python|tests|benches|requirements)/[\w./-]*)`", document.read_text()
        ):
            if "..." not in path and "<" not in path:
                assert (ROOT / path).exists(), f"{document.name} names {path}"


def test_environment_variables_are_documented() -> None:
    sources = [*PACKAGE.rglob("*.py"), *(ROOT / "src").rglob("*.rs"), *(ROOT / "examples").glob("*.py")]
    read = {name for source in sources for name in re.findall(r'"(IRONHORN_[A-Z_]+)"', source.read_text())}
    documented = set(re.findall(r"^\| `(IRONHORN_[A-Z_]+)`", (ROOT / "docs" / "environment.md").read_text(), re.M))
    assert read == documented


def test_errors_are_documented() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)`", (ROOT / "docs" / "errors.md").read_text(), re.M)
    documented = {name: builtin for name, builtin in rows}
    classes = {
        name: value
        for name, value in vars(ironhorn.errors).items()
        if inspect.isclass(value) and issubclass(value, ironhorn.errors.IronhornError) and name != "IronhornError"
    }
    assert set(classes) == set(documented)
    for name, value in classes.items():
        assert documented[name] in {base.__name__ for base in value.__mro__}


def test_the_stub_names_what_the_extension_has() -> None:
    import ast

    stub = ast.parse((PACKAGE / "_core.pyi").read_text())
    named = {node.name for node in stub.body if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    named |= {
        node.target.id for node in stub.body if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
    present = set(vars(ironhorn._core))
    # What begins with an underscore describes types, or Python's own.
    assert {name for name in named ^ present if not name.startswith("_")} == set()


def test_make_help_has_a_line_for_every_target() -> None:
    text = (ROOT / "Makefile").read_text()
    phony = set(re.findall(r"^\.PHONY: (\w+)$", text, re.M))
    helped = set(re.findall(r"^([a-z]+):.*## ", text, re.M))
    assert phony == helped >= {"build", "test", "lint", "bench", "docs", "demo", "data", "help", "clean"}


@pytest.mark.parametrize("script", ["product_inspection", "fault_reports", "recommender"])
def test_examples_are_plain_code_for_the_other_library(script: str) -> None:
    text = (ROOT / "examples" / f"{script}.py").read_text()
    assert len(text.splitlines()) <= 100
    code = text.split('"""', 2)[2]
    assert "ironhorn" not in code.replace('"IRONHORN_DATA"', "")


def test_wheel_is_small_and_for_every_python_from_3_11() -> None:
    wheels = sorted((ROOT / "dist").glob("ironhorn-*.whl"))
    if not wheels:
        pytest.skip("no wheel in dist: `make wheel` builds one")
    for wheel in wheels:
        assert "-cp311-abi3-" in wheel.name
        assert wheel.stat().st_size < 12 * 2**20
        with zipfile.ZipFile(wheel) as archive:
            names = archive.namelist()
        assert "ironhorn/py.typed" in names and "ironhorn/_core.pyi" in names
        top_level = {name.split("/")[0] for name in names}
        assert {name for name in top_level if not name.endswith(".dist-info")} == {"ironhorn"}
