"""Names of backbones with their options, as in ``timm:resnet18?pretrained=false&image_size=160``."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from ...core.errors import ParamError

__all__ = ["FAMILIES", "nearest", "options_for", "split_name"]

FAMILIES = ("timm", "torchvision", "hf", "sentence", "open_clip", "small", "file")


def _flag(text: str) -> bool:
    return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}[text.lower()]


def _numbers(text: str) -> list[float]:
    found = [float(part) for part in text.split(",")]
    return found * 3 if len(found) == 1 else found


def _sizes(text: str) -> list[int]:
    found = [int(part) for part in text.replace("x", ",").split(",")]
    if len(found) > 2 or min(found) < 1:
        raise ValueError(text)
    return found * 2 if len(found) == 1 else found


def _words(text: str) -> list[str]:
    return [part for part in text.split(",") if part]


def _share(text: str) -> float:
    if not 0 <= float(text) < 1:
        raise ValueError(text)
    return float(text)


def _count(text: str) -> int:
    if int(text) < 1:
        raise ValueError(text)
    return int(text)


# option: what reads it, and the rule that it must fulfil
_READERS: dict[str, tuple[Callable[[str], Any], str]] = {
    "pretrained": (_flag, "be true or false"),
    "layers": (_words, "be names of modules, with commas between"),
    "l2": (_flag, "be true or false"),
    "pool": (str, "be mean or none"),
    "kind": (str, "be images or audio"),
    "image_size": (_sizes, "be a whole number of at least 1, or HEIGHTxWIDTH"),
    "mean": (_numbers, "be a number, or one a channel with commas between"),
    "std": (_numbers, "be a number, or one a channel with commas between"),
    "crop_pct": (float, "be a number in (0, 1]"),
    "crop_mode": (str, "be center, squash or border"),
    "interpolation": (str, "be bicubic, bilinear, nearest or lanczos"),
    "augment": (str, "be none, flip or crop_flip"),
    "crop_scale": (float, "be a number in (0, 1]"),
    "rate": (_count, "be a whole number of at least 1"),
    "seconds": (float, "be a number above 0"),
    "n_mels": (_count, "be a whole number of at least 1"),
    "pad_type": (str, "be same or empty"),
    "global_pool": (str, "be a pooling of timm, as in avg"),
    "drop_rate": (float, "be a number in [0, 1)"),
    "drop_path_rate": (float, "be a number in [0, 1)"),
    "num_classes": (_count, "be a whole number of at least 1"),
    "pooling": (str, "be mean, cls, max, last, pooler or logits"),
    "max_length": (_count, "be a whole number of at least 1"),
    "arch": (str, "be a name such as timm:resnet18"),
    "tower": (str, "be image or text"),
    "weights": (str, "be a tag of the network's weights"),
    "hidden": (
        lambda text: [_count(part) for part in text.split(",")],
        "be whole numbers of at least 1, with commas between",
    ),
    "dropout": (_share, "be a number in [0, 1)"),
    "batch_norm": (_flag, "be true or false"),
}
_COMMON = ("pretrained", "layers", "l2", "pool")
_IMAGE = ("image_size", "mean", "std", "crop_pct", "crop_mode", "interpolation", "augment", "crop_scale")
_AUDIO = ("kind", "rate", "seconds", "n_mels")
OF_FAMILY: dict[str, tuple[str, ...]] = {
    "timm": (*_COMMON, *_IMAGE, *_AUDIO, "pad_type", "global_pool", "drop_rate", "drop_path_rate", "num_classes"),
    "torchvision": (*_COMMON, *_IMAGE, *_AUDIO, "num_classes"),
    "hf": (*_COMMON, *_IMAGE, "pooling", "max_length", "seconds"),
    "sentence": (*_COMMON, "max_length"),
    "open_clip": (*_COMMON, *_IMAGE, "tower", "weights"),
    "small": (*_COMMON[1:], *_IMAGE, "hidden", "dropout", "batch_norm"),
}


def split_name(source: str) -> tuple[str, str, dict[str, str]]:
    """Family, name within it, and the options after the question mark.

    Raises
    ------
    ParamError
        If the source has no known family.
    """
    family, colon, rest = source.partition(":")
    name, _, query = rest.partition("?")
    if not colon or family not in FAMILIES or not name:
        shown = ", ".join(f"{f}:NAME" for f in FAMILIES[:-1])
        raise ParamError(f"load_backbone: source must be {shown} or file:PATH, or a torch Module. Got {source!r}.")
    return family, name, dict(parse_qsl(query, keep_blank_values=True))


def options_for(family: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Options read from text and checked against what a family takes.

    Raises
    ------
    ParamError
        Naming the option.
    """
    found = {}
    for name, value in given.items():
        if name not in OF_FAMILY[family]:
            raise ParamError(
                f"load_backbone: options of {family}: must be of {', '.join(OF_FAMILY[family])}. Got {name!r}."
            )
        read, rule = _READERS[name]
        try:
            found[name] = read(",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value))
        except (ValueError, KeyError) as err:
            raise ParamError(f"load_backbone: {name} must {rule}. Got {value!r}.") from err
    if found.get("pool", "mean") not in ("mean", "none"):
        raise ParamError(f"load_backbone: pool must be mean or none. Got {found['pool']!r}.")
    if not 0 < found.get("crop_pct", 1) <= 1:
        raise ParamError(f"load_backbone: crop_pct must be a number in (0, 1]. Got {found['crop_pct']!r}.")
    return found


def nearest(name: str, names: Iterable[str]) -> str:
    """A sentence with the nearest of some names, or nothing."""
    near = difflib.get_close_matches(name, list(names), n=5, cutoff=0.5)
    return f" Nearest: {', '.join(near)}." if near else ""
