"""SM: the posteriors of two logistic regressions, and retrieval that needs no correlation between the modalities."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import spaces
from transferkit import CanonicalCorrelation, Domain, DomainError, SemanticMatching
from transferkit.data import named
from transferkit.ops.metrics.retrieval import mean_average_precision, similarities


def retrieval(model, X, Xt, y, yt):
    a, b = model.transform(X, domain="source"), model.transform(Xt)
    return [mean_average_precision(similarities(*q), *c) for q, c in (((a, b), (y, yt)), ((b, a), (yt, y)))]


def test_the_common_space_is_the_posteriors_of_each_side():
    world = spaces.scrambled(0)
    pairs = np.column_stack([np.arange(30), np.flatnonzero(world.yt == world.yt)[:30]])
    carried = world.y[:30]
    model = SemanticMatching().fit(world.X, world.y, target=Domain(world.Xt), pairs=pairs)
    for rows, labels, new, domain in (
        (world.X, world.y, world.X, "source"), (world.Xt[pairs[:, 1]], carried, world.Xt, "target"),
    ):  # fmt: skip
        plain = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(rows, labels)
        np.testing.assert_array_equal(model.transform(new, domain=domain), plain.predict_proba(new))


def test_rows_of_one_class_are_found_where_nothing_but_the_class_is_shared():
    """Pairs at random within the class: two modalities without any correlation inside a class."""
    world = spaces.scrambled(0, 180)
    target = world.target(8)
    found = retrieval(SemanticMatching().fit(world.X, world.y, target=target), world.X, world.Xt, world.y, world.yt)
    assert min(found) > 0.9
    by_chance = np.mean([np.mean(world.yt == c) for c in range(3)])
    assert min(found) > by_chance + 0.5


def test_a_class_without_a_label_in_the_target_has_probability_zero():
    world = spaces.scrambled(0)
    known = (world.yt != 2) & (np.arange(90) < 40)
    model = SemanticMatching().fit(world.X, world.y, target=Domain(world.Xt, world.yt, known))
    np.testing.assert_array_equal(model.transform(world.Xt)[:, 2], 0)
    assert (model.transform(world.X, domain="source")[:, 2] > 0).all()


def test_numbers_are_refused():
    world = spaces.seen_twice(0, 40)
    with pytest.raises(DomainError, match=r"^SemanticMatching\.fit: y must hold classes"):
        SemanticMatching().fit(world.X, world.X[:, 0], target=Domain(world.Xt), pairs=[[0, 0]])


def test_wikipedia_beats_correlation_both_ways():
    """2173 articles to learn from, 693 to judge on: more than chance, and abstraction beats correlation, as published."""
    if named.where("wikipedia-crossmodal") is None:
        pytest.skip("wikipedia-crossmodal is not in the folder that TRANSFERKIT_DATA names")
    data = named.load("wikipedia-crossmodal")
    y, yt = data["image"].y, data["image-test"].y
    pairs = np.column_stack([np.arange(len(y))] * 2)
    found = [
        retrieval(
            method.fit(data["image"].X, y, target=Domain(data["text"].X), pairs=pairs),
            data["image-test"].X, data["text-test"].X, yt, yt,
        )
        for method in (CanonicalCorrelation(), SemanticMatching())
    ]  # fmt: skip
    assert np.mean(found[0]) > 0.2 > 0.118  # chance
    assert np.mean(found[1]) > np.mean(found[0])
