"""Step 3 where the domains are graphs: the networks and baselines that are tried, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .. import catalogue
from ..catalogue import Card
from ..core.errors import ParamError
from .prepare import Prepared
from .select import Selected
from .task import TransferTask

__all__ = ["GRAPH_ANCHOR", "GraphCandidate", "graph_proposal", "next_on_graphs", "select_graphs"]

GRAPH_ANCHOR = "gcn-1"  # a network of the source alone, with edges: what adaptation has to beat
# Held against it where no other method is named: fixed beforehand, since few labels cannot choose among many. It pools both
# graphs' labels, as the proposal for tables does, and its fit is cheap and cannot diverge.
PROPOSAL = "simplified_graph_convolution-1"
LARGE = 50_000  # nodes; beyond, a network sees some of the neighbours of some nodes at a time
_PIECES = {"n_epochs": 5, "batch_size": 1024}


@dataclass(frozen=True, eq=False)
class GraphCandidate:
    """One method for graphs; for `train` like a `Candidate`.

    Attributes
    ----------
    id : str
    card : Card
    params : mapping
        Constructor parameters.
    training : mapping
        What differs from the method's own training.
    role : {"baseline", "candidate"}
    skip : str
        Why it is not fitted; empty where it is.
    estimator, epochs, scaler : None
        The methods bring their own inner estimators; both graphs' features have been encoded alike.
    inner : str
        Empty, for the same reason.
    """

    id: str
    card: Card
    params: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    role: str = "candidate"
    skip: str = ""
    estimator: Any = None
    epochs: int | None = None
    scaler: Any = None
    inner: str = ""

    def build(self, seed: int) -> Any:
        """The unfitted method."""
        cls = catalogue.load(self.card.name)
        own = {"random_state": seed} if "random_state" in cls._constraints else {}
        if hasattr(cls, "_settings"):
            from ..engine.training.settings import Training  # needs torch

            own["training"] = Training(**{**cls._settings, **self.training, "progress": False})
        return cls(**{**own, **self.params})


def graph_proposal(task: TransferTask) -> str:
    """Id of the one candidate that is held against the anchor: the method that was named alone, else a fixed one."""
    if task.methods is not None and len(task.methods) == 1:
        return f"{catalogue.card_of(task.methods[0]).name}-1"
    return PROPOSAL


def select_graphs(prepared: Prepared, task: TransferTask) -> Selected:
    """The source alone with and without edges, propagation, and the networks that adapt.

    Raises
    ------
    ParamError
        If a method that was asked for by name is not one for graphs.
    MissingExtraError
        If torch is not installed.
    """
    catalogue.load("gcn")  # without torch there is nothing to compare with
    wanted = None if task.methods is None else [catalogue.card_of(m) for m in task.methods]
    for card in wanted or ():
        if "graph" not in card.data:
            raise ParamError(
                f"run: methods must all be for graphs (transferkit list --data graph), or all for tables. Got {card.name!r}."
            )
        if card.protocol != "Transfer":
            raise ParamError(
                f"run: methods must learn from the source's graph. Got {card.name!r}, which starts from a trained network:"
                f" transferkit.{card.cls}(network).fit(X, edges=...) in Python."
            )
    n = max(prepared.source.n_samples, prepared.target.n_samples)
    gcn = catalogue.card_of("gcn")
    params, training = _how(gcn, task, n)
    listed = [
        GraphCandidate(GRAPH_ANCHOR, gcn, params, training, "baseline"),
        GraphCandidate("gcn-2", gcn, {"conv": "mlp", **params}, training, "baseline"),
    ]
    cards = catalogue.find(protocol="Transfer", task="classification", data="graph")
    for card in sorted(cards, key=lambda c: (catalogue.COSTS.index(c.cost), c.name)):
        if card.name == "gcn" or (wanted is not None and card not in wanted):
            continue
        skip = f"needs {', '.join(card.missing)}, which is not installed" if card.missing else ""
        if not skip and n > LARGE and catalogue.load(card.name)._large is None:
            skip = f"takes whole graphs at a time; tried up to {LARGE:,} nodes, here {n:,}"
        params, training = ({}, {}) if skip else _how(card, task, n)
        listed.append(GraphCandidate(f"{card.name}-1", card, params, training, skip=skip))
    return Selected({}, listed, None, float("nan"))  # type: ignore[arg-type]


def _how(card: Card, task: TransferTask, n: int) -> tuple[Mapping[str, Any], dict[str, int]]:
    """Parameters, and what of a network's training is not the method's own: a graph is one batch, unless it is large."""
    cls = catalogue.load(card.name)
    params: Mapping[str, Any] = cls._large if n > LARGE else {}
    training = dict(_PIECES) if "n_neighbors" in params else {}
    if task.epochs is not None and hasattr(cls, "_settings"):
        training["n_epochs"] = task.epochs
    return params, training


def next_on_graphs(prepared: Prepared, guard: Mapping[str, Any]) -> list[str]:
    """What to do next, in sentences."""
    steps = []
    disputed = guard.get("disputed") or {}
    if disputed.get("label_next"):
        steps.append(
            f"Label rows of label_next.csv, from the top, on which source-only and {guard['proposal']} differ, and go on with"
            " transferkit run --resume RUN --labels label_next.csv. About"
            f" {disputed['labels_needed']} settle it where one of the two is right four times as often as the other."
        )
    if not prepared.target.mask.any():
        steps.append(
            "Or label a few nodes that were drawn at random, and run again with --target-labels few: the known labels test the"
            " proposal."
        )
    steps.append(
        f"Only {guard['proposal']} is held against source-only; the other candidates stand for comparison. To test another"
        " method, name it alone with --method."
    )
    steps.append("Predict the nodes of another graph: transferkit predict RUN GRAPH -o FILE.csv.")
    return steps
