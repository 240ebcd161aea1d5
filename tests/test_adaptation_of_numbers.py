"""What the common checks ask with classes, asked with numbers of the methods that are for a regression alone."""

import numpy as np
import pytest

import adaptation_checks
import networks
import shifts
import transferkit
from common_checks import state_of
from transferkit import DeepSourceOnly, Domain, DomainError, catalogue

pytestmark = pytest.mark.filterwarnings("ignore:.*(have collapsed|has diverged)")
CLASSES = [
    catalogue.load(card.name)
    for card in catalogue.cards().values()
    if card.tasks == ("regression",) and card.protocol == "Transfer" and "torch" in card.needs
]


@pytest.fixture(params=CLASSES, ids=lambda cls: cls.__name__)
def make(request):
    def made(**params):
        return request.param(**adaptation_checks.settings({**request.param._test_params, **params}))

    return made


def test_they_are_there():
    assert {"RSD", "DAREGRAM"} <= {cls.__name__ for cls in CLASSES}


def test_degenerate_rows_give_finite_numbers(make):
    rng = np.random.default_rng(0)
    y, wide = rng.normal(size=10), rng.normal(size=(10, 25))
    narrow = y[:, None] + 0.3 * rng.normal(size=(10, 1))
    constant = np.column_stack([narrow, np.full(10, 3.0), np.zeros(10)])
    for X in (wide, narrow, constant, np.repeat(narrow[:2], 5, axis=0), np.zeros((10, 3))):
        for Xt in (X + 0.1, X[:8] * 1.5):
            predicted = make().fit(X, y, target=Domain(Xt)).predict(Xt)
            assert predicted.shape == (len(Xt),)
            assert np.isfinite(predicted).all()


def test_a_network_for_images_is_left_as_it_is(make, tmp_path):
    (X, y, _, _), (Xt, _, _, _) = networks.image_rows(40, 0), networks.image_rows(40, 1)
    numbers = y + 0.1 * np.random.default_rng(0).normal(size=40)
    module = networks.KINDS["images"].fresh().train()
    before = state_of(module)
    model = make(backbone=module, training=adaptation_checks.training(n_epochs=2)).fit(X, numbers, target=Domain(Xt))
    assert state_of(module) == before
    loaded = transferkit.load(transferkit.save(model, tmp_path / "saved"), modules={"ImageNet8": module})
    np.testing.assert_array_equal(loaded.predict(Xt), model.predict(Xt))
    np.testing.assert_allclose(model.predict(Xt[3:4]), model.predict(Xt)[3:4], atol=1e-5)


def test_every_epoch_is_in_the_history(make):
    shift = shifts.numbers(0)
    model = make(training=adaptation_checks.training(n_epochs=3)).fit(shift.X, shift.y, target=Domain(shift.Xt))
    assert [row["epoch"] for row in model.history_] == [1, 2, 3]
    for row in model.history_:
        assert {"train/loss", "train/task", "train/transfer", "source/score", "domain/auc"} <= row.keys()
        assert np.isfinite(list(row.values())).all()


def test_classes_are_refused_and_whole_numbers_can_be_asked_for(make):
    shift = shifts.numbers(0)
    with pytest.raises(DomainError, match=r"\.fit: y must be for regression\. Got labels for classification"):
        make(task="auto").fit(shift.X, np.arange(60) % 3, target=Domain(shift.Xt))
    model = make(task="regression").fit(shift.X, np.arange(60) % 3, target=Domain(shift.Xt))
    assert model.predict(shift.Xt).dtype.kind == "f"


def test_without_a_shift_nothing_is_lost(make):
    losses = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        X, Xt = rng.normal(size=(2, 90, 4))
        y, yt = X[:, 0] - X[:, 1], Xt[:, 0] - Xt[:, 1]
        own = {"random_state": seed, "training": adaptation_checks.training(n_epochs=15)}
        adapted = make(**own)
        plain = DeepSourceOnly(**{**adaptation_checks.settings(own), "bottleneck": adapted.bottleneck})
        scores = [m.fit(X, y, target=Domain(Xt)).score(Xt, yt) for m in (plain, adapted)]
        losses.append(scores[0] - scores[1])
    assert np.mean(losses) < 0.05, losses
