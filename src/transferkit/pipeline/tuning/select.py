"""Step 3 with a model as the source: which model carries over best, and a rule for what to try with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ... import catalogue
from ...catalogue import Card
from ...core.errors import DomainError, ParamError
from ...core.protocols import Array, Domain
from ...ops.folds import deal_folds
from ..define import TransferTask
from ..strict_json import plain
from .prepare import SourceModel, Tuning

__all__ = ["PROBE", "SCRATCH", "Candidate", "Selected", "select"]

PROBE, SCRATCH = "feature_extraction-1", "scratch-1"
FEW = {"classification": 20, "regression": 100}  # labels a class, or in all, below which few structures are tried
FAR = 0.35  # certainty of the source's own classifier below which the target is far from what it has learned
N_FOLDS = 3
ROWS_SEEN = 1500  # by a network in training, about: fewer rows are passed over more often
MOST_EPOCHS, LEAST_EPOCHS = 20, 3
# Learning rates of the head, by what the network reads; transformers are spoiled by what convolutions need. The body's is a
# tenth of it (Training.body_lr_scale).
RATE = {"images": 1e-3, "audio": 1e-3, "text": 3e-4}
# The body's share of that rate where the head begins at the probe: there is nothing left to go for but what the body adds.
GENTLE = 0.01
MOST_ROWS = 2000  # labelled rows that transferability scores look at


@dataclass(frozen=True, eq=False)
class Candidate:
    """One structure with one setting, ready to be trained.

    Attributes
    ----------
    id : str
        As in ``"fine_tuning-2"``.
    card : Card
    params : mapping
        Constructor parameters beyond source, training and seed.
    source : str
        The model it starts from.
    label : str
        That model as reports show it.
    role : {"baseline", "candidate"}
    training : mapping
        Parameters of `Training`.
    skip : str
        Why it is not fitted; empty where it is.
    """

    id: str
    card: Card
    params: Mapping[str, Any]
    source: str
    label: str
    role: str
    training: Mapping[str, Any]
    skip: str = ""


@dataclass(frozen=True, eq=False)
class Selected:
    """What step 3 found; the mappings are those of ``run.json``.

    Attributes
    ----------
    transferability : dict
        ``models``, one row each, the ``chosen`` one, and what ``bigger_first`` would have chosen.
    rule : dict
        What is tried, and why.
    model : SourceModel
        The chosen one.
    folds : int array
        Fold of each row to learn from; -1 is never validated on.
    validated : tuple of int
        The folds that are.
    candidates : list of Candidate
        The probes first.
    """

    transferability: dict[str, Any]
    rule: dict[str, Any]
    model: SourceModel
    folds: Array
    validated: tuple[int, ...]
    candidates: list[Candidate]


def select(tuning: Tuning, task: TransferTask) -> Selected:
    """Rate the models, then list what sample size and gap speak for.

    Raises
    ------
    ParamError
        If a method that was asked for by name does not exist or does not fit the task.
    """
    counts = np.unique(tuning.y, return_counts=True)[1] if tuning.classes is not None else np.array([len(tuning.y)])
    per_class = float(np.median(counts))
    few = per_class < FEW[tuning.kind]
    folds = _deal(tuning, N_FOLDS if few else 4, task.seed)
    validated = tuple(range(N_FOLDS)) if few else (0,)
    table = [_rate(m, tuning, folds, validated, task.seed) for m in tuning.models]
    best = max(range(len(table)), key=lambda k: (table[k]["probe"], table[k]["scores"].get("logme") or -np.inf))
    bigger = max(range(len(table)), key=lambda k: table[k]["parameters"])
    model, certainty = tuning.models[best], table[best]["certainty"]
    far = None if certainty is None else certainty < FAR
    n = len(tuning.train)
    epochs = task.epochs or int(np.clip(round(ROWS_SEEN / n), LEAST_EPOCHS, MOST_EPOCHS))
    training = {
        "n_epochs": epochs,
        "lr": RATE[tuning.target.X.kind],
        "batch_size": 32 if n >= 256 else 16 if n >= 64 else 8,
    }
    candidates, left = _candidates(tuning, task, model, training, few, bool(far))
    return Selected(
        transferability=plain(
            {"models": table, "chosen": model.label, "bigger_first": tuning.models[bigger].label, "n_rows": n}
        ),
        rule=plain(
            {
                "n": n,
                "per_class": per_class,
                "few": few,
                "certainty": certainty,
                "far": far,
                "epochs": epochs,
                "training": training,
                "validation": f"{N_FOLDS} folds" if few else "a fourth of the labels",
                "n_validated": int(np.isin(folds, validated).sum()),
                "says": _says(tuning.kind, per_class, few, far, certainty, task, left),
            }
        ),
        model=model,
        folds=folds,
        validated=validated,
        candidates=candidates,
    )


def _deal(tuning: Tuning, n_folds: int, seed: int) -> Array:
    """Folds of the rows to learn from. The only row of a class is always learned from."""
    if tuning.classes is None:
        return deal_folds(None, min(n_folds, len(tuning.y)), seed, n=len(tuning.y))
    codes = np.searchsorted(tuning.classes, tuning.y)
    folds = deal_folds(codes, n_folds, seed)
    folds[np.isin(codes, np.flatnonzero(np.bincount(codes) < 2))] = -1
    return folds


# Which model -----------------------------------------------------------------------------------------------------------


class _Seen:
    """What a model makes of rows, for the transferability scores: rows are given by their numbers."""

    def __init__(self, model: SourceModel) -> None:
        self.model = model
        if model.posterior is not None:
            self.classes_ = np.arange(model.posterior.shape[1])
            self.predict_proba = lambda X: model.posterior[np.asarray(X)[:, 0]]  # type: ignore[index]
            self.predict = lambda X: model.posterior[np.asarray(X)[:, 0]].argmax(axis=1)  # type: ignore[index]

    def transform(self, X: Any) -> Array:
        return self.model.features[np.asarray(X)[:, 0]]


def _rate(model: SourceModel, tuning: Tuning, folds: Array, validated: Sequence[int], seed: int) -> dict[str, Any]:
    rows = np.sort(np.random.default_rng(seed).permutation(len(tuning.train))[:MOST_ROWS])
    target = Domain(tuning.train[rows][:, None], tuning.y[rows], name=tuning.target.name)
    scores: dict[str, float | None] = {}
    for card in catalogue.find(protocol="Selector", task=tuning.kind, installed=True):
        cls = catalogue.load(card.name)
        if "anchor" in cls._constraints or not {"few_label", "supervised"} & set(card.settings):
            continue  # a guard compares two fits; a label-free score looks for less than the labels tell
        try:
            params = {"random_state": seed} if "random_state" in cls._constraints else {}
            scores[card.name] = float(cls(**params).score(_Seen(model), None, target))
        except (ParamError, DomainError):
            scores[card.name] = None  # it needs what this model has not: a classifier of its own, as a rule
    return {
        "model": model.label,
        "weights": model.weights,
        "parameters": model.n_parameters,
        "features": int(model.features.shape[1]),
        "certainty": _certainty(model, tuning.train),
        "probe": _probe(model, tuning, folds, validated),
        "scores": {name: value for name, value in scores.items() if value is None or np.isfinite(value)},
    }


def _certainty(model: SourceModel, rows: Array) -> float | None:
    """How sure the source's classifier is of these rows: 1 - entropy / its maximum, on average."""
    if model.posterior is None or model.posterior.shape[1] < 2:
        return None
    p = np.clip(model.posterior[rows], 1e-12, 1.0)
    return float(1 + (p * np.log(p)).sum(axis=1).mean() / np.log(p.shape[1]))


def _probe(model: SourceModel, tuning: Tuning, folds: Array, validated: Sequence[int]) -> float:
    """Score of a linear model on the features, over the rows that are validated on."""
    Z, y = model.features[tuning.train], tuning.y
    guess = np.empty(len(y), dtype=y.dtype)
    for k in validated:
        rest = folds == k
        if tuning.kind == "classification" and len(np.unique(y[~rest])) < 2:
            return 0.0
        inner: Any = LogisticRegression(max_iter=1000) if tuning.kind == "classification" else Ridge(len(Z))
        guess[rest] = make_pipeline(StandardScaler(), inner).fit(Z[~rest], y[~rest]).predict(Z[rest])
    seen = np.isin(folds, validated)
    metric = accuracy_score if tuning.kind == "classification" else r2_score
    return float(metric(y[seen], guess[seen]))


# What to try -----------------------------------------------------------------------------------------------------------


def _structures(few: bool, far: bool) -> list[tuple[str, dict[str, Any]]]:
    """Method and parameters by what the rule says."""
    tried: list[tuple[str, dict[str, Any]]] = [
        ("fine_tuning", {"plan": "full", "head_init": "probe"}),
        ("fine_tuning", {"plan": "gradual"}),
    ]
    if few:
        return tried
    tried.append(("fine_tuning", {"plan": "full"}))
    tried.append(("fine_tuning", {"plan": "full", "batch_norm": "train"}) if far else ("l2_sp", {}))
    return tried


def _candidates(
    tuning: Tuning, task: TransferTask, model: SourceModel, training: dict[str, Any], few: bool, far: bool
) -> tuple[list[Candidate], list[str]]:
    """The list, and the methods that fit but are not on it."""
    kind = tuning.target.X.kind
    data = {"audio": "images"}.get(kind, kind)  # sounds are seen as pictures
    labelled = {"few_label", "supervised"}  # a source-free method would leave the labels unused
    fitting = [
        c for c in catalogue.find(protocol="ModelTransfer", task=tuning.kind, data=data) if labelled & set(c.settings)
    ]
    wanted = None if task.methods is None else [catalogue.card_of(m) for m in task.methods]
    for card in wanted or ():
        if card not in fitting:
            raise ParamError(
                f"run: method {card.name!r} must carry a model over to labelled {kind}. Its card says {card.protocol};"
                f" {', '.join(card.settings)}; {', '.join(card.tasks)}; {', '.join(card.data)}."
            )
    by_name = {c.name: c for c in fitting}
    probe = by_name[PROBE.rpartition("-")[0]]
    tried = [t for t in _structures(few, far) if t[0] in by_name]
    if wanted is not None:
        listed = {name for name, _ in tried}
        tried = [t for t in tried if by_name[t[0]] in wanted]
        more = [c for c in wanted if c.name not in listed and c is not probe]
        tried += [(c.name, dict(p)) for c in more for p in c.portfolio]
    found = []
    order = [model, *(m for m in tuning.models if m is not model)]
    for k, own in enumerate(order, start=1):
        found.append(_candidate(f"{probe.name}-{k}", probe, {}, own, "baseline" if k == 1 else "candidate", training))
    if tried:  # what a network reaches on these labels alone, trained as long as the others
        scratch = by_name["fine_tuning"]
        fresh = f"{model.name}{'&' if '?' in model.name else '?'}pretrained=false"
        params = {"batch_norm": "train"}
        found.append(
            Candidate(
                SCRATCH,
                scratch,
                params,
                fresh,
                "from scratch",
                "baseline",
                {**training, "body_lr_scale": 1.0},
                _why_not(scratch),
            )
        )
    numbers: dict[str, int] = {}
    for name, params in tried:
        numbers[name] = numbers.get(name, 0) + 1
        found.append(_candidate(f"{name}-{numbers[name]}", by_name[name], params, model, "candidate", training))
    names = {name for name, _ in tried} | {probe.name}
    return found, [c.name for c in fitting if c.name not in names] if wanted is None else []


def _candidate(
    id: str, card: Card, params: Mapping[str, Any], model: SourceModel, role: str, training: Mapping[str, Any]
) -> Candidate:
    own = {**training, "body_lr_scale": GENTLE} if params.get("head_init") == "probe" else training
    return Candidate(id, card, params, model.name, model.label, role, own, _why_not(card))


def _why_not(card: Card) -> str:
    return f"needs {', '.join(card.missing)}, which is not installed" if card.missing else ""


def _says(
    kind: str,
    per_class: float,
    few: bool,
    far: bool | None,
    certainty: float | None,
    task: TransferTask,
    left: list[str],
) -> list[str]:
    """The rule and its reasons, in sentences."""
    unit = "labels a class (median)" if kind == "classification" else "labels"
    limit = FEW[kind]
    if few:
        size = (
            f"{per_class:g} {unit}, fewer than {limit}: training all weights from the start would fit noise, so the"
            " features stay (a linear probe), or move gently from there, or part after part (gradual)."
        )
    else:
        size = f"{per_class:g} {unit}, {limit} or more: enough to train all weights as well, beside the careful structures."
    said = [size]
    if certainty is None:
        said.append("The model brings no classifier of its own, so its distance to these rows could not be measured.")
    else:
        near = f"the source's own classifier is {100 * certainty:.0f} % sure of these rows"
        if far and not few:
            said.append(
                f"They are far from what the model has learned ({near}, below {100 * FAR:.0f} %): statistics of batch"
                " normalisation follow the target in one candidate, and none is pulled back to the source's weights."
            )
        elif far:
            said.append(
                f"They are far from what the model has learned ({near}, below {100 * FAR:.0f} %), but labels are few."
            )
        elif few:
            said.append(
                f"They are near to what the model has learned ({near}), which speaks for the features as they are."
            )
        else:
            said.append(
                f"They are near to what the model has learned ({near}): one candidate is pulled back to its weights (L2-SP)."
            )
    if task.methods is not None:
        said.append(f"Only what was asked for is tried: {', '.join(task.methods)}.")
    elif left:
        said.append(f"Also fitting, to be tried with --method: {', '.join(left)}.")
    return said
