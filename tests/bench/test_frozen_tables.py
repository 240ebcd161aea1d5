"""Tables on features that are computed once: PACS and reviews."""

import numpy as np
import pytest
from torch import nn

from transferkit import DataError, Domain
from transferkit.bench import trained
from transferkit.bench.trained import _frozen
from transferkit.data import named

FOUR = ("books", "dvd", "electronics", "kitchen")


def toy():
    sizes = {"a": 5, "b": 4, "c": 7}
    return {name: (np.arange(2.0 * n).reshape(n, 2) + ord(name), np.arange(n) % 2) for name, n in sizes.items()}


def test_sources_are_whole_and_numbered_and_the_target_is_split_row_by_row():
    domains = toy()
    sets = _frozen.halves(domains, ("c", "a"), "b")
    np.testing.assert_array_equal(sets.X, np.concatenate([domains["c"][0], domains["a"][0]]))
    np.testing.assert_array_equal(sets.y, np.concatenate([domains["c"][1], domains["a"][1]]))
    assert sets.groups.tolist() == [0] * 7 + [1] * 5
    np.testing.assert_array_equal(np.stack([sets.Xt, sets.X_test], axis=1).reshape(-1, 2), domains["b"][0])
    np.testing.assert_array_equal(np.stack([sets.yt, sets.y_test], axis=1).ravel(), domains["b"][1])


def test_features_are_of_the_network_that_is_named(tmp_path, monkeypatch):
    from transferkit.engine import backbones

    monkeypatch.setenv("TRANSFERKIT_CACHE", str(tmp_path))
    X = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    monkeypatch.setattr(named, "load", lambda name: {"one": Domain(X, np.arange(6) % 2)})
    real, body, asked = backbones.load_backbone, nn.Linear(3, 2), []

    def load(name):
        asked.append(name)
        return real(body, sample=X[0])

    monkeypatch.setattr(backbones, "load_backbone", load)
    _frozen.features.cache_clear()
    found, y = _frozen.features("toy", "sentence:some")["one"]
    np.testing.assert_allclose(found, body(body.weight.new_tensor(X)).detach().numpy(), rtol=1e-5)
    assert (asked, y.tolist()) == (["sentence:some"], [0, 1] * 3)
    monkeypatch.setenv("TRANSFERKIT_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"weights/mobilenetv2.*: must be in the folder that TRANSFERKIT_DATA names"):
        _frozen.features("toy", _frozen.WEIGHTS)
    _frozen.features.cache_clear()


@pytest.mark.parametrize(
    ("name", "task", "data", "sources"),
    [
        ("pacs", "others -> art", "pacs", ("photo", "cartoon", "sketch")),
        ("pacs-single", "photo -> sketch", "pacs", ("photo",)),
        ("reviews-text", "dvd -> books", "amazon-reviews-text", ("dvd",)),
    ],
)
def test_a_task_takes_its_own_domains(name, task, data, sources, monkeypatch):
    table = trained.tables()[name]
    names = ("photo", "art", "cartoon", "sketch") if data == "pacs" else FOUR
    domains = {n: (np.full((4, 2), float(k)), np.arange(4) % 2) for k, n in enumerate(names)}
    asked = []
    monkeypatch.setattr(table, "features", lambda *wanted: asked.append(wanted) or domains)
    sets = table.load(task)
    assert asked[0][0] == data
    assert sets.X[:, 0].tolist() == [float(names.index(s)) for s in sources for _ in range(4)]
    assert set(sets.Xt[:, 0]) == set(sets.X_test[:, 0]) == {float(names.index(task.split(" -> ")[1]))}


def test_what_issue_and_paper_ask_for_is_there():
    tables = trained.tables()
    assert {
        "ERM (source-only)",
        "MixStyle",
        "GroupDRO",
        "CORAL-DG",
        "IRM",
        "SWAD",
        "M3SDA",
        "MFSAN",
        "DANN",
        "DAN",
    } <= {row.label for row in tables["pacs"].ROWS}
    assert len(tables["pacs"].TASKS) == 4
    assert tables["pacs-single"].TASKS == ("photo -> art", "photo -> cartoon", "photo -> sketch")
    paper = {row.label: row.paper for row in tables["reviews"].ROWS}
    assert {label for label, found in paper.items() if found} == {"source-only (NN)", "DANN"}
    assert paper["DANN"]["books -> electronics"] == 73.3
    assert paper["source-only (NN)"]["kitchen -> electronics"] == 84.1
    assert np.mean(list(paper["DANN"].values())) == pytest.approx(76.27, abs=0.01)


def test_reviews_are_judged_on_the_test_files():
    table = trained.tables()["reviews"]
    try:
        sets = table.load("electronics -> dvd")
    except DataError as err:
        pytest.skip(f"needs the data set {table.DATA}: {err}")
    assert (sets.X.shape, sets.Xt.shape, sets.X_test.shape) == ((2000, 5000), (2000, 5000), (3586, 5000))
    assert sets.X.dtype == np.float32
    assert set(sets.y) == set(sets.yt) == set(sets.y_test) == {-1, 1}
