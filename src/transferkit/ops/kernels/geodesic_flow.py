"""The geodesic flow kernel between two subspaces, in closed form (Gong, Shi, Sha & Grauman, CVPR 2012, eq. 6)."""

from __future__ import annotations

import numpy as np

from ...core.protocols import Array

__all__ = ["flow_factor"]


def flow_factor(axes_s: Array, axes_t: Array) -> tuple[Array, Array]:
    """A factor of the kernel that integrates the flow between two subspaces.

    Parameters
    ----------
    axes_s, axes_t : arrays of shape (n_features, dimension)
        Orthonormal bases of the source's and the target's subspace.

    Returns
    -------
    factor : array of shape (n_features, n_columns)
        L with ``L L' = G``; at most twice as many columns as the subspaces have.
    angles : array of shape (dimension,)
        Principal angles between the subspaces, in radians, rising.
    """
    U, cosine, Vt = np.linalg.svd(axes_s.T @ axes_t)
    A = axes_s @ U
    leaving = axes_t @ Vt.T - A * cosine
    sine = np.linalg.norm(leaving, axis=0)
    theta = np.arctan2(sine, cosine)
    moves = sine > len(A) * np.finfo(np.float64).eps
    B = leaving[:, moves] / sine[moves]
    # The integrals of cos^2, cos sin and sin^2 of (t theta), written so that theta = 0 is no special case.
    cos_cos = (1 + np.sinc(2 * theta / np.pi)) / 2
    cos_sin = np.sin(theta) * np.sinc(theta / np.pi) / 2
    sin_sin = (1 - np.sinc(2 * theta / np.pi)) / 2
    first = np.sqrt(cos_cos)
    mixed = cos_sin / first
    second = np.sqrt(np.maximum(sin_sin - mixed**2, 0))
    along = A * first
    along[:, moves] += B * mixed[moves]
    return np.hstack([along, B * second[moves]]), theta
