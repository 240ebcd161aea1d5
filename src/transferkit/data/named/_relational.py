"""What the relational sets of TreeBoostler and TransBoostler have in common: five folds of first-order facts each."""

from __future__ import annotations

from collections.abc import Mapping

from ..relational import read_folds, relational_domain
from ._set import File, NamedSet, Place, Rows, github

__all__ = ["FOLDS", "relational_set"]

_REPOSITORY, _COMMIT = "MeLLL-UFF/TransBoostler", "421d3bf7a7d429cb111ebc3d99a288e45818b5d7"
FOLDS = tuple(f"fold-{k}" for k in range(1, 6))


def relational_set(
    name: str,
    title: str,
    schema: Mapping[str, tuple[str, ...]],
    *,
    labels: tuple[str, ...],
    packed: tuple[str, int],
    original: tuple[str, int],
    notes: tuple[str, ...],
) -> NamedSet:
    """The set of one file; a label is a predicate, whose atoms are the rows, and the other predicates are background."""

    def read(place: Place, domains: tuple[str, ...], label: str, preprocess: str) -> Rows:
        folds = read_folds(place.folder / f"{name}.json{'' if place.original else '.gz'}", schema=schema)
        found = {d: relational_domain(folds[FOLDS.index(d)], label, schema=schema, name=d) for d in domains}
        return {d: (domain.X, domain.y) for d, domain in found.items() if domain.y is not None}

    return NamedSet(
        name=name,
        title=title,
        domains=FOLDS,
        task="classification",
        n_features=len(schema[labels[0]]),
        files=(File(f"relational/{name}.json.gz", *packed),),
        originals=(
            File(
                f"relational/{name}.json", *original, github(_REPOSITORY, _COMMIT, f"datasets/files/json/{name}.json")
            ),
        ),
        licence="none stated",
        source=f"{_REPOSITORY} @ {_COMMIT[:12]}",
        read=read,
        labels=labels,
        notes=(
            "X holds the atoms of the label's predicate with the other facts of the fold as background; y says which hold",
            "types of the arguments are those of the authors' modes",
            *notes,
        ),
    )
