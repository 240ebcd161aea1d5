"""Transfer between feature spaces: is a source with other columns worth more than the few target labels alone?

    OMP_NUM_THREADS=1 python benchmarks/heterogeneous.py
    python benchmarks/heterogeneous.py --show

Classes, 300 rows of each domain, columns standardised in each by itself, 1, 3, 5 and 10 known target rows a class, judged on
the other target rows, 20 draws: MNIST to USPS at another resolution with scrambled columns; positions by half of the access
points and some phones to the other half and other phones (building and floor); Amazon reviews as 400 features to other
reviews as the 1000 most frequent of 5000 counts; and, as a control, objects in pictures to faults of bearings, which have
nothing to do with each other. Spectra: corn, device 1 to devices 2 and 3, four properties, 40 samples to learn and 40 to judge
on, 5, 10 and 20 of the first 40 measured by both devices (pairs, no target label), partial least squares of 8 components, R2, 20
draws; "target-only" there learns from the standards' labels. Methods have their defaults. Not blind: after a first look at corn
the 8 components replaced ridge regression, and PDS got its `tol`. Means and half 95 % intervals over the draws, and the same of
the difference to target-only, go to benchmarks/results/heterogeneous.json after each cell, so that a stopped run goes on where it
was and a new method is measured alone. Needs the folder that TRANSFERKIT_DATA names.
"""

from __future__ import annotations

import argparse
import json
import warnings
from functools import cache, partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.cross_decomposition import PLSRegression
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from transferkit import (
    CDLS,
    DAMA,
    HFA,
    KCCA,
    MMDT,
    SHFA,
    ARCt,
    CanonicalCorrelation,
    CoOptimalTransport,
    Domain,
    GromovWasserstein,
    HeMap,
    PiecewiseDirectStandardization,
    SpectralSpaceTransformation,
    TransferWarning,
)
from transferkit.core.files import atomic_write
from transferkit.data import named

OUT = Path(__file__).parent / "results" / "heterogeneous.json"
N, SHOTS, STANDARDS, DRAWS = 300, (1, 3, 5, 10), (5, 10, 20), 20
T19 = 2.093  # the 97.5 % point of Student's t for as many draws
PLS = PLSRegression(8)
CLASSES = {
    "cca": CanonicalCorrelation, "kcca": KCCA, "dama": DAMA, "co_optimal_transport": CoOptimalTransport,
    "gromov_wasserstein": GromovWasserstein, "mmdt": MMDT, "hfa": HFA, "shfa": SHFA, "cdls": CDLS,
    "asymmetric_metric": ARCt, "hemap": partial(HeMap, random_state=0),
}  # fmt: skip
SPECTRA = {
    "pds": lambda: PiecewiseDirectStandardization(estimator=PLS),
    "direct standardisation": lambda: PiecewiseDirectStandardization(None, 10, estimator=PLS),
    "sst": lambda: SpectralSpaceTransformation(estimator=PLS),
    "cca": CanonicalCorrelation,
}
Array = np.ndarray[Any, Any]


@cache
def world(name: str) -> tuple[Array, Array, Array, Array]:
    """All rows and classes of both domains."""
    rng = np.random.default_rng(0)
    if name == "mnist -> usps":
        mnist, usps = named.load("mnist")["train"], named.load("usps")["train"]
        X = np.asarray(mnist.X, dtype=np.float32).reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4)).reshape(-1, 196)
        Xt = np.asarray(usps.X, dtype=np.float32).reshape(len(usps.X), -1)
        return X, np.asarray(mnist.y), Xt[:, rng.permutation(Xt.shape[1])], np.asarray(usps.y)
    if name == "wifi":
        building, floor = (named.load("uji-indoorloc", label=k) for k in ("building", "floor"))
        half = rng.permutation(520)
        sides = []
        for start, columns in (("phone", half[:260]), ("validation", half[260:])):
            domains = [d for d in building if d.startswith(start)]
            X = np.vstack([np.asarray(building[d].X)[:, columns] for d in domains])
            place = [10 * np.asarray(building[d].y) + np.asarray(floor[d].y) for d in domains]
            sides += [X, np.concatenate(place)]
        keep = np.isin(sides[3], np.unique(sides[1]))
        return sides[0], sides[1], sides[2][keep], sides[3][keep]
    if name == "reviews 400 -> 1000":
        source, target = named.load("amazon-reviews-400")["books"], named.load("amazon-reviews-5000")
        first = target[next(d for d in target if d.startswith("kitchen"))]
        frequent = np.argsort(-np.asarray((first.X > 0).sum(axis=0)).ravel())[:1000]
        return np.asarray(source.X), codes(source.y), np.log1p(first.X[:, frequent].toarray()), codes(first.y)
    office, cwru = named.load("office-caltech-surf")["amazon"], named.load("cwru")
    first = cwru[next(iter(cwru))]
    spectra = np.abs(np.fft.rfft(np.asarray(first.X).reshape(len(first.X), -1)))[:, 1:257]
    y, yt = codes(office.y), codes(first.y)
    keep = y < yt.max() + 1
    return np.asarray(office.X)[keep], y[keep], spectra, yt


PROPERTIES = ("moisture", "oil", "protein", "starch")
WORLDS = ("mnist -> usps", "wifi", "reviews 400 -> 1000", "objects -> bearings")


def codes(y: Any) -> Array:
    return np.unique(np.asarray(y), return_inverse=True)[1]


def drawn(name: str, shots: int, draw: int) -> tuple[Array, Array, Array, Array, Array]:
    """Rows of both domains and which target labels are known; every class has `shots` of them and one more."""
    X, y, Xt, yt = world(name)
    rng = np.random.default_rng([draw, shots])
    rows = rng.permutation(len(X))[:N]
    of_class = {c: rng.permutation(np.flatnonzero(yt == c)) for c in np.unique(y[rows])}
    known = np.concatenate([r[:shots] for r in of_class.values() if len(r) > shots])
    rest = np.setdiff1d(np.concatenate([r for r in of_class.values() if len(r) > shots]), known)
    target = np.concatenate([known, rng.permutation(rest)[: max(20, N - len(known))]])
    used = np.isin(y[rows], np.unique(yt[known]))
    scaled = (StandardScaler().fit_transform(v).astype(np.float64) for v in (X[rows[used]], Xt[target]))
    return *scaled, y[rows[used]], yt[target], np.arange(len(target)) < len(known)  # type: ignore[return-value]


def of_classes(methods: list[str], name: str, shots: int) -> dict[str, list[float]]:
    """Accuracy in percent of each method and draw, and of the few labels alone."""
    found: dict[str, list[float]] = {}
    for draw in range(DRAWS):
        X, Xt, y, yt, known = drawn(name, shots, draw)
        alone = LogisticRegression(max_iter=1000).fit(Xt[known], yt[known]).predict(Xt[~known])
        found.setdefault("target-only", []).append(100 * float((alone == yt[~known]).mean()))
        for label in methods:
            model = CLASSES[label]().fit(X, y, target=Domain(Xt, yt, known))
            found.setdefault(label, []).append(100 * float((model.predict(Xt[~known]) == yt[~known]).mean()))
    return found


def of_spectra(methods: list[str], device: str, label: str, n_standards: int) -> dict[str, list[float]]:
    """R2 of each method and draw, and of three that correct nothing."""
    corn = named.load("corn-nir", label=label)
    X, Xt, y = np.asarray(corn["device1"].X), np.asarray(corn[device].X), np.asarray(corn["device1"].y)
    few = PLSRegression(min(8, n_standards - 1))
    found: dict[str, list[float]] = {}
    for draw in range(DRAWS):
        order = np.random.default_rng(draw).permutation(80)
        learn, judge, both = order[:40], order[40:], order[:n_standards]
        pairs = np.column_stack([np.arange(n_standards), np.arange(n_standards)])
        found.setdefault("uncorrected", []).append(float(PLS.fit(X[learn], y[learn]).score(Xt[judge], y[judge])))
        found.setdefault("target-only", []).append(float(few.fit(Xt[both], y[both]).score(Xt[judge], y[judge])))
        own = float(PLS.fit(X[learn], y[learn]).score(X[judge], y[judge]))
        found.setdefault("device 1 itself", []).append(own)
        for name in methods:
            model = SPECTRA[name]().fit(X[learn], y[learn], target=Domain(Xt[learn]), pairs=pairs)
            found.setdefault(name, []).append(float(model.score(Xt[judge], y[judge])))
    return found


def summary(found: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    """Mean and half its 95 % interval, and the same of the difference to target-only."""

    def both(values: Array) -> tuple[float, float]:
        return round(float(values.mean()), 3), round(T19 * float(values.std(ddof=1)) / len(values) ** 0.5, 3)

    alone, rows = np.array(found["target-only"]), {}
    for name, values in found.items():
        mean, half = both(np.array(values))
        gain, half_gain = both(np.array(values) - alone)
        rows[name] = {"mean": mean, "interval": half, "gain": gain, "gain_interval": half_gain}
    return rows


def show(found: dict[str, Any]) -> None:
    for cell, rows in found.items():
        print(cell)
        for name, row in rows.items():
            print(
                f"   {name:24} {row['mean']:8.2f} +- {row['interval']:5.2f}   {row['gain']:+8.2f} +- {row['gain_interval']:.2f}"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--show", action="store_true", help="print what was found, measure nothing")
    asked = parser.parse_args()
    found: dict[str, Any] = json.loads(OUT.read_text()) if OUT.exists() else {}
    if not asked.show:
        warnings.simplefilter("ignore", TransferWarning)  # of solvers stopped by their number of steps
        for n, device, label in product(STANDARDS, ("device2", "device3"), PROPERTIES):
            keep(found, f"corn {label} | device1 -> {device} | {n} standards", SPECTRA, of_spectra, device, label, n)
        for shots, name in product(SHOTS, WORLDS):
            keep(found, f"{name} | {shots} a class", CLASSES, of_classes, name, shots)
    show(found)


def keep(found: dict[str, Any], cell: str, methods: Any, measure: Any, *what: Any) -> None:
    """Measure the methods that the cell does not have yet."""
    missing = [name for name in methods if name not in found.get(cell, {})]
    if missing:
        found[cell] = {**found.get(cell, {}), **summary(measure(missing, *what))}
        atomic_write(OUT, json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
