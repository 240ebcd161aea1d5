"""Any aggregator of TorchJD by its name, as in ``torchjd:UPGrad``."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ....core.errors import MissingExtraError, ParamError
from .balancer import GradientBalancer

__all__ = ["FromTorchJD"]


class FromTorchJD(GradientBalancer):
    """An aggregator of the library, made anew in every training.

    Parameters
    ----------
    name : str
        Its class, as in ``"UPGrad"``.
    **options
        Of its constructor.

    Raises
    ------
    MissingExtraError
        If torchjd, or what it needs for this aggregator, is not installed.
    ParamError
        If it has no such aggregator, or the options are not its.

    Notes
    -----
    What an aggregator of the library remembers between updates is in no checkpoint: a resumed training then differs. It
    is drawn from a seed of the update's own.
    """

    def __init__(self, kinds: Sequence[str], seed: int = 0, *, name: str, **options: Any) -> None:
        super().__init__(kinds, seed)
        if importlib.util.find_spec("torchjd") is None:
            raise MissingExtraError(f"balancing='torchjd:{name}' needs torchjd: pip install 'transferkit[multi_task]'")
        from torchjd import aggregation

        kind = getattr(aggregation, name, None)
        if not (isinstance(kind, type) and issubclass(kind, aggregation.Aggregator)):
            known = [n for n in aggregation.__all__ if n != "Aggregator"]
            raise ParamError(f"balancing: torchjd: must be followed by one of {', '.join(known)}. Got {name!r}.")
        try:
            self.aggregator = kind(**options)
        except ImportError as err:
            raise MissingExtraError(f"balancing='torchjd:{name}' needs a further package: {err}") from err
        except (TypeError, ValueError) as err:
            raise ParamError(f"balancing_options: must be those of torchjd's {name}. Got {options}: {err}") from err

    def direction(self, jacobian: Tensor) -> Tensor:
        """What the aggregator says."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(self.drawn(self.progress).integers(2**62)))
            found: Tensor = self.aggregator(jacobian)
        return found
