"""From and to the stacked convention: what goes out comes back, and reserved values never become labels."""

import numpy as np
import pytest

from transferkit import Domain, DomainError, from_sample_domain, to_sample_domain

RNG = np.random.default_rng(0)
X1, X2, XT = RNG.normal(size=(4, 2)), RNG.normal(size=(3, 2)), RNG.normal(size=(5, 2))


@pytest.mark.parametrize(
    ("y1", "y2", "reserved"),
    [
        (np.array([0, 1, 0, 1]), np.array([1, 1, 0]), -1),
        (np.array(["a", "b", "a", "b"]), np.array(["b", "b", "a"]), None),
        (np.array([0.5, 1.5, 2.5, 3.5]), np.array([1.0, 2.0, 3.0]), np.nan),
    ],
    ids=["classes", "text", "numbers"],
)
def test_round_trip(y1, y2, reserved):
    X, y, signs = to_sample_domain([Domain(X1, y1), Domain(X2, y2)], Domain(XT, name="t"))
    assert X.shape == (12, 2)
    assert signs.tolist() == [1] * 4 + [2] * 3 + [-3] * 5
    for value in y[7:]:
        assert value is reserved or value == reserved or np.isnan(value)
    sources, target = from_sample_domain(X, y, signs)
    assert [s.name for s in sources] == ["source_1", "source_2"]
    for source, rows, labels in zip(sources, (X1, X2), (y1, y2)):
        np.testing.assert_array_equal(source.X, rows)
        assert source.y.tolist() == labels.tolist()
    np.testing.assert_array_equal(target.X, XT)
    assert target.y is None


def test_known_target_labels_go_out():
    known = np.array([True, False, True, False, False])
    target = Domain(XT, np.array([1, 0, 0, 1, 1]), known)
    _, y, _ = to_sample_domain([Domain(X1, np.array([0, 1, 0, 1]))], target)
    assert y[4:].tolist() == [1, -1, 0, -1, -1]


def test_shuffled_rows_keep_their_order():
    signs = np.array([2, -1, 1, -1, 2])
    X = np.arange(10.0).reshape(5, 2)
    sources, target = from_sample_domain(X, np.arange(5), signs)
    assert sources[0].y.tolist() == [2]
    assert sources[1].y.tolist() == [0, 4]
    np.testing.assert_array_equal(target.X, X[[1, 3]])
    assert from_sample_domain(X, None, signs)[0][0].y is None


@pytest.mark.parametrize(
    ("signs", "said"),
    [
        ([1, 1, 0, -1], "whole numbers other than 0"), ([1.0, 1, -1, -1], "whole numbers"), ([[1, 1, -1, -1]], "whole numbers"),
        ([1, 1, 1, 1], r"a source \(positive\) and a target \(negative\)"), ([-1, -1, -1, -1], "a source"),
    ],
)  # fmt: skip
def test_signs_that_say_nothing(signs, said):
    with pytest.raises(DomainError, match=rf"^from_sample_domain: sample_domain must .*{said}"):
        from_sample_domain(np.zeros((4, 1)), np.zeros(4), np.array(signs))


@pytest.mark.parametrize(
    "sources", [[], [Domain(X1)], [Domain(X1, np.arange(len(X1)), known=np.zeros(len(X1), dtype=bool))]]
)
def test_sources_without_labels(sources):
    with pytest.raises(DomainError, match=r"^to_sample_domain: sources must be domains whose labels are all known"):
        to_sample_domain(sources, Domain(XT))
