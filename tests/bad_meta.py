"""For every check of meta-learners, one that must fail it; each differs from a good one in one thing."""

from __future__ import annotations

from typing import ClassVar

import torch

from transferkit import MAML, Domain
from transferkit.core.constraints import Fulfils


class GoodMeta(MAML):
    __doc__ = MAML.__doc__
    _test_params: ClassVar = {"n_inner_steps": 2}

    def __init__(
        self, backbone="auto", n_way=5, k_shot=1, n_query=15, by="auto", rotations=False, n_episodes=1000, inner_lr=0.1,
        n_inner_steps=5, n_adapt_steps=None, first_order=False, batch_norm="auto", batched=True, training=None, task="auto",
        random_state=None,
    ):  # fmt: skip
        super().__init__(
            backbone, n_way, k_shot, n_query, by, rotations, n_episodes, inner_lr, n_inner_steps, n_adapt_steps, first_order,
            batch_norm, batched, training, task, random_state,
        )  # fmt: skip


class MetaTakesMore(GoodMeta):
    __doc__ = MAML.__doc__

    def adapt(self, support, steps=3):
        """Another signature."""
        return super().adapt(support)


class MetaWithoutARange(GoodMeta):
    __doc__ = MAML.__doc__
    _constraints: ClassVar = {k: v for k, v in MAML._constraints.items() if k != "inner_lr"}


class MetaLacksText(GoodMeta):
    __doc__ = MAML.__doc__.replace("Step length of the descent on a support.", "")


class MetaChangesItsArgument(GoodMeta):
    __doc__ = MAML.__doc__

    def __init__(
        self, backbone="auto", n_way=5, k_shot=1, n_query=15, by="auto", rotations=False, n_episodes=1000, inner_lr=0.1,
        n_inner_steps=5, n_adapt_steps=None, first_order=False, batch_norm="auto", batched=True, training=None, task="auto",
        random_state=None,
    ):  # fmt: skip
        super().__init__(
            backbone, n_way, k_shot, n_query, by, rotations, n_episodes, inner_lr + 0.0, n_inner_steps, n_adapt_steps,
            first_order, batch_norm, batched, training, task, random_state,
        )  # fmt: skip
        self.inner_lr = float(self.inner_lr) * 2


class MetaKeepsEveryOutput(GoodMeta):
    __doc__ = MAML.__doc__

    def _support_labels(self, where, support):
        labels = super()._support_labels(where, support)
        return self.labels_ if labels.kind == "classification" else labels


class MetaShowsMore(GoodMeta):
    __doc__ = MAML.__doc__

    def _keep(self, fit, learner, facts):
        super()._keep(fit, learner, facts)
        self.found_ = 1


class MetaIgnoresTheSeed(GoodMeta):
    __doc__ = MAML.__doc__

    def fit(self, tasks):
        """With a seed of the global generator."""
        state, self.random_state = self.random_state, None
        super().fit(tasks)
        self.random_state = state
        return self


class MetaLearnsOn(GoodMeta):
    __doc__ = MAML.__doc__

    def adapt(self, support):
        """Moves the learner."""
        with torch.no_grad():
            for p in self.network_.parameters():
                p.add_(0.01)
        return super().adapt(support)


class MetaForgetsOnDisk(GoodMeta):
    __doc__ = MAML.__doc__

    def task_learner(self):
        learner, place = super().task_learner()
        learner.n_test_steps += int("_fresh" not in vars(self))
        return learner, place

    def _keep(self, fit, learner, facts):
        super()._keep(fit, learner, facts)
        object.__setattr__(self, "__dict__", _Unsaved(vars(self), _fresh=True))


class _Unsaved(dict):
    """A state of which the store sees all but one thing."""

    def items(self):
        return [(k, v) for k, v in super().items() if k != "_fresh"]


class MetaDrawsFromAState(GoodMeta):
    __doc__ = MAML.__doc__

    def _learner(self, network, labels, n_support):
        learner = super()._learner(network, labels, n_support)
        learner.seen = 0
        plain = learner._loss

        def loss(batch, progress):
            learner.seen += 1
            found = plain(batch, progress)
            return {**found, "loss": found["loss"] * learner.seen}

        learner._loss = loss
        return learner


class MetaReadsAll(GoodMeta):
    __doc__ = MAML.__doc__

    def adapt(self, support):
        """Takes unknown labels for known."""
        return super().adapt(
            Domain(support.X, support.y) if isinstance(support, Domain) and support.known is not None else support
        )


class MetaTakesAnything(GoodMeta):
    __doc__ = MAML.__doc__

    def fit(self, tasks):
        """Two tasks of a name become one."""
        return super().fit({t.name: t for t in tasks}.values() if isinstance(tasks, list) else tasks)


class MetaChecksNoParameter(GoodMeta):
    __doc__ = MAML.__doc__
    _constraints: ClassVar = {
        k: Fulfils("be", lambda v: True) if k == "task" else v for k, v in MAML._constraints.items()
    }


class MetaLearnsNothing(GoodMeta):
    __doc__ = MAML.__doc__

    def _keep(self, fit, learner, facts):
        with torch.no_grad():
            for p in fit.network.body.parameters():
                p.zero_()
        super()._keep(fit, learner, facts)


# Protocol, check, class, and what its failure says.
BAD: list[tuple[str, str, type, str]] = [
    ("MetaLearner", "check_protocol", MetaTakesMore, "must have the signature"),
    ("MetaLearner", "check_constraints", MetaWithoutARange, "one entry a parameter"),
    ("MetaLearner", "check_docstring", MetaLacksText, "inner_lr must have a text"),
    ("MetaLearner", "check_clone", MetaChangesItsArgument, "modifies parameter inner_lr"),
    ("MetaLearner", "check_meta_tasks", MetaKeepsEveryOutput, "(?s)."),
    ("MetaLearner", "check_meta_attributes", MetaShowsMore, "not documented: .*found_"),
    ("MetaLearner", "check_meta_repeatable", MetaIgnoresTheSeed, "numpy's generator was touched"),
    ("MetaLearner", "check_meta_nothing_changed", MetaLearnsOn, "learned alike each time"),
    ("MetaLearner", "check_meta_round_trip", MetaForgetsOnDisk, "as the saved one did"),
    ("MetaLearner", "check_meta_resume", MetaDrawsFromAState, "equal the unbroken one"),
    ("MetaLearner", "check_meta_hidden_labels", MetaReadsAll, "hidden labels were used"),
    ("MetaLearner", "check_meta_bad_tasks", MetaTakesAnything, "(?s)."),
    ("MetaLearner", "check_meta_bad_parameters", MetaChecksNoParameter, "(?s)."),
    ("MetaLearner", "check_meta_learns", MetaLearnsNothing, "accuracy"),
]
GOOD: dict[str, type] = {"MetaLearner": GoodMeta}
