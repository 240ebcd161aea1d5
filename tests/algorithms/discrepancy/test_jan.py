"""JAN: an MMD whose kernel is a product over the layers; it sees what no layer alone can see."""

import numpy as np
import pytest
import torch

import adaptation_checks
import shifts
from transferkit import JAN, DeepSourceOnly, Domain
from transferkit.engine.adaptation.alignment import Joint
from transferkit.engine.training.objective import Stream
from transferkit.ops.nn.mmd import mk_mmd

pytestmark = pytest.mark.filterwarnings("ignore:.*(have collapsed|has diverged)")
SHIFT = shifts.offset(0)


def term(z, outputs, n, **params):
    source, target = Stream(None, None, torch.arange(n)), Stream(None, None, torch.arange(len(z) - n))
    return JAN(**params)._term(None)(Joint(z, outputs, source, target), 0.5)["loss"]


def test_with_one_layer_it_is_the_discrepancy_of_dan():
    torch.manual_seed(0)
    z, outputs = torch.randn(11, 4), torch.randn(11, 3)
    torch.testing.assert_close(term(z, outputs, 5, layers="features"), mk_mmd(z[:5], z[5:]))
    other = term(z, outputs, 5, layers="features", scales=[1.0])
    torch.testing.assert_close(other, mk_mmd(z[:5], z[5:], [1.0]))


def test_with_both_it_is_the_sum_over_pairs_of_products():
    torch.manual_seed(0)
    n, m, sigma = 4, 3, 0.7
    z, outputs = torch.randn(n + m, 2, dtype=torch.float64), torch.randn(n + m, 3, dtype=torch.float64)
    p = outputs.softmax(dim=1)
    mean = np.mean([[float((a - b).square().sum()) for a in z] for b in z])

    def k(i, j):
        return float(
            torch.exp(-(z[i] - z[j]).square().sum() / (2 * 0.5 * mean))
            * torch.exp(-(p[i] - p[j]).square().sum() / (2 * sigma**2))
        )

    s, t = range(n), range(n, n + m)
    expected = (
        sum(k(i, j) for i in s for j in s) / n**2
        + sum(k(i, j) for i in t for j in t) / m**2
        - 2 * sum(k(i, j) for i in s for j in t) / (n * m)
    )
    assert term(z, outputs, n, scales=[0.5], sigma=sigma).item() == pytest.approx(expected, abs=1e-6)


def test_it_sees_domains_that_differ_in_no_layer_but_in_how_the_layers_go_together():
    z = torch.tensor([[0.0], [1.0], [0.0], [1.0]])
    outputs = torch.tensor([[9.0, 0.0], [0.0, 9.0], [0.0, 9.0], [9.0, 0.0]])  # the target's classes are swapped
    for layer in ("features", "outputs"):
        assert term(z, outputs, 2, layers=layer).item() == pytest.approx(0, abs=1e-6)
    assert term(z, outputs, 2).item() > 0.1
    same = torch.cat([outputs[:2], outputs[:2]])
    assert term(z, same, 2).item() == pytest.approx(0, abs=1e-6)


def test_an_offset_domain_is_recognised():
    own = {"training": adaptation_checks.training(n_epochs=15)}
    ours, plain = (
        cls(**adaptation_checks.settings(own)).fit(SHIFT.X, SHIFT.y, target=Domain(SHIFT.Xt))
        for cls in (JAN, DeepSourceOnly)
    )
    assert ours.score(SHIFT.Xt, SHIFT.yt) > plain.score(SHIFT.Xt, SHIFT.yt) + 0.1


def test_options_are_checked():
    for wrong in ({"scales": ()}, {"sigma": 0.0}, {"layers": "all"}):
        with pytest.raises(ValueError, match=rf"JAN.*{next(iter(wrong))} must"):
            JAN(**adaptation_checks.settings(wrong)).fit(SHIFT.X, SHIFT.y, target=Domain(SHIFT.Xt))
