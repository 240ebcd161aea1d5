"""FSDD: spoken digits of six speakers."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from ...core.protocols import Array
from ._set import File, NamedSet, Place, Rows

__all__ = ["SET"]

_REPOSITORY, _COMMIT = "Jakobovski/free-spoken-digit-dataset", "26eb9aaf76e81b692f806f9140c2d2777410d7a1"
_PACKED, _ORIGINAL = "fsdd_8k_int16.npz", "free-spoken-digit-dataset.zip"
_RATE, _FRAME, _HOP, _BANDS, _TIMES = 8000, 256, 80, 32, 20


def _clips(path: Path) -> dict[str, Array]:
    """Clips as 16-bit samples by name (digit_speaker_take), from the packed file or the repository's archive."""
    with zipfile.ZipFile(path) as content:
        waves = {Path(m).stem: m for m in content.namelist() if m.endswith(".wav") and "/recordings/" in m}
        if waves:
            return {name: _wave(content.read(waves[name])) for name in sorted(waves)}
    with np.load(path, allow_pickle=False) as packed:
        return {name: packed[name] for name in sorted(packed.files)}


def _wave(content: bytes) -> Array:
    import io
    import warnings

    from scipy.io import wavfile

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", wavfile.WavFileWarning)  # some clips carry chunks of text
        rate, samples = wavfile.read(io.BytesIO(content))
    if rate != _RATE or samples.ndim != 1 or samples.dtype != np.int16:
        raise ValueError(f"a clip must be mono, 16 bit, {_RATE} Hz")
    return np.asarray(samples)


def _content(path: Path, file: File) -> str:
    """Sum of all names and samples."""
    whole = hashlib.sha256()
    for name, clip in _clips(path).items():
        whole.update(name.encode() + clip.astype("<i2").tobytes())
    return whole.hexdigest()


def _mel_bands() -> Array:
    """Triangles of shape (129, 32), evenly spaced in mel from 0 to 4000 Hz, each of height 1."""
    top = 2595 * np.log10(1 + _RATE / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, _BANDS + 2) / 2595) - 1)
    low, peak, high = edges[:-2], edges[1:-1], edges[2:]
    hertz = np.fft.rfftfreq(_FRAME, 1 / _RATE)[:, None]
    return np.clip(np.minimum((hertz - low) / (peak - low), (high - hertz) / (high - peak)), 0, None)


def _log_mel(clip: Array, bands: Array) -> Array:
    from scipy.signal import spectrogram

    _, _, power = spectrogram(
        clip / 32768, _RATE, window="hann", nperseg=_FRAME, noverlap=_FRAME - _HOP, detrend=False, mode="psd"
    )
    level = np.log(power.T @ bands + 1e-12)  # (frames, bands); the floor lies under the steps of 16 bits
    old, new = np.linspace(0, 1, len(level)), np.linspace(0, 1, _TIMES)
    return np.concatenate([np.interp(new, old, band) for band in level.T]).astype(np.float32)


def _read(place: Place, domains: tuple[str, ...], label: str, preprocess: str) -> Rows:
    clips = _clips(place.folder / (_ORIGINAL if place.original else _PACKED))
    bands = _mel_bands()
    rows: dict[str, tuple[Any, Array]] = {}
    for domain in domains:
        own = {name: clip for name, clip in clips.items() if name.split("_")[1] == domain}
        y = np.array([int(name.split("_")[0]) for name in own])
        rows[domain] = (
            list(own.values()) if preprocess == "waveform" else np.stack([_log_mel(c, bands) for c in own.values()]),
            y,
        )
    return rows


SET = NamedSet(
    name="fsdd",
    title="FSDD: spoken digits, six speakers, 500 clips each",
    domains=("george", "jackson", "lucas", "nicolas", "theo", "yweweler"),
    task="classification",
    n_features=_BANDS * _TIMES,
    files=(File(f"fsdd/{_PACKED}", "36c282cd92b3943f008606a2486980d6ce7b511b8c352cfdb828e07ba88921ac", 16281078),),
    licence="CC BY-SA 4.0",
    source=f"{_REPOSITORY} @ {_COMMIT[:12]}",
    read=_read,
    preprocessings=("log-mel", "waveform"),
    classes=tuple("0123456789"),
    notes=(
        "log-mel: power spectra of 32 ms (Hann) every 10 ms, 32 mel bands from 0 to 4 kHz, logarithm, then each band"
        " stretched to 20 points in time; band after band, 640 numbers",
        "waveform: X is a list of 16-bit signals of different lengths, 8 kHz",
        "the licence asks that what is made from it is shared alike",
    ),
    originals=(
        File(
            f"fsdd/{_ORIGINAL}",
            "c508ca40e62214f8ea81451ff705df6e9a68265da606e26d5455a6a8d1e5bf81",
            None,
            f"https://github.com/{_REPOSITORY}/archive/{_COMMIT}.zip",
            "content",
        ),
    ),
    content=_content,
)
