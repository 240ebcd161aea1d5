"""Networks in the graph: with their normalisation, behind an encoder, and alone."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

import transferkit as tk
from transferkit import DataError, Domain, ParamError, SourceOnly, TransferPipeline
from transferkit.core.sources_as_tasks import SourcesAsTasks
from transferkit.core.vote import Vote
from transferkit.data.images import ImageSamples
from transferkit.export import OnnxModel, export_onnx

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, size=(12, 40, 30, 3), dtype=np.uint8)
Y = np.array(["ant", "bee"])[np.arange(12) % 2]


def test_features_and_a_vote_behind_them(tmp_path):
    """Bytes of pixels go in; normalisation, body, map and vote are one graph."""
    from transferkit.engine.features.encoder import BackboneEncoder

    encoder = BackboneEncoder("timm:test_resnet?pretrained=false&image_size=32").fit(ImageSamples.from_array(PIXELS))
    Z = encoder.transform(ImageSamples.from_array(PIXELS))
    members = [m.fit(Z, Y, target=Domain(Z + 0.1)) for m in (tk.CORAL(), SourceOnly(LogisticRegression(C=10)))]
    model = TransferPipeline.from_fitted(Pipeline([("encode", encoder)]), Vote(members))
    facts = export_onnx(model, tmp_path / "m.onnx", rows=ImageSamples.from_array(PIXELS))
    assert facts["check"]["largest_difference"] < 1e-4
    assert facts["inputs"]["pixels"]["kind"] == "images"
    exported = OnnxModel(tmp_path / "m.onnx")
    assert (exported.kind, exported.columns) == ("images", None)
    rows = ImageSamples.from_array(PIXELS[:, ::-1, :24])  # of another size, and another number of them
    np.testing.assert_allclose(exported.predict_proba(rows[:5]), model.predict_proba(rows[:5]), atol=1e-4)


@pytest.mark.parametrize("kind", ["classification", "multilabel", "regression"])
def test_a_network_alone(kind, tmp_path):
    X = RNG.normal(size=(20, 6)).astype(np.float32)
    y = {"classification": np.arange(20) % 3, "multilabel": (X[:, :3] > 0) * 1, "regression": 100.0 * X[:, 0]}[kind]
    body = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.ReLU())
    model = tk.FineTuning(body, training=tk.Training(n_epochs=1), random_state=0).fit(X, y)
    export_onnx(model, tmp_path / "m.onnx", rows=X)
    exported = OnnxModel(tmp_path / "m.onnx")
    np.testing.assert_allclose(exported.predict(X[:7]), model.predict(X[:7]), rtol=1e-4, atol=1e-4)
    assert exported.columns == [f"x{k}" for k in range(6)]
    if kind != "regression":
        np.testing.assert_allclose(exported.predict_proba(X), model.predict_proba(X), atol=1e-5)


def test_a_way_of_its_own_to_predict_is_said(tmp_path):
    X = RNG.normal(size=(20, 6)).astype(np.float32)
    body = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.ReLU())
    model = tk.FineTuning(body, training=tk.Training(n_epochs=1)).fit(X, np.arange(20) % 2)

    class Own(type(model)):
        def predict(self, X):
            return super().predict(X)[::-1]

    model.__class__ = Own
    with pytest.raises(DataError, match="a way of its own to predict"):
        export_onnx(model, tmp_path / "m.onnx", rows=X)


def several_sources():
    groups, y = np.repeat(list("abcd"), 16), np.arange(64) % 2
    X = RNG.normal(size=(64, 3)) + 4 * y[:, None]
    return X, y, Domain(X[:16] + 2, y[:16], known=np.arange(16) < 6), groups


def test_a_meta_learner_with_the_task_it_has_learned(tmp_path):
    """As `run` leaves it where sources are many: prototypes of the target's labels, behind a scaler."""
    X, y, target, groups = several_sources()
    learner = tk.PrototypicalNetworks("small:mlp?hidden=4", n_episodes=8, training=tk.Training(1, 4), random_state=0)
    whole = TransferPipeline([("scale", StandardScaler())], SourcesAsTasks(learner, random_state=0))
    model = whole.fit(X, y, target=target, groups=groups)
    facts = export_onnx(model, tmp_path / "m.onnx", rows=X)
    assert facts["check"]["largest_difference"] < 1e-5
    np.testing.assert_array_equal(OnnxModel(tmp_path / "m.onnx").predict(X), model.predict(X))
    assert facts["check"]["tolerance"] == 1e-4


def test_a_learner_that_looks_at_all_rows_at_once_is_said(tmp_path):
    X, y, target, groups = several_sources()
    learner = tk.TIM("small:mlp?hidden=4", training=tk.Training(1), random_state=0)
    model = SourcesAsTasks(learner, random_state=0).fit(X, y, target=target, groups=groups)
    with pytest.raises(DataError, match="TIM, whose answer to a row hangs on the rows beside it"):
        export_onnx(model, tmp_path / "m.onnx", rows=X)
    assert not list(tmp_path.iterdir())


def test_a_model_of_several_tasks_is_said(tmp_path):
    X, y, _, _ = several_sources()
    model = tk.TraceNorm().fit([Domain(X, y, name="a"), Domain(X + 1, y, name="b")])
    with pytest.raises(ParamError, match=r"one task\. Got TraceNorm"):
        export_onnx(model, tmp_path / "m.onnx")
