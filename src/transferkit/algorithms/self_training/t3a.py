"""T3A: at test time, the classifier's weights become means of the surest features that each class was given so far."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...core.constraints import Either, Interval, Nothing
from ...core.errors import ParamError
from ...engine.networks.estimator import Fit
from ...engine.networks.network import Network
from ...engine.source_free.estimator import whole_pass
from ...engine.source_free.test_time import ONLINE_RULES, STEP_RULES, OnlineAdaptation
from ...ops.nn.heads import Head

CARD = {
    "class": "T3A",
    "protocol": "ModelTransfer",
    "settings": ("test_time",),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "n",
    "paper": "Iwasawa & Matsuo. Test-Time Classifier Adjustment Module for Model-Agnostic Domain Generalization. NeurIPS 2021.",
    "url": "https://openreview.net/forum?id=e_yvNqkJKAW",
}

__all__ = ["T3A"]


class T3A(OnlineAdaptation):
    """Replace each class's weights by the mean direction of the features most surely in it, batch after batch.

    Parameters
    ----------
    source : estimator, Network, Module, Backbone or str
        The trained model: a fitted deep estimator of transferkit such as `DeepSourceOnly`, its ``network_``, or a backbone
        that brings its own classifier. No row of the source is needed.
    classes : array-like of shape (n_classes,), default=None
        What the model's outputs stand for; None is what a fitted estimator knows, or 0, 1, 2, ...
    n_kept : int in [1, inf) or None, default=20
        Features of lowest entropy that every class keeps, the paper's M of {1, 5, 20, 50, 100, all}; None keeps all.
    batch_size : int in [1, inf), default=64
        Rows that are adapted to at once; more of them are taken in turn, in their order.
    roll_back : float in [0, 1], default=0.5
        Back to the source model where the entropy of the classes named falls below this share of what the source model
        names on the same batches; 0 never goes back.
    device : str, default="auto"
        "auto" is a GPU where there is one.
    random_state : int, RandomState or None, default=0
        Seed of what is random within a batch.

    Attributes
    ----------
    network_ : Network
        The source model as it is now.
    labels_ : Labels
        How outputs become labels.
    classes_ : array of shape (n_classes,)
        Of the source.
    n_batches_ : int
        Batches adapted to since the last fit.
    n_roll_backs_ : int
        How often it went back to the source model.
    history_ : list of dict
        One row a batch:
        ``kept`` (features in all), the scores of the answers after it (``target/entropy``,
        ``target/diversity``, ``target/largest_share``), and ``rolled_back``.
    source_network_ : Network
        The source model.
    state_ : dict
        What is carried from batch to batch beside the network.
    backbone_name_, fingerprint_ : str
        The source model's name, and the SHA-256 of its weights.
    facts_ : dict
        What the report shows.
    n_features_in_ : int
        Width of the rows, where they are vectors.

    Notes
    -----
    Support sets begin with the classifier's own weights, of length 1 (eq. 4), each row joins that of its most probable
    class with its feature of length 1 (eq. 5), and of each set the n_kept features of lowest entropy stay (eq. 6). A row's logits
    are products of its feature with the set's mean directions (eq. 7). Class and entropy of a row are those of the source's own
    classifier, as in the authors' code. The classifier must be linear; there are no gradients, and only its weights change. Cost of
    a batch: three forward passes, two of them to watch for collapse.

    References
    ----------
    Iwasawa & Matsuo. Test-Time Classifier Adjustment Module for Model-Agnostic Domain Generalization. NeurIPS 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import T3A, DeepSourceOnly, Domain, Training
    >>> rng = np.random.default_rng(0)
    >>> X, Xt = rng.normal(size=(60, 4)), rng.normal(size=(60, 4)) + [0, 0, 2, 2]
    >>> training = Training(n_epochs=20, lr=0.02)
    >>> source = DeepSourceOnly("small:mlp?hidden=16", bottleneck=8, training=training)
    >>> source = source.fit(X, X[:, 0] > 0, target=Domain(X))
    >>> model = T3A(source)
    >>> model.fit(Xt).score(Xt, Xt[:, 0] > 0) > 0.7
    True
    """

    _constraints: ClassVar = {
        **ONLINE_RULES,
        "roll_back": STEP_RULES["roll_back"],
        "n_kept": Either(Nothing(), Interval(int, 1)),
    }
    _test_params: ClassVar = {"source": "shifted", "batch_size": 30}
    _least: ClassVar = 1

    def __init__(
        self,
        source: Any,
        classes: Any = None,
        n_kept: int | None = 20,
        batch_size: int = 64,
        roll_back: float = 0.5,
        device: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.source = source
        self.classes = classes
        self.n_kept = n_kept
        self.batch_size = batch_size
        self.roll_back = roll_back
        self.device = device
        self.random_state = random_state

    def _check_source(self, where: str, network: Network) -> None:
        if _last(network) is None:
            raise ParamError(f"{where}: source must have a linear classifier. Got {type(network.head).__name__}.")

    def _set_off(self) -> None:
        last = _last(self.source_network_)
        assert last is not None
        with torch.no_grad():
            weight = last.weight.detach().clone()
            self.state_["z"] = functional.normalize(weight, dim=1)
            self.state_["y"] = torch.arange(len(weight), device=weight.device)
            self.state_["entropy"] = _entropy(last(weight))

    def _learn(self, fit: Fit) -> dict[str, float]:
        z, outputs = whole_pass(self.source_network_, fit.rows, fit.place, max(64, self.batch_size))
        new = {"z": functional.normalize(z, dim=1), "y": outputs.argmax(dim=1), "entropy": _entropy(outputs)}
        state = {name: torch.cat([self.state_[name].to(value.device), value]) for name, value in new.items()}
        order = state["entropy"].argsort(stable=True)
        classes = range(self.labels_.n_outputs)
        kept = torch.cat([order[state["y"][order] == k][: self.n_kept] for k in classes]).sort().values
        self.state_ |= {name: value[kept] for name, value in state.items()}
        member = functional.one_hot(self.state_["y"], len(classes)).to(z)
        last = _last(self.network_)
        assert last is not None
        with torch.no_grad():
            last.weight.copy_(functional.normalize(member.T @ self.state_["z"], dim=1))
            if last.bias is not None:
                last.bias.zero_()
        return {"kept": float(len(kept))}


def _last(network: Network) -> nn.Linear | None:
    """The linear layer that alone follows the features."""
    head = network.head
    if isinstance(head, Head) and head.spec["kind"] == "linear" and not head.spec["batch_norm"]:
        head = head.out
    return head if isinstance(head, nn.Linear) else None


def _entropy(outputs: Tensor) -> Tensor:
    return torch.special.entr(outputs.softmax(dim=1)).sum(dim=1)
