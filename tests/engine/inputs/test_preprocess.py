"""What happens to a raw sample before the first layer."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from transferkit.core.errors import DataError, ParamError
from transferkit.engine.inputs.preprocess import preprocess_from
from transferkit.engine.inputs.preprocessing.audio import AudioPreprocess, mel_filters, waveform
from transferkit.engine.inputs.preprocessing.image import ImagePreprocess
from transferkit.engine.inputs.preprocessing.numbers import SeriesPreprocess, VectorPreprocess


def photo(width=97, height=61, seed=0):
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (5, 7, 3), dtype=np.uint8))
    return small.resize((width, height), Image.Resampling.BICUBIC)


def seeded(n=0):
    return torch.Generator().manual_seed(n)


def same(a, b):
    return preprocess_from(json.loads(json.dumps(a.spec))).key == b.key


# Images ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "crop_pct"), [*((m, p) for m in ("center", "squash") for p in (1.0, 0.875, 0.95, 0.9)), ("border", 1.0)]
)
@pytest.mark.parametrize("shape", [(97, 61), (61, 97), (64, 64), (33, 90)])
def test_evaluation_is_that_of_timm_pixel_for_pixel(crop_pct, mode, shape):
    from transferkit.engine.networks.torchvision_guard import guard_torchvision

    guard_torchvision()
    data = pytest.importorskip("timm.data")
    theirs = data.create_transform(
        (3, 32, 32),
        crop_pct=crop_pct,
        crop_mode=mode,
        interpolation="bicubic",
        mean=(0.1, 0.2, 0.3),
        std=(0.4, 0.5, 0.6),
    )
    wide = int(32 / crop_pct)
    ours = ImagePreprocess((32, 32), (wide, wide), (0.1, 0.2, 0.3), (0.4, 0.5, 0.6), crop_mode=mode)
    torch.testing.assert_close(ours.batch([photo(*shape)])[0], theirs(photo(*shape)))


@pytest.mark.parametrize(
    "sample",
    [
        np.full((20, 30), 51, np.uint8),
        np.full((20, 30, 3), 51, np.uint8),
        np.full((3, 20, 30), 51, np.uint8),
        torch.full((3, 20, 30), 51, dtype=torch.uint8),
        Image.new("L", (30, 20), 51),
        Image.new("RGB", (1, 1), (51, 51, 51)),
    ],
)
def test_all_kinds_of_pixels(sample):
    found = ImagePreprocess((16, 16), (18, 18), [0.0] * 3, [1.0] * 3).batch([sample])
    torch.testing.assert_close(found, torch.full((1, 3, 16, 16), 0.2))


def test_what_is_no_image_is_refused():
    with pytest.raises(DataError, match=r"sample must be a PIL image or uint8 pixels.*Got float64 of shape \(4, 4\)"):
        ImagePreprocess().prepare(np.zeros((4, 4)))
    with pytest.raises(ParamError, match=r"augment must be one of none, flip, crop_flip. Got 'spin'"):
        ImagePreprocess(augment="spin")


def test_a_very_long_image_is_not_blown_up():
    long = np.zeros((4000, 2, 3), np.uint8)
    long[1500:2500] = 200
    found = ImagePreprocess((32, 32), (36, 36)).prepare(long)
    assert found.shape == (3, 36, 36)
    assert found.min() == 200


def test_augmentation_follows_the_generator_alone():
    torch.manual_seed(1)
    ours = ImagePreprocess((32, 32), (40, 40))
    batch = ours.collate([ours.prepare(photo(seed=k)) for k in range(4)])
    first = ours.finish(batch, training=True, generator=seeded(3))
    torch.rand(5)
    assert torch.equal(first, ours.finish(batch, training=True, generator=seeded(3)))
    assert not torch.equal(first, ours.finish(batch, training=True, generator=seeded(4)))
    plain = ours.finish(batch, training=False)
    assert not torch.equal(first, plain)
    assert torch.equal(plain, ImagePreprocess((32, 32), (40, 40), augment="none").finish(batch, training=True))
    assert batch.dtype == torch.uint8  # what is kept between epochs is never changed


def test_flips_turn_half_of_the_images_and_nothing_else():
    ours = ImagePreprocess((32, 32), (40, 40), augment="flip")
    batch = ours.collate([ours.prepare(photo())] * 200)
    plain = ours.finish(batch[:1], training=False)[0]
    found = ours.finish(batch, training=True, generator=seeded())
    turned = [torch.equal(one, plain.flip(-1)) for one in found]
    assert all(t or torch.equal(one, plain) for t, one in zip(turned, found))
    assert 70 < sum(turned) < 130


def test_a_crop_of_everything_is_the_image():
    """With crop_scale 1 only the aspect ratio varies: a picture of columns stays one of columns."""
    ours = ImagePreprocess((32, 32), (32, 32), [0.0] * 3, [1.0] * 3, crop_scale=1.0)
    flat = torch.full((6, 3, 32, 32), 77, dtype=torch.uint8)
    torch.testing.assert_close(
        ours.finish(flat, training=True, generator=seeded()), torch.full((6, 3, 32, 32), 77 / 255)
    )


def test_crops_keep_at_least_the_area_asked_for():
    """The slope of a ramp, as the crop shows it, is the share of the width that it kept."""
    ours = ImagePreprocess((32, 32), (32, 32), [0.0] * 3, [1.0] * 3, crop_scale=0.5)
    ramp = torch.arange(32, dtype=torch.uint8) * 8
    across = ramp.expand(400, 3, 32, 32)
    down = ramp[:, None].expand(400, 3, 32, 32)
    width = ours.finish(across, training=True, generator=seeded())[:, 0, 16, 8:24]
    height = ours.finish(down, training=True, generator=seeded())[:, 0, 8:24, 16]
    share = (width[:, -1] - width[:, 0]).abs() * (height[:, -1] - height[:, 0]).abs() / (15 * 8 / 255) ** 2
    assert 0.48 < share.min() < 0.56
    assert 0.9 < share.max() <= 1.001


def test_key_says_what_matters_outside_training():
    base = ImagePreprocess((32, 32), (40, 40))
    assert same(base, base)
    assert base.key == ImagePreprocess((32, 32), (40, 40), augment="none", crop_scale=0.9).key
    for other in ({"size": (30, 32)}, {"mean": (0, 0, 0)}, {"interpolation": "bilinear"}, {"crop_mode": "squash"}):
        assert ImagePreprocess(**{"size": (32, 32), "resize": (40, 40), **other}).key != base.key


# Text -----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def tokens():
    pytest.importorskip("tokenizers")
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    found = Tokenizer(models.WordLevel({"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "one": 3, "two": 4}, unk_token="[UNK]"))
    found.pre_tokenizer = pre_tokenizers.Whitespace()
    found.post_processor = processors.TemplateProcessing(single="[CLS] $A", special_tokens=[("[CLS]", 2)])
    return found.to_str()


def test_texts_are_cut_and_padded(tokens):
    from transferkit.engine.inputs.preprocessing.text import TextPreprocess

    ours = TextPreprocess(tokens, 4)
    batch = ours.batch(["one two", "", "two two two two two"])
    assert batch["input_ids"].tolist() == [[2, 3, 4, 0], [2, 0, 0, 0], [2, 4, 4, 4]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 0], [1, 0, 0, 0], [1, 1, 1, 1]]
    assert same(ours, ours)
    assert "sha256:" in ours.key
    assert TextPreprocess(tokens, 4, lower=True).prepare("ONE").tolist() == [2, 3]
    assert TextPreprocess(tokens, 4, prefix="two ").prepare("one").tolist() == [2, 4, 3]
    with pytest.raises(DataError, match=r"sample must be a str. Got bytes"):
        ours.prepare(b"one")


# Audio ----------------------------------------------------------------------------------------------------------------


def tone(frequency, rate=8000, seconds=1.0):
    return np.sin(2 * np.pi * frequency * np.arange(int(rate * seconds)) / rate).astype(np.float32)


def test_filters_overlap_by_half():
    """Between the first and the last peak, the triangles sum to 1 at every frequency."""
    filters = mel_filters(20, 1024, 16000)
    peak = filters.argmax(dim=1)
    torch.testing.assert_close(filters[:, peak[0] + 1 : peak[-1]].sum(dim=0), torch.ones(int(peak[-1] - peak[0]) - 1))
    assert (peak.diff() > 0).all()


@pytest.mark.parametrize("frequency", [300, 1000, 3000])
def test_a_tone_is_bright_in_its_own_band(frequency):
    ours = AudioPreprocess((64, 64), [0.0] * 3, [1.0] * 3, rate=16000, seconds=1.0, n_mels=40)
    found = ours.prepare((tone(frequency), 8000))  # at another rate
    mel = 2595 * np.log10(1 + np.array([20, frequency, 8000]) / 700)
    band = (mel[1] - mel[0]) / (mel[2] - mel[0]) * 41 - 1
    assert abs(int(found.mean(dim=1).argmax()) - band) <= 1
    assert found.min() >= 0
    assert found.max() == 1
    x = ours.finish(found[None], training=False)
    assert x.shape == (1, 3, 64, 64)


def test_loudness_does_not_count_and_length_is_fixed():
    ours = AudioPreprocess(rate=8000, seconds=1.0, n_mels=32)
    loud = tone(500, seconds=3.0)
    torch.testing.assert_close(ours.prepare((loud, 8000)), ours.prepare((loud * 0.3, 8000)), atol=1e-3, rtol=0)
    assert ours.prepare((loud[:100], 8000)).shape == ours.prepare((loud, 8000)).shape
    assert ours.prepare((np.zeros(10, np.float32), 8000)).isfinite().all()
    long = np.arange(80000, dtype=np.float32)
    assert waveform((long, 8000), 8000, 1.0).tolist() == long[36000:44000].tolist()
    assert same(ours, ours)
    with pytest.raises(DataError, match="pair of a waveform"):
        ours.prepare(loud)


def test_masks_silence_one_band_of_each_axis():
    ours = AudioPreprocess((32, 50), [0.0], [1.0], n_mels=32)
    ones = torch.ones(8, 32, 50)
    found = ours.finish(ones, training=True, generator=seeded())
    assert torch.equal(found, ours.finish(ones, training=True, generator=seeded()))
    for one in found[:, 0]:
        assert (one.amax(dim=1) < 0.5).sum() <= 7
        assert (one.amax(dim=0) < 0.5).sum() <= 11
    assert (found < 0.5).any()
    assert torch.equal(ours.finish(ones, training=False), torch.ones(8, 1, 32, 50))


# Numbers --------------------------------------------------------------------------------------------------------------


def test_numbers_are_standardised_by_given_statistics():
    vectors = VectorPreprocess((2,), [1.0, 2.0], [2.0, 4.0])
    assert vectors.batch([[1, 2], np.array([3, 6])]).tolist() == [[0, 0], [1, 1]]
    series = SeriesPreprocess((2, 3), [1.0, 2.0], 2.0)
    assert series.batch([np.array([[1, 3, 5], [2, 4, 6]])]).tolist() == [[[0, 1, 2], [0, 1, 2]]]
    assert same(vectors, vectors)
    assert same(series, series)
    assert vectors.key != VectorPreprocess((2,)).key
    with pytest.raises(DataError, match=r"sample must have shape \(2,\), as the first one. Got \(3,\)"):
        vectors.prepare([1, 2, 3])
