"""Distil a fitted model, a vote of many for example, into one plain scikit-learn model, and say what that costs."""

from __future__ import annotations

import math
import time
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import clone
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_array

from .base import stack
from .constraints import EstimatorLike, Interval, RandomState, Rule
from .errors import DomainError, ParamError
from .protocols import Array, Domain
from .soft_logistic import fit_soft_logistic, is_plain_logistic
from .vote import class_probabilities
from .weighted_fit import fit_weighted, takes_weights

__all__ = ["Distilled", "distil", "size_of"]

MOST_LANDMARKS = 300  # of the kernel student
LEAST_SHARE = 1e-3  # a class below it is left out of a row: it would only repeat the row
FLOOR = 1e-6  # of a student's probability in the divergence, which a single 0 makes infinite


@dataclass(frozen=True, eq=False)
class Distilled:
    """One model in place of another, and what that costs.

    Attributes
    ----------
    model : fitted scikit-learn estimator
        Takes the rows that the teacher takes, and new ones.
    facts : dict
        ``student``: the name of the one chosen; ``students``: held-out ``agreement`` by name; ``agreement``: of the chosen,
        the share of held-out target rows that get the teacher's label (R^2 against its values, of a regression);
        ``kl``: mean divergence from its probabilities there, in nats (None of a regression); ``n``: target rows;
        ``teacher_bytes`` and ``student_bytes``: of all numbers in the model; ``teacher_seconds`` and ``student_seconds``: to
        predict those n rows, the only facts that differ from run to run.
    """

    model: Any
    facts: dict[str, Any]


def distil(
    teacher: Any,
    X_target: Any,
    *,
    source: Domain | None = None,
    estimator: Any = None,
    weight: float = 0.1,
    n_splits: int = 5,
    random_state: Any = 0,
) -> Distilled:
    """Train one plain model to answer like a fitted one on the target.

    No label of the target is needed: the teacher's answers are the labels. Of several students the first is taken that
    agrees with the teacher as well as the best does, up to one standard error, on target rows it was not trained on.

    Parameters
    ----------
    teacher : fitted model
        A method, `Vote` or estimator. A classifier, with ``classes_``, teaches its probabilities, others their values.
    X_target : array-like or sparse matrix of shape (n_target, n_features)
        Rows of the target as numbers. Where tables are encoded first, distil the method behind the encoder.
    source : Domain, default=None
        Labelled rows of the source to learn from besides. Their own labels are used: what the teacher would say of them
        means nothing, for it maps rows of the target.
    estimator : estimator or dict of str to estimator, default=None
        The student, or students to choose from by name, the simplest first. Without it: a linear model, one on features of
        an RBF kernel, and a forest. Must take ``sample_weight`` in fit to learn probabilities, or where `source` is given.
    weight : float in [0, inf), default=0.1
        What all source rows count together, next to 1 for all target rows. Small, since their labels follow the
        source's rule, not the teacher's.
    n_splits : int in [2, n_target], default=5
        Folds of the target rows to measure agreement by.
    random_state : int, RandomState or None, default=0
        Deals the folds and seeds the built-in students.

    Returns
    -------
    Distilled

    Raises
    ------
    ParamError
        Naming the argument that is out of its range.
    DomainError
        If the rows cannot be used, or the source has classes that the teacher does not know.

    Notes
    -----
    A student q minimises the cross-entropy to the teacher's probabilities p, ``-sum_i sum_c p_ic log q_c(x_i)``: Hinton's
    objective at temperature 1; a higher one needs the logits of both models, which a vote and a forest do not have. A plain
    logistic regression is fitted to p directly. Any other classifier with sample weights is given every row once a class,
    with weight p_ic; classes below one in a thousand are left out of a row, except where a class would vanish altogether.

    The teacher may have seen all target rows: agreement says how well it is copied, not how right it is.

    References
    ----------
    Hinton, Vinyals & Dean. Distilling the Knowledge in a Neural Network. NIPS Deep Learning Workshop 2014.
    arXiv:1503.02531.
    Buciluă, Caruana & Niculescu-Mizil. Model Compression. KDD 2006.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from transferkit.core.distil import distil
    >>> from transferkit.core.vote import Vote
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 3))
    >>> y = (X[:, 0] > 0).astype(int)
    >>> vote = Vote([LogisticRegression(C=c).fit(X, y) for c in (0.1, 1, 10)])
    >>> found = distil(vote, X)
    >>> found.facts["student"], found.facts["agreement"] > 0.95
    ('linear', True)
    """
    _check(teacher, weight, n_splits, random_state)
    X = _rows("X_target", X_target)
    n = X.shape[0]
    if not 2 <= n_splits <= n:
        raise ParamError(f"distil: n_splits must be at most the number of target rows ({n}). Got {n_splits}.")
    classes = np.unique(teacher.classes_) if hasattr(teacher, "classes_") else None
    if classes is None:
        taught = np.asarray(teacher.predict(X), dtype=np.float64)
    elif len(classes) > 1:
        taught = class_probabilities(teacher, X, classes)
    else:
        raise ParamError(f"distil: teacher must know at least two classes. Got {classes.tolist()}.")
    Xs, ys = _labelled(source, classes, X.shape[1])
    mass = np.full(len(ys), weight * n / max(1, len(ys)))

    def learn(student: Any, rows: Array) -> Any:
        weights = np.concatenate([np.ones(len(rows)), mass])
        answers = np.concatenate([taught[rows], ys])
        return _fit(clone(student), stack(X[rows], Xs), answers, weights, classes)

    students = _students(estimator, classes, X, random_state)
    folds = list(KFold(n_splits, shuffle=True, random_state=random_state).split(np.arange(n)))
    said = {name: _held_out(student, learn, X, taught, classes, folds) for name, student in students.items()}
    best = _first_as_good(said, taught, classes is not None)
    model = learn(students[best], np.arange(n))
    agreement = {name: _agreement(answers, taught, classes is not None) for name, answers in said.items()}
    facts = {
        "student": best,
        "students": agreement,
        "agreement": agreement[best],
        "kl": None if classes is None else _divergence(taught, said[best]),
        "n": n,
        "teacher_bytes": size_of(teacher),
        "student_bytes": size_of(model),
        "teacher_seconds": _seconds(teacher, X),
        "student_seconds": _seconds(model, X),
    }
    return Distilled(model, facts)


def _check(teacher: Any, weight: Any, n_splits: Any, random_state: Any) -> None:
    rules: list[tuple[str, Any, Rule]] = [
        ("teacher", teacher, EstimatorLike("predict")),
        ("weight", weight, Interval(float, 0)),
        ("n_splits", n_splits, Interval(int, 2)),
        ("random_state", random_state, RandomState()),
    ]
    for name, value, rule in rules:
        if not rule.holds(value):
            raise ParamError(f"distil: {name} must {rule.text}. Got {value!r}.")


def _rows(name: str, X: Any) -> Any:
    try:
        return check_array(X, accept_sparse="csr", dtype=(np.float64, np.float32))
    except ValueError as err:
        raise DomainError(f"distil: {name} must be rows of finite numbers. Got: {err}") from err


def _labelled(source: Any, classes: Array | None, width: int) -> tuple[Any, Array]:
    """Rows of the source with their labels as the teacher would answer: values, or probabilities 0 and 1."""
    if source is None:
        return np.empty((0, width)), np.empty(0 if classes is None else (0, len(classes)))
    if not isinstance(source, Domain):
        raise DomainError(f"distil: source must be a Domain. Got {type(source).__name__}.")
    known = source.take(source.known_rows)
    if not known.n_samples:
        raise DomainError("distil: source must have known labels. Got none.")
    X, y = _rows("source.X", known.X), np.asarray(known.y)
    if X.shape[1] != width:
        raise DomainError(f"distil: source.X must have the {width} features of the target. Got {X.shape[1]}.")
    if classes is not None and not np.isin(y, classes).all():
        extra = np.setdiff1d(y, classes)[:5].tolist()
        raise DomainError(f"distil: source.y must hold classes of the teacher only. Got also {extra}.")
    return X, np.asarray(y, dtype=np.float64) if classes is None else (y[:, None] == classes).astype(np.float64)


def _students(estimator: Any, classes: Array | None, X: Any, seed: Any) -> Mapping[str, Any]:
    if estimator is not None:
        students = estimator if isinstance(estimator, Mapping) else {"estimator": estimator}
        rule = EstimatorLike("fit", "predict", "get_params")
        if not students or not all(rule.holds(s) for s in students.values()):
            raise ParamError(f"distil: estimator must {rule.text}, or a dict of such by name. Got {estimator!r}.")
        return students
    scale = StandardScaler(with_mean=not sparse.issparse(X))
    # Standardised rows lie about sqrt(2 d) apart: the kernel then falls to 1 / e from one row to the next.
    kernel = Nystroem(gamma=1 / (2 * X.shape[1]), n_components=min(MOST_LANDMARKS, X.shape[0] // 2), random_state=seed)
    # Kernel features have norm 1 at most: they need a weaker penalty than standardised columns.
    if classes is None:
        end, loose, forest = Ridge(), Ridge(0.01), ExtraTreesRegressor(100, min_samples_leaf=2, random_state=seed)
    else:
        end, loose = LogisticRegression(max_iter=1000), LogisticRegression(C=100.0, max_iter=1000)
        forest = ExtraTreesClassifier(100, random_state=seed)
    return {
        "linear": make_pipeline(scale, end),
        "kernel": make_pipeline(clone(scale), kernel, loose),
        "forest": forest,
    }


def _fit(student: Any, X: Any, answers: Array, weights: Array, classes: Array | None) -> Any:
    """The student, fitted to values or to probabilities."""
    steps = getattr(student, "steps", None)
    last = steps[-1][1] if steps else student
    if classes is not None and is_plain_logistic(last):
        Z = student[:-1].fit_transform(X) if steps and len(steps) > 1 else X
        fit_soft_logistic(last, Z, answers, weights, classes)
        return student
    labels = answers
    if classes is not None:
        row, code, share = _expanded(answers)
        X, labels, weights = X[row], classes[code], weights[row] * share
    if np.ptp(weights) == 0:
        return student.fit(X, labels)
    if not takes_weights(student):
        raise ParamError(
            f"distil: estimator must take sample_weight in fit. Got {type(last).__name__}, which does not."
        )
    return fit_weighted(student, X, labels, weights)


def _expanded(P: Array) -> tuple[Array, Array, Array]:
    """Row, class and weight of every class of every row that has a share; each class at least once."""
    keep = P >= LEAST_SHARE
    keep[P.argmax(axis=0), np.arange(P.shape[1])] = True
    row, code = np.nonzero(keep)
    share = np.maximum(P[row, code], np.finfo(np.float64).tiny ** 0.5)
    return row, code, share / np.bincount(row, share)[row]


def _held_out(
    student: Any, learn: Callable[[Any, Array], Any], X: Any, taught: Array, classes: Array | None, folds: list[Any]
) -> Array:
    """Values or probabilities of every row, by a student that was not trained on it."""
    said = np.empty_like(taught)
    for train, test in folds:
        model = learn(student, train)
        said[test] = model.predict(X[test]) if classes is None else class_probabilities(model, X[test], classes)
    return said


def _errors(said: Array, taught: Array, classify: bool) -> Array:
    """Per row: whether the label differs from the teacher's, or the squared distance of the values."""
    return (said.argmax(axis=1) != taught.argmax(axis=1)).astype(np.float64) if classify else (said - taught) ** 2


def _agreement(said: Array, taught: Array, classify: bool) -> float:
    if classify:
        return 1 - float(_errors(said, taught, True).mean())
    return float(r2_score(taught, said)) if np.ptp(taught) else float(np.allclose(said, taught))


def _first_as_good(said: Mapping[str, Array], taught: Array, classify: bool) -> str:
    """The first student that is not worse than the best by more than one standard error of their difference."""
    errors = {name: _errors(answers, taught, classify) for name, answers in said.items()}
    best = errors[min(errors, key=lambda name: errors[name].mean())]
    for name, own in errors.items():
        more = own - best
        if more.mean() <= more.std() / np.sqrt(len(more)):
            return name
    raise AssertionError("the best is as good as itself")


def _divergence(taught: Array, said: Array) -> float:
    """Mean Kullback-Leibler divergence of the student from the teacher, in nats."""
    ratio = np.where(taught > 0, taught, 1) / np.maximum(said, FLOOR)
    return float((taught * np.log(ratio)).sum(axis=1).mean())


def _seconds(model: Any, X: Any, repeats: int = 3) -> float:
    """Best of a few: what else runs can only slow it down."""
    best = math.inf
    for _ in range(repeats):
        start = time.perf_counter()
        model.predict(X)
        best = min(best, time.perf_counter() - start)
    return best


def size_of(model: Any) -> int:
    """Bytes of all arrays, tensors, texts and numbers in a model, each object counted once."""
    seen: dict[int, Any] = {}  # holds what was counted, so that ids stay unique
    waiting, total = [model], 0
    while waiting:
        value = waiting.pop()
        if value is None or id(value) in seen or isinstance(value, (type, types.ModuleType, types.FunctionType)):
            continue
        seen[id(value)] = value
        if isinstance(getattr(value, "nbytes", None), int) and not sparse.issparse(value):
            total += value.nbytes
        elif isinstance(value, (str, bytes)):
            total += len(value)
        elif isinstance(value, (bool, int, float, complex)):
            total += 8
        elif isinstance(value, Mapping):
            waiting += [*value.keys(), *value.values()]
        elif isinstance(value, (list, tuple, set, frozenset)):
            waiting += value
        elif hasattr(value, "__dict__"):
            waiting += vars(value).values()
        else:  # compiled classes, trees for example, hand out their arrays as a state
            waiting.append(value.__getstate__())
    return total
