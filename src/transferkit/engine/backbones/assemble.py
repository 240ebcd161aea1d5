"""From a whole network to a Backbone: the classifier comes off, chosen layers are put out, features are counted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from ...core.errors import ParamError
from ..inputs.preprocess import Preprocess
from ..networks.backbone import Backbone, Group
from .grouping import module_groups
from .layers import LayerFeatures, first_tensor, last_map, output_shapes

__all__ = ["Built", "assemble", "split_last_linear", "with_layers"]


@dataclass
class Built:
    """A network as its library makes it, with its classifier on.

    Attributes
    ----------
    model : Module
    preprocess : Preprocess
    split : callable
        Takes the classifier off and returns it; None where it has none that works on pooled features.
    heads : tuple of str
        Names of the classifier's modules, for weights that are loaded.
    groups : callable
        The parts of the model after the split.
    about : dict
        What a rebuild needs beside name and options.
    notes : tuple of str
        For `Backbone.notes`.
    """

    model: nn.Module
    preprocess: Preprocess
    split: Callable[[], nn.Module | None]
    heads: tuple[str, ...] = ()
    groups: Callable[[nn.Module], tuple[Group, ...]] = module_groups
    about: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def assemble(
    source: str, family: str, name: str, options: Mapping[str, Any], built: Built, *, keep_head: bool = True
) -> Backbone:
    """A Backbone from a network that has its weights.

    Notes
    -----
    The classifier counts as `source_head` only where ``head(body(x))`` gives what the whole network gave on an example.
    """
    model, preprocess = built.model.eval(), built.preprocess
    x = preprocess.batch([preprocess.example()] * 2)
    with torch.no_grad():
        whole = first_tensor(model(x)) if keep_head and built.heads else None
        head = built.split()
        model.eval()  # what was put in the classifier's place too
        z = first_tensor(model(x))
        if not (isinstance(head, nn.Linear) and z.ndim == 2 and head.in_features == z.shape[1]):
            head = None
        if head is not None and (whole is None or not torch.allclose(head(z), whole, rtol=1e-3, atol=1e-4)):
            head = None
    kept = {k: v for k, v in options.items() if k not in ("pretrained", "layers", "l2", "pool")}
    spec = {
        "family": family,
        "name": name,
        "source": source,
        "options": kept,
        "preprocess": preprocess.spec,
        "head": head is not None,
        **built.about,
    }
    plain = Backbone(
        name=source,
        kind=preprocess.kind,
        body=model,
        n_features=int(z.shape[1]) if z.ndim == 2 else 0,
        preprocess=preprocess,
        source_head=head,
        groups=built.groups(model),
        spec=spec,
        fingerprint="-",  # the next line counts it
        notes=built.notes,
    )
    return with_layers(plain, options)


def with_layers(backbone: Backbone, options: Mapping[str, Any]) -> Backbone:
    """The same backbone with the features that the options `layers`, `l2` and `pool` ask for.

    Raises
    ------
    ParamError
        If a layer is not there, or it does not give features of shape (batch, n_features).
    """
    layers, l2, pool = options.get("layers"), bool(options.get("l2")), options.get("pool", "mean")
    model, spec = backbone.body, backbone.spec
    body, groups, head = model, backbone.groups, backbone.source_head
    preprocess = backbone.preprocess
    asked = bool(layers or l2 or pool == "none")
    if asked and isinstance(model, LayerFeatures):
        raise ParamError(f"load_backbone: {backbone.name} must have its own output. It has chosen layers already.")
    if not asked and backbone.n_features:
        return replace(backbone, fingerprint="")  # counted anew
    x = preprocess.batch([preprocess.example()] * 2)
    if asked:
        if pool == "none" and (l2 or (layers and len(layers) > 1)):
            raise ParamError("load_backbone: pool=none must come with one layer and without l2.")
        names = list(layers or ["out"] if pool == "mean" else layers or [last_map(model, x)])
        body = LayerFeatures(model, names, l2, pool)
        body.channels_last = any(map(_channels_last, output_shapes(model, names, x)))
        body.train(model.training)
        groups = tuple(
            Group(
                g.name, tuple(f"model.{p}" for p in g.params), tuple(f"model.{m}" if m else "model" for m in g.modules)
            )
            for g in groups
        )
        groups = (*groups[:-1], Group(groups[-1].name, groups[-1].params, ("", *groups[-1].modules))) if groups else ()
        head = None
        chosen = {"layers": list(layers or ()), "l2": l2, "pool": pool}
        spec = None if spec is None else {**spec, "head": False, "options": {**spec["options"], **chosen}}
    modes = {m: m.training for m in body.modules()}
    with torch.no_grad():
        z = body.eval()(x)
    for m, mode in modes.items():
        m.training = mode
    if not isinstance(z, Tensor) or z.ndim != (4 if pool == "none" else 2):
        got = f"shape {tuple(z.shape)}" if isinstance(z, Tensor) else type(z).__name__
        raise ParamError(
            f"load_backbone: {backbone.name} must put out features of shape (batch, n_features); layers=NAME pools the "
            f"output of a module. Got {got}."
        )
    return Backbone(
        backbone.name, preprocess.kind, body, int(z.shape[1]), preprocess, head, groups, spec, notes=backbone.notes
    )


def _channels_last(shape: Sequence[int]) -> bool:
    """Whether a map of a square image has its channels on the last axis."""
    return len(shape) == 4 and shape[1] == shape[2] != shape[3]


def split_last_linear(model: nn.Module, within: str = "") -> tuple[nn.Module | None, str]:
    """Put an identity in the place of a network's last linear layer.

    Parameters
    ----------
    model : Module
    within : str, default=""
        Look only below this module.

    Returns
    -------
    head : Linear or None
        The layer that came off.
    name : str
        Where it was.
    """
    found = [
        n
        for n, m in model.named_modules()
        if isinstance(m, nn.Linear) and (not within or (n + ".").startswith(within + "."))
    ]
    if not found:
        return None, ""
    around, _, last = found[-1].rpartition(".")
    holder = model.get_submodule(around)
    head = getattr(holder, last)
    setattr(holder, last, nn.Identity())
    return head, found[-1]
