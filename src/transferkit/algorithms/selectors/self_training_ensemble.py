"""Self-training ensemble: check models train themselves where they contradict a candidate; what stays disputed is its error."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state

from ...core.base import ESTIMATOR
from ...core.constraints import Interval, RandomState
from ...core.errors import ParamError
from ...core.protocols import Array, Domain
from ...core.weighted_fit import fit_weighted, takes_weights
from ...ops.evidence.ballots import labels_of, majority
from ...ops.evidence.label_free import candidate_features, check_label_free, check_labelled
from ...ops.evidence.refits import classes_of

CARD = {
    "class": "SelfTrainingEnsemble",
    "protocol": "Selector",
    "settings": ("unsupervised",),
    "tasks": ("classification",),
    "data": ("vectors",),
    "needs": (),
    "cost": "n",
    "paper": "Chen, Liu, Avci, Wu, Liang & Jha. Detecting Errors and Estimating Accuracy on Unlabeled Data with Self-training"
    " Ensembles. NeurIPS 2021.",
    "url": "https://arxiv.org/abs/2106.15728",
}

__all__ = ["SelfTrainingEnsemble"]


class SelfTrainingEnsemble(BaseEstimator):
    """Estimate a candidate's target accuracy as its agreement with an ensemble that trains itself where it disagrees.

    Parameters
    ----------
    estimator : classifier, default=None
        The check model; must take ``sample_weight``. None is logistic regression on standardised features.
    n_models : int in [2, inf), default=5
        Members of the ensemble, each with its own bootstrap weights of the source rows.
    n_rounds : int in [1, inf), default=5
        Rounds of self-training. It stops earlier where a round changes nothing.
    gamma : float in [0, 1], default=0.1
        Weight of a pseudo-labelled target row; a source row counts 1. 0 is a plain ensemble.
    random_state : int, RandomState or None, default=None
        Bootstrap weights, and random states of the check models.

    Notes
    -----
    Start with an empty set R. In every round the members are fitted on the source and, with weight `gamma`, on R;
    they vote on the target; R becomes the rows where the vote differs from the candidate, with the vote as their
    label (the framework of the paper, its ensemble by random initialisation). The score is ``1 - |R| / n_target``. It
    equals the accuracy if the vote is right on the rows that the candidate gets wrong, and agrees with it elsewhere;
    learning from R is to bring the vote there. It is fooled where the check models share the candidate's errors, and
    then says 1.

    The members work in the candidate's feature space, source and target by ``transform``; on the rows where it has
    none. Differences from the paper: the networks' random initialisations are replaced by bootstrap weights (Bayesian
    bootstrap, so that no class is lost), since the check models here have one solution; and each round is fitted from
    the start.

    References
    ----------
    Chen, Liu, Avci, Wu, Liang & Jha. Detecting Errors and Estimating Accuracy on Unlabeled Data with Self-training
    Ensembles. NeurIPS 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import CORAL, Domain, SelfTrainingEnsemble
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(120) % 3
    >>> X = rng.normal(size=(120, 3)) + 6 * np.eye(3)[y]
    >>> source, target = Domain(X, y), Domain(X + 3)
    >>> moved = CORAL(centre=True).fit(X, y, target=target)
    >>> SelfTrainingEnsemble(random_state=0).score(moved, source, target) > 0.98
    True
    """

    _constraints: ClassVar = {
        "estimator": ESTIMATOR,
        "n_models": Interval(int, 2),
        "n_rounds": Interval(int, 1),
        "gamma": Interval(float, 0, 1),
        "random_state": RandomState(),
    }

    def __init__(
        self,
        estimator: Any = None,
        n_models: int = 5,
        n_rounds: int = 5,
        gamma: float = 0.1,
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.n_models = n_models
        self.n_rounds = n_rounds
        self.gamma = gamma
        self.random_state = random_state

    def score(self, candidate: Any, source: Domain, target: Domain) -> float:
        """Estimated target accuracy.

        Parameters
        ----------
        candidate : fitted classifier
            Its target predictions are judged.
        source : Domain
            Labelled source rows.
        target : Domain
            Target rows; no label is read.

        Returns
        -------
        float
            In [0, 1]; higher is better.

        Raises
        ------
        ParamError, DomainError
            Naming what cannot be used.
        """
        check_label_free(self, source, target)
        classes, codes = classes_of(self, check_labelled(self, source))
        guess = labels_of(self, candidate, target.X)
        Zs = candidate_features(self, candidate, source.X, "source")
        Zt = candidate_features(self, candidate, target.X, "target")
        rng = check_random_state(self.random_state)
        members = [self._member(rng) for _ in range(self.n_models)]
        bags = rng.standard_exponential((self.n_models, len(codes)))
        bags *= len(codes) / bags.sum(axis=1, keepdims=True)
        disputed, vote = np.zeros(len(Zt), dtype=bool), np.zeros(len(Zt), dtype=int)
        for _ in range(self.n_rounds):
            Z, y = np.vstack([Zs, Zt[disputed]]), np.concatenate([codes, vote[disputed]])
            own = np.full(disputed.sum(), self.gamma)
            votes = [self._fit(m, Z, y, np.concatenate([bag, own])).predict(Zt) for m, bag in zip(members, bags)]
            last, vote = (disputed, vote), majority(np.stack(votes), len(classes))
            disputed = classes[vote] != guess
            if (disputed == last[0]).all() and (vote == last[1])[disputed].all():
                break
        return float(1 - disputed.mean())

    def _member(self, rng: np.random.RandomState) -> Any:
        if self.estimator is None:
            return make_pipeline(StandardScaler(), LogisticRegression(max_iter=500, tol=1e-3))
        model = clone(self.estimator)
        names = sorted(k for k in model.get_params() if k.split("__")[-1] == "random_state")
        return model.set_params(**{name: rng.randint(2**31 - 1) for name in names})

    def _fit(self, model: Any, Z: Array, y: Array, weight: Array) -> Any:
        if not takes_weights(model):
            name = type(model).__name__
            raise ParamError(f"SelfTrainingEnsemble.score: estimator must take sample_weight in fit. Got {name}.")
        return fit_weighted(model, Z, y, weight)
