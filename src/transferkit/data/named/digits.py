"""Digits that scikit-learn bundles, as clean scans and as the same hands seen by a worse scanner."""

from __future__ import annotations

import numpy as np

from ...core.protocols import Array
from ._set import NamedSet, Place, Rows

__all__ = ["SET"]

_SEED = 0


def _read(place: Place, domains: tuple[str, ...], label: str, preprocess: str) -> Rows:
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    odd = np.zeros(len(y), dtype=bool)
    for digit in np.unique(y):
        # Every second image of each digit: the rows follow the writers, so both domains hold the same hands.
        odd[np.flatnonzero(y == digit)[1::2]] = True
    images = {"clean": X[~odd], "scanner": _scan(X[odd].reshape(-1, 8, 8)).reshape(-1, 64)}
    return {d: (images[d], y[odd] if d == "scanner" else y[~odd]) for d in domains}


def _scan(images: Array) -> Array:
    """What the worse scanner makes of images of shape (n, 8, 8): optics, lamp, sensor, in the order of the light."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(_SEED)
    seen = gaussian_filter(images, sigma=(0, 0.6, 0.6))  # out of focus
    seen = 0.5 * seen + 3.0  # a weak lamp and stray light: half the contrast, grey paper
    seen = seen * np.linspace(1.0, 0.6, 8)  # the lamp falls off to the right
    seen = seen + rng.normal(scale=0.5, size=seen.shape)  # read-out noise of the sensor
    seen = np.clip(np.rint(seen), 0, 16)  # 17 levels again
    seen[:, :, [0, -1]] = 0  # the driver blanks the margins
    return seen


SET = NamedSet(
    name="digits",
    title="Digits 8x8 from scikit-learn: clean scans, and the same hands seen by a worse scanner",
    domains=("clean", "scanner"),
    task="classification",
    n_features=64,
    files=(),
    licence="CC BY 4.0 (UCI, Optical Recognition of Handwritten Digits)",
    source="bundled with scikit-learn (sklearn.datasets.load_digits)",
    read=_read,
    classes=tuple("0123456789"),
    notes=(
        "needs no download",
        "the domains share no image: every second image of each digit went to the scanner",
        "levels are 0 (paper) to 16 (ink)",
        "the scanner is simulated, with a fixed seed: blur (Gaussian, 0.6 pixels), half the contrast on paper of level 3,"
        " light falling to 60 % at the right edge, noise (deviation 0.5), rounded to 17 levels, outer columns blank",
    ),
)
