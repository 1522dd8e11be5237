"""A diagram in graphviz' language, through pydot."""

from __future__ import annotations

import html
from typing import Any

from ironhorn.utils.picture.diagram import Box, Cell, Diagram, Group


def to_dot(diagram: Diagram, rankdir: str, dpi: float, subgraph: bool, splines: str) -> Any:
    """Makes a `pydot.Dot`, or a `pydot.Cluster` if `subgraph` is true.

    Raises:
        ImportError: If pydot is not installed.
    """
    try:
        import pydot
    except ImportError as error:
        raise ImportError(
            "`model_to_dot` needs pydot: `pip install pydot`. `plot_model` draws a model without it.", name="pydot"
        ) from error
    graph: Any
    if subgraph:
        graph = _cluster(pydot, diagram.group.name, "model")
    else:
        graph = pydot.Dot("model", graph_type="digraph", rankdir=rankdir, dpi=dpi, splines=splines, concentrate=True)
    _fill(pydot, graph, diagram.group, "model")
    for source, target in diagram.edges:
        graph.add_edge(pydot.Edge(str(source), str(target), penwidth="2"))
    return graph


def _cluster(pydot: Any, name: str, key: str) -> Any:
    return pydot.Cluster(graph_name=key, label=_quoted(name), labeljust="l", style="dashed")


def _fill(pydot: Any, graph: Any, group: Group, key: str) -> None:
    for number, member in enumerate(group.members):
        if isinstance(member, Group):
            inner = _cluster(pydot, member.name, f"{key}_{number}")
            _fill(pydot, inner, member, f"{key}_{number}")
            graph.add_subgraph(inner)
        else:
            label = _label(member)
            graph.add_node(
                pydot.Node(str(member.key), label=label, shape="plaintext", fontname="Helvetica", margin="0")
            )


def _label(box: Box) -> str:
    """An HTML-like label: a table with the rows of the box."""
    columns = max(len(row) for row in box.rows)
    rows = "".join(
        "<tr>" + "".join(_cell(cell, columns if len(row) == 1 else 1) for cell in row) + "</tr>" for row in box.rows
    )
    return f'<<table border="0" cellborder="1" cellspacing="0" cellpadding="10">{rows}</table>>'


def _cell(cell: Cell, columns: int) -> str:
    text = "".join(f"<b>{html.escape(run.text)}</b>" if run.bold else html.escape(run.text) for run in cell.runs)
    font = f'<font point-size="{cell.size}" color="{cell.color}">{text}</font>'
    return f'<td colspan="{columns}" bgcolor="{cell.fill}">{font}</td>'


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
