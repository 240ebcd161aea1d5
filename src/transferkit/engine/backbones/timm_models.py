"""``timm:NAME``: image networks of the library timm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from warnings import catch_warnings, simplefilter

from torch import Tensor, nn

from ...core.errors import DataError, ParamError
from ..networks.torchvision_guard import guard_torchvision
from . import hub
from .assemble import Built
from .grouping import timm_groups
from .images import image_preprocess
from .options import nearest
from .weights import take_weights

__all__ = ["build"]

_OF_MODEL = ("pad_type", "global_pool", "drop_rate", "drop_path_rate", "num_classes")
_SAFE = {"pytorch_model.bin": "model.safetensors", "open_clip_pytorch_model.bin": "open_clip_model.safetensors"}


def build(
    source: str,
    name: str,
    options: Mapping[str, Any],
    *,
    state: Mapping[str, Tensor] | None = None,
    about: Mapping[str, Any] | None = None,
) -> Built:
    """A timm network.

    Parameters
    ----------
    source : str
        What the user wrote, for messages.
    name : str
        Name in timm, with or without a tag.
    options : mapping
        Checked options. ``pretrained`` is meant as it says, unless `state` is given.
    state : mapping, optional
        Weights to use.
    about : mapping, optional
        What an earlier `Built.about` said, for a rebuild.

    Raises
    ------
    ParamError, DataError
        If there is no such network, its weights cannot be had, or `state` does not fit.
    """
    guard_torchvision()
    timm = hub.library("timm", "vision")
    _check_name(timm, name)
    kwargs = {k: options[k] for k in _OF_MODEL if k in options}
    overlay: dict[str, Any] = dict((about or {}).get("overlay", {}))
    pretrained = state is None and options.get("pretrained", True)
    if pretrained:
        if "num_classes" in options:
            raise ParamError(
                "load_backbone: num_classes must be left out with pretrained weights, which bring their own."
            )
        overlay["file"] = str(_weights(timm, name, source))
    try:
        model = timm.create_model(name, pretrained=pretrained, pretrained_cfg_overlay=overlay, **kwargs)
    except (TypeError, AssertionError) as err:  # an option that this network does not have
        raise ParamError(f"load_backbone: {source}: options must be of this network. Got: {err}.") from err
    note = None if state is None else take_weights(model, state, _heads(model), source)
    data = hub.library("timm.data", "vision").resolve_data_config({}, model=model)
    size = list(data["input_size"][1:])
    wanted = options.get("image_size", size)
    if wanted != size and model.pretrained_cfg.get("fixed_input_size"):
        if not hasattr(model, "set_input_size"):
            raise ParamError(f"load_backbone: image_size must be {size[0]} for {name}. Got {wanted[0]}.")
        with catch_warnings():
            simplefilter("ignore", UserWarning)  # torch's, of how timm calls it
            model.set_input_size(tuple(wanted))
    preprocess = image_preprocess(
        options,
        size=size,
        crop_pct=data["crop_pct"],
        mean=data["mean"],
        std=data["std"],
        interpolation=data["interpolation"],
        crop_mode=data["crop_mode"],
    )
    return Built(
        model, preprocess, lambda: _split(model, note), _heads(model), timm_groups,
        about={"overlay": {k: v for k, v in overlay.items() if k != "file"}} if overlay.keys() - {"file"} else {},
        notes=(note,) if note else (),
    )  # fmt: skip


def _check_name(timm: Any, name: str) -> None:
    base, _, tag = name.partition(".")
    if not timm.is_model(base):
        raise ParamError(
            f"load_backbone: timm: must be followed by the name of a network in timm. Got {name!r}."
            + nearest(base, timm.list_models())
        )
    tags = [n.partition(".")[2] for n in timm.list_pretrained(base + ".*")] if tag else []
    if tag and tag not in tags:
        shown = ", ".join(f"{base}.{t}" for t in tags) or "none"
        raise ParamError(f"load_backbone: timm:{base} must have one of its tags ({shown}). Got {name!r}.")


def _weights(timm: Any, name: str, source: str) -> Any:
    """The weights' file in the hub's cache, fetched where needed."""
    cfg = timm.get_pretrained_cfg(name)
    if cfg is None or not cfg.has_weights:
        raise DataError(
            f"{source}: timm has no weights for this network. With pretrained=false it starts from scratch."
        )
    if not cfg.hf_hub_id:
        raise DataError(f"{source}: its weights must be on the hub as safetensors. They are not.")
    repo = cfg.hf_hub_id + (f"{cfg.architecture}.{cfg.tag}" if cfg.hf_hub_id.endswith("/") else "")
    file = cfg.hf_hub_filename or "model.safetensors"
    return hub.folder(repo, source, weights=_SAFE.get(file, file)) / _SAFE.get(file, file)


def _heads(model: nn.Module) -> tuple[str, ...]:
    found = model.pretrained_cfg.get("classifier") or ()
    return (found,) if isinstance(found, str) else tuple(found)


def _split(model: nn.Module, note: str | None) -> nn.Module | None:
    head = model.get_classifier() if hasattr(model, "get_classifier") else None
    if hasattr(model, "reset_classifier"):
        model.reset_classifier(0)
    return head if note is None and isinstance(head, nn.Module) else None
