"""``torchvision:NAME``: image classifiers of the library torchvision."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...core.errors import DataError, ParamError
from ...data.download import download
from ..networks.torchvision_guard import guard_torchvision
from . import hub
from .assemble import Built, split_last_linear
from .images import image_preprocess
from .options import nearest
from .weights import take_weights

__all__ = ["build"]

_HEADS = ("fc", "classifier", "head", "heads")
_INCEPTION = ("googlenet", "inception_v3")  # have two more classifiers for training, and rescale inputs


def build(
    source: str,
    name: str,
    options: Mapping[str, Any],
    *,
    state: Mapping[str, Tensor] | None = None,
    about: Mapping[str, Any] | None = None,
) -> Built:
    """A torchvision classifier; parameters, raises as `transferkit.engine.backbones.timm_models.build`.

    Notes
    -----
    torchvision's own weights are not safetensors. They are read by torchvision with PyTorch's restricted reader, which
    makes tensors and nothing else, after their SHA-256 was held against their name.
    """
    guard_torchvision()
    models = hub.library("torchvision.models", "vision")
    known = models.list_models(module=models)
    if name not in known:
        raise ParamError(
            f"load_backbone: torchvision: must be followed by the name of a classifier in torchvision. Got {name!r}."
            + nearest(name, known)
        )
    weights = models.get_model_weights(name).DEFAULT
    pretrained = state is None and options.get("pretrained", True)
    if pretrained and "num_classes" in options:
        raise ParamError("load_backbone: num_classes must be left out with pretrained weights, which bring their own.")
    kwargs: dict[str, Any] = {k: options[k] for k in ("num_classes",) if k in options}
    if name in _INCEPTION:
        kwargs |= {"aux_logits": False, "transform_input": True, "init_weights": not pretrained and about is None}
    if "image_size" in options and name.startswith("vit_"):
        kwargs["image_size"] = options["image_size"][0]
    model = models.get_model(name, weights=None, **kwargs)
    heads = tuple(n for n in _HEADS if hasattr(model, n))
    if pretrained:
        state = {k: v for k, v in _state(weights, source).items() if not k.startswith(("aux", "AuxLogits"))}
    note = None if state is None else take_weights(model, state, heads, source)
    own = weights.transforms()
    size = own.crop_size[0]
    preprocess = image_preprocess(
        options,
        size=[size, size],
        crop_pct=size / own.resize_size[0],
        mean=own.mean,
        std=own.std,
        interpolation=own.interpolation.value,
    )
    return Built(model, preprocess, lambda: _split(model, heads, note), heads, notes=(note,) if note else ())


def _split(model: nn.Module, heads: tuple[str, ...], note: str | None) -> nn.Module | None:
    head, _ = split_last_linear(model, heads[0])
    if head is None:  # SqueezeNet classifies every place, and pools then: its features are the pooled map before that
        setattr(model, heads[0], nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()))
    return head if note is None else None


def _state(weights: Any, source: str) -> Mapping[str, Tensor]:
    """Weights from torch's hub folder; they are put there where there is a network."""
    path = Path(torch.hub.get_dir()) / "checkpoints" / weights.url.rpartition("/")[2]
    if not path.exists():
        how = f"put {weights.url} into {path.parent}, or give file:PATH"
        if hub.offline():
            raise DataError(f"{source}: its weights are not on this machine and HF_HUB_OFFLINE is set; {how}.")
        try:
            download(weights.url, path, lambda file: _check(file, path.stem.rpartition("-")[2]), timeout=10)
        except DataError as err:
            raise DataError(f"{source}: its weights are not on this machine and cannot be fetched; {how}.") from err
    _check(path, path.stem.rpartition("-")[2])
    found: Mapping[str, Tensor] = weights.get_state_dict(progress=False, weights_only=True)
    return found


def _check(file: Path, digits: str) -> None:
    with open(file, "rb") as content:
        if not hashlib.file_digest(content, "sha256").hexdigest().startswith(digits):
            raise DataError(f"{file}: is damaged (its SHA-256 does not begin with {digits}).")
