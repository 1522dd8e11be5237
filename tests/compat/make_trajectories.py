"""Write `trajectories/*.npz`: what real Keras computes for the problems in `reference_models.py`.

Run it where `keras`, `jax` and `tensorflow` are installed, from the root of the repository:

    python tests/compat/make_trajectories.py

For each problem one file is written, holding

- `sgd_losses`: 100 losses of SGD with momentum in float64, on Keras with JAX (x64);
- `adam_losses`, `adam_weight_<i>`: 100 losses and the final weights of Adam in float32, on Keras with JAX;
- `adam_distances`: how far Keras on TensorFlow ends from Keras on JAX, for several seeds of weights and batches: the
  Euclidean norm of the difference of all weights, over the norm of the weights (first entry: the stored seed);
- `adam_loss_distances`: the same runs' largest difference between the losses of a step;
- `versions`: the versions that made the file.

On TensorFlow, Keras' Adam squares the gradient of every occurrence of a token by itself, instead of squaring their sum,
because embedding gradients arrive as slices. That is a difference of meaning, not of rounding, and would make the
distance useless as a yardstick, so that the TensorFlow run makes these gradients dense.

On JAX, Keras narrows the results of many ops from float64 to float32, whether JAX allows float64 or not. The JAX run
takes float64 out of that rule, so that its float64 losses are what they claim to be.
"""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
SEEDS = (0, 1, 2, 3, 4, 5, 6, 7)


def relative_distance(first: list[np.ndarray], second: list[np.ndarray]) -> float:
    """Euclidean distance of two lists of weights over the norm of the second."""
    squares = sum(float(np.sum((a.astype("float64") - b) ** 2)) for a, b in zip(first, second, strict=True))
    norms = sum(float(np.sum(b.astype("float64") ** 2)) for b in second)
    return float(np.sqrt(squares / norms))


def run_backend(output: str) -> None:
    """Run every problem on the backend named by `KERAS_BACKEND` and store raw results in `output`."""
    import keras
    import reference_models

    if keras.backend.backend() == "tensorflow":

        def dense_lookup(self: keras.layers.Embedding, inputs: object) -> object:
            return keras.ops.take(self.embeddings * 1.0, inputs, axis=0)

        keras.layers.Embedding.call = dense_lookup
    else:
        from keras.src.backend.common import dtypes

        del dtypes.BIT64_TO_BIT32_DTYPE["float64"]

    results: dict[str, np.ndarray] = {}
    for problem in reference_models.PROBLEMS:
        for seed in SEEDS:
            outcome = reference_models.run(keras, problem, "adam", "float32", seed)
            results[f"{problem}/adam/{seed}/losses"] = outcome["losses"]
            for index, value in enumerate(outcome["weights"]):
                results[f"{problem}/adam/{seed}/weight/{index}"] = value
        if keras.backend.backend() == "jax":
            results[f"{problem}/sgd/losses"] = reference_models.run(keras, problem, "sgd", "float64")["losses"]
    np.savez(output, **results)


def run_in_subprocess(backend: str, output: str) -> dict[str, np.ndarray]:
    """Run this script once more with `backend` and read what it stored."""
    environment = dict(os.environ, KERAS_BACKEND=backend, TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="")
    if backend == "jax":
        environment["JAX_ENABLE_X64"] = "1"
    subprocess.run([sys.executable, __file__, output], check=True, env=environment)
    with np.load(output) as stored:
        return {name: stored[name] for name in stored.files}


def main() -> None:
    """Run both backends and write one file per problem."""
    from importlib.metadata import version

    import reference_models

    with tempfile.TemporaryDirectory() as folder:
        jax = run_in_subprocess("jax", os.path.join(folder, "jax.npz"))
        tensorflow = run_in_subprocess("tensorflow", os.path.join(folder, "tensorflow.npz"))

    def weights_of(results: dict[str, np.ndarray], problem: str, seed: int) -> list[np.ndarray]:
        prefix = f"{problem}/adam/{seed}/weight/"
        count = sum(name.startswith(prefix) for name in results)
        return [results[f"{prefix}{index}"] for index in range(count)]

    versions = []
    for package in ("keras", "jax", "tensorflow", "tensorflow-cpu", "numpy"):
        try:
            versions.append(f"{package} {version(package)}")
        except ModuleNotFoundError:
            continue
    for problem in reference_models.PROBLEMS:
        distances, loss_distances = [], []
        for seed in SEEDS:
            distances.append(relative_distance(weights_of(tensorflow, problem, seed), weights_of(jax, problem, seed)))
            name = f"{problem}/adam/{seed}/losses"
            loss_distances.append(float(np.max(np.abs(tensorflow[name] - jax[name]))))
        contents = {
            "sgd_losses": jax[f"{problem}/sgd/losses"],
            "adam_losses": jax[f"{problem}/adam/0/losses"],
            "adam_distances": np.array(distances),
            "adam_loss_distances": np.array(loss_distances),
            "versions": np.array(versions),
        }
        for index, value in enumerate(weights_of(jax, problem, 0)):
            contents[f"adam_weight_{index}"] = value
        np.savez_compressed(HERE / "trajectories" / f"{problem}.npz", **contents)
        print(problem, contents["sgd_losses"][[0, -1]], contents["adam_losses"][[0, -1]])
        print("   TensorFlow to JAX, weights:", " ".join(f"{value:.2e}" for value in distances))
        print("   TensorFlow to JAX, losses: ", " ".join(f"{value:.2e}" for value in loss_distances))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        run_backend(sys.argv[1])
    else:
        main()
