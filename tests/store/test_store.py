"""Saved folders: everything comes back exactly, nothing foreign gets in or out, and a failed save leaves no trace."""

import errno
import hashlib
import json
import os
import re
import subprocess
import sys
import zipfile

import numpy as np
import polars as pl
import pytest
import safetensors.numpy
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, PolynomialFeatures, StandardScaler
from sklearn.svm import SVC

import transferkit
from transferkit import CORAL, TCA, DataError, Domain, ParamError, SourceOnly, TransferPipeline
from transferkit.core.scaling import NormScaler
from transferkit.data.encode import TableEncoder
from transferkit.store import read_manifest

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(60, 3)), np.array(["elm", "oak"])[np.arange(60) % 2]
X[:, 0] += 2 * (Y == "oak")
TARGET = Domain(X * [1, 3, 1] + 1)


class Foreign(BaseEstimator):
    """An estimator that neither transferkit nor scikit-learn knows."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


def carrier(value):
    """A model with any attribute."""
    model = CORAL()
    model.value_ = value
    return model


def there_and_back(value, tmp_path):
    return transferkit.load(transferkit.save(carrier(value), tmp_path / "m")).value_


def same(a, b):
    """Equal in type and value, down to dtype, shape, order and bits."""
    assert type(a) is type(b)
    if isinstance(a, (np.ndarray, np.generic)):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        if a.dtype == object:
            for x, y in zip(np.ravel(a), np.ravel(b)):
                same(x, y)
        else:
            assert np.asarray(a).tobytes() == np.asarray(b).tobytes()
        return
    if sparse.issparse(a):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_array_equal(a.toarray(), b.toarray())
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for x, y in zip(a, b):
            same(x, y)
    elif isinstance(a, dict):
        same(list(a.items()), list(b.items()))
    elif isinstance(a, float) and a != a:
        assert b != b
    else:
        assert a == b


ARRAYS = {
    "0-d": np.array(2.5),
    "empty": np.empty((0, 3), np.float32),
    "empty text": np.empty((2, 0), "U7"),
    "no-width text": np.zeros(2, "U0"),
    "big-endian": np.arange(6, dtype=">f8").reshape(2, 3),
    "big-endian text": np.array(["ä", "bc"], dtype=">U2"),
    "column order": np.asfortranarray(RNG.normal(size=(4, 3))),
    "strided": RNG.normal(size=(6, 6))[::2, 1::3],
    "reversed": np.arange(5)[::-1],
    "4-d": RNG.normal(size=(2, 1, 3, 2)),
    "complex64": np.array([1 + 2j, np.nan], np.complex64),
    "complex128 0-d": np.array(1 + 2j),
    "dates": np.array(["2020-01-01", "NaT"], "datetime64[D]"),
    "spans": np.array([3, 4], "timedelta64[ms]"),
    "bytes": np.array([b"a", b"bcd"]),
    "text": np.array([["héllo", ""], ["\U0001f600", "x\0y"]]),
    "objects": np.array(["a", None, 1.5, float("nan"), True, 3, np.float32(2)], dtype=object),
    "objects 2-d": np.array([["a", "b"], ["c", "d"]], dtype=object),
    "objects 0-d": np.array("a", dtype=object),
    "not finite": np.array([np.inf, -np.inf, np.nan, -0.0]),
    **{
        t: np.array([0, 1, 1], t)
        for t in (
            "bool",
            "int8",
            "int16",
            "int32",
            "int64",
            "uint8",
            "uint16",
            "uint32",
            "uint64",
            "float16",
            "float32",
        )
    },
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_come_back_exactly(name, tmp_path):
    loaded = there_and_back(ARRAYS[name], tmp_path)
    same(loaded, ARRAYS[name])
    assert loaded.flags.writeable
    if name == "column order":
        assert loaded.flags.f_contiguous


@pytest.mark.parametrize(
    "value",
    [
        None, True, 0, -(2**80), 1.5, float("nan"), float("inf"), -float("inf"), -0.0, 5e-324, "text", "", "\ud800", "a\0\n\"'",
        (), (1, (2,), [3]), [], {}, {1: "a", None: 2, (1, "b"): {"is": "array"}, 2.5: [None]}, {"is": "object"},
        {1, 2}, frozenset({"a"}), np.float64(1.5), np.float32(np.nan), np.int64(3), np.bool_(True), np.str_("a"),
        np.datetime64("2020-01-01"), {np.str_("a"): np.int8(1)},
    ],
    ids=repr,
)  # fmt: skip
def test_values_come_back_exactly(value, tmp_path):
    same(there_and_back(value, tmp_path), value)


@pytest.mark.parametrize("kind", ["matrix", "array"])
@pytest.mark.parametrize("form", ["csr", "csc", "coo", "bsr", "dia"])
def test_sparse_comes_back(form, kind, tmp_path):
    dense = RNG.normal(size=(4, 6)).astype(np.float32) * (RNG.random((4, 6)) < 0.4)
    value = getattr(sparse, f"{form}_{kind}")(dense)
    same(there_and_back(value, tmp_path), value)
    empty = getattr(sparse, f"{form}_{kind}")((0, 3) if form != "bsr" else (2, 2))
    model = transferkit.load(transferkit.save(carrier(empty), tmp_path / "e"))
    same(model.value_, empty)


@pytest.mark.parametrize("make", [np.random.RandomState, np.random.default_rng])
def test_random_states_go_on_where_they_were(make, tmp_path):
    rng = make(7)
    rng.normal(size=3)
    np.testing.assert_array_equal(there_and_back(rng, tmp_path).normal(size=5), rng.normal(size=5))


ESTIMATORS = [
    LogisticRegression(), KNeighborsClassifier(1),
    KNeighborsClassifier(algorithm="ball_tree", p=1), SVC(), GaussianNB(), LinearDiscriminantAnalysis(),
    RandomForestClassifier(3, random_state=0), GradientBoostingClassifier(n_estimators=2),
    HistGradientBoostingClassifier(max_iter=2), AdaBoostClassifier(n_estimators=2), BaggingClassifier(n_estimators=2),
    MLPClassifier((2,), solver="lbfgs", max_iter=500, tol=0.1),
    GaussianProcessClassifier(), SGDClassifier(random_state=0), CalibratedClassifierCV(cv=2),
    GridSearchCV(LogisticRegression(), {"C": [1, 2.0]}, cv=2),
    VotingClassifier([("a", GaussianNB()), ("b", LogisticRegression())]),
    make_pipeline(StandardScaler(), PolynomialFeatures(), NormScaler(), LogisticRegression(max_iter=500)),
]  # fmt: skip


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: f"{type(e).__name__}-{len(str(e))}")
def test_methods_with_any_inner_estimator_come_back(estimator, tmp_path):
    model = SourceOnly(estimator).fit(X, Y, target=TARGET)
    loaded = transferkit.load(transferkit.save(model, tmp_path / "m"))
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    if hasattr(model, "predict_proba"):
        np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


def test_one_object_in_two_places_is_saved_once_and_is_one_again(tmp_path):
    scaler, again = StandardScaler().fit(X), StandardScaler().fit(X)
    folder = transferkit.save(carrier([scaler, {"a": scaler}, again]), tmp_path / "m")
    assert len(list(folder.glob("*.skops"))) == 2
    first, second, third = transferkit.load(folder).value_
    assert first is second["a"]
    assert first is not third


def test_equal_models_have_equal_sums(tmp_path):
    """Neither addresses in memory nor the time of day get into a file."""
    inner = make_pipeline(StandardScaler(), NormScaler(), LogisticRegression(max_iter=500))
    model = CORAL(estimator=inner).fit(X, Y, target=TARGET)
    folders = [transferkit.save(model, tmp_path / "a"), transferkit.save(model, tmp_path / "b")]
    folders.append(transferkit.save(transferkit.load(folders[0]), tmp_path / "c"))
    folders.append(transferkit.save(CORAL(estimator=inner).fit(X, Y, target=TARGET), tmp_path / "d"))
    assert len({read_manifest(f)["files"]["CORAL.estimator_.skops"] for f in folders}) == 1
    assert len({(f / "manifest.json").read_bytes() for f in folders}) == 1


def test_memory_mapped_inputs_can_be_saved(tmp_path):
    """joblib hands large arrays to its workers as maps of a file; nearest neighbours keep them."""
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    model = TCA(n_components=2, kernel="rbf", estimator=KNeighborsClassifier(1, algorithm="brute"))
    model.fit(mapped, Y, target=Domain(mapped))
    model.rows_ = mapped
    loaded = transferkit.load(transferkit.save(model, tmp_path / "m"))
    assert type(loaded.rows_) is np.ndarray
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    plain = SourceOnly(KNeighborsClassifier(1, algorithm="brute")).fit(mapped, Y, target=TARGET)
    loaded = transferkit.load(transferkit.save(plain, tmp_path / "p"))
    np.testing.assert_array_equal(loaded.predict(X), plain.predict(X))


def test_pipelines_with_a_table_encoder_come_back(tmp_path):
    frame = pl.DataFrame({"size": X[:, 0], "kind": ["a", "b", "c"] * 20, "flag": [True, False] * 30})
    encoder = TableEncoder().fit(frame, target=Domain(frame))
    for transformer in (encoder, make_pipeline(TableEncoder(), StandardScaler())):
        model = TransferPipeline([("encode", transformer)], CORAL()).fit(frame, Y, target=Domain(frame))
        loaded = transferkit.load(transferkit.save(model, tmp_path / "m", overwrite=True))
        np.testing.assert_array_equal(loaded.predict_proba(frame), model.predict_proba(frame))
    same(transferkit.load(transferkit.save(encoder, tmp_path / "e")).transform(frame), encoder.transform(frame))


def test_an_unfitted_model_comes_back_unfitted(tmp_path):
    loaded = transferkit.load(transferkit.save(CORAL(reg=0.25), tmp_path / "deep/er/m"))
    assert loaded.get_params() == CORAL(reg=0.25).get_params()
    assert not hasattr(loaded, "estimator_")


def test_a_saved_model_serves_another_process(tmp_path):
    model = CORAL(estimator=KNeighborsClassifier(1)).fit(X, Y, target=TARGET)
    transferkit.save(model, tmp_path / "m")
    np.save(tmp_path / "x.npy", TARGET.X)
    code = "import numpy, transferkit; print(list(map(str, transferkit.load('m').predict(numpy.load('x.npy')))))"
    found = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == str(list(map(str, model.predict(TARGET.X))))


def test_the_manifest_says_what_is_there(tmp_path):
    model = CORAL().fit(X, Y, target=TARGET)
    folder = transferkit.save(model, tmp_path / "m", metadata={"method": "coral", "n": [1, None]})
    assert {p.name for p in folder.iterdir()} == {"manifest.json", "arrays.safetensors", "CORAL.estimator_.skops"}
    manifest = read_manifest(folder)
    assert manifest["class"] == "transferkit.algorithms.feature.coral:CORAL"
    assert manifest["metadata"] == {"method": "coral", "n": [1, None]}
    assert manifest["transferkit"] == transferkit.__version__
    assert set(manifest["versions"]) == {"numpy", "scipy", "sklearn", "skops", "safetensors"}
    for name, digest in manifest["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    assert "CORAL.coupling_" in safetensors.numpy.load_file(folder / "arrays.safetensors")


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (Foreign(), r"CORAL\.value_ must .* Got \S*Foreign"),
        ([1, {"a": Foreign()}], r"CORAL\.value_\[1\]\['a'\] must .*Foreign"),
        (lambda x: x, r"CORAL\.value_ must .*function"),
        (make_pipeline(StandardScaler(), Foreign()), r"CORAL\.value_ must .*Foreign"),
        (make_pipeline(FunctionTransformer(os.getcwd)), r"CORAL\.value_ must .*getcwd"),
        (Foreign, r"CORAL\.value_ must .*type"),
        (np.array([Foreign()], dtype=object), r"CORAL\.value_\[0\] must .*Foreign"),
        (np.zeros(2, np.longdouble), r"CORAL\.value_ must .*dtype (float128|longdouble)"),
        (np.zeros(2, "i4,f8"), r"CORAL\.value_ must .*dtype"),
        (np.ma.masked_array([1, 2], [0, 1]), r"CORAL\.value_ must .*MaskedArray"),
        (sparse.lil_matrix((2, 2)), r"CORAL\.value_ must .*lil_matrix"),
        (b"raw", r"CORAL\.value_ must .*bytes"),
        (1j, r"CORAL\.value_ must .*complex"),
        (pl.DataFrame(), r"CORAL\.value_ must .*DataFrame"),
    ],
    ids=lambda v: v[:40] if isinstance(v, str) else type(v).__name__,
)
def test_foreign_types_are_refused_by_name_and_place(value, named, tmp_path):
    with pytest.raises(DataError, match=rf"^store\.save: {named}") as caught:
        transferkit.save(carrier(value), tmp_path / "m")
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_what_contains_itself_is_refused(tmp_path):
    loop = []
    loop.append(loop)
    with pytest.raises(DataError, match=r"CORAL\.value_\[0\] must not contain itself"):
        transferkit.save(carrier(loop), tmp_path / "m")


@pytest.mark.parametrize(
    "model", [Foreign(), LogisticRegression(), 5, {"a": 1}, np.zeros(3)], ids=lambda m: type(m).__name__
)
def test_only_models_of_ours_are_saved(model, tmp_path):
    with pytest.raises(DataError, match=r"^store\.save: "):
        transferkit.save(model, tmp_path / "m")


def test_trusted_names_let_a_class_through_both_ways(tmp_path):
    name = f"{Foreign.__module__}.Foreign"
    model = SourceOnly(Foreign()).fit(X, Y, target=TARGET)
    transferkit.save(model, tmp_path / "m", trusted=[name])
    with pytest.raises(DataError, match=r"Foreign"):
        transferkit.load(tmp_path / "m")
    loaded = transferkit.load(tmp_path / "m", trusted=[name])
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))


def test_metadata_must_be_json(tmp_path):
    for bad in ({"a": {1, 2}}, {"a": float("nan")}):
        with pytest.raises(ParamError, match="metadata must be JSON"):
            transferkit.save(CORAL(), tmp_path / "m", metadata=bad)
    assert not list(tmp_path.iterdir())


# Damage -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def saved(tmp_path):
    return transferkit.save(CORAL().fit(X, Y, target=TARGET), tmp_path / "m")


def rewrite(folder, **changes):
    """A manifest with other content and a sum that fits: what an attacker, not an accident, would leave."""
    manifest = json.loads((folder / "manifest.json").read_text()) | changes
    manifest.pop("sha256")
    plain = json.dumps(manifest, sort_keys=True, separators=(",", ":")).encode()
    manifest["sha256"] = hashlib.sha256(plain).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


def refused(folder, match):
    with pytest.raises(DataError, match=match) as caught:
        transferkit.load(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["arrays.safetensors", "CORAL.estimator_.skops", "manifest.json"])
@pytest.mark.parametrize("harm", ["gone", "cut", "flipped", "empty"])
def test_a_damaged_file_is_named(saved, name, harm):
    file = saved / name
    content = file.read_bytes()
    if harm == "gone":
        file.unlink()
    else:
        middle = len(content) // 2
        flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        file.write_bytes({"cut": content[:-5], "flipped": flipped, "empty": b""}[harm])
    refused(saved, rf"{name}: (is damaged|cannot be read|must be the manifest)")


def test_a_changed_number_in_the_manifest_is_noticed(saved):
    text = (saved / "manifest.json").read_text()
    changed = re.sub(r'"reg",(\s+)1\.0', r'"reg",\g<1>2.0', text)
    assert changed != text
    (saved / "manifest.json").write_text(changed)
    refused(saved, r"manifest\.json: is damaged")


@pytest.mark.parametrize("text", ["", "no json", "[]", "{}", "[" * 100_000, '{"schema": "x"}', '{"schema": 1}'])
def test_what_is_not_a_manifest_is_refused(saved, text):
    (saved / "manifest.json").write_text(text)
    refused(saved, r"manifest\.json: ")


def test_a_newer_schema_is_refused_with_both_versions(saved):
    rewrite(saved, schema=99, transferkit="9.9")
    refused(saved, r"schema 99, written by transferkit 9\.9; this is transferkit")


def test_no_folder(tmp_path):
    refused(tmp_path / "nowhere", r"nowhere/manifest\.json: cannot be read")


@pytest.mark.parametrize(
    "name", ["../secret.skops", "/etc/passwd", "a/b.skops", "..", ".hidden.skops", "x.pkl", "a\\b.skops", ""]
)
def test_file_names_cannot_leave_the_folder(saved, name):
    rewrite(saved, files={name: "0" * 64})
    refused(saved, r"manifest\.json: file names must be plain names")


@pytest.mark.parametrize(
    "name",
    [
        "os:system", "builtins:eval", "subprocess:Popen", "transferkit.store.folder:SCHEMA", "transferkit.core.files:os",
        "transferkit.core.files:atomic_write", "transferkit.pipeline.run:run", "transferkit.core.nowhere:A", "transferkit:CORAL",
        "transferkit.core.protocols:np", "transferkit.algorithms.feature.coral:Interval", "transferkit.core..files:A", "CORAL", "",
    ],
)  # fmt: skip
def test_no_class_but_ours_is_built_from_a_manifest(saved, name):
    rewrite(saved, state={"is": "object", "class": name, "state": []})
    refused(saved, r"must hold classes of transferkit")


@pytest.mark.parametrize(
    "state",
    [
        5, {"is": "array", "name": "x"}, {"is": "nothing"}, {"no": 1},
        *(
            {"is": "object", "class": "transferkit.algorithms.feature.coral:CORAL", "state": [["a", node]]}
            for node in (
                {"is": "array", "name": "nowhere", "dtype": "<f8"}, {"is": "skops", "file": "nowhere.skops"}, {"is": "value"},
                {"is": "array", "name": "CORAL.coupling_", "dtype": "|O"}, {"is": "objects", "shape": [10**15], "items": []},
                {"is": "sparse", "class": "x"}, {"is": "dict", "items": [[[], 1]]}, {"is": "tuple"}, {"is": "__init__"},
            )
        ),
    ],
    ids=repr,
)  # fmt: skip
def test_a_state_that_makes_no_sense_is_refused(saved, state):
    rewrite(saved, state=state)
    refused(saved, r"manifest\.json: does not describe a model")


def test_a_foreign_class_in_a_skops_file_is_not_built(saved):
    import skops.io

    path = saved / "CORAL.estimator_.skops"
    skops.io.dump(Foreign(), path)
    rewrite(
        saved,
        files={p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in saved.iterdir() if p.suffix != ".json"},
    )
    refused(saved, r"named in trusted\. Got \S*Foreign")


def test_trees_are_kept_in_a_fraction_of_their_bytes(tmp_path):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(300, 5)), rng.integers(0, 5, 300)
    model = CORAL(estimator=RandomForestClassifier(5, random_state=0)).fit(X, y, target=Domain(X + 1))
    file = transferkit.save(model, tmp_path / "m") / "CORAL.estimator_.skops"
    with zipfile.ZipFile(file) as archive:
        inside = sum(entry.file_size for entry in archive.infolist())
    assert file.stat().st_size < inside / 3


def test_few_bytes_that_become_very_many_are_refused(saved, monkeypatch):
    monkeypatch.setattr("transferkit.store.classes._LARGE", 100)
    monkeypatch.setattr("transferkit.store.classes._SHRINK", 1)
    with pytest.raises(DataError, match="bytes that would become"):
        transferkit.load(saved)


def test_a_skops_file_that_is_none_is_refused(saved):
    path = saved / "CORAL.estimator_.skops"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("schema.json", "{}")
    rewrite(
        saved,
        files={p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in saved.iterdir() if p.suffix != ".json"},
    )
    refused(saved, r"does not describe a model")
    path.write_bytes(b"no zip")
    rewrite(
        saved,
        files={p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in saved.iterdir() if p.suffix != ".json"},
    )
    refused(saved, r"does not describe a model")


# Writing ----------------------------------------------------------------------------------------------------------


def test_an_existing_folder_is_kept_unless_asked(saved):
    before = (saved / "manifest.json").read_bytes()
    with pytest.raises(DataError, match="is there already"):
        transferkit.save(CORAL(), saved)
    assert (saved / "manifest.json").read_bytes() == before
    transferkit.save(CORAL(reg=0.5), saved, overwrite=True)
    assert transferkit.load(saved).reg == 0.5
    assert [p.name for p in saved.iterdir()] == ["manifest.json"]
    assert [p.name for p in saved.parent.iterdir()] == ["m"]


def test_overwrite_never_deletes_what_save_did_not_write(saved):
    (saved / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match=r"Got also 'notes\.txt'"):
        transferkit.save(CORAL(), saved, overwrite=True)
    assert (saved / "notes.txt").read_text() == "mine"
    with pytest.raises(DataError, match="must be a folder"):
        transferkit.save(CORAL(), saved / "notes.txt", overwrite=True)


@pytest.mark.parametrize("step", ["open", "fsync", "rename"])
@pytest.mark.parametrize("there", [False, True], ids=["new", "overwrite"])
def test_a_full_disk_leaves_nothing_new_and_everything_old(tmp_path, monkeypatch, step, there):
    folder = tmp_path / "m"
    if there:
        transferkit.save(CORAL(reg=0.75), folder)
    from transferkit.store import folder as module

    def full(*args, **kwargs):
        if step == "rename" and not str(args[0]).endswith(".new"):
            return os.replace(*args)
        raise OSError(errno.ENOSPC, "No space left on device")

    if step == "open":
        monkeypatch.setattr(module, "open", full, raising=False)
    else:
        monkeypatch.setattr(module.os, step, full)
    with pytest.raises(DataError, match=r"m: cannot be written \(No space left on device\)"):
        transferkit.save(CORAL().fit(X, Y, target=TARGET), folder, overwrite=True)
    monkeypatch.undo()
    assert [p.name for p in tmp_path.iterdir()] == (["m"] if there else [])
    if there:
        assert transferkit.load(folder).reg == 0.75


def test_a_stop_in_the_middle_leaves_nothing(tmp_path, monkeypatch):
    from transferkit.store import folder as module

    def stop(handle):
        raise KeyboardInterrupt

    monkeypatch.setattr(module.os, "fsync", stop)
    with pytest.raises(KeyboardInterrupt):
        transferkit.save(CORAL(), tmp_path / "m")
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(DataError, match=r"/proc/models.* cannot be"):
        transferkit.save(CORAL(), "/proc/models/m")
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"file.* cannot be"):
        transferkit.save(CORAL(), tmp_path / "file" / "m")
