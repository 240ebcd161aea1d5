"""Several sources: which is most like the target."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.protocols import Array
from ...ops.components import component_space, subsample
from ...ops.evidence.performance_shift import domain_posterior
from ...ops.evidence.support import outside_rows
from ...ops.evidence.two_sample import classifier_two_sample, domain_space, median_bandwidth, mmd_test, proxy_a_distance

__all__ = ["rank_sources"]

COMPONENTS = 20
MOST = 1000


def rank_sources(Xs: Array, groups: Array, Xt: Array, rng: np.random.RandomState) -> list[dict[str, Any]]:
    """One line a source, the most related first: by domain AUC in steps of 0.02, then by kernel distance.

    All sources are measured in one space with one kernel width, so that their distances compare.
    """
    Zs, Zt = component_space(Xs, Xt, n_components=COMPONENTS, random_state=rng)
    width = median_bandwidth(np.concatenate([Zs, Zt]), random_state=rng)
    most = subsample(len(Zt), MOST, rng)
    found = []
    for name in dict.fromkeys(groups.tolist()):
        own = np.flatnonzero(groups == name)
        few = own[subsample(len(own), MOST, rng)]
        test = classifier_two_sample(Xs[own], Xt, n_permutations=199, random_state=rng)
        mmd2, mmd_p = mmd_test(Zs[few], Zt[most], bandwidth=width, n_permutations=199, random_state=rng)
        posterior = domain_posterior(*domain_space(Xs[few], Xt[most], random_state=rng), random_state=rng)
        found.append(
            {
                "name": str(name),
                "rows": len(own),
                "auc": test.auc,
                "auc_p": test.p,
                "proxy_a_distance": proxy_a_distance(test.error),
                "mmd2": mmd2,
                "mmd_p": mmd_p,
                "outside": float(outside_rows(*posterior).mean()),
            }
        )
    # Beyond two hundredths an AUC of folds does not order; near 1 it is the same for all, and the kernel distance decides.
    return sorted(found, key=lambda s: (round(max(s["auc"], 0.5) / 0.02), s["mmd2"], s["name"]))
