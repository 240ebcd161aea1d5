"""Sounds as pictures: the log-mel spectrogram, for networks that take images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from scipy.signal import resample_poly
from torch import Tensor
from torch.nn import functional

from ....core.errors import DataError, ParamError
from ..preprocess import Preprocess

__all__ = ["AudioPreprocess", "mel_filters", "waveform"]

AUGMENT = ("none", "mask")
_RANGE = 8 * math.log(10)  # 80 dB of power below the loudest point of a clip


class AudioPreprocess(Preprocess):
    """Resample, cut to one length, log-mel spectrogram, as an image.

    Parameters
    ----------
    size : (int, int), default=(224, 224)
        Height (frequency, low at the top) and width (time) of the network's input.
    mean, std : sequence of float
        What the network's channels, on the scale 0..1, are normalised by; their number is the number of channels.
    rate : int, default=16000
        Frames a second after resampling.
    seconds : float, default=2.0
        Length of a clip: longer ones are cut in the middle, shorter ones are followed by silence.
    n_mels : int, default=64
        Frequency bands, equally wide on the mel scale between 20 Hz and half the rate.
    window, hop : float, default=0.025, 0.01
        Length of a frame of the short-time Fourier transform and step between frames, in seconds.
    augment : {"none", "mask"}, default="mask"
        In training: one band of frequencies and one of times is silenced (SpecAugment without warping).

    Notes
    -----
    ``log(power + eps)`` is clipped 80 dB below the loudest point of its clip and brought to 0..1, so loudness does not
    count; then it is stretched bilinearly to `size`.

    References
    ----------
    Park et al. SpecAugment: A Simple Data Augmentation Method for Automatic Speech Recognition. Interspeech 2019.
    """

    kind: ClassVar[str] = "audio"
    type: ClassVar[str] = "audio"
    training_only: ClassVar[tuple[str, ...]] = ("augment",)

    def __init__(
        self,
        size: Sequence[int] = (224, 224),
        mean: Sequence[float] = (0.5, 0.5, 0.5),
        std: Sequence[float] = (0.5, 0.5, 0.5),
        rate: int = 16000,
        seconds: float = 2.0,
        n_mels: int = 64,
        window: float = 0.025,
        hop: float = 0.01,
        augment: str = "mask",
    ) -> None:
        if augment not in AUGMENT:
            raise ParamError(f"augment must be one of {', '.join(AUGMENT)} for sounds. Got {augment!r}.")
        self.size = (int(size[0]), int(size[1]))
        self.mean, self.std = tuple(map(float, mean)), tuple(map(float, std))
        self.rate, self.seconds, self.n_mels = int(rate), float(seconds), int(n_mels)
        self.window, self.hop, self.augment = float(window), float(hop), augment
        self._frame, self._step = max(2, round(rate * window)), max(1, round(rate * hop))
        self._n_fft = 2 ** math.ceil(math.log2(self._frame))
        self._filters = mel_filters(self.n_mels, self._n_fft, self.rate)

    @property
    def spec(self) -> dict[str, Any]:
        return {
            "type": self.type,
            "size": list(self.size),
            "mean": list(self.mean),
            "std": list(self.std),
            "rate": self.rate,
            "seconds": self.seconds,
            "n_mels": self.n_mels,
            "window": self.window,
            "hop": self.hop,
            "augment": self.augment,
        }

    def example(self) -> tuple[np.ndarray[Any, Any], int]:
        n = round(self.rate * self.seconds)
        return np.sin(np.arange(n) * 2 * np.pi * 440 / self.rate).astype(np.float32), self.rate

    def prepare(self, sample: Any) -> Tensor:
        """A (waveform, rate) pair to a spectrogram on the scale 0..1, of shape (n_mels, n_times)."""
        wave = torch.from_numpy(waveform(sample, self.rate, self.seconds))
        short = torch.stft(
            wave, self._n_fft, self._step, self._frame, torch.hann_window(self._frame), return_complex=True
        )
        log = torch.log(self._filters @ short.abs().square() + 1e-10)
        return (log - log.max()).div_(_RANGE).add_(1).clamp_(0)

    def finish(self, batch: Tensor, *, training: bool, generator: torch.Generator | None = None) -> Tensor:
        """Spectrograms of shape (batch, n_mels, n_times) to images of shape (batch, n_channels, *size)."""
        if training and self.augment == "mask":
            batch = _mask(_mask(batch, 1, generator), 2, generator)
        x = functional.interpolate(batch[:, None], self.size, mode="bilinear", align_corners=False)
        mean = torch.tensor(self.mean, device=x.device)[:, None, None]
        std = torch.tensor(self.std, device=x.device)[:, None, None]
        return (x - mean) / std


def waveform(sample: Any, rate: int, seconds: float) -> np.ndarray[Any, Any]:
    """A (waveform, rate) pair at another rate and of one length, float32.

    Raises
    ------
    DataError
        If it is no such pair.
    """
    if not (isinstance(sample, (tuple, list)) and len(sample) == 2 and np.ndim(sample[0]) == 1 and len(sample[0])):
        raise DataError(
            "AudioPreprocess.prepare: sample must be a pair of a waveform of shape (n_frames,) and its rate. "
            f"Got {type(sample).__name__}."
        )
    wave, own = np.asarray(sample[0], dtype=np.float32), round(float(sample[1]))
    n = round(rate * seconds)
    if own != rate:
        enough = math.ceil(n * own / rate) + own  # a second more than is kept, for the filter's ends
        start = max(0, len(wave) - enough) // 2
        wave = wave[start : start + enough]
        common = math.gcd(own, rate)
        wave = resample_poly(wave, rate // common, own // common).astype(np.float32)
    if len(wave) > n:
        start = (len(wave) - n) // 2
        return np.ascontiguousarray(wave[start : start + n])
    return np.pad(wave, (0, n - len(wave)))


def mel_filters(n_mels: int, n_fft: int, rate: int, low: float = 20.0) -> Tensor:
    """Triangles of height 1 that overlap by half, equally wide on the scale ``2595 log10(1 + f / 700)``.

    Returns
    -------
    tensor of shape (n_mels, n_fft // 2 + 1)
    """
    mel = np.linspace(2595 * np.log10(1 + low / 700), 2595 * np.log10(1 + rate / 2 / 700), n_mels + 2)
    corner = 700 * (10 ** (mel / 2595) - 1)
    frequency = np.linspace(0, rate / 2, n_fft // 2 + 1)
    up = (frequency - corner[:-2, None]) / np.diff(corner)[:-1, None]
    down = (corner[2:, None] - frequency) / np.diff(corner)[1:, None]
    return torch.from_numpy(np.maximum(0, np.minimum(up, down)).astype(np.float32))


def _mask(x: Tensor, axis: int, generator: torch.Generator | None) -> Tensor:
    """One band of up to a fifth of an axis, another for each row, set to silence."""
    device = "cpu" if generator is None else generator.device
    width, start = torch.rand(2, len(x), generator=generator, device=device).to(x.device)
    n = x.shape[axis]
    width = width * n / 5
    start = start * (n - width)
    place = torch.arange(n, device=x.device)[None, :]
    hidden = (place >= start[:, None]) & (place < (start + width)[:, None])
    return x.masked_fill(hidden.unsqueeze(3 - axis), 0.0)
