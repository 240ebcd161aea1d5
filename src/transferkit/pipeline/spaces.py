"""Step 3 where source and target have columns of their own: the methods that fit, and what ties the two sides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from inspect import signature
from typing import Any

import numpy as np

from .. import catalogue
from ..catalogue import Card
from ..core.errors import ParamError
from ..core.relation_guard import TargetAlone
from .pairs import untied
from .prepare import Prepared
from .select import Selected
from .task import TransferTask

__all__ = [
    "ALONE",
    "SpaceCandidate",
    "check_between_spaces",
    "check_ties",
    "known_columns",
    "proposal_of",
    "select_between",
]

ALONE = "target_only-1"  # what a method between spaces has to beat
# Tested where no other method is named: fixed beforehand, since so few labels cannot choose among many.
_PROPOSALS = {
    ("classification", "pairs"): "cca", ("classification", "labels"): "dama",
    ("regression", "pairs"): "spectral_space_transformation", ("regression", "labels"): "spectral_space_transformation",
}  # fmt: skip
_LIMITS = {"n^2": 10_000, "n^3": 3_000}  # rows of a domain; beyond, with the parameters that a method has for it


@dataclass(frozen=True, eq=False)
class SpaceCandidate:
    """One method between feature spaces, or the target's labels alone; for `train` like a `Candidate`.

    Attributes
    ----------
    id : str
    card : Card
    params : mapping
        Constructor parameters.
    role : {"baseline", "candidate"}
    skip : str
        Why it is not fitted; empty where it is.
    estimator, epochs, scaler : None
        The methods bring their own inner estimators; columns have been standardised in each domain by itself.
    inner : str
        Empty, for the same reason.
    """

    id: str
    card: Card
    params: Mapping[str, Any] = field(default_factory=dict)
    role: str = "candidate"
    skip: str = ""
    estimator: Any = None
    epochs: int | None = None
    scaler: Any = None
    inner: str = ""

    def build(self, seed: int) -> Any:
        """The unfitted method."""
        if self.id == ALONE:
            return TargetAlone()
        cls = catalogue.load(self.card.name)
        accepted = cls._constraints
        more = {"random_state": seed} if "random_state" in accepted and accepted["random_state"].holds(seed) else {}
        return cls(**{**more, **self.params})


def check_ties(prepared: Prepared) -> None:
    """Refuse a task in which nothing ties the two feature spaces.

    Raises
    ------
    DomainError
        Saying what is needed.
    """
    if prepared.source_names is None or prepared.pairs is not None or prepared.target.mask.any():
        return
    held = 0 if prepared.held_back is None else len(prepared.held_back.rows)
    raise untied(prepared.source.name, prepared.target.name, prepared.source_names, prepared.feature_names, held)


def check_between_spaces(card: Card, prepared: Prepared) -> None:
    """Refuse a method that needs the same columns on both sides.

    Raises
    ------
    ParamError
        Naming it.
    """
    if "heterogeneous" not in card.settings or "pairs" not in signature(catalogue.load(card.name).fit).parameters:
        raise ParamError(
            f"{prepared.source.name} and {prepared.target.name} have columns of their own: the method must be one between feature"
            f" spaces (transferkit list --setting heterogeneous). Got {card.name!r}."
        )


def known_columns(card: Card, prepared: Prepared) -> dict[str, Any]:
    """For a method that takes them, which columns of the two sides have one name."""
    if "shared" not in catalogue.load(card.name)._constraints:
        return {}
    place = {name: k for k, name in enumerate(prepared.feature_names)}
    shared = [[k, place[name]] for k, name in enumerate(prepared.source_names or ()) if name in place]
    return {"shared": shared} if shared else {}


def proposal_of(prepared: Prepared, task: TransferTask) -> str:
    """Id of the one candidate that the labels or pairs test: the method that was named alone, else a fixed one."""
    if task.methods is not None and len(task.methods) == 1:
        return f"{catalogue.card_of(task.methods[0]).name}-1"
    tie = "pairs" if prepared.pairs is not None else "labels"
    return f"{_PROPOSALS[prepared.kind, tie]}-1"


def select_between(prepared: Prepared, task: TransferTask) -> Selected:
    """The candidates between two feature spaces; there is no gap to profile where nothing can be compared.

    Raises
    ------
    ParamError
        If a method that was asked for by name does not exist or does not fit.
    """
    wanted = None if task.methods is None else [catalogue.card_of(m) for m in task.methods]
    for card in wanted or ():
        check_between_spaces(card, prepared)
        if not _does(card, prepared):
            raise ParamError(
                f"run: method {card.name!r} must be for {prepared.kind}. Got {', '.join(card.task_names)}."
            )
    cards = catalogue.find(protocol="Transfer", setting="heterogeneous", task=prepared.kind, data="vectors")
    listed = [SpaceCandidate(ALONE, catalogue.card_of("target_only"), role="baseline")]
    rows = max(prepared.source.n_samples, prepared.target.n_samples)
    for card in sorted(cards, key=lambda c: (catalogue.COSTS.index(c.cost), c.name)):
        if (wanted is None and "torch" not in card.needs and card.cost != "epochs") or card in (wanted or ()):
            skip = _why_not(card, prepared, rows)
            params = {} if skip else {**known_columns(card, prepared), **(_more_for(card, rows) or {})}
            listed.append(SpaceCandidate(f"{card.name}-1", card, params, skip=skip))
    return Selected({}, listed, None, float("nan"))  # type: ignore[arg-type]


def _does(card: Card, prepared: Prepared) -> bool:
    return prepared.kind in (card.tasks if prepared.pairs is None else (*card.tasks, *card.with_pairs))


def _more_for(card: Card, rows: int) -> Mapping[str, Any] | None:
    """What of the parameters the number of rows asks for; None where they are too many."""
    if rows <= _LIMITS.get(card.cost, np.inf):
        return {}
    found: Mapping[str, Any] | None = getattr(catalogue.load(card.name), "_large", None)
    return found


def _why_not(card: Card, prepared: Prepared, rows: int) -> str:
    if card.missing:
        return f"needs {', '.join(card.missing)}, which is not installed"
    if _more_for(card, rows) is None:
        return f"cost grows with {card.cost}; tried up to {_LIMITS[card.cost]:,} rows a domain, here {rows:,}"
    cls = catalogue.load(card.name)
    if "pairs" not in signature(cls.fit).parameters:
        return "takes no pairs, and so is not one of the methods between tables"
    ties = getattr(cls, "_ties", "either")
    if prepared.pairs is None and (ties == "pairs" or not _does(card, prepared)):
        return "needs pairs of rows, and none were given"
    if ties == "labels" and not prepared.target.mask.any():
        return "needs known target labels, and there are none"
    if "shared" in cls._constraints and not known_columns(card, prepared):
        return "needs columns of one name on both sides, and there are none"
    return ""
