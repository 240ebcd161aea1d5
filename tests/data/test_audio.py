"""Sounds: decoded to mono, broken files named, and folders, tables and zip files of them become domains."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import polars as pl
import pytest

from transferkit import read
from transferkit.core.errors import DataError, TransferWarning
from transferkit.data.audio import AudioSamples, check_audio

soundfile = pytest.importorskip("soundfile")


def tone(n=4000, channels=1, seed=0):
    wave = 0.3 * np.random.default_rng(seed).standard_normal((n, channels)).clip(-3, 3)
    return wave.astype(np.float32)


def write(path, n=4000, channels=1, rate=8000, subtype=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, tone(n, channels, len(path.name)), rate, subtype=subtype)
    return path


@pytest.fixture
def recordings(tmp_path):
    root = tmp_path / "recordings"
    write(root / "zero" / "a.wav")
    write(root / "zero" / "b.FLAC", channels=2)
    write(root / "one" / "ü.ogg", rate=16000)
    (root / "one" / "notes.txt").write_text("stray")
    return root


def test_a_sound_is_a_mono_waveform_and_its_rate(tmp_path):
    write(tmp_path / "a.wav", channels=2, rate=22050, subtype="FLOAT")
    wave, rate = AudioSamples([tmp_path / "a.wav"])[0]
    assert rate == 22050
    assert wave.dtype == np.float32
    np.testing.assert_allclose(wave, tone(channels=2, seed=5).mean(axis=1), rtol=1e-6)


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "PCM_U8", "DOUBLE"])
def test_every_width_of_sample_comes_in_minus_one_to_one(tmp_path, subtype):
    expected = np.array([-0.5, 0.0, 0.25, 0.5], dtype=np.float32)
    soundfile.write(tmp_path / "a.wav", expected, 8000, subtype=subtype)
    np.testing.assert_allclose(AudioSamples([tmp_path / "a.wav"])[0][0], expected, atol=1 / 256)


def test_sounds_in_memory():
    file = io.BytesIO()
    soundfile.write(file, tone(), 8000, format="WAV")
    X = AudioSamples([file.getvalue(), (np.arange(4.0), 100)])
    assert X[0][0].shape == (4000,)
    assert X[1][0].tolist() == [0, 1, 2, 3]
    assert X[1][1] == 100
    assert X.name(1) == "audio 1"
    assert X.digest(1) == AudioSamples([(np.arange(4), 100)]).digest(0) != AudioSamples([(np.arange(4), 99)]).digest(0)
    assert X.digest(0) != X.digest(1)


def test_folders_zip_and_table(recordings, tmp_path):
    domain = read(recordings)
    assert isinstance(domain.X, AudioSamples)
    assert domain.y.tolist() == ["one", "zero", "zero"]
    assert [rate for _, rate in domain.X] == [16000, 8000, 8000]
    assert domain.X[[2]].name(0).endswith("b.FLAC")
    with zipfile.ZipFile(tmp_path / "r.zip", "w") as archive:
        for file in recordings.rglob("*.*"):
            archive.write(file, file.relative_to(tmp_path))
    packed = read(tmp_path / "r.zip")
    assert packed.y.tolist() == domain.y.tolist()
    assert [packed.X.digest(i) for i in range(3)] == [domain.X.digest(i) for i in range(3)]
    (packed_wave, _), (wave, _) = packed.X[1], domain.X[1]
    assert (packed_wave == wave).all()
    frame = pl.DataFrame({"clip": ["zero/a.wav", "one/ü.ogg"], "digit": [0, 1], "n": [0.5, 0.7]})
    frame.write_csv(recordings / "t.csv")
    table = read(recordings / "t.csv", label="digit")
    assert table.y.tolist() == [0, 1]
    assert table.X[1][1] == 16000


def test_broken_sounds_are_named(recordings):
    for name, source in (("cut.wav", "zero/a.wav"), ("cut.flac", "zero/b.FLAC")):
        content = (recordings / source).read_bytes()
        (recordings / "one" / name).write_bytes(content[: len(content) // 2])
        with pytest.raises(DataError, match=name):
            AudioSamples([recordings / "one" / name])[0]
    (recordings / "one" / "text.ogg").write_text("no sound")
    soundfile.write(recordings / "one" / "silent.wav", np.zeros(0), 8000)
    with pytest.warns(TransferWarning) as caught:
        assert read(recordings).n_samples == 3
    assert len(caught) == 1
    message = str(caught[0].message)
    assert "skipped 4 of 7 audio files" in message
    for said in ("cut.wav: ", "shorter than its header says", "cut.flac: ", "text.ogg: ", "it has no frame"):
        assert said in message
    assert " at 0x" not in message
    with pytest.raises(DataError, match="4 of 7 audio files cannot be used"):
        read(recordings, strict=True)
    check_audio(str(recordings / "one" / "cut.flac"), "header")


def test_damaged_bytes_never_do_more_than_refuse(recordings):
    random = np.random.default_rng(0)
    for file in sorted(recordings.rglob("*.*g")) + sorted(recordings.rglob("*.wav")):
        content = file.read_bytes()
        for _ in range(30):
            damaged = bytearray(content)
            damaged[int(random.integers(len(damaged)))] = int(random.integers(256))
            try:
                wave, rate = AudioSamples([bytes(damaged)])[0]
            except DataError:
                continue
            assert wave.ndim == 1
            assert rate > 0
