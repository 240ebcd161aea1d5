"""Relations from files: one method (`fit`), or what is carried over beside what is learned from the target alone (`run`)."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__, catalogue, store
from ..core.errors import DataError, MissingExtraError, ParamError, TransferError
from ..core.files import atomic_write, make_folder
from ..core.protocols import Array, Domain
from ..ops.folds import deal_folds
from ..ops.relational.scores import relational_scores
from ..report.relational import relational_page
from .analyse import predictions_csv
from .facts import atom_names, hide_labels, read_facts, read_schema
from .strict_json import plain
from .task_files import versions

__all__ = ["carry_relations", "compare", "fit_relations", "predict_facts"]

SCHEMA = 1
ALONE, PROPOSAL = "rdn_boost", "tree_boostler"
METHODS = (ALONE, PROPOSAL, "trans_boostler")
LEVEL, N_SPLITS, N_FLIPS, N_EXPLAINED = 0.05, 3, 1999, 100


def fit_relations(
    method: str,
    sources: Sequence[str],
    target: str,
    params: Mapping[str, Any],
    folder: Path,
    *,
    target_predicate: str,
    source_predicate: str | None = None,
    schema: Path | str | None = None,
    shots: int | None = None,
    seed: int = 0,
    command: str = "",
) -> dict[str, Any]:
    """Fit one method, save it, and score it on labels that were held back.

    Parameters
    ----------
    method : str
        Id or class name of a method for relations.
    sources : sequence of str
        Files of facts, or one "NAME:DOMAIN".
    target : str
        The same of the target.
    params : mapping
        Constructor parameters of the method.
    folder : Path
        Where ``model/``, ``rules.txt`` and ``fit.json`` go.
    target_predicate, source_predicate : str
        The relations that are learned; None is one of the same name.
    schema : path, optional
        As `read_schema`.
    shots : int, optional
        Labels of each kind that are known; the others are held back. None is all.
    seed : int
    command : str
        How it was started.

    Returns
    -------
    facts : dict
        The content of ``fit.json``.

    Raises
    ------
    TransferError
        Naming the file, predicate, method or parameter that does not fit.
    """
    _check_place(folder)
    card = _card(method)
    for name in params:
        if name not in catalogue.load(card.name)._constraints:
            known = ", ".join(catalogue.load(card.name)._constraints)
            raise ParamError(f"fit: {card.cls} has the parameters {known}. Got {name!r}.")
    source, whole, notes = _read(sources, target, target_predicate, source_predicate, schema)
    shown, held = hide_labels(whole, shots, seed)
    model = _build(card.name, params, seed).fit(source.X, source.y, target=shown)
    facts: dict[str, Any] = plain(
        {
            "schema": SCHEMA, "transferkit": __version__, "command": command, "seed": seed, "method": card.name,
            "class": card.cls, "params": dict(params), "n_held_back": len(held), "score": None,
            "scores": _scores(model, whole, held), "notes": notes,
        }
    )  # fmt: skip
    make_folder(folder)
    store.save(model, folder / "model", metadata={"method": card.name})
    atomic_write(folder / "rules.txt", model.describe() + "\n")
    atomic_write(folder / "fit.json", json.dumps(facts, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    return facts


def carry_relations(
    sources: Sequence[str],
    target: str,
    folder: Path,
    *,
    target_predicate: str,
    source_predicate: str | None = None,
    schema: Path | str | None = None,
    methods: Sequence[str] | None = None,
    shots: int | None = None,
    seed: int = 0,
    command: str = "",
) -> dict[str, Any]:
    """Learn from the target's known labels alone and with what the source knows; keep the latter where the labels say so.

    Parameters
    ----------
    sources, target, folder, target_predicate, source_predicate, schema, shots, seed, command
        As `fit_relations`; the folder gets ``run.json``, ``report.html``, ``predictions.csv`` and ``explanations.txt`` too.
    methods : sequence of str, optional
        What is tried beside the target alone; None is all methods for relations. One that is named alone is the one that
        the known labels test, else it is `tree_boostler`.

    Returns
    -------
    facts : dict
        The content of ``run.json``.

    Raises
    ------
    TransferError
        Naming the file, predicate or method that does not fit.
    """
    _check_place(folder)
    wanted = list(METHODS) if methods is None else list(dict.fromkeys([ALONE, *(_card(m).name for m in methods)]))
    source, whole, notes = _read(sources, target, target_predicate, source_predicate, schema)
    shown, held = hide_labels(whole, shots, seed)
    candidates, models = [], {}
    for name in wanted:
        row, model = _attempt(name, source, shown, seed)
        candidates.append(row)
        if model is not None:
            models[name] = model
    if ALONE not in models:
        raise TransferError(f"run: {ALONE} must be fitted before anything else. Got: {candidates[0]['reason']}")
    proposal = wanted[1] if len(wanted) == 2 else PROPOSAL
    guard = _guard(proposal, models, source, shown, seed)
    # Everything above is settled; only now do the held-back labels come in.
    for row in candidates:
        row["scores"] = _scores(models[row["id"]], whole, held) if row["id"] in models else None
    winner = models[guard["winner"]]
    relation = models[proposal].facts_ if hasattr(models.get(proposal), "facts_") else {}
    facts: dict[str, Any] = plain(
        {
            "schema": SCHEMA, "transferkit": __version__, "command": command, "seed": seed, "versions": versions(),
            "way": "relations", "method": catalogue.card_of(guard["winner"]).cls,
            "source": _side(source), "target": {**_side(whole), "n_known": int(shown.mask.sum()), "n_held_back": len(held)},
            "candidates": candidates, "guard": guard, "relation": relation, "rules": winner.describe().splitlines(),
            "notes": notes,
        }
    )  # fmt: skip
    facts["verdict"] = {"sentence": _sentence(facts), "adapted": guard["adapted"]}
    make_folder(folder)
    store.save(winner, folder / "model", metadata={"method": guard["winner"]})
    atomic_write(folder / "rules.txt", winner.describe() + "\n")
    proba = winner.predict_proba(whole.X)
    atomic_write(folder / "predictions.csv", atoms_csv(whole, proba))
    surest = np.argsort(-proba[:, 1], kind="stable")[:N_EXPLAINED]
    atomic_write(folder / "explanations.txt", "\n\n".join(winner.explain(whole.X[surest])) + "\n")
    atomic_write(folder / "report.html", relational_page(facts))
    atomic_write(folder / "run.json", json.dumps(facts, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    return facts


def predict_facts(model: Any, data: str, output: Path) -> int:
    """Judge the atoms of the model's relation that a file states, whatever it says of them, or else all that could be.

    Returns
    -------
    n : int
        Atoms that were written.
    """
    types = {name: p.types for name, p in {**model.schema_, model.predicate_.name: model.predicate_}.items()}
    domain, _ = read_facts([data], model.predicate_.name, schema=types, only=tuple(model.schema_), asked=True)
    atomic_write(output, atoms_csv(domain, model.predict_proba(domain.X)))
    return domain.n_samples


def atoms_csv(domain: Domain, proba: Array) -> str:
    """One line an atom: it, whether it is predicted to be true, and the probabilities of false and true."""
    return predictions_csv(proba[:, 1] > 0.5, proba, np.array([False, True]), atom_names(domain.X))


def compare(before: Array, after: Array, groups: Array, rng: np.random.Generator) -> tuple[float, float]:
    """Mean gain in log likelihood, and its p-value where groups of atoms change sides at random.

    Atoms of one group, those that share their first argument, change together: what is true of one tells of the others.

    Parameters
    ----------
    before, after : arrays of shape (n_atoms,)
        Log likelihood of the truth of each atom.
    groups : int array of shape (n_atoms,)
    rng : Generator

    Returns
    -------
    gain, p_value : float
    """
    gains = np.bincount(np.unique(groups, return_inverse=True)[1], weights=after - before)
    flips = rng.integers(0, 2, size=(N_FLIPS, len(gains))) * 2 - 1
    reached = (flips @ gains >= gains.sum() - 1e-12).sum()
    return float((after - before).mean()), float((1 + reached) / (1 + N_FLIPS))


def _check_place(folder: Path) -> None:
    if (folder / "model").exists() or (folder / "run.json").exists():
        raise DataError(f"{folder}: holds a model already. Name another folder.")


def _card(method: str) -> Any:
    card = catalogue.card_of(method)
    if "relations" not in card.data:
        names = ", ".join(c.name for c in catalogue.find(data="relations"))
        raise ParamError(f"run: methods must be for relations: {names}. Got {card.name!r}.")
    return card


def _build(name: str, params: Mapping[str, Any], seed: int) -> Any:
    return catalogue.load(name)(**{"random_state": seed, **params})


def _read(
    sources: Sequence[str], target: str, wanted: str, own: str | None, schema: Path | str | None
) -> tuple[Domain, Domain, list[str]]:
    types = read_schema(schema)
    source, said = read_facts(sources, own or wanted, schema=types, like="--source-predicate")
    whole, also = read_facts([target], wanted, schema=types)
    return source, whole, [*said, *also]


def _side(domain: Domain) -> dict[str, Any]:
    rows = domain.X
    counts = {"atoms": domain.n_samples, "true": int(np.sum(np.asarray(domain.y))), "facts": rows.facts.n_facts}
    return {"name": domain.name, "predicate": str(rows.predicate), **counts}


def _attempt(name: str, source: Domain, target: Domain, seed: int) -> tuple[dict[str, Any], Any]:
    """A candidate of ``run.json``, and its model where it could be fitted."""
    card, status, reason, model = catalogue.card_of(name), "fitted", "", None
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model = _build(name, {}, seed).fit(source.X, source.y, target=target)
        reason = "; ".join(sorted({str(w.message) for w in caught}))
    except MissingExtraError as err:
        status, reason = "skipped", str(err)
    except (TransferError, OSError, ValueError, RuntimeError) as err:  # such as words without a network at hand
        status, reason = "failed", f"{type(err).__name__}: {err}"
    role = "baseline" if name == ALONE else "candidate"
    return {
        "id": name, "class": card.cls, "summary": card.summary, "role": role, "status": status, "reason": reason
    }, model  # fmt: skip


def _guard(proposal: str, models: Mapping[str, Any], source: Domain, target: Domain, seed: int) -> dict[str, Any]:
    """The proposal against the target alone, on known labels that neither was given."""
    found: dict[str, Any] = {"anchor": ALONE, "proposal": proposal, "winner": ALONE, "adapted": False, "level": LEVEL}
    y = target.known_y
    if proposal not in models or proposal == ALONE:
        return {**found, "says": "there was nothing to hold against it"}
    if not getattr(models[proposal], "transferred_", True):
        return {**found, "says": "nothing of the source could be carried over"}
    fewest = int(min(y.sum(), (~y).sum()))
    if fewest < 2:
        return {**found, "says": "two known labels of each kind are needed to test anything"}
    likelihood = {}
    try:
        for name in (ALONE, proposal):
            likelihood[name] = _held_out(name, source, target, min(N_SPLITS, fewest), seed)
    except TransferError as err:
        return {**found, "says": f"a refit with fewer labels failed: {err}"}
    groups = target.X.args[target.known_rows][:, 0]
    gain, p = compare(likelihood[ALONE], likelihood[proposal], groups, np.random.default_rng(seed))
    adapted = gain > 0 and p <= LEVEL
    says = (
        f"on {len(y)} known labels that neither was given, the mean log likelihood changes by {gain:+.4f} (p = {p:.4f}; at most"
        f" {LEVEL:g} counts)"
    )
    more = {"gain": gain, "p_value": p, "n": len(y), "likelihood": {k: float(v.mean()) for k, v in likelihood.items()}}
    return {**found, **more, "adapted": adapted, "winner": proposal if adapted else ALONE, "says": says}


def _held_out(name: str, source: Domain, target: Domain, n_splits: int, seed: int) -> Array:
    """Log likelihood of each known label by a fit that was not given it."""
    rows, y = target.known_rows, target.known_y
    folds = deal_folds(y.astype(int), n_splits, np.random.RandomState(seed), n=len(rows))
    found = np.empty(len(rows))
    for fold in np.unique(folds):
        test = folds == fold
        mask = target.mask.copy()
        mask[rows[test]] = False
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            shown = Domain(target.X, np.asarray(target.y), mask, name=target.name)
            model = _build(name, {}, seed).fit(source.X, source.y, target=shown)
        proba = model.predict_proba(target.X[rows[test]])
        found[test] = np.log(np.clip(proba[np.arange(int(test.sum())), y[test].astype(int)], 1e-12, 1.0))
    return found


def _scores(model: Any, whole: Domain, held: Array) -> dict[str, float] | None:
    """On labels that were held back; None where there are none of both kinds."""
    y = np.asarray(whole.y)[held]
    if len(np.unique(y)) < 2:
        return None
    return relational_scores(y, model.predict_proba(whole.X[held])[:, 1])


def _sentence(facts: Mapping[str, Any]) -> str:
    guard = facts["guard"]
    named = next(c["class"] for c in facts["candidates"] if c["id"] == guard["proposal"])
    if guard["adapted"]:
        return f"Carry over with {named}: {guard['says']}."
    return f"Keep what is learned from the target alone: {guard['says']}."
