import numpy as np
import pytest
import torch

from source_networks import conv_source, epochs, images, mlp_source, rows, same_network
from transferkit import FeatureExtraction, SetFit
from transferkit.algorithms.parameter.setfit import _Contrast
from transferkit.engine.networks.network import Network
from transferkit.engine.training.objective import Stream
from transferkit.ops.nn.heads import Head


def similarity(model, X, y):
    """Mean cosine within the classes, and between them."""
    Z = model.transform(X).astype(float)
    Z /= np.linalg.norm(Z, axis=1, keepdims=True)
    same = y[:, None] == y
    cos, others = Z @ Z.T, ~np.eye(len(y), dtype=bool)
    return cos[same & others].mean(), cos[~same].mean()


@pytest.mark.parametrize("loss", ["cosine", "supcon"])
def test_rows_of_a_class_come_together(loss):
    X, y = rows(24)
    frozen = FeatureExtraction(mlp_source()).fit(X, y)
    model = SetFit(mlp_source(), loss=loss, iterations=4, temperature=0.5, training=epochs(10)).fit(X, y)
    (near, far), (near_before, far_before) = similarity(model, X, y), similarity(frozen, X, y)
    assert near - far > near_before - far_before
    assert near > near_before
    assert far < far_before
    assert model.score(X, y) == 1.0


def test_pairs_are_as_many_as_the_formulas_say():
    X, y = rows(24)
    X, y = np.concatenate([X, X[:2]]), np.concatenate([y, y[:2]])  # 9, 9 and 8 rows
    P, N = 45 + 45 + 36, 81 + 72 + 72
    wanted = {"rows": 2 * 3 * 26, "classes": 2 * 3 * 3, "unique": P + N, "oversampling": 2 * N, "undersampling": 2 * P}
    for sampling, number in wanted.items():
        model = SetFit(mlp_source(), sampling=sampling, iterations=3, training=epochs(1, batch_size=64)).fit(X, y)
        assert model.n_pairs_ == number == model.facts_["n_pairs"]
        assert model.n_updates_ in (-(-number // 64), number // 64)


def test_a_row_in_several_pairs_passes_once_and_counts_as_often():
    """The loss of a batch, and its gradient, are those of both sides of all pairs one by one."""
    source = mlp_source()
    X = torch.as_tensor(rows(8)[0])
    pairs = np.array([[0, 1], [2, 0], [3, 3], [1, 0], [7, 2]])
    same = torch.tensor([1.0, 0.0, 1.0, 0.0, 1.0])
    chosen = torch.tensor([3, 1, 2, 0])
    network = Network(source, Head(source.n_features, 2))
    stream = Stream(X[pairs[chosen]].flatten(0, 1), same[chosen], chosen)
    passed = []
    network.body.register_forward_hook(lambda module, x, z: passed.append(len(z)))
    found = []
    for given in (pairs, None):
        network.zero_grad()
        loss = _Contrast(network, "cosine", 0.07, given)._loss({"target": stream}, 0.0)["loss"]
        loss.backward()
        found.append((loss.item(), network.body[0].weight.grad.clone()))
    z = network.body(X).detach().double().numpy()
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    by_hand = np.mean(
        [((z[i] * z[j]).sum() - same[k].item()) ** 2 for k, (i, j) in enumerate(pairs) if k in (3, 1, 2, 0)]
    )
    assert found[0][0] == pytest.approx(by_hand, rel=1e-5)
    assert found[1][0] == pytest.approx(by_hand, rel=1e-5)
    torch.testing.assert_close(found[0][1], found[1][1])
    assert passed[:2] == [4, 8]


def test_the_head_is_the_probe_on_the_new_features():
    X, y = rows(24)
    model = SetFit(mlp_source(), iterations=2, training=epochs(2)).fit(X, y)
    probe = FeatureExtraction(model.network_.as_backbone()).fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X), probe.predict_proba(X), atol=1e-4)


def test_it_needs_few_rows_where_classes_are_far_in_few_directions():
    """Noise in many directions: the pairs teach which count."""
    X, y = rows(200, n_features=6)
    rng = np.random.default_rng(5)
    Q = np.linalg.qr(rng.normal(size=(60, 60)))[0]
    wide = (np.hstack([X, 2.0 * rng.normal(size=(200, 54))]) @ Q).astype(np.float32)
    scores = []
    for seed in range(3):
        few = np.concatenate([np.random.default_rng(seed).permutation(np.flatnonzero(y == k))[:8] for k in range(3)])
        rest = np.setdiff1d(np.arange(200), few)
        source = mlp_source(60, 24)
        frozen = FeatureExtraction(source).fit(wide[few], y[few]).score(wide[rest], y[rest])
        tuned = SetFit(source, iterations=5, training=epochs(3)).fit(wide[few], y[few]).score(wide[rest], y[rest])
        scores.append((frozen, tuned))
    assert np.mean([b - a for a, b in scores]) > 0.02, scores


def test_default_training_is_the_papers():
    X, y = rows(12)
    model = SetFit(mlp_source(), iterations=4).fit(X, y)
    assert model.n_updates_ == 6  # 2 * 4 * 12 pairs in batches of 16
    assert SetFit(mlp_source(), loss="supcon", iterations=4).fit(X, y).n_updates_ == 4


class Stop(Exception):
    pass


@pytest.mark.parametrize("settings", [{}, {"loss": "supcon"}, {"sampling": "oversampling", "plan": "last:2"}])
def test_a_stopped_one_goes_on_where_it_was(tmp_path, settings):
    X, y = rows(12)
    whole = SetFit(mlp_source(), iterations=3, **settings, training=epochs(4)).fit(X, y)

    def stop(event, state):
        if event == "update" and state["update"] == state["n_updates"] * 5 // 8:
            raise Stop

    folder = {"folder": tmp_path, "checkpoint_every": 1}
    with pytest.raises(Stop):
        SetFit(mlp_source(), iterations=3, **settings, training=epochs(4, callbacks=[stop], **folder)).fit(X, y)
    again = SetFit(mlp_source(), iterations=3, **settings, training=epochs(4, **folder)).fit(X, y)
    assert same_network(whole, again)
    assert whole.history_ == again.history_


def test_rows_set_aside_judge_the_features():
    X, y = rows(40)
    model = SetFit(mlp_source(), iterations=2, training=epochs(3, validation=0.25, keep="best")).fit(X, y)
    assert all(0 <= row["validation"] <= 1 for row in model.history_)
    assert model.n_pairs_ == 2 * 2 * 30


def test_images_and_several_labels():
    X, y = images(16)
    assert SetFit(conv_source(), iterations=3, training=epochs(5)).fit(X, y).score(X, y) > 0.9
    X, y = rows(24)
    table = np.column_stack([y == 0, y != 1]).astype(int)
    for sampling in ("rows", "classes", "oversampling"):
        model = SetFit(mlp_source(), iterations=3, sampling=sampling, training=epochs(3)).fit(X, table)
        assert model.score(X, table) > 0.9
