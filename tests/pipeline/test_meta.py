"""Meta-learning from files: what is held out, the baseline on the same tasks, adapting to a support, errors."""

import json

import numpy as np
import polars as pl
import pytest

import transferkit
from transferkit import DataError, Domain, DomainError, ParamError, TrainingError
from transferkit.core.task_pipelines import MetaPipeline
from transferkit.pipeline.meta import learn_to_learn

pytest.importorskip("torch")

QUICK = {"shots": 2, "epochs": 1, "n_tests": 20, "params": {"n_episodes": 8}}


@pytest.fixture
def letters(tmp_path):
    """Eight letters of twelve rows, and one of two."""
    rng = np.random.default_rng(0)
    y = np.r_[np.repeat(np.arange(8), 12), 8, 8]
    X = 4 * rng.normal(size=(9, 3))[y] + 0.3 * rng.normal(size=(len(y), 3))
    frame = pl.DataFrame({"x": X[:, 0], "y": X[:, 1], "z": X[:, 2], "letter": np.array(list("abcdefghi"))[y]})
    frame.write_csv(tmp_path / "letters.csv")
    return str(tmp_path / "letters.csv")


@pytest.fixture
def seasons(tmp_path):
    """Four tables of one straight line each."""
    rng = np.random.default_rng(0)
    for name in ("spring", "summer", "autumn", "winter"):
        x = rng.normal(size=(20, 1))
        frame = pl.DataFrame({"x": x[:, 0], "growth": 2 * x[:, 0] + rng.normal() + 0.01})
        frame.write_csv(tmp_path / f"{name}.csv")
    return [str(tmp_path / f"{name}.csv") for name in ("spring", "summer", "autumn", "winter")]


def test_classes_are_held_out(letters, tmp_path):
    given = {**QUICK, "label": "letter", "params": {"n_way": 3, "n_episodes": 8}}
    facts = learn_to_learn("prototypical_networks", [letters], tmp_path / "run", **given)
    assert json.loads((tmp_path / "run/meta.json").read_text()) == facts
    assert (facts["by"], facts["n_way"], facts["k_shot"], facts["n_query"]) == ("classes", 3, 2, 10)
    assert len(facts["held_out"]) == 3
    assert set(facts["held_out"]) < set("abcdefgh")  # the small one is of no use
    assert facts["tests"] == 20
    assert 0.34 < facts["mean"] <= 1
    assert facts["baseline"]["name"] == "logistic regression"
    assert facts["difference"]["mean"] == pytest.approx(facts["mean"] - facts["baseline"]["mean"], abs=1e-5)
    assert facts["verdict"] in ("better", "worse", "not told apart")
    assert [point["shots"] for point in facts["by_shots"]] == [1, 2]  # five and the queries are more than a class has
    assert facts["by_shots"][1]["mean"] == facts["mean"]
    assert [b["name"] for b in facts["by_shots"][0]["baselines"]] == ["logistic regression", "nearest mean"]
    assert {h["name"] for h in facts["hard"]} == set(facts["held_out"])
    assert {h["tests"] for h in facts["hard"]} == {20}  # all three classes are in every task
    assert facts["hard"][0]["mean"] == facts["mean"]
    assert "<h1" in (tmp_path / "run/report.html").read_text()
    model = transferkit.load(tmp_path / "run/model")
    assert isinstance(model, MetaPipeline)
    rows = pl.read_csv(letters).filter(pl.col("letter").is_in(facts["held_out"]))
    some = rows.group_by("letter", maintain_order=True).head(2)
    predictor = model.adapt(Domain(some.drop("letter"), some["letter"].to_numpy().astype(str)))
    assert predictor.predict(rows.drop("letter")).shape == (len(rows),)
    assert learn_to_learn("prototypical_networks", [letters], tmp_path / "again", **given) == facts


def test_the_baseline_learns_the_very_same_tasks(letters, tmp_path, monkeypatch):
    from transferkit.engine.meta.episodes import Episodes

    drawn = []
    rows_of = Episodes._rows_of

    def record(self, units, rng):
        found = rows_of(self, units, rng)
        drawn.append((self.seed, np.stack([np.asarray(r) for r in found[0]])))
        return found

    monkeypatch.setattr(Episodes, "_rows_of", record)
    given = {**QUICK, "n_tests": 5, "label": "letter", "params": {"n_way": 3, "n_episodes": 8}}
    learn_to_learn("prototypical_networks", [letters], tmp_path / "run", seed=4, **given)
    tests = [rows for seed, rows in drawn if seed == 5][-20:]
    assert len(tests) == 20
    for two, size in ((tests[:10], 3 * (2 + 10)), (tests[10:], 3 * (1 + 10))):  # then with one label a class
        np.testing.assert_array_equal(two[:5], two[5:])
        assert len(two[0]) == size


def test_a_domain_is_held_out_and_the_support_adapted_to(seasons, tmp_path):
    given = {**QUICK, "label": "growth", "support": seasons[3]}
    given["params"] = {"n_episodes": 8, "inner_lr": 0.01}
    facts = learn_to_learn("maml", seasons[:3], tmp_path / "run", **given)
    assert (facts["by"], facts["n_way"], facts["n_query"], facts["saved"]) == ("domains", None, 15, "predictor")
    assert len(facts["held_out"]) == 1
    assert facts["held_out"][0] in facts["domains"] == ["spring", "summer", "autumn"]
    assert (facts["metric"], facts["baseline"]["name"]) == ("squared error", "ridge regression")
    assert facts["support"] == {"name": "winter", "rows": 20}
    assert [(h["name"], h["tests"], h["mean"]) for h in facts["hard"]] == [(facts["held_out"][0], 20, facts["mean"])]
    predictor = transferkit.load(tmp_path / "run/model")
    assert np.isfinite(predictor.predict(pl.read_csv(seasons[3]).drop("growth"))).all()


def test_what_does_not_fit(letters, seasons, tmp_path):
    def refused(error, words, method="prototypical_networks", sources=(letters,), **options):
        with pytest.raises(error, match=words):
            learn_to_learn(method, sources, tmp_path / "run", **{"label": "letter", **QUICK, **options})
        assert not (tmp_path / "run").exists()

    refused(ParamError, "'coral' follows Transfer", method="coral")
    refused(ParamError, "has the parameters .* Got 'ways'", params={"ways": 3})
    refused(ParamError, "by must be auto, classes or domains. Got 'files'", by="files")
    refused(ParamError, "n_tests must be a whole number of 2 or more. Got 1", n_tests=1)
    refused(ParamError, r"share must be a number in \(0, 1\)", share=0.0)
    refused(DomainError, r"must have 10 classes of 12 rows for tasks of 5 \(n_way\), half of them held out. Got 8")
    refused(DomainError, "at least two files where a task is a domain. Got 1", by="domains")
    refused(DomainError, "requires|must", sources=seasons[:3], label="growth")  # classes only
    refused(DataError, "roof", label="roof")
    far = {"n_episodes": 8, "inner_lr": 1e6}
    refused(TrainingError, "finite", "maml", seasons[:3], label="growth", params=far)


def test_images_without_a_named_model_have_no_baseline(tmp_path):
    Image = pytest.importorskip("PIL.Image")
    for k in range(16):
        (tmp_path / "images" / "abcd"[k % 4]).mkdir(parents=True, exist_ok=True)
        pixels = np.full((16, 16, 3), 15 * k, dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / "abcd"[k % 4] / f"{k}.png")
    given = {**QUICK, "n_tests": 2, "params": {"n_way": 2, "n_episodes": 1}}
    facts = learn_to_learn("prototypical_networks", [str(tmp_path / "images")], tmp_path / "run", **given)
    assert [facts[key] for key in ("baseline", "difference", "verdict")] == [None] * 3
    assert not isinstance(transferkit.load(tmp_path / "run/model"), MetaPipeline)
