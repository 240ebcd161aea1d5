"""``hf:NAME``: networks of the library transformers, for texts, images and sounds."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...core.errors import DataError, ParamError
from ..inputs.preprocess import Preprocess, preprocess_from
from ..networks.torchvision_guard import guard_torchvision
from . import hub
from .assemble import Built, split_last_linear
from .grouping import module_groups
from .images import image_preprocess
from .pooling import TransformerBody
from .weights import differences

__all__ = [
    "build",
    "config_of",
    "drop_pooler",
    "read_config",
    "read_json",
    "text_preprocess",
    "transformer",
    "transformers",
]

_CLASSIFIERS = {
    "ForSequenceClassification": "AutoModelForSequenceClassification",
    "ForImageClassification": "AutoModelForImageClassification",
    "ForAudioClassification": "AutoModelForAudioClassification",
}
_LONGEST = 512  # tokens of a text, where the network could take more


@cache
def transformers() -> Any:
    """The library, quiet."""
    guard_torchvision()
    found = hub.library("transformers", "text")
    found.utils.logging.set_verbosity_error()
    found.utils.logging.disable_progress_bar()
    return found


def build(
    source: str,
    name: str,
    options: Mapping[str, Any],
    *,
    state: Mapping[str, Tensor] | None = None,
    about: Mapping[str, Any] | None = None,
) -> Built:
    """A transformers network; parameters, raises as `transferkit.engine.backbones.timm_models.build`.

    Notes
    -----
    A network that was saved with a classifier keeps it: the body puts out what its last linear layer takes. Any other is
    pooled: by default the mean over tokens (texts, sounds), the class token where there is one (images), else the mean.
    Only weights in safetensors are read, and no code of a repository is run.
    """
    rebuilding = about is not None and "config" in about
    folder = Path(name).expanduser()
    if not rebuilding and not folder.is_dir():
        folder = hub.folder(name, source)
    config = config_of(about["config"]) if rebuilding and about is not None else read_config(folder, source)
    kind = about["kind"] if rebuilding and about is not None else _kind(folder, config, source)
    auto = _auto_class(config) if "pooling" not in options or options["pooling"] == "logits" else "AutoModel"
    pretrained = not rebuilding and state is None and options.get("pretrained", True)
    model, note = transformer(config, source, auto=auto, folder=folder if pretrained else None, state=state)
    pooling = "logits" if auto != "AutoModel" else options.get("pooling") or _default_pooling(model, kind)
    drop_pooler(model, pooling)
    if rebuilding and about is not None:
        preprocess = preprocess_from(about["preprocess"])
    else:
        preprocess = _preprocess(folder, config, kind, options)
    body = TransformerBody(model, [pooling], getattr(model, "main_input_name", "input_ids"))
    about = {"config": config.to_dict(), "kind": kind}
    if pooling != "logits":
        return Built(body, preprocess, lambda: None, (), module_groups, about)
    return Built(
        body, preprocess, lambda: split_last_linear(model)[0], ("model.classifier",), module_groups, about,
        (note,) if note else (),
    )  # fmt: skip


def transformer(
    config: Any,
    source: str,
    *,
    auto: str = "AutoModel",
    folder: Path | None = None,
    state: Mapping[str, Tensor] | None = None,
) -> tuple[nn.Module, str | None]:
    """A network with the weights of a folder, with given ones, or with first ones where there are neither.

    Returns
    -------
    model : Module
    note : str or None
        What was left out.

    Raises
    ------
    DataError
        If weights are missing or of another shape.
    """
    lib = transformers()
    try:
        model = getattr(lib, auto).from_config(config)
    except ValueError as err:
        raise DataError(
            f"{source}: must be a network that transformers knows as {auto}. Got {config.model_type}."
        ) from err
    if folder is None and state is None:
        return model.float(), None
    own = model.state_dict()
    arguments: dict[str, Any] = {"config": config, "output_loading_info": True, "ignore_mismatched_sizes": True}
    try:
        if state is None:
            arguments |= {"local_files_only": True, "use_safetensors": True, "dtype": torch.float32}
            model, info = type(model).from_pretrained(str(folder), **arguments)
        else:
            model, info = type(model).from_pretrained(None, state_dict=dict(state), **arguments)
    except (OSError, ValueError) as err:
        raise DataError(f"{source}: its weights must be readable safetensors. Got: {_one_line(err)}.") from err
    wrong = {str(n): torch.empty(got) for n, got, _ in info["mismatched_keys"]}
    missing = [n for n in info["missing_keys"] if not _pooler(n)]
    if wrong or missing:
        raise DataError(f"{source}: {differences(own, wrong, list(wrong), missing, [])}")
    return model.float(), None


def drop_pooler(model: nn.Module, pooling: str) -> None:
    """Take a pooling layer away that nothing asks for: it would never be trained, and may have no weights."""
    pooler = getattr(model, "pooler", None)
    if pooling not in ("pooler", "logits") and isinstance(pooler, nn.Module) and any(True for _ in pooler.parameters()):
        model.pooler = None  # type: ignore[assignment]


def _pooler(name: str) -> bool:
    return name.startswith("pooler.") or ".pooler." in name


def config_of(values: Mapping[str, Any]) -> Any:
    """A configuration from its JSON."""
    parameters = dict(values)
    return transformers().AutoConfig.for_model(parameters.pop("model_type"), **parameters)


def read_config(folder: Path, source: str) -> Any:
    if not (folder / "config.json").is_file():
        raise DataError(f"{source}: {folder} must hold a config.json. There is none.")
    try:
        return transformers().AutoConfig.from_pretrained(str(folder), local_files_only=True)
    except (OSError, ValueError, KeyError) as err:
        raise DataError(
            f"{source}: config.json must be of a network that transformers knows. Got: {_one_line(err)}."
        ) from err


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object in a file; nothing where there is no file."""
    import json

    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as err:
        raise DataError(f"{path}: must be JSON. Got: {err}.") from err
    return found if isinstance(found, dict) else {"": found}


def _kind(folder: Path, config: Any, source: str) -> str:
    """What the network takes, told by the files beside it."""
    processor = read_json(folder / "preprocessor_config.json")
    if getattr(config, "vision_config", None) is not None:
        raise DataError(
            f"{source}: must be a network with one kind of input. {config.model_type} takes texts and images."
        )
    if "feature_extractor_type" in processor and "sampling_rate" in processor:
        return "audio"
    if processor:
        return "images"
    if any((folder / n).is_file() for n in ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "vocab.json")):
        return "text"
    raise DataError(f"{source}: {folder} must hold a tokenizer or a preprocessor_config.json. There is none.")


def _auto_class(config: Any) -> str:
    """The class with a classifier, where the network was saved with one."""
    name = (config.architectures or [""])[0]
    return next((auto for end, auto in _CLASSIFIERS.items() if name.endswith(end)), "AutoModel")


def _default_pooling(model: nn.Module, kind: str) -> str:
    if kind == "images" and any(n.endswith("cls_token") for n, _ in model.named_parameters()):
        return "cls"
    return "mean"


def _preprocess(folder: Path, config: Any, kind: str, options: Mapping[str, Any]) -> Preprocess:
    if kind == "text":
        return text_preprocess(folder, config, options.get("max_length"))
    processor = read_json(folder / "preprocessor_config.json")
    if kind == "audio":
        from ..inputs.preprocessing.hf_audio import HFAudioPreprocess

        own = {"seconds": options["seconds"]} if "seconds" in options else {}
        return HFAudioPreprocess(processor, **own)
    return _image_preprocess(processor, options)


def _image_preprocess(processor: Mapping[str, Any], options: Mapping[str, Any]) -> Preprocess:
    """What a transformers image processor does outside training, from its configuration."""
    size = processor.get("size", 224)
    size = {"shortest_edge": size} if isinstance(size, int) else dict(size)
    squash = "height" in size
    resize = [int(size["height"]), int(size["width"])] if squash else [int(size.get("shortest_edge", 224))] * 2
    crop = processor.get("crop_size", resize[0])
    crop = [crop, crop] if isinstance(crop, int) else [int(crop["height"]), int(crop["width"])]
    pct = 1.0
    if processor.get("do_center_crop"):
        pct = crop[0] / resize[0]
    elif "crop_pct" in processor and not squash:  # ConvNeXT: the size is that of the crop
        crop, pct = resize, float(processor["crop_pct"])
    else:
        crop = resize
    scaled = processor.get("do_normalize", True)
    return image_preprocess(
        options,
        size=crop,
        crop_pct=pct,
        mean=processor.get("image_mean", [0.5] * 3) if scaled else [0.0] * 3,
        std=processor.get("image_std", [0.5] * 3) if scaled else [1.0] * 3,
        interpolation={0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}.get(
            processor.get("resample", 2), "bicubic"
        ),
        crop_mode="squash" if squash else "center",
    )


def text_preprocess(
    folder: Path, config: Any, max_length: int | None = None, prefix: str = "", lower: bool = False
) -> Preprocess:
    """The tokenizer of a folder.

    Raises
    ------
    DataError
        If there is none that can be written as JSON.
    ParamError
        If `max_length` is more than the network has places for.
    """
    from ..inputs.preprocessing.text import TextPreprocess

    try:
        tokenizer = transformers().AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    except (OSError, ValueError) as err:
        raise DataError(f"{folder}: must hold a tokenizer that transformers reads. Got: {_one_line(err)}.") from err
    if not hasattr(tokenizer, "backend_tokenizer"):
        raise DataError(f"{folder}: must hold a tokenizer of the library tokenizers. Got {type(tokenizer).__name__}.")
    places = min(
        n for n in (tokenizer.model_max_length, getattr(config, "max_position_embeddings", None) or 10**9) if n > 0
    )
    if max_length is not None and max_length > places:
        raise ParamError(f"load_backbone: max_length must be at most {places} for this network. Got {max_length}.")
    pad = next((t for t in (tokenizer.pad_token_id, tokenizer.eos_token_id) if t is not None), 0)
    return TextPreprocess(tokenizer.backend_tokenizer.to_str(), max_length or min(places, _LONGEST), pad, prefix, lower)


def _one_line(err: Exception) -> str:
    return " ".join(str(err).split())[:300].rstrip(".")
