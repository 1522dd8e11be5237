"""A whole script, imports included: `examples/product_inspection.py` on Ironhorn and on Keras.

The script is the same file; `python -m ironhorn run` runs it on Ironhorn. Every peer has to reach the same accuracy on
the test set, give or take what another order of the same samples does to it.
"""

import contextlib
import os
import pathlib
import re
import subprocess
import time
from collections.abc import Callable, Iterator

from comparison.peers import OURS, REFERENCES, Peers, bind, environment
from comparison.report import Report, Row

ROOT = pathlib.Path(__file__).resolve().parents[3]
SCRIPT = ROOT / "examples" / "product_inspection.py"
ACCURACY_TOLERANCE = 0.01


@contextlib.contextmanager
def stopwatch() -> Iterator[Callable[[], float]]:
    """Seconds since it was started."""
    started = time.perf_counter()
    yield lambda: time.perf_counter() - started


def accuracy_of(peer: str, peers: Peers, data: pathlib.Path) -> float:
    """The accuracy on the test set that the script prints."""
    run = ["-m", "ironhorn", "run"] if peer == OURS else []
    printed = subprocess.run(
        [peers.pythons[peer], *run, str(SCRIPT)],
        env={**environment(peer, peers.threads), "KERAS_HOME": str(data), "IRONHORN_DATA": str(data)},
        preexec_fn=lambda: bind(peers.threads),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
    ).stdout
    found = re.search(r"test accuracy ([0-9.]+)", printed)
    if not found:
        raise SystemExit(f"{SCRIPT.name} printed no accuracy: {printed[-500:]}")
    return float(found[1])


def run(peers: Peers, report: Report) -> None:
    """Wall time of the script: Ironhorn, and Keras on TensorFlow where it is installed, else on JAX."""
    data = pathlib.Path(os.environ.get("IRONHORN_DATA", ROOT / ".data")).absolute()
    if not (data / "datasets" / "fashion-mnist" / "train-images-idx3-ubyte.gz").exists():
        report.notes["demo"] = "demo is left out: Fashion-MNIST is missing (`make data` fetches it)."
        return
    taking_part = [peer for peer in (OURS, *REFERENCES) if peer in peers.pythons][:2]
    row = Row("demo", f"{SCRIPT.name}, whole script", "s")
    accuracies: dict[str, float] = {}
    for _ in range(peers.repeats):
        for peer in taking_part:
            with stopwatch() as seconds:
                accuracies[peer] = accuracy_of(peer, peers, data)
                row.values.setdefault(peer, []).append(seconds())
    reached = ", ".join(f"{accuracy:.4f} ({peer})" for peer, accuracy in accuracies.items())
    if max(accuracies.values()) - min(accuracies.values()) > ACCURACY_TOLERANCE:
        raise SystemExit(f"demo: refused, the accuracies differ: {reached}")
    report.notes["demo"] = f"demo: test accuracy {reached}."
    report.add(row)
