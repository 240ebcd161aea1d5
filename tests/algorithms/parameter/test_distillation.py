import numpy as np
import pytest
import torch
from scipy.special import expit, log_softmax, softmax

from source_networks import conv_source, epochs, images, mlp_source, rows, same_network
from transferkit import Distillation, FeatureExtraction, FineTuning, ParamError
from transferkit.ops.nn.answers import answer_distance


def test_the_distance_by_hand():
    rng = np.random.default_rng(0)
    said, own = rng.normal(size=(5, 4)) * 3, rng.normal(size=(5, 4))
    tensors = torch.as_tensor(said), torch.as_tensor(own)
    p, log_p, log_q = softmax(said / 3, axis=1), log_softmax(said / 3, axis=1), log_softmax(own / 3, axis=1)
    found = answer_distance("classification", *tensors, 3.0).item()
    assert found == pytest.approx(9 * (p * (log_p - log_q)).sum(axis=1).mean())
    p, q = expit(said / 3), expit(own / 3)
    wanted = p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))
    assert answer_distance("multilabel", *tensors, 3.0).item() == pytest.approx(9 * wanted.mean())
    assert answer_distance("regression", *tensors, 3.0).item() == pytest.approx(((said - own) ** 2).mean())
    for kind in ("classification", "multilabel", "regression"):
        assert answer_distance(kind, tensors[0], tensors[0], 2.0).item() == pytest.approx(0, abs=1e-12)


def test_the_gradient_does_not_shrink_with_temperature():
    """Section 2.1: for a high temperature it is that of half the squared distance of centred logits over the classes."""
    said, own = torch.randn(4, 3, dtype=torch.float64), torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    (found,) = torch.autograd.grad(answer_distance("classification", said, own, 1e4), own)
    centred = [v - v.mean(dim=1, keepdim=True) for v in (own.detach(), said)]
    torch.testing.assert_close(found, (centred[0] - centred[1]) / (3 * 4), atol=1e-4, rtol=1e-3)


def test_without_a_teacher_it_is_fine_tuning():
    X, y = rows()
    plain = FineTuning(mlp_source(seed=3), training=epochs()).fit(X, y)
    taught = Distillation(mlp_source(), mlp_source(seed=3), lam=0.0, training=epochs()).fit(X, y)
    assert same_network(taught, plain)


@pytest.mark.parametrize("answers", ["once", "batch"])
def test_a_student_of_the_teacher_alone_says_what_it_says(answers):
    X, y = rows(90)
    teacher = FeatureExtraction(mlp_source(width=24)).fit(X, y)
    training = epochs(150, lr=0.02)
    student = Distillation(mlp_source(width=24), mlp_source(), lam=1.0, answers=answers, training=training).fit(X, y)
    np.testing.assert_allclose(student.predict_proba(X), teacher.predict_proba(X), atol=0.03)
    assert student.facts_["teacher_score"] == teacher.score(X, y)
    assert student.network_.backbone.fingerprint == mlp_source().fingerprint != student.fingerprint_


def test_labels_do_not_matter_where_the_teacher_alone_is_heard():
    """But through the teacher: its probe sees them."""
    X, y = rows()
    model = Distillation(mlp_source(), lam=1.0, training=epochs(2)).fit(X, y)
    assert all(row["train/teacher"] == pytest.approx(row["train/loss"]) for row in model.history_)


def test_a_fine_tuned_teacher_is_another():
    X, y = rows(60)
    probe = Distillation(mlp_source(), mlp_source(seed=1), training=epochs()).fit(X, y)
    tuned = Distillation(
        mlp_source(), mlp_source(seed=1), teacher="fine_tuned", training=epochs(20, validation=0.2)
    ).fit(X, y)
    assert not same_network(probe, tuned)
    assert tuned.score(X, y) > 0.8


def test_recorded_and_asked_answers_agree_where_nothing_is_augmented():
    X, y = rows()
    a, b = (Distillation(mlp_source(), answers=how, training=epochs()).fit(X, y) for how in ("once", "batch"))
    for name, value in a.network_.state_dict().items():
        torch.testing.assert_close(value, b.network_.state_dict()[name], atol=1e-5, rtol=1e-4)


def test_numbers_several_labels_and_images():
    X, y = rows()
    numbers = X[:, 0] - X[:, 1]
    assert Distillation(mlp_source(), mlp_source(seed=1), training=epochs(30)).fit(X, numbers).score(X, numbers) > 0.9
    table = np.column_stack([y == 0, y != 1]).astype(int)
    assert Distillation(mlp_source(), mlp_source(seed=1), training=epochs(20)).fit(X, table).score(X, table) > 0.9
    X, y = images()
    assert Distillation(conv_source(), conv_source(seed=1), training=epochs(20)).fit(X, y).score(X, y) > 0.9


class Stop(Exception):
    pass


def test_a_stopped_one_goes_on_where_it_was(tmp_path):
    X, y = rows()
    settings = {"teacher": "fine_tuned"}
    whole = Distillation(mlp_source(), mlp_source(seed=1), **settings, training=epochs()).fit(X, y)

    def stop(event, state):
        if event == "update" and (tmp_path / "checkpoint.safetensors").exists():
            raise Stop

    training = epochs(folder=tmp_path, callbacks=[stop])
    with pytest.raises(Stop):
        Distillation(mlp_source(), mlp_source(seed=1), **settings, training=training).fit(X, y)
    again = Distillation(mlp_source(), mlp_source(seed=1), **settings, training=epochs(folder=tmp_path)).fit(X, y)
    assert same_network(whole, again)


def test_a_student_of_other_rows_is_refused():
    X, y = rows()
    with pytest.raises(ParamError, match=r"student must take vectors"):
        Distillation(mlp_source(), conv_source(), training=epochs()).fit(X, y)
    X, y = images()
    other = conv_source(seed=1)
    other.preprocess.std = [0.5, 0.5, 0.5]
    with pytest.raises(ParamError, match=r"answers must be 'once'"):
        Distillation(conv_source(), other, answers="batch", training=epochs()).fit(X, y)
    assert Distillation(conv_source(), other, training=epochs(20)).fit(X, y).score(X, y) > 0.9
