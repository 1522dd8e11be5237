"""Write algorithms_reference.npz: what real scikit-surprise computes, for every case of algorithm_cases.py.

Run with scikit-surprise installed, from this folder: python make_algorithms_reference.py
"""

import pathlib
import tempfile
from typing import Any

import numpy as np
import surprise
from algorithm_cases import ATTRIBUTES, CASES, details, fitted, split, summary


def main() -> None:
    """Write the file."""
    arrays: dict[str, Any] = {"made_with": np.array(f"scikit-surprise {surprise.__version__}, numpy {np.__version__}")}
    with tempfile.TemporaryDirectory() as folder:
        trainset, testset = split(surprise, folder)
    for name in CASES:
        algo = fitted(surprise, name, trainset)
        predictions = algo.test(testset)
        arrays[f"{name}/est"] = np.array([row.est for row in predictions])
        arrays[f"{name}/details"] = np.array(details(predictions))
        for attribute in ATTRIBUTES:
            if getattr(algo, attribute, None) is not None:
                arrays[f"{name}/{attribute}"] = summary(getattr(algo, attribute))
        if hasattr(algo, "sim"):
            arrays[f"{name}/neighbors"] = np.array([algo.get_neighbors(x, 12) for x in range(10)])
    np.savez_compressed(pathlib.Path(__file__).with_name("algorithms_reference.npz"), **arrays)


if __name__ == "__main__":
    main()
