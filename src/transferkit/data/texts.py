"""Texts as samples: from a column of a table, from files, and from review files."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from ..core.errors import DataError
from .encodings import to_utf8
from .layout import no_split, splits_of
from .places import Place, name_of, read_bytes
from .rows import Ask, Part, payload, reading, tell_skipped
from .samples import Samples
from .tables import table_part

__all__ = ["TEXT_SUFFIXES", "TextSamples", "read_reviews", "read_text", "text_column", "text_part"]

TEXT_SUFFIXES = (".txt",)


class TextSamples(Samples):
    """Texts in memory.

    Parameters
    ----------
    items : sequence of str
        The texts.
    splits, groups : sequence of str, optional
        As for `Samples`.

    Examples
    --------
    >>> from transferkit.data.texts import TextSamples
    >>> texts = TextSamples(["good", "bad", "so so"])
    >>> texts[1], texts[1:].items
    ('bad', ['bad', 'so so'])
    """

    kind = "text"

    def digest(self, index: int) -> str:
        """SHA-256 of the text in UTF-8."""
        return hashlib.sha256(self.items[index].encode(errors="surrogatepass")).hexdigest()

    def _decode(self, item: str) -> str:
        return item


def read_text(place: Place) -> str:
    """The text of a file, whatever its encoding.

    Raises
    ------
    DataError
        Naming the file, where it is no text or empty.
    """
    text = to_utf8(read_bytes(place), name_of(place)).decode().strip()
    if not text:
        raise DataError(f"{name_of(place)}: the file must hold a text. It is blank.")
    return text


def text_column(frame: pl.DataFrame) -> str | None:
    """The column that holds the texts: of those with mostly different values of several words, the longest; or None."""
    best, longest = None, 0.0
    for column in frame:
        filled = column.drop_nulls()
        if column.dtype != pl.String or not len(filled) or filled.n_unique() < 0.5 * len(filled):
            continue
        words = np.mean(filled.str.count_matches(r"\S+").to_numpy())
        length = float(np.mean(filled.str.len_chars().to_numpy()))
        if words >= 3 and length > longest:
            best, longest = column.name, length
    return best


def text_part(part: Part, column: str, ask: Ask) -> Part:
    """The rows of a table whose column holds texts; rows without one are skipped and told.

    Raises
    ------
    DataError
        If there is none, or not the split that was asked for.
    """
    texts = part.X[column].to_list()
    splits = splits_of(part.X)
    chosen = np.array([splits is None or ask.split in (None, s) for s in (splits or texts)], dtype=bool)
    if ask.split is not None and (splits is None or not chosen.any()):
        raise no_split(part.origin, ask.split, splits)
    filled = np.array([bool(t and t.strip()) for t in texts], dtype=bool)
    rows = np.flatnonzero(filled & chosen)
    empty = np.flatnonzero(~filled & chosen)
    tell_skipped(
        [f"row {i + 1} has no text" for i in empty], int(chosen.sum()), "texts", part.origin, ask.strict, len(rows)
    )
    known = None if part.known is None else part.known[rows]
    X = TextSamples([texts[i] for i in rows], splits=None if splits is None else [splits[i] for i in rows])
    return Part(
        X,
        None if part.y is None else part.y[rows],
        known,
        None if part.groups is None else part.groups[rows],
        part.origin,
    )


def read_reviews(path: Path, ask: Ask) -> Part:
    """The pseudo-XML in which Blitzer's Amazon reviews are kept: ``<review>`` with fields such as ``<review_text>``.

    The texts are those of ``review_text``, or of the field that `text` names. Labels are the field that `label` names,
    such as ``rating``; else "positive" or "negative", where the file is called so.
    """
    origin, content = str(path), payload(path)
    with reading(origin, "reviews"):
        data = path.read_bytes() if isinstance(content, str) else content.getvalue()
    text = to_utf8(data, origin).decode()
    reviews = [dict(_FIELD.findall(review)) for review in _REVIEW.findall(text)]
    if not reviews or text.count("<review>") != len(reviews):
        raise DataError(
            f"{origin}: the file must hold <review> ... </review>, each closed. {text.count('<review>')} are opened and "
            f"{text.count('</review>')} closed."
        )
    frame = pl.DataFrame(reviews, infer_schema_length=None)
    stem = path.name.partition(".")[0].lower()
    if ask.label is None and stem in ("positive", "negative"):
        frame = frame.with_columns(pl.lit(stem).alias("sentiment"))
        ask = replace(ask, label="sentiment")
    ask = replace(ask, text="review_text") if ask.text is None else ask
    part = table_part(frame, origin, ask, text=True)
    return text_part(part, part.X.columns[0], ask)


_REVIEW = re.compile(r"<review>\n(.*?)</review>", re.DOTALL)
_FIELD = re.compile(r"<(\w+)>\n(.*?)\n</\1>", re.DOTALL)
