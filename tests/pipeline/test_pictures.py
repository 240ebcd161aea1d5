"""What a run shows beyond its facts: rows as they are."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from transferkit import Domain
from transferkit.data.images import ImageSamples
from transferkit.data.texts import TextSamples
from transferkit.pipeline.define import Defined
from transferkit.pipeline.pictures import disputed_examples, flat_picture, shown_sample


def asked(X, rows):
    """The examples of a run that asks for these rows."""
    defined = Defined.__new__(Defined)
    object.__setattr__(defined, "target", Domain(X))
    return disputed_examples(defined, {"guard": {"disputed": {"label_next": [{"row": r} for r in rows]}}})


def test_images_become_small_thumbnails():
    content = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 255, size=(300, 200, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(content, "PNG")
    found = asked(ImageSamples([content.getvalue()] * 3), [2, 0])
    assert [e["row"] for e in found] == [2, 0]
    for e in found:
        start, _, content = e["image"].partition(",")
        assert start == "data:image/jpeg;base64"
        with Image.open(io.BytesIO(base64.b64decode(content))) as image:
            assert image.size == (e["width"], e["height"]) == (48, 72)
        assert len(e["image"]) < 10_000


def test_texts_are_cut():
    assert asked(TextSamples(["short", "x" * 1000]), [1, 0]) == [
        {"row": 1, "text": "x" * 200 + "…"},
        {"row": 0, "text": "short"},
    ]


def test_tables_have_no_pictures_and_nothing_asked_is_nothing_shown():
    assert asked(np.ones((4, 2)), [1]) == []
    assert asked(TextSamples(["a"]), []) == []


def test_a_sample_that_broke_is_left_out(tmp_path):
    gone = ImageSamples([tmp_path / "gone.png"])
    assert shown_sample(gone, 0) == {}


@pytest.mark.parametrize("shape", [(5, 1), (5, 7)])
def test_a_picture_is_the_first_two_principal_components_of_both(shape):
    rng = np.random.default_rng(0)
    Zs, Zt = rng.normal(size=shape), rng.normal(size=shape) + 3
    found = flat_picture(Zs, Zt)
    flat = np.array(found["source"] + found["target"])
    Z = np.vstack([Zs, Zt]) - np.vstack([Zs, Zt]).mean(axis=0)
    values = np.linalg.svd(Z, compute_uv=False)[:2]
    lengths = np.linalg.norm(flat, axis=0)
    assert np.abs(flat).max() == 1
    if shape[1] > 1:
        np.testing.assert_allclose(lengths[1] / lengths[0], values[1] / values[0], atol=1e-3)
    assert flat_picture(np.ones((2, 3)), np.ones((1, 3)))["target"] == [[0.0, 0.0]]
