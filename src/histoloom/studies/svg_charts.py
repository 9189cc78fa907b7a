"""Charts of reports as SVG, which pages hold inline and any browser shows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from histoloom.studies.intervals import Interval

_WIDTH, _LEFT, _RIGHT, _TOP, _BOTTOM = 720, 70, 20, 40, 50
_LINE_HEIGHT, _ROW_HEIGHT, _LETTER = 300, 26, 7.2
_COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Of Okabe and Ito, which colour-blind people tell apart."""

_MOST_TICKS = 6


@dataclass(frozen=True)
class Line:
    """One line of a chart.

    Parameters
    ----------
    title
        In the legend.
    x, y
        Its points, as many of both; those that are no numbers are left out.
    """

    title: str
    x: Sequence[float]
    y: Sequence[float]

    def points(self) -> list[tuple[float, float]]:
        """Return the points that are numbers."""
        return [(x, y) for x, y in zip(self.x, self.y, strict=True) if math.isfinite(x) and math.isfinite(y)]


@dataclass(frozen=True)
class IntervalRow:
    """One row of a chart of intervals.

    Parameters
    ----------
    title
        At its left.
    interval
        Mean and interval.
    marks
        Single values that are shown as dots, such as those of seeds.
    """

    title: str
    interval: Interval
    marks: Sequence[float] = ()


@dataclass(frozen=True)
class Histogram:
    """How values of one group are spread over bins.

    Parameters
    ----------
    title
        In the legend.
    shares
        Of the group's values in each bin, 0..1.
    """

    title: str
    shares: Sequence[float]


def line_chart(lines: Sequence[Line], title: str, x_title: str, y_title: str) -> str:
    """Return lines over a common x axis, with a legend, as an SVG element; empty if there are no points."""
    points = [point for line in lines for point in line.points()]
    if not points:
        return ""
    x_ticks = ticks(min(x for x, _ in points), max(x for x, _ in points))
    y_ticks = ticks(min(y for _, y in points), max(y for _, y in points))
    height = _TOP + _LINE_HEIGHT + _BOTTOM
    across = _Scale(x_ticks[0], x_ticks[-1], _LEFT, _WIDTH - _RIGHT)
    up = _Scale(y_ticks[0], y_ticks[-1], height - _BOTTOM, _TOP)
    parts = [
        *(_grid_line(_LEFT, up.at(each), _WIDTH - _RIGHT, up.at(each)) for each in y_ticks),
        *(_text(_LEFT - 8, up.at(each) + 4, f"{each:g}", "end") for each in y_ticks),
        *(_text(across.at(each), height - _BOTTOM + 18, f"{each:g}") for each in x_ticks),
        _text((_LEFT + _WIDTH) / 2, height - 10, x_title),
        f'<text transform="translate(16 {_TOP + _LINE_HEIGHT / 2:.0f}) rotate(-90)" text-anchor="middle">'
        f"{escape(y_title)}</text>",
    ]
    for index, line in enumerate(lines):
        color = _COLORS[index % len(_COLORS)]
        path = " ".join(f"{across.at(x):.1f},{up.at(y):.1f}" for x, y in line.points())
        parts.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>')
        y = _TOP + 8 + 18 * index
        parts.append(f'<rect x="{_WIDTH - _RIGHT - 190}" y="{y}" width="14" height="4" fill="{color}"/>')
        parts.append(_text(_WIDTH - _RIGHT - 170, y + 6, line.title, "start"))
    return _svg(title, height, parts)


def interval_chart(rows: Sequence[IntervalRow], title: str, x_title: str) -> str:
    """Return means with their intervals, one below the other around zero, as an SVG element; empty without rows."""
    if not rows:
        return ""
    values = [value for row in rows for value in (row.interval.low, row.interval.high, *row.marks)]
    finite = [0.0, *(each for each in values if math.isfinite(each))]
    x_ticks = ticks(min(finite), max(finite))
    height = _TOP + _ROW_HEIGHT * len(rows) + _BOTTOM
    # An SVG cannot measure its text; this is enough for the widest of common sans-serif fonts.
    labels = 20 + _LETTER * max(len(row.title) for row in rows)
    across = _Scale(x_ticks[0], x_ticks[-1], labels, _WIDTH - _RIGHT)
    bottom = height - _BOTTOM
    parts = [
        *(_grid_line(across.at(each), _TOP, across.at(each), bottom) for each in x_ticks),
        *(_text(across.at(each), bottom + 18, f"{each:+g}" if each else "0") for each in x_ticks),
        f'<line x1="{across.at(0):.1f}" y1="{_TOP}" x2="{across.at(0):.1f}" y2="{bottom}" stroke="#000"/>',
        _text((labels + _WIDTH) / 2, height - 10, x_title),
    ]
    for index, row in enumerate(rows):
        y = _TOP + _ROW_HEIGHT * (index + 0.5)
        low, mean, high = (across.at(each) for each in (row.interval.low, row.interval.mean, row.interval.high))
        parts.append(_text(labels - 10, y + 4, row.title, "end"))
        parts.append(
            f'<line x1="{low:.1f}" y1="{y:.1f}" x2="{high:.1f}" y2="{y:.1f}" stroke="{_COLORS[0]}" stroke-width="3"/>'
        )
        parts.append(f'<rect x="{mean - 4:.1f}" y="{y - 4:.1f}" width="8" height="8" fill="{_COLORS[0]}"/>')
        parts += [
            f'<circle cx="{across.at(mark):.1f}" cy="{y:.1f}" r="3" fill="{_COLORS[1]}"/>'
            for mark in row.marks
            if math.isfinite(mark)
        ]
    return _svg(title, height, parts)


def histogram_chart(
    edges: Sequence[float],
    groups: Sequence[Histogram],
    title: str,
    x_title: str,
    x_ticks: Mapping[float, str] | None = None,
) -> str:
    """Return histograms of groups over each other, with a legend, as an SVG element; empty if there are none.

    Parameters
    ----------
    edges
        Of the bins, ascending, one more than each group has shares.
    groups
        What is shown.
    title, x_title
        Of the chart and its x axis.
    x_ticks
        Where the x axis has ticks and what stands there, for axes of logarithms; round numbers where it is not given.
    """
    if not groups:
        return ""
    if x_ticks is None:
        x_ticks = {each: f"{each:g}" for each in ticks(edges[0], edges[-1]) if edges[0] <= each <= edges[-1]}
    # Higher than any bin, so that the legend has a place.
    y_ticks = ticks(0.0, 1.15 * max(max(group.shares) for group in groups))
    height = _TOP + _LINE_HEIGHT + _BOTTOM
    across = _Scale(edges[0], edges[-1], _LEFT, _WIDTH - _RIGHT)
    up = _Scale(0.0, y_ticks[-1], height - _BOTTOM, _TOP)
    parts = [
        *(_grid_line(_LEFT, up.at(each), _WIDTH - _RIGHT, up.at(each)) for each in y_ticks),
        *(_grid_line(across.at(each), _TOP, across.at(each), height - _BOTTOM) for each in x_ticks),
        *(_text(_LEFT - 8, up.at(each) + 4, f"{each:.0%}", "end") for each in y_ticks),
        *(_text(across.at(each), height - _BOTTOM + 18, words) for each, words in x_ticks.items()),
        _text((_LEFT + _WIDTH) / 2, height - 10, x_title),
    ]
    for index, group in enumerate(groups):
        color = _COLORS[index % len(_COLORS)]
        corners = [
            (across.at(edge), up.at(share))
            for low, high, share in zip(edges[:-1], edges[1:], group.shares, strict=True)
            for edge in (low, high)
        ]
        corners = [(across.at(edges[0]), up.at(0.0)), *corners, (across.at(edges[-1]), up.at(0.0))]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
        parts.append(
            f'<polygon points="{path}" fill="{color}" fill-opacity="0.3" stroke="{color}" stroke-width="2" '
            'stroke-linejoin="round"/>'
        )
        y = _TOP + 8 + 18 * index
        parts.append(f'<rect x="{_LEFT + 12}" y="{y - 4}" width="14" height="12" fill="{color}"/>')
        parts.append(_text(_LEFT + 32, y + 6, group.title, "start"))
    return _svg(title, height, parts)


def ticks(low: float, high: float) -> list[float]:
    """Return round numbers, evenly spaced, the first at most ``low`` and the last at least ``high``."""
    high = max(high, low + 1.0) if high - low < 1e-9 else high
    span = high - low
    power = 10.0 ** math.floor(math.log10(span / _MOST_TICKS))
    step = next(each * power for each in (1.0, 2.0, 5.0, 10.0) if span / (each * power) <= _MOST_TICKS)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    # Of more digits than the step's, floats only show how they are stored.
    return [round(index * step, 12) for index in range(first, max(last, first + 1) + 1)]


@dataclass(frozen=True)
class _Scale:
    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def _text(x: float, y: float, words: str, anchor: str = "middle") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def _grid_line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#ddd"/>'


def _svg(title: str, height: int, parts: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
        'font-family="sans-serif" font-size="12">\n'
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>\n'
        f'<text x="{_WIDTH / 2:.0f}" y="22" text-anchor="middle" font-size="15">{escape(title)}</text>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )
