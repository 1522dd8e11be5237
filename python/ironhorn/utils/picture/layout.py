"""Placing boxes and arrows: layers of boxes, drawn one below the other, as Sugiyama, Tagawa and Toda (1981) do.

1. A box stands one layer below the lowest box that points to it; arrows that close a cycle count the other way round.
2. An arrow that passes a layer has a place of its own in it, as if it were a narrow box. One that closes a cycle goes
   around everything.
3. Within a layer, boxes are sorted by the mean place of what they are connected with, down and up in turn.
4. Along a layer, each box is put where the boxes it is connected with are, as far as the order and the gaps allow: the
   least squares under these constraints, which pooling adjacent violators solves.

A group is placed first, for itself, and is then one box for the group around it. All lengths are points. Everything
is computed as if layers were below each other; other directions turn or mirror the result.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ironhorn.utils.picture.diagram import Box, Diagram, Group

Point = tuple[float, float]
Direction = Literal["TB", "BT", "LR", "RL"]

_GAP, _LAYER_GAP, _MARGIN, _GROUP_MARGIN, _GROUP_TITLE = 18.0, 34.0, 8.0, 12.0, 20.0
_PADDING, _LINE = 10.0, 1.35
_SWEEPS = 12
#: How far before and after a box an arrow that closes a cycle turns.
_STEP = 5.0


@dataclass(frozen=True)
class Rectangle:
    """A place in the picture."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Picture:
    """A placed diagram.

    Attributes:
        width: Width of the whole.
        height: Height of the whole.
        boxes: The boxes, each with its place and with the places of its cells, row by row.
        edges: Keys of the two boxes of an arrow, and the points that it passes.
        groups: Name and place of each inner model, outer ones first.
        sideways: Whether arrows arrive from the left or right rather than from above or below.
    """

    width: float
    height: float
    boxes: list[tuple[Box, Rectangle, list[list[Rectangle]]]]
    edges: list[tuple[int, int, list[Point]]]
    groups: list[tuple[str, Rectangle]]
    sideways: bool


def text_width(text: str, size: float, bold: bool = False) -> float:
    """The width of a text in a sans-serif font, near enough to choose the width of a box."""
    narrow = sum(character in " .,:;'|!()[]ijlftIr" for character in text)
    wide = sum(character in "mwMW@%" for character in text)
    units = 0.58 * (len(text) - narrow - wide) + 0.34 * narrow + 0.9 * wide
    return units * size * (1.07 if bold else 1.0)


def place(diagram: Diagram, direction: Direction, orthogonal: bool) -> Picture:
    """Places a diagram.

    Args:
        diagram: Boxes and arrows.
        direction: Where arrows point: `"TB"` (down), `"BT"` (up), `"LR"` (right) or `"RL"` (left).
        orthogonal: Whether arrows run along the axes only.
    """
    sideways = direction in ("LR", "RL")
    sizes = {box.key: _size(box) for box in diagram.group.boxes()}
    extents = {key: (size[1], size[0]) if sideways else size for key, size in sizes.items()}
    block = _Placer(diagram, extents, direction).place(diagram.group, _MARGIN, 0.0)
    # `depth` is along the arrows, `breadth` across them.
    depth, breadth = block.depth, block.breadth

    def turned(across: float, along: float) -> Point:
        along = depth - along if direction in ("BT", "RL") else along
        return (along, across) if sideways else (across, along)

    def rectangle(across: float, along: float, extent: tuple[float, float]) -> Rectangle:
        one, other = turned(across, along), turned(across + extent[0], along + extent[1])
        x, y = min(one[0], other[0]), min(one[1], other[1])
        return Rectangle(x, y, abs(one[0] - other[0]), abs(one[1] - other[1]))

    boxes = []
    for box in diagram.group.boxes():
        where = rectangle(*block.at[box.key], extents[box.key])
        boxes.append((box, where, _cells(box, where)))
    routes = [
        (source, target, [turned(*point) for point in (_bent(points) if orthogonal else _without_repeats(points))])
        for source, target, points in block.routes
    ]
    groups = [(name, rectangle(across, along, extent)) for name, across, along, extent in block.groups]
    width, height = (depth, breadth) if sideways else (breadth, depth)
    return Picture(width, height, boxes, routes, groups, sideways)


def _cell_width(texts: Sequence[tuple[str, bool]], size: float) -> float:
    return sum(text_width(text, size, bold) for text, bold in texts) + 2 * _PADDING


def _natural_widths(box: Box) -> list[list[float]]:
    return [[_cell_width([(run.text, run.bold) for run in cell.runs], cell.size) for cell in row] for row in box.rows]


def _heights(box: Box) -> list[float]:
    return [max(cell.size for cell in row) * _LINE + _PADDING for row in box.rows]


def _size(box: Box) -> tuple[float, float]:
    # An even number of points, so that the middle lies on one.
    return 2.0 * math.ceil(max(sum(row) for row in _natural_widths(box)) / 2), sum(_heights(box))


def _cells(box: Box, where: Rectangle) -> list[list[Rectangle]]:
    """The places of a box's cells: each row is stretched to the width of the box."""
    rows, y = [], where.y
    for widths, height in zip(_natural_widths(box), _heights(box), strict=True):
        row, x = [], where.x
        for width in widths:
            stretched = width * where.width / sum(widths)
            row.append(Rectangle(x, y, stretched, height))
            x += stretched
        rows.append(row)
        y += height
    return rows


@dataclass
class _Block:
    """A placed group; places are pairs (across the arrows, along the arrows), of corners near the origin."""

    breadth: float
    depth: float
    at: dict[int, Point]
    routes: list[tuple[int, int, list[Point]]]
    groups: list[tuple[str, float, float, Point]]

    def add(self, other: _Block, across: float, along: float) -> None:
        """Takes over what another block holds, moved."""
        self.at.update({key: (x + across, y + along) for key, (x, y) in other.at.items()})
        self.routes += [
            (source, target, [(x + across, y + along) for x, y in points]) for source, target, points in other.routes
        ]
        self.groups += [(name, x + across, y + along, extent) for name, x, y, extent in other.groups]


class _Placer:
    """Places groups, inner ones first."""

    def __init__(self, diagram: Diagram, extents: dict[int, Point], direction: Direction) -> None:
        self.edges = diagram.edges
        self.extents = extents
        self.sideways = direction in ("LR", "RL")
        self.upward = direction == "BT"

    def place(self, group: Group, margin: float, title: float) -> _Block:
        """Places a group; `title` is the height of the line that names it."""
        blocks: list[_Block] = []
        member_of: dict[int, int] = {}
        for number, member in enumerate(group.members):
            if isinstance(member, Group):
                block = self.place(member, _GROUP_MARGIN, _GROUP_TITLE)
                block.groups.insert(0, (member.name, 0.0, 0.0, (block.breadth, block.depth)))
            else:
                block = _Block(*self.extents[member.key], {member.key: (0.0, 0.0)}, [], [])
            blocks.append(block)
            member_of.update(dict.fromkeys(block.at, number))
        own = [edge for edge in self.edges if self._is_between_members(edge, group, member_of)]
        layers, chains = _layers([(member_of[source], member_of[target]) for source, target in own], len(blocks))
        neighbours = _neighbours(chains)
        _sort(layers, neighbours)
        breadths = {number: block.breadth for number, block in enumerate(blocks)}
        centres = _centres(layers, neighbours, breadths)

        # The line with the name is above, whatever is across and whatever along the arrows there.
        across_title = title if self.sideways else 0.0
        start_title = title if not self.sideways and not self.upward else 0.0
        end_title = title if self.upward else 0.0
        items = [item for layer in layers for item in layer]
        shift = margin + across_title - min(centres[item] - breadths.get(item, 0.0) / 2 for item in items)
        right = max(centres[item] + breadths.get(item, 0.0) / 2 for item in items) + shift
        layer_of = {item: number for number, layer in enumerate(layers) for item in layer}
        closing = [layer_of[chain[0]] >= layer_of[chain[-1]] for chain in chains]
        lane = right + _GAP
        breadth = (lane if any(closing) else right) + margin
        spans, along = [], margin + start_title
        for layer in layers:
            end = along + max((blocks[item].depth for item in layer if item < len(blocks)), default=0.0)
            spans.append((along, end))
            along = end + _LAYER_GAP
        depth = spans[-1][1] + end_title + margin
        name_width = text_width(group.name, 12) + 2 * margin if title else 0.0
        if self.sideways:
            depth = max(depth, name_width)
        else:
            breadth = max(breadth, name_width)

        result = _Block(breadth, depth, {}, [], [])
        for number, block in enumerate(blocks):
            start, end = spans[layer_of[number]]
            result.add(block, centres[number] - block.breadth / 2 + shift, (start + end - block.depth) / 2)
        for (source, target), chain, closes in zip(own, chains, closing, strict=True):
            leave, arrive = self._end(result, source), result.at[target]
            arrive = (arrive[0] + self.extents[target][0] / 2, arrive[1])
            first, last = spans[layer_of[chain[0]]], spans[layer_of[chain[-1]]]
            if closes:
                below, above = first[1] + _STEP, last[0] - _STEP
                way = [(leave[0], below), (lane, below), (lane, above), (arrive[0], above)]
            else:
                way = [(leave[0], first[1])]
                for item in chain[1:-1]:
                    way += [(centres[item] + shift, end) for end in spans[layer_of[item]]]
                way.append((arrive[0], last[0]))
            result.routes.append((source, target, [leave, *way, arrive]))
        return result

    def _is_between_members(self, edge: tuple[int, int], group: Group, member_of: dict[int, int]) -> bool:
        """Whether an arrow leads from one member to another, or from a box among the members to itself."""
        source, target = edge
        if source not in member_of or target not in member_of:
            return False
        return member_of[source] != member_of[target] or (
            source == target and isinstance(group.members[member_of[source]], Box)
        )

    def _end(self, block: _Block, key: int) -> Point:
        """The middle of the end of a box."""
        (x, y), (breadth, depth) = block.at[key], self.extents[key]
        return x + breadth / 2, y + depth


def _bent(points: list[Point]) -> list[Point]:
    """The same way along the axes: what leads sideways does so in the middle of the gap between two layers."""
    bent = [points[0]]
    for (x, y), (next_x, next_y) in itertools.pairwise(points):
        if abs(x - next_x) > 1e-6 and abs(y - next_y) > 1e-6:
            bent += [(x, (y + next_y) / 2), (next_x, (y + next_y) / 2)]
        bent.append((next_x, next_y))
    return _without_repeats(bent)


def _without_repeats(points: list[Point]) -> list[Point]:
    """The same line without points that are there already or lie on the way between their neighbours."""
    distinct = [points[0]]
    for point in points[1:]:
        if max(abs(point[0] - distinct[-1][0]), abs(point[1] - distinct[-1][1])) > 1e-6:
            distinct.append(point)
    points, kept = distinct, [points[0]]
    for here, after in itertools.pairwise(points[1:]):
        before = kept[-1]
        along_x = abs(before[0] - here[0]) < 1e-6 and abs(here[0] - after[0]) < 1e-6
        along_y = abs(before[1] - here[1]) < 1e-6 and abs(here[1] - after[1]) < 1e-6
        forward = (here[0] - before[0]) * (after[0] - here[0]) + (here[1] - before[1]) * (after[1] - here[1]) >= 0
        if not ((along_x or along_y) and forward):
            kept.append(here)
    return [*kept, points[-1]]


def _layers(edges: list[tuple[int, int]], count: int) -> tuple[list[list[int]], list[list[int]]]:
    """Layers of items, and for each edge the items that it passes; items from `count` on are places of edges."""
    followers: dict[int, list[int]] = {item: [] for item in range(count)}
    for source, target in edges:
        if source != target:
            followers[source].append(target)
    order = _topological(followers)
    rank = {item: place for place, item in enumerate(order)}
    forward = [(min(edge, key=rank.__getitem__), max(edge, key=rank.__getitem__)) for edge in edges]
    depth = dict.fromkeys(order, 0)
    for item in order:
        for source, target in forward:
            if source == item and target != item:
                depth[target] = max(depth[target], depth[item] + 1)
    for item in reversed(order):  # What nothing points to stands just above what it points to.
        targets = [depth[target] for source, target in forward if source == item != target]
        if targets and not any(target == item != source for source, target in forward):
            depth[item] = min(targets) - 1
    layers: list[list[int]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for item in range(count):
        layers[depth[item]].append(item)
    chains = []
    for source, target in edges:
        chain = [source]
        for layer in range(depth[source] + 1, depth[target]):
            layers[layer].append(count)
            chain.append(count)
            count += 1
        chains.append([*chain, target])
    return layers, chains


def _topological(followers: dict[int, list[int]]) -> list[int]:
    """Items, each before its followers, save for arrows that close a cycle."""
    state: dict[int, bool] = {}
    order: list[int] = []
    for start in followers:
        pending = [(start, False)]
        while pending:
            item, finished = pending.pop()
            if finished:
                if not state[item]:
                    state[item] = True
                    order.append(item)
            elif item not in state:
                state[item] = False
                pending.append((item, True))
                pending.extend((follower, False) for follower in reversed(followers[item]))
    return order[::-1]


def _neighbours(chains: list[list[int]]) -> dict[int, list[int]]:
    neighbours: dict[int, list[int]] = {}
    for chain in chains:
        for one, other in itertools.pairwise(chain):
            if one != other:
                neighbours.setdefault(one, []).append(other)
                neighbours.setdefault(other, []).append(one)
    return neighbours


def _sort(layers: list[list[int]], neighbours: dict[int, list[int]]) -> None:
    """Orders each layer so that few arrows cross."""
    place = {item: float(number) for layer in layers for number, item in enumerate(layer)}
    layer_of = {item: number for number, layer in enumerate(layers) for item in layer}
    for sweep in range(_SWEEPS):
        for number in range(len(layers)) if sweep % 2 == 0 else reversed(range(len(layers))):
            fixed = number - 1 if sweep % 2 == 0 else number + 1

            def wanted(item: int, fixed: int = fixed) -> float:
                places = [place[other] for other in neighbours.get(item, ()) if layer_of[other] == fixed]
                return sum(places) / len(places) if places else place[item]

            layers[number].sort(key=wanted)
            place.update({item: float(n) for n, item in enumerate(layers[number])})


def _centres(layers: list[list[int]], neighbours: dict[int, list[int]], breadths: dict[int, float]) -> dict[int, float]:
    """Where each item stands across the arrows."""
    centres: dict[int, float] = {}
    for layer in layers:
        edge = -sum(breadths.get(item, 0.0) + _GAP for item in layer) / 2
        for item in layer:
            centres[item] = edge + (breadths.get(item, 0.0) + _GAP) / 2
            edge += breadths.get(item, 0.0) + _GAP
    layer_of = {item: number for number, layer in enumerate(layers) for item in layer}
    for sweep in range(_SWEEPS):
        # Down, up, down, ...; at last a look at both sides, and once more down, which makes chains straight.
        down, both = sweep % 2 == 0 or sweep == _SWEEPS - 1, sweep == _SWEEPS - 2
        for number in range(len(layers)) if down else reversed(range(len(layers))):
            layer = layers[number]
            wanted = []
            for item in layer:
                others = [
                    centres[other] for other in neighbours.get(item, ()) if both or (layer_of[other] < number) == down
                ]
                wanted.append(sum(others) / len(others) if others else centres[item])
            centres.update(zip(layer, _spread(layer, wanted, breadths), strict=True))
    return centres


def _spread(layer: list[int], wanted: list[float], breadths: dict[int, float]) -> list[float]:
    """The places nearest to those wanted that keep the order and the gaps."""
    offsets, offset = [], 0.0
    for number, item in enumerate(layer):
        if number:
            offset += (breadths.get(layer[number - 1], 0.0) + breadths.get(item, 0.0)) / 2 + _GAP
        offsets.append(offset)
    pools: list[tuple[float, int]] = []  # Mean and number of members, means ascending.
    for place, start in zip(wanted, offsets, strict=True):
        mean, members = place - start, 1
        while pools and pools[-1][0] >= mean:
            other, count = pools.pop()
            mean, members = (mean * members + other * count) / (members + count), members + count
        pools.append((mean, members))
    means = [mean for mean, members in pools for _ in range(members)]
    return [mean + start for mean, start in zip(means, offsets, strict=True)]
