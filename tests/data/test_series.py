"""Series: arrays of fixed length, and recordings cut into windows that stay together."""

from __future__ import annotations

import gzip
import zipfile

import numpy as np
import polars as pl
import pytest
from scipy.io import savemat

from transferkit import read
from transferkit.core.errors import DataError, TransferWarning
from transferkit.data.series import SeriesSamples, read_recording, windows


@pytest.fixture
def machine(tmp_path):
    """Recordings of two classes: tables and arrays of two channels."""
    root, random = tmp_path / "machine", np.random.default_rng(0)
    for place, n in (("good/a", 25), ("good/b", 20), ("worn/c", 32)):
        path = root / f"{place}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        pl.DataFrame({"x": random.normal(size=n), "z": random.normal(size=n)}).write_csv(path)
    np.save(root / "worn" / "d.npy", random.normal(size=(2, 15)))
    return root


def test_arrays_of_series():
    X = np.arange(24).reshape(2, 3, 4)
    samples = SeriesSamples.from_array(X)
    assert samples[1].tolist() == X[1].tolist()
    assert samples[1].dtype == np.float32
    assert SeriesSamples.from_array(X[:, 0])[1].tolist() == [X[1, 0].tolist()]
    samples[0][:] = 7  # a copy
    assert samples[0].max() < 7 + 5
    assert samples[0][0, 0] == 0
    assert samples.digest(0) != samples.digest(1)
    for wrong, match in (
        (np.zeros(3), r"Got float64, shape \(3,\)"),
        (np.zeros((2, 3), dtype="U1"), "array of numbers"),
        (np.full((2, 3), np.nan), "row 0: values must be finite and none may be missing. Got 3 others"),
    ):
        with pytest.raises(DataError, match=match):
            SeriesSamples.from_array(wrong)
    with pytest.raises(DataError, match=r"items must have one shape \(n_channels, length\)\. Got \(1, 3\), \(1, 4\)"):
        SeriesSamples([np.zeros((1, 3)), np.zeros((1, 4))])


def test_windows_start_every_hop_and_the_rest_is_left():
    recording = np.arange(20.0).reshape(2, 10)
    assert [w[0, 0] for w in windows(recording, 4, None)] == [0, 4]
    assert [w[0, 0] for w in windows(recording, 4, 3)] == [0, 3, 6]
    assert [w[1].tolist() for w in windows(recording, 5, 5)] == [[10, 11, 12, 13, 14], [15, 16, 17, 18, 19]]
    assert windows(recording, None, None)[0] is recording
    assert np.shares_memory(windows(recording, 4, 1)[2], recording)
    for arguments, match in (
        ((11, None), r"as long as a window \(11\)\. Got shape \(2, 10\)"),
        ((0, None), "window must be a whole number of at least 1. Got 0"),
        ((4, 0), "hop must be a whole number of at least 1. Got 0"),
        ((2.5, None), "Got 2.5"),
        ((None, 3), "window must be given with hop"),
    ):
        with pytest.raises(DataError, match=match):
            windows(recording, *arguments)


def test_recordings_are_cut_and_stay_together(machine):
    domain = read(machine, window=10, hop=5)
    assert isinstance(domain.X, SeriesSamples)
    names = [g.replace("\\", "/").rsplit("/", 1)[1] for g in domain.X.groups]
    assert names == ["a.csv"] * 4 + ["b.csv"] * 3 + ["c.csv"] * 5 + ["d.npy"] * 2
    assert domain.y.tolist() == ["good"] * 7 + ["worn"] * 7
    a = pl.read_csv(machine / "good" / "a.csv").to_numpy().T
    np.testing.assert_allclose(domain.X[1], a[:, 5:15], rtol=1e-6)
    assert domain.X[[0, 13]].groups.tolist() == [domain.X.groups[0], domain.X.groups[13]]
    assert read(machine / "good" / "a.csv", window=10).n_samples == 2
    assert isinstance(read(machine / "good" / "a.csv").X, pl.DataFrame)  # without a window a table, as ever


def test_a_split_by_group_does_not_leak(machine):
    from sklearn.model_selection import GroupShuffleSplit

    X = read(machine, window=5, hop=1).X
    train, test = next(GroupShuffleSplit(1, test_size=0.5, random_state=0).split(np.zeros(len(X)), groups=X.groups))
    assert not set(X[train].groups) & set(X[test].groups)


def test_recordings_are_only_cut_where_that_is_asked_for(machine):
    with pytest.raises(
        DataError, match=r"must hold a readable file.*Recordings in class folders are read with window="
    ):
        read(machine)
    with pytest.raises(DataError, match=r"machine: SeriesSamples: items must have one shape.*cut with window="):
        read(machine, kind="series")
    for name in ("a", "b"):
        np.save(machine / "good" / f"{name}.npy", np.zeros((2, 15)))
        (machine / "good" / f"{name}.csv").unlink()
    (machine / "worn" / "c.csv").unlink()
    domain = read(machine, kind="series")
    assert domain.n_samples == 3
    assert domain.X[0].shape == (2, 15)
    assert domain.X.groups is None


def test_tables_with_and_without_a_header(tmp_path):
    expected = np.array([[1.5, 2.5, 3.5], [1, 1, 2]], dtype=np.float32)
    for name, text in {
        "head.csv": "x,y\n1.5,1\n2.5,1\n3.5,2\n",
        "none.csv": "1.5,1\n2.5,1\n3.5,2\n",
        "same.csv": "1.5;1\n2.5;1\n3.5;2\n",
        "tabs.tsv": "1.5\t1\n2.5\t1\n3.5\t2\n",
        "time.csv": "t,x,y\n2020-01-01 00:00:00,1.5,1\n2020-01-01 00:00:01,2.5,1\n2020-01-01 00:00:02,3.5,2\n",
    }.items():
        (tmp_path / name).write_text(text)
        assert read_recording(str(tmp_path / name)).tolist() == expected.tolist(), name
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress(b"1,1\n1,2\n"))
    assert read_recording(str(tmp_path / "x.csv.gz")).tolist() == [[1, 1], [1, 2]]
    np.save(tmp_path / "one.npy", np.arange(4))
    assert read_recording(str(tmp_path / "one.npy")).tolist() == [[0, 1, 2, 3]]


def test_broken_recordings_are_named(machine):
    for name, text in (
        ("gap", "x,z\n1,\n2,3\n"),
        ("word", "x,z\na,1\nb,2\n"),
        ("short", "x,z\n1,2\n"),
        ("nothing", ""),
    ):
        (machine / "good" / f"{name}.csv").write_text(text)
    np.save(machine / "worn" / "cube.npy", np.zeros((2, 2, 2)))
    (machine / "worn" / "text.npy").write_text("no array")
    with pytest.warns(TransferWarning) as caught:
        assert read(machine, window=10).y.tolist() == ["good"] * 4 + ["worn"] * 4
    (warning,) = caught
    message = str(warning.message)
    assert "skipped 6 of 10 recordings" in message
    for said in (
        r"Got 1 others", "Got text in 'x'", "as long as a window (10). Got shape (2, 1)", "It is empty",
        "must be numbers, (n_channels, length). Got float64, (2, 2, 2)", "readable as a numpy array",
    ):  # fmt: skip
        assert said in message, said
    with pytest.raises(DataError, match="6 of 10 recordings cannot be used"):
        read(machine, window=10, strict=True)
    with pytest.raises(DataError, match=r"read: window must be a whole number of at least 1\. Got 0"):
        read(machine, window=0)


def test_recordings_in_a_zip_and_with_splits(machine, tmp_path):
    expected = read(machine, window=10)
    with zipfile.ZipFile(tmp_path / "m.zip", "w") as archive:
        for file in machine.rglob("*.*"):
            archive.write(file, file.relative_to(tmp_path))
    packed = read(tmp_path / "m.zip", window=10)
    assert packed.y.tolist() == expected.y.tolist()
    assert all((a == b).all() for a, b in zip(packed.X, expected.X, strict=True))
    assert packed.X.groups[0].endswith("m.zip!machine/good/a.csv")
    (machine / "good").rename(machine / "train")
    (machine / "worn").rename(machine / "test")
    assert read(machine, window=10, split="test").n_samples == 4
    frame = pl.DataFrame({"file": ["train/a.csv", "test/c.csv"], "wear": [0.1, 0.9]})
    frame.write_csv(machine / "t.csv")
    table = read(machine / "t.csv", path="file", label="wear", window=10)
    assert table.y.tolist() == [0.1, 0.1, 0.9, 0.9, 0.9]


def test_array_files(tmp_path):
    random = np.random.default_rng(0)
    X, y = random.normal(size=(6, 2, 8)), np.arange(6)
    np.savez(tmp_path / "a.npz", X=X, y=y)
    np.save(tmp_path / "b.npy", X)
    savemat(tmp_path / "c.mat", {"X": np.moveaxis(X, 0, -1), "y": y})  # samples along the last axis
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file["x"], file["label"] = X, y
    assert read(tmp_path / "a.npz").X.shape == (6, 16)  # as ever
    for name in ("a.npz", "b.npy", "c.mat", "d.h5"):
        domain = read(tmp_path / name, kind="series")
        assert domain.n_samples == 6
        np.testing.assert_allclose(domain.X[4], X[4], rtol=1e-6)
        assert name == "b.npy" or domain.y.tolist() == y.tolist()
    cut = read(tmp_path / "a.npz", window=4)
    assert cut.y.tolist() == np.repeat(y, 2).tolist()
    assert cut.X.groups.tolist() == [f"row {i}" for i in np.repeat(y, 2)]
    assert read((X, y), kind="series", window=8).y.tolist() == y.tolist()
    assert read(X[:, 0], kind="series").X[0].shape == (1, 8)
    assert isinstance(read(X[:, 0]).X, np.ndarray)
    with pytest.raises(DataError, match=r'Got \(6, 2, 8\)\. With more axes, give kind="images" or kind="series"'):
        read(X)
