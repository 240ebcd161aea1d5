"""Families: small relational worlds in which a rule is known, so that a method can be asked whether it finds it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from transferkit import Domain
from transferkit.core.relational import Facts, RelationalRows

SCHEMA = {
    "parent": ("person", "person"),
    "female": ("person",),
    "likes": ("person", "thing"),
    "grandparent": ("person", "person"),
}


@dataclass(frozen=True)
class Kinship:
    """Facts about the people of one place, and pairs of them of which some are grandparent and grandchild."""

    records: dict[str, list[tuple[str, ...]]]
    pairs: list[tuple[str, str]]
    y: np.ndarray
    schema: dict[str, tuple[str, ...]] = field(default_factory=lambda: SCHEMA)

    def rows(self, order: Sequence[int] | None = None, name: Callable[[str], str] = str) -> RelationalRows:
        """The pairs over the facts, which may be given in another order and with other names."""
        rng = np.random.default_rng(0)
        records = {
            p: [
                tuple(map(name, facts[i]))
                for i in (range(len(facts)) if order is None else rng.permutation(len(facts)))
            ]
            for p, facts in self.records.items()
        }
        facts = Facts.from_records(records, self.schema)
        return RelationalRows.from_records(facts, "grandparent", [tuple(map(name, p)) for p in self.pairs])

    def domain(self, n_known: int | None = None) -> Domain:
        """The pairs as a target with that many known labels; None knows all."""
        rows = self.rows()
        return Domain(rows, self.y, None if n_known is None else np.arange(len(rows)) < n_known)


def family(seed: int, n: int = 40, prefix: str = "p", false_ratio: int = 2) -> Kinship:
    """`n` people, each but the first three with a parent among those before; `false_ratio` false pairs for each true one."""
    rng = np.random.default_rng(seed)
    people = [f"{prefix}{k}" for k in range(n)]
    parent = {k: int(rng.integers(max(0, k - 6), k)) for k in range(3, n)}
    true = {(people[parent[parent[k]]], people[k]) for k in parent if parent[k] in parent}
    others = {(people[a], people[b]) for a, b in rng.integers(n, size=(4 * n, 2))} - true
    pairs = sorted(true) + sorted(others)[: false_ratio * len(true)]
    pairs = [pairs[i] for i in rng.permutation(len(pairs))]
    records = {
        "parent": [(people[p], people[k]) for k, p in parent.items()],
        "female": [(p,) for p in people if rng.random() < 0.5],
        "likes": [(p, f"thing{rng.integers(5)}") for p in people],
        "grandparent": sorted(true),
    }
    return Kinship(records, pairs, np.array([p in true for p in pairs]))
