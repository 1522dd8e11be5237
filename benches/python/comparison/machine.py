"""Where the figures come from: processor, versions, command; and the rate of the machine."""

import os
import pathlib
import platform
import time

from comparison.peers import PEERS, Peers
from comparison.report import Report


def peak(peers: Peers) -> float:
    """Floating-point operations a second of the fastest large float32 matrix product of any peer."""
    rates = []
    for peer in peers.pythons:
        with peers.start(peer) as worker:
            rates.append(float(worker.ask("product")["rate"]))
    return max(rates)


def processor() -> str:
    """Name of the processor."""
    information = pathlib.Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def description(peers: Peers, report: Report) -> list[str]:
    """Machine, versions and command in sentences."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    versions = "; ".join(
        f"{PEERS[peer]}: {', '.join(f'{module} {version}' for module, version in modules.items())}"
        for peer, modules in peers.versions.items()
    )
    command = " ".join(["python benches/python/compare.py", *report.workloads])
    return [
        f"{processor()}, {cores} cores, {platform.system()}, Python {platform.python_version()}; {versions}.",
        f"`{command}`: {peers.threads} threads unless a row says otherwise, medians of {peers.repeats} interleaved"
        f" repeats (least-most), {time.strftime('%Y-%m-%d')}. The peak, the fastest 1024 x 1024 float32 product of any"
        f" library here: {report.peak / 1e9:.0f} GFLOP/s.",
    ]
