"""Step 1: what is asked is settled or refused by name."""

import wave

import numpy as np
import pytest

from transferkit import Domain, DomainError, ParamError, TransferTask
from transferkit.pipeline.define import define

X = np.arange(12.0).reshape(6, 2)


def asked(y=None, yt=None, known=None, **options):
    source = Domain(X, np.array([0, 1, 0, 1, 0, 1]) if y is None else y, name="lab")
    return TransferTask(sources=[source], target=Domain(X, yt, known, name="clinic"), **options)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("sources", []),
        ("sources", "a.csv"),
        ("kind", "cluster"),
        ("target_labels", "some"),
        ("shots", 0),
        ("seed", -1),
        ("jobs", 0),
        ("budget", 0),
        ("budget", float("nan")),
        ("seed", 1.5),
        ("methods", "coral"),
        ("target_domain", "Rome"),
        ("source_domains", ["Rome"]),
    ],
)
def test_an_option_out_of_range_is_named(option, value):
    options = {"sources": ["a.csv"], "target": "b.csv", option: value}
    with pytest.raises(ParamError, match=option):
        TransferTask(**options)


@pytest.mark.parametrize(
    ("y", "kind"),
    [
        (np.array([0, 1, 0, 1, 0, 1]), "classification"),
        (np.array(list("ababab")), "classification"),
        (np.array([0.5, 1.5, 2.5, 0.1, 0.2, 0.3]), "regression"),
        (np.array([0.0, 1.0, 0.0, 1.0, 0.0, 1.0]), "classification"),
    ],
)
def test_the_kind_follows_from_the_labels(y, kind):
    assert define(asked(y)).kind == kind


def test_many_whole_numbers_are_a_regression_unless_said_otherwise():
    rows = np.arange(80.0).reshape(40, 2)
    task = {"sources": [(rows, np.arange(40))], "target": rows}
    assert define(TransferTask(**task)).kind == "regression"
    assert define(TransferTask(**task, kind="classification")).kind == "classification"


def test_whole_numbers_stay_whole_numbers_with_a_missing_label_among_them():
    rows = np.arange(80.0).reshape(40, 2)
    source = Domain(rows, np.where(np.arange(40) == 3, np.nan, np.arange(40) % 5), known=np.arange(40) != 3)
    assert define(TransferTask(sources=[source], target=rows)).kind == "classification"


def test_two_frames_are_not_one_file_with_both_domains():
    import polars as pl

    frame = pl.DataFrame({"site": ["a", "b"], "x": [1.0, 2.0], "y": [0, 1]})
    task = TransferTask(
        sources=[frame], target=frame.clone().head(1), domain_column="site", target_domain="b", label="y"
    )
    with pytest.raises(ParamError, match="the one file"):
        define(task)


def test_a_regression_on_text_is_refused():
    with pytest.raises(DomainError, match="numbers"):
        define(asked(np.array(list("ababab")), kind="regression"))


@pytest.mark.parametrize(
    ("yt", "known", "settled"),
    [
        (None, None, "none"),
        (np.zeros(6, int), None, "test"),
        (np.zeros(6, int), np.arange(6) < 2, "few"),
    ],
)
def test_target_labels_are_settled_from_what_is_there(yt, known, settled):
    assert define(asked(yt=yt, known=known)).target_labels == settled


def test_labels_that_are_asked_for_must_be_there():
    with pytest.raises(DomainError, match="clinic: must have labels"):
        define(asked(target_labels="few"))


def test_sources_of_one_name_get_names_of_their_own():
    source = Domain(X, np.array([0, 1, 0, 1, 0, 1]), name="lab")
    defined = define(TransferTask(sources=[source, source], target=X))
    assert [d.name for d in defined.sources] == ["lab_1", "lab_2"]


@pytest.mark.parametrize(
    ("model", "found"),
    [
        (None, "timm:resnet18.a1_in1k?kind=audio"),
        ("timm:vit?image_size=64", "timm:vit?image_size=64&kind=audio"),
        ("hf:wav2vec", "hf:wav2vec"),  # hears by itself, and knows no such option
        ("file:w.safetensors?arch=hf:wav2vec", "hf:wav2vec"),
    ],
)
def test_networks_of_images_are_told_to_see_sounds(tmp_path, model, found):
    pytest.importorskip("soundfile")
    for place in ("ann/yes", "ann/no", "bob/yes"):
        (tmp_path / place).mkdir(parents=True)
        for k in range(2):
            with wave.open(str(tmp_path / place / f"{k}.wav"), "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(8000)
                file.writeframes(bytes(1600))
    task = TransferTask(sources=[str(tmp_path / "ann")], target=str(tmp_path / "bob"), model=model)
    (one,) = define(task).models
    assert one.endswith(found)
    assert "kind=" not in one or "hf:" not in one
