"""The notebooks are whole: five steps each, no outputs in git, and code that runs from top to bottom.

`make docs` runs them in Jupyter and prints them as pages; here their code runs as a program.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
from typing import Any

import pytest

ROOT = pathlib.Path(__file__).parent.parent
DATA = pathlib.Path(os.environ.get("IRONHORN_DATA", ROOT / ".data")).absolute()
NOTEBOOKS = sorted((ROOT / "examples" / "notebooks").glob("*.ipynb"))
NEEDS = {
    "anomaly_detection": "datasets/bibmon-1.2.0-py3-none-any.whl",
    "fault_reports": "excavators-cleaned.csv",
    "product_inspection": "datasets/fashion-mnist/t10k-labels-idx1-ubyte.gz",
    "recommender": "ml-100k/ml-100k/u.data",
    "sensor_diagnosis": "datasets/bibmon-1.2.0-py3-none-any.whl",
}


def cells(path: pathlib.Path, kind: str) -> list[str]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in content["cells"] if cell["cell_type"] == kind]


def test_there_is_a_notebook_for_each_example() -> None:
    assert [path.stem for path in NOTEBOOKS] == sorted(NEEDS)
    for path in NOTEBOOKS:
        assert (ROOT / "examples" / f"{path.stem}.py").exists()
        assert f"`examples/{path.stem}.py`" in cells(path, "markdown")[0]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_as_jupyter_wants_them(path: pathlib.Path) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    assert (content["nbformat"], content["nbformat_minor"]) == (4, 5)
    names = [cell["id"] for cell in content["cells"]]
    assert len(set(names)) == len(names)
    for cell in content["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [] and cell["execution_count"] is None, "clear the outputs before committing"
    titles = re.findall(r"^## (.*)$", "\n".join(cells(path, "markdown")), re.M)
    assert titles == ["Choose a model", "Prepare the data", "Train", "Test", "Deploy"]


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_run(path: pathlib.Path, tmp_path: pathlib.Path) -> None:
    if not (DATA / NEEDS[path.stem]).exists():
        pytest.skip(f"{DATA / NEEDS[path.stem]} is missing: `make data` fetches it")
    # What a cell ends with is shown by a notebook, so its HTML is made here too.
    program = "import sys, ast\n"
    for number, code in enumerate(cells(path, "code")):
        program += f"source = {code!r}\n" + (
            "body = ast.parse(source).body\n"
            "last = body.pop() if isinstance(body[-1], ast.Expr) else None\n"
            f"exec(compile(ast.Module(body, []), 'cell {number}', 'exec'))\n"
            "if last is not None:\n"
            f"    shown = eval(compile(ast.Expression(last.value), 'cell {number}', 'eval'))\n"
            "    print(shown._repr_html_()[:20] if hasattr(shown, '_repr_html_') else shown)\n"
        )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "IRONHORN_DATA": str(DATA)},
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert list(tmp_path.iterdir()) == [], "a notebook leaves no files behind"
