"""Draws the branches of a group as a picture: time runs down, each branch has its lane, each epoch is a dot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from xml.sax.saxutils import escape

from chasqui.lab.branches import Branch
from chasqui.lab.world import DAY_S, clock_of

ROW: Final = 26  # pixels
LANE: Final = 30
LEFT: Final = 34
TOP: Final = 118
_GAP: Final = 14  # where a day or more passes
_LETTER: Final = 7.4  # width of one at 13 px
_WHEN_X: Final = 48  # columns of the text, from its left edge and from the one before
_WHAT_X: Final = 96
_LEGEND: Final = (
    "A dot is an epoch, a line the commit that began it. A thin ring: those beside it send there at the end. "
    "A thick one: all do, the group is one."
)
_INKS: Final = ("#1f4e8c", "#b03a2e", "#1e7a46", "#7d3c98", "#a35b00", "#0e7c7b", "#8e2458", "#4d5656")


def draw(title: str, subtitle: str, branches: Sequence[Branch], heads: Mapping[bytes, Iterable[str]]) -> str:
    """An SVG document. `heads` gives who sends in an epoch at the end; where all do in one, that is the final head."""
    rows = _rows(branches)
    lanes = 1 + max((branch.lane for branch in branches), default=0)
    text_x = LEFT + lanes * LANE + 6
    labels = [_label(branch) for branch in branches]
    notes = [_note(heads.get(branch.epoch, ()), len(heads) == 1) for branch in branches]
    widest = max((len(a) + len(b) for a, b in zip(labels, notes, strict=True)), default=20)
    width = int(max(text_x + _WHEN_X + _WHAT_X + widest * _LETTER, LEFT + 1.7 * _LETTER * len(title)))
    width = int(max(width, LEFT + _LETTER * max(len(subtitle), len(_LEGEND))))
    height = TOP + (rows[branches[-1].epoch] if branches else 0) + ROW
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'font-family="DejaVu Sans, Verdana, sans-serif" font-size="13" fill="#222222">',
        f"<title>{escape(title)}</title>",
        f"<desc>{escape(f'{subtitle} {_LEGEND}')}</desc>",
        f'<rect width="{width}" height="{height}" fill="#fdfcf8"/>',
        f'<text x="{LEFT - 10}" y="36" font-size="20" font-weight="bold">{escape(title)}</text>',
        f'<text x="{LEFT - 10}" y="60" fill="#555555">{escape(subtitle)}</text>',
        f'<text x="{LEFT - 10}" y="82" fill="#555555">{escape(_LEGEND)}</text>',
    ]
    known = {branch.epoch: branch for branch in branches}
    for branch in branches:
        parent = known.get(branch.parent)
        if parent is not None:
            parts.append(_edge(parent, branch, rows))
    for branch, label, note in zip(branches, labels, notes, strict=True):
        parts += _dot(branch, rows[branch.epoch], label, note, text_x, final=len(heads) == 1)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _rows(branches: Sequence[Branch]) -> dict[bytes, int]:
    y, rows, before_s = 0, {}, None
    for branch in branches:
        if before_s is not None:
            y += ROW + (_GAP if branch.at_s - before_s >= DAY_S else 0)
        rows[branch.epoch] = y
        before_s = branch.at_s
    return rows


def _label(branch: Branch) -> str:
    if not branch.parent:
        return f"{branch.committer} {branch.what}"
    if branch.what.startswith(branch.committer):
        return branch.what
    return f"{branch.committer}: {branch.what}"


def _note(names: Iterable[str], final: bool) -> str:
    who = ", ".join(sorted(names))
    if not who:
        return ""
    return f"final head: {who}" if final else f"head of {who}"


def _at(branch: Branch, rows: Mapping[bytes, int]) -> tuple[int, int]:
    return LEFT + branch.lane * LANE, TOP + rows[branch.epoch]


def _edge(parent: Branch, child: Branch, rows: Mapping[bytes, int]) -> str:
    (x1, y1), (x2, y2) = _at(parent, rows), _at(child, rows)
    if x1 == x2:
        path = f"M{x1},{y1} V{y2}"
    else:  # out of the parent at once, then down its own lane
        turn = min(y1 + ROW, y2)
        path = f"M{x1},{y1} C{x1},{turn - 4} {x2},{y1 + 4} {x2},{turn} V{y2}"
    return f'<path d="{path}" fill="none" stroke="{_ink(child)}" stroke-width="2.5"/>'


def _dot(branch: Branch, row: int, label: str, note: str, text_x: int, *, final: bool) -> list[str]:
    x, y = LEFT + branch.lane * LANE, TOP + row
    ink = _ink(branch)
    parts = [f'<circle cx="{x}" cy="{y}" r="5" fill="{ink}"/>']
    if note:
        thick = 3 if final else 1.5
        parts.append(f'<circle cx="{x}" cy="{y}" r="9" fill="none" stroke="{ink}" stroke-width="{thick}"/>')
    parts.append(f'<text x="{text_x}" y="{y + 4}" font-weight="bold" fill="{ink}">{branch.name}</text>')
    bold = f'<tspan dx="14" font-weight="bold" fill="{ink}">{escape(note)}</tspan>' if note else ""
    parts.append(f'<text x="{text_x + _WHEN_X}" y="{y + 4}" fill="#666666">{clock_of(branch.at_s)}</text>')
    parts.append(f'<text x="{text_x + _WHEN_X + _WHAT_X}" y="{y + 4}">{escape(label)}{bold}</text>')
    return parts


def _ink(branch: Branch) -> str:
    return _INKS[branch.lane % len(_INKS)]
