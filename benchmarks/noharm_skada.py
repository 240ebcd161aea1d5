"""skada 0.6's scorers beside ours on the tasks of `transferkit bench noharm`, in one table; to results/noharm_skada.json.

python -m venv .venv-bench && .venv-bench/bin/pip install -c constraints.txt -e . -r benchmarks/requirements.txt
OMP_NUM_THREADS=1 .venv-bench/bin/python benchmarks/noharm_skada.py --cache FOLDER

`--cache` is that of the benchmark, which has to have run. Every candidate of the portfolio stands before skada as one of its
pipelines. What it says of the target is what the benchmark kept; for scorers that ask for more, on the part of the tasks on
which the benchmark fits candidates again (`bench.noharm.refits.part`), the candidate is fitted anew: source rows are answered
by refits of the inner estimator that have not seen them, which is kinder to the scorer than skada's own use, mixtures of rows
by the model, and the way back of circular validation is a fit of a copy. `NOT` says what is left out, and why.
What was scored is kept beside the records, so that a stopped run goes on; the table is made of what is there.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from skada.metrics import (
    CircularValidation,
    DeepEmbeddedValidation,
    ImportanceWeightedScorer,
    MaNoScorer,
    MixValScorer,
    PredictionEntropyScorer,
    SoftNeighborhoodDensity,
)
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import Pipeline

from transferkit.bench.noharm import default_folder
from transferkit.bench.noharm.judge import SELECTORS, judge
from transferkit.bench.noharm.record import Record, read_record, record_path
from transferkit.bench.noharm.refits import JUDGED, REFITTED, judged_again, live, part
from transferkit.bench.noharm.rules import gains
from transferkit.bench.noharm.summary import line
from transferkit.bench.noharm.tasks import tasks
from transferkit.core.errors import DomainError
from transferkit.core.protocols import Array, Domain
from transferkit.ops.evidence.held_out import held_out_predictions
from transferkit.ops.evidence.label_free import candidate_features
from transferkit.pipeline.threads import one_thread

RESULT = Path(__file__).parent / "results" / "noharm_skada.json"
VERSION = 1
OF_ANSWERS: Mapping[str, Callable[[], Any]] = {
    "PredictionEntropyScorer": PredictionEntropyScorer,
    "SoftNeighborhoodDensity": SoftNeighborhoodDensity,
    "MaNoScorer": MaNoScorer,
}
OF_MODELS: Mapping[str, Callable[[], Any]] = {
    "ImportanceWeightedScorer": ImportanceWeightedScorer,
    "DeepEmbeddedValidation": lambda: DeepEmbeddedValidation(random_state=0),
    "MixValScorer": lambda: MixValScorer(random_state=0),
    "CircularValidation": CircularValidation,
}
NOT = {
    "SupervisedScorer": "asks for the target's labels, which is the oracle's line",
    "the rest": "has no other scorers",
}


class _Model(BaseEstimator):
    """The step inside: a candidate's answers by row, and the candidate for rows that are no row of the task."""

    def __init__(self, task: Record, proba: Array, held: Array | None = None, model: Any = None) -> None:
        self.task, self.proba, self.held, self.model = task, proba, held, model

    def answers(self, X: Array, of_source: bool) -> Array:
        rows, said = (self.task.Xs, self.held) if of_source else (self.task.Xt, self.proba)
        place = {row.tobytes(): k for k, row in enumerate(rows)}
        found = [place.get(row.tobytes(), -1) for row in np.ascontiguousarray(X)]
        if said is not None and min(found) >= 0:
            return said[found]
        if self.model is None:
            raise ValueError("these rows were never asked about")
        return np.asarray(self.model.predict_proba(X))

    def fit(self, X: Array, y: Any = None) -> _Model:
        """A pipeline's last step has to have one; the model is fitted already."""
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def transform(self, X: Array) -> Array:
        sides = {row.tobytes() for row in self.task.Xs}
        side = "source" if np.ascontiguousarray(X)[0].tobytes() in sides else "target"
        return candidate_features(self, self.model, X, side)  # type: ignore[arg-type]


class Candidate(Pipeline):
    """A candidate as skada's scorers want it: a pipeline that takes `sample_domain`, positive for rows of the source."""

    def predict_proba(self, X: Array, sample_domain: Any = None, allow_source: bool = False) -> Array:
        return self.steps[-1][1].answers(X, sample_domain is not None and np.min(sample_domain) > 0)

    def predict(self, X: Array, sample_domain: Any = None, allow_source: bool = False) -> Array:
        if hasattr(self, "back_"):
            return np.asarray(self.back_.predict(X))
        return self.predict_proba(X, sample_domain).argmax(axis=1)

    def score(
        self, X: Array, y: Array, sample_weight: Any = None, sample_domain: Any = None, allow_source: bool = False
    ) -> float:
        return float(np.average(self.predict(X, sample_domain) == y, weights=sample_weight))

    def fit(self, X: Array, y: Array, sample_domain: Any = None) -> Candidate:
        """The way back: positive domains have labels, guessed ones."""
        there = np.asarray(sample_domain) > 0
        model = clone(self.steps[-1][1].model)
        self.back_ = model.fit(X[there], np.asarray(y)[there], target=Domain(X[~there]))
        return self

    def get_metadata_routing(self) -> Any:
        return BaseEstimator.get_metadata_routing(self)


def scored(record: Record, with_models: bool) -> dict[str, Any]:
    """Scores by scorer and candidate, and what could not be scored, by reason."""
    Xs, Xt = record.Xs.astype(np.float64), record.Xt.astype(np.float64)
    task = Record(record.facts, Xs, record.ys, Xt, record.yt, record.held, record.probas)
    X, y = np.vstack([Xs, Xt]), np.concatenate([record.ys, np.full(len(Xt), -1)])
    domain = np.repeat([1, -2], [len(Xs), len(Xt)])
    makers = {**OF_ANSWERS, **(OF_MODELS if with_models else {})}
    found: dict[str, dict[str, float]] = {name: {} for name in makers}
    lost: dict[str, Counter[str]] = {name: Counter() for name in makers}
    probas = dict(zip(record.facts["ids"], record.probas.astype(np.float64)))
    models = live(record) if with_models else ((name, None) for name in record.facts["ids"])
    for name, model in models:
        scorers = makers
        try:
            held = (
                None
                if model is None
                else held_out_predictions(task, model, Domain(Xs, record.ys), random_state=0).proba
            )
        except DomainError as err:  # weights leave one class, which no refit can learn
            held, scorers = None, OF_ANSWERS
            for scorer in OF_MODELS:
                lost[scorer][str(err)[:160]] += 1
        candidate = Candidate([("model", _Model(task, probas[name], held, model))])
        candidate.set_score_request(sample_weight=True)
        for scorer, make in scorers.items():
            try:
                value = float(make()(candidate, X, y, sample_domain=domain))
            except (ValueError, TypeError, AttributeError, ArithmeticError, LookupError) as err:
                lost[scorer][f"{type(err).__name__}: {err}".splitlines()[0][:160]] += 1
                continue
            if np.isfinite(value):
                found[scorer][name] = value
            else:
                lost[scorer]["the score is not finite"] += 1
    return {"scores": found, "lost": {name: dict(own) for name, own in lost.items() if own}}


def kept_scores(path: Path, with_models: bool) -> dict[str, Any]:
    """Of the record at `path`, made once."""
    home = path.with_suffix(".skada.json")
    head = {"version": VERSION, "skada": version("skada"), "stamp": path.stat().st_mtime_ns, "models": with_models}
    if home.exists():
        kept: dict[str, Any] = json.loads(home.read_text(encoding="utf-8"))
        if {k: kept.get(k) for k in head} == head:
            return kept
    with one_thread(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = {**head, **scored(read_record(path), with_models)}
    home.write_text(json.dumps(found), encoding="utf-8")
    return found


def table(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Theirs and ours over the same tasks: one line each."""
    anchor = np.array([r["anchor"] for r in rows])
    oracle = np.maximum(0.0, np.array([r["oracle"] for r in rows]) - anchor)
    groups = np.array([r["group"] for r in rows])
    found = {}

    def add(name: str, reached: list[float | None]) -> None:
        there = np.array([v is not None for v in reached])
        if there.any():
            gain = np.array([v for v in reached if v is not None]) - anchor[there]
            found[name] = line(gain, oracle[there], groups[there])

    for name in (*OF_ANSWERS, *OF_MODELS):
        add(f"skada: {name}", [r["skada"].get(name) for r in rows])
    for name in SELECTORS:
        add(f"pick of {name}", [r["picks"].get(name) for r in rows])
    for name in (*JUDGED, *REFITTED):
        add(f"pick of {name}", [r.get("refits", {}).get("picks", {}).get(name) for r in rows])
    add("vote, unguarded", [r["vote"] for r in rows])
    add("strict (nothing assumed)", list(gains(rows, "nothing") + anchor))
    add("same priors assumed, true or not", list(gains(rows, "same-priors") + anchor))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, default=default_folder())
    parser.add_argument("--rows", type=int, nargs="+", default=[250, 1000], help="sizes of the tasks")
    parser.add_argument("--no-models", action="store_true", help="only scorers of kept answers, and what is kept")
    parser.add_argument("--out", type=Path, default=RESULT)
    args = parser.parse_args()
    every = list(tasks())
    again = part(every)
    there = [t for t in every if t.n in args.rows and record_path(args.cache, t).exists()]
    rows, lost = [], defaultdict(Counter)
    for task in sorted(there, key=lambda t: (t.n, t.name not in again)):
        path = record_path(args.cache, task)
        row = judge(path)
        if task.name in again and path.with_suffix(".refits.json").exists():
            row["refits"] = judged_again(path)
        known = path.with_suffix(".skada.json")
        had_models = known.exists() and json.loads(known.read_text(encoding="utf-8"))["models"]
        theirs = kept_scores(path, had_models if args.no_models else task.name in again)
        accuracy = dict(zip(read_record(path).facts["ids"], read_record(path).facts["accuracy"]))
        row["skada"] = {k: accuracy[max(own, key=own.__getitem__)] for k, own in theirs["scores"].items() if own}
        for name, reasons in theirs["lost"].items():
            lost[name].update(reasons)
        rows.append(row | {"part": "ImportanceWeightedScorer" in theirs["scores"]})
        print(task.name, flush=True)
    result = {
        "command": "python benchmarks/noharm_skada.py",
        "versions": {name: version(name) for name in ("transferkit", "skada", "scikit-learn", "numpy")},
        "left_out": NOT,
        "candidates_not_scored": {name: dict(own) for name, own in lost.items()},
        "all": {"tasks": len(rows), "table": table(rows)},
        "part": {"names": [r["name"] for r in rows if r["part"]]} | (
            {"table": table([r for r in rows if r["part"]])} if any(r["part"] for r in rows) else {}
        ),
    }  # fmt: skip
    args.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    for title in ("all", "part"):
        print(f"\n{title}")
        for name, own in result[title].get("table", {}).items():
            cells = (f"{own[k]:7.1f}" for k in ("mean", "harmed_1", "harmed_5", "worst"))
            print(f"{name:40}", f"{own['n']:4}", *cells, own["captured"])


if __name__ == "__main__":
    main()
