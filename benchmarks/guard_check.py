"""Does the guard help, and does it refuse? Real tasks with hidden labels; the table goes to results/guard_check.json.

python benchmarks/guard_check.py [--jobs 2] [--only surf digits ...]

Reads the data sets from the folder TRANSFERKIT_DATA names. Every candidate of the catalogue is fitted with the same inner
estimator as the anchor; the guard sees no target label; accuracy is then measured on the target rows adapted to.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from scipy.io import loadmat
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import r2_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from transferkit import catalogue
from transferkit.core.errors import TransferError
from transferkit.core.protocols import Array, Domain
from transferkit.core.scaling import NormScaler
from transferkit.ops.components import subsample

RESULT = Path(__file__).parent / "results" / "guard_check.json"
# Said with the numbers, so that nobody takes a tuned threshold for a frozen one.
HONESTY = (
    "All numeric thresholds of the three selectors were fixed before this table was first computed; none was changed after."
    " Two things were changed after a look at it. First, the space in which clusters, neighbours and class shares are taken:"
    " columns standardised or as given, by the source's labels; before, always standardised, which spoils the principal components"
    " that this benchmark feeds in. Second, where clusters do not show the source's classes, the guard refuses; before, neighbours"
    " alone could carry it, which cost 6 points on one of the reviews. The rows 'reviews' are therefore not a fresh test."
    " The benchmark's own scaling was mended too: pixels are left alone, and the halves of one domain are scaled together, since a"
    " scaler fitted on few rows of one half made a real shift. A vote check relative to the models' confidence was tried and"
    " not taken: 19 to 23 % captured with 3 tasks harmed, worst -0.073."
)
MOST_ROWS = 1000
ANCHORS = {
    "logistic": lambda: make_pipeline(NormScaler(), LogisticRegression(C=10.0, max_iter=300, tol=1e-3)),
    "nearest": lambda: KNeighborsClassifier(1),
}


def _ridge() -> Any:
    return make_pipeline(StandardScaler(), RidgeCV(alphas=np.logspace(-6, 3, 10)))


@dataclass(frozen=True, eq=False)
class Task:
    """One transfer with all labels, which stay with the benchmark."""

    family: str
    name: str
    Xs: Array
    ys: Array
    Xt: Array
    yt: Array


def classification_tasks(folder: Path) -> Iterator[Task]:
    """SURF, digits, reviews; splits of one domain; resamples with other class shares."""
    surf = {name: _surf(folder, name) for name in ("amazon", "Caltech10", "dslr", "webcam")}
    both = loadmat(folder / "mnist_usps_long" / "MNIST_vs_USPS.mat")
    digits = {
        side: (_unit(both[f"X_{k}"].T.astype(float)), both[f"Y_{k}"].ravel())
        for side, k in (("mnist", "src"), ("usps", "tar"))
    }
    reviews = {}
    for path in sorted((folder / "amazon_reviews_400").glob("*.mat")):
        raw = loadmat(path)
        reviews[path.stem] = raw["fts"].astype(float), raw["labels"].ravel()
    # SURF counts and review words are scaled by the source; pixels share a scale already.
    for family, domains in (("surf", surf), ("digits", digits), ("reviews", reviews)):
        for a in domains:
            for b in domains:
                if a != b:
                    yield _task(family, f"{a} > {b}", domains[a], domains[b], scale=domains is not digits)
    rng = np.random.default_rng(0)
    alone = {k: v for k, v in {**surf, **digits, **reviews}.items() if len(v[1]) > 250}
    for name, (X, y) in alone.items():
        # Scaled as a whole: a scaler fitted on one half of few rows would itself make a shift.
        X = X if name in digits else StandardScaler().fit_transform(X)
        order = rng.permutation(len(y))
        half = order[: len(y) // 2], order[len(y) // 2 :]
        one, other = ((X[h], y[h]) for h in half)
        yield _task("zero shift", name, one, other)
        yield _task("label shift", name, one, _reshare(other, rng))
    for a, b, domains in (
        ("Caltech10", "amazon", surf), ("amazon", "Caltech10", surf), ("mnist", "usps", digits), ("usps", "mnist", digits),
    ):  # fmt: skip
        yield _task("both shifts", f"{a} > {b}", domains[a], _reshare(domains[b], rng), scale=domains is surf)


def _surf(folder: Path, name: str) -> tuple[Array, Array]:
    raw = loadmat(folder / "office_caltech10_surf" / f"{name}_SURF_L10.mat")
    return _unit(raw["fts"].astype(float)), raw["labels"].ravel()


def _unit(X: Array) -> Array:
    return X / np.maximum(np.abs(X).sum(axis=1, keepdims=True), 1e-12)


def _reshare(domain: tuple[Array, Array], rng: np.random.Generator) -> tuple[Array, Array]:
    """The same domain with class shares drawn from a Dirichlet distribution, without repeating a row."""
    X, y = domain
    classes = np.unique(y)
    shares = rng.dirichlet(np.ones(len(classes)))
    most = min((y == c).sum() / s for c, s in zip(classes, shares) if s > 0.05)
    rows = [rng.permutation(np.flatnonzero(y == c))[: max(3, int(s * most))] for c, s in zip(classes, shares)]
    rows = rng.permutation(np.concatenate(rows))
    return X[rows], y[rows]


def _task(
    family: str, name: str, source: tuple[Array, Array], target: tuple[Array, Array], *, scale: bool = False
) -> Task:
    """At most 1000 rows a side, scaled by the source where asked for, 200 joint principal components."""
    (Xs, ys), (Xt, yt) = source, target
    rs, rt = subsample(len(ys), MOST_ROWS, 0), subsample(len(yt), MOST_ROWS, 0)
    Zs, Zt = Xs[rs], Xt[rt]
    if scale:
        scaler = StandardScaler().fit(Zs)
        Zs, Zt = scaler.transform(Zs), scaler.transform(Zt)
    if Zs.shape[1] > 200:
        Zs, Zt = _joint_components(Zs, Zt)
    return Task(family, name, Zs, ys[rs], Zt, yt[rt])


def _joint_components(Zs: Array, Zt: Array, k: int = 200) -> tuple[Array, Array]:
    pooled = np.concatenate([Zs, Zt])
    centre = pooled.mean(axis=0)
    _, _, V = np.linalg.svd(pooled - centre, full_matrices=False)
    return (Zs - centre) @ V[:k].T, (Zt - centre) @ V[:k].T


def regression_tasks(folder: Path) -> Iterator[Task]:
    """Corn: half of the samples measured on one instrument, the other half on another (or on the same: no shift)."""
    raw = loadmat(folder / "corn_nir" / "cornData.mat")
    spectra = [raw["ftAll"].ravel()[k] for k in range(3)]
    instruments, properties = ("m5", "mp5", "mp6"), ("moisture", "oil", "protein", "starch")
    order = np.random.default_rng(0).permutation(80)
    for a in range(3):
        for b in range(3):
            for k, what in enumerate(properties):
                family = "corn, zero shift" if a == b else "corn"
                name = f"{instruments[a]} > {instruments[b]}, {what}"
                Y = raw["Y"][:, k]
                yield Task(family, name, spectra[a][order[:40]], Y[order[:40]], spectra[b][order[40:]], Y[order[40:]])


def candidates(kind: str, estimator: Any, seed: int = 0) -> Iterator[tuple[str, str, Any]]:
    """Id, class name and unfitted method of everything in the catalogue that fits an unlabelled target."""
    for card in catalogue.find(protocol="Transfer", task=kind, data="vectors"):
        if card.missing or card.paradigm == "baseline" or not {"unsupervised", "label_shift"} & set(card.settings):
            continue
        cls = catalogue.load(card.name)
        for k, params in enumerate(card.portfolio, start=1):
            given = {"estimator": estimator(), "random_state": seed, **params}
            yield f"{card.name}-{k}", card.cls, cls(**{p: v for p, v in given.items() if p in cls._constraints})


def fit_all(task: Task, kind: str, estimator: Any) -> tuple[Any, dict[str, Any], dict[str, str]]:
    """The anchor, the fitted candidates, and why the others could not be fitted."""
    target = Domain(task.Xt)
    anchor = catalogue.load("source_only")(estimator=estimator()).fit(task.Xs, task.ys, target=target)
    fitted, failed = {}, {}
    for name, _, method in candidates(kind, estimator):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                fitted[name] = method.fit(task.Xs, task.ys, target=target)
        except (TransferError, ValueError, ArithmeticError) as err:
            failed[name] = str(err).splitlines()[0]
    return anchor, fitted, failed


def judge(task: Task, kind: str, anchor_name: str, estimator: Any) -> dict[str, Any]:
    """Let the guard choose, then score."""
    started = time.perf_counter()
    anchor, fitted, failed = fit_all(task, kind, estimator)
    fit_seconds = time.perf_counter() - started
    source, target = Domain(task.Xs, task.ys), Domain(task.Xt)
    guard_cls = catalogue.load("consensus_guard" if kind == "classification" else "regression_guard")
    guard = guard_cls(anchor, list(fitted.values()), random_state=0)
    started = time.perf_counter()
    scores = {name: guard.score(m, source, target) for name, m in fitted.items()}
    guard_seconds = time.perf_counter() - started
    best = max(scores, key=scores.__getitem__)
    checks = guard.explain(fitted[best], source, target)
    # Only now the labels.
    measure = _accuracy if kind == "classification" else _nrmse
    base = measure(anchor, task)
    gains = {name: measure(m, task) - base for name, m in fitted.items()}
    winner = best if scores[best] > 0 else None
    record = {
        "family": task.family,
        "task": task.name,
        "anchor": anchor_name,
        "classes": len(np.unique(task.ys)) if kind == "classification" else None,
        "base": round(base, 4),
        "proposal": best,
        "winner": winner,
        "gain": round(gains[winner], 4) if winner else 0.0,
        "gain_of_proposal": round(gains[best], 4),
        "oracle": round(max(0.0, *gains.values()), 4),
        "mean_candidate": round(float(np.mean(list(gains.values()))), 4),
        "harmed_candidates": round(float(np.mean([g < -0.01 for g in gains.values()])), 4),
        "checks": {c["check"]: [None if c["value"] is None else round(c["value"], 4), c["passed"]] for c in checks},
        "scores": {name: [round(scores[name], 4), round(gains[name], 4)] for name in scores},
        "failed": failed,
        "seconds": {"fits": round(fit_seconds, 2), "guard": round(guard_seconds, 2)},
    }
    if (
        kind == "classification"
        and anchor_name == "logistic"
        and task.family in ("surf", "digits", "reviews", "both shifts")
    ):
        record["three_labels"] = with_labels(task, anchor, fitted[best])
    return record


def with_labels(task: Task, anchor: Any, proposal: Any, shots: int = 3) -> dict[str, Any]:
    """The same proposal tested on three labels a class; gain of the refit with them on the other rows."""
    rng = np.random.default_rng(0)
    known = np.zeros(len(task.yt), dtype=bool)
    for c in np.unique(task.yt):
        known[rng.permutation(np.flatnonzero(task.yt == c))[:shots]] = True
    source, target = Domain(task.Xs, task.ys), Domain(task.Xt, task.yt, known=known)
    score = catalogue.load("paired_shots")(anchor, random_state=0).score(proposal, source, target)
    if score <= 0:
        return {"score": round(score, 4), "gain": 0.0}
    refit = clone(proposal).fit(task.Xs, task.ys, target=target)
    rest = ~known
    after, before = (float((m.predict(task.Xt[rest]) == task.yt[rest]).mean()) for m in (refit, anchor))
    return {"score": round(score, 4), "gain": round(after - before, 4)}


def _accuracy(model: Any, task: Task) -> float:
    return float((model.predict(task.Xt) == task.yt).mean())


def _nrmse(model: Any, task: Task) -> float:
    """Minus the root mean squared error in standard deviations of the truth; R^2 = 1 minus its square."""
    return -float(np.sqrt(max(0.0, 1 - r2_score(task.yt, model.predict(task.Xt)))))


def summary(records: list[dict[str, Any]]) -> dict[str, Any]:
    """One row of the table."""
    gain, oracle = np.array([r["gain"] for r in records]), np.array([r["oracle"] for r in records])
    row = {
        "tasks": len(records),
        "adapted": int(sum(r["winner"] is not None for r in records)),
        "mean_gain": round(float(gain.mean()), 4),
        "harmed_by_more_than_0.01": int((gain < -0.01).sum()),
        "worst": round(float(gain.min()), 4),
        "oracle_gain": round(float(oracle.mean()), 4),
        "captured": round(float(gain.sum() / oracle.sum()), 3) if oracle.sum() else None,
        "unguarded_proposal": round(float(np.mean([r["gain_of_proposal"] for r in records])), 4),
        "mean_candidate": round(float(np.mean([r["mean_candidate"] for r in records])), 4),
    }
    labelled = [r["three_labels"]["gain"] for r in records if "three_labels" in r]
    if labelled:
        row["three_labels_mean_gain"] = round(float(np.mean(labelled)), 4)
        row["three_labels_harmed"] = int((np.array(labelled) < -0.01).sum())
        row["three_labels_worst"] = round(float(np.min(labelled)), 4)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", nargs="*", help="families to run; the result is then printed, not written")
    args = parser.parse_args()
    folder = Path(os.environ["TRANSFERKIT_DATA"])
    work = [(t, "classification", a, e) for t in classification_tasks(folder) for a, e in ANCHORS.items()]
    work += [(t, "regression", "ridge", _ridge) for t in regression_tasks(folder)]
    work = [w for w in work if not args.only or w[0].family in args.only]
    records = Parallel(n_jobs=args.jobs, verbose=1)(delayed(judge)(*w) for w in work)
    keys = dict.fromkeys((r["family"], r["anchor"]) for r in records)
    table = {f"{f} / {a}": summary([r for r in records if (r["family"], r["anchor"]) == (f, a)]) for f, a in keys}
    plain = [r for r in records if r["anchor"] != "ridge"]
    if plain:
        table["all classification"] = summary(plain)
    width = max(map(len, table))
    print(f"{'':{width}}  tasks adapt    gain harmed   worst  oracle captured unguarded")
    for name, row in table.items():
        captured = "-" if row["captured"] is None else f"{100 * row['captured']:.0f} %"
        print(
            f"{name:{width}}  {row['tasks']:5d} {row['adapted']:5d} {row['mean_gain']:+7.3f} {row['harmed_by_more_than_0.01']:6d}"
            f" {row['worst']:+7.3f} {row['oracle_gain']:+7.3f} {captured:>8} {row['unguarded_proposal']:+9.3f}"
        )
    if args.only:
        hide = ("scores", "mean_candidate", "harmed_candidates")
        for r in records:
            print(json.dumps({k: v for k, v in r.items() if k not in hide}))
        return
    RESULT.parent.mkdir(exist_ok=True)
    head = {"command": "TRANSFERKIT_DATA=... python benchmarks/guard_check.py", "note": HONESTY, "table": table}
    # One line a task: a changed result is then a changed line.
    lines = ",\n".join(f"  {json.dumps(r)}" for r in records)
    text = json.dumps(head, indent=1)[:-2] + f',\n "tasks": [\n{lines}\n ]\n}}\n'
    RESULT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
