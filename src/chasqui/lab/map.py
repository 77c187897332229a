"""Draws the town of a run as a picture: districts and their walls, who stands where, who heard whom, and when everybody
had come to the last epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final
from xml.sax.saxutils import escape

from chasqui.lab.ground import District, Spot
from chasqui.lab.world import clock_of

WIDTH: Final = 900  # pixels
EDGE: Final = 90
RIGHT: Final = 170  # names and times stand to the right of people
TOP: Final = 118
_LEGEND: Final = (
    "Circles: districts, thick where walls keep them apart. Lines: who heard whom, the more the thicker. Ringed: who "
    "walks."
)
_INK, _LATE = "#1f4e8c", "#b03a2e"


def draw_map(
    title: str,
    subtitle: str,
    districts: tuple[District, ...],
    spots: Mapping[str, Spot],
    walkers: frozenset[str],
    heard: Mapping[frozenset[str], int],
    reached_s: Mapping[str, int],
) -> str:
    """An SVG document. `heard`: how many frames came through between two, both ways; `reached_s`: when somebody came
    to where the group ended."""
    view = _View(districts, spots)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{view.height}" '
        f'viewBox="0 0 {WIDTH} {view.height}" font-family="DejaVu Sans, Verdana, sans-serif" font-size="12" '
        'fill="#222222">',
        f"<title>{escape(title)}</title>",
        f"<desc>{escape(f'{subtitle} {_LEGEND}')}</desc>",
        f'<rect width="{WIDTH}" height="{view.height}" fill="#fdfcf8"/>',
        f'<text x="24" y="36" font-size="20" font-weight="bold">{escape(title)}</text>',
        f'<text x="24" y="60" fill="#555555">{escape(subtitle)}</text>',
        f'<text x="24" y="82" fill="#555555">{escape(_LEGEND)}</text>',
    ]
    parts += [line for district in districts for line in _district(district, view)]
    most = max(heard.values(), default=1)
    for pair, frames in sorted(heard.items(), key=lambda item: sorted(item[0])):
        (x1, y1), (x2, y2) = (view.at(spots[name]) for name in sorted(pair))
        width = 0.4 + 2.6 * frames / most
        parts.append(
            f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="#8a8a8a" stroke-width="{width:.1f}" '
            'stroke-opacity="0.45"/>'
        )
    for name, spot in sorted(spots.items()):
        parts += _person(name, view.at(spot), reached_s.get(name), walks=name in walkers)
    return "\n".join([*parts, "</svg>"]) + "\n"


class _View:
    """Metres east and north as pixels right and down."""

    def __init__(self, districts: tuple[District, ...], spots: Mapping[str, Spot]) -> None:
        ways = [(d.centre, side * d.radius_m) for d in districts for side in (-1, 1)]
        ends = [(centre[0] + far, centre[1] + far) for centre, far in ways]
        ends += spots.values()
        self._west, self._north = min(x for x, _ in ends), max(y for _, y in ends)
        wide = max(max(x for x, _ in ends) - self._west, 1.0)
        tall = self._north - min(y for _, y in ends)
        self._scale = (WIDTH - EDGE - RIGHT) / wide
        self.height = math.ceil(TOP + tall * self._scale + EDGE)

    def at(self, spot: Spot) -> tuple[int, int]:
        return round(EDGE + (spot[0] - self._west) * self._scale), round(TOP + (self._north - spot[1]) * self._scale)

    def length(self, metres: float) -> int:
        return round(metres * self._scale)


def _district(district: District, view: _View) -> list[str]:
    (x, y), radius = view.at(district.centre), view.length(district.radius_m)
    walls = f", walls {district.walls_db:g} dB" if district.walls_db else ""
    return [
        f'<circle cx="{x}" cy="{y}" r="{radius}" fill="#efece0" stroke="#555555" '
        f'stroke-width="{3 if district.walls_db else 1}"/>',
        f'<text x="{x}" y="{y - radius - 8}" text-anchor="middle" font-weight="bold">'
        f"{escape(district.name + walls)}</text>",
    ]


def _person(name: str, at: tuple[int, int], reached_s: int | None, *, walks: bool) -> list[str]:
    x, y = at
    ink = _LATE if reached_s is None else _INK
    when = "never" if reached_s is None else clock_of(reached_s)
    ring = f'<circle cx="{x}" cy="{y}" r="8" fill="none" stroke="{ink}" stroke-width="1.5"/>'
    return [
        f'<circle cx="{x}" cy="{y}" r="4" fill="{ink}"/>',
        *([ring] if walks else []),
        f'<text x="{x + 10}" y="{y + 4}"><tspan font-weight="bold" fill="{ink}">{escape(name)}</tspan>'
        f'<tspan dx="5" fill="#666666">{when}</tspan></text>',
    ]
