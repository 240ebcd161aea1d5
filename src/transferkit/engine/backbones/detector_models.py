"""Object detectors of the library transformers: DETR and what came of it, YOLOS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...core.errors import DataError, ParamError
from ..inputs.preprocess import preprocess_from
from ..inputs.preprocessing.image import ImagePreprocess
from ..networks.backbone import Backbone, Group
from . import hub
from .assemble import Built, assemble
from .grouping import groups_from, module_groups
from .hf_models import _image_preprocess, config_of, read_config, read_json, transformer, transformers
from .images import image_preprocess
from .options import options_for, split_name

__all__ = ["DetectorBody", "build", "load_detector", "with_classes"]

_AUTO = "AutoModelForObjectDetection"
_SIZE = 640  # of images, where nothing says which


class DetectorBody(nn.Module):
    """A detector with its classes and boxes.

    Parameters
    ----------
    model : Module
        Of transformers, for object detection.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        """Features of shape (batch, n_features): the mean state of what the detector looks for objects with."""
        return self.model(pixel_values=x).last_hidden_state.mean(dim=1)

    def detect(self, x: Tensor, labels: Sequence[Mapping[str, Tensor]] | None = None) -> Any:
        """``logits`` (batch, n_queries, n_classes), ``pred_boxes`` (batch, n_queries, 4); with labels ``loss`` too."""
        return self.model(pixel_values=x, labels=labels)


def load_detector(source: Any, image_size: int | Sequence[int] | None = None) -> Backbone:
    """A detector by name, or the user's own.

    Parameters
    ----------
    source : str, Module or Backbone
        ``hf:NAME_OR_FOLDER`` with the options ``pretrained``, ``image_size``, ``mean``, ``std``; a detector of transformers;
        or a Backbone that was one.
    image_size : int or (int, int), optional
        Goes before that of the name.

    Raises
    ------
    ParamError, DataError
        If it is no detector, or cannot be had.
    """
    size = {} if image_size is None else {"image_size": image_size}
    if isinstance(source, Backbone):
        if not isinstance(source.body, DetectorBody):
            raise ParamError(
                f"load_detector: source must be a detector of transformers. Got {source.name}, which is none."
            )
        return source
    if isinstance(source, nn.Module):
        if not isinstance(source, transformers().PreTrainedModel) or "ForObjectDetection" not in type(source).__name__:
            raise ParamError(f"load_detector: source must be a detector of transformers. Got {type(source).__name__}.")
        options = options_for("hf", size)
        preprocess = _preprocess({}, source.config, options)
        built = Built(
            DetectorBody(source), preprocess, lambda: None, (), detector_groups, {"config": source.config.to_dict()}
        )
        modes = {m: m.training for m in source.modules()}
        found = assemble(f"module:{type(source).__name__}", "detector", "", options, built)
        for module, mode in modes.items():
            module.training = mode
        return found
    family, name, given = split_name(source)
    if family != "hf":
        raise ParamError(f"load_detector: source must be hf:NAME_OR_FOLDER of a detector. Got {source!r}.")
    options = options_for("hf", {**given, **size})
    return assemble(source, "detector", name, options, build(source, name, options))


def build(
    source: str,
    name: str,
    options: Mapping[str, Any],
    *,
    state: Mapping[str, Tensor] | None = None,
    about: Mapping[str, Any] | None = None,
) -> Built:
    """A detector; parameters, raises as `transferkit.engine.backbones.timm_models.build`."""
    if about is not None:
        config, preprocess, weights = config_of(about["config"]), preprocess_from(about["preprocess"]), None
    else:
        folder = Path(name).expanduser()
        if not folder.is_dir():
            folder = hub.folder(name, source)
        config = read_config(folder, source)
        if not any("ForObjectDetection" in a for a in config.architectures or ["ForObjectDetection"]):
            raise DataError(f"{source}: must be a detector. Got {', '.join(config.architectures)}.")
        preprocess = _preprocess(read_json(folder / "preprocessor_config.json"), config, options)
        weights = folder if options.get("pretrained", True) else None
    _no_download(config)
    model, note = transformer(config, source, auto=_AUTO, folder=weights, state=state)
    return Built(
        DetectorBody(model), preprocess, lambda: None, (), detector_groups, {"config": config.to_dict()},
        (note,) if note else (),
    )  # fmt: skip


def with_classes(backbone: Backbone, n_classes: int) -> Backbone:
    """A copy of a detector for other classes: the layers that depend on their number begin anew, all else is kept.

    Notes
    -----
    Layers of the old classes are not kept even where the number is the same: the classes are others.
    """
    body = backbone.body
    assert isinstance(body, DetectorBody)
    config = _config_for(body.model.config, n_classes)
    model = type(body.model)(config)
    fresh = _class_layers(body.model)
    kept = {name: value for name, value in body.model.state_dict().items() if name not in fresh}
    model.load_state_dict(kept, strict=False)
    new = DetectorBody(model.float().eval())
    spec = None if backbone.spec is None else {**backbone.spec, "config": config.to_dict()}
    return Backbone(
        backbone.name, backbone.kind, new, backbone.n_features, backbone.preprocess, None, detector_groups(new), spec,
        backbone.fingerprint, backbone.notes,
    )  # fmt: skip


def detector_groups(body: nn.Module) -> tuple[Group, ...]:
    """Parts of a detector from input to output; the last one, "head", is the layers that depend on the number of classes."""
    assert isinstance(body, DetectorBody)
    last = {f"model.{name}" for name in _class_layers(body.model)}
    parts = [(g.name, [p for p in g.params if p not in last]) for g in module_groups(body)]
    head = [name for name, _ in body.named_parameters() if name in last]
    return groups_from([*((name, params) for name, params in parts if params), ("head", head)], body)


def _class_layers(model: Any) -> frozenset[str]:
    """Weights whose shape depends on the number of classes."""
    with torch.device("meta"):
        other = type(model)(_config_for(model.config, model.config.num_labels + 1)).state_dict()
    return frozenset(n for n, value in model.state_dict().items() if n in other and other[n].shape != value.shape)


def _config_for(config: Any, n_classes: int) -> Any:
    values = {k: v for k, v in config.to_dict().items() if k not in ("id2label", "label2id", "num_labels")}
    found = config_of({**values, "num_labels": n_classes})
    _no_download(found)
    return found


def _no_download(config: Any) -> None:
    """The weights come from the detector's own file; a configuration may ask for those of its backbone beside."""
    if getattr(config, "use_pretrained_backbone", False):
        config.use_pretrained_backbone = False


def _preprocess(processor: Mapping[str, Any], config: Any, options: Mapping[str, Any]) -> ImagePreprocess:
    if processor:
        found = _image_preprocess(processor, options)
    else:
        size = getattr(config, "image_size", None) or _SIZE
        size = [size, size] if isinstance(size, int) else list(size)
        found = image_preprocess(
            options, size=size, crop_pct=1.0, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
        )
    assert isinstance(found, ImagePreprocess)
    return found
