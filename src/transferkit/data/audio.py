"""Recordings of sound as samples: decoded by soundfile when they are asked for, mixed to one channel."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np

from ..core.errors import MissingExtraError
from ..core.protocols import Array
from .places import Place, digest_of, name_of, read_bytes
from .rows import reading
from .samples import Samples

__all__ = ["AUDIO_SUFFIXES", "AudioSamples", "check_audio"]

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff")
_BLOCK = 1 << 18  # frames


class AudioSamples(Samples):
    """Sounds that are decoded when they are asked for.

    A sample is a pair of a float32 waveform of shape (n_frames,) in -1 to 1, the mean of all channels, and its rate in
    frames a second. Nothing is resampled: that belongs to the model.

    Parameters
    ----------
    items : sequence of path, (zip path, member) tuple, bytes, or (waveform, rate) pair
        A file, a member of a zip file, an encoded sound, or a sound in memory: a float array of shape (n_frames,).
        Samples may be decoded in any thread or process.
    splits, groups : sequence of str, optional
        As for `Samples`.

    Raises
    ------
    DataError
        When a sample is decoded that is broken; the message names its file.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit.data.audio import AudioSamples
    >>> sounds = AudioSamples([(np.zeros(800), 8000), (np.ones(400), 8000)])
    >>> wave, rate = sounds[1]
    >>> wave.shape, wave.dtype, rate
    ((400,), dtype('float32'), 8000)
    """

    kind = "audio"

    def name(self, index: int) -> str:
        """The file, or ``audio 3`` for one in memory."""
        item = self.items[index]
        return f"audio {index}" if isinstance(item, bytes) or _in_memory(item) else name_of(item)

    def digest(self, index: int) -> str:
        """SHA-256 of the file's bytes, or of rate and waveform."""
        item = self.items[index]
        if _in_memory(item):
            wave, rate = self._decode(item)
            return hashlib.sha256(f"{rate} ".encode() + wave.tobytes()).hexdigest()
        return hashlib.sha256(item).hexdigest() if isinstance(item, bytes) else digest_of(item)

    def _decode(self, item: Any) -> tuple[Array, int]:
        if _in_memory(item):
            return np.array(item[0], dtype=np.float32), int(item[1])
        with _opened(item) as sound:
            wave = sound.read(dtype="float32", always_2d=True)
            _check_length(len(wave), sound.frames)
            return np.ascontiguousarray(wave.mean(axis=1)), int(sound.samplerate)


def check_audio(place: Place, check: Literal["header", "decode"]) -> None:
    """Refuse a sound that is broken.

    Parameters
    ----------
    place : path or (zip path, member)
    check : {"header", "decode"}
        Whether to look at the header only, or to decode all of the sound.

    Raises
    ------
    DataError
        Naming the file.

    Notes
    -----
    A compressed sound (ogg, mp3) that was cut at the border of a packet is a shorter sound, and passes.
    """
    with _opened(place) as sound:
        if check == "decode":
            n = 0
            while block := len(sound.read(_BLOCK, dtype="float32")):
                n += block
            _check_length(n, sound.frames)


def _in_memory(item: Any) -> bool:
    return isinstance(item, tuple) and not isinstance(item[0], str)


def _check_length(n: int, expected: int) -> None:
    if n != expected:
        raise ValueError(f"{expected} frames are announced and {n} are there")


@contextmanager
def _opened(item: Place | bytes) -> Iterator[Any]:
    try:
        import soundfile
    except ImportError as err:
        raise MissingExtraError("AudioSamples needs soundfile: pip install 'transferkit[audio]'") from err
    name = "sound in memory" if isinstance(item, bytes) else name_of(item)
    content = item if isinstance(item, bytes) else read_bytes(item)
    with reading(name, "audio", soundfile.LibsndfileError):
        if content[:4] == b"RIFF" and len(content) < int.from_bytes(content[4:8], "little") + 8 < 2**32 - 1:
            raise ValueError("the file is shorter than its header says")  # which libsndfile takes for a shorter sound
        try:
            sound = soundfile.SoundFile(io.BytesIO(content))
        except soundfile.LibsndfileError as err:  # whose text is an address in memory
            raise ValueError(err.error_string) from err
        with sound:
            if not sound.frames:
                raise ValueError("it has no frame")
            yield sound
