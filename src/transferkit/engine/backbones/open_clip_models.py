"""``open_clip:NAME``: dual encoders, whose images and texts lie in one space; each of the two is a backbone of its own."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ...core.errors import DataError, ParamError
from ..inputs.preprocess import Preprocess
from ..inputs.preprocessing.clip_text import ClipTextPreprocess
from ..networks.torchvision_guard import guard_torchvision
from . import hub
from .assemble import Built
from .grouping import module_groups
from .hf_models import read_json
from .images import image_preprocess
from .options import nearest
from .weights import read_weights, take_weights

__all__ = ["build"]

_FILE, _CONFIG = "open_clip_model.safetensors", "open_clip_config.json"
_MODES = {"shortest": "center", "squash": "squash", "longest": "border"}
_TOWERS = ("image", "text")


@dataclass(frozen=True)
class _Found:
    """Structure, what is done with images, and the file of weights, where weights are wanted."""

    config: dict[str, Any]
    images: dict[str, Any]
    weights: Path | None


def build(
    source: str,
    name: str,
    options: Mapping[str, Any],
    *,
    state: Mapping[str, Tensor] | None = None,
    about: Mapping[str, Any] | None = None,
) -> Built:
    """One encoder of a dual one; parameters, raises as `transferkit.engine.backbones.timm_models.build`.

    Notes
    -----
    The name is one of the library's, then with a tag, as in ``open_clip:ViT-B-32?weights=laion2b_s34b_b79k``; one of the
    hub, as in ``open_clip:laion/CLIP-ViT-B-32-laion2B-s34B-b79K``; or a folder with ``open_clip_config.json`` and
    ``open_clip_model.safetensors``. ``tower=text`` asks for the encoder of texts instead of that of images. Features are
    not normalised; ``l2=true`` does that. Only weights in safetensors are read, and only encoders of texts that are the
    library's own with its own tokens.
    """
    guard_torchvision()
    library = hub.library("open_clip", "clip")
    tower = options.get("tower", "image")
    if tower not in _TOWERS:
        raise ParamError(f"load_backbone: tower must be image or text. Got {tower!r}.")
    pretrained = state is None and options.get("pretrained", True)
    if about is not None and "config" in about:
        found = _Found(about["config"], about["images"], None)
    else:
        found = _find(library, source, name, options, pretrained)
    _check(source, found.config)
    model = _skeleton(library, found.config)
    if found.weights is not None:
        state = read_weights(found.weights)
    if state is not None:
        take_weights(model, state, (), source)
    scale = float(model.logit_scale.detach().exp())
    said = {"config": found.config, "images": found.images, "scale": scale}
    if tower == "image":
        return Built(_Images(model), _image_preprocess(found, options), lambda: None, (), module_groups, said)
    text = found.config["text_cfg"]
    clean = text.get("tokenizer_kwargs", {}).get("clean", "lower")
    preprocess = ClipTextPreprocess(text.get("context_length", 77), clean)
    return Built(_Texts(model), preprocess, lambda: None, (), module_groups, said)


def _find(library: Any, source: str, name: str, options: Mapping[str, Any], pretrained: bool) -> _Found:
    folder = Path(name).expanduser()
    tag = options.get("weights")
    if not folder.is_dir() and "/" not in name:
        return _known(library, source, name, tag, pretrained)
    if tag is not None:
        raise ParamError(f"load_backbone: {source}: weights must be left out with a folder or a name of the hub.")
    if not folder.is_dir():
        folder = hub.folder(name, source, weights=_FILE)
    about = read_json(folder / _CONFIG)
    if not isinstance(about.get("model_cfg"), dict):
        raise DataError(f"{source}: {folder} must hold {_CONFIG} with a model_cfg. It does not.")
    return _Found(about["model_cfg"], dict(about.get("preprocess_cfg", {})), folder / _FILE if pretrained else None)


def _known(library: Any, source: str, name: str, tag: str | None, pretrained: bool) -> _Found:
    """A structure that the library knows by name, with the weights of a tag."""
    config = library.get_model_config(name)
    if config is None:
        raise ParamError(
            f"load_backbone: open_clip: must be followed by the name of a network in open_clip, of one on the hub, or a"
            f" folder. Got {name!r}." + nearest(name, library.list_models())
        )
    if not pretrained:
        return _Found(config, {}, None)
    pretrained_module = import_module("open_clip.pretrained")
    tags = pretrained_module.list_pretrained_tags_by_model(name)
    if tag is None or tag not in tags:
        shown = ", ".join(tags) or "none"
        raise ParamError(f"load_backbone: {source}: weights must be one of the network's ({shown}). Got {tag!r}.")
    about = pretrained_module.get_pretrained_cfg(name, tag)
    parts = str(about.get("hf_hub") or "").strip("/").split("/")
    if len(parts) < 2:
        raise DataError(f"{source}: its weights must be on the hub as safetensors. They are not.")
    folder = hub.folder("/".join(parts[:2]), source, weights=_FILE)
    if bool(about.get("quick_gelu", False)) != bool(config.get("quick_gelu", False)):
        config["quick_gelu"] = bool(about.get("quick_gelu", False))  # the weights know how they were trained
    images = {k: about[k] for k in ("mean", "std", "interpolation", "resize_mode") if k in about}
    return _Found(config, images, folder / _FILE)


def _check(source: str, config: Mapping[str, Any]) -> None:
    text = config.get("text_cfg", {})
    if "multimodal_cfg" in config or {"hf_model_name", "hf_tokenizer_name"} & text.keys():
        raise DataError(f"{source}: its encoder of texts must be open_clip's own, with its own tokens. It is another.")


def _skeleton(library: Any, config: Mapping[str, Any]) -> nn.Module:
    """The dual encoder with first weights."""
    own = deepcopy(dict(config))
    kind = library.CustomTextCLIP if own.pop("custom_text", False) else library.CLIP
    if "timm_model_name" in own["vision_cfg"]:
        own["vision_cfg"]["timm_model_pretrained"] = False
    return kind(**own).float()


def _image_preprocess(found: _Found, options: Mapping[str, Any]) -> Preprocess:
    size = found.config["vision_cfg"].get("image_size", 224)
    size = [size, size] if isinstance(size, int) else list(size)
    if options.get("image_size", size) != size:
        raise ParamError(
            f"load_backbone: image_size must be {size[0]} for this network. Got {options['image_size'][0]}."
        )
    constants = import_module("open_clip.constants")
    return image_preprocess(
        options,
        size=size,
        crop_pct=1.0,
        mean=list(found.images.get("mean", constants.OPENAI_DATASET_MEAN)),
        std=list(found.images.get("std", constants.OPENAI_DATASET_STD)),
        interpolation=found.images.get("interpolation", "bicubic"),
        crop_mode=_MODES[found.images.get("resize_mode", "shortest")],
    )


class _Images(nn.Module):
    """The encoder of images alone."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.visual = model.visual

    def forward(self, x: Tensor) -> Tensor:
        return self.visual(x)


class _Texts(nn.Module):
    """The encoder of texts alone: of the class CLIP its parts lie beside that of images, which goes."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        model.visual = nn.Identity()
        self.model = model

    def forward(self, ids: Tensor) -> Tensor:
        return self.model.encode_text(ids)
