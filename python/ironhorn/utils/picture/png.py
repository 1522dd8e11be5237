"""A placed picture as PNG, drawn through Pillow."""

from __future__ import annotations

from typing import Any

from ironhorn.utils.picture.layout import Picture, Point
from ironhorn.utils.picture.svg import arrow_head, bends

#: A picture of more pixels is refused: it would fill the memory and no viewer would open it.
_LARGEST = 2**28
_POINTS_AN_INCH = 72


def write_png(picture: Picture, path: str, dpi: float, curved: bool) -> None:
    """Draws a picture and writes it.

    Args:
        picture: What to draw.
        path: Path of the file.
        dpi: Pixels an inch; a point is 1/72 of an inch.
        curved: Whether arrows are curves through their points rather than lines.

    Raises:
        ImportError: If Pillow is not installed.
        ValueError: If the picture would have too many pixels.
    """
    try:
        from PIL import Image, ImageDraw, ImageFont
    except ImportError as error:
        raise ImportError(
            "Drawing a PNG needs Pillow: `pip install pillow`, or name a file that ends in .svg, which needs nothing.",
            name="PIL",
        ) from error
    scale = dpi / _POINTS_AN_INCH
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    if size[0] * size[1] > _LARGEST:
        raise ValueError(
            f"The picture would have {size[0]} x {size[1]} pixels. Pass a smaller `dpi` than {dpi:g}, or name a file "
            "that ends in .svg."
        )
    image = Image.new("RGB", size, "#ffffff")
    draw: Any = ImageDraw.Draw(image)
    fonts: dict[int, Any] = {}

    def scaled(points: list[Point]) -> list[Point]:
        return [(x * scale, y * scale) for x, y in points]

    def write(x: float, y: float, text: str, size: int, color: str, bold: bool) -> float:
        """Writes at the middle of the left end; returns where the text ends."""
        font = fonts.setdefault(size, ImageFont.load_default(size * scale))
        stroke = size * scale / 40 if bold else 0
        draw.text((x, y), text, fill=color, font=font, anchor="lm", stroke_width=stroke, stroke_fill=color)
        return x + width(text, size)

    def width(text: str, size: int) -> float:
        return float(fonts.setdefault(size, ImageFont.load_default(size * scale)).getlength(text))

    thick, thin = max(1, round(2 * scale)), max(1, round(scale))
    for name, where in picture.groups:
        corners = [
            (where.x, where.y),
            (where.x + where.width, where.y),
            (where.x + where.width, where.y + where.height),
            (where.x, where.y + where.height),
        ]
        for start, end in zip(corners, [*corners[1:], corners[0]], strict=True):
            for dash in _dashes(start, end):
                draw.line(scaled(dash), fill="#000000", width=thin)
        write((where.x + 8) * scale, (where.y + 11) * scale, name, 12, "#000000", bold=False)
    for _, _, points in picture.edges:
        draw.line(
            scaled(_sampled(points, picture.sideways) if curved else points), fill="#000000", width=thick, joint="curve"
        )
        draw.polygon(scaled(arrow_head(points, picture.sideways)), fill="#000000")
    for box, _, rows in picture.boxes:
        for cells, places in zip(box.rows, rows, strict=True):
            for cell, where in zip(cells, places, strict=True):
                ends = scaled([(where.x, where.y), (where.x + where.width, where.y + where.height)])
                draw.rectangle(ends, fill=cell.fill, outline="#000000", width=thin)
                total = sum(width(run.text, cell.size) for run in cell.runs)
                x, y = (where.x + where.width / 2) * scale - total / 2, (where.y + where.height / 2) * scale
                for run in cell.runs:
                    x = write(x, y, run.text, cell.size, cell.color, run.bold)
    image.save(path, format="PNG", dpi=(dpi, dpi))


def _dashes(start: Point, end: Point) -> list[list[Point]]:
    """A line in dashes of five points with gaps of three."""
    length = max(abs(end[0] - start[0]), abs(end[1] - start[1])) or 1.0
    step = ((end[0] - start[0]) / length, (end[1] - start[1]) / length)
    dashes, place = [], 0.0
    while place < length:
        stop = min(place + 5, length)
        dashes.append([(start[0] + step[0] * at, start[1] + step[1] * at) for at in (place, stop)])
        place += 8
    return dashes


def _sampled(points: list[Point], sideways: bool) -> list[Point]:
    """Sixteen points along each curve."""
    sampled, start = [points[0]], points[0]
    for one, two, end in bends(points, sideways):
        for number in range(1, 17):
            t = number / 16
            weights = ((1 - t) ** 3, 3 * (1 - t) ** 2 * t, 3 * (1 - t) * t**2, t**3)
            corners = (start, one, two, end)
            sampled.append(
                (
                    sum(weight * corner[0] for weight, corner in zip(weights, corners, strict=True)),
                    sum(weight * corner[1] for weight, corner in zip(weights, corners, strict=True)),
                )
            )
        start = end
    return sampled
