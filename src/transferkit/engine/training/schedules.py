"""Learning-rate schedules: a factor from the share of the updates that are done, so that nothing has to be remembered."""

from __future__ import annotations

import math

__all__ = ["SCHEDULES", "Plateau", "factor"]

SCHEDULES = ("cosine", "one_cycle", "linear", "inverse", "constant", "plateau")


def factor(schedule: str, progress: float, warmup: float) -> float:
    """What the learning rate is multiplied by.

    Parameters
    ----------
    schedule : {"cosine", "one_cycle", "linear", "inverse", "constant", "plateau"}
        Cosine to 0 (Loshchilov & Hutter, ICLR 2017); one cycle: up by a cosine from 1/25, then down to 1/10000 (Smith &
        Topin 2018); linear to 0; inverse is ``(1 + 10 p) ** -0.75``, the annealing of DANN (Ganin et al. 2016, section 5.2.2);
        constant; plateau is constant here and falls through `Plateau`.
    progress : float in [0, 1]
        Share of the updates that are done.
    warmup : float in [0, 1)
        Share of the updates over which the rate rises linearly from nearly 0 (one cycle: the rising part).

    Returns
    -------
    float
    """
    if schedule == "one_cycle":
        up = warmup or 0.25
        if progress < up:
            return _cosine(1 / 25, 1.0, progress / up)
        return _cosine(1.0, 1e-4, (progress - up) / (1 - up))
    if progress < warmup:
        return max(progress / warmup, 0.01)
    rest = (progress - warmup) / (1 - warmup)
    if schedule == "cosine":
        return _cosine(1.0, 0.0, rest)
    if schedule == "inverse":
        return float((1 + 10 * rest) ** -0.75)
    return 1 - rest if schedule == "linear" else 1.0


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * min(share, 1.0))) / 2


class Plateau:
    """The factor falls to a tenth where `patience` epochs brought no better value; its state is three numbers.

    Parameters
    ----------
    patience : int
        Epochs without improvement before the factor falls.
    """

    def __init__(self, patience: int = 2) -> None:
        self.patience = patience
        self.state = {"factor": 1.0, "best": -math.inf, "wait": 0.0}

    def update(self, value: float) -> None:
        """Take in an epoch's value; higher is better."""
        if value > self.state["best"]:
            self.state["best"], self.state["wait"] = value, 0.0
        else:
            self.state["wait"] += 1
        if self.state["wait"] > self.patience:
            self.state["factor"], self.state["wait"] = self.state["factor"] * 0.1, 0.0
