"""A trained network, a learned task or a backbone's body as an ONNX graph: from prepared samples to outputs or features."""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import warnings
from typing import Any

import torch
from torch import Tensor, nn

from ...core.errors import DataError, MissingExtraError
from ..inputs.preprocess import Preprocess, preprocess_from
from ..meta.adapted import AdaptedTask
from .backbone import Backbone
from .network import Network

__all__ = ["adapted_graph", "body_graph", "feeds_of_samples", "network_graph"]

OPSET = 18


class _WithFinish(nn.Module):
    """What the network sees, made from a collated batch inside the graph."""

    def __init__(self, preprocess: Preprocess, module: nn.Module) -> None:
        super().__init__()
        self.preprocess, self.module = preprocess, module

    def forward(self, *batch: Tensor) -> Tensor:
        x = batch[0] if len(batch) == 1 else {"input_ids": batch[0], "attention_mask": batch[1]}
        return self.module(self.preprocess.finish(x, training=False))


def network_graph(network: Network) -> tuple[Any, list[dict[str, Any]]]:
    """A network as ONNX model, and what each input is; see `body_graph`."""
    return _graph(network.backbone.preprocess, network, network.backbone.name)


class _Answers(nn.Module):
    """What a meta-learner says of rows of the task that it has learned."""

    def __init__(self, task: AdaptedTask) -> None:
        super().__init__()
        self.objective, _ = task.learner.task_learner()
        self._state, self._n = task.state, task.labels.n_outputs

    def forward(self, x: Any) -> Tensor:
        return self.objective.answer(self._state, x)[:, : self._n]


def adapted_graph(task: AdaptedTask) -> tuple[Any, list[dict[str, Any]]]:
    """A meta-learner that has learned a task as ONNX model, and what each input is; see `body_graph`."""
    backbone, answers = task.learner.network_.backbone, _Answers(task)
    if answers.objective.whole:
        raise DataError(
            f"export: model must answer for rows by themselves. Got {type(task.learner).__name__}, whose answer to a row hangs on"
            " the rows beside it. Keep the model as a folder (--format zip)."
        )
    return _graph(backbone.preprocess, answers, backbone.name)


def body_graph(backbone: Backbone) -> tuple[Any, list[dict[str, Any]]]:
    """A backbone's features as ONNX model.

    Returns
    -------
    model : onnx.ModelProto
        Single precision; rows are free in number, and so is the length of texts.
    inputs : list of dict
        ``name``, ``dtype`` and ``shape`` of each input, None where a length is free.

    Raises
    ------
    MissingExtraError
        If onnx or onnxscript is not installed.
    DataError
        If a part of the network has no form in ONNX.
    """
    return _graph(backbone.preprocess, backbone.body, backbone.name)


def _graph(preprocess: Preprocess, module: nn.Module, name: str) -> tuple[Any, list[dict[str, Any]]]:
    try:
        import onnxscript  # noqa: F401  torch's exporter is written in it
    except ImportError as err:
        raise MissingExtraError("export: a network needs onnxscript: pip install 'transferkit[export]'") from err
    whole = _WithFinish(preprocess, copy.deepcopy(module).cpu().float()).eval()
    # Two different samples' worth of rows: a batch of one would fix the number of rows at one.
    batch = preprocess.collate([preprocess.prepare(preprocess.example()) for _ in range(2)])
    tensors = tuple(batch.values()) if isinstance(batch, dict) else (batch,)
    names = list(batch) if isinstance(batch, dict) else [{"images": "pixels"}.get(preprocess.kind, preprocess.kind)]
    free = _free_axes(preprocess, tensors)
    rows = torch.export.Dim.DYNAMIC
    shapes = tuple(dict.fromkeys([0, *axes], rows) for axes in free)
    try:
        with warnings.catch_warnings(), _quiet(), torch.no_grad():
            warnings.simplefilter("ignore")  # said to those who write networks
            found = torch.onnx.export(
                whole, tensors, input_names=names, dynamic_shapes=(shapes,), opset_version=OPSET,
                dynamo=True, external_data=False, verbose=False,
            )  # fmt: skip
            model = found.model_proto
    except (RuntimeError, TypeError, ValueError, AttributeError, torch.onnx.errors.OnnxExporterError) as err:
        said = " ".join(str(err).split())[:300]
        raise DataError(f"export: {name} must be of operations that ONNX has. Got: {said}") from err
    inputs = [
        {
            "name": n,
            "dtype": str(t.dtype).removeprefix("torch."),
            "shape": [None, *(None if a in axes else int(t.shape[a]) for a in range(1, t.ndim))],
        }
        for n, t, axes in zip(names, tensors, free)
    ]
    return model, inputs


def _free_axes(preprocess: Preprocess, tensors: tuple[Tensor, ...]) -> list[list[int]]:
    """Axes beside the rows whose length differs from batch to batch: tokens of a text."""
    return [[1] if preprocess.kind == "text" else [] for _ in tensors]


@contextlib.contextmanager
def _quiet() -> Any:
    """Without what the exporter prints."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logger.setLevel(level)


def feeds_of_samples(spec: dict[str, Any], names: list[str], X: Any, start: int, stop: int) -> dict[str, Any]:
    """Some raw samples as the inputs of a graph take them, as arrays by name.

    Parameters
    ----------
    spec : dict
        Of the preprocessing.
    names : list of str
        Inputs, in order.
    X : Samples, list or array
    start, stop : int
        Which of them.
    """
    preprocess = preprocess_from(spec)
    batch = preprocess.collate([preprocess.prepare(X[k]) for k in range(start, stop)])
    tensors = batch.values() if isinstance(batch, dict) else (batch,)
    return {name: tensor.numpy() for name, tensor in zip(names, tensors)}
