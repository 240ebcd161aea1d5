"""Cora: citations of papers as first-order facts; which venues are the same."""

from __future__ import annotations

from ._relational import relational_set

__all__ = ["SCHEMA", "SET"]

SCHEMA = {
    "samevenue": ("venue", "venue"),
    "author": ("class", "author"),
    "haswordauthor": ("author", "word"),
    "haswordtitle": ("title", "word"),
    "haswordvenue": ("venue", "word"),
    "sameauthor": ("author", "author"),
    "samebib": ("class", "class"),
    "sametitle": ("title", "title"),
    "title": ("class", "title"),
    "venue": ("class", "venue"),
}

SET = relational_set(
    "cora",
    "Cora: first-order facts of citations; which names of venues mean the same",
    SCHEMA,
    labels=("samevenue", "sameauthor", "samebib", "sametitle"),
    packed=("4d13d4ddf2604b77dd720ac827de7c15833e6340ae391b1d5f3139ddfbb4f511", 235248),
    original=("59985c9b83bdaaa4f9cf1fa45939c59e2851c13701233641aae71db5ffe0d74e", 2815207),
    notes=("42,558 facts in all; the entities are called class...",),
)
