"""A whole script, imports included: `examples/product_inspection.py` on Ironhorn and on Keras.

The script is the same file; `python -m ironhorn run` runs it on Ironhorn. Every peer has to reach the same accuracy on
the test set, give or take what another order of the same samples does to it.
"""

import os
import pathlib
import re
import subprocess
import time

from comparison.peers import OURS, PEERS, REFERENCES, PeerError, Peers, bound, environment
from comparison.report import Report, Row

ROOT = pathlib.Path(__file__).resolve().parents[3]
SCRIPT = ROOT / "examples" / "product_inspection.py"
ACCURACY_TOLERANCE = 0.01


def accuracy_of(peer: str, peers: Peers, data: pathlib.Path) -> float:
    """The accuracy on the test set that the script prints."""
    run = ["-m", "ironhorn", "run"] if peer == OURS else []
    with bound(peers.threads):
        done = subprocess.run(
            [peers.pythons[peer], *run, str(SCRIPT)],
            env={**environment(peer, peers.threads), "KERAS_HOME": str(data), "IRONHORN_DATA": str(data)},
            capture_output=True,
            text=True,
        )
    found = re.search(r"test accuracy ([0-9.]+)", done.stdout)
    if done.returncode or not found:
        raise PeerError(f"{SCRIPT.name} ended with status {done.returncode}: {done.stderr[-4000:]}")
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

    def ask(peer: str) -> float:
        started = time.perf_counter()
        accuracies[peer] = accuracy_of(peer, peers, data)
        return time.perf_counter() - started

    row.take_turns(taking_part, peers.repeats, ask)
    reached = ", ".join(f"{accuracy:.4f} ({PEERS[peer]})" for peer, accuracy in accuracies.items())
    report.notes["demo"] = f"demo: test accuracy {reached}."
    if accuracies and max(accuracies.values()) - min(accuracies.values()) > ACCURACY_TOLERANCE:
        row.values.clear()
        row.refused[OURS] = "the accuracies differ"
    report.add(row)
