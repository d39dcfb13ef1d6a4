"""Drawings of the propagation of a run: latency, CPU and memory against the number of routes, as SVG. Pure.

They are drawn from the JSON of a run. A drawing of a few lines on two logarithmic axes is less code than the use of a
library for it, and the same bytes for the same results everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 720, 420
LEFT, RIGHT, TOP, BOTTOM = 70, 190, 60, 64
COLOURS = ("#2457c5", "#c5431c", "#237a3b", "#7a3fa0", "#8a6d00", "#3f7f8c")
INK, GRID = "#333333", "#dddddd"
LABEL_GAP = 14
"""The least distance of the labels of two lines, in pixels."""


@dataclass(frozen=True)
class Line:
    """A line of a drawing.

    Attributes:
        name: its label.
        points: the number of routes, and the value at it; in the order of routes, values above zero.
    """

    name: str
    points: tuple[tuple[float, float], ...]


def drawings(document: Mapping[str, Any]) -> dict[str, str]:
    """Return the SVGs of a run by file name; none of a run without propagation.

    Args:
        document: the JSON of `bench.report.document`.
    """
    found = [
        each.get("propagation", each)
        for name in ("propagation", "cluster")
        for each in document["workloads"].get(name, {}).get("results", ())
    ]
    if not found:
        return {}
    machine = document["machine"]
    place = (
        f"{machine['date']}, {machine['cores']} cores ({machine['processor']}), Envoy {machine['envoy']}, "
        "through one Envoy for each"
    )

    def draw(title: str, unit: str, members: Mapping[str, str]) -> str:
        lines = [line for member, suffix in members.items() for line in _lines(found, member, suffix)]
        return svg(title, unit, place, lines)

    return {
        "latency.svg": draw("A new route: from the change to the stable answer", "ms, median", {"stable.median": ""}),
        "cpu.svg": draw("CPU time for a new route", "ms", {"control_plane_cpu": "", "proxy_cpu": ", Envoy"}),
        "memory.svg": draw("Peak of resident memory", "MiB", {"control_plane_peak": "", "proxy_peak": ", Envoy"}),
    }


def _lines(results: Sequence[Mapping[str, Any]], member: str, suffix: str) -> list[Line]:
    points: dict[str, list[tuple[float, float]]] = {}
    for each in results:
        value: Any = each
        for part in member.split("."):
            value = value[part]
        if value:
            scaled = value / 2**20 if member.endswith("_peak") else value
            name = " ".join(filter(None, (each["target"], each["form"]))) + suffix
            points.setdefault(name, []).append((each["routes"], scaled))
    return [Line(name, tuple(sorted(found))) for name, found in points.items()]


def svg(title: str, unit: str, place: str, lines: Sequence[Line]) -> str:
    """Return a drawing of lines on two logarithmic axes.

    Args:
        title: what is drawn.
        unit: the unit of the values.
        place: where and when they were measured.
        lines: the lines, with one point each at least.
    """
    across = _Scale.of((x for line in lines for x, _ in line.points), LEFT, WIDTH - RIGHT)
    up = _Scale.of((y for line in lines for _, y in line.points), HEIGHT - BOTTOM, TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        _text(LEFT, 24, title, size=16),
        _text(LEFT, 42, unit),
        _text(LEFT, HEIGHT - 10, place, size=10),
        _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 28, "routes", anchor="middle"),
    ]
    for tick in across.ticks():
        x = across.at(tick)
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="{GRID}"/>')
        parts.append(_text(x, HEIGHT - BOTTOM + 16, _short(tick), anchor="middle"))
    for tick in up.ticks():
        y = up.at(tick)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="{GRID}"/>')
        parts.append(_text(LEFT - 6, y + 4, _short(tick), anchor="end"))
    places = _apart([up.at(line.points[-1][1]) for line in lines])
    for number, (line, y) in enumerate(zip(lines, places, strict=True)):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(f"{across.at(x):.1f},{up.at(value):.1f}" for x, value in line.points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for x, value in line.points:
            title_of = f"<title>{escape(line.name)}, {x:,.0f} routes: {value:,.1f} {escape(unit)}</title>"
            parts.append(
                f'<circle cx="{across.at(x):.1f}" cy="{up.at(value):.1f}" r="4" fill="{colour}">{title_of}</circle>'
            )
        parts.append(_text(WIDTH - RIGHT + 10, y + 4, f"{line.name}: {_short(line.points[-1][1])}", colour=colour))
    return "\n".join([*parts, "</svg>", ""])


@dataclass(frozen=True)
class _Scale:
    """A logarithmic axis between two powers of ten.

    Attributes:
        low: the exponent of its least value.
        high: that of its greatest.
        start: the pixel of the least value.
        end: that of the greatest.
    """

    low: int
    high: int
    start: float
    end: float

    @classmethod
    def of(cls, values: Iterable[float], start: float, end: float) -> _Scale:
        """Return the axis that has all of some values."""
        known = list(values)
        low = math.floor(math.log10(min(known)))
        return cls(low, max(low + 1, math.ceil(math.log10(max(known)))), start, end)

    def at(self, value: float) -> float:
        """Return the pixel of a value."""
        return self.start + (math.log10(value) - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Return the powers of ten."""
        return [10.0**each for each in range(self.low, self.high + 1)]


def _apart(places: Sequence[float]) -> list[float]:
    """Return the places of labels, moved down until none lies on another."""
    found: dict[int, float] = {}
    last = -math.inf
    for number in sorted(range(len(places)), key=places.__getitem__):
        found[number] = last = max(places[number], last + LABEL_GAP)
    return [found[number] for number in range(len(places))]


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _text(x: float, y: float, text: str, *, size: int = 12, anchor: str = "start", colour: str = INK) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{colour}">{escape(text)}</text>'
    )
