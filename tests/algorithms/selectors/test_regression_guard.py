"""RegressionGuard: mends predictions that cannot be, refuses everything else."""

import os
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat
from sklearn.linear_model import Ridge, RidgeCV
from sklearn.metrics import r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from transferkit import CORAL, Domain, RegressionGuard, SourceOnly, SubspaceAlignment
from transferkit.core.errors import DomainError, ParamError


class Says:
    """A fitted model that says the same whatever the rows."""

    def __init__(self, values):
        self.values = np.asarray(values)

    def predict(self, X):
        return self.values


def case(seed, shift):
    rng = np.random.default_rng(seed)
    X, Z = rng.normal(size=(2, 120, 3))
    beta = np.array([1.0, 2.0, -1.0])
    return Domain(X, X @ beta + 0.1 * rng.normal(size=120)), Domain(Z + shift), Z @ beta


def fitted(source, target, *more):
    anchor = Ridge().fit(source.X, source.y)
    moved = CORAL(centre=True).fit(source.X, source.y, target=target)
    return anchor, moved, RegressionGuard(anchor, [moved, *more], assume="same_values", random_state=0)


@pytest.mark.parametrize("seed", range(3))
def test_adapts_where_predictions_cannot_be(seed):
    source, target, truth = case(seed, 4.0)
    anchor, moved, guard = fitted(source, target)
    assert r2_score(truth, moved.predict(target.X)) > 0.9 > 0 > r2_score(truth, anchor.predict(target.X))
    assert guard.score(moved, source, target) > 0
    assert all(c["passed"] and c["says"].endswith(".") for c in guard.explain(moved, source, target))
    assert guard.score(anchor, source, target) == 0.0


@pytest.mark.parametrize("seed", range(3))
def test_refuses_values_that_changed_with_the_rows(seed):
    """A plain covariate shift of a linear relation: source-only is perfect, and every aligned model ruins it."""
    source, target, _ = case(seed, 1.0)
    truth = target.X @ np.array([1.0, 2.0, -1.0])
    anchor, moved, _ = fitted(source, target)
    assert r2_score(truth, anchor.predict(target.X)) > 0.99 > r2_score(truth, moved.predict(target.X)) + 0.3
    guard = RegressionGuard(anchor, [moved], random_state=0)
    assert guard.score(moved, source, target) < 0
    assert "space" in [c["check"] for c in guard.explain(moved, source, target) if not c["passed"]]


@pytest.mark.parametrize("seed", range(3))
def test_scores_nothing_above_zero_without_a_shift(seed):
    source, target, _ = case(seed, 0.0)
    _, moved, guard = fitted(source, target)
    assert guard.score(moved, source, target) == 0.0


def test_refuses_while_source_only_is_plausible():
    source, target, _ = case(0, np.array([2.0, -0.5, 1.0]))  # orthogonal to the coefficients: the predictions stay
    _, moved, guard = fitted(source, target)
    failed = [c["check"] for c in guard.explain(moved, source, target) if not c["passed"]]
    assert "implausible" in failed
    assert guard.score(moved, source, target) < 0


@pytest.mark.parametrize("kind", ["constant", "shuffled", "worse"])
def test_refuses_plausible_looking_nonsense(kind):
    source, target, truth = case(0, 4.0)
    rng = np.random.default_rng(0)
    values = {
        "constant": np.full(120, source.y.mean()),
        "shuffled": rng.permutation(source.y),
        "worse": truth + 40,
    }[kind]
    bad = Says(values)
    others = [CORAL(centre=True, reg=r).fit(source.X, source.y, target=target) for r in (0.1, 0.01)]
    _, _, guard = fitted(source, target, *others, bad)
    assert guard.score(bad, source, target) < 0


def test_never_reads_target_labels():
    source, target, truth = case(0, 4.0)
    _, moved, guard = fitted(source, target)
    assert guard.score(moved, source, target) == guard.score(moved, source, Domain(target.X, truth))


def test_bad_input_is_named():
    source, target, _ = case(0, 4.0)
    anchor, moved, guard = fitted(source, target)
    with pytest.raises(ParamError, match="anchor must be the fitted model"):
        RegressionGuard().score(anchor, source, target)
    with pytest.raises(ParamError, match=r"RegressionGuard\.score: min_order must"):
        RegressionGuard(anchor, [moved], min_order=2).score(moved, source, target)
    with pytest.raises(DomainError, match=r"source\.y must hold numbers"):
        guard.score(moved, Domain(source.X, source.y.astype(str)), target)
    with pytest.raises(DomainError, match="must predict finite numbers"):
        guard.score(Says(np.full(120, np.nan)), source, target)


@pytest.mark.parametrize("other", [0, 1, 2])
def test_corn_instruments(other):
    path = Path(os.environ.get("TRANSFERKIT_DATA", ".")) / "corn_nir" / "cornData.mat"
    if not path.exists():
        pytest.skip("data set corn_nir (cornData.mat) is not there")
    raw = loadmat(path)
    spectra, y = [raw["ftAll"].ravel()[k] for k in range(3)], raw["Y"][:, 0]
    order = np.random.default_rng(0).permutation(80)
    source, target = Domain(spectra[0][order[:40]], y[order[:40]]), Domain(spectra[other][order[40:]])
    ridge = make_pipeline(StandardScaler(), RidgeCV(alphas=np.logspace(-6, 3, 10)))
    anchor = SourceOnly(ridge).fit(source.X, source.y, target=target)
    models = [SubspaceAlignment(k, estimator=ridge).fit(source.X, source.y, target=target) for k in (5, 10, 20)]
    guard = RegressionGuard(anchor, models, random_state=0)
    scores = [guard.score(m, source, target) for m in models]
    if other == 0:
        assert max(scores) <= 0
        return
    best = models[int(np.argmax(scores))]
    assert max(scores) > 0
    assert r2_score(y[order[40:]], best.predict(target.X)) > r2_score(y[order[40:]], anchor.predict(target.X)) + 5
