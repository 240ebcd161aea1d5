"""MixStyle: the formula of the paper, whose style a row gets, and where nothing is mixed."""

import numpy as np
import pytest
import torch

import networks
from adaptation_checks import training
from source_groups import Sources, assert_source_only, assert_target_unused, built, fitted, small, two_moved
from transferkit import Domain, MixStyle, ParamError
from transferkit.ops.nn.styles import mix_styles, partners

pytestmark = pytest.mark.filterwarnings("ignore:.*(have collapsed|has diverged)")
DATA = two_moved(0)
RNG = torch.Generator().manual_seed(0)


def test_a_map_gets_the_statistics_between_both():
    x = torch.randn(4, 3, 5, 6, generator=RNG, dtype=torch.float64).float() * torch.tensor([1.0, 2, 3])[:, None, None]
    share, partner = torch.tensor([1.0, 0.0, 0.25, 0.5]), torch.tensor([2, 3, 0, 1])
    found = mix_styles(x, share, partner, [2, 2])
    torch.testing.assert_close(found[0], x[0])
    mean, spread = x.mean(dim=(2, 3)), x.std(dim=(2, 3), correction=0)
    lam = share[:, None]
    torch.testing.assert_close(found.mean(dim=(2, 3)), lam * mean + (1 - lam) * mean[partner], atol=1e-5, rtol=1e-5)
    expected = lam * spread + (1 - lam) * spread[partner]
    torch.testing.assert_close(found.std(dim=(2, 3), correction=0), expected, atol=1e-4, rtol=1e-4)
    # What is left of a row without its statistics is its own.
    own, new = ((v - v.mean((2, 3), keepdim=True)) / v.std((2, 3), correction=0, keepdim=True) for v in (x, found))
    torch.testing.assert_close(own, new, atol=1e-4, rtol=1e-4)
    last = mix_styles(x.movedim(1, 3), share, partner, [2, 2], axis=3)
    torch.testing.assert_close(last.movedim(3, 1), found)


def test_vectors_get_the_statistics_of_the_other_domain():
    x = torch.cat([torch.randn(50, 3, generator=RNG), 4 + 2 * torch.randn(30, 3, generator=RNG)])
    partner = partners([50, 30])
    found = mix_styles(x, torch.zeros(80), partner, [50, 30])
    torch.testing.assert_close(found[:50].mean(0), x[50:].mean(0), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(found[50:].std(0, correction=0), x[:50].std(0, correction=0), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(mix_styles(x, torch.zeros(80), torch.randperm(80), [80]), x, atol=1e-5, rtol=1e-5)


def test_a_partner_is_of_another_domain_and_any_of_its_rows():
    sizes = [3, 2, 4]
    domain = np.repeat(np.arange(3), sizes)
    torch.manual_seed(0)
    drawn = np.array([partners(sizes).numpy() for _ in range(500)])
    for row in range(9):
        assert set(drawn[:, row]) == set(np.flatnonzero(domain != domain[row]))
    assert sorted(partners([6]).tolist()) == list(range(6))


def test_statistics_have_no_gradient():
    x = torch.randn(4, 3, 5, 5, generator=RNG, requires_grad=True)
    share, partner = torch.full((4,), 0.3), torch.tensor([1, 2, 3, 0])
    found = mix_styles(x, share, partner, [4])
    (slope,) = torch.autograd.grad(found.sum(), x)
    spread = x.detach().std(dim=(2, 3), correction=0, keepdim=True)
    torch.testing.assert_close(
        slope, ((0.3 * spread + 0.7 * spread[partner]) / spread).expand_as(x), rtol=1e-4, atol=1e-5
    )


def test_without_a_chance_and_with_one_source_of_vectors_it_is_source_only():
    assert_source_only(small(MixStyle, chance=0.0, training=training(n_epochs=2)), DATA)


def test_the_target_changes_nothing():
    assert_target_unused(small(MixStyle, training=training(n_epochs=2)), DATA)


def test_it_mixes_in_training_and_at_no_other_time():
    objective, batch = built(small(MixStyle, chance=1.0), DATA)
    step = objective.steps()[0].loss
    with torch.no_grad():
        first, second = step(batch, 0.5)["loss"], step(batch, 0.5)["loss"]
    assert first != second
    objective.eval()
    x = batch["source_0"].x
    torch.testing.assert_close(objective.predict_step(x), objective.predict_step(x), rtol=0, atol=0)


def test_maps_of_an_image_network():
    X, y, _, _ = networks.image_rows(40, 0)
    module = networks.KINDS["images"].fresh()
    first = next(name for name, m in module.named_modules() if isinstance(m, torch.nn.Conv2d))
    for layers in (None, (first,)):
        est = MixStyle(module, bottleneck=8, layers=layers, chance=1.0, training=training(n_epochs=2))
        model = est.fit(X, y, target=Domain(X), groups=np.arange(40) % 2)
        assert np.isfinite(model.predict_proba(X)).all()
    with pytest.raises(ParamError, match=r"^MixStyle\.fit: layers must be names of modules of the body\. Got 'layer9'"):
        est.set_params(layers=("layer9",)).fit(X, y, target=Domain(X))


def test_a_third_domain_further_out_loses_nothing_by_it():
    """Each source has another zero on all columns; the target's is beyond both."""
    gains = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        y, groups, yt = rng.integers(0, 2, 160), np.arange(160) % 2, rng.integers(0, 2, 160)
        X, Xt = rng.normal(size=(2, 160, 5))
        X[:, 0] += 3 * y
        Xt[:, 0] += 3 * yt
        shift = rng.normal(size=5)
        data = Sources(X + np.outer(groups, shift), y, groups, Xt + 2 * shift, yt)
        given = {"random_state": seed, "training": training(n_epochs=15)}
        one, two = (fitted(small(MixStyle, chance=c, **given), data) for c in (0.5, 0.0))
        gains.append(one.score(data.Xt, data.yt) - two.score(data.Xt, data.yt))
    assert np.mean(gains) > -0.02, gains
