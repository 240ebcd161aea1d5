"""What a meta-learner is given, as pools that episodes are drawn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from ...core.errors import DomainError
from ...core.protocols import Array, Domain
from ..answers.labels import Labels, as_values, find_labels
from ..inputs.inputs import as_rows, check_input
from ..inputs.rows import Rows
from ..networks.backbone import Backbone
from .episodes import Episodes, Shape, Unit

__all__ = ["BY", "MetaTasks", "check_domains", "fresh_episodes", "known_part", "read_tasks", "split_tasks"]

BY = ("auto", "classes", "domains")


@dataclass(eq=False)
class MetaTasks:
    """Domains, and what episodes are made of.

    Attributes
    ----------
    domains : list of Rows
        The rows with a known label; for a regression with encoded numbers.
    pools : list of list of Unit
        What an episode's units come from: the classes of a domain (by classes), or a whole domain (by domains).
    labels : Labels
        Of an episode.
    by : {"classes", "domains"}
        Whether the classes of a new task are new ones, or those of fit.
    left_out : list of str
        Names of domains that are too small for an episode.
    """

    domains: list[Rows]
    pools: list[list[Unit]]
    labels: Labels
    by: Literal["classes", "domains"]
    left_out: list[str] = field(default_factory=list)


def check_domains(where: str, tasks: Any) -> list[Domain]:
    """A non-empty list of labelled domains with names of their own, whose X are checked rows with a known label.

    Raises
    ------
    DomainError
        Naming the task that cannot be used.
    """
    if isinstance(tasks, Domain):
        tasks = [tasks]
    if not isinstance(tasks, (list, tuple)) or not tasks or not all(isinstance(t, Domain) for t in tasks):
        got = [type(t).__name__ for t in tasks][:5] if isinstance(tasks, (list, tuple)) else type(tasks).__name__
        raise DomainError(f"{where}: tasks must be a non-empty sequence of Domain. Got {got}.")
    names = [t.name for t in tasks]
    if len(set(names)) < len(names):
        raise DomainError(f"{where}: tasks must have names of their own. Got {names[:10]}.")
    found = []
    for task in tasks:
        found.append(known_part(where, task, f"task {task.name!r}"))
        shape, first = (getattr(d.X, "shape", (0,))[1:] for d in (found[-1], found[0]))
        if shape != first:
            raise DomainError(
                f"{where}: task {task.name!r} must have rows of the first one's shape {first}. Got {shape}."
            )
    return found


def known_part(where: str, domain: Any, name: str) -> Domain:
    """The rows of a domain whose label may be used, checked."""
    if not isinstance(domain, Domain):
        raise DomainError(f"{where}: {name} must be a Domain, as in Domain(X, y). Got {type(domain).__name__}.")
    X = check_input(where, domain.X, f"X of {name}")
    if not domain.mask.any():
        raise DomainError(f"{where}: {name} must have known labels. Got none.")
    plain = Domain(X, domain.y, domain.known, name=domain.name)
    return plain if domain.mask.all() else plain.take(domain.known_rows)


def read_tasks(
    where: str, tasks: Sequence[Domain], backbone: Backbone, *, task: str, by: str, shape: Shape, rotations: bool
) -> MetaTasks:
    """Pools of what episodes of a shape can be drawn from.

    Parameters
    ----------
    where : str
        Beginning of messages.
    tasks : sequence of Domain
        Of `check_domains`.
    backbone : Backbone
    task : {"auto", "classification", "regression"}
    by : {"auto", "classes", "domains"}
        "auto" is by domains for a regression, and for several domains of the same classes.
    shape : Shape
        ``n_way`` is of episodes by classes only.
    rotations : bool
        Whether each class rotated by a quarter turn is a class more.

    Raises
    ------
    DomainError
        If labels cannot be used, or no episode of that shape can be drawn.
    """
    domains = [as_rows(where, t.X, backbone, f"X of task {t.name!r}") for t in tasks]
    values = [as_values(t.y) for t in tasks]
    try:
        labels = find_labels(where, np.concatenate(values), sum(map(len, values)), task)
    except ValueError as err:
        text = str(err).replace("y must", "the tasks' y must", 1)
        raise DomainError(
            text if text.startswith(where) else f"{where}: the tasks' y must be of one kind. Got: {err}"
        ) from err
    if labels.kind == "multilabel":
        raise DomainError(f"{where}: the tasks' y must hold one class a row, or numbers. Got several labels a row.")
    same = len(tasks) > 1 and all(np.array_equal(np.unique(v), labels.classes) for v in values)
    is_by_domains = by == "domains" or (by == "auto" and (labels.kind == "regression" or same))
    if labels.kind == "regression" and not is_by_domains:
        raise DomainError(f"{where}: the tasks' y must hold classes where episodes are drawn by classes. Got numbers.")
    if rotations and (is_by_domains or not _is_square(domains[0][0])):
        raise DomainError(f"{where}: the tasks must be square images of classes for rotations=True. Got other rows.")
    if is_by_domains:
        return _by_domains(where, tasks, domains, values, labels, shape)
    return _by_classes(where, tasks, domains, values, shape, rotations)


def _by_domains(
    where: str, tasks: Sequence[Domain], domains: list[Rows], values: list[Array], labels: Labels, shape: Shape
) -> MetaTasks:
    need, pools = shape.k_shot + shape.n_query, []
    for k, (task, rows, y) in enumerate(zip(tasks, domains, values)):
        if labels.classes is None:
            rows.y = labels.encode(y)
            pools.append([Unit(k, np.arange(len(rows)))])
        else:
            pools.append([Unit(k, np.flatnonzero(y == c), label=c) for c in labels.classes])
        least = min(pools[-1], key=lambda u: len(u.rows))
        if len(least.rows) < need:
            of = "" if labels.classes is None else f" of class {least.label}"
            raise DomainError(
                f"{where}: task {task.name!r} must have {need} rows{of} for k_shot={shape.k_shot} and"
                f" n_query={shape.n_query}. Got {len(least.rows)}."
            )
    return MetaTasks(domains, pools, labels, "domains")


def _by_classes(
    where: str, tasks: Sequence[Domain], domains: list[Rows], values: list[Array], shape: Shape, rotations: bool
) -> MetaTasks:
    assert shape.n_way is not None
    need, pools, left_out = shape.k_shot + shape.n_query, [], []
    for k, (task, y) in enumerate(zip(tasks, values)):
        of_class = [(c, np.flatnonzero(y == c)) for c in np.unique(y)]
        pool = [
            Unit(k, rows, quarter, c)
            for c, rows in of_class
            if len(rows) >= need
            for quarter in range(4 if rotations else 1)
        ]
        if len(pool) >= shape.n_way:
            pools.append(pool)
        else:
            left_out.append(task.name)
    if not pools:
        raise DomainError(
            f"{where}: tasks must have one with n_way={shape.n_way} classes of {need} rows each (k_shot={shape.k_shot},"
            f" n_query={shape.n_query}). Got none; the first, {tasks[0].name!r}, has {len(np.unique(values[0]))} classes"
            f" and {len(values[0])} rows."
        )
    labels = Labels("classification", shape.n_way, np.arange(shape.n_way))
    return MetaTasks(domains, pools, labels, "classes", left_out)


def _is_square(sample: Any) -> bool:
    shape = getattr(sample, "shape", ())
    return len(shape) == 3 and shape[-1] == shape[-2]


def split_tasks(where: str, tasks: MetaTasks, shape: Shape, share: float, seed: int) -> tuple[MetaTasks, MetaTasks]:
    """What is trained on, and what judges an epoch: a share of the classes, or of the domains.

    Raises
    ------
    DomainError
        If no episode can be drawn from one of the two.
    """
    if share == 0:
        return tasks, replace(tasks, pools=[])
    rng = np.random.default_rng([seed, 1])
    if tasks.by == "domains":
        order = rng.permutation(len(tasks.pools))
        n = max(1, round(share * len(order)))
        kept, held = ([tasks.pools[k] for k in np.sort(part)] for part in (order[n:], order[:n]))
    else:
        kept, held = [], []
        for pool in tasks.pools:
            names = [u.label for u in pool if u.quarter == 0]  # all turns of a class stay together
            chosen = {names[k] for k in rng.choice(len(names), round(share * len(names)), replace=False)}
            parts = [[u for u in pool if (u.label in chosen) is wanted] for wanted in (False, True)]
            for found, part in zip((kept, held), parts):
                if shape.n_way is not None and len(part) >= shape.n_way:
                    found.append(part)
    if not kept or not held:
        raise DomainError(
            f"{where}: tasks must have classes or domains enough for training.validation={share}."
            f" Got {len(kept)} pools to train on and {len(held)} to judge."
        )
    return replace(tasks, pools=kept), replace(tasks, pools=held)


def fresh_episodes(
    where: str,
    tasks: Any,
    backbone: Backbone,
    labels: Labels,
    by: str,
    shape: Shape,
    rotations: bool,
    seed: int,
    n: int,
) -> Episodes:
    """Episodes of tasks that a fitted method has not seen, with the labels of fit where these mean anything.

    Raises
    ------
    DomainError
        As of `read_tasks`; or if by domains the classes are not those of fit.
    """
    domains = check_domains(where, tasks)
    is_by_classes = by == "classes"
    found = read_tasks(
        where, domains, backbone, task=labels.kind, by=by, shape=shape, rotations=rotations and is_by_classes
    )
    if not is_by_classes:
        shape = replace(shape, n_way=None)
        if labels.kind == "regression":
            for rows, domain in zip(found.domains, domains):
                rows.y = labels.encode(as_values(domain.y))
        elif not np.array_equal(found.labels.classes, labels.classes):
            got = np.asarray(found.labels.classes)[:10].tolist()
            raise DomainError(f"{where}: tasks must have the classes of fit. Got {got}.")
    return Episodes(found.domains, found.pools, shape, seed, n)
