"""The table that `Model.summary` prints: through rich where it is installed, else in plain text."""

from __future__ import annotations

import math
import re
import shutil
from collections.abc import Callable
from typing import Any

from ironhorn import backend
from ironhorn.models.operation_config import class_name_of

_UNITS = ("B", "KB", "MB", "GB", "TB", "PB")


def print_summary(
    model: Any,
    line_length: int | None = None,
    positions: list[float] | None = None,
    print_fn: Callable[[str], Any] | None = None,
    expand_nested: bool = False,
    show_trainable: bool = False,
    layer_range: Any = None,
) -> None:
    """Prints the table; see `Model.summary` for the arguments.

    Raises:
        ValueError: If the width is too small, or no layer has a name in `layer_range`.
    """
    from ironhorn.training.progress import is_interactive_logging_enabled, write_line

    if print_fn is None and not is_interactive_logging_enabled():
        print_fn = write_line
    layers, connected_to = _layers_and_connections(model)
    header = ["Layer (type)", "Output Shape", "Param #"]
    justify = ["left", "left", "right"]
    if connected_to is None:
        width, ends = 88, positions or [0.45, 0.80, 1.0]
    else:
        width, ends = 108, positions or [0.3, 0.56, 0.74, 1.0]
        header.append("Connected to")
        justify.append("left")
    if show_trainable:
        width += 12
        ends = [end * 0.90 for end in ends] + [1.0]
        header.append("Trainable")
        justify.append("center")
    width = line_length or min(width, shutil.get_terminal_size().columns - 4)
    widths: list[int] = []
    for end in ends:
        widths.append(int(end * width) - sum(widths))
        if widths[-1] < 4:
            raise ValueError(
                f"A table of {width} characters is too narrow for the summary. Pass a larger `line_length`."
            )
    first, last = _bounds(layers, layer_range)
    rows: list[list[Any]] = []
    for layer in layers[first:last]:
        _add_rows(rows, layer, connected_to, show_trainable, expand_nested, 0)
    _print(model, header, justify, widths, width, rows, _totals(model), print_fn)


def html_summary(model: Any) -> str:
    """Returns the table as HTML, with a drawing of the graph below it, folded; see `Model._repr_html_`."""
    from html import escape

    layers, connected_to = _layers_and_connections(model)
    header = ["Layer (type)", "Output Shape", "Param #", *(["Connected to"] if connected_to is not None else [])]
    rows: list[list[Any]] = []
    for layer in layers:
        _add_rows(rows, layer, connected_to, False, False, 0)
    sides = ["right" if name == "Param #" else "left" for name in header]
    lines = [f"<div><b>Model: {escape(model.name)}</b>", "<table>"]
    for tag, cells in [("th", header), *(("td", list(map(_cell_text, header, row))) for row in rows)]:
        inside = "".join(
            f'<{tag} style="text-align: {side}">{escape(cell)}</{tag}>' for cell, side in zip(cells, sides, strict=True)
        )
        lines.append(f"<tr>{inside}</tr>")
    lines.append("</table>")
    lines += [f"{label}: {count:,} ({readable_size(size)})<br>" for label, count, size in _totals(model)]
    if model.built and _is_graph(model):
        from ironhorn.utils.picture.plotting import drawing

        lines.append(f"<details><summary>Graph</summary>{drawing(model, show_shapes=True)}</details>")
    return "\n".join([*lines, "</div>"])


def _is_graph(model: Any) -> bool:
    from ironhorn.models import Functional, Sequential

    return isinstance(model, Functional | Sequential)


def _layers_and_connections(model: Any) -> tuple[list[Any], Callable[[Any], list[Any]] | None]:
    """Returns what to list, and for a graph that is no simple chain what each is connected to."""
    from ironhorn.models.functional import Functional

    if not isinstance(model, Functional):
        return model.layers, None
    inside = {id(node) for nodes in model._nodes_by_depth.values() for node in nodes}
    chain = all(len(nodes) == 1 and len(nodes[0].input_tensors) <= 1 for nodes in model._nodes_by_depth.values())
    shared = any(sum(id(node) in inside for node in layer._inbound_nodes) > 1 for layer in model.layers)
    if chain and not shared:
        return model.operations, None

    def connected_to(layer: Any) -> list[Any]:
        tensors = [tensor for node in layer._inbound_nodes if id(node) in inside for tensor in node.input_tensors]
        return [tensor._keras_history for tensor in tensors]

    return model.operations, connected_to


def _bounds(layers: list[Any], layer_range: Any) -> tuple[int, int]:
    if layer_range is None:
        return 0, len(layers)
    if (
        not isinstance(layer_range, list | tuple)
        or len(layer_range) != 2
        or not all(isinstance(name, str) for name in layer_range)
    ):
        raise ValueError(f"`layer_range` must be a pair of names. Received: layer_range={layer_range!r}.")
    found = [[index for index, layer in enumerate(layers) if re.match(name, layer.name)] for name in layer_range]
    if not all(found):
        raise ValueError(
            f"No layer matches {layer_range[not found[1]]!r} in `layer_range`. The layers are: "
            f"{[layer.name for layer in layers]}."
        )
    lower, upper = found
    if min(lower) > max(upper):
        return min(upper), max(lower) + 1
    return min(lower), max(upper) + 1


def _add_rows(
    rows: list[list[Any]], layer: Any, connected_to: Any, show_trainable: bool, expand_nested: bool, level: int
) -> None:
    prefix = "   " * level + "└ " if level else ""
    weights = getattr(layer, "weights", [])
    if not hasattr(layer, "built"):
        count = "0"
    elif not layer.built:
        count = "0 (unbuilt)"
    else:
        count = f"{layer.count_params():,}"
    row = [(prefix + layer.name, class_name_of(layer)), _shape_text(layer), count]
    if connected_to is not None:
        row.append(connected_to(layer))
    if show_trainable:
        row.append("-" if not weights else "Y" if layer.trainable else "N")
    rows.append(row)
    if expand_nested:
        for inner in getattr(layer, "layers", ()):
            _add_rows(rows, inner, connected_to, show_trainable, True, level + 1)


def _shape_text(layer: Any) -> Any:
    """Returns a shape, a text, or `"?"` if it is not known."""
    if layer._inbound_nodes:
        shapes = [tuple(tensor.shape) for tensor in layer._inbound_nodes[-1].outputs]
    else:
        build_shapes = getattr(layer, "_build_shapes_dict", None)
        if not build_shapes:
            return "?"
        try:
            found = getattr(layer, "output_shape", None)
        except AttributeError:
            found = None
        try:
            outputs = found if found is not None else layer.compute_output_shape(**build_shapes)
        except (NotImplementedError, TypeError, ValueError):
            return "?"
        shapes = _flat_shapes(outputs)
    return shapes[0] if len(shapes) == 1 else shapes


def _flat_shapes(value: Any) -> list[Any]:
    if isinstance(value, list | tuple) and all(size is None or isinstance(size, int) for size in value):
        return [tuple(value)]
    values = value.values() if isinstance(value, dict) else value
    return [shape for inner in values for shape in _flat_shapes(inner)]


def _totals(model: Any) -> list[tuple[str, int, float]]:
    trainable = [variable for variable in model.trainable_weights]
    fixed = [variable for variable in model.non_trainable_weights]
    optimizer = getattr(model, "optimizer", None) if getattr(model, "compiled", False) else None
    states = list(optimizer.variables) if optimizer is not None and optimizer.built else []
    rows = [
        ("Total params", trainable + fixed + states),
        ("Trainable params", trainable),
        ("Non-trainable params", fixed),
    ]
    if states:
        rows.append(("Optimizer params", states))
    return [(label, _count(variables), _bytes(variables)) for label, variables in rows]


def _unique(variables: list[Any]) -> list[Any]:
    return list({id(variable): variable for variable in variables}.values())


def _count(variables: list[Any]) -> int:
    return sum(math.prod(variable.shape) for variable in _unique(variables))


def _bytes(variables: list[Any]) -> float:
    return float(sum(math.prod(variable.shape) * _item_size(variable.dtype) for variable in _unique(variables)))


def _item_size(dtype: str) -> int:
    if dtype == "bool":
        return 1
    bits = re.search(r"\d+", backend.standardize_dtype(dtype))
    return int(bits.group()) // 8 if bits else 4


def readable_size(size: float) -> str:
    """Returns a number of bytes as text, e.g. `"1.50 KB"`."""
    for unit in _UNITS[:-1]:
        if size < 1024:
            return f"{size:.2f} {unit}"
        size /= 1024
    return f"{size:.2f} {_UNITS[-1]}"


def _print(
    model: Any,
    header: list[str],
    justify: list[str],
    widths: list[int],
    width: int,
    rows: list[list[Any]],
    totals: list[tuple[str, int, float]],
    print_fn: Callable[[str], Any] | None,
) -> None:
    try:
        import rich.console
        import rich.markup
        import rich.table
    except ImportError:
        text = _plain(model, header, justify, widths, rows, totals)
        (print_fn or print)(text)
        return
    escape = rich.markup.escape
    columns = [
        rich.table.Column(name, justify=side, width=size)  # type: ignore[arg-type]
        for name, side, size in zip(header, justify, widths, strict=True)
    ]
    table = rich.table.Table(*columns, width=width, show_lines=True)
    for row in rows:
        cells = []
        for name, cell in zip(header, row, strict=True):
            if name == "Layer (type)":
                cells.append(f"{escape(cell[0])} ([color(33)]{escape(cell[1])}[/])")
            elif name == "Output Shape":
                cells.append(_marked_shape(cell))
            elif name == "Param #":
                cells.append(f"[color(34)]{cell}[/]")
            elif name == "Connected to":
                marked = [
                    f"{escape(source.operation.name)}[[color(34)]{source.node_index}[/]][[color(34)]"
                    f"{source.tensor_index}[/]]"
                    for source in cell
                ]
                cells.append(", ".join(marked) or "-")
            else:
                color = {"Y": "[color(34)]", "N": "[color(9)]"}.get(cell)
                cells.append(f"[bold]{color}{cell}[/][/]" if color else f"[bold]{cell}[/]")
        table.add_row(*cells)
    options: dict[str, Any] = {} if print_fn is None else {"force_terminal": False, "color_system": None}
    console = rich.console.Console(highlight=False, **options)
    if print_fn is not None:
        console.begin_capture()
    console.print(f'[bold]Model: "{escape(model.name)}"[/]')
    console.print(table)
    for label, count, size in totals:
        console.print(f"[bold] {label}: [/][color(34)]{count:,}[/] ({readable_size(size)})")
    if print_fn is not None:
        print_fn(console.end_capture())


def _marked_shape(cell: Any) -> str:
    if isinstance(cell, str):
        return cell
    if isinstance(cell, list):
        return f"[{', '.join(_marked_shape(shape) for shape in cell)}]".replace("[(", r"\[(", 1)
    marked = ", ".join(f"[color(45)]{size}[/]" if size is None else f"[color(34)]{size}[/]" for size in cell)
    return f"({marked})"


def _plain(
    model: Any,
    header: list[str],
    justify: list[str],
    widths: list[int],
    rows: list[list[Any]],
    totals: list[tuple[str, int, float]],
) -> str:
    def line(cells: list[str]) -> str:
        aligned = []
        for cell, side, width in zip(cells, justify, widths, strict=True):
            cell = cell if len(cell) < width else cell[: width - 2] + "…"
            aligned.append({"left": cell.ljust, "right": cell.rjust, "center": cell.center}[side](width - 1))
        return " ".join(aligned).rstrip()

    rule = "-" * sum(widths)
    lines = [f'Model: "{model.name}"', rule, line(header), rule]
    lines += [line(list(map(_cell_text, header, row))) for row in rows]
    lines.append(rule)
    lines += [f" {label}: {count:,} ({readable_size(size)})" for label, count, size in totals]
    return "\n".join(lines)


def _cell_text(name: str, cell: Any) -> str:
    """A cell of the column of that name as text without colours."""
    if name == "Layer (type)":
        return f"{cell[0]} ({cell[1]})"
    if name == "Output Shape":
        return str(cell).replace(",)", ")")
    if name == "Connected to":
        return ", ".join(f"{s.operation.name}[{s.node_index}][{s.tensor_index}]" for s in cell) or "-"
    return str(cell)
