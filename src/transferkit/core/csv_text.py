"""CSV files for people: no cell of ours is a formula to a spreadsheet."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

__all__ = ["csv_text", "unguarded"]

# What begins a formula, some only once a spreadsheet has cut blanks or normalised wide signs; numbers do not.
_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def csv_text(rows: Iterable[Sequence[Any]]) -> str:
    """Rows as the text of a CSV file, with a line each; the first are the names of the columns.

    A text that begins as a formula (``=``, ``+``, ``-``, ``@``, their wide forms, a tab or a line's end) gets an apostrophe in
    front, as OWASP advises: a file from elsewhere may hold ``=HYPERLINK(...)`` as a class or a file's name. Numbers stay as
    they are, and so do texts that are numbers, such as the class ``-1``. `unguarded` is the way back, and the readers
    of delimited tables take it.

    Examples
    --------
    >>> from transferkit.core.csv_text import csv_text
    >>> print(csv_text([("row", "prediction"), (-1.5, "=1+1"), (None, "-1")]), end="")
    row,prediction
    -1.5,'=1+1
    ,-1

    References
    ----------
    OWASP. CSV Injection. https://owasp.org/www-community/attacks/CSV_Injection
    """
    return "".join(",".join(map(_cell, row)) + "\n" for row in rows)


def _cell(value: Any) -> str:
    text = "" if value is None else str(value)
    if isinstance(value, str) and _FORMULA.match(text) and not _NUMBER.fullmatch(text):
        text = f"'{text}"
    # The csv module leaves a carriage return unquoted, where lines end in another sign.
    return '"{}"'.format(text.replace('"', '""')) if re.search('[,"\r\n]', text) else text


def unguarded(text: str) -> str:
    """A cell's text without the apostrophe that `csv_text` has put in front; any other as it is.

    Examples
    --------
    >>> from transferkit.core.csv_text import unguarded
    >>> unguarded("'=1+1"), unguarded("'quoted'"), unguarded("'-1")
    ('=1+1', "'quoted'", "'-1")
    """
    guarded = text.startswith("'") and _FORMULA.match(text, 1) and not _NUMBER.fullmatch(text, 1)
    return text[1:] if guarded else text
