"""How well new tasks are learned, beside plain models of the same supports: by number of labels, and task by task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression, Ridge

from ..core.errors import TrainingError
from ..core.protocols import Array, Domain
from ..core.task_pipelines import transformed
from ..data.samples import Samples

__all__ = ["judge_learner"]

OTHER_SHOTS = (1, 2, 5, 10)
MOST_TESTS = 100  # tasks at each of the other numbers of labels


def judge_learner(
    learner: Any, judge: Sequence[Domain], n_tests: int, seed: int, model: str | None = None
) -> dict[str, Any]:
    """Scores of new tasks beside those of plain models on the same tasks.

    Parameters
    ----------
    learner : MetaEstimator
        Fitted.
    judge : sequence of Domain
        What tasks are drawn from.
    n_tests, seed : int
        How many, and of which draw.
    model : str, optional
        The backbone whose features plain models see, where rows are no numbers; without it these rows have no baseline.

    Returns
    -------
    dict
        ``tests``, ``metric``, ``mean`` and ``interval``; ``baseline``, the ``difference`` from it and what that says
        (``verdict``); ``by_shots``, the same for other numbers of labels; ``hard``, the mean score of the tasks with each held-out
        class or domain, the worst first.

    Raises
    ------
    TrainingError
        If the errors on new tasks are not finite.
    """
    from ..engine.meta.task_scores import TaskScores

    scores = learner.evaluate(judge, n_episodes=n_tests, random_state=seed)
    if not np.isfinite(scores.values).all():
        raise TrainingError(
            f"meta: {type(learner).__name__} must learn the held-out tasks without diverging. Got errors that are not"
            " finite; take a smaller inner_lr, or train for longer."
        )
    vectors = _vectors(judge, model, learner.rotations)
    baselines = {} if vectors is None else _plain_scores(learner, vectors, n_tests, seed, learner.k_shot)
    found: dict[str, Any] = {
        **{"tests": n_tests, "metric": scores.name, "mean": scores.mean, "interval": scores.interval},
        **{"baseline": None, "difference": None, "verdict": None},
        "by_shots": [
            _point(shots, scores.values, baselines)
            if shots == learner.k_shot
            else _at_shots(learner, judge, vectors, shots, min(n_tests, MOST_TESTS), seed)
            for shots in _shots(learner, judge)
        ],
        "hard": _hard(learner, judge, scores, next(iter(baselines.values()), None), seed),
    }
    if not baselines:
        return found
    name, plain = next(iter(baselines.items()))
    difference = TaskScores(scores.values - plain, scores.name)
    is_clear = abs(difference.mean) > difference.interval
    return {
        **found,
        "baseline": {"name": name, **_summary(plain)},
        "difference": {"mean": difference.mean, "interval": difference.interval},
        "verdict": "not told apart" if not is_clear else "better" if difference.mean_score > 0 else "worse",
    }


def _summary(values: Array) -> dict[str, float]:
    from ..engine.meta.task_scores import TaskScores

    scores = TaskScores(values, "")
    return {"mean": scores.mean, "interval": scores.interval}


def _vectors(judge: Sequence[Domain], model: str | None, rotations: bool) -> list[Domain] | None:
    """Rows as numbers for the plain models; None where there are none, or where turned images count as classes of their own."""
    if not isinstance(judge[0].X, Samples):
        return None if rotations else list(judge)
    if model is None or rotations:
        return None
    from ..engine.features.encoder import BackboneEncoder

    encoder = BackboneEncoder(model, cache=True).fit(judge[0].X)
    return transformed(encoder, judge)


def _shots(learner: Any, judge: Sequence[Domain]) -> list[int]:
    """Numbers of labels that the smallest held-out class, or domain, has rows for; that of training among them."""
    if learner.labels_.kind == "regression":
        least = min(d.n_samples for d in judge)
    else:
        least = min(int(n) for d in judge for n in np.unique(np.asarray(d.y), return_counts=True)[1])
    return sorted({learner.k_shot, *(k for k in OTHER_SHOTS if k + learner.n_query <= least)})


def _at_shots(
    learner: Any, judge: Sequence[Domain], vectors: list[Domain] | None, shots: int, n_tests: int, seed: int
) -> dict[str, Any]:
    scores = learner.evaluate(judge, n_episodes=n_tests, k_shot=shots, random_state=seed)
    baselines = {} if vectors is None else _plain_scores(learner, vectors, n_tests, seed, shots)
    return _point(shots, scores.values, baselines)


def _point(shots: int, values: Array, baselines: dict[str, Array]) -> dict[str, Any]:
    plain = [{"name": name, **_summary(own)} for name, own in baselines.items()]
    difference = _summary(values - next(iter(baselines.values()))) if baselines else None
    return {"shots": shots, "tests": len(values), **_summary(values), "baselines": plain, "difference": difference}


def _hard(learner: Any, judge: Sequence[Domain], scores: Any, plain: Array | None, seed: int) -> list[dict[str, Any]]:
    """The mean score of the tasks that each held-out class or domain is part of, the worst first."""
    drawn = _drawn(learner, judge, learner.network_.backbone, len(scores.values), seed, learner.k_shot)
    by_domains = learner.by_ == "domains"
    tasks: dict[str, list[int]] = {}
    for k in range(len(scores.values)):
        units = drawn.units(k)
        names = {judge[units[0].domain].name} if by_domains else {str(u.label) for u in units}
        for name in names:
            tasks.setdefault(name, []).append(k)
    found = [
        {
            "name": name,
            "tests": len(places),
            **_summary(scores.values[places]),
            "baseline": None if plain is None else float(plain[places].mean()),
        }
        for name, places in sorted(tasks.items())
    ]
    return sorted(found, key=lambda f: f["mean"] if scores.name == "accuracy" else -f["mean"])


def _drawn(learner: Any, domains: Sequence[Domain], backbone: Any, n_tests: int, seed: int, shots: int) -> Any:
    """The very tasks that ``evaluate`` draws."""
    from ..engine.meta.episodes import Shape
    from ..engine.meta.tasks import fresh_episodes

    shape = Shape(learner.n_way, shots, learner.n_query)
    given = (learner.labels_, learner.by_, shape, learner.rotations, seed, n_tests)
    return fresh_episodes("meta", list(domains), backbone, *given)


def _plain_scores(learner: Any, vectors: Sequence[Domain], n_tests: int, seed: int, shots: int) -> dict[str, Array]:
    """The scores of plain models of each task's support alone, by their name, the main one first."""
    from ..engine.backbones import load_backbone

    labels = learner.labels_
    as_they_are = load_backbone("small:mlp", sample=np.asarray(vectors[0].X[0]))  # only to hand rows on
    episodes = _drawn(learner, vectors, as_they_are, n_tests, seed, shots)
    n = episodes.n_support
    found: dict[str, list[float]] = {}
    for k in range(n_tests):
        rows, values = episodes[k]
        X, y = np.stack([np.asarray(r, dtype=np.float64).ravel() for r in rows]), values.numpy()
        if labels.kind == "classification":
            linear = LogisticRegression(max_iter=1000).fit(X[:n], y[:n])
            for name, guess in {
                "logistic regression": linear.predict(X[n:]),
                "nearest mean": _nearest_mean(X[:n], y[:n], X[n:]),
            }.items():
                found.setdefault(name, []).append(float((guess == y[n:]).mean()))
        else:
            errors = (Ridge().fit(X[:n], y[:n]).predict(X[n:]).reshape(y[n:].shape) - y[n:]) * labels.scale
            found.setdefault("ridge regression", []).append(float((errors**2).mean()))
    return {name: np.array(values) for name, values in found.items()}


def _nearest_mean(X: Array, y: Array, queries: Array) -> Array:
    classes = np.unique(y)
    means = np.stack([X[y == c].mean(axis=0) for c in classes])
    return classes[((queries[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)]
