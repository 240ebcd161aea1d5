"""Runs with a pretrained network: as the encoding between domains, and as the source itself."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("torch")
from PIL import Image
from typer.testing import CliRunner

import transferkit
from transferkit import DataError, Domain, DomainError, ParamError, TransferTask, TransferWarning, run
from transferkit.cli.app import app
from transferkit.core.files import make_folder
from transferkit.data.images import ImageSamples
from transferkit.pipeline import attempts
from transferkit.pipeline.define import define
from transferkit.pipeline.progress import silent
from transferkit.pipeline.tuning.evaluate import _choose, _pair
from transferkit.pipeline.tuning.prepare import HeldBack, SourceModel, Tuning, prepare
from transferkit.pipeline.tuning.select import PROBE, SCRATCH, select
from transferkit.pipeline.tuning.train import train

COLOURS = {"blue": (70, 70, 190), "red": (190, 70, 70)}


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    """The smallest of timm's networks, as a file; its random features tell colours apart."""
    import torch
    from safetensors.torch import save_file

    from transferkit.engine.backbones import load_backbone

    with torch.random.fork_rng():
        torch.manual_seed(0)
        load_backbone("timm:test_resnet?pretrained=false")  # guards torchvision before timm is imported
        import timm

        model = timm.create_model("test_resnet")
    file = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, file)
    return file


@pytest.fixture
def tiny(weights, tmp_path, monkeypatch):
    """Its name; features are kept in this test's own folder."""
    monkeypatch.setenv("TRANSFERKIT_CACHE", str(tmp_path / "cache"))
    return f"file:{weights}?arch=timm:test_resnet&image_size=32"


def pixels(n, shift=0, seed=0, noise=30):
    """`n` squares of each colour, and their names."""
    rng = np.random.default_rng(seed)
    y = np.repeat(list(COLOURS), n)
    X = np.array([COLOURS[c] for c in y])[:, None, None, :] + shift + rng.normal(0, noise, (2 * n, 32, 32, 3))
    return np.clip(X, 0, 255).astype(np.uint8), y


def folder(root, n, **how):
    X, y = pixels(n, **how)
    for k, (image, name) in enumerate(zip(X, y)):
        (root / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(root / name / f"{k}.png")
    return root


def target_of(n=12, n_held=4, labels=None, seed=0):
    """Images in memory with splits of their own."""
    X, y = pixels(n, seed=seed)
    splits = np.where(np.arange(2 * n) % n < n_held, "val", "train")
    return Domain(
        ImageSamples(list(X), splits=splits.tolist()), y if labels is None else labels(y, splits), name="squares"
    )


def task_of(tiny, **options):
    return TransferTask(**{"sources": [], "target": target_of(), "model": tiny, "epochs": 1, **options})


# Between domains ------------------------------------------------------------------------------------------------------


def test_images_become_features_and_all_else_is_as_with_tables(tmp_path, tiny):
    folder(tmp_path / "photo", 12), folder(tmp_path / "sketch", 12, shift=30, seed=1)
    (tmp_path / "sketch/red/broken.png").write_bytes(b"no image")
    task = TransferTask(
        sources=[str(tmp_path / "photo")], target=str(tmp_path / "sketch"), model=tiny, methods=["coral"], jobs=1
    )
    with pytest.warns(TransferWarning, match="broken.png"):
        result = run(task, out=tmp_path / "r")
    facts = result.facts
    assert facts["guard"]["selector"] == "evidence"
    assert facts["gap"]["auc"] > 0.6
    assert facts["model"]["name"] == "file:tiny.safetensors?arch=timm:test_resnet&image_size=32"
    assert len(facts["model"]["weights"]) == 64
    assert any("skipped 1 of 25 images: red/broken.png" in note for note in facts["prepare"]["notes"])
    assert str(tmp_path) not in json.dumps({k: v for k, v in facts.items() if k != "command"})
    # The saved model takes raw images, and needs neither the file of the weights nor the cache.
    rows = transferkit.read(str(tmp_path / "photo")).X
    loaded = transferkit.load(tmp_path / "r/model")
    np.testing.assert_array_equal(loaded.predict(rows), result.model.predict(rows))
    assert (tmp_path / "r/predictions.csv").read_text().splitlines()[1].startswith("blue/0.png,")


def test_resume_between_domains_of_images(tmp_path, tiny):
    folder(tmp_path / "photo", 8), folder(tmp_path / "sketch", 8, shift=30, seed=1)
    task = TransferTask(
        sources=[str(tmp_path / "photo")], target=str(tmp_path / "sketch"), model=tiny, methods=["coral"], jobs=1
    )
    whole = run(task, out=tmp_path / "r", command="c").facts
    (tmp_path / "r/run.json").unlink()
    again = run(out=tmp_path / "r", resume=True).facts
    assert json.dumps(again) == json.dumps(whole)


def test_what_does_not_go_together_is_refused(tmp_path, tiny):
    X, y = pixels(4)
    images, table = Domain(ImageSamples(list(X)), y, name="images"), Domain(np.eye(8), y, name="table")
    for task, error, match in (
        (TransferTask(sources=[table], target=images, model=tiny), DomainError, "all domains must be of one kind"),
        (TransferTask(sources=[], target=table, model=tiny), DomainError, "must be images, texts or audio for a model"),
        (TransferTask(sources=[], target=images.hide(), model=tiny), DataError, "label"),
        (TransferTask(sources=[], target=images, model="timm:resnet81"), ParamError, "resnet18"),
        (TransferTask(sources=[], target=images, model="file:no.safetensors?arch=timm:test_resnet"), DataError, "no.safetensors"),
        (task_of(tiny, methods=["coral"]), ParamError, "'coral' must carry a model over"),
    ):  # fmt: skip
        with pytest.raises(error, match=match):
            run(task, out=tmp_path / "refused")
        assert not (tmp_path / "refused").exists()
    with pytest.raises(ParamError, match="one name where sources are domains"):
        TransferTask(sources=[images], target=images, model=[tiny, "auto"])
    with pytest.raises(ParamError, match="it learns from them"):
        task_of(tiny, target_labels="test")


# From a model ---------------------------------------------------------------------------------------------------------


def test_a_run_from_a_model_leaves_everything(tmp_path, tiny):
    root = tmp_path / "squares"
    folder(root / "train", 10), folder(root / "val", 4, seed=1)
    (root / "train/red/broken.png").write_bytes(b"no image")
    with pytest.warns(TransferWarning, match="broken.png"):
        result = run(TransferTask(sources=[], target=str(root), model=tiny, epochs=2), out=tmp_path / "r")
    facts = json.loads((tmp_path / "r/run.json").read_text())
    assert facts == json.loads(json.dumps(result.facts))
    assert {
        "run.toml", "run.json", "report.html", "candidates.csv", "predictions.csv", "MODEL_CARD.md", "model", "log.jsonl",
    } <= {p.name for p in result.folder.iterdir()}  # fmt: skip
    assert facts["task"]["target"] == {"name": "squares", "n": 28, "n_known": 20, "n_held_back": 8}
    rows = {row["id"]: row for row in facts["candidates"]}
    assert {PROBE, SCRATCH, "fine_tuning-1", "fine_tuning-2"} == set(rows)  # few labels: the careful structures
    assert all(row["status"] == "fitted" for row in rows.values()), rows
    assert rows[PROBE]["validation"] == rows[PROBE]["score"] == 1.0
    assert {id for id, row in rows.items() if row["score"] is not None} == {PROBE, SCRATCH}
    assert facts["guard"]["winner"] == PROBE
    assert facts["verdict"]["basis"] == "held-back labels"
    assert any("red/broken.png" in note for note in facts["prepare"]["notes"])
    report = (tmp_path / "r/report.html").read_text()
    for text in (
        "The source model",
        "Loss in training",
        "What speaks for what",
        "data:image/jpeg;base64,",
        "from scratch",
    ):
        assert text in report
    assert len((tmp_path / "r/predictions.csv").read_text().splitlines()) == 29
    unseen, y = pixels(5, seed=9)
    loaded = transferkit.load(tmp_path / "r/model")
    assert (loaded.predict(ImageSamples(list(unseen))) == y).all()
    assert "seconds" not in json.dumps(facts)
    assert any("refit_seconds" in line for line in (tmp_path / "r/log.jsonl").read_text().splitlines())
    assert not list((tmp_path / "r/candidates").glob("*/fold-*"))  # no checkpoint stays behind


def test_held_back_labels_reach_neither_a_fit_nor_the_choice(tmp_path, tiny):
    """Turn the held-back labels round: everything but the final score is the same to the last bit."""

    def turned(y, splits):
        return np.where((splits == "val") & (np.arange(len(y)) % 2 == 0), np.where(y == "red", "blue", "red"), y)

    found = []
    for k, labels in enumerate((None, turned)):
        facts = dict(run(task_of(tiny, target=target_of(labels=labels)), out=tmp_path / str(k)).facts)
        rows = [{**row, "score": 0, "score_interval": 0} for row in facts["candidates"]]
        kept = {k: facts[k] for k in ("guard", "rule", "transferability", "learning", "plan", "task", "prepare")}
        found.append((json.dumps([rows, kept]), (tmp_path / str(k) / "predictions.csv").read_bytes()))
    assert found[0] == found[1]


def test_resume_after_a_stop_gives_the_same_result(tmp_path, tiny):
    for name in ("whole", "again"):
        run(task_of(tiny, methods=["fine_tuning"]), out=tmp_path / name)
    assert (tmp_path / "again/run.json").read_bytes() == (tmp_path / "whole/run.json").read_bytes()

    def stop(step, done, total, text):
        if step == "train" and text == "fine_tuning-1":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(task_of(tiny, methods=["fine_tuning"]), out=tmp_path / "stopped", progress=stop)
    assert len(list((tmp_path / "stopped/candidates").glob("*/done.json"))) == 2
    run(task_of(tiny, methods=["fine_tuning"]), out=tmp_path / "stopped", resume=True)
    for file in ("run.json", "predictions.csv", "report.html"):
        assert (tmp_path / "stopped" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()


@pytest.mark.slow
def test_resume_after_a_kill_in_the_middle_of_a_fit(tmp_path, tiny, monkeypatch):
    folder(tmp_path / "squares", 16)
    monkeypatch.chdir(tmp_path)
    arguments = ["run", "squares", "--model", tiny, "-m", "fine_tuning", "--epochs", "4"]
    whole = CliRunner().invoke(app, [*arguments, "-o", "whole", "--json"])
    assert whole.exit_code == 0, whole.output
    command = [sys.executable, "-m", "transferkit", *arguments]
    stopped = subprocess.Popen([*command, "-o", "killed"], cwd=tmp_path, stdout=subprocess.DEVNULL)
    deadline = time.time() + 120
    while not list((tmp_path / "killed").glob("candidates/fine_tuning-1/fold-1/*")) and time.time() < deadline:
        time.sleep(0.01)
    stopped.send_signal(signal.SIGKILL)
    stopped.wait()
    resumed = subprocess.run(
        [sys.executable, "-m", "transferkit", "run", "--resume", "killed", "--json"],
        cwd=tmp_path, capture_output=True, check=True, env=dict(os.environ),
    )  # fmt: skip
    facts, expected = json.loads(resumed.stdout), json.loads(whole.stdout)
    facts.pop("command"), expected.pop("command")
    assert facts == expected


class _Deadly(Mapping):
    """Parameters of a fit that takes its process with it, as one that wants more memory than there is."""

    def __iter__(self):
        os.kill(os.getpid(), signal.SIGKILL)

    __getitem__ = __len__ = None


def _with_a_killer(tiny, home, guard=silent):
    task = task_of(tiny, methods=["feature_extraction"])
    tuning = prepare(define(task))
    selected = select(tuning, task)
    probe = selected.candidates[0]
    killer = replace(probe, id="feature_extraction-0", role="candidate", params=_Deadly())
    return train(replace(selected, candidates=[killer, probe]), tuning, home, seed=0, budget=None, progress=guard)


def test_a_run_that_a_candidate_killed_goes_on_without_it(tmp_path, tiny):
    """A fit is in the run's own process: all of it dies, and the resumed run knows by which candidate from its note."""
    home, order = tmp_path / "c", []
    attempts.begin(make_folder(home / "feature_extraction-0"), 0)
    killer, probe = _with_a_killer(tiny, home, lambda step, done, total, text: order.append(text))
    assert order == [PROBE, "feature_extraction-0", ""]
    assert probe.status == "fitted"
    assert (killer.status, killer.reason) == ("failed", attempts.ENDED)
    assert not list(home.glob("*/started.json"))
    again, _ = _with_a_killer(tiny, home)
    assert again.status == "failed"


def test_a_candidate_under_which_the_whole_run_ended_three_times_is_not_begun_again(tmp_path, tiny, monkeypatch):
    attempts.begin(make_folder(tmp_path / "feature_extraction-0"), attempts.TRIES - 1)
    monkeypatch.setattr(attempts, "alone", lambda *a: pytest.fail("it was begun again"))
    assert [t.status for t in _with_a_killer(tiny, tmp_path)] == ["failed", "fitted"]


def test_several_models_are_compared_beside_bigger_first(tmp_path, tiny):
    larger = "timm:test_resnet?pretrained=false&image_size=64"
    task = task_of(tiny, model=[tiny, larger], methods=["feature_extraction"])
    facts = run(task, out=tmp_path / "r").facts
    table = facts["transferability"]["models"]
    assert [m["model"] for m in table] == ["file:tiny.safetensors?arch=timm:test_resnet&image_size=32", larger]
    assert {"logme", "h_score", "leep"} <= set(table[0]["scores"])
    assert [row["id"] for row in facts["candidates"]] == [PROBE, "feature_extraction-2"]
    assert SCRATCH not in {row["id"] for row in facts["candidates"]}  # nothing is trained: no baseline to train


def test_a_used_up_budget_still_runs_the_baselines(tmp_path, tiny):
    facts = run(task_of(tiny, budget=1e-9), out=tmp_path / "r").facts
    status = {row["id"]: row["status"] for row in facts["candidates"]}
    assert status == {PROBE: "fitted", SCRATCH: "fitted", "fine_tuning-1": "skipped", "fine_tuning-2": "skipped"}
    assert any("budget" in step for step in facts["next_steps"])


def test_numbers_as_labels(tmp_path, tiny):
    X, _ = pixels(20)
    task = task_of(
        tiny, target=Domain(ImageSamples(list(X)), X.mean(axis=(1, 2, 3)), name="light"), methods=["feature_extraction"]
    )
    facts = run(task, out=tmp_path / "r").facts
    assert facts["task"]["metric"] == "r2"
    assert facts["task"]["target"]["n_held_back"] == 10


def test_shots_are_learned_from_and_the_rest_is_held_back(tmp_path, tiny):
    X, y = pixels(10)
    task = task_of(tiny, target=Domain(ImageSamples(list(X)), y, name="t"), shots=3, methods=["feature_extraction"])
    target = run(task, out=tmp_path / "r").facts["task"]["target"]
    assert (target["n_known"], target["n_held_back"]) == (6, 14)


def test_texts_and_sounds(tmp_path, tiny):
    soundfile = pytest.importorskip("soundfile")
    t = np.arange(4000) / 8000
    for name, tone in (("low", 300), ("high", 1500)):
        (tmp_path / "sounds" / name).mkdir(parents=True)
        for k in range(8):
            noise = np.random.default_rng(k).normal(0, 0.05, 4000)
            soundfile.write(tmp_path / "sounds" / name / f"{k}.wav", np.sin(2 * np.pi * tone * t) * 0.5 + noise, 8000)
    task = TransferTask(sources=[], target=str(tmp_path / "sounds"), model=tiny, methods=["feature_extraction"])
    facts = run(task, out=tmp_path / "r").facts
    assert facts["task"]["data"] == "audio"
    assert facts["verdict"]["expected"] > 0.5


# The rule and the guard, on made-up numbers -----------------------------------------------------------------------------


def made_up(n_per_class, certainty):
    """Rows whose features tell two classes apart, seen by a model of five classes that is sure or not."""
    n = 2 * n_per_class + 4
    y = np.arange(n) % 2
    rng = np.random.default_rng(0)
    posterior = np.full((n, 5), (1 - certainty) / 4)
    posterior[:, 0] = certainty
    model = SourceModel("timm:x", "timm:x", "00", 10, rng.normal(size=(n, 4)) + 3 * y[:, None], "a", posterior)
    X = ImageSamples([np.zeros((2, 2, 3), np.uint8)] * n)
    known = np.arange(n) < n - 4
    held = HeldBack(np.arange(n - 4, n), y[-4:])
    return Tuning(
        Domain(X, y, known), [], np.flatnonzero(known), held, "classification", np.array([0, 1]), [model], [], ""
    )


@pytest.mark.parametrize(
    ("n_per_class", "certainty", "expected"),
    [
        (8, 0.99, ["full, probe", "gradual"]),
        (8, 0.3, ["full, probe", "gradual"]),
        (60, 0.99, ["full, probe", "gradual", "full", "l2_sp"]),
        (60, 0.3, ["full, probe", "gradual", "full", "full, train"]),
    ],
)
def test_the_rule_follows_from_labels_and_gap(n_per_class, certainty, expected):
    tuning = made_up(n_per_class, certainty)
    epochs = None if n_per_class == 60 else 20
    found = select(tuning, SimpleNamespace(seed=0, epochs=epochs, methods=None))
    tried = [
        ", ".join(str(v) for v in c.params.values()) or c.card.name for c in found.candidates if c.role == "candidate"
    ]
    assert tried == expected
    rates = {c.id: c.training["body_lr_scale"] for c in found.candidates if "body_lr_scale" in c.training}
    assert rates == {"scratch-1": 1.0, "fine_tuning-1": 0.01}
    assert found.rule["few"] == (n_per_class == 8)
    assert found.rule["far"] == (certainty < 0.5)
    assert len(found.validated) == (3 if n_per_class == 8 else 1)
    assert found.rule["says"][0].startswith(f"{n_per_class} labels a class")


def judged(id, wrong, n=40):
    predicted = np.zeros(n, dtype=int)
    predicted[list(wrong)] = 1
    card = SimpleNamespace(cls=id)
    return SimpleNamespace(candidate=SimpleNamespace(id=id, card=card, params={}), predicted=predicted, guess=predicted)


def chosen(*trained):
    truth = np.zeros(40, dtype=int)
    by_id = {t.candidate.id: t for t in trained}
    pairs = {i: _pair(t.predicted, by_id[PROBE].predicted, truth, "classification") for i, t in by_id.items()}
    validation = {i: (float((t.predicted == truth).mean()), (0.0, 1.0)) for i, t in by_id.items()}
    return _choose(trained, by_id[PROBE], by_id.get(SCRATCH), validation, pairs, truth, "classification")


def test_the_guard_keeps_the_probe_unless_it_is_beaten_by_more_than_chance():
    probe, scratch = judged(PROBE, range(6)), judged(SCRATCH, range(20))
    winner, guard = chosen(probe, scratch, judged("b", range(3)))  # 3 wins, no loss: p 1/8
    assert winner is probe
    assert guard["adapted"]
    better = judged("b", range(2))  # 4 wins, no loss: p 1/16
    winner, guard = chosen(probe, scratch, better)
    assert winner is better
    assert guard["checks"][0]["value"] == pytest.approx(1 / 16)
    # Four wins more, but with losses beside them, are chance again.
    assert chosen(probe, scratch, judged("b", {0, 30, 31}))[0] is probe


def test_where_scratch_beats_what_is_carried_over_that_is_said():
    probe, scratch = judged(PROBE, range(10)), judged(SCRATCH, range(2))
    winner, guard = chosen(probe, scratch)
    assert winner is scratch
    assert not guard["adapted"]
    assert not guard["checks"][-1]["passed"]
    winner, guard = chosen(probe, judged(SCRATCH, range(9)))  # one row better: chance, but it is said
    assert winner is probe
    assert guard["nothing_beats_scratch"]


# Real weights -----------------------------------------------------------------------------------------------------------


def test_hymenoptera_from_features_alone(tmp_path, monkeypatch, data_dir):
    """At least 0.93 on the 153 validation images, from the features of MobileNetV2."""
    zipped = data_dir("hymenoptera") / "hymenoptera_256.zip"
    file = data_dir("weights") / "mobilenetv2_100_imagenet_bncal_fp16.safetensors"
    monkeypatch.setenv("TRANSFERKIT_CACHE", str(tmp_path / "cache"))
    model = f"file:{file}?arch=timm:mobilenetv2_100&pad_type=same&mean=0.5&std=0.5"
    task = TransferTask(sources=[], target=str(zipped), model=model, methods=["feature_extraction"])
    facts = run(task, out=tmp_path / "r").facts
    assert facts["task"]["target"] == {"name": "hymenoptera_256", "n": 397, "n_known": 244, "n_held_back": 153}
    assert facts["verdict"]["expected"] >= 0.93
    assert facts["rule"]["certainty"] > 0.6
