"""A linear layer on the states of chosen tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ...core.errors import ParamError
from .heads import DenseHead
from .inner_outputs import inner_outputs, look_inside

__all__ = ["TokenHead", "find_states"]


class TokenHead(DenseHead):
    """Outputs for the tokens that stand for words.

    Parameters
    ----------
    states : str
        Module of the body that puts out the states, of shape (batch, n_tokens, n_features).
    n_features, n_outputs : int
        Width of a state, and number of classes.
    dropout : float in [0, 1)
        Share of a state that is set to zero in training.

    Attributes
    ----------
    spec : dict
        The parameters.
    """

    def __init__(self, states: str, n_features: int, n_outputs: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.spec: dict[str, Any] = {
            "states": states, "n_features": n_features, "n_outputs": n_outputs, "dropout": dropout,
        }  # fmt: skip
        self.states = states
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(n_features, n_outputs)

    def read(self, body: nn.Module, x: Mapping[str, Tensor]) -> Tensor:
        """States of shape (batch, n_words, n_features) at the places that ``x["first"]``, of shape (batch, n_words), names."""
        own = {name: value for name, value in x.items() if name != "first"}
        states = inner_outputs(body, own, [self.states])[self.states]
        return states[torch.arange(len(states), device=states.device)[:, None], x["first"]]

    def forward(self, z: Tensor) -> Tensor:
        """Outputs of shape (batch, n_words, n_outputs)."""
        return self.out(self.dropout(z))


def find_states(body: nn.Module, x: Mapping[str, Tensor]) -> tuple[str, int]:
    """The module that puts out the last states of the tokens, and their width.

    Parameters
    ----------
    body : Module
    x : mapping of str to tensor
        An input; ``input_ids`` of shape (batch, n_tokens) is in it.

    Raises
    ------
    ParamError
        If there is none.
    """
    shape = tuple(x["input_ids"].shape)
    found = [
        (name, z.shape[2]) for name, z in look_inside(body, x).items() if z.ndim == 3 and tuple(z.shape[:2]) == shape
    ]
    if not found:
        raise ParamError("source must be a network with a state for every token. Got one without.")
    return found[-1][0], int(found[-1][1])
