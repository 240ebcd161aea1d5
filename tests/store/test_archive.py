"""A model as one zip file: the same bytes, the same model, and nothing else gets in."""

import io
import tracemalloc
import warnings
import zipfile

import numpy as np
import pytest

import transferkit
from transferkit import CORAL, DataError, Domain, ParamError
from transferkit.store import pack, read_about, read_manifest

X = np.random.default_rng(0).normal(size=(40, 3))
Y = np.arange(40) % 2


@pytest.fixture
def folder(tmp_path):
    return transferkit.save(CORAL().fit(X, Y, target=Domain(X + 1)), tmp_path / "model", metadata={"method": "coral"})


def rewritten(path, **changes):
    """A copy of a zip file with parts changed, added (``change=``) or compressed."""
    new = path.with_name("changed.zip")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(new, "w", changes.get("how", zipfile.ZIP_STORED)) as archive:
        for name in old.namelist():
            archive.writestr(name, changes.get("content", {}).get(name, old.read(name)))
        for name, content in changes.get("more", {}).items():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of a name that is there twice
                archive.writestr(name, content)
    return new


def test_back_again_and_the_same_bytes(folder, tmp_path):
    one = pack(folder, tmp_path / "one.zip", about={"verdict": "Adapt"})
    pack(folder, tmp_path / "two.zip", about={"verdict": "Adapt"})
    assert one.read_bytes() == (tmp_path / "two.zip").read_bytes()
    same, model = transferkit.load(one), transferkit.load(folder)
    np.testing.assert_array_equal(same.predict_proba(X), model.predict_proba(X))
    assert read_about(one) == {"verdict": "Adapt"}
    assert read_manifest(one) == read_manifest(folder)
    assert read_about(pack(folder, tmp_path / "plain.zip")) == {}


@pytest.mark.parametrize("name", ["../evil.skops", "/evil.skops", "a/b.skops", "evil.py", "manifest.json"])
def test_foreign_files_are_refused(folder, tmp_path, name):
    path = rewritten(pack(folder, tmp_path / "m.zip"), more={name: b"x"})
    with pytest.raises(DataError, match=r"changed\.zip: must hold the files of one saved model"):
        transferkit.load(path)
    assert not list(tmp_path.rglob("evil*"))


def test_damage_is_told_of_the_zip_file(folder, tmp_path):
    whole = pack(folder, tmp_path / "m.zip")
    with pytest.raises(DataError, match=r"changed\.zip/manifest\.json: is damaged"):
        transferkit.load(rewritten(whole, content={"manifest.json": b"{"}))
    with pytest.raises(DataError, match="uncompressed"):
        transferkit.load(rewritten(whole, how=zipfile.ZIP_DEFLATED))
    (tmp_path / "cut.zip").write_bytes(whole.read_bytes()[:-50])
    with pytest.raises(DataError, match=r"cut\.zip: must"):
        transferkit.load(tmp_path / "cut.zip")
    (folder / "arrays.safetensors").write_bytes(b"other")
    with pytest.raises(DataError, match="is damaged"):
        pack(folder, tmp_path / "new.zip")
    assert not (tmp_path / "new.zip").exists()


def test_files_that_share_their_bytes_are_refused(tmp_path):
    """A directory may point at the same bytes many times: a few megabytes would fill a disk."""
    data, entries = b"x" * 10_000, []
    for k in reversed(range(9)):  # each file's content is all of the next one, header included
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            archive.writestr(f"a{k}.skops", data)
            entries = [(archive.infolist()[0], 0), *((e, at + 30 + len("a0.skops")) for e, at in entries)]
            data = content.getvalue()[: archive.start_dir]
    path = tmp_path / "overlaps.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.fp.write(data)
        archive.start_dir = len(data)
        for entry, at in entries:
            entry.header_offset = at
            archive.filelist.append(entry)
        archive._didModify = True
    with zipfile.ZipFile(path) as archive:
        assert sum(e.file_size for e in archive.infolist()) > 6 * path.stat().st_size
    with pytest.raises(DataError, match=r"overlaps\.zip: must hold bytes of its own"):
        transferkit.load(path)


@pytest.mark.parametrize("about", [b"{", b"[" * 100_000, b'{"expected": NaN}', b"[1]"])
def test_what_is_said_about_a_model_is_checked(folder, tmp_path, about):
    whole = pack(folder, tmp_path / "m.zip", about={})
    with pytest.raises(DataError, match=r"about\.json must be"):
        read_about(rewritten(whole, content={"about.json": about}))


def test_bad_arguments(folder, tmp_path):
    pack(folder, tmp_path / "m.zip")
    with pytest.raises(DataError, match="there already"):
        pack(folder, tmp_path / "m.zip")
    pack(folder, tmp_path / "m.zip", overwrite=True)
    with pytest.raises(ParamError, match="JSON"):
        pack(folder, tmp_path / "n.zip", about={"a": object()})
    with pytest.raises(DataError, match="cannot be read"):
        pack(tmp_path / "nothing", tmp_path / "n.zip")


def test_saving_and_packing_hold_no_further_copy(tmp_path):
    """A model that just fits into memory can still be saved: what is held beside it is far smaller than it."""
    model = CORAL().fit(X, Y, target=Domain(X + 1))
    model.source_moved_ = large = np.ones(2**22)
    tracemalloc.start()
    try:
        folder = transferkit.save(model, tmp_path / "model")
        saved = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        whole = pack(folder, tmp_path / "m.zip")
        packed = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert whole.stat().st_size > large.nbytes
    assert max(saved, packed) < large.nbytes / 4
    np.testing.assert_array_equal(transferkit.load(whole).source_moved_, large)
