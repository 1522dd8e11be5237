"""Rows of medians, what they are beside the best peer, and their tables as text and as Markdown."""

import dataclasses
import json
import pathlib
import re
import statistics
from collections.abc import Callable, Iterable
from typing import Any

from comparison.peers import OURS, PEERS, PeerError

BEGIN, END = "<!-- compare.py -->", "<!-- /compare.py -->"


@dataclasses.dataclass
class Row:
    """One measure of all peers.

    Args:
        workload: What was run.
        measure: What of it was measured.
        unit: Unit of the values; what ends in `/s` is better when it is more, all else when it is less.
        values: The repeats of each peer.
        settings: The setting that was a peer's fastest, where there was a choice.
        refused: Why a peer has no value.
        operations: Floating-point operations of one unit, where they are known.
    """

    workload: str
    measure: str
    unit: str
    values: dict[str, list[float]] = dataclasses.field(default_factory=dict)
    settings: dict[str, str] = dataclasses.field(default_factory=dict)
    refused: dict[str, str] = dataclasses.field(default_factory=dict)
    operations: float = 0.0

    def take_turns(self, peers: Iterable[str], repeats: int, ask: Callable[[str], float]) -> None:
        """Measure each peer so often, in turns; one that fails is refused."""
        for _ in range(repeats):
            for peer in peers:
                if peer not in self.refused:
                    try:
                        self.values.setdefault(peer, []).append(ask(peer))
                    except PeerError as error:
                        self.refused[peer] = str(error)
                        del self.values[peer]

    def median(self, peer: str) -> float:
        """A peer's median."""
        return statistics.median(self.values[peer])

    def ratio(self) -> tuple[float, str] | None:
        """How many times faster (or smaller) than the best peer Ironhorn is, and who that is."""
        others = {peer: self.median(peer) for peer in self.values if peer != OURS}
        if OURS not in self.values or not others:
            return None
        if self.unit.endswith("/s"):
            best = max(others, key=others.__getitem__)
            return self.median(OURS) / others[best], best
        best = min(others, key=others.__getitem__)
        return others[best] / self.median(OURS), best

    def cell(self, peer: str) -> str:
        """A peer's median, and in brackets its least and its most."""
        if peer in self.refused:
            return "refused"
        if peer not in self.values:
            return ""
        digits = 2 if self.median(peer) < 10 else 1 if self.median(peer) < 100 else 0
        low, middle, high = (
            f"{value:,.{digits}f}" for value in (min(self.values[peer]), self.median(peer), max(self.values[peer]))
        )
        return middle if len(self.values[peer]) == 1 else f"{middle} ({low}-{high})"

    def share(self, peak: float) -> str:
        """How much of the machine's rate Ironhorn reaches."""
        if not self.operations or OURS not in self.values:
            return ""
        return f"{100 * self.operations * self.median(OURS) / peak:.0f} %"


@dataclasses.dataclass
class Report:
    """All that a run found.

    Args:
        peak: Floating-point operations a second of a large matrix product.
        workloads: What was named on the command line, of this run and of those whose rows were kept.
        rows: The rows, in the order in which they were measured.
        notes: Sentences, by what they are about.
        machine: Lines on machine, versions and command.
    """

    peak: float
    workloads: list[str]
    machine: list[str] = dataclasses.field(default_factory=list)
    rows: list[Row] = dataclasses.field(default_factory=list)
    notes: dict[str, str] = dataclasses.field(default_factory=dict)

    def add(self, row: Row) -> None:
        """Add a row in the place of an earlier one of that name."""
        title = f"{row.workload}, {row.measure}"
        names = [f"{other.workload}, {other.measure}" for other in self.rows]
        if title in names:
            self.rows[names.index(title)] = row
        else:
            self.rows.append(row)
        for peer in PEERS:
            about = f"{title}: {PEERS[peer]}"
            self.notes.pop(about, None)
            if peer in row.refused:
                self.notes[about] = f"{about} is refused: {row.refused[peer]}."
            elif row.settings.get(peer):
                self.notes[about] = f"{about} is fastest with {row.settings[peer]}."

    def table(self) -> list[list[str]]:
        """Head and rows as text."""
        present = [peer for peer in PEERS if any(peer in row.values or peer in row.refused for row in self.rows)]
        head = [
            "workload",
            "measure",
            "unit",
            *(PEERS[peer] for peer in present),
            "Ironhorn / best peer",
            "of the peak",
        ]
        lines = [head]
        for row in self.rows:
            ratio = row.ratio()
            beside = f"{ratio[0]:.2f}x {PEERS[ratio[1]]}" if ratio else ""
            cells = [row.cell(peer) for peer in present]
            lines.append([row.workload, row.measure, row.unit, *cells, beside, row.share(self.peak)])
        return lines

    def text(self) -> str:
        """The report for a terminal."""
        table = self.table() if self.rows else []
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in table]
        return "\n".join([*self.machine, "", *(line.rstrip() for line in lines), "", *self.notes.values()])

    def markdown(self) -> str:
        """The report as Markdown."""
        head, *rows = self.table()
        lines = [head, ["---"] * 3 + ["---:"] * (len(head) - 3), *rows]
        notes = [f"- {note}" for note in self.notes.values()]
        return "\n".join([*self.machine, "", *(f"| {' | '.join(line)} |" for line in lines), "", *notes])

    def write_markdown(self, file: pathlib.Path) -> None:
        """Put the report between the markers of a document."""
        text, found = re.subn(
            f"{BEGIN}.*{END}", lambda _: f"{BEGIN}\n{self.markdown()}\n{END}", file.read_text(), flags=re.DOTALL
        )
        if not found:
            raise SystemExit(f"{file} has no lines {BEGIN} and {END}")
        file.write_text(text)

    def save(self, file: pathlib.Path) -> None:
        """Keep rows and notes for a later run."""
        file.write_text(json.dumps(dataclasses.asdict(self)))

    def load(self, file: pathlib.Path) -> None:
        """Begin with the rows and notes of an earlier run."""
        kept: dict[str, Any] = json.loads(file.read_text())
        self.peak = max(self.peak, kept["peak"])
        self.workloads = list(dict.fromkeys(kept["workloads"] + self.workloads))
        self.rows = [Row(**row) for row in kept["rows"]]
        # Who takes part is said again by each run.
        self.notes = {about: note for about, note in kept["notes"].items() if about not in PEERS}
