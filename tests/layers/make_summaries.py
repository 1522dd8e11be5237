"""Writes summaries.json with Keras 3.15.1: `COLUMNS=120 KERAS_BACKEND=tensorflow python make_summaries.py`.

On TensorFlow, whose counters are of eight bytes as ours are; elsewhere the sizes of optimizers differ by four.
"""

import json
import pathlib

import keras
from summary_cases import summaries

if __name__ == "__main__":
    path = pathlib.Path(__file__).parent / "summaries.json"
    found = {"keras": keras.__version__, "summaries": summaries(keras)}
    path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
