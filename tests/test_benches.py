"""The benches run, count right, and refuse what is wrong. Nothing here is timed."""

import importlib.util
import pathlib
import subprocess
import sys

import pytest

import ironhorn
from comparison import experiments, networks, sweep
from comparison.on_keras import Contender
from comparison.peers import PEERS, Peers
from comparison.report import BEGIN, END, Report, Row
from comparison.workloads import WORKLOADS

ROOT = pathlib.Path(__file__).parent.parent
PYTHON = ROOT / "benches" / "python"


def compare(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(PYTHON / "compare.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=240)


def test_compare_runs_a_workload_and_keeps_its_rows(tmp_path: pathlib.Path) -> None:
    rows, document = tmp_path / "rows.json", tmp_path / "README.md"
    document.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    alone = ("--peers", "ironhorn", "--repeats", "1", "--threads", "1", "--rows", str(rows))
    done = compare("small", *alone, "--markdown", str(document))
    assert done.returncode == 0, done.stderr
    assert "small     fit " in done.stdout and "steps_per_execution=50" in done.stdout
    assert "no result was compared" in done.stdout
    text = document.read_text()
    assert "| small | fit | rows/s |" in text and "old" not in text
    assert text.startswith(f"before\n{BEGIN}\n") and text.endswith(f"{END}\nafter\n")
    report = Report(0.0, ["mlp"])
    report.load(rows)
    assert report.workloads == ["small", "mlp"] and [row.workload for row in report.rows] == ["small", "small"]


def test_compare_says_what_is_wrong_with_its_command_line() -> None:
    assert "no workload smal; there are small, mlp" in compare("smal").stderr
    assert "PEER,...=PATH" in compare("small", "--python", "pytorch=/bin/python").stderr
    assert "0 threads on" in compare("small", "--threads", "0").stderr


def test_what_is_not_installed_is_left_out_and_named() -> None:
    peers = Peers({"ironhorn": sys.executable, "torch": sys.executable}, threads=1, repeats=1)
    peers.find()
    if importlib.util.find_spec("torch"):
        assert set(peers.pythons) == {"ironhorn", "torch"} and not peers.notes
    else:
        assert set(peers.pythons) == {"ironhorn"}
        assert peers.notes == {"torch": "torch is left out: torch is not installed."}


def test_a_wrong_result_is_refused() -> None:
    right = {"before": [0.1, 0.9], "loss": 0.7, "after": [0.2, 0.8]}
    assert experiments.difference(right, right) == ""
    assert experiments.difference({"before": [0.1, 0.90001]}, right) == ""
    assert experiments.difference({**right, "loss": 0.71}, right) == "off by 1.4e-02 in the loss of a step"
    assert "predictions after a step" in experiments.difference({**right, "after": [0.2, float("nan")]}, right)


def test_rows_compare_with_the_best_peer() -> None:
    rate = Row("small", "fit", "rows/s", {"ironhorn": [90.0, 100.0, 130.0], "jax": [40.0], "torch": [50.0]})
    assert rate.ratio() == (2.0, "torch")
    assert rate.cell("ironhorn") == "100 (90-130)" and rate.cell("tensorflow") == ""
    seconds = Row("demo", "script", "s", {"ironhorn": [0.5], "jax": [1.0], "tensorflow": [4.0]})
    assert seconds.ratio() == (2.0, "jax")
    assert seconds.cell("ironhorn") == "0.50"
    assert Row("demo", "script", "s", {"ironhorn": [0.5]}).ratio() is None
    report = Report(1e9, [])
    report.add(Row("small", "fit", "rows/s", {"ironhorn": [1e6]}, {}, {"torch": "the loss differs"}, operations=500))
    head, row = report.table()
    assert head[3:5] == ["Ironhorn", "torch"] and row[3:] == ["1,000,000", "refused", "", "50 %"]
    assert report.notes == {"small, fit: torch": "small, fit: torch is refused: the loss differs."}
    report.add(Row("small", "fit", "rows/s", {"ironhorn": [1.0]}))
    assert len(report.rows) == 1 and not report.notes


def test_networks_are_those_of_the_papers() -> None:
    counts = {name: WORKLOADS[name].network(ironhorn, 0.5).count_params() for name in ("resnet50", "mobilenet_v2")}
    # As in keras.applications, whose ResNet-50 has biases in its 53 convolutions beside.
    assert counts == {"resnet50": 25_636_712 - 26_560, "mobilenet_v2": 3_538_984}


def test_operations_and_kept_bytes() -> None:
    layers = ironhorn.layers
    model = ironhorn.Sequential(
        [
            ironhorn.Input((8, 8, 3)),
            layers.Conv2D(4, 3, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.DepthwiseConv2D(3, use_bias=False),
            layers.Flatten(),
            layers.Dense(5),
        ]
    )
    first, rest = 64 * 9 * 3 * 4, 36 * 9 * 4 + 144 * 5
    assert networks.operations(model) == (2 * (first + rest), 2 * (2 * first + 3 * rest))
    assert networks.kept_bytes(model, 2) == 4 * 2 * (8 * 8 * 3 + 2 * 8 * 8 * 4 + 6 * 6 * 4 + 144)
    recurrent = WORKLOADS["sensor_gru"].network(ironhorn, 0.5)
    assert networks.operations(recurrent)[0] == 2 * (120 * 3 * (64 * (14 + 64) + 32 * (64 + 32)) + 32)


def test_cliffs_are_seen_from_the_cheaper_neighbour() -> None:
    assert sweep.cliffs({1: 3.0, 2: 2.0, 3: 2.0, 4: 5.0, 5: 2.5}) == {1: 1.5, 2: 1.0, 3: 1.0, 4: 2.5, 5: 0.5}


@pytest.mark.peer
@pytest.mark.parametrize("name", [name for name, workload in WORKLOADS.items() if workload.epochs])
def test_torch_networks_compute_the_same(name: str) -> None:
    pytest.importorskip("torch")
    from comparison import on_torch

    ours = Contender(ironhorn, "ironhorn", WORKLOADS[name]).check()
    assert experiments.difference(on_torch.Contender(WORKLOADS[name], 2).check(), ours) == ""


def test_every_peer_has_a_name_and_every_workload_a_measure() -> None:
    assert next(iter(PEERS)) == "ironhorn"
    assert all(measure in experiments.MEASURES for name in WORKLOADS for measure in experiments.measures_of(name))
