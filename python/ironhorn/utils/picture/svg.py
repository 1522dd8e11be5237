"""A placed picture as SVG text: rectangles, texts and paths, nothing that a browser would have to fetch."""

from __future__ import annotations

import itertools
from xml.sax.saxutils import escape, quoteattr

from ironhorn.utils.picture.diagram import Cell
from ironhorn.utils.picture.layout import Picture, Point, Rectangle

_FONT = "Helvetica, Arial, sans-serif"


def to_svg(picture: Picture, title: str, curved: bool) -> str:
    """Writes a picture as an SVG document.

    Args:
        picture: What to draw.
        title: Title of the document.
        curved: Whether arrows are curves through their points rather than lines.
    """
    width, height = _number(picture.width), _number(picture.height)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}pt" height="{height}pt" '
        f'viewBox="0 0 {width} {height}" font-family="{_FONT}">',
        f"<title>{escape(title)}</title>",
        f'<rect class="paper" width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    for name, where in picture.groups:
        lines += [
            f'<g class="group" data-name={quoteattr(name)}>',
            f'<rect {_place(where)} fill="none" stroke="#000000" stroke-dasharray="5 3"/>',
            f'<text x="{_number(where.x + 8)}" y="{_number(where.y + 15)}" font-size="12">{escape(name)}</text>',
            "</g>",
        ]
    names = {box.key: box.name for box, _, _ in picture.boxes}
    for source, target, points in picture.edges:
        head = " ".join(f"{_number(x)},{_number(y)}" for x, y in arrow_head(points, picture.sideways))
        lines += [
            f'<g class="edge" data-from={quoteattr(names[source])} data-to={quoteattr(names[target])}>',
            f'<path d="{_path(points, curved, picture.sideways)}" fill="none" stroke="#000000" stroke-width="2"/>',
            f'<polygon points="{head}"/>',
            "</g>",
        ]
    for box, _, rows in picture.boxes:
        lines.append(f'<g class="box" data-name={quoteattr(box.name)}>')
        for cells, places in zip(box.rows, rows, strict=True):
            for cell, where in zip(cells, places, strict=True):
                lines += _cell(cell, where)
        lines.append("</g>")
    lines.append("</svg>")
    return "\n".join(lines) + "\n"


def arrow_head(points: list[Point], sideways: bool) -> list[Point]:
    """The triangle at the end of an arrow."""
    (from_x, from_y), (x, y) = points[-2], points[-1]
    if sideways:
        back = -7.0 if x >= from_x else 7.0
        return [(x, y), (x + back, y - 4), (x + back, y + 4)]
    back = -7.0 if y >= from_y else 7.0
    return [(x, y), (x - 4, y + back), (x + 4, y + back)]


def bends(points: list[Point], sideways: bool) -> list[tuple[Point, Point, Point]]:
    """Cubic curves through points, which leave and arrive as arrows do: two control points and an end each."""
    curves = []
    for (x, y), (to_x, to_y) in itertools.pairwise(points):
        if sideways:
            middle = (x + to_x) / 2
            curves.append(((middle, y), (middle, to_y), (to_x, to_y)))
        else:
            middle = (y + to_y) / 2
            curves.append(((x, middle), (to_x, middle), (to_x, to_y)))
    return curves


def _cell(cell: Cell, where: Rectangle) -> list[str]:
    spans = "".join(
        f'<tspan font-weight="bold">{escape(run.text)}</tspan>' if run.bold else escape(run.text) for run in cell.runs
    )
    baseline = where.y + where.height / 2 + cell.size * 0.35
    return [
        f'<rect {_place(where)} fill="{cell.fill}" stroke="#000000"/>',
        f'<text x="{_number(where.x + where.width / 2)}" y="{_number(baseline)}" font-size="{cell.size}" '
        f'fill="{cell.color}" text-anchor="middle" xml:space="preserve">{spans}</text>',
    ]


def _path(points: list[Point], curved: bool, sideways: bool) -> str:
    start = f"M{_number(points[0][0])},{_number(points[0][1])}"
    if not curved:
        return start + "".join(f" L{_number(x)},{_number(y)}" for x, y in points[1:])
    return start + "".join(
        " C" + " ".join(f"{_number(x)},{_number(y)}" for x, y in controls) for controls in bends(points, sideways)
    )


def _place(where: Rectangle) -> str:
    x, y, width, height = map(_number, (where.x, where.y, where.width, where.height))
    return f'x="{x}" y="{y}" width="{width}" height="{height}"'


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
