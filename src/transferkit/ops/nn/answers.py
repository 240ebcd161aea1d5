"""How far a network's answers are from a teacher's."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["answer_distance"]


def answer_distance(kind: str, said: Tensor, outputs: Tensor, temperature: float) -> Tensor:
    """``T^2 KL(teacher || student)`` of softened outputs, or for numbers the squared difference; mean over the rows.

    Parameters
    ----------
    kind : {"classification", "multilabel", "regression"}
        For several labels, the mean over the labels of the divergence between two choices of two.
    said, outputs : tensor of shape (n_rows, n_outputs)
        The teacher's and the student's logits, or values.
    temperature : float
        T. Both are divided by it; T^2 keeps the gradient's size.

    Returns
    -------
    Tensor
        A number.
    """
    if kind == "regression":
        return functional.mse_loss(outputs, said)
    p, q = said / temperature, outputs / temperature
    if kind == "classification":
        found = functional.kl_div(q.log_softmax(1), p.log_softmax(1), reduction="batchmean", log_target=True)
    else:
        yes = torch.sigmoid(p) * (functional.logsigmoid(p) - functional.logsigmoid(q))
        no = torch.sigmoid(-p) * (functional.logsigmoid(-p) - functional.logsigmoid(-q))
        found = (yes + no).mean()
    return temperature**2 * found
