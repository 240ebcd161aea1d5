"""Graph matching: isomorphic graphs are recovered up to automorphism, a seed or names fix the rest, subgraphs are found."""

from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import quadratic_assignment

from transferkit import Domain, DomainError, LabelMapping, match_graphs
from transferkit.core.graph_matching import _Problem


def random_graph(n, seed=0, directed=False):
    rng = np.random.default_rng(seed)
    A = rng.uniform(size=(n, n)) < 0.4
    A = A if directed else np.triu(A, 1) | np.triu(A, 1).T
    return A.astype(float) * ~np.eye(n, dtype=bool), rng.permutation(n)


@pytest.mark.parametrize("directed", [False, True])
def test_isomorphic_graphs_are_recovered(directed):
    A, order = random_graph(20, directed=directed)
    match = match_graphs(A, A[np.ix_(order, order)])
    assert match.mismatch == 0
    assert match.mapping == {int(order[k]): k for k in range(20)}
    assert not match.alternatives, "it has no symmetry"


def test_a_seed_fixes_the_automorphism():
    """A path is its own mirror image."""
    path = pd.DataFrame(np.eye(5, k=1) + np.eye(5, k=-1), index=list("abcde"))
    other = pd.DataFrame(path.to_numpy(), index=list("vwxyz"))
    forward, back = dict(zip("abcde", "vwxyz")), dict(zip("abcde", "zyxwv"))
    match = match_graphs(path, other)
    assert match.mismatch == 0
    assert [match.mapping, *match.alternatives] in ([forward, back], [back, forward])
    for seed, expected in ((("a", "v"), forward), (("b", "y"), back)):
        fixed = match_graphs(path, other, seeds=[seed])
        assert (fixed.mapping, fixed.alternatives) == (expected, [])
    names = np.zeros((5, 5))
    names[4, 0] = 0.01
    assert match_graphs(path, other, similarity=names).mapping == back, "a hint is enough"


def test_the_smaller_graph_is_found_in_the_larger_one():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(12, 3))
    D = np.linalg.norm(X[:, None] - X, axis=2)
    part = rng.permutation(12)[:7]
    match = match_graphs(D[np.ix_(part, part)], D)
    assert match.mismatch == pytest.approx(0)
    assert list(match.mapping.values()) == part.tolist()
    turned = match_graphs(D, D[np.ix_(part, part)])
    assert turned.mapping == {int(node): k for k, node in enumerate(part)}


def test_it_is_the_best_of_all_maps():
    """Noisy edges of seven nodes: every map is tried."""
    rng = np.random.default_rng(1)
    A = rng.uniform(size=(7, 7))
    B = rng.uniform(size=(7, 7))
    problem = _Problem(A, B, np.zeros((7, 7)), np.empty((0, 2), int), 1.0)
    least = min(problem.cost(np.array(p)) for p in permutations(range(7)))
    match = match_graphs(A, B)
    assert match.mismatch == pytest.approx(least)
    scale = ((A**2).mean() + (B**2).mean()) / 2
    p = list(match.mapping.values())
    assert match.mismatch == pytest.approx(((A - B[np.ix_(p, p)]) ** 2).mean() / scale)


def test_from_the_mean_of_all_maps_it_is_faq():
    rng = np.random.default_rng(0)
    A, B = rng.uniform(size=(2, 15, 15))  # no two edges alike, so that each step is one and no other
    problem = _Problem(A, B, np.zeros((15, 15)), np.empty((0, 2), int), 1.0)
    faq = quadratic_assignment(
        A, B, options={"maximize": True, "P0": "barycenter", "maxiter": 100, "tol": 1e-9, "rng": rng}
    ).col_ind
    assert problem.cost(problem.solve(problem.starts(0, None)[0])) == pytest.approx(problem.cost(faq))
    assert match_graphs(A, B).mismatch <= problem.cost(faq) + 1e-12, "more starts are no worse"


def test_the_slope_is_the_derivative():
    rng = np.random.default_rng(0)
    problem = _Problem(rng.normal(size=(4, 4)), rng.normal(size=(6, 6)), np.zeros((4, 6)), np.empty((0, 2), int), 1.0)
    P, step = rng.uniform(size=(2, 4, 6))
    value = [
        np.einsum("ijkl,ik,jl->", (problem.A[:, :, None, None] - problem.B) ** 2, Q, Q) / 16
        for Q in (P - 1e-4 * step, P + 1e-4 * step)
    ]
    assert (problem.slope(P) * step).sum() == pytest.approx((value[1] - value[0]) / 2e-4)
    assert (problem.slope(P) * P).sum() / 2 == pytest.approx(np.mean(value), abs=1e-6)


def test_its_map_carries_a_classifier_over():
    """No target label is known; how the classes of each side lie to one another is."""
    rng = np.random.default_rng(0)
    centres = np.array([[0, 0], [5, 0], [0, 12], [20, 9]])
    kind = np.arange(80) % 4
    X = centres[kind] + rng.normal(size=(80, 2))
    english, german = np.array(["a", "b", "c", "d"]), np.array(["D", "B", "A", "C"])
    D = np.linalg.norm(centres[:, None] - centres, axis=2)
    at = [3, 1, 0, 2]
    match = match_graphs(pd.DataFrame(D, index=english), pd.DataFrame(D[np.ix_(at, at)], index=german))
    assert match.mapping == {"a": "A", "b": "B", "c": "C", "d": "D"}
    model = LabelMapping(mapping=match.mapping).fit(X, english[kind], target=Domain(X + 0.1))
    assert model.score(X + 0.1, np.char.upper(english[kind])) > 0.95


def test_one_node_and_no_edges():
    assert match_graphs([[0]], [[0, 0], [0, 0]]).mapping in ({0: 0}, {0: 1})
    assert match_graphs([[0]], [[3]]).mapping == {0: 0}


@pytest.mark.parametrize(
    ("args", "more", "words"),
    [
        (([[0, 1]], [[0]]), {}, r"source must be square"),
        (([[0]], [[np.nan]]), {}, r"target must be finite"),
        (([["a"]], [[0]]), {}, r"source must be a table of numbers"),
        ((pd.DataFrame(np.eye(2), index=["a", "a"]), [[0]]), {}, r"source must have names of its own"),
        ((np.eye(2), np.eye(3)), {"similarity": np.eye(2)}, r"similarity must be finite numbers of shape \(2, 3\)"),
        ((np.eye(2), np.eye(3)), {"seeds": [(0, 3)]}, r"seeds must be pairs of a source and a target node"),
        ((np.eye(2), np.eye(3)), {"seeds": [(0, 1), (1, 1)]}, r"seeds must name each node once"),
        ((np.eye(2), np.eye(3)), {"n_starts": -1}, r"similarity_weight and n_starts must be 0 or more"),
    ],
)
def test_what_cannot_be_used_is_named(args, more, words):
    with pytest.raises(DomainError, match=rf"^match_graphs: {words}"):
        match_graphs(*args, **more)
