"""T3A: supports and weights by hand, what is kept, and that nothing but the classifier changes."""

import numpy as np
import pytest
import torch
from torch import nn

from source_worlds import world
from transferkit import T3A, ParamError
from transferkit.engine.backbones import load_backbone


def unit(v):
    return v / np.linalg.norm(v, axis=1, keepdims=True)


@pytest.mark.parametrize("n_kept", [5, None])
def test_weights_by_hand(n_kept):
    """Eqs. 4 to 7, batch by batch, in numpy."""
    shift, source = world()
    w, b = (v.detach().numpy() for v in (source.network_.head.out.weight, source.network_.head.out.bias))
    z = source.transform(shift.Xt)

    def entropy(features):
        e = np.exp(features @ w.T + b - (features @ w.T + b).max(axis=1, keepdims=True))
        p = e / e.sum(axis=1, keepdims=True)
        return -(p * np.log(np.maximum(p, 1e-30))).sum(axis=1)

    supports = [[(entropy(w[[k]])[0], unit(w[[k]])[0])] for k in range(3)]
    for row, y, h in zip(unit(z), (z @ w.T + b).argmax(axis=1), entropy(z)):
        supports[y].append((h, row))
    kept = [sorted(own, key=lambda pair: pair[0])[:n_kept] for own in supports]
    centres = unit(np.array([np.mean([row for _, row in own], axis=0) for own in kept]))
    model = T3A(source, n_kept=n_kept, batch_size=90).fit(shift.Xt)
    np.testing.assert_allclose(model.network_.head.out.weight.detach().numpy(), centres, atol=1e-4)
    np.testing.assert_allclose(model.decision_function(shift.Xt), z @ centres.T, rtol=1e-3, atol=1e-3)
    assert model.history_[0]["kept"] == sum(map(len, kept))


def test_batches_end_where_one_batch_does():
    """Filtering in between leaves the same rows: the lowest of all are among the lowest of each part."""
    shift, source = world()
    found = [T3A(source, n_kept=4, batch_size=n, roll_back=0.0).fit(shift.Xt) for n in (90, 30, 1)]
    for other in found[1:]:
        np.testing.assert_allclose(other.predict_proba(shift.Xt), found[0].predict_proba(shift.Xt), atol=1e-5)


def test_only_the_classifier_changes():
    shift, source = world()
    model = T3A(source).fit(shift.Xt)
    for name, value in source.network_.state_dict().items():
        assert torch.equal(value, model.network_.state_dict()[name]) != name.startswith("head"), name


def test_the_classifier_must_be_linear():
    net = nn.Sequential(nn.Linear(6, 4), nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 3)))
    source = load_backbone(net, sample=np.zeros(6, np.float32), head="1")
    with pytest.raises(ParamError, match=r"T3A\.fit: source must have a linear classifier\. Got Sequential"):
        T3A(source).fit(np.zeros((4, 6)))
