"""scikit-learn's estimators and transformers as nodes, through skl2onnx, in double precision where the nodes have it."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import numpy as np
from scipy.special import expit, softmax
from sklearn.base import is_regressor
from sklearn.kernel_approximation import Nystroem
from sklearn.pipeline import Pipeline

from ..core.scaling import NormScaler
from .affine import affine_of
from .answer import Answer
from .graph import OPSET, Graph, Untraceable, need
from .trees import forest_answer

__all__ = ["estimator_answer", "linear_answer", "transform_rows"]

_LINEAR = {"LinearClassifier", "LinearRegressor"}  # single precision only: matrix products take their place


def transform_rows(graph: Graph, step: Any, rows: str, n_features: int) -> tuple[str, int]:
    """Rows behind a fitted transformer, and their width."""
    if step is None or (isinstance(step, str) and step == "passthrough"):
        return rows, n_features
    if isinstance(step, Pipeline):
        for _, part in step.steps:
            rows, n_features = transform_rows(graph, part, rows, n_features)
        return rows, n_features
    if isinstance(step, NormScaler):
        # One number a column: onnxruntime folds a single one into a matrix product, in single precision.
        return graph.add("Div", rows, graph.constant(np.full(n_features, step.scale_, np.float64))), n_features
    if isinstance(step, Nystroem) and step.kernel == "rbf":
        return _nystroem(graph, step, rows), step.normalization_.shape[0]
    model = _converted(step, n_features, "double", {})
    width = step.transform(np.zeros((1, n_features))).shape[1]
    return graph.merge(model, {"X": rows})[0], width


def _nystroem(graph: Graph, step: Nystroem, rows: str) -> str:
    """``exp(-gamma |x - c|^2) M^T`` with the landmarks c."""
    landmarks = np.asarray(step.components_, dtype=np.float64)
    origin = landmarks.mean(axis=0)  # less cancels near it
    landmarks = landmarks - origin
    gamma = 1 / landmarks.shape[1] if step.gamma is None else step.gamma
    x = graph.add("Sub", rows, graph.constant(origin))
    squares = graph.add("ReduceSum", graph.add("Mul", x, x), graph.constant([1], np.int64), keepdims=1)
    product = graph.add("MatMul", x, graph.constant(-2 * landmarks.T))
    distances = graph.add("Add", graph.add("Add", product, squares), graph.constant((landmarks**2).sum(axis=1)))
    distances = graph.add("Max", distances, graph.constant(0.0))
    kernel = graph.add("Exp", graph.add("Mul", distances, graph.constant(np.full(len(landmarks), -float(gamma)))))
    return graph.add("MatMul", kernel, graph.constant(np.asarray(step.normalization_, dtype=np.float64).T))


def estimator_answer(graph: Graph, estimator: Any, rows: str, n_features: int) -> Answer:
    """What a fitted scikit-learn estimator says of rows in double precision.

    Raises
    ------
    Untraceable
        If skl2onnx has no conversion of it.
    """
    if isinstance(estimator, Pipeline):
        rows, n_features = transform_rows(graph, estimator[:-1], rows, n_features)
        estimator = estimator.steps[-1][1]
    classes = getattr(estimator, "classes_", None)
    if isinstance(classes, list):
        raise Untraceable(f"{type(estimator).__name__} with several outputs")
    sure = hasattr(estimator, "predict_proba")
    direct = forest_answer(graph, estimator, rows) or linear_answer(graph, estimator, rows, n_features)
    if direct is not None:
        return direct
    kind = "double"
    if _is_single(estimator):
        rows, kind = graph.cast(rows, np.float32), "float"
    if classes is None:
        return _values(
            graph, graph.merge(_converted(estimator, n_features, kind, {}), {"X": rows})[0], estimator, n_features
        )
    coded = copy.copy(estimator)
    coded.classes_ = np.arange(len(classes))  # labels of any type come from their places among the classes
    model = _converted(coded, n_features, kind, {"zipmap": False} if sure else {})
    code, *scores = graph.merge(model, {"X": rows})
    code = graph.cast(graph.one_row_axis(code), np.int64)
    proba = graph.cast(scores[0], np.float64) if sure else None
    return Answer(classes=np.asarray(classes), proba=proba, code=code)


def linear_answer(graph: Graph, estimator: Any, rows: str, n_features: int) -> Answer | None:
    """The answer of an estimator whose scores or values are affine in the rows, read off; None of all others."""
    classes = getattr(estimator, "classes_", None)
    scores = getattr(estimator, "predict" if classes is None else "decision_function", None)
    if scores is None:
        return None
    with np.errstate(all="ignore"):
        found = affine_of(lambda X: np.reshape(scores(X), (len(X), -1)), n_features, identity=False)
        link = None if found is None else _link(estimator, scores, n_features)
    if found is None or link == "other":
        return None
    name = graph.add("Add", graph.add("MatMul", rows, graph.constant(found[0])), graph.constant(found[1]))
    if classes is None:
        return _values(graph, name, estimator, n_features)
    if found[0].shape[1] > 1:
        code = graph.add("ArgMax", name, axis=1, keepdims=0)
    else:
        above = graph.add("Greater", name, graph.constant([0.0]))
        code = graph.one_row_axis(graph.cast(above, np.int64))
    proba = None
    if link == "softmax":
        proba = graph.add("Softmax", name, axis=1)
    elif link == "sigmoid":  # of both signs: 1 - p would lose small probabilities
        proba = graph.add("Sigmoid", graph.add("Concat", graph.add("Neg", name), name, axis=1))
    return Answer(classes=np.asarray(classes), proba=proba, code=code)


def _link(estimator: Any, scores: Any, n_features: int) -> str:
    """How probabilities follow from scores: "none" are there, "softmax", "sigmoid", or "other"; told by random rows."""
    if not hasattr(estimator, "predict_proba"):
        return "none"
    X = np.random.default_rng(0).normal(size=(20, n_features))
    proba, values = estimator.predict_proba(X), scores(X)
    if values.ndim == 1:
        return "sigmoid" if np.allclose(proba, expit(np.stack([-values, values], axis=1)), atol=1e-10) else "other"
    return "softmax" if np.allclose(proba, softmax(values, axis=1), atol=1e-10) else "other"


def _values(graph: Graph, value: str, estimator: Any, n_features: int) -> Answer:
    value = graph.cast(value, np.float64)
    flat = np.ndim(estimator.predict(np.zeros((1, n_features)))) == 1
    return Answer(value=graph.one_row_axis(value) if flat else value, flat=flat)


def _is_single(estimator: Any) -> bool:
    """Trees compare rows in single precision, as scikit-learn's do; of support vectors' values onnxruntime has that only."""
    home = type(estimator).__module__
    return home.startswith(("sklearn.tree", "sklearn.ensemble")) or (
        home.startswith("sklearn.svm") and is_regressor(estimator)
    )


def _converted(estimator: Any, n_features: int, kind: str, options: dict[str, Any]) -> Any:
    skl2onnx = need("skl2onnx")
    types = need("skl2onnx.common.data_types")
    shape = [None, n_features]
    X = types.DoubleTensorType(shape) if kind == "double" else types.FloatTensorType(shape)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # said to those who write converters
            return skl2onnx.to_onnx(
                estimator,
                initial_types=[("X", X)],
                options={id(estimator): options} if options else None,
                target_opset=OPSET,
                black_op=_LINEAR,
            )
    except (RuntimeError, NameError, ValueError, TypeError, AttributeError, NotImplementedError, KeyError) as err:
        said = " ".join(str(err).split())[:200]
        raise Untraceable(f"skl2onnx: no conversion of {type(estimator).__name__} ({said})") from err
