"""Preprocess: what a backbone does with a raw sample before its first layer sees it."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from importlib import import_module
from typing import Any, ClassVar

import torch

__all__ = ["Preprocess", "preprocess_from"]

# By `type`, the file and the class: images need pillow, which a reader of texts may not have.
_CLASSES = {
    "image": ("image", "ImagePreprocess"),
    "text": ("text", "TextPreprocess"),
    "clip_text": ("clip_text", "ClipTextPreprocess"),
    "audio": ("audio", "AudioPreprocess"),
    "hf_audio": ("hf_audio", "HFAudioPreprocess"),
    "series": ("numbers", "SeriesPreprocess"),
    "vectors": ("numbers", "VectorPreprocess"),
}


class Preprocess(ABC):
    """Three steps from a raw sample to the network's input.

    Attributes
    ----------
    kind : {"images", "text", "audio", "series", "vectors"}
        What a raw sample is.
    type : str
        Name of the class in a spec.
    training_only : tuple of str
        Parameters that matter in training only, and so are no part of `key`.
    """

    kind: ClassVar[str]
    type: ClassVar[str]
    training_only: ClassVar[tuple[str, ...]] = ()

    @property
    @abstractmethod
    def spec(self) -> dict[str, Any]:
        """JSON from which `preprocess_from` builds the same object: ``type`` and the constructor's parameters."""

    @abstractmethod
    def prepare(self, sample: Any) -> Any:
        """On the CPU: one raw sample to its compact form, which may be kept between epochs.

        Raises
        ------
        DataError
            If it is no sample of this kind.
        """

    @abstractmethod
    def example(self) -> Any:
        """A made-up raw sample."""

    def collate(self, prepared: list[Any]) -> Any:
        """On the CPU: compact samples to one tensor, or a dict of tensors."""
        return torch.stack(prepared)

    @abstractmethod
    def finish(self, batch: Any, *, training: bool, generator: torch.Generator | None = None) -> Any:
        """On the device: a collated batch to the network's input; augmented in training, from `generator` alone."""

    @property
    def key(self) -> str:
        """JSON that says exactly what is done outside training; long parts stand there by their SHA-256."""
        spec = {name: _short(value) for name, value in self.spec.items() if name not in self.training_only}
        return json.dumps(spec, sort_keys=True)

    def batch(self, samples: list[Any]) -> Any:
        """The network's input for a few raw samples, on the CPU and outside training."""
        return self.finish(self.collate([self.prepare(s) for s in samples]), training=False)


def _short(value: Any) -> Any:
    if isinstance(value, str) and len(value) > 200:
        return "sha256:" + hashlib.sha256(value.encode()).hexdigest()
    return value


def preprocess_from(spec: Mapping[str, Any]) -> Preprocess:
    """Build a preprocess from its spec.

    Parameters
    ----------
    spec : mapping
        As `Preprocess.spec` gives it.

    Returns
    -------
    Preprocess
    """
    parameters = dict(spec)
    module, name = _CLASSES[parameters.pop("type")]
    return getattr(import_module(f"{__package__}.preprocessing.{module}"), name)(**parameters)
