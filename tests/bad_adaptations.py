"""For every check of deep methods between domains, one that must fail it; each differs from a good one in one thing."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch

from transferkit.engine.adaptation.estimator import ADAPTATION_RULES, TRADE_OFF, NetworkAdaptation
from transferkit.engine.adaptation.several_sources import SourceLosses, source_streams
from transferkit.engine.backbones import load_backbone
from transferkit.ops.nn.mmd import mk_mmd


class GoodAdaptation(NetworkAdaptation):
    """Minimise the discrepancy between the domains' features.

    Parameters
    ----------
    backbone : str, Module or Backbone, default="auto"
        The body.
    bottleneck : int or None, default=256
        Width of the layer that is aligned.
    head : str, default="linear"
        From features to outputs.
    dropout : float in [0, 1), default=0.0
        Share of the features that is dropped.
    trade_off : float in [0, inf), default=1.0
        Weight of the discrepancy.
    training : Training, default=None
        Settings of the loop.
    task : str, default="auto"
        What the labels are.
    random_state : int, RandomState or None, default=0
        Seed.

    Attributes
    ----------
    network_, labels_, classes_, history_, n_updates_, backbone_name_, fingerprint_, facts_, feature_names_in_ : object
        What was learned.

    Notes
    -----
    Minimises the loss of the source and a discrepancy.

    References
    ----------
    None but the common checks themselves.

    Examples
    --------
    >>> GoodAdaptation().head
    'linear'
    """

    _constraints: ClassVar = {**ADAPTATION_RULES, "trade_off": TRADE_OFF}

    def __init__(
        self,
        backbone: Any = "auto",
        bottleneck: int | None = 256,
        head: str = "linear",
        dropout: float = 0.0,
        trade_off: float = 1.0,
        training: Any = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.backbone = backbone
        self.bottleneck = bottleneck
        self.head = head
        self.dropout = dropout
        self.trade_off = trade_off
        self.training = training
        self.task = task
        self.random_state = random_state

    def _term(self, fit):
        return lambda joint, progress: {"loss": mk_mmd(joint.z_s, joint.z_t)}


class AdaptationPeeks(GoodAdaptation):
    def _known(self, where, rows, target, labels):
        rows.y = labels.encode(target.y)


class AdaptationTakesAllLabels(GoodAdaptation):
    _target_labels: ClassVar = "may"


class AdaptationTrainsTheModule(GoodAdaptation):
    def _load(self, where, X):
        if isinstance(self.backbone, torch.nn.Module):
            self.backbone.eval()
        return super()._load(where, X)


class AdaptationCounts(GoodAdaptation):
    def _term(self, fit):
        calls = []

        def term(joint, progress):
            calls.append(0)
            return {"loss": mk_mmd(joint.z_s, joint.z_t) * len(calls)}

        return term


class AdaptationIsNotWatched(GoodAdaptation):
    def _validation(self, fit, objective):
        return None


class AdaptationDraws(GoodAdaptation):
    def _term(self, fit):
        np.random.normal()  # noqa: NPY002
        return super()._term(fit)


class AdaptationTakesNumbers(GoodAdaptation):
    _kinds: ClassVar = ("classification", "regression")


class AdaptationTakesAnything(GoodAdaptation):
    def _load(self, where, X):
        return load_backbone("small:mlp", sample=np.zeros(6))


class AdaptationRepels(GoodAdaptation):
    def _term(self, fit):
        return lambda joint, progress: {"loss": -10 * mk_mmd(joint.outputs_s, joint.outputs_t)}


class AdaptationMirrors(GoodAdaptation):
    def predict(self, X):
        """The classes the wrong way round."""
        return self.classes_[::-1][np.searchsorted(self.classes_, super().predict(X))]


class GoodNumbers(GoodAdaptation):
    _kinds: ClassVar = ("regression",)
    _test_params: ClassVar = {"task": "regression"}


class NumbersTakeText(GoodNumbers):
    def fit(self, X, y=None, *, target, groups=None):
        """Text becomes numbers."""
        y = np.asarray(y)
        y = np.unique(y, return_inverse=True)[1] if y.dtype.kind == "U" else y
        return super().fit(X, y, target=target, groups=groups)


class NumbersOverflow(GoodNumbers):
    def predict(self, X):
        """Infinity."""
        return np.full(len(X), np.inf)


class NumbersTrainTheModule(AdaptationTrainsTheModule):
    _kinds: ClassVar = ("regression",)
    _test_params: ClassVar = {"task": "regression"}


class NumbersAreNotWatched(GoodNumbers):
    _validation = AdaptationIsNotWatched._validation


class NumbersTakeClasses(GoodNumbers):
    _kinds: ClassVar = ("classification", "regression")


class NumbersMirror(GoodNumbers):
    def predict(self, X):
        """The numbers the wrong way round."""
        return -super().predict(X)


class GoodGeneralisation(GoodAdaptation):
    def _streams(self, fit):
        return source_streams(fit)

    def _objective(self, fit):
        return SourceLosses(fit.network, fit.labels, lambda sources, progress: {"loss": sources.losses.mean()})


class GeneralisationPeeks(GoodAdaptation):
    pass


class GeneralisationMirrors(AdaptationMirrors):
    _streams = GoodGeneralisation._streams
    _objective = GoodGeneralisation._objective


BAD: list[tuple[str, str, type, str]] = [
    ("Adaptation", name, cls, why)
    for name, cls, why in (
        ("check_adaptation_streams", AdaptationPeeks, "labels of target rows"),
        ("check_adaptation_streams", AdaptationTakesAllLabels, "reach a method that takes none"),
        ("check_adaptation_module", AdaptationTrainsTheModule, "the user's network changed"),
        ("check_adaptation_resume", AdaptationCounts, "must equal the unbroken one"),
        ("check_adaptation_history", AdaptationIsNotWatched, "what is known without labels"),
        ("check_adaptation_globals", AdaptationDraws, "global state changed"),
        ("check_adaptation_kinds", AdaptationTakesNumbers, "DID NOT RAISE"),
        ("check_adaptation_kinds", AdaptationTakesAnything, "Regex pattern did not match|must be text|texts"),
        ("check_adaptation_transfers", AdaptationMirrors, "against the source alone"),
        ("check_adaptation_no_harm", AdaptationMirrors, "without a shift"),
    )
]
BAD += [
    ("Numbers", "check_string_labels", NumbersTakeText, "DID NOT RAISE"),
    ("Numbers", "check_small_and_degenerate", NumbersOverflow, "no prediction"),
    ("Numbers", "check_adaptation_module", NumbersTrainTheModule, "the user's network changed"),
    ("Numbers", "check_adaptation_history", NumbersAreNotWatched, "what is known without labels"),
    ("Numbers", "check_adaptation_kinds", NumbersTakeClasses, "DID NOT RAISE"),
    ("Numbers", "check_adaptation_transfers", NumbersMirror, "against the source alone"),
    ("Numbers", "check_adaptation_no_harm", NumbersMirror, "without a shift"),
    ("Generalisation", "check_generalises", GeneralisationPeeks, r"\.(weight|bias|running)"),
    ("Generalisation", "check_generalises", GeneralisationMirrors, "against all sources together"),
]
GOOD: dict[str, type] = {
    "Adaptation": GoodAdaptation,
    "Numbers": GoodNumbers,
    "Generalisation": GoodGeneralisation,
}
