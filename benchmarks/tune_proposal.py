"""Does tuning the one proposal on a few target labels pay, and does the test of it keep its level?

    python benchmarks/tune_proposal.py

Noise: target labels are coins, so that nothing can be gained; how often is the proposal accepted at the level of 0.05, as it is,
tuned inside the folds of the test, and (wrongly) tuned beforehand on the labels that test it? Data: tasks of `bench noharm` at its
small size, a few labels a class, accuracy on the other rows. The result is benchmarks/results/tune_proposal.json. Not blind: that
the search goes by the Brier score and asks for a gain of one standard error was set after a look at tasks of these families, where
the differences were noise. The limits of the search are those of `run --tune-proposal`.
"""

from __future__ import annotations

import itertools
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import clone
from threadpoolctl import threadpool_limits

from transferkit import Domain, PairedShots, Pooled, SourceOnly
from transferkit.bench.noharm.tasks import Task, tasks
from transferkit.pipeline.label_search import LabelSearch, space_of
from transferkit.pipeline.plain_models import plain_model

RESULT = Path(__file__).parent / "results" / "tune_proposal.json"
TRIALS, DRAWS, WORLDS, MOST = 20, 2, 100, 7
FAMILIES = {"phones": (3, 10), "reviews-400": (10, 25)}  # labels a class; the first `MOST` tasks of each
MODEL = plain_model("linear", "classification")


def judge(source: Domain, target: Domain, seed: int, *, per_class: bool) -> dict[str, Any]:
    """Whether the proposal passes, plain and tuned, and the three models."""
    anchor = SourceOnly(MODEL).fit(source.X, source.y, target=target)
    test = PairedShots(anchor, per_class=per_class, random_state=seed)
    plain = Pooled("balanced", MODEL)
    search = LabelSearch(plain, space_of(plain), TRIALS, random_state=seed)
    tuned = clone(search).fit(source.X, source.y, target=target)
    return {
        "anchor": anchor,
        "plain": clone(plain).fit(source.X, source.y, target=target),
        "tuned": tuned.method_,
        "passes": {
            "plain": test.score(plain, source, target) > 0,
            "tuned": test.score(search, source, target) > 0,
            "tuned beforehand": test.score(tuned.method_, source, target) > 0,
        },
        "changed": bool(tuned.facts_["params"]),
    }


def noise(n: int = WORLDS) -> dict[str, Any]:
    """Shares of proposals that are accepted where target labels are coins."""
    found = []
    for seed in range(n):
        rng = np.random.default_rng(seed)
        X, y = rng.normal(size=(60, 5)), np.arange(60) % 2
        X[:, 0] += 2 * y
        target = Domain(rng.normal(size=(30, 5)), rng.integers(0, 2, 30))
        found.append(judge(Domain(X, y), target, seed, per_class=False)["passes"])
    return {"worlds": n, "level": 0.05, "accepted": {k: float(np.mean([f[k] for f in found])) for k in found[0]}}


def on_data(task: Task, shots: int, draw: int) -> dict[str, Any]:
    """Accuracy on the rows whose labels were not drawn, and what `run` would end with."""
    Xs, labels, Xt, truth = task.load()
    classes, ys = np.unique(labels, return_inverse=True)
    yt = np.searchsorted(classes, truth)
    rng = np.random.default_rng(draw)
    drawn = [rng.permutation(np.flatnonzero(yt == c))[:shots] for c in np.unique(yt)]
    known = np.zeros(len(yt), dtype=bool)
    known[np.concatenate(drawn)] = True
    target = Domain(Xt, np.where(known, yt, 0), known=known)
    found = judge(Domain(Xs, ys), target, draw, per_class=len(classes) == 2)
    row: dict[str, Any] = {"task": task.name, "shots": shots, "draw": draw, "changed": found["changed"]}
    for name in ("anchor", "plain", "tuned"):
        row[name] = round(float((found[name].predict(Xt[~known]) == yt[~known]).mean()), 4)
    for name in ("plain", "tuned"):
        row[f"{name}, tested"] = row[name] if found["passes"][name] else row["anchor"]
    return row


def main() -> None:
    """All of it; what is there of an earlier call is not done again."""
    found = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else {"trials": TRIALS, "rows": []}
    done = {(r["task"], r["shots"], r["draw"]) for r in found["rows"]}
    with threadpool_limits(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for family, sizes in FAMILIES.items():
            own = [t for t in tasks() if t.family == family and t.n == 250 and t.kind == "domains"]
            for task, shots, draw in itertools.product(own[:MOST], sizes, range(DRAWS)):
                if (task.name, shots, draw) not in done:
                    found["rows"].append({"family": family, **on_data(task, shots, draw)})
                    write(found)
        if "noise" not in found:
            found["noise"] = noise()
    write(found)


def write(found: dict[str, Any]) -> None:
    """Means by family and number of labels, and all rows."""
    rows, found["mean"] = found["rows"], {}
    for family, sizes in FAMILIES.items():
        for shots in sizes:
            part = [r for r in rows if (r["family"], r["shots"]) == (family, shots)]
            if not part:
                continue
            names = ("anchor", "plain", "tuned", "plain, tested", "tuned, tested")
            mean = {k: round(100 * float(np.mean([r[k] for r in part])), 2) for k in names}
            worst = {
                k: round(100 * min(r[k] - r["anchor"] for r in part), 2) for k in ("plain, tested", "tuned, tested")
            }
            found["mean"][f"{family}, {shots} a class"] = {"n": len(part), **mean, "worst": worst}
    RESULT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
