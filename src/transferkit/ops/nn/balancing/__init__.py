"""Balancers by name: how the losses of several tasks become one update."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ....core.errors import ParamError
from .aligned_mtl import AlignedMTL
from .balancer import Balancer, GradientBalancer, LossBalancer, Scene
from .cagrad import CAGrad
from .dwa import DWA
from .equal import Equal
from .famo import FAMO
from .from_torchjd import FromTorchJD
from .gls import GLS
from .gradnorm import GradNorm
from .gradvac import GradVac
from .imtl import IMTL
from .mgda import MGDA
from .nash_mtl import NashMTL
from .pcgrad import PCGrad
from .rlw import RLW
from .uncertainty import Uncertainty

__all__ = ["BALANCERS", "Balancer", "GradientBalancer", "LossBalancer", "Scene", "make_balancer"]

BALANCERS: Mapping[str, type[Balancer]] = {
    "equal": Equal, "uncertainty": Uncertainty, "dwa": DWA, "gradnorm": GradNorm, "rlw": RLW, "gls": GLS, "famo": FAMO,
    "imtl": IMTL, "pcgrad": PCGrad, "mgda": MGDA, "cagrad": CAGrad, "gradvac": GradVac, "nash_mtl": NashMTL,
    "aligned_mtl": AlignedMTL,
}  # fmt: skip


def make_balancer(
    name: str, kinds: Sequence[str], seed: int = 0, options: Mapping[str, Any] | None = None
) -> LossBalancer | GradientBalancer:
    """A balancer by its name; of one task alone, that task's loss, whatever the name.

    Parameters
    ----------
    name : str
        A key of `BALANCERS`, or ``torchjd:NAME`` for an aggregator of TorchJD.
    kinds : sequence of str
        ``"classification"`` or ``"regression"`` for each task.
    seed : int
        Of what it draws.
    options : mapping, optional
        The parameters of its class.

    Raises
    ------
    ParamError
        If an option is not one of its, or out of range.

    Examples
    --------
    >>> from transferkit.ops.nn.balancing import make_balancer
    >>> make_balancer("cagrad", ["classification", "regression"], options={"c": 0.4}).c
    0.4
    """
    options = dict(options or {})
    if name.startswith("torchjd:"):
        found: Any = FromTorchJD(kinds, seed, name=name.removeprefix("torchjd:"), **options)
    else:
        rules = BALANCERS[name].rules
        for key, value in options.items():
            if key not in rules:
                raise ParamError(f"balancing_options: must be of {', '.join(rules) or 'none'} for {name}. Got {key!r}.")
            if not rules[key].holds(value):
                raise ParamError(f"balancing_options: {key} of {name} must {rules[key].text}. Got {value!r}.")
        found = BALANCERS[name](kinds, seed, **options)
    return Equal(kinds, seed) if len(kinds) == 1 else found
