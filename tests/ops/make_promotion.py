"""Writes promotion.json: the type that Keras gives two operands. Run with a Python that has Keras and TensorFlow."""

import json
import os
import pathlib

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
from keras.src.backend.common.dtypes import result_type

DTYPES = "bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 bfloat16 float16 float32 float64".split()


def main() -> None:
    """Ask Keras for every pair of types, and for every type beside a Python number."""
    weak = {"int": int, "float": float}
    table = {f"{a} {b}": result_type(a, weak.get(b, b)) for a in DTYPES for b in [*DTYPES, *weak]}
    record = {"keras": keras.__version__, "table": table}
    (pathlib.Path(__file__).parent / "promotion.json").write_text(json.dumps(record, indent=0) + "\n")


if __name__ == "__main__":
    main()
