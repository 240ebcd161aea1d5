"""Which part of a model becomes which nodes: pipelines, votes, methods, estimators, networks."""

from __future__ import annotations

import json
import sys
import warnings
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from ..core.base import ShallowTransfer
from ..core.compose import TransferPipeline
from ..core.errors import DataError, ParamError
from ..core.task_pipelines import check_answers, in_two
from ..core.vote import Vote
from ..data.encode import TableEncoder
from .answer import Answer
from .estimators import estimator_answer, linear_answer, transform_rows
from .forms import form_of
from .graph import Graph, Untraceable
from .maps import asked, examples, followed, map_rows
from .table import encode_table
from .trace import Traced

__all__ = ["Builder"]

_INSTEAD = (
    "Train one plain model in its place (transferkit run --distil, or core.distil.distil) and export that, or keep the model"
    " as a folder (--format zip)"
)


class Builder:
    """Builds the graph of a fitted model.

    Attributes
    ----------
    graph : Graph
    encoder : fitted transformer or None
        The first part, where it reads raw rows.
    """

    def __init__(self) -> None:
        self.graph = Graph()
        self.encoder: Any = None
        self._asked: dict[tuple[int, str], Answer] = {}
        self._raw: dict[str, list[str]] = {}  # inputs for raw samples, by the key of their preprocessing

    def answer(self, model: Any) -> Answer:
        """Nodes for all of a model.

        Raises
        ------
        ParamError
            If it is no fitted model of one task.
        DataError
            Naming the part that has no form in ONNX.
        """
        with warnings.catch_warnings():
            # Of a part that is tried on arrays.
            warnings.filterwarnings("ignore", "X does not have valid feature names")
            return self._model(model, None, 0, type(model).__name__)

    def _model(self, model: Any, rows: str | None, width: int, place: str) -> Answer:
        """`rows` None: the model takes raw rows, and its inputs are made here."""
        check_answers("export", model)
        two = in_two(model)
        if two is not None:
            front, behind = two
            steps = front if isinstance(front, Pipeline) else Pipeline([("encode", front)])
            rows, width = self._steps(steps, rows, width, place)
            return self._model(behind, rows, width, f"{place}.{type(behind).__name__}")
        if isinstance(model, Vote):
            return self._vote(model, rows, width, place)
        if _is_network(model):
            return self._network(model, rows, place)
        if isinstance(model, Pipeline):
            rows, width = self._steps(model[:-1], rows, width, place)
            return self._model(model.steps[-1][1], rows, width, f"{place}.{model.steps[-1][0]}")
        if rows is None:
            rows, width = self._plain_input(model)
        try:
            return self._on_rows(model, rows, width)
        except Untraceable as err:
            name = type(model).__name__
            raise DataError(f"export: {place} must be of operations that ONNX has. {name}: {err}. {_INSTEAD}.") from err

    def _on_rows(self, model: Any, rows: str, width: int) -> Answer:
        """Nodes for a predictor of rows of numbers; one that is asked twice for the same rows is there once."""
        key = (id(model), rows)
        if key not in self._asked:
            self._asked[key] = self._predictor(model, rows, width)
        return self._asked[key]

    def _predictor(self, model: Any, rows: str, width: int) -> Answer:
        graph = self.graph
        if isinstance(model, (TransferPipeline, Vote)) or _is_network(model):
            return self._model(model, rows, width, type(model).__name__)
        if not type(model).__module__.startswith("transferkit."):
            return estimator_answer(graph, model, rows, width)
        form = form_of(model)
        if form is not None:
            return form(model, Traced(graph, rows, examples(width)), self._on_rows)
        if isinstance(model, ShallowTransfer) and type(model).predict is ShallowTransfer.predict:
            mapped = map_rows(graph, rows, width, model, self._on_rows)
            inner_width = model._target_rows(examples(width), "predict").shape[1]
            found = self._on_rows(model.estimator_, mapped, inner_width)
        else:
            found = linear_answer(graph, model, rows, width) or self._followed(model, rows, width)
        return found.among(graph, np.asarray(model.classes_)) if hasattr(model, "classes_") else found

    def _followed(self, model: Any, rows: str, width: int) -> Answer:
        """The method's own `predict` and `predict_proba`, operation by operation."""
        stand_in, x = asked(model, self._on_rows), Traced(self.graph, rows, examples(width))
        said = followed(stand_in.predict, x)
        if isinstance(said, Traced):
            return Answer(value=said.name, flat=said.ndim == 1)
        proba = followed(stand_in.predict_proba, x).name if hasattr(model, "predict_proba") else None
        found = Answer(said.classes, code=said.codes.name).among(self.graph, np.asarray(model.classes_))
        return Answer(found.classes, proba, found.code)

    def _vote(self, vote: Vote, rows: str | None, width: int, place: str) -> Answer:
        graph = self.graph
        moved: dict[int, tuple[str | None, int]] = {}
        answers: list[Any] = [None] * len(vote._members)
        # What cannot go is told at once.
        for k in sorted(range(len(answers)), key=lambda k: _is_slow(vote._members[k])):
            name, member = vote.names_[k], vote._members[k]
            own, own_width, model = rows, width, member
            if isinstance(member, TransferPipeline):  # what several members share in front is there once
                front = member.transformer_
                if id(front) not in moved:
                    moved[id(front)] = self._steps(front, rows, width, f"{place}[{name!r}]")
                (own, own_width), model = moved[id(front)], member.method_
            answers[k] = self._model(model, own, own_width, f"{place}[{name!r}]")
        classes = vote.classes_ if answers[0].classes is not None else None
        parts = []
        for k, (answer, share) in enumerate(zip(answers, vote.shares_.tolist())):
            value = answer.value if classes is None else answer.among(graph, classes).sure(graph)
            assert value is not None
            if vote.factors is not None:
                value = self._factored(value, np.asarray(vote.factors, dtype=np.float64)[k])
            # Not one number: see NormScaler's.
            weight = np.full(1 if classes is None else len(classes), share, np.float64)
            parts.append(graph.add("Mul", value, graph.constant(weight)))
        total = graph.add("Sum", *parts) if len(parts) > 1 else parts[0]
        return Answer(value=total, flat=answers[0].flat) if classes is None else Answer(classes=classes, proba=total)

    def _factored(self, proba: str, factors: Any) -> str:
        graph = self.graph
        moved = graph.add("Mul", graph.add("Max", proba, graph.constant(1e-6)), graph.constant(factors))
        total = graph.add("ReduceSum", moved, graph.constant([1], np.int64), keepdims=1)
        return graph.add("Div", moved, total)

    def _steps(self, steps: Pipeline, rows: str | None, width: int, place: str) -> tuple[str | None, int]:
        """Transformers in front of a model; the first one may read raw rows."""
        for name, step in steps.steps:
            if step is None or (isinstance(step, str) and step == "passthrough"):
                continue
            if isinstance(step, TableEncoder):
                if self.encoder is not None and self.encoder is not step:
                    raise DataError(f"export: {place}.{name} must be the model's only encoder. Got two.")
                self.encoder = step
                rows, width = encode_table(self.graph, step)
            elif hasattr(step, "backbone_"):
                rows, width = self._features(step)
            else:
                if rows is None:
                    rows, width = self._plain_input(step)
                try:
                    rows, width = transform_rows(self.graph, step, rows, width)
                except Untraceable as err:
                    raise DataError(
                        f"export: {place}.{name} must be of operations that ONNX has. {err}. {_INSTEAD}."
                    ) from err
        return rows, width

    def _plain_input(self, part: Any) -> tuple[str, int]:
        """Rows of numbers, as the part was fitted on."""
        width = getattr(part, "n_features_in_", None)
        if width is None:
            raise ParamError(f"export: model must be fitted. Got {type(part).__name__} without n_features_in_.")
        if "numbers" not in self.graph.inputs:
            columns = [str(c) for c in getattr(part, "feature_names_in_", [f"x{k}" for k in range(width)])]
            about = {"fill": "numbers", "columns": columns, "kinds": ["number"] * width}
            self.graph.add_input("numbers", np.float64, (None, width), about)
        return "numbers", int(width)

    def _features(self, encoder: Any) -> tuple[str, int]:
        """Features of a frozen backbone, in double precision."""
        from ..engine.networks.export import body_graph  # needs torch

        model, inputs = body_graph(encoder.backbone_)
        (features,) = self._with_samples(model, inputs, encoder.backbone_.preprocess)
        return self.graph.cast(features, np.float64), int(encoder.n_features_out_)

    def _with_samples(self, model: Any, inputs: Any, preprocess: Any) -> list[str]:
        """Merge a network's graph; networks with one preprocessing share their inputs."""
        key = preprocess.key
        if key not in self._raw:
            names = []
            for about in inputs:
                free = sum(name.split("_of_")[0] == about["name"] for name in self.graph.inputs)
                name = about["name"] if not free else f"{about['name']}_of_{free + 1}"
                kind = {"fill": "samples", "kind": preprocess.kind, "preprocess": json.dumps(preprocess.spec)}
                self.graph.add_input(name, about["dtype"], about["shape"], kind)
                names.append(name)
            self._raw[key] = names
        return self.graph.merge(model, {about["name"]: name for about, name in zip(inputs, self._raw[key])})

    def _network(self, model: Any, rows: str | None, place: str) -> Answer:
        from ..engine.meta.adapted import AdaptedTask
        from ..engine.networks.estimator import NetworkEstimator
        from ..engine.networks.export import adapted_graph, network_graph

        graph, kind = self.graph, type(model)
        base = AdaptedTask if isinstance(model, AdaptedTask) else NetworkEstimator
        if any(getattr(kind, name) is not getattr(base, name) for name in ("predict", "_outputs")):
            raise DataError(
                f"export: {place} must give its network's outputs as they are. {kind.__name__} has a way of its own to"
                " predict. Keep the model as a folder (--format zip)."
            )
        learner = model.learner if base is AdaptedTask else model
        onnx_model, inputs = adapted_graph(model) if base is AdaptedTask else network_graph(model.network_)
        backbone = learner.network_.backbone
        if rows is None and backbone.kind == "vectors":
            rows, _ = self._plain_input(learner)
        if rows is None:
            (outputs,) = self._with_samples(onnx_model, inputs, backbone.preprocess)
        else:
            single = graph.cast(rows, np.float32)
            (outputs,) = graph.merge(onnx_model, {inputs[0]["name"]: single})
        outputs = graph.cast(outputs, np.float64)
        labels = model.labels if base is AdaptedTask else model.labels_
        if labels.kind == "classification":
            return Answer(classes=np.asarray(labels.classes), proba=graph.add("Softmax", outputs, axis=1))
        if labels.kind == "multilabel":
            yes = graph.cast(graph.add("Greater", outputs, graph.constant(0.0)), np.int64)
            return Answer(proba=graph.add("Sigmoid", outputs), value=yes, flat=False, labels=labels.n_outputs)
        value = graph.add("Add", graph.add("Mul", outputs, graph.constant(labels.scale)), graph.constant(labels.mean))
        return Answer(value=graph.one_row_axis(value) if labels.flat else value, flat=labels.flat)


def _is_slow(member: Any) -> bool:
    """Whether its conversion may take seconds: many trees."""
    model = getattr(member, "method_", member)
    return type(getattr(model, "estimator_", model)).__module__.startswith("sklearn.ensemble")


def _is_network(model: Any) -> bool:
    """Whether it is a network's estimator, or a meta-learner that has learned a task; told without importing torch."""
    if "torch" not in sys.modules:
        return False
    from ..engine.meta.adapted import AdaptedTask
    from ..engine.networks.estimator import NetworkEstimator

    return isinstance(model, (AdaptedTask, NetworkEstimator))
