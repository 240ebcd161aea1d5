"""Entities: spans in sequences of BIO labels, and the F1 score over whole spans."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["entities", "entity_f1"]


def entities(labels: Sequence[Any]) -> set[tuple[str, int, int]]:
    """The entities that a sequence of labels marks.

    Parameters
    ----------
    labels : sequence of str
        "B-TYPE" begins an entity, "I-TYPE" goes on with it; anything else is outside of all.

    Returns
    -------
    set of (type, first, last)
        Places count from 0; `last` belongs to the entity.

    Notes
    -----
    As in the CoNLL evaluation, an "I-TYPE" after the outside or after another type begins an entity too.

    Examples
    --------
    >>> from transferkit.ops.metrics.entities import entities
    >>> sorted(entities(["B-PER", "I-PER", "O", "I-LOC", "B-LOC"]))
    [('LOC', 3, 3), ('LOC', 4, 4), ('PER', 0, 1)]
    """
    found: set[tuple[str, int, int]] = set()
    kind, first = "", 0
    for place, label in enumerate([*map(str, labels), "O"]):
        mark, dash, now = label.partition("-")
        now = now if dash and mark in ("B", "I") else ""
        if kind and (mark == "B" or now != kind):
            found.add((kind, first, place - 1))
            kind = ""
        if now and not kind:
            kind, first = now, place
    return found


def entity_f1(truth: Sequence[Sequence[Any]], predicted: Sequence[Sequence[Any]]) -> float:
    """Micro-averaged F1 over entities: one is found if its type and both of its ends are right.

    Parameters
    ----------
    truth, predicted : sequences of sequences of str
        BIO labels, sentence by sentence.

    Returns
    -------
    score : float in [0, 1]
        1 where there is no entity and none is predicted.

    References
    ----------
    Tjong Kim Sang & De Meulder. Introduction to the CoNLL-2003 Shared Task. CoNLL 2003.

    Examples
    --------
    >>> from transferkit.ops.metrics.entities import entity_f1
    >>> entity_f1([["B-PER", "I-PER", "O", "B-LOC"]], [["B-PER", "I-PER", "O", "O"]])
    0.6666666666666666
    """
    right = n_true = n_found = 0
    for labels, guesses in zip(truth, predicted, strict=True):
        true, found = entities(labels), entities(guesses)
        right, n_true, n_found = right + len(true & found), n_true + len(true), n_found + len(found)
    return 2 * right / (n_true + n_found) if n_true + n_found else 1.0
