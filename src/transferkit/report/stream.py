"""The matrix of accuracies of a stream of tasks, as a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from .drawing import FONT
from .words import clean, shorten

__all__ = ["stream_picture"]

_CELL, _LABEL, _HEAD = 56, 150, 96
_LOW, _HIGH = (247, 251, 255), (8, 81, 156)  # from paper to ink blue


def stream_picture(names: Sequence[str], matrix: Sequence[Sequence[float | None]], title: str = "") -> str:
    """A matrix of accuracies as SVG: one row for each task that was learned, one column for each on which it is judged.

    Parameters
    ----------
    names : sequence of str
        The tasks, in the order of learning.
    matrix : sequence of sequences
        ``matrix[i][j]`` is the accuracy on task j after task i; None or NaN is left empty.
    title : str
        What stands above.

    Returns
    -------
    str
        A whole SVG file. What lies right of the diagonal is pale: these tasks had not come.

    Examples
    --------
    >>> from transferkit.report.stream import stream_picture
    >>> picture = stream_picture(["one", "two"], [[0.9, None], [0.6, 0.8]], "naive")
    >>> picture.startswith("<svg"), picture.count("<rect"), ">60</text>" in picture
    (True, 4, True)
    """
    n = len(names)
    width, height = _LABEL + n * _CELL + 16, _HEAD + n * _CELL + 16
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        f' role="img" font-family="{escape(FONT, quote=True)}" font-size="13">',
        f"<title>{_text(title or 'Accuracy on each task after each task')}</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        f'<text x="16" y="26" font-size="15" font-weight="600" fill="#1a1a1a">{_text(title)}</text>',
        f'<text x="{_LABEL}" y="52" fill="#555555">accuracy (%) on</text>',
        f'<text x="16" y="{_HEAD - 12}" fill="#555555">after learning</text>',
    ]
    for k, name in enumerate(names):
        x, y = _LABEL + (k + 0.5) * _CELL, _HEAD + (k + 0.5) * _CELL + 4
        parts.append(
            f'<text x="{x}" y="{_HEAD - 12}" text-anchor="middle" fill="#1a1a1a">{_text(shorten(name, 8))}</text>'
        )
        parts.append(
            f'<text x="{_LABEL - 10}" y="{y}" text-anchor="end" fill="#1a1a1a">{_text(shorten(name, 16))}</text>'
        )
    for i, row in enumerate(matrix):
        for j, value in enumerate(row):
            if value is not None and not math.isnan(value):
                parts.append(_cell(i, j, float(value)))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _text(value: str) -> str:
    return escape(clean(value), quote=False)


def _cell(i: int, j: int, value: float) -> str:
    share = min(1.0, max(0.0, value))
    colour = "#{:02x}{:02x}{:02x}".format(*(round(a + (b - a) * share) for a, b in zip(_LOW, _HIGH)))
    x, y = _LABEL + j * _CELL, _HEAD + i * _CELL
    pale = ' opacity="0.35"' if j > i else ""
    ink = "#ffffff" if share > 0.55 else "#1a1a1a"
    return (
        f'<g{pale}><rect x="{x + 1}" y="{y + 1}" width="{_CELL - 2}" height="{_CELL - 2}" rx="3" fill="{colour}"/>'
        f'<text x="{x + _CELL / 2}" y="{y + _CELL / 2 + 5}" text-anchor="middle" fill="{ink}">{100 * value:.0f}</text></g>'
    )
