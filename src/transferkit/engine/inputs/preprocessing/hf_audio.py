"""Sounds for a transformers network: its own feature extractor on clips of one length."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from ..preprocess import Preprocess
from .audio import waveform

__all__ = ["HFAudioPreprocess"]


class HFAudioPreprocess(Preprocess):
    """Resample, cut to one length, and what the network's own feature extractor does.

    Parameters
    ----------
    extractor : mapping
        Its configuration, as ``preprocessor_config.json`` has it, with its class under ``feature_extractor_type``.
    seconds : float, default=2.0
        Length of a clip: longer ones are cut in the middle, shorter ones are followed by silence.
    """

    kind: ClassVar[str] = "audio"
    type: ClassVar[str] = "hf_audio"

    def __init__(self, extractor: Mapping[str, Any], seconds: float = 2.0) -> None:
        import transformers

        self.extractor, self.seconds = dict(extractor), float(seconds)
        self._extract = getattr(transformers, self.extractor["feature_extractor_type"]).from_dict(self.extractor)
        self.rate = int(self._extract.sampling_rate)

    @property
    def spec(self) -> dict[str, Any]:
        return {"type": self.type, "extractor": self.extractor, "seconds": self.seconds}

    def example(self) -> tuple[np.ndarray[Any, Any], int]:
        n = round(self.rate * self.seconds)
        return np.sin(np.arange(n) * 2 * np.pi * 440 / self.rate).astype(np.float32), self.rate

    def prepare(self, sample: Any) -> Tensor:
        """A (waveform, rate) pair to what the network's first layer takes."""
        wave = waveform(sample, self.rate, self.seconds)
        found = self._extract(wave, sampling_rate=self.rate, return_tensors="np")
        return torch.from_numpy(np.asarray(found[self._extract.model_input_names[0]][0], dtype=np.float32))

    def finish(self, batch: Tensor, *, training: bool, generator: torch.Generator | None = None) -> Tensor:
        """The batch as it is."""
        return batch
