import numpy as np
import pytest
import torch

from source_networks import conv_source, epochs, images, mlp_source, rows, same_network
from transferkit import Domain, DomainError, FineTuning, JointTraining, ParamError


def test_no_source_is_fine_tuning():
    X, y = rows()
    plain = FineTuning(mlp_source(), training=epochs()).fit(X, y)
    source = Domain(*rows(seed=1))
    assert same_network(JointTraining(mlp_source(), source, lam=0.0, training=epochs()).fit(X, y), plain)


def test_source_alone_does_not_look_at_the_targets_labels():
    X, y = rows()
    source = Domain(*rows(seed=1))
    one, other = (
        JointTraining(mlp_source(), source, lam=1.0, training=epochs()).fit(X, labels) for labels in (y, y[::-1])
    )
    for name, value in one.network_.body.state_dict().items():
        assert torch.equal(value, other.network_.body.state_dict()[name])


def test_both_tasks_are_learned():
    X, y = rows()
    Xs, ys = rows(seed=1, n_classes=4)
    model = JointTraining(mlp_source(), Domain(Xs, np.array(list("abcd"))[ys]), training=epochs(20)).fit(X, y)
    assert model.score(X, y) > 0.9
    with torch.no_grad():
        outputs = model.source_head_(torch.as_tensor(model.transform(Xs))).numpy()
    assert np.mean(model.source_labels_.predict(outputs) == np.array(list("abcd"))[ys]) > 0.9


def test_the_source_models_own_classifier_goes_on_where_it_fits():
    X, y = rows()
    Xs, ys = rows(seed=1, n_classes=5)
    source = mlp_source(n_source=5)
    frozen = epochs(1, lr=1e-9)
    kept = JointTraining(source, Domain(Xs, ys), training=frozen).fit(X, y)
    torch.testing.assert_close(kept.source_head_.weight, source.source_head.weight)
    assert kept.source_head_ is not source.source_head
    assert kept.facts_["forgetting"]["forgotten"] == 0  # hardly a step was taken
    few = JointTraining(source, Domain(Xs, ys % 3), training=frozen).fit(X, y)
    assert few.source_head_.out.out_features == 3
    few = JointTraining(source, Domain(Xs, ys % 3), source_head="keep", training=frozen).fit(X, y)
    assert few.source_head_.out_features == 5
    assert few.source_labels_.n_outputs == 5
    with pytest.raises(DomainError, match=r"source_data must be labelled by outputs 0\.\.4"):
        JointTraining(source, Domain(Xs, ys + 1), source_head="keep", training=frozen).fit(X, y)


def test_labels_that_are_not_known_are_not_used():
    X, y = rows()
    Xs, ys = rows(seed=1)
    known = np.arange(len(ys)) % 2 == 0
    wrong = np.where(known, ys, 2 - ys)
    fits = [
        JointTraining(mlp_source(), Domain(Xs, labels, known), training=epochs()).fit(X, y) for labels in (ys, wrong)
    ]
    assert same_network(*fits)


def test_source_data_that_cannot_be_used_is_named():
    X, y = rows()
    with pytest.raises(ParamError, match=r"JointTraining\.fit: source_data must be a Domain with labels"):
        JointTraining(mlp_source(), training=epochs()).fit(X, y)
    with pytest.raises(ParamError, match="Got a Domain without y"):
        JointTraining(mlp_source(), Domain(X), training=epochs()).fit(X, y)


def test_it_learns_images_and_source_numbers():
    X, y = images()
    Xs, _ = images(seed=1)
    source = Domain(Xs, Xs.mean(axis=(1, 2, 3)) / 100)
    model = JointTraining(conv_source(), source, training=epochs(8)).fit(X, y)
    assert model.source_labels_.kind == "regression"
    assert model.score(X, y) > 0.9
