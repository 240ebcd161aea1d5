"""Training: the settings of the loop, one object for all deep methods."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from sklearn.base import BaseEstimator

from ...core.constraints import Boolean, Either, Fulfils, Interval, Nothing, Options
from .schedules import SCHEDULES

__all__ = ["OPTIMIZERS", "Training"]

OPTIMIZERS = ("adamw", "adam", "sgd")


class Training(BaseEstimator):
    """How a network is trained. A scikit-learn estimator only in that `clone`, `get_params` and grid search reach in.

    Parameters
    ----------
    n_epochs : int in [1, inf), default=10
        Passes over the target data.
    batch_size : int in [1, inf), default=32
        Rows an update sees at once (per `accumulate`); over all processes together.
    lr : float in (0, inf) or "auto", default=1e-3
        Learning rate of the head. "auto" runs the learning-rate finder first.
    body_lr_scale : float in (0, 1], default=0.1
        Learning rate of the pretrained body as a multiple of `lr`: the head is new and has further to go. What is inserted
        into a frozen body (adapters and the like) has the head's rate. Take 1 to train from scratch.
    optimizer : {"adamw", "adam", "sgd"}, default="adamw"
        SGD has Nesterov momentum.
    weight_decay : float in [0, inf), default=1e-2
        Not applied to biases and normalisation layers.
    momentum : float in [0, 1), default=0.9
        For SGD.
    schedule : {"cosine", "one_cycle", "linear", "inverse", "constant", "plateau"}, default="cosine"
        How the learning rate moves.
    warmup : float in [0, 1), default=0.1
        Share of the updates over which it rises first.
    clip : float in (0, inf), default=None
        Largest norm of the gradient; None does not clip.
    accumulate : int in [1, inf), default=1
        An update uses this many times `batch_size` rows, one batch after the other through the network.
    precision : {"auto", "fp32", "bf16", "fp16"}, default="auto"
        "auto" is bf16 on a GPU that has it, else fp32. fp16 needs a GPU.
    device : str, default="auto"
        "auto" is a GPU where there is one.
    channels_last : bool, default=True
        Memory format of convolutional networks; faster, same result up to rounding.
    average : {None, "ema", "swa"}, default=None
        Keep an average of the weights and end with it: exponential, or plain over the last quarter of the updates.
    ema_decay : float in (0, 1), default=0.99
        Share of the exponential average that an update keeps; less in the first updates.
    validation : float in [0, 1), default=0.0
        Share of the labelled rows that is set aside to judge every epoch.
    patience : int in [1, inf), default=None
        Stop after this many epochs without a better validation score, and keep the best weights. Needs `validation`.
    keep : {"last", "best"}, default="last"
        Weights at the end: those of the last epoch, or of the best validation score.
    augment : bool, default=True
        Whether training rows are augmented as the backbone's preprocessing offers it.
    folder : path, default=None
        Where checkpoints and the log go; None writes nothing.
    checkpoint_every : int in [1, inf), default=None
        Updates between checkpoints; None is once an epoch.
    resume : bool, default=True
        Go on from the checkpoint in `folder`, where there is one of the same fit.
    tensorboard : bool, default=False
        Whether TensorBoard events are written to `folder` too.
    workers : int in [0, inf), default=0
        Processes that decode samples.
    progress : {None, True, False}, default=None
        Whether a progress bar is shown; None shows one on a terminal.
    callbacks : sequence of callables, default=()
        Each is called as ``callback(event, state)``: event is "update", "epoch" or "end", state a mapping of what is known.

    Examples
    --------
    >>> from transferkit import Training
    >>> Training(n_epochs=3, lr=0.01)
    Training(lr=0.01, n_epochs=3)
    """

    _constraints: ClassVar = {
        "n_epochs": Interval(int, 1),
        "batch_size": Interval(int, 1),
        "lr": Either(Interval(float, 0, closed="neither"), Options("auto")),
        "body_lr_scale": Interval(float, 0, 1, closed="right"),
        "optimizer": Options(*OPTIMIZERS),
        "weight_decay": Interval(float, 0),
        "momentum": Interval(float, 0, 1, closed="left"),
        "schedule": Options(*SCHEDULES),
        "warmup": Interval(float, 0, 1, closed="left"),
        "clip": Either(Nothing(), Interval(float, 0, closed="neither")),
        "accumulate": Interval(int, 1),
        "precision": Options("auto", "fp32", "bf16", "fp16"),
        "device": Fulfils("be 'auto' or a device such as 'cpu' or 'cuda:0'", lambda v: isinstance(v, str) and bool(v)),
        "channels_last": Boolean(),
        "average": Either(Nothing(), Options("ema", "swa")),
        "ema_decay": Interval(float, 0, 1, closed="neither"),
        "validation": Interval(float, 0, 1, closed="left"),
        "patience": Either(Nothing(), Interval(int, 1)),
        "keep": Options("last", "best"),
        "augment": Boolean(),
        "folder": Either(Nothing(), Fulfils("be a path", lambda v: isinstance(v, (str, Path)))),
        "checkpoint_every": Either(Nothing(), Interval(int, 1)),
        "resume": Boolean(),
        "tensorboard": Boolean(),
        "workers": Interval(int, 0),
        "progress": Either(Nothing(), Boolean()),
        "callbacks": Fulfils(
            "be a sequence of callables", lambda v: isinstance(v, (list, tuple)) and all(map(callable, v))
        ),
    }

    def __init__(
        self,
        n_epochs: int = 10,
        batch_size: int = 32,
        lr: float | str = 1e-3,
        body_lr_scale: float = 0.1,
        optimizer: str = "adamw",
        weight_decay: float = 1e-2,
        momentum: float = 0.9,
        schedule: str = "cosine",
        warmup: float = 0.1,
        clip: float | None = None,
        accumulate: int = 1,
        precision: str = "auto",
        device: str = "auto",
        channels_last: bool = True,
        average: str | None = None,
        ema_decay: float = 0.99,
        validation: float = 0.0,
        patience: int | None = None,
        keep: str = "last",
        augment: bool = True,
        folder: str | Path | None = None,
        checkpoint_every: int | None = None,
        resume: bool = True,
        tensorboard: bool = False,
        workers: int = 0,
        progress: bool | None = None,
        callbacks: Sequence[Callable[[str, dict[str, Any]], None]] = (),
    ) -> None:
        self.n_epochs = n_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.body_lr_scale = body_lr_scale
        self.optimizer = optimizer
        self.weight_decay = weight_decay
        self.momentum = momentum
        self.schedule = schedule
        self.warmup = warmup
        self.clip = clip
        self.accumulate = accumulate
        self.precision = precision
        self.device = device
        self.channels_last = channels_last
        self.average = average
        self.ema_decay = ema_decay
        self.validation = validation
        self.patience = patience
        self.keep = keep
        self.augment = augment
        self.folder = folder
        self.checkpoint_every = checkpoint_every
        self.resume = resume
        self.tensorboard = tensorboard
        self.workers = workers
        self.progress = progress
        self.callbacks = callbacks
