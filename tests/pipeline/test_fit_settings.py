"""`transferkit fit` and the settings of a training: epochs, and all others by name; refused where nothing is trained."""

from __future__ import annotations

import numpy as np
import pytest

from transferkit import Domain, ParamError, TransferTask, load
from transferkit.pipeline.fit import fit_one
from transferkit.pipeline.lifelong import learn_files

pytest.importorskip("torch")
RNG = np.random.default_rng(0)
Y = np.arange(48) % 2
X = RNG.normal(size=(48, 3)) + 4 * Y[:, None]
EDGES = np.stack([np.arange(47), np.arange(1, 48)])
SOURCE, TARGET = Domain(X, Y, name="lab"), Domain(X + 0.5, Y, name="clinic")
GRAPHS = [Domain(X, Y, edges=EDGES, name="old"), Domain(X + 0.5, edges=EDGES, name="new")]


def fitted(folder, method, params=None, domains=(SOURCE, TARGET), **options):
    source, target = domains
    return fit_one(TransferTask([source], target, **options), method, params or {}, folder)


@pytest.mark.filterwarnings("ignore:.*(have collapsed|has diverged)")
@pytest.mark.parametrize(("method", "domains"), [("dann", (SOURCE, TARGET)), ("gcn", GRAPHS)])
def test_epochs_and_other_settings_reach_the_training(tmp_path, method, domains):
    params = {"training.lr": 0.02, "training.batch_size": 16, "dropout": 0.25}
    facts = fitted(tmp_path, method, params, domains, epochs=2)
    assert facts["params"] == {"dropout": 0.25, "training.lr": 0.02, "training.batch_size": 16, "training.n_epochs": 2}
    model = load(tmp_path / "model").method_
    model = getattr(model, "method_", model)
    assert (model.training.n_epochs, model.training.lr, model.training.batch_size) == (2, 0.02, 16)
    assert model.dropout == 0.25
    assert len(model.history_) == 2


@pytest.mark.parametrize(
    ("method", "params", "options", "match"),
    [
        ("coral", {}, {"epochs": 3}, "fit: epochs must be left out for CORAL, which trains no network. Got 3"),
        ("coral", {"training.lr": 0.1}, {}, r"fit: training\.lr must be left out for CORAL.* Got 0\.1"),
        ("dann", {"training.rate": 0.1}, {}, "fit: training has the settings n_epochs, batch_size, lr.* Got 'rate'"),
        ("dann", {"training.n_epochs": 3}, {"epochs": 4}, "fit: epochs must be given once. Got 4 and 3"),
        ("dann", {"training": 5}, {}, r"training must be given by its settings, as training\.lr=0\.01. Got training=5"),
        ("dann", {"training.lr": -1}, {}, "training must be in range.*lr must"),
        ("dann", {"rate": 1}, {}, "fit: DANN has the parameters .* Got 'rate'"),
    ],
)
def test_what_a_method_does_not_have_is_refused(tmp_path, method, params, options, match):
    with pytest.raises(ParamError, match=match):
        fitted(tmp_path / "f", method, params, **options)
    assert not (tmp_path / "f").exists()


def test_a_stream_without_a_network_takes_no_epochs(tmp_path):
    for name in ("a", "b"):
        rows = "\n".join(f"{x[0]},{x[1]},{c}" for x, c in zip(X, Y))
        (tmp_path / f"{name}.csv").write_text(f"u,v,kind\n{rows}\n")
    files = [str(tmp_path / f"{name}.csv") for name in ("a", "b")]
    with pytest.raises(ParamError, match="lifelong: epochs must be left out for StreamingLDA"):
        learn_files("streaming_lda", files, tmp_path / "r", label="kind", epochs=2)
