"""SCM: semantic matching of canonical projections, step by step, and with any other projection."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression

import spaces
from transferkit import KCCA, CanonicalCorrelation, Domain, ParamError, SemanticCorrelationMatching, SemanticMatching

PAIRS = np.column_stack([np.arange(60), np.arange(60)])


def test_it_is_cca_and_then_semantic_matching():
    world = spaces.seen_twice(0, 60)
    cca = CanonicalCorrelation(n_components=2, reg=0.1).fit(world.X, world.y, target=Domain(world.Xt), pairs=PAIRS)
    Z, Zt = cca.transform(world.X, domain="source"), cca.transform(world.Xt)
    sm = SemanticMatching(LogisticRegression()).fit(Z, world.y, target=Domain(Zt), pairs=PAIRS)
    for projection in (None, CanonicalCorrelation(n_components=2, reg=0.1)):
        model = SemanticCorrelationMatching(2, 0.1, projection, LogisticRegression())
        model.fit(world.X, world.y, target=Domain(world.Xt), pairs=PAIRS)
        assert model.n_components_ == 2
        np.testing.assert_allclose(model.transform(world.Xt), sm.transform(Zt), atol=1e-6)
        np.testing.assert_allclose(
            model.transform(world.X, domain="source"), sm.transform(Z, domain="source"), atol=1e-6
        )


def test_another_projection_leaves_nothing_of_the_first_behind():
    world = spaces.seen_twice(0, 60)
    model = SemanticCorrelationMatching().fit(world.X, world.y, target=Domain(world.Xt), pairs=PAIRS)
    model.set_params(projection=KCCA()).fit(world.X, world.y, target=Domain(world.Xt), pairs=PAIRS)
    assert not hasattr(model, "source_map_")
    assert isinstance(model.projection_, KCCA)
    assert model.score(world.Xt, world.yt) > 0.8


def test_noise_that_the_modalities_do_not_share_is_left_out():
    """Many columns of noise and few labels: what only one modality has is no direction, and its posteriors do not fit it."""
    gains = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        hidden = rng.normal(size=(300, 2))
        y = (hidden[:, 0] > 0).astype(int)
        X, Xt = (hidden @ rng.normal(size=(2, 40)) + 2 * rng.normal(size=(300, 40)) for _ in range(2))
        pairs = np.column_stack([np.arange(200)] * 2)
        found = []
        for method in (SemanticMatching(), SemanticCorrelationMatching(n_components=2)):
            model = method.fit(X[:200], y[:200], target=Domain(Xt[:200]), pairs=pairs)
            found.append((model.transform(Xt[200:]).argmax(axis=1) == y[200:]).mean())
        gains.append(found[1] - found[0])
    assert np.mean(gains) > 0.02


def test_pairs_or_labels_are_needed():
    world = spaces.scrambled(0)
    with pytest.raises(Exception, match="known labels, or pairs must be given"):
        SemanticCorrelationMatching().fit(world.X, world.y, target=Domain(world.Xt))


def test_a_projection_is_given_whole_names_and_has_to_map_both_sides():
    world = spaces.scrambled(0)
    names = np.array(["cat", "elephant", "ox"])
    target = Domain(world.Xt, names[world.yt], np.arange(90) < 30)
    model = SemanticCorrelationMatching(projection=CanonicalCorrelation()).fit(world.X, names[world.y], target=target)
    assert model.score(world.Xt, names[world.yt]) > 0.8
    with pytest.raises(ParamError, match=r"^SemanticCorrelationMatching\.fit: projection must .* takes pairs"):
        SemanticCorrelationMatching(projection=PCA(2)).fit(world.X, names[world.y], target=target)
