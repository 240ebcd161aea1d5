import copy

import numpy as np
import pytest
import torch

from source_networks import conv_source, images, mlp_source, rows
from transferkit import DomainError
from transferkit.engine.fine_tuning.forgetting import forgetting
from transferkit.engine.inputs.rows import Rows


def case():
    X, _ = rows(60)
    source = mlp_source()
    with torch.no_grad():
        logits = source.source_head(source.body(torch.as_tensor(X)))
    return source, Rows(X, source.preprocess), logits


def test_nothing_is_forgotten_by_the_same_body():
    source, X, logits = case()
    found = forgetting(source, copy.deepcopy(source.body), X, logits.argmax(dim=1).numpy())
    assert found["agreement"] == found["accuracy_before"] == found["accuracy_after"] == 1
    assert found["forgotten"] == 0
    assert found["kl"] == pytest.approx(0, abs=1e-9)
    assert found["rows"] == 60


def test_numbers_are_those_of_their_definition():
    source, X, logits = case()
    other = copy.deepcopy(source.body)
    with torch.no_grad():
        for p in other.parameters():
            p.add_(0.3 * torch.randn(p.shape, generator=torch.Generator().manual_seed(p.numel())))
        after = source.source_head(other(torch.as_tensor(X.X)))
    labels = np.arange(60) % 5
    found = forgetting(source, other, X, labels)
    p, q = torch.softmax(logits, 1).numpy().astype(float), torch.softmax(after, 1).numpy().astype(float)
    assert found["kl"] == pytest.approx((p * np.log(p / q)).sum(axis=1).mean(), rel=1e-4)
    assert found["agreement"] == np.mean(p.argmax(1) == q.argmax(1))
    assert found["forgotten"] == pytest.approx(np.mean(p.argmax(1) == labels) - np.mean(q.argmax(1) == labels))


def test_many_rows_are_thinned_out_and_nothing_moves():
    source, X, _ = case()
    source.body.train()
    assert forgetting(source, mlp_source(seed=1).body, X, limit=7)["rows"] == 7
    assert source.body.training


def test_where_nothing_changed_nothing_is_computed():
    source, X, _ = case()
    assert forgetting(source, source.body, X) == {"rows": 0, "agreement": 1.0, "kl": 0.0}


def test_images():
    X, _ = images()
    source = conv_source()
    assert forgetting(source, source.body, Rows(X, source.preprocess))["agreement"] == 1


def test_without_a_classifier_there_is_nothing_to_say():
    source, X, _ = case()
    body, source.source_head = source.body, None
    assert forgetting(source, body, X) == {}


def test_labels_that_are_no_source_class_are_named():
    source, X, _ = case()
    with pytest.raises(DomainError, match=r"source_labels must be one class in 0\.\.4"):
        forgetting(source, source.body, X, np.full(60, 5))
