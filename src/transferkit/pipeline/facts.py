"""First-order facts from files: the atoms of one predicate as labelled rows, and which labels may be used."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path

import numpy as np

from ..core.errors import DataError, DomainError, ParamError
from ..core.protocols import Array, Domain
from ..core.relational import RelationalRows
from ..data import named
from ..data.relational import Records, infer_types, join_records, read_folds, read_prolog, relational_domain

__all__ = ["atom_names", "hide_labels", "read_facts", "read_schema"]

MOST_PAIRS = 1_000_000  # atoms that are made where no false ones are stated


def read_schema(path: Path | str | None) -> dict[str, tuple[str, ...]] | None:
    """Types of the arguments of predicates, from a JSON file such as ``{"advisedby": ["person", "person"]}``.

    Raises
    ------
    DataError
        If it is no such file.
    """
    if path is None:
        return None
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as err:
        raise DataError(f"{path}: the schema must be a readable JSON file. Got: {err}") from err
    fits = isinstance(content, dict) and all(
        isinstance(types, list) and types and all(isinstance(t, str) for t in types) for types in content.values()
    )
    if not fits:
        raise DataError(
            f'{path}: the schema must map predicates to their types, as in {{"likes": ["person", "film"]}}.'
        )
    return {name: tuple(types) for name, types in content.items()}


def read_facts(
    sources: Sequence[str],
    predicate: str,
    *,
    schema: Mapping[str, Sequence[str]] | None = None,
    only: Sequence[str] | None = None,
    like: str = "--target-predicate",
    asked: bool = False,
) -> tuple[Domain, list[str]]:
    """The atoms of a predicate with all other facts as their background.

    Parameters
    ----------
    sources : sequence of str
        Files of Prolog facts, or of JSON folds (.json, .json.gz), which are joined; or one "NAME:DOMAIN", or "NAME" for
        all domains of a set together.
    predicate : str
    schema : mapping of str to sequence of str, optional
        Types of arguments; it may have predicates that these files have not.
    only : sequence of str, optional
        Predicates that are of use; None is all.
    like : str
        What the predicate is called in messages.
    asked : bool
        Whether truth is asked for: then the predicate may be absent, and a predicate of `schema` without a fact is empty.

    Returns
    -------
    domain : Domain
        X is RelationalRows, y is bool.
    notes : list of str

    Raises
    ------
    DataError
        Naming the file, predicate or fact that cannot be used.
    """
    if len(sources) == 1 and not Path(sources[0]).exists():
        name, _, fold = sources[0].partition(":")
        if name in named.datasets():
            return _of_set(name, fold, predicate, like), []
    parts: list[Records] = []
    for source in sources:
        if not Path(source).is_file():
            raise DataError(
                f"{source}: must be a file of facts, Prolog or JSON, or a set, NAME or NAME:DOMAIN. Got no such file."
            )
        is_json = source.lower().removesuffix(".gz").endswith(".json")
        parts += read_folds(source) if is_json else [read_prolog(source)]
    records = join_records(parts)
    origin = sources[0] if len(sources) == 1 else f"{sources[0]} and others"
    there = sorted({*records.positive, *records.negative})
    if predicate not in there and not asked:
        raise DataError(
            f"{origin}: {like} must name a predicate of the facts: {', '.join(there) or 'there are none'}. Got {predicate!r}."
        )
    notes = []
    if schema is None:
        notes.append(
            f"{origin}: the types of arguments were guessed from constants that predicates share; --schema FILE gives them."
        )
        types = infer_types(records)
    else:
        types = {name: tuple(schema[name]) for name in (schema if asked else there) if name in schema}
    stated = records.negative.get(predicate) or (asked and records.positive.get(predicate))
    negatives = "stated" if stated else "closed-world"
    if negatives == "closed-world":
        n = _n_atoms(records, types, predicate)
        if n > MOST_PAIRS:
            raise DataError(
                f"{origin}: false facts of {predicate} must be stated, as in neg({predicate}(...))., or be at most"
                f" {MOST_PAIRS:,} combinations of constants. Got {n:,}."
            )
        notes.append(f"{origin}: no false fact of {predicate} is stated, so all that is not there was taken as false.")
    left_out = [] if only is None else [name for name in there if name not in (*only, predicate)]
    name = Path(sources[0]).name.partition(".")[0]
    return relational_domain(
        records, predicate, schema=types, negatives=negatives, leave_out=left_out, name=name  # type: ignore[arg-type]
    ), notes  # fmt: skip


def _of_set(name: str, domain: str, predicate: str, like: str) -> Domain:
    """One domain of a named set, or all of them together."""
    labels = named.info(name).labels
    if predicate not in labels:
        raise DataError(
            f"{name}: {like} must name a relation of a set of facts: {', '.join(labels)}. Got {predicate!r}."
        )
    found = named.load(name, domains=[domain] if domain else None, label=predicate)
    if not all(isinstance(one.X, RelationalRows) for one in found.values()):
        raise DataError(f"{name}: must be a set of facts (transferkit data list), or a file. Got another.")
    if domain:
        return found[domain]
    parts, schema = [], {}
    for one in found.values():
        rows, y = one.X, np.asarray(one.y)
        schema = {key: p.types for key, p in rows.facts.schema.items()} | {predicate: rows.predicate.types}
        facts = {key: rows.facts.records(key) for key in rows.facts.schema}
        parts.append(Records({**facts, predicate: rows[y].records()}, {predicate: rows[~y].records()}, name))
    return relational_domain(parts, predicate, schema=schema, name=name)


def _n_atoms(records: Records, types: Mapping[str, Sequence[str]], predicate: str) -> int:
    found: dict[str, set[str]] = {}
    for name, rows in records.positive.items():
        for args in rows:
            for kind, constant in zip(types.get(name, ()), args):
                found.setdefault(kind, set()).add(constant)
    return prod(len(found.get(kind, ())) for kind in types.get(predicate, ()))


def atom_names(rows: RelationalRows) -> list[str]:
    """Each atom as text, as in ``advisedby(ann, bob)``."""
    return [f"{rows.predicate.name}({', '.join(args)})" for args in rows.records()]


def hide_labels(target: Domain, shots: int | None, seed: int) -> tuple[Domain, Array]:
    """The target with `shots` known labels of each kind, drawn by the seed, and the rows whose labels are held back.

    Raises
    ------
    DomainError
        If the known labels are not of both kinds.
    ParamError
        If `shots` is no positive number.
    """
    if shots is not None and shots < 1:
        raise ParamError(f"run: shots must be at least 1. Got {shots}.")
    y = np.asarray(target.y)
    if len(np.unique(y)) < 2:
        raise DomainError(
            f"{target.name}: must have true and false atoms. Got {'true' if y.all() else 'false'} ones only; a Prolog file states"
            " a false one as neg(p(a, b))."
        )
    if shots is None:
        return target, np.empty(0, dtype=np.int64)
    rng = np.random.default_rng(seed)
    known = np.zeros(len(y), dtype=bool)
    for truth in (True, False):
        known[rng.permutation(np.flatnonzero(y == truth))[:shots]] = True
    return Domain(target.X, y & known, known, name=target.name), np.flatnonzero(~known)
