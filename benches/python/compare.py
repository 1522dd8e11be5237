"""Whole `fit` and `predict` calls of Ironhorn beside the libraries that are installed, turn by turn.

    python benches/python/compare.py [WORKLOAD ...] [--python torch,onnxruntime=/elsewhere/bin/python]

Each library runs in a process of its own with the same number of threads, which stays alive while the others take their
turns, so that whatever disturbs the machine disturbs all. Before anything is timed, a training step from equal weights
and an equal batch, without dropout, has to give the loss and the predictions that Keras gives. A library that is not
installed is left out and named. `benches/README.md` says what the workloads are.
"""

import argparse
import os
import pathlib
import sys

from comparison import machine
from comparison.experiments import experiments
from comparison.peers import OURS, PEERS, Peers
from comparison.report import Report


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = list(experiments())
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=f"{', '.join(names)}; default: all")
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS), help="who takes part; default: all")
    parser.add_argument(
        "--python",
        action="append",
        default=[],
        metavar="PEER,...=PATH",
        help="the interpreter that has these peers; default: the one that runs this",
    )
    parser.add_argument("--threads", type=int, default=2, help="threads of every library; default: 2")
    parser.add_argument("--repeats", type=int, default=5, help="how often each is measured; default: 5")
    parser.add_argument(
        "--rows", type=pathlib.Path, help="a file that keeps rows: earlier ones are shown with new ones"
    )
    parser.add_argument("--markdown", type=pathlib.Path, help="a document that gets the table between its markers")
    options = parser.parse_args()
    for name in options.workloads:
        if name not in names:
            parser.error(f"no workload {name}; there are {', '.join(names)}")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not 1 <= options.threads <= cores:
        parser.error(f"{options.threads} threads on {cores} processors")
    options.workloads = options.workloads or names
    options.pythons = dict.fromkeys(options.peers, sys.executable)
    for setting in options.python:
        named, _, path = setting.partition("=")
        for peer in named.split(","):
            if peer not in PEERS or not path:
                parser.error(f"--python {setting}: PEER,...=PATH, with peers of {', '.join(PEERS)}")
            if peer in options.peers:
                options.pythons[peer] = path
    return options


def main() -> None:
    """Measure what the command line names, and print it."""
    options = parse()
    peers = Peers(options.pythons, options.threads, options.repeats)
    peers.find()
    report = Report(machine.peak(peers), options.workloads)
    if options.rows and options.rows.exists():
        report.load(options.rows)
    for name in options.workloads:
        print(f"{name} ...", file=sys.stderr, flush=True)
        experiments()[name](peers, report)
        report.notes |= peers.notes
        report.machine = machine.description(peers, report)
        if options.rows:
            report.save(options.rows)
    print(report.text())
    if options.markdown:
        report.write_markdown(options.markdown)
    if any(OURS in row.refused for row in report.rows):
        raise SystemExit("Ironhorn was refused: see above")


if __name__ == "__main__":
    main()
