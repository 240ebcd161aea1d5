"""``file:PATH``: weights in a safetensors file, for a network of another family."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from warnings import warn

from ...core.errors import DataError, ParamError, TransferWarning
from ..networks.backbone import Backbone
from .assemble import Built, assemble
from .options import options_for
from .weights import config_beside, read_metadata, read_weights

__all__ = ["load"]


def load(source: str, path: Path, given: dict[str, Any]) -> Backbone:
    """A backbone with the weights of a file.

    Parameters
    ----------
    source : str
        What the user wrote.
    path : Path
    given : dict
        Options as text. ``arch`` names the network as in ``timm:resnet18``; without it, the file's metadata ("arch") or a
        config.json beside it (of timm or transformers) must.

    Raises
    ------
    DataError, ParamError
        If the network is not known, or the weights do not fit it.
    """
    from . import FAMILY

    given = dict(given)
    shown = f"file:{path}"
    metadata = read_metadata(path)
    config = config_beside(path)
    about: dict[str, Any] = {}
    arch = given.pop("arch", None) or _arch_of(metadata)
    if arch is None and "architecture" in config:
        arch = f"timm:{config['architecture']}"
        about = {"overlay": {k: v for k, v in dict(config.get("pretrained_cfg", {})).items() if k in _OF_DATA}}  # type: ignore[call-overload]
        if "num_classes" in config:
            given.setdefault("num_classes", config["num_classes"])
    if arch is None and "model_type" in config:
        arch = f"hf:{path.parent}"
    family, colon, name = str(arch or "").partition(":")
    if not colon or family not in ("timm", "torchvision", "hf"):
        raise ParamError(
            f"load_backbone: {shown}: arch must name the network, as in ?arch=timm:resnet18 or torchvision:resnet18, where "
            f"neither the file nor a config.json beside it does. Got {arch!r}."
        )
    options = options_for(family, given)
    state = read_weights(path) if options.get("pretrained", True) else None
    built: Built = FAMILY[family].build(shown, name, options, state=state, about=about)
    for note in built.notes:
        if "left out" in note:
            warn(f"{shown}: {note}.", TransferWarning, stacklevel=4)
    found = assemble(source, family, name, options, built)
    return found


_OF_DATA = ("input_size", "interpolation", "mean", "std", "crop_pct", "crop_mode", "fixed_input_size", "num_classes")


def _arch_of(metadata: dict[str, str]) -> str | None:
    """The network that a file's metadata name under "arch", as in "timm:resnet18"."""
    found = metadata.get("arch")
    if found is None and "about" in metadata:
        try:
            about = json.loads(metadata["about"])
        except ValueError as err:
            raise DataError(f"file: the metadata 'about' must be JSON. Got: {err}.") from err
        found = about.get("arch") if isinstance(about, dict) else None
    return found if isinstance(found, str) and ":" in found.partition(" ")[0] else None
