"""The base of deep adaptation: streams, the joint pass, known labels, source domains, and what is watched without labels."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.metrics import roc_auc_score

import adaptation_checks
import networks
import shifts
import transferkit
from bad_adaptations import GoodAdaptation
from transferkit import DANN, MCC, DeepSourceOnly, Domain, DomainError, TransferWarning
from transferkit.core.protocols import Transfer
from transferkit.engine.adaptation.alignment import joint_pass
from transferkit.engine.adaptation.target_scores import collapse, domain_auc
from transferkit.engine.answers.labels import Labels, find_labels
from transferkit.engine.inputs.rows import Rows
from transferkit.engine.training.objective import Stream
from transferkit.store.classes import find_class

pytestmark = pytest.mark.filterwarnings("ignore:.*(have collapsed|has diverged)")
SHIFT = shifts.moved(0, 60)


def model(cls=GoodAdaptation, n_epochs=2, **params):
    return cls(**adaptation_checks.settings({"training": adaptation_checks.training(n_epochs=n_epochs), **params}))


class Watched(GoodAdaptation):
    """Keeps what its objective was built from."""

    def _term(self, fit):
        self.fit_ = fit
        return super()._term(fit)


class Few(Watched):
    _target_labels: ClassVar = "may"


class Must(Watched):
    _target_labels: ClassVar = "must"


def fitted(cls, target, groups=None, **params):
    return model(cls, **params).fit(SHIFT.X, SHIFT.y, target=target, groups=groups)


# Streams ------------------------------------------------------------------------------------------------------------


def test_an_epoch_is_one_pass_over_the_longer_domain():
    for n, updates in ((20, 2), (60, 2), (90, 3)):
        found = fitted(GoodAdaptation, Domain(np.resize(SHIFT.Xt, (n, 6))), n_epochs=1)
        assert found.n_updates_ == updates


def test_known_labels_reach_only_a_method_that_takes_them():
    known = np.arange(60) % 6 == 0
    target = Domain(SHIFT.Xt, np.where(known, SHIFT.yt, 77), known)
    assert fitted(Watched, target).fit_.known is None
    fit = fitted(Few, target).fit_
    assert fit.target.y is None
    assert len(fit.target) == 60
    np.testing.assert_array_equal(fit.known.y.numpy(), SHIFT.yt[known])
    assert fitted(Few, Domain(SHIFT.Xt)).fit_.known is None
    with pytest.raises(DomainError, match=r"^Must\.fit: target must have a few known labels"):
        fitted(Must, Domain(SHIFT.Xt))
    for labels in (np.full(60, 7), np.array(["a", "b", "c"])[SHIFT.yt]):
        with pytest.raises(DomainError, match=r"^Must\.fit: target\.y must hold labels as the source's"):
            fitted(Must, Domain(SHIFT.Xt, labels))


def test_source_domains_are_numbered_as_the_rows_that_train():
    groups = np.array(["b", "a", "c"])[np.arange(60) % 3]
    fit = fitted(Watched, Domain(SHIFT.Xt), groups).fit_
    np.testing.assert_array_equal(fit.groups, np.array([1, 0, 2])[np.arange(60) % 3])
    held = adaptation_checks.training(n_epochs=1, validation=0.5)
    fit = fitted(Watched, Domain(SHIFT.Xt), groups, training=held).fit_
    np.testing.assert_array_equal(fit.groups, np.array([1, 0, 2])[fit.rows.index % 3])
    assert not set(fit.rows.index) & set(fit.held.index)


def test_a_pretrained_body_is_slower_and_a_small_one_is_not():
    def rates(backbone):
        training = adaptation_checks.training(body_lr_scale=0.1, n_epochs=1, schedule="constant", warmup=0.0)
        rows = fitted(GoodAdaptation, Domain(SHIFT.Xt), backbone=backbone, training=training).facts_["plan"]
        return {row["part"]: row["lr"] for row in rows}

    assert set(rates("small:mlp?hidden=16").values()) == {0.02}
    own = rates(torch.nn.Sequential(torch.nn.Linear(6, 16), torch.nn.ReLU()))
    assert own.pop("head") == 0.02
    assert set(own.values()) == {0.002}


# The joint pass -----------------------------------------------------------------------------------------------------


def test_one_pass_normalises_by_both_domains_and_says_whose_rows_are_whose():
    network = fitted(GoodAdaptation, Domain(SHIFT.Xt)).network_.train()
    xs, xt = (torch.tensor(v, dtype=torch.float32) for v in (SHIFT.X[:5], SHIFT.Xt[:7]))
    source, target = Stream(xs, torch.zeros(5, dtype=torch.int64), torch.arange(5)), Stream(xt, None, torch.arange(7))
    joint = joint_pass(network, {"source": source, "target": target})
    with torch.no_grad():
        z = network.features(torch.cat([xs, xt]))
    torch.testing.assert_close(torch.cat([joint.z_s, joint.z_t]), z)
    assert joint.outputs_s.shape == (5, 3)
    assert joint.outputs_t.shape == (7, 3)
    apart = torch.cat([network.features(xs), network.features(xt)])
    assert not torch.allclose(apart, z), "statistics of each domain are something else"


def test_texts_of_different_lengths_go_through_together():
    (X, y, _, _), (Xt, _, _, _) = networks.text_rows(24, 0), networks.text_rows(24, 1)
    longer = [f"{text} {text} {text}" for text in Xt]
    found = model(MCC, backbone=networks.KINDS["text"].learned()).fit(X, y, target=Domain(longer))
    assert found.predict_proba(longer).shape == (24, 4)


def test_mappings_are_padded_to_the_longer_batch():
    from transferkit.engine.adaptation.alignment import cat_rows

    a = {"input_ids": torch.ones(2, 3, dtype=torch.int64), "attention_mask": torch.ones(2, 3)}
    b = {"input_ids": torch.ones(1, 5, dtype=torch.int64), "attention_mask": torch.ones(1, 5)}
    found = cat_rows(a, b)
    assert found["input_ids"].shape == (3, 5)
    assert found["attention_mask"].tolist() == [[1, 1, 1, 0, 0]] * 2 + [[1] * 5]
    frames = cat_rows({"x": torch.ones(2, 3, 4), "n": torch.ones(2)}, {"x": torch.ones(1, 5, 4), "n": torch.ones(1)})
    assert frames["x"].shape == (3, 5, 4)
    assert frames["x"].sum() == 2 * 12 + 20
    assert frames["n"].shape == (3,)


# Use ----------------------------------------------------------------------------------------------------------------


def test_it_follows_the_protocol_and_can_be_cloned():
    assert isinstance(model(), Transfer)
    assert clone(model(DANN)).get_params()["backbone"] == "small:mlp?hidden=16"


def test_features_are_those_of_the_bottleneck():
    assert fitted(GoodAdaptation, Domain(SHIFT.Xt)).transform(SHIFT.Xt).shape == (60, 8)
    assert fitted(GoodAdaptation, Domain(SHIFT.Xt), bottleneck=None).transform(SHIFT.Xt).shape == (60, 16)


def test_without_a_bottleneck_it_is_saved_and_loaded(tmp_path):
    found = model(MCC, bottleneck=None).fit(SHIFT.X, SHIFT.y, target=Domain(SHIFT.Xt))
    loaded = transferkit.load(transferkit.save(found, tmp_path / "one"))
    np.testing.assert_array_equal(loaded.predict_proba(SHIFT.Xt), found.predict_proba(SHIFT.Xt))
    assert find_class("transferkit.engine.training.settings:Training") is not None


def test_an_adapted_network_is_the_source_of_a_further_transfer():
    found = fitted(DeepSourceOnly, Domain(SHIFT.Xt))
    backbone = found.network_.as_backbone()
    x = torch.tensor(SHIFT.Xt, dtype=torch.float32)
    with torch.no_grad():
        logits = backbone.source_head(backbone.body(x))
    np.testing.assert_allclose(logits.numpy(), found.decision_function(SHIFT.Xt), rtol=1e-4, atol=1e-5)


def test_images_of_two_sizes_meet():
    """The target's are resized to the source's, as MNIST's and those of USPS."""
    rng = np.random.default_rng(0)
    X, Xt = rng.integers(0, 255, (20, 20, 20)).astype(np.uint8), rng.integers(0, 255, (20, 16, 16)).astype(np.uint8)
    found = model(MCC, n_epochs=1, backbone="auto").fit(X, np.arange(20) % 2, target=Domain(Xt))
    assert found.backbone_name_ == "small:lenet"
    assert found.predict(Xt).shape == (20,)


def test_rows_of_another_width_are_refused_by_name():
    with pytest.raises(
        DomainError, match=r"^GoodAdaptation\.fit: target\.X must have rows of the source's shape \(6,\)"
    ):
        fitted(GoodAdaptation, Domain(SHIFT.Xt[:, :3]))


def test_a_method_writes_a_term_or_an_objective():
    class Neither(GoodAdaptation):
        _term = transferkit.engine.adaptation.estimator.NetworkAdaptation._term

    with pytest.raises(NotImplementedError, match="Neither must write _term or _objective"):
        fitted(Neither, Domain(SHIFT.Xt))


# What is watched ----------------------------------------------------------------------------------------------------


def test_the_domain_critic_is_at_one_half_for_one_distribution_and_at_one_for_two():
    rng = np.random.default_rng(0)
    same = [domain_auc(rng.normal(size=(100, 5)), rng.normal(size=(100, 5))) for _ in range(20)]
    assert np.mean(same) == pytest.approx(0.5, abs=0.03)
    assert domain_auc(rng.normal(size=(50, 5)) + 3, rng.normal(size=(70, 5))) > 0.99
    wide = domain_auc(rng.normal(size=(40, 900)) + 1, rng.normal(size=(40, 900)))
    assert wide > 0.99
    assert domain_auc(np.ones((9, 3)), np.ones((9, 3))) == 0.5


def test_the_area_is_that_of_scikit_learn():
    """On one feature the critic's score is the feature itself, up to its sign."""
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(60, 1)) + 0.5, rng.normal(size=(60, 1))
    half = [np.vstack([a[k::2], b[k::2]]) for k in (0, 1)]
    side = np.repeat([1, 0], 30)
    expected = np.mean([roc_auc_score(side, h[:, 0]) for h in half])
    assert domain_auc(a, b) == pytest.approx(expected)


def source_rows(y):
    labels = find_labels("test", y, len(y))
    rows = Rows(np.zeros((len(y), 2)), None, labels.encode(y))
    return labels, rows


def test_collapse_is_half_of_the_entropy_of_the_sources_classes():
    labels, rows = source_rows(np.arange(60) % 3)
    assert collapse(labels, rows, 60, 0.9, np.array([0.9, 0.1, 0.0]))["collapsed"]
    assert not collapse(labels, rows, 60, 0.9, np.array([0.6, 0.3, 0.1]))["collapsed"]
    assert not collapse(labels, rows, 29, 0.9, np.array([1.0, 0, 0]))["collapsed"], "too few rows to say"
    unbalanced, rows = source_rows(np.repeat([0, 1], [57, 3]))
    assert not collapse(unbalanced, rows, 60, 0.96, np.array([0.95, 0.05]))["collapsed"], "as its source"


def test_divergence_is_less_than_naming_the_largest_class():
    labels, rows = source_rows(np.arange(60) % 3)
    assert collapse(labels, rows, 60, 0.3, np.ones(3) / 3)["diverged"]
    assert not collapse(labels, rows, 60, 0.4, np.ones(3) / 3)["diverged"]
    numbers = Labels("regression", 1, None, np.zeros(1), np.ones(1))
    assert collapse(numbers, rows, 60, -0.1, np.empty(0)) == {"collapsed": False, "diverged": True}


@pytest.mark.filterwarnings("default")
def test_both_are_said_aloud_and_kept():
    class Collapses(GoodAdaptation):
        def _term(self, fit):
            return lambda joint, progress: {"loss": -100 * joint.outputs_t[:, 0].mean()}

    with pytest.warns(
        TransferWarning, match=r"^Collapses: predictions for the target have collapsed: \d+% of its rows"
    ):
        found = fitted(Collapses, Domain(SHIFT.Xt), n_epochs=10)
    assert found.facts_["collapsed"]
    assert found.facts_["target_shares"][0] == found.facts_["scores"]["target/largest_share"] > 0.9

    with pytest.warns(TransferWarning, match=r"diverged, or got nowhere: the score on its own source is 0\.\d\d"):
        fitted(Repels, Domain(SHIFT.Xt), n_epochs=10)


class Repels(GoodAdaptation):
    def _term(self, fit):
        y = fit.rows.y
        return lambda joint, progress: {"loss": 100 * joint.outputs_s.gather(1, y[joint.source.rows][:, None]).mean()}
