"""FDA: the swap in Fourier space by its identities, the loss by hand, and pictures in another light."""

import numpy as np
import pytest
import torch
from torch.nn import functional

import adaptation_checks
import networks
from generative_toys import captured, pictures
from transferkit import FDA, DeepSourceOnly, Domain
from transferkit.algorithms.generative.fda import _swap_amplitude

pytestmark = pytest.mark.filterwarnings("ignore:.*(have collapsed|has diverged)")
SHAPES = [(5, 3, 8, 8), (5, 1, 9, 12), (5, 2, 11), (5, 10)]


def pair(shape):
    generator = torch.Generator().manual_seed(0)
    return torch.rand(shape, generator=generator), torch.rand(shape, generator=generator)


@pytest.mark.parametrize("shape", SHAPES)
def test_identities(shape):
    x, other = pair(shape)
    assert _swap_amplitude(x, other, 0.0) is x
    torch.testing.assert_close(_swap_amplitude(x, x, 0.3), x)
    axes = (-2, -1) if len(shape) == 4 else (-1,)
    means = _swap_amplitude(x, other, 1e-6)  # the mean alone
    torch.testing.assert_close(means, x - x.mean(axes, keepdim=True) + other.mean(axes, keepdim=True))


@pytest.mark.parametrize("shape", SHAPES)
def test_amplitudes_of_the_window_are_the_others_and_phases_its_own(shape):
    x, other = pair(shape)
    found = _swap_amplitude(x, other, 0.25)
    axes = (-2, -1) if len(shape) == 4 else (-1,)
    spectra = [np.fft.fftn(v.numpy().astype(float), axes=axes) for v in (x, other, found)]
    highest = int(0.25 * min(shape[a] for a in axes))
    low = np.ones((), bool)
    for a in axes:
        low = low & (np.abs(np.fft.fftfreq(shape[a], 1 / shape[a])) <= highest).reshape([-1] + [1] * (-a - 1))
    assert 1 < low.sum() < low.size
    own, its, got = spectra
    np.testing.assert_allclose(np.abs(got), np.where(low, np.abs(its), np.abs(own)), atol=1e-5)
    np.testing.assert_allclose(got / np.abs(got), own / np.abs(own), atol=1e-4)


@pytest.mark.parametrize("eta", [2.0, 0.7])
def test_the_loss_by_hand(monkeypatch, eta):
    """On pixels from black on: with the amplitudes of all frequencies below the window's edge, one source row at a time."""
    objective, batch = captured(monkeypatch, FDA, beta=0.2, trade_off=0.3, eta=eta)
    found = objective.steps()[0].loss(batch, 0.0)
    (s, t), low = (batch["source"], batch["target"]), -1.0  # mean and std 0.5
    x = torch.stack([_swap_amplitude((a - low)[None], (b - low)[None], 0.2)[0] + low for a, b in zip(s.x, t.x)])
    outputs = objective.network(torch.cat([x, t.x]))
    p = outputs[len(x) :].softmax(1)
    h = -(p * p.log()).sum(1) / np.log(2)
    transfer = ((h**2 + 1e-6) ** eta).mean()
    torch.testing.assert_close(found["transfer"], transfer)
    expected = functional.cross_entropy(outputs[: len(x)], s.y) + 0.3 * transfer
    torch.testing.assert_close(found["loss"], expected)


def test_pictures_in_another_light_are_recognised():
    """Against the network trained on the source alone, and against the same method that swaps nothing; three seeds."""
    found = []
    for seed in range(3):
        X, y, Xt, yt = pictures(seed)
        training = adaptation_checks.training(n_epochs=16, batch_size=16)
        own = {
            "backbone": networks.KINDS["images"].fresh(),
            "bottleneck": None,
            "random_state": seed,
            "training": training,
        }
        models = DeepSourceOnly(**own), FDA(**own, beta=0.0), FDA(**own)
        found.append([m.fit(X, y, target=Domain(Xt)).score(Xt, yt) for m in models])
    alone, unswapped, swapped = np.mean(found, axis=0)
    assert swapped > max(alone, unswapped) + 0.2
