"""Write surface_reference.json: what real scikit-surprise does in every case of surface_cases.py.

Run with scikit-surprise installed, from this folder: python make_surface_reference.py
"""

import json
import pathlib
import tempfile

import numpy as np
import surprise
from surface_cases import CASES


def main() -> None:
    """Write the file."""
    found = {"made_with": f"scikit-surprise {surprise.__version__}, numpy {np.__version__}"}
    for name, case in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            found[name] = case(surprise, pathlib.Path(folder))
    path = pathlib.Path(__file__).with_name("surface_reference.json")
    path.write_text(json.dumps(found, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
