"""Ranges of the parameters that meta-learners share."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace

from torch import nn

from ...core.constraints import Boolean, Either, Fulfils, Interval, Nothing, Options, RandomState, Rule, check_params
from ...core.errors import ParamError
from ..networks.backbone import Backbone
from ..training.settings import Training
from .episodes import Shape
from .inner_loop import BATCH_STATISTICS
from .tasks import BY

__all__ = ["GRADIENT_RULES", "META_RULES", "POOLED_RULES", "checked_shape", "checked_training"]

# What the `_constraints` of every meta-learner begin with.
META_RULES: Mapping[str, Rule] = {
    "backbone": Fulfils(
        "be 'auto', a backbone's name such as 'small:conv4' or 'timm:resnet18', a torch Module or a Backbone",
        lambda v: isinstance(v, (str, nn.Module, Backbone)) and v != "",
    ),
    "n_way": Interval(int, 2),
    "k_shot": Interval(int, 1),
    "n_query": Interval(int, 1),
    "by": Options(*BY),
    "rotations": Boolean(),
    "n_episodes": Interval(int, 1),
    "training": Either(Nothing(), Fulfils("be a Training", lambda v: isinstance(v, Training))),
    "task": Options("auto", "classification", "regression"),
    "random_state": RandomState(),
}
# Of those that are trained on all classes at once, without episodes.
POOLED_RULES: Mapping[str, Rule] = {name: rule for name, rule in META_RULES.items() if name != "n_episodes"}
# And of those that learn a task by gradient descent.
GRADIENT_RULES: Mapping[str, Rule] = {
    "inner_lr": Interval(float, 0, closed="neither"),
    "n_inner_steps": Interval(int, 1),
    "n_adapt_steps": Either(Nothing(), Interval(int, 1)),
    "batch_norm": Options(*BATCH_STATISTICS),
    "batched": Boolean(),
}


def checked_training(where: str, training: Training, name: str = "training") -> Training:
    """A copy of the settings of a loop, the parameter `name`, in range.

    Raises
    ------
    ParamError
        Naming the setting.
    """
    training = copy.copy(training)
    try:
        check_params(training)
    except ParamError as err:
        raise ParamError(f"{where}: {name} must be in range. {err}") from err
    if (training.patience is not None or training.keep == "best") and training.validation == 0:
        raise ParamError(
            f"{where}: {name}.validation must be above 0 where patience or keep='best' is asked for. Got 0."
        )
    return training


def checked_shape(where: str, shape: Shape, n_episodes: int, by: str, most: int | None, **asked: int | None) -> Shape:
    """The shape of episodes to judge on: as asked for, else as it is.

    Parameters
    ----------
    where : str
        Beginning of messages.
    shape : Shape
        That of fit.
    n_episodes : int
        How many there are to be.
    by : {"classes", "domains"}
        What a task is; a domain comes with all classes.
    most : int or None
        Classes that a head of fixed width has room for.
    **asked : int or None
        ``n_way``, ``k_shot`` and ``n_query``.

    Raises
    ------
    ParamError
        Naming what is out of range.
    """
    asked = {name: value for name, value in asked.items() if value is not None}
    if by == "domains" and "n_way" in asked:
        raise ParamError(
            f"{where}: n_way must be left out where a task is a domain with all classes. Got {asked['n_way']!r}."
        )
    for name, value in {"n_episodes": n_episodes, **asked}.items():
        if not META_RULES[name].holds(value):
            raise ParamError(f"{where}: {name} must {META_RULES[name].text}. Got {value!r}.")
    if most is not None and asked.get("n_way", most) > most:
        raise ParamError(f"{where}: n_way must be at most {most}, as in fit. Got {asked['n_way']}.")
    return replace(shape, **asked)
