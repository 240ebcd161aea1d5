"""Distillation: the source model learns the task, and a smaller network learns from its answers."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ...core.constraints import Either, Interval, Nothing, Options
from ...core.errors import ParamError
from ...engine.backbones import load_backbone
from ...engine.fine_tuning.estimator import NETWORK_RULES, PLAN_RULES, Fit, NetworkTransfer
from ...engine.fine_tuning.start_head import start_from_probe
from ...engine.fine_tuning.supervised import Supervised
from ...engine.inputs.preprocess import Preprocess
from ...engine.inputs.rows import Rows
from ...engine.networks.inference import outputs_of
from ...engine.networks.network import Network
from ...engine.training.freezing import FreezePlan, make_plan
from ...engine.training.loop import Loop
from ...engine.training.objective import Batch, Objective
from ...engine.training.settings import Training
from ...ops.nn.answers import answer_distance
from ...ops.nn.heads import Head

CARD = {
    "class": "Distillation",
    "protocol": "ModelTransfer",
    "settings": ("few_label", "supervised"),
    "tasks": ("classification", "regression"),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "n",
    "paper": "Hinton, Vinyals & Dean. Distilling the Knowledge in a Neural Network. NeurIPS 2014 workshop.",
    "url": "https://arxiv.org/abs/1503.02531",
}

__all__ = ["Distillation"]


class Distillation(NetworkTransfer):
    """Teach the source model the task, then train a student, usually smaller, on its softened answers and on the labels.

    Parameters
    ----------
    source : str, Module or Backbone
        The teacher before it knows the task; see `FineTuning`.
    student : str, Module or Backbone, default=None
        What is trained and kept, such as ``"timm:mobilenetv3_small_100"``; it must take the same kind of rows. None is the
        source model once more, from its own weights (self-distillation).
    teacher : {"probe", "fine_tuned"}, default="probe"
        How the source model learns the task: a logistic or ridge probe on its frozen features, or fine-tuned from there.
    lam : float in [0, 1], default=0.5
        Weight of the teacher: the loss is ``lam * T^2 * KL(teacher || student) + (1 - lam) * task``. 0 is plain fine-tuning
        of the student; 1 sees no label but through the teacher.
    temperature : float in (0, inf), default=2.0
        T softens the probabilities of both; higher gives improbable classes more weight.
    answers : {"once", "batch"}, default="once"
        "once": the teacher is asked before training, on rows that are not augmented. "batch": on every batch as the student
        sees it, augmented; both must then take their rows in the same form.
    reg : float in (0, inf) or "cv", default=1.0
        L2 penalty of the probe.
    plan : str, mapping or FreezePlan, default="full"
        What of the student trains when; see `FineTuning`.
    lr_decay : float in (0, 1], default=1.0
        Learning rate of each part as a multiple of that of the part after it.
    batch_norm : {"frozen", "train", "off"}, default="frozen"
        Whether batch normalisation keeps its statistics, follows the batches, or is left alone altogether.
    head : {"linear", "mlp", "adapter", "cosine", "conv"}, default="linear"
        What maps the student's features to outputs.
    dropout : float in [0, 1), default=0.0
        Share of the features that the student's head drops in training.
    training : Training, default=None
        Of the student, and of a teacher that is fine-tuned (all of it); None is ``Training()``.
    task : {"auto", "classification", "multilabel", "regression"}, default="auto"
        "auto" decides from the labels.
    random_state : int, RandomState or None, default=0
        Seed of the heads, the batches and the augmentation.

    Attributes
    ----------
    network_ : Network
        The student, trained.
    labels_ : Labels
        How outputs become labels.
    classes_ : array of shape (n_classes,)
        For a classification.
    history_ : list of dict
        One row an epoch of the student, with ``train/task`` and ``train/teacher``, the teacher's part as it is weighted.
    n_updates_ : int
        Updates of the student.
    backbone_name_, fingerprint_ : str
        The source model's name, and the SHA-256 of its weights.
    facts_ : dict
        What the report shows: of the teacher, its score on the training rows; the student's name and weights.
    n_features_in_ : int
        Width of the rows, where they are vectors.

    Notes
    -----
    For classes the teacher's part is ``T^2 * sum_k p_k (log p_k - log q_k)`` with p and q the softmax of its and the student's
    logits over T; T^2 keeps its gradient's size as T changes (section 2.1; the paper's cross-entropy differs by a constant).
    Two things the paper does not have: for several labels a row it is the mean over the labels of the same with two classes
    each, for numbers the squared distance of the two answers (T plays no part).

    References
    ----------
    Hinton, Vinyals & Dean. Distilling the Knowledge in a Neural Network. 2015.
    Beyer et al. Knowledge Distillation: A Good Teacher is Patient and Consistent. CVPR 2022 (why "batch").
    Furlanello et al. Born-Again Neural Networks. ICML 2018 (self-distillation).

    Examples
    --------
    >>> import numpy as np
    >>> from torch import nn
    >>> from transferkit import Distillation
    >>> from transferkit import Training
    >>> X = np.random.default_rng(0).normal(size=(60, 4))
    >>> y = np.where(X[:, 0] > 0, "right", "left")
    >>> large, small = nn.Sequential(nn.Linear(4, 64), nn.ReLU()), nn.Sequential(nn.Linear(4, 8), nn.ReLU())
    >>> model = Distillation(large, small, training=Training(body_lr_scale=1, n_epochs=30, lr=0.02)).fit(X, y)
    >>> model.score(X, y) > 0.9
    True
    """

    _constraints: ClassVar = {
        **NETWORK_RULES,
        **PLAN_RULES,
        "student": Either(Nothing(), NETWORK_RULES["source"]),
        "teacher": Options("probe", "fine_tuned"),
        "lam": Interval(float, 0, 1),
        "temperature": Interval(float, 0, closed="neither"),
        "answers": Options("once", "batch"),
        "reg": Either(Interval(float, 0, closed="neither"), Options("cv")),
    }

    def __init__(
        self,
        source: Any,
        student: Any = None,
        teacher: str = "probe",
        lam: float = 0.5,
        temperature: float = 2.0,
        answers: str = "once",
        reg: float | str = 1.0,
        plan: str | Mapping[str, Any] | FreezePlan = "full",
        lr_decay: float = 1.0,
        batch_norm: str = "frozen",
        head: str = "linear",
        dropout: float = 0.0,
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.source = source
        self.student = student
        self.teacher = teacher
        self.lam = lam
        self.temperature = temperature
        self.answers = answers
        self.reg = reg
        self.plan = plan
        self.lr_decay = lr_decay
        self.batch_norm = batch_norm
        self.head = head
        self.dropout = dropout
        self.training = training
        self.task = task
        self.random_state = random_state

    def _edit(self, fit: Fit) -> None:
        """The student in the place of the source model."""
        if self.student is None:
            return
        options = {"sample": fit.rows.X[0]} if isinstance(self.student, nn.Module) else {}
        student = load_backbone(self.student, **options)
        if student.kind != fit.backbone.kind:
            raise ParamError(f"Distillation.fit: student must take {fit.backbone.kind}. Got one for {student.kind}.")
        torch.manual_seed(fit.seed)  # the head begins as it would if the student were fine-tuned by itself
        fit.network = Network(student, Head(student.n_features, fit.labels.n_outputs, self.head, self.dropout))
        fit.rows, fit.held = (_prepared(rows, student.preprocess) for rows in (fit.rows, fit.held))
        fit.notes |= {"student": student.name, "student_weights": student.fingerprint}

    def _objective(self, fit: Fit) -> Supervised:
        rows = _prepared(fit.rows, fit.backbone.preprocess)
        if self.answers == "batch" and rows is not fit.rows:
            raise ParamError("Distillation.fit: answers must be 'once' if the two read rows differently. Got 'batch'.")
        teacher = self._teacher(fit, rows)
        size, workers = max(64, fit.training.batch_size), fit.training.workers
        said = outputs_of(teacher, teacher.forward, rows, fit.place, size, workers)
        fit.notes["teacher_score"] = fit.labels.score(fit.y, fit.labels.predict(said))
        once = self.answers == "once"
        term = _Teacher(fit.labels.kind, self.lam, self.temperature, torch.from_numpy(said) if once else teacher)
        return Supervised(fit.network, fit.labels, [term], weight=1 - self.lam, frozen=() if once else [teacher])

    def _finish(self, fit: Fit, objective: Objective) -> None:
        if self.student is not None:  # what the source model knew is not in question: another network was trained
            fit.backbone = replace(fit.backbone, source_head=None)

    def _teacher(self, fit: Fit, rows: Rows) -> Network:
        """The source model with what the labels taught it."""
        network = Network(fit.backbone, Head(fit.backbone.n_features, fit.labels.n_outputs))
        t = copy.copy(fit.training)
        start_from_probe(network, rows, fit.y, fit.labels, fit.place, t, reg=self.reg, seed=fit.seed)
        if self.teacher == "probe":
            return network.eval()
        if t.folder is not None:
            t.folder = Path(t.folder) / "teacher"
        objective, held = Supervised(network, fit.labels), _prepared(fit.held, fit.backbone.preprocess)
        rates = {"n_epochs": t.n_epochs, "body_lr_scale": t.body_lr_scale}
        plan = make_plan(network.groups, "full", **rates, batch_norm=self.batch_norm)
        judge = (lambda: self._judge(replace(fit, held=held), objective)) if len(held) else None
        Loop(
            objective, {"target": rows}, t, network=network, groups=network.groups, plan=plan, seed=fit.seed,
            validate=judge, key=self._key(),
        ).run()  # fmt: skip
        return network.eval()


class _Teacher(nn.Module):
    """What it costs the student to differ from the recorded answers to every row, or from those of a network to the batch."""

    answers: Tensor

    def __init__(self, kind: str, lam: float, temperature: float, teacher: Tensor | Network) -> None:
        super().__init__()
        self.kind, self.lam, self.temperature = kind, lam, temperature
        self.network = teacher if isinstance(teacher, Network) else None
        # Recorded answers follow from the teacher and the rows, so a checkpoint can do without them.
        self.register_buffer("answers", teacher if isinstance(teacher, Tensor) else None, persistent=False)

    def forward(self, batch: Batch, features: Tensor, outputs: Tensor, progress: float) -> dict[str, Tensor]:
        stream = batch["target"]
        with torch.no_grad():
            said = self.answers[stream.rows] if self.network is None else self.network(stream.x).float()
        return {"teacher": self.lam * answer_distance(self.kind, said, outputs.float(), self.temperature)}


def _prepared(rows: Rows, preprocess: Preprocess) -> Rows:
    """The same rows, in the form that a network takes."""
    if rows.preprocess.spec == preprocess.spec:
        return rows
    found = Rows(rows.X, preprocess)
    found.index, found.y = rows.index, rows.y
    return found
