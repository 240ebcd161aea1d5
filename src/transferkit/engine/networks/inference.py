"""Outputs of a trained network for many rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from warnings import warn

import numpy as np
import torch
from torch import Tensor, nn

from ...core.errors import TransferWarning
from ...core.protocols import Array
from ..inputs.rows import Rows, move
from ..training.device import Place, is_out_of_memory

__all__ = ["outputs_of"]


def outputs_of(
    module: nn.Module,
    forward: Callable[[Any], Tensor],
    rows: Rows,
    place: Place,
    batch_size: int = 64,
    workers: int = 0,
) -> Array:
    """Outputs in evaluation mode, without gradients.

    Parameters
    ----------
    module : Module
        Put into evaluation mode meanwhile, and back.
    forward : callable
        What is computed, as in ``module.features``.
    rows : Rows
        The rows; order is kept.
    place : Place
        Device and precision.
    batch_size : int
        Rows at a time; halved, with a warning, where memory runs out.
    workers : int
        Processes that decode.

    Returns
    -------
    array of shape (n_samples, n_outputs), float32
    """
    modes = {m: m.training for m in module.modules()}
    module.train().eval()  # by way of train: some networks keep what they computed from other weights until then
    found: list[Tensor] = []
    done = 0
    try:
        with torch.inference_mode():
            while done < len(rows):
                try:
                    plan = [np.arange(k, min(k + batch_size, len(rows))) for k in range(done, len(rows), batch_size)]
                    for stream in rows.batches(plan, workers):
                        x = rows.preprocess.finish(move(stream.x, place.device), training=False, generator=None)
                        with place.autocast():
                            found.append(forward(place.arrange(x)).float().cpu())
                        done += len(stream)
                except RuntimeError as err:
                    if not is_out_of_memory(err) or batch_size == 1:
                        raise
                    batch_size = max(1, batch_size // 2)
                    warn(f"out of memory: {batch_size} rows at a time from here on.", TransferWarning, stacklevel=2)
    finally:
        for m, mode in modes.items():
            m.training = mode
    return torch.cat(found).numpy() if found else np.empty((0, 0), np.float32)
