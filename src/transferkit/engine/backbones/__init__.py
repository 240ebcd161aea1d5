"""Pretrained networks by name: ``load_backbone("timm:resnet18")``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from ...core.errors import ParamError
from ..inputs.preprocess import preprocess_from
from ..networks.backbone import Backbone
from .assemble import assemble, with_layers
from .module_models import from_module, identity_backbone
from .options import options_for, split_name

__all__ = ["identity_backbone", "load_backbone", "rebuild"]


class _Families(Mapping[str, ModuleType]):
    """The file of each family; imported when it is asked for, as it needs a library of its own."""

    _files = {
        "timm": "timm_models",
        "torchvision": "torchvision_models",
        "hf": "hf_models",
        "sentence": "sentence_models",
        "open_clip": "open_clip_models",
        "small": "small_models",
        "detector": "detector_models",  # no name of its own: `detector_models.load_detector` reads hf:NAME
    }

    def __getitem__(self, family: str) -> ModuleType:
        return import_module(f"{__name__}.{self._files[family]}")

    def __iter__(self) -> Any:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


FAMILY = _Families()


def load_backbone(source: str | nn.Module | Backbone, **options: Any) -> Backbone:
    """A pretrained network by name, from a file, or the user's own.

    Parameters
    ----------
    source : str, Module or Backbone
        ``timm:NAME``, ``torchvision:NAME``, ``hf:NAME_OR_FOLDER``, ``sentence:NAME_OR_FOLDER``, ``open_clip:NAME_OR_FOLDER``
        or ``file:PATH`` (weights as safetensors), with options as in ``timm:resnet18?pretrained=false&image_size=160``;
        ``small:mlp``, ``small:lenet``, ``small:dtn``, ``small:cnn1d`` or ``small:conv4``, or a torch Module, with an input
        as ``sample``; or a Backbone, which is passed through.
    **options
        The same options as arguments; they go before those in the name. For all: ``pretrained`` (false starts from
        scratch), ``layers`` (modules whose pooled outputs are the features, "out" is the network's own), ``l2`` (rows of
        norm 1), ``pool`` ("none" gives the feature map). Of images: ``image_size``, ``mean``, ``std``, ``crop_pct``,
        ``crop_mode``, ``interpolation``, ``augment`` ("none", "flip", "crop_flip"), ``crop_scale``; ``kind="audio"`` shows
        an image network spectrograms (``rate``, ``seconds``, ``n_mels``). Of texts: ``pooling``, ``max_length``.
        Of dual encoders: ``tower`` ("image" or "text") and ``weights`` (a tag). Of a module: see
        `transferkit.engine.backbones.module_models.from_module`.

    Returns
    -------
    Backbone
        In evaluation mode, where it was loaded here.

    Raises
    ------
    ParamError
        If a name or an option is not known; the nearest names are offered.
    DataError
        If weights are not there or do not fit; the first that differs is named with both shapes.
    MissingExtraError
        If the library of this family is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> from torch import nn
    >>> from transferkit.engine.backbones import load_backbone
    >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    >>> found = load_backbone(net, sample=np.zeros(4), head="2")
    >>> found.n_features, found.kind, found.source_head, [g.name for g in found.groups]
    (8, 'vectors', Linear(in_features=8, out_features=3, bias=True), ['0'])
    """
    if isinstance(source, Backbone):
        options = {k: v for k, v in options.items() if v is not None}
        return with_layers(source, _chosen(options)) if options else source
    if isinstance(source, nn.Module):
        return from_module(source, **options)
    if not isinstance(source, str):
        raise ParamError(f"load_backbone: source must be a name, a torch Module or a Backbone. Got {source!r}.")
    family, name, given = split_name(source)
    given |= {k: v for k, v in options.items() if v is not None}
    if family == "file":
        from . import file_models

        return file_models.load(source, Path(name).expanduser(), given)
    sample = given.pop("sample", None) if family == "small" else None
    checked = options_for(family, given)
    about = FAMILY[family].about_sample(source, name, sample, checked) if family == "small" else None
    built = FAMILY[family].build(source, name, checked, about=about)
    return assemble(source, family, name, checked, built)


def rebuild(spec: Mapping[str, Any]) -> Backbone:
    """The skeleton that a spec describes: the same structure with first weights, without files and network.

    Parameters
    ----------
    spec : mapping
        `Backbone.spec`, perhaps through JSON.

    Returns
    -------
    Backbone
        Its `fingerprint` is that of the first weights.
    """
    if spec["family"] == "identity":
        return identity_backbone(spec["n_features"])
    options = {**spec["options"], "pretrained": False}
    with torch.random.fork_rng(devices=[]):
        built = FAMILY[spec["family"]].build(spec["source"], spec["name"], options, about=spec)
    built = replace(built, preprocess=preprocess_from(spec["preprocess"]))
    return assemble(spec["source"], spec["family"], spec["name"], options, built, keep_head=spec["head"])


def _chosen(options: Mapping[str, Any]) -> dict[str, Any]:
    """What can still be asked of a backbone that is there."""
    wrong = [k for k in options if k not in ("layers", "l2", "pool")]
    if wrong:
        raise ParamError(f"load_backbone: options of a Backbone must be of layers, l2, pool. Got {wrong[0]!r}.")
    layers = options.get("layers")
    return {**options, "layers": layers.split(",") if isinstance(layers, str) else layers}
