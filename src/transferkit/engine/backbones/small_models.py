"""``small:NAME``: small networks without pretrained weights, built for the shape of a sample."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from ...core.errors import ParamError
from ..inputs.preprocess import Preprocess, preprocess_from
from ..inputs.preprocessing.numbers import SeriesPreprocess, VectorPreprocess
from .assemble import Built
from .images import image_preprocess
from .options import nearest

__all__ = ["about_sample", "build", "small_name"]

_LARGEST = 64  # pixels; above, a fully connected layer on a flattened map is no small network any more
_PIXELS = ("image_size", "mean", "std", "crop_pct", "crop_mode", "interpolation", "augment", "crop_scale")


def build(
    source: str,
    name: str,
    options: Mapping[str, Any],
    *,
    state: Mapping[str, Tensor] | None = None,
    about: Mapping[str, Any] | None = None,
) -> Built:
    """A small network with first weights; parameters and raises as `transferkit.engine.backbones.timm_models.build`.

    Parameters
    ----------
    about : mapping
        Of `about_sample`, or the spec of a network that was saved: ``input``, the shape that the network takes, and
        ``preprocess``.

    Notes
    -----
    ``mlp``: linear layers with ReLU, widths ``hidden`` (256), with ``batch_norm`` and ``dropout`` where asked for.
    ``lenet`` and ``dtn``: those of TLlib for MNIST-like and SVHN-like digits (Long et al., NeurIPS 2018, supplement),
    their last layer adapted to the size of the images; 500 and 512 features. ``cnn1d``: four one-dimensional convolutions
    (Zhao et al., UDTL, IEEE TIM 2021), 256 features. ``conv4``: the few-shot network of Vinyals et al. (NeurIPS 2016), a
    block of convolution, batch normalisation, ReLU and pooling for each of the widths ``hidden`` (four of 64);
    ``conv4_strided``: with steps of two in the place of pooling, as MAML has it for Omniglot (Finn et al., ICML 2017).
    """
    assert about is not None
    model = _NETS[name][1](tuple(about["input"]), options)
    return Built(model, preprocess_from(about["preprocess"]), lambda: None, about={"input": list(about["input"])})


def about_sample(source: str, name: str, sample: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """What the network has to be built for: ``input`` and ``preprocess``.

    Raises
    ------
    ParamError
        If there is no such network, it does not take such samples, or an option is not one of its.
    """
    if name not in _NETS:
        raise ParamError(
            f"load_backbone: small: must be followed by one of {', '.join(_NETS)}. Got {name!r}.{nearest(name, _NETS)}"
        )
    takes, _, own = _NETS[name]
    wrong = [o for o in options if o not in (*own, "layers", "l2", "pool")]
    if wrong:
        raise ParamError(f"load_backbone: options of small:{name} must be of {', '.join(own)}. Got {wrong[0]!r}.")
    if sample is None:
        raise ParamError(f"load_backbone: sample must be given with {source}: one input. Got None.")
    kind, shape = _shape(sample)
    if kind not in takes:
        raise ParamError(f"load_backbone: {source} must get {' or '.join(takes)}. Got {kind} of shape {shape}.")
    preprocess = _preprocess(kind, shape, options, isinstance(_first(sample), np.ndarray))
    x = preprocess.batch([preprocess.example()])
    return {"input": list(x.shape[1:]), "preprocess": preprocess.spec}


def small_name(sample: Any) -> str:
    """The network for samples of this kind where none was named.

    Raises
    ------
    ParamError
        If there is none: for texts, sound, and images that are not small.
    """
    kind, shape = _shape(sample)
    if kind in ("vectors", "series"):
        return {"vectors": "small:mlp", "series": "small:cnn1d"}[kind]
    if kind == "others" or max(shape[1:]) > _LARGEST:
        got = f"images of shape {shape}" if kind != "others" else type(_first(sample)).__name__
        raise ParamError(
            "backbone must be named, as in 'timm:resnet18' or 'sentence:NAME', for all but vectors, series and images of "
            f"at most {_LARGEST} pixels. Got {got}."
        )
    return "small:lenet" if shape[0] == 1 and min(shape[1:]) >= 16 else "small:dtn"


def _first(sample: Any) -> Any:
    """The raw sample as an image or an array; of a pair (sample, label) the first."""
    if isinstance(sample, (tuple, list)) and len(sample) and isinstance(sample[0], (Tensor, np.ndarray, Image.Image)):
        sample = sample[0]
    if isinstance(sample, Tensor):
        sample = sample.detach().cpu().numpy()
    return np.asarray(sample) if isinstance(sample, (list, np.generic)) else sample


def _shape(sample: Any) -> tuple[str, tuple[int, ...]]:
    """Vectors (n_features,), series (n_channels, length), images and maps (n_channels, height, width)."""
    sample = _first(sample)
    if isinstance(sample, Image.Image):
        return "images", (1 if sample.mode in ("1", "L", "I", "F") else 3, sample.height, sample.width)
    if not isinstance(sample, np.ndarray) or sample.dtype.kind not in "fiub":
        return "others", ()
    if sample.dtype == np.uint8 and sample.ndim in (2, 3):
        if sample.ndim == 2:
            return "images", (1, *sample.shape)
        ahead = sample.shape[-1] not in (1, 3)
        return "images", sample.shape if ahead else (sample.shape[-1], *sample.shape[:-1])
    kinds = {1: "vectors", 2: "series", 3: "maps"}
    return kinds.get(sample.ndim, "others"), sample.shape


def _preprocess(kind: str, shape: Sequence[int], options: Mapping[str, Any], is_array: bool) -> Preprocess:
    n = shape[0]
    if kind == "images":
        given = {k: v for k, v in options.items() if k in _PIXELS}
        given |= {k: _channels(given[k], n) for k in ("mean", "std") if k in given}
        return image_preprocess(
            {"augment": "none", **given}, size=shape[1:], crop_pct=1.0, mean=[0.5] * n, std=[0.5] * n
        )
    mean, std = (_channels(options[k], n) if k in options else default for k, default in (("mean", 0.0), ("std", 1.0)))
    return (VectorPreprocess if kind == "vectors" else SeriesPreprocess)(shape, mean, std)


def _channels(values: Sequence[float], n: int) -> list[float]:
    """One number a channel; the options give three where one was written."""
    values = list(values) if len(values) == n or len(set(values)) > 1 else [values[0]] * n
    if len(values) != n:
        raise ParamError(f"load_backbone: mean and std must be one number, or one for each of {n}. Got {values}.")
    return values


def _mlp(shape: tuple[int, ...], options: Mapping[str, Any]) -> nn.Sequential:
    layers: list[nn.Module] = []
    width = shape[0]
    for n in options.get("hidden", [256]):
        block = [nn.Linear(width, n), *([nn.BatchNorm1d(n)] if options.get("batch_norm") else []), nn.ReLU()]
        layers.append(nn.Sequential(*block, nn.Dropout(options["dropout"]) if "dropout" in options else nn.Identity()))
        width = n
    return nn.Sequential(*layers)


def _lenet(shape: tuple[int, ...], options: Mapping[str, Any]) -> nn.Sequential:
    _at_least(shape, 16, "small:lenet")
    maps = [
        nn.Conv2d(shape[0], 20, 5), nn.MaxPool2d(2), nn.ReLU(),
        nn.Conv2d(20, 50, 5), nn.Dropout2d(0.5), nn.MaxPool2d(2), nn.ReLU(), nn.Flatten(),
    ]  # fmt: skip
    return nn.Sequential(*maps, nn.Linear(_width(maps, shape), 500), nn.ReLU(), nn.Dropout(0.5))


def _dtn(shape: tuple[int, ...], options: Mapping[str, Any]) -> nn.Sequential:
    maps: list[nn.Module] = []
    for n_in, n_out, dropout in ((shape[0], 64, 0.1), (64, 128, 0.3), (128, 256, 0.5)):
        maps += [nn.Conv2d(n_in, n_out, 5, 2, 2), nn.BatchNorm2d(n_out), nn.Dropout2d(dropout), nn.ReLU()]
    maps.append(nn.Flatten())
    return nn.Sequential(*maps, nn.Linear(_width(maps, shape), 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Dropout(0.5))


def _cnn1d(shape: tuple[int, ...], options: Mapping[str, Any]) -> nn.Sequential:
    _at_least(shape, 26, "small:cnn1d")
    layers: list[nn.Module] = []
    for k, (n_in, n_out, size) in enumerate(((shape[0], 16, 15), (16, 32, 3), (32, 64, 3), (64, 128, 3))):
        layers += [nn.Conv1d(n_in, n_out, size), nn.BatchNorm1d(n_out), nn.ReLU()]
        layers += [nn.MaxPool1d(2)] if k == 1 else []
    return nn.Sequential(
        *layers, nn.AdaptiveMaxPool1d(4), nn.Flatten(), nn.Linear(128 * 4, 256), nn.ReLU(), nn.Dropout(0.5)
    )


def _conv4(shape: tuple[int, ...], options: Mapping[str, Any], stride: int = 1) -> nn.Sequential:
    layers: list[nn.Module] = []
    width = shape[0]
    widths = options.get("hidden", [64] * 4)
    _at_least(shape, 2 ** len(widths) if stride == 1 else 1, "small:conv4")
    for n in widths:
        pool = [nn.MaxPool2d(2)] if stride == 1 else []
        layers.append(nn.Sequential(nn.Conv2d(width, n, 3, stride, 1), nn.BatchNorm2d(n), nn.ReLU(), *pool))
        width = n
    return nn.Sequential(*layers, nn.Flatten())


def _conv4_strided(shape: tuple[int, ...], options: Mapping[str, Any]) -> nn.Sequential:
    return _conv4(shape, options, stride=2)


def _at_least(shape: tuple[int, ...], n: int, name: str) -> None:
    if min(shape[1:]) < n:
        raise ParamError(f"load_backbone: {name} must get {n} pixels or steps a side at least. Got shape {shape}.")


def _width(layers: Sequence[nn.Module], shape: tuple[int, ...]) -> int:
    """Features that come out of layers which do not know their input's size."""
    with torch.no_grad():
        return int(nn.Sequential(*layers).eval()(torch.zeros(1, *shape)).shape[1])


# name: the kinds of samples that it takes, what builds it, its options
_NETS: Mapping[str, tuple[tuple[str, ...], Callable[..., nn.Sequential], tuple[str, ...]]] = {
    "mlp": (("vectors",), _mlp, ("hidden", "dropout", "batch_norm", "mean", "std")),
    "lenet": (("images", "maps"), _lenet, _PIXELS),
    "dtn": (("images", "maps"), _dtn, _PIXELS),
    "cnn1d": (("series",), _cnn1d, ("mean", "std")),
    "conv4": (("images", "maps"), _conv4, (*_PIXELS, "hidden")),
    "conv4_strided": (("images", "maps"), _conv4_strided, (*_PIXELS, "hidden")),
}
