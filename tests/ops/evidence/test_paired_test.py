"""Paired tests by few labels: closed forms, the level at every look, power, and rows drawn without a preference."""

import math

import numpy as np
import pytest
from scipy import integrate, sparse, special, stats

from transferkit import DomainError, ParamError
from transferkit.ops.evidence.paired_test import (
    Pairs,
    _log_capital,
    count_pairs,
    gain_interval,
    labels_needed,
    log_evidence,
    rows_to_label,
    sign_test,
    stopping_times,
    verdict,
)


def test_pairs_are_counted():
    assert count_pairs([1, 0, 1, 1], [0, 1, 1, 0]) == Pairs(2, 1, 1)
    assert count_pairs([0.5, 2.0], [0.4, 2.0]) == (1, 0, 1)
    with pytest.raises(DomainError, match="count_pairs: loss_b must have the shape of loss_a"):
        count_pairs([1], [1, 0])


def test_the_sign_test_is_mcnemars_exact_one():
    assert sign_test(5, 1, mid_p=False) == pytest.approx(7 / 64)
    assert sign_test(5, 1) == pytest.approx(1 / 64 + 3 / 64)
    assert sign_test(5, 1, mid_p=False) == pytest.approx(stats.binomtest(5, 6, alternative="greater").pvalue)
    assert sign_test(0, 0) == 0.5
    for n in range(1, 30):  # mid-p values of both sides sum to 1
        assert sign_test(n // 3, n - n // 3) + sign_test(n - n // 3, n // 3) == pytest.approx(1)


@pytest.mark.parametrize("n", [5, 10, 30, 100])
def test_mid_p_keeps_its_level_closely(n):
    wins = np.arange(n + 1)
    p = np.array([sign_test(w, n - w) for w in wins])
    level = stats.binom.pmf(wins, n, 0.5)[p <= 0.1].sum()
    assert level < 0.12
    assert level > stats.binom.pmf(wins, n, 0.5)[stats.binom.sf(wins - 1, n, 0.5) <= 0.1].sum() - 1e-12


@pytest.mark.parametrize(("won", "lost"), [(0, 0), (7, 0), (3, 2), (0, 4), (12, 30)])
def test_the_evidence_is_the_mean_of_all_bets(won, lost):
    mean = integrate.quad(lambda p: 2 * (2 * p) ** won * (2 - 2 * p) ** lost, 0.5, 1)[0]
    assert log_evidence(won, lost) == pytest.approx(math.log(mean), rel=1e-6, abs=1e-6)


def test_the_evidence_of_wins_alone_and_a_fair_next_row():
    w = np.arange(60)
    np.testing.assert_allclose(np.exp(log_evidence(w, 0)), (2.0 ** (w + 1) - 1) / (w + 1), rtol=1e-10)
    a, b = np.meshgrid(np.arange(40), np.arange(40))
    now, won, lost = (np.exp(log_evidence(*pair)) for pair in ((a, b), (a + 1, b), (a, b + 1)))
    np.testing.assert_allclose((won + lost) / 2, now, rtol=1e-9)  # a martingale at 1/2 ...
    assert (0.4 * won + 0.6 * lost < now).all()  # ... and worth less where b is worse


def test_far_on_the_losing_side_nothing_overflows():
    assert log_evidence(0, 5000) < -5
    assert log_evidence(5000, 0) > 3000
    assert log_evidence(3000, 3100) < 0


def test_a_verdict_is_reached_and_left_open():
    assert verdict(5, 0, alpha=0.1) == "better"
    assert verdict(4, 0, alpha=0.1) == "open"
    assert verdict(0, 7) == "worse"
    assert verdict(10, 10) == "open"
    assert verdict(4, 0, n_left=3) == "better"
    assert verdict(4, 0, n_left=4) == "open"
    assert verdict(1, 3, n_left=1) == "worse"


@pytest.mark.parametrize("alpha", [0.1, 0.05, 0.01])
def test_the_level_holds_at_every_look(alpha):
    """Exact: the chance of ever saying "better" by 1000 labels, where b is no better or worse."""
    better, worse = stopping_times(0.5, alpha=alpha, most=1000)
    assert 0.5 * alpha < better.sum() <= alpha
    np.testing.assert_allclose(worse, better, atol=1e-12)
    assert stopping_times(0.4, alpha=alpha, most=1000)[0].sum() < better.sum()


def hits(n_rows, alpha):
    """Exact chance of ever saying "better" on half wins, half losses drawn in random order without replacement."""
    half, settled = n_rows // 2, 0.0
    chance = {0: 1.0}
    for n in range(n_rows):
        after = {}
        for w, p in chance.items():
            win = (half - w) / (n_rows - n)
            for k, q in ((w + 1, win), (w, 1 - win)):
                after[k] = after.get(k, 0.0) + p * q
        chance = {}
        for w, p in after.items():
            if p and log_evidence(w, n + 1 - w) >= math.log(1 / alpha):
                settled += p
            elif p:
                chance[w] = p
    return settled


@pytest.mark.parametrize("n_rows", [6, 10, 20, 60])
def test_the_level_holds_for_the_very_rows_too(n_rows):
    assert hits(n_rows, 0.1) < stopping_times(0.5, alpha=0.1, most=n_rows)[0].sum() + 1e-12 <= 0.1


def test_stopping_times_are_those_of_a_simulation():
    rng = np.random.default_rng(0)
    won = np.cumsum(rng.random((4000, 200)) < 0.75, axis=1)
    lost = np.arange(1, 201) - won
    up, down = log_evidence(won, lost) >= math.log(10), log_evidence(lost, won) >= math.log(10)
    first = np.where((up | down).any(axis=1), (up | down).argmax(axis=1), 199)
    better, worse = stopping_times(0.75, alpha=0.1, most=200)
    assert up[np.arange(4000), first].mean() == pytest.approx(better.sum(), abs=0.015)
    assert (first + 1).mean() == pytest.approx(labels_needed(0.75, alpha=0.1), rel=0.04)
    assert better.sum() > 0.95 > 0.05 > worse.sum()


def test_labels_needed():
    assert labels_needed(1.0, alpha=0.1) == 5
    assert labels_needed(1.0, alpha=0.05) == 7
    assert labels_needed(0.9) == pytest.approx(labels_needed(0.1))
    assert labels_needed(0.9, decided=0.5) == pytest.approx(2 * labels_needed(0.9))
    assert labels_needed(0.6) > 5 * labels_needed(0.8)
    assert labels_needed(0.5, most=500) == math.inf
    # never far from Wald's bound for a known win rate: log(1 / alpha) over the information of a row
    information = math.log(2) - special.entr([0.8, 0.2]).sum()
    assert math.log(20) / information < labels_needed(0.8) < 2 * math.log(20) / information


def test_gain_bounds_hold_at_every_look():
    """Rows are won with .5, lost with .2, both wrong with .3: the true mean leaves the bounds in 5 % of runs at most."""
    rng = np.random.default_rng(0)
    draws = rng.choice(3, size=(300, 80), p=[0.5, 0.2, 0.3])
    won, lost, ties = (np.cumsum(draws == k, axis=1).ravel() for k in range(3))
    capital = _log_capital(won, lost, ties, np.full(won.shape, 0.65)).reshape(300, 80)
    assert (capital.max(axis=1) >= math.log(20)).mean() <= 0.05
    gain, low, high = gain_interval(250, 100, 150, 200, 1000)
    assert gain == pytest.approx(0.06)
    assert 0.03 < low < 0.06 < high < 0.09


def test_gain_bounds_narrow_and_agree_with_the_test():
    widths = [np.ptp(gain_interval(6 * k, 3 * k, k, 100, 100)[1:]) for k in (1, 4, 16, 64)]
    assert (np.diff(widths) < 0).all()
    assert gain_interval(0, 0, 0, 30, 100) == (0.0, -0.3, 0.3)
    assert gain_interval(30, 2, 3, 50, 100)[1] > 0 > gain_interval(5, 4, 3, 50, 100)[1]
    mirrored = gain_interval(3, 30, 2, 50, 100)
    np.testing.assert_allclose(np.negative(mirrored)[[0, 2, 1]], gain_interval(30, 3, 2, 50, 100), atol=1e-12)


N = 400
RNG = np.random.default_rng(0)
A, X = RNG.integers(0, 4, N), RNG.normal(size=(N, 3))
B = np.where(RNG.random(N) < 0.4, RNG.integers(0, 4, N), A)
D = np.flatnonzero(A != B)


def test_the_order_is_fixed_and_goes_on():
    whole = rows_to_label(A, B, N, random_state=3)
    assert set(whole) == set(D)
    known = np.zeros(N, dtype=bool)
    asked = []
    while len(asked) < 25:
        new = rows_to_label(A, B, 5, known=known, random_state=3)
        asked += list(new)
        known[new] = True
    assert asked == whole[:25].tolist()
    assert rows_to_label(A, A, 3).size == 0
    names = np.array(["ash", "elm", "oak", "yew"])
    np.testing.assert_array_equal(rows_to_label(names[A], names[B], N, random_state=3), whole)


@pytest.mark.parametrize("design", ["uniform", "spread"])
def test_every_disputed_row_has_the_same_chance(design):
    a, b, x = A[:60], B[:60], X[:60]
    rows = np.flatnonzero(a != b)
    drawn = np.zeros(60)
    for seed in range(800):
        drawn[rows_to_label(a, b, 6, design=design, X=x, random_state=seed)] += 1
    assert drawn[np.setdiff1d(np.arange(60), rows)].sum() == 0
    chance = 6 / len(rows)
    assert np.abs(drawn[rows] / 800 - chance).max() < 5 * math.sqrt(chance * (1 - chance) / 800)


def test_the_spread_design_keeps_proportions_and_estimates_with_less_noise():
    won = np.where(X[:, 0] + 0.3 * RNG.normal(size=N) > 0, 1, -1)
    kind = A * 4 + B
    noise = {}
    for design in ("uniform", "spread"):
        draws = [rows_to_label(A, B, 24, design=design, X=X[:, :1], random_state=s) for s in range(150)]
        assert all(len(set(d)) == 24 for d in draws)
        balance = [won[d].mean() for d in draws]
        assert np.mean(balance) == pytest.approx(won[D].mean(), abs=0.06)
        noise[design] = np.var(balance)
        if design == "spread":
            counts = np.array([np.bincount(kind[d], minlength=16) for d in draws])
            expected = np.bincount(kind[D], minlength=16) * 24 / len(D)
            assert np.abs(counts - expected).max() < 1
    assert noise["spread"] < 0.7 * noise["uniform"]


def test_spread_over_probabilities_and_sparse_rows():
    proba = np.random.default_rng(0).dirichlet(np.ones(4), N)
    rows = rows_to_label(A, B, 10, design="spread", proba=proba, X=sparse.csr_matrix(X))
    assert len(rows) == 10
    assert np.isin(rows, D).all()


@pytest.mark.parametrize(
    ("error", "call", "says"),
    [
        (DomainError, lambda: rows_to_label(A, B[:5], 3), "rows_to_label: labels_b must have the shape"),
        (ParamError, lambda: rows_to_label(A, B, 0), "rows_to_label: n must be a whole number"),
        (
            ParamError,
            lambda: rows_to_label(A, B, 3, design="best"),
            "rows_to_label: design must be 'uniform' or 'spread'",
        ),
        (DomainError, lambda: rows_to_label(A, B, 3, known=np.zeros(3, bool)), "rows_to_label: known must be a bool"),
        (DomainError, lambda: rows_to_label(A, B, 3, known=np.zeros(N, int)), "rows_to_label: known must be a bool"),
        (ParamError, lambda: rows_to_label(A, B, 3, design="spread"), "rows_to_label: X or proba must be given"),
        (DomainError, lambda: rows_to_label(A, B, 3, design="spread", X=X[:9]), "rows_to_label: X must have one row"),
        (
            DomainError,
            lambda: rows_to_label(A, B, 3, design="spread", X=X * np.nan),
            "rows_to_label: X must be rows of",
        ),
        (ParamError, lambda: verdict(1, 0, alpha=1), r"verdict: alpha must be a number in \(0, 1\). Got 1"),
        (ParamError, lambda: labels_needed(0.8, decided=0), r"labels_needed: decided must be a number in \(0, 1\]"),
        (ParamError, lambda: labels_needed(1.2), r"stopping_times: win_rate must be a number in \[0, 1\]"),
        (ParamError, lambda: gain_interval(1, 0, 0, 2, 3, alpha=0), "gain_interval: alpha must be"),
    ],
)
def test_errors_name_the_argument(error, call, says):
    with pytest.raises(error, match=says):
        call()
