"""Named data sets: published shapes, counts and 1-NN numbers; downloads that are whole or not there."""

from __future__ import annotations

import dataclasses
import errno
import gzip
import hashlib
import io
import os
import struct
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from scipy import sparse
from scipy.io import savemat, wavfile
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from transferkit import CORAL
from transferkit.core.errors import DataError, ParamError
from transferkit.data import download as download_module
from transferkit.data import named
from transferkit.data.download import download
from transferkit.data.named import File, NamedSet
from transferkit.data.named._set import Place
from transferkit.data.named.cwru import _FIRST
from transferkit.data.samples import Samples

ALL = sorted(named.datasets())
# Rows of each domain, as the sources state them.
ROWS = {
    "office-caltech-surf": {"amazon": 958, "caltech": 1123, "dslr": 157, "webcam": 295},
    "mnist-usps-long": {"mnist": 2000, "usps": 1800},
    "mnist": {"train": 60000, "test": 10000},
    "usps": {"train": 7291, "test": 2007},
    "amazon-reviews-5000": {
        "books": 2000, "dvd": 2000, "electronics": 2000, "kitchen": 2000,
        "books-test": 4465, "dvd-test": 3586, "electronics-test": 5681, "kitchen-test": 5945,
    },
    "amazon-reviews-400": {"books": 2000, "dvd": 1999, "electronics": 1998, "kitchen": 1999},
    "corn-nir": {"device1": 80, "device2": 80, "device3": 80},
    "wikipedia-crossmodal": {"image": 2173, "text": 2173, "image-test": 693, "text-test": 693},
    "pneumoniamnist": {"train": 4708, "val": 524, "test": 624},
    "credit": {"graduate-school": 10585, "university": 14030, "high-school": 4917, "other": 468},
    "german-credit": {"rent": 179, "own": 713, "free": 108},
    "fsdd": dict.fromkeys(("george", "jackson", "lucas", "nicolas", "theo", "yweweler"), 500),
    "digits": {"clean": 901, "scanner": 896},
    "hymenoptera": {"train": 244, "val": 153},
    "pacs": {"photo": 1050, "art": 1050, "cartoon": 1035, "sketch": 980},
    "amazon-reviews-text": dict.fromkeys(("books", "dvd", "electronics", "kitchen"), 2000),
    "omniglot": {"small1": 2720, "small2": 3120},
    "citation-graphs": {"acm": 9360, "citation": 8935, "dblp": 5484},
}  # fmt: skip
# Rows of each class, in the order of the labels.
CLASSES = {
    ("office-caltech-surf", "amazon"): [92, 82, 94, 99, 100, 100, 99, 100, 94, 98],
    ("mnist", "train"): [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
    ("mnist", "test"): [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],
    ("usps", "train"): [1194, 1005, 731, 658, 652, 556, 664, 645, 542, 644],
    ("usps", "test"): [359, 264, 198, 166, 200, 160, 170, 147, 166, 177],
    ("mnist-usps-long", "usps"): [352, 241, 165, 166, 166, 126, 139, 172, 129, 144],
    ("wikipedia-crossmodal", "image"): [138, 272, 244, 248, 202, 178, 186, 144, 214, 347],
    ("pneumoniamnist", "train"): [1214, 3494],
    ("pneumoniamnist", "val"): [135, 389],
    ("pneumoniamnist", "test"): [234, 390],
    ("fsdd", "theo"): [50] * 10,
    ("hymenoptera", "train"): [123, 121],
    ("hymenoptera", "val"): [70, 83],
    ("pacs", "photo"): [150] * 7,
    ("pacs", "sketch"): [150, 150, 150, 150, 150, 80, 150],
    ("amazon-reviews-text", "kitchen"): [1000, 1000],
}
# Made from public data, and nowhere public with these bytes.
OURS = {"hymenoptera", "pacs", "amazon-reviews-text"}


def need(name):
    if named.where(name) is None:
        pytest.skip(f"data set {name} is not on this machine")
    return named.info(name)


# The registry


def test_every_set_says_what_it_is():
    assert len(ALL) == 24
    for one in named.datasets().values():
        assert one.title
        assert one.domains
        assert one.licence
        assert one.source
        assert one.labels
        assert one.preprocessings
        assert not one.originals or all(f.url for f in one.originals)
        assert one.originals or all(f.url for f in one.files) != (one.name in OURS)
        assert one.name not in OURS or "no public address" in " ".join(one.notes)
        for file in (*one.files, *one.originals):
            assert len(file.sha256) == 64
            assert file.path.split("/")[0] == one.files[0].path.split("/")[0]
            assert file.of == "bytes" or one.content is not None


@pytest.mark.parametrize("name", ALL)
def test_shapes_are_the_published_ones(name):
    one = need(name)
    domains = named.load(name)
    assert tuple(domains) == one.domains
    for key, domain in domains.items():
        assert domain.name == key
        if one.n_features is None:
            assert isinstance(domain.X, Samples)
            assert not one.classes or set(domain.y) == set(one.classes)
        else:
            width = one.n_features[key] if isinstance(one.n_features, dict) else one.n_features
            assert domain.X.shape == (domain.n_samples, width)
        assert domain.mask.all()
        assert domain.n_samples == ROWS.get(name, {}).get(key, domain.n_samples)


@pytest.mark.parametrize(("name", "domain"), CLASSES)
def test_class_counts_are_the_published_ones(name, domain):
    need(name)
    labels = named.load(name, domains=[domain])[domain].y
    assert np.unique(labels, return_counts=True)[1].tolist() == CLASSES[name, domain]


# What is particular to a set


def nearest(source, target):
    model = KNeighborsClassifier(1, algorithm="brute").fit(source.X, source.y)
    return round(100 * model.score(target.X, target.y), 2)


def test_surf_paper_protocol_gives_the_published_1nn_numbers():
    need("office-caltech-surf")
    d = named.load("office-caltech-surf", preprocess="paper")
    published = {
        "caltech": {"amazon": 23.70, "webcam": 25.76, "dslr": 25.48},
        "amazon": {"caltech": 26.00, "webcam": 29.83, "dslr": 25.48},
        "webcam": {"caltech": 19.86, "amazon": 22.96, "dslr": 59.24},
        "dslr": {"caltech": 26.27, "amazon": 28.50, "webcam": 63.39},
    }
    assert {s: {t: nearest(d[s], d[t]) for t in row} for s, row in published.items()} == published


def test_mnist_usps_paper_protocol_gives_the_published_1nn_numbers():
    need("mnist-usps-long")
    d = named.load("mnist-usps-long", preprocess="paper")
    assert nearest(d["usps"], d["mnist"]) == 44.70
    assert nearest(d["mnist"], d["usps"]) == 65.94


def test_amazon_400_paper_protocol_standardises_each_domain():
    need("amazon-reviews-400")
    for domain in named.load("amazon-reviews-400", preprocess="paper").values():
        spread = domain.X.std(axis=0)
        np.testing.assert_allclose(domain.X.mean(axis=0), 0, atol=1e-12)
        np.testing.assert_allclose(spread[spread > 0], 1)


def test_amazon_5000_is_sparse_and_fits_scikit_learn():
    need("amazon-reviews-5000")
    d = named.load("amazon-reviews-5000", domains=["books", "dvd-test"])
    assert sparse.issparse(d["books"].X)
    assert d["books"].X.indices.dtype == np.int32
    assert set(d["books"].y) == {-1, 1}


def test_corn_labels_are_in_the_published_ranges():
    need("corn-nir")
    ranges = {"moisture": (9.3, 11.0), "oil": (3.0, 3.9), "protein": (7.6, 9.8), "starch": (62.8, 66.5)}
    for label, (low, high) in ranges.items():
        y = named.load("corn-nir", label=label, domains=["device2"])["device2"].y
        assert low < y.min() < y.max() < high


def test_uji_parts_add_up_and_labels_can_be_chosen():
    need("uji-indoorloc")
    d = named.load("uji-indoorloc", preprocess="filled", label="building")
    training = [v for k, v in d.items() if k.startswith("phone")]
    validation = [v for k, v in d.items() if k.startswith("validation")]
    assert len(training) == 16
    assert len(validation) == 11
    assert np.bincount(np.concatenate([v.y for v in training])).tolist() == [5249, 5196, 9492]
    assert sum(v.n_samples for v in validation) == 1111
    assert min(v.X.min() for v in d.values()) == -105
    assert max(v.X.max() for v in d.values()) == 0
    place = named.load("uji-indoorloc", label="longitude", domains=["phone-1"])["phone-1"]
    assert place.y.dtype == np.float64
    assert place.X.max() == 100
    floors = named.load("uji-indoorloc", domains=["phone-13"])["phone-13"].y
    assert set(floors) <= set(range(5))


def test_wikipedia_rows_are_paired_and_text_can_be_words():
    need("wikipedia-crossmodal")
    d = named.load("wikipedia-crossmodal", preprocess="tfidf")
    assert d["text"].X.shape == (2173, 1000)
    np.testing.assert_array_equal(d["text"].y, d["image"].y)


def test_credit_tables_keep_names_and_hide_what_makes_the_domains():
    need("credit")
    need("german-credit")
    d = named.load("credit")
    assert sum(v.y.sum() for v in d.values()) == 6636
    assert not {"ID", "EDUCATION"} & set(d["other"].X.columns)
    german = named.load("german-credit")
    assert sum((v.y == 2).sum() for v in german.values()) == 300
    assert "housing" not in german["own"].X.columns
    assert named.load("german-credit", preprocess="one-hot")["own"].X.shape == (713, 58)


def test_cwru_windows_and_spectrum():
    need("cwru")
    d = named.load("cwru")
    assert all(len(set(v.y)) == 9 for v in d.values())
    assert all((np.unique(v.y, return_counts=True)[1] >= 118).all() for v in d.values())
    spectrum = named.load("cwru", preprocess="spectrum", domains=["0hp"])["0hp"].X
    assert spectrum.shape == (1067, 512)
    np.testing.assert_allclose(spectrum[:, 0], np.abs(d["0hp"].X.mean(axis=1)), atol=1e-6)


def test_fsdd_features_tell_the_digits_apart():
    need("fsdd")
    d = named.load("fsdd", domains=["george"])["george"]
    assert d.X.dtype == np.float32
    half = np.arange(500) % 2 == 0
    assert KNeighborsClassifier(1).fit(d.X[half], d.y[half]).score(d.X[~half], d.y[~half]) > 0.9
    raw = named.load("fsdd", preprocess="waveform", domains=["george"])["george"]
    assert len(raw.X) == 500
    assert raw.X[0].dtype == np.int16


def test_hymenoptera_and_pacs_are_images():
    pytest.importorskip("PIL")
    need("hymenoptera")
    need("pacs")
    images = named.load("hymenoptera")["val"].X
    assert images.splits.tolist() == ["val"] * 153
    assert min(images[7].size) == 256
    for domain in named.load("pacs").values():
        assert domain.X[-1].size == (112, 112)


def test_omniglot_has_alphabets_in_both_sets():
    pytest.importorskip("PIL")
    need("omniglot")
    sets = named.load("omniglot")
    assert {d: len(set(v.y)) for d, v in sets.items()} == {"small1": 136, "small2": 156}
    assert set(np.unique(sets["small2"].y, return_counts=True)[1]) == {20}
    assert sets["small1"].X[5].size == (105, 105)
    both = set(sets["small1"].y) & set(sets["small2"].y)
    assert {name.partition("/")[0] for name in both} == {"Greek", "Latin"}
    assert set(named.load("omniglot", label="alphabet", domains=["small1"])["small1"].y) == {
        "Balinese", "Early_Aramaic", "Greek", "Korean", "Latin",
    }  # fmt: skip


def test_amazon_texts_and_their_stars():
    need("amazon-reviews-text")
    domains = named.load("amazon-reviews-text", label="rating")
    assert {star: int((domains["dvd"].y == star).sum()) for star in (1, 2, 4, 5)} == {1: 530, 2: 470, 4: 286, 5: 714}
    assert domains["books"].X[0].startswith("THis book was horrible.  If it was possible to rate it lower")


def test_digits_scanner_hurts_a_source_only_model_and_can_be_aligned():
    d = named.load("digits")
    again = named.load("digits")
    np.testing.assert_array_equal(d["scanner"].X, again["scanner"].X)
    clean, scanner = d["clean"], d["scanner"]
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    assert cross_val_score(model, clean.X, clean.y, cv=5).mean() > 0.9
    assert cross_val_score(model, scanner.X, scanner.y, cv=5).mean() > 0.85  # the classes are still there
    assert model.fit(clean.X, clean.y).score(scanner.X, scanner.y) < 0.6
    assert nearest(clean, scanner) < 75
    scale = StandardScaler().fit(clean.X)
    target = dataclasses.replace(scanner.hide(), X=scale.transform(scanner.X))
    aligned = CORAL(centre=True).fit(scale.transform(clean.X), clean.y, target=target)
    assert aligned.score(target.X, scanner.y) > 0.8


def test_citation_graphs_have_the_published_nodes_edges_and_topics():
    need("citation-graphs")
    published = {  # edges without loops, papers of each topic
        "acm": (15556, [1916, 2872, 2550, 818, 1785]),
        "citation": (15098, [2262, 2325, 2137, 704, 1673]),
        "dblp": (8117, [1188, 1808, 1307, 332, 864]),
    }
    graphs = named.load("citation-graphs", label="topics", preprocess="paper")
    first = named.load("citation-graphs")
    for name, (n_edges, counts) in published.items():
        domain, A = graphs[name], graphs[name].edges
        assert (A != A.T).nnz == 0
        assert (A.nnz - (A.diagonal() != 0).sum()) / 2 == n_edges
        assert domain.y.sum(axis=0).tolist() == counts
        assert domain.y[np.arange(len(domain.y)), first[name].y].all()
        rows = domain.X.sum(axis=1).A1
        np.testing.assert_allclose(rows[rows > 0], 1, rtol=1e-5)


# The originals, rebuilt from the repacked files: readers take either


def compare(name, folder):
    one = named.info(name)
    preprocess = one.preprocessings[-1]
    found = one.read(Place(folder, True), one.domains, one.labels[0], preprocess)
    for domain, expected in named.load(name, preprocess=preprocess).items():
        X, y = found[domain]
        if sparse.issparse(X):
            assert (X != expected.X).nnz == 0
        elif isinstance(X, list):
            assert all((a == b).all() for a, b in zip(X, expected.X, strict=True))
        else:
            np.testing.assert_array_equal(X, expected.X)
        np.testing.assert_array_equal(y, expected.y)


@pytest.mark.parametrize("name", ["amazon-reviews-5000", "credit"])
def test_unpacked_originals_have_their_sums_and_read_the_same(name, tmp_path):
    one = need(name)
    for file, packed in zip(one.originals, one.files, strict=True):
        content = gzip.decompress((named.where(name) / os.path.basename(packed.path)).read_bytes())
        assert hashlib.sha256(content).hexdigest() == file.sha256
        assert len(content) == file.size
        (tmp_path / os.path.basename(file.path)).write_bytes(content)
    compare(name, tmp_path)


def test_mnist_originals_read_the_same(tmp_path):
    need("mnist")
    here = named.where("mnist")
    for file in ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"):
        (tmp_path / file).write_bytes((here / file).read_bytes())
    with np.load(here / "mnist_train_60k.npz", allow_pickle=False) as content:
        images = struct.pack(">4i", 2051, 60000, 28, 28) + content["X"].tobytes()
        labels = struct.pack(">2i", 2049, 60000) + content["y"].tobytes()
    # The sum of the official file before compression: the repacked images are the official ones, in their order.
    assert hashlib.sha256(images).hexdigest() == "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(images, 1))
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels, 1))
    compare("mnist", tmp_path)


def test_uji_original_is_known_by_its_tables(tmp_path):
    one = need("uji-indoorloc")
    (original,) = one.originals
    path = tmp_path / os.path.basename(original.path)
    with (
        zipfile.ZipFile(named.where("uji-indoorloc") / "UJIndoorLoc.zip") as packed,
        zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as other,
    ):
        other.writestr("UJIndoorLoc/readme.txt", "another packing")
        for member in packed.namelist():
            other.writestr(f"UJIndoorLoc/{member}", packed.read(member))
    assert one.content(path, original) == original.sha256
    compare("uji-indoorloc", tmp_path)


def test_pneumonia_original_is_known_in_any_order(tmp_path):
    one = need("pneumoniamnist")
    (original,) = one.originals
    rng = np.random.default_rng(0)
    path = tmp_path / os.path.basename(original.path)
    with np.load(named.where("pneumoniamnist") / "pneumoniamnist_rebuilt.npz", allow_pickle=False) as content:
        mixed = {}
        for part in one.domains:
            order = rng.permutation(len(content[f"{part}_labels"]))
            mixed |= {f"{part}_{kind}": content[f"{part}_{kind}"][order] for kind in ("images", "labels")}
    np.savez(path, **mixed)
    assert one.content(path, original) == original.sha256
    mixed["train_images"][0, 0, 0] ^= 1
    np.savez(path, **mixed)
    assert one.content(path, original) != original.sha256


def test_cwru_originals_are_known_by_their_signal(tmp_path):
    one = need("cwru")
    with np.load(named.where("cwru") / "cwru_de12k_driveend_4loads.npz", allow_pickle=False) as content:
        for fault, first in _FIRST.items():
            for load in range(4):
                signal = content[f"{load}hp_{fault}"].astype(np.float64)[:, None]
                savemat(tmp_path / f"{first + load}.mat", {f"X{first + load:03d}_DE_time": signal, "RPM": 1797})
    for file in one.originals:
        assert one.content(tmp_path / os.path.basename(file.path), file) == file.sha256
    compare("cwru", tmp_path)
    (tmp_path / "105.mat").write_bytes(b"")
    with pytest.raises(ValueError, match="MATLAB"):
        one.content(tmp_path / "105.mat", one.originals[0])


def test_fsdd_original_is_known_by_its_clips(tmp_path):
    one = need("fsdd")
    (original,) = one.originals
    path = tmp_path / os.path.basename(original.path)
    with (
        np.load(named.where("fsdd") / "fsdd_8k_int16.npz", allow_pickle=False) as clips,
        zipfile.ZipFile(path, "w") as archive,
    ):
        archive.writestr("free-spoken-digit-dataset/README.md", "text")
        for name in clips.files:
            wave = io.BytesIO()
            wavfile.write(wave, 8000, clips[name])
            archive.writestr(f"free-spoken-digit-dataset/recordings/{name}.wav", wave.getvalue())
    assert one.content(path, original) == original.sha256
    compare("fsdd", tmp_path)


# Names, options, references


def test_a_set_that_is_nowhere_public_says_so(monkeypatch, tmp_path):
    monkeypatch.delenv("TRANSFERKIT_DATA", raising=False)
    monkeypatch.setenv("TRANSFERKIT_CACHE", str(tmp_path))
    with pytest.raises(
        DataError, match=r"pacs: has no public address with these bytes\. It comes from Machine.*pacs_112"
    ):
        named.fetch("pacs")
    assert named.where("pacs") is None


def test_unknown_names_suggest_near_ones():
    with pytest.raises(DataError, match="Did you mean office-caltech-surf"):
        named.load("office-caltech-srf")
    with pytest.raises(DataError, match="Did you mean scanner"):
        named.reference("digits:scaner")
    with pytest.raises(DataError, match="It has clean, scanner"):
        named.load("digits", domains=["qqq"])
    with pytest.raises(ParamError, match=r"preprocess of digits must be one of raw\. Got 'paper'"):
        named.load("digits", preprocess="paper")
    with pytest.raises(ParamError, match="label of corn-nir must be one of moisture, oil, protein, starch"):
        named.load("corn-nir", label="sugar")


@pytest.mark.parametrize(
    "text", ["table.csv", "C:\\data\\table.csv", "folder/digits:clean", "s3://bucket/x", "a:b", ":"]
)
def test_other_text_is_no_reference(text):
    assert named.reference(text) is None


def test_reference_gives_the_domain():
    domain = named.reference("digits:scanner")
    assert domain.name == "scanner"
    assert named.where("digits") is not None
    assert named.fetch("digits") == named.where("digits")


# Fetching, against a server of our own


BODY = bytes(range(256)) * 1000
GOOD = hashlib.sha256(BODY).hexdigest()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/missing":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        if self.path == "/slow":
            self.server.done.wait(10)
        self.wfile.write(BODY[: 100_000 if self.path == "/cut" else len(BODY)])

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.done = threading.Event()
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.done.set()
        running.shutdown()
        thread.join()


@pytest.fixture
def registry(server, tmp_path, monkeypatch):
    """A function that registers a data set of one file at an address of the server; the cache is empty."""
    monkeypatch.setenv("TRANSFERKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TRANSFERKIT_DATA", str(tmp_path / "mine"))

    def read(place, domains, label, preprocess):
        values = np.frombuffer((place.folder / "one.bin").read_bytes(), np.uint8)
        return {"all": (values[:, None], values)}

    def register(path="/good", total=GOOD, size=None):
        url = None if path is None else server + path
        one = NamedSet(
            "tiny",
            "a test",
            ("all",),
            "classification",
            1,
            (File("tiny/one.bin", total, size, url),),
            "none",
            "a test",
            read,
        )
        monkeypatch.setattr(named, "datasets", lambda: {"tiny": one})
        return tmp_path / "cache" / "data" / "tiny"

    return register


def leftovers(folder):
    return sorted(os.listdir(folder)) if folder.exists() else []


def test_a_good_file_is_fetched_once(registry):
    folder = registry(size=len(BODY))
    seen = []
    assert named.where("tiny") is None
    assert named.fetch("tiny", progress=lambda *facts: seen.append(facts)) == folder
    assert seen[-1] == ("one.bin", len(BODY), len(BODY))
    assert leftovers(folder) == ["one.bin"]
    assert (folder / "one.bin").read_bytes() == BODY
    assert named.where("tiny") == folder
    assert named.load("tiny")["all"].n_samples == len(BODY)
    registry("/missing")
    assert named.fetch("tiny") == folder  # it is there: nothing is asked


def test_load_downloads_only_when_told(registry):
    folder = registry()
    with pytest.raises(DataError, match="Get it with: transferkit data fetch tiny"):
        named.load("tiny")
    assert leftovers(folder) == []
    assert named.load("tiny", download=True)["all"].n_samples == len(BODY)


@pytest.mark.parametrize(
    ("path", "change", "message"),
    [
        ("/good", {"total": "0" * 64}, "It has another sum"),
        ("/good", {"size": 7}, "must have 7 bytes. The server has 256000"),
        ("/cut", {}, "must have 256000 bytes. The answer ended after 100000"),
        ("/missing", {}, "HTTP 404"),
        (None, {}, "has no public address"),
    ],
)
def test_a_bad_answer_is_an_error_and_leaves_nothing(registry, path, change, message):
    folder = registry(path, **change)
    with pytest.raises(DataError, match=message):
        named.fetch("tiny")
    assert leftovers(folder) == []


def test_no_server_and_a_slow_server_are_errors(server, tmp_path):
    path = tmp_path / "one.bin"
    with pytest.raises(DataError, match="cannot be downloaded"):
        download("http://127.0.0.1:9/one.bin", path, lambda p: None)
    with pytest.raises(DataError, match="timed out"):
        download(f"{server}/slow", path, lambda p: None, timeout=0.2)
    with pytest.raises(DataError, match="must begin with http"):
        download(f"file://{path}", path, lambda p: None)
    assert leftovers(tmp_path) == []


def test_a_full_disk_leaves_nothing(registry, monkeypatch):
    folder = registry()

    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(download_module.os, "fsync", full)
    with pytest.raises(DataError, match="No space left"):
        named.fetch("tiny")
    assert leftovers(folder) == []


def test_a_failed_download_keeps_the_old_file(registry):
    folder = registry("/cut")
    folder.mkdir(parents=True)
    (folder / "one.bin").write_bytes(b"old")
    with pytest.raises(DataError, match="It has another sum"):
        named.load("tiny")
    with pytest.raises(DataError, match="ended after"):
        named.fetch("tiny")
    assert (folder / "one.bin").read_bytes() == b"old"
    registry("/good")
    named.fetch("tiny")
    assert (folder / "one.bin").read_bytes() == BODY


def test_the_given_folder_comes_first_and_is_never_replaced(registry, tmp_path):
    registry("/good")
    mine = tmp_path / "mine" / "tiny"
    mine.mkdir(parents=True)
    (mine / "one.bin").write_bytes(BODY)
    assert named.fetch("tiny") == mine
    assert named.where("tiny") == mine
    (mine / "one.bin").write_bytes(b"damaged")
    for use in (named.load, named.fetch):
        with pytest.raises(DataError, match="It has another sum"):
            use("tiny")
    assert (mine / "one.bin").read_bytes() == b"damaged"
