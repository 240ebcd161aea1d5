"""Every method on vectors goes into a graph without a word about graphs in its file, or says what to do instead."""

import warnings

import numpy as np
import pytest

from transferkit import DataError, Domain, catalogue
from transferkit.export import OnnxModel, export_onnx

pytest.importorskip("skl2onnx")
pytest.importorskip("onnxruntime")

RNG = np.random.default_rng(0)
Y = np.array(["ash", "elm", "oak"])[np.arange(60) % 3]
X = RNG.normal(size=(60, 4))
X[np.arange(60), np.arange(60) % 3] += 2
TARGET = 1.3 * X + 0.5
METHODS = [
    c.name
    for c in catalogue.cards().values()
    if c.protocol == "Transfer" and c.cost != "epochs" and not c.needs and "vectors" in c.data
]
# By neighbours, by votes of its own, by values behind np.asarray: said, and not exported.
REFUSED = {"co_training", "label_propagation", "tradaboost"}


def fitted(name):
    card, cls = catalogue.cards()[name], catalogue.load(name)
    known = np.arange(60) < 24
    target = Domain(TARGET) if "unsupervised" in card.settings else Domain(TARGET, Y, known=known)
    params = getattr(cls, "_test_params", {})
    if "classification" not in card.tasks:
        return cls(**params).fit(X, X[:, 0], target=Domain(TARGET, X[:, 0], known=known))
    return cls(**params).fit(X, Y, target=target)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_on_vectors(name, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = fitted(name)
    file = tmp_path / "model.onnx"
    refused = None
    try:
        facts = export_onnx(model, file, rows=TARGET[:40] * 1.1)
    except DataError as err:
        refused = str(err)
    if refused is not None:
        assert name not in OLD, refused
        assert type(model).__name__ in refused
        assert "--distil" in refused
        assert not file.exists()
        return
    assert name not in REFUSED, "it can be exported now"
    assert facts["check"]["largest_difference"] < 1e-6
    other = RNG.normal(size=(7, 4))
    if hasattr(model, "predict_proba"):
        np.testing.assert_allclose(OnnxModel(file).predict_proba(other), model.predict_proba(other), atol=1e-6)
    elif hasattr(model, "classes_"):
        assert (OnnxModel(file).predict(other) == model.predict(other)).all()
    else:
        np.testing.assert_allclose(OnnxModel(file).predict(other), model.predict(other), rtol=1e-6)


# What has gone into a graph once must go on doing so.
OLD = {
    "coral", "domain_scaling", "feature_augmentation", "gfk", "jda", "joint_pca", "linear_monge", "ot_class_reg", "ot_exact",
    "ot_sinkhorn", "subspace_alignment", "tca", "domain_classifier", "kliep", "kmm", "ulsif", "bbse", "self_training",
    "target_prototypes", "source_only", "target_only", "pooled",
}  # fmt: skip
