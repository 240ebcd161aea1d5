"""The vote: a weighted mean of members, one model to save, refit, prune and serve."""

import hashlib
import os

import numpy as np
import polars as pl
import pytest
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from typer.testing import CliRunner

import shifts
import transferkit
from transferkit import BBSE, CORAL, TCA, Domain, DomainError, PairedShots, ParamError, SourceOnly, TransferPipeline
from transferkit.cli.app import app
from transferkit.core.vote import Vote, class_probabilities
from transferkit.data.encode import TableEncoder

DATA = shifts.moved(0, n=60)
Y = np.array(["ash", "elm", "oak"])[DATA.y]
TARGET = Domain(DATA.Xt)


def fitted():
    scaled = TransferPipeline([("scale", StandardScaler())], CORAL(), fit_on="each")
    models = [
        *(
            m.fit(DATA.X, Y, target=TARGET)
            for m in (SourceOnly(), CORAL(centre=True), TCA(n_components=3), BBSE(), scaled)
        ),
        SourceOnly(LinearSVC()).fit(DATA.X, Y, target=TARGET),
        make_pipeline(StandardScaler(), LogisticRegression()).fit(DATA.X, Y),
        KNeighborsClassifier(1).fit(DATA.X, Y),
    ]
    names = ["source_only", "coral", "tca", "bbse", "scaled", "svm", "plain", "near"]
    return models, np.arange(1.0, 9.0), names


def test_it_is_the_weighted_mean_of_its_members():
    models, weights, names = fitted()
    vote = Vote(models, weights, names)
    parts = [
        m.predict_proba(DATA.Xt)
        if hasattr(m, "predict_proba")
        else (m.predict(DATA.Xt)[:, None] == vote.classes_).astype(float)
        for m in models
    ]
    proba = vote.predict_proba(DATA.Xt)
    np.testing.assert_allclose(proba, np.average(parts, axis=0, weights=weights), atol=1e-14)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    np.testing.assert_array_equal(vote.predict(DATA.Xt), vote.classes_[proba.argmax(axis=1)])
    np.testing.assert_array_equal(Vote(models, 7 * weights).predict(DATA.Xt), vote.predict(DATA.Xt))
    assert vote.score(DATA.Xt, Y) == (vote.predict(DATA.Xt) == Y).mean()
    assert is_classifier(vote)
    assert vote.names_ == names
    assert Vote(models).names_[:2] == ["0", "1"]


def test_numbers_are_averaged():
    y = DATA.X @ np.arange(6.0) + 0.5
    models = [Ridge(a).fit(DATA.X, y) for a in (0.1, 10)]
    vote = Vote(models, (1, 3))
    expected = 0.25 * models[0].predict(DATA.Xt) + 0.75 * models[1].predict(DATA.Xt)
    np.testing.assert_allclose(vote.predict(DATA.Xt), expected, rtol=1e-14)
    assert not hasattr(vote, "predict_proba")
    assert not hasattr(vote, "classes_")
    assert is_regressor(vote)
    assert vote.score(DATA.X, y) > 0.9


def test_a_member_that_knows_fewer_classes_is_aligned():
    some = Y != "elm"
    few, all_ = LogisticRegression().fit(DATA.X[some], Y[some]), LogisticRegression().fit(DATA.X, Y)
    vote = Vote([few, all_])
    assert vote.classes_.tolist() == ["ash", "elm", "oak"]
    proba = vote.predict_proba(DATA.X)
    np.testing.assert_allclose(
        proba[:, [0, 2]], (few.predict_proba(DATA.X) + all_.predict_proba(DATA.X)[:, [0, 2]]) / 2
    )
    np.testing.assert_allclose(proba[:, 1], all_.predict_proba(DATA.X)[:, 1] / 2)


def test_what_members_share_in_front_is_done_once():
    class Counting(StandardScaler):
        calls = 0

        def transform(self, X, copy=None):
            type(self).calls += 1
            return super().transform(X, copy)

    front = Pipeline([("scale", Counting().fit(DATA.X))])
    Z = front.transform(DATA.X)
    parts = [CORAL().fit(Z, Y, target=Domain(Z + 1)), SourceOnly().fit(Z, Y, target=Domain(Z))]
    vote = Vote([TransferPipeline.from_fitted(front, m) for m in parts])
    Counting.calls = 0
    proba = vote.predict_proba(DATA.Xt)
    assert Counting.calls == 1
    np.testing.assert_array_equal(proba, Vote(parts).predict_proba(front.transform(DATA.Xt)))


def test_saved_and_loaded_it_gives_the_same_bits(tmp_path):
    models, weights, names = fitted()
    vote = Vote([*models, Vote(models[:2])], [*weights, 2.5], [*names, "inner"])
    folder = transferkit.save(vote, tmp_path / "m")
    loaded = transferkit.load(folder)
    assert type(loaded) is Vote
    assert loaded.names_ == [*names, "inner"]
    np.testing.assert_array_equal(loaded.predict_proba(DATA.Xt), vote.predict_proba(DATA.Xt))
    np.testing.assert_array_equal(loaded.predict(DATA.Xt), vote.predict(DATA.Xt))


def test_saved_twice_it_has_the_same_sums(tmp_path):
    models, weights, names = fitted()
    vote = Vote(models[:7], weights[:7], names[:7])

    def sums(folder):
        return {p: hashlib.sha256((folder / p).read_bytes()).hexdigest() for p in sorted(os.listdir(folder))}

    first, again = transferkit.save(vote, tmp_path / "a"), transferkit.save(vote, tmp_path / "b")
    assert sums(first) == sums(again) == sums(transferkit.save(transferkit.load(first), tmp_path / "c"))


def test_a_shared_transformer_is_saved_once_and_shared_again(tmp_path):
    front = Pipeline([("scale", StandardScaler().fit(DATA.X))])
    Z = front.transform(DATA.X)
    models = [TransferPipeline.from_fitted(front, m.fit(Z, Y, target=Domain(Z))) for m in (CORAL(), SourceOnly())]
    folder = transferkit.save(Vote(models), tmp_path / "m")
    assert len([p for p in folder.iterdir() if "transformer_" in p.name]) == 1
    a, b = transferkit.load(folder).models
    assert a.transformer_ is b.transformer_ is a.source_transformer_


def test_it_is_the_method_of_a_pipeline_and_of_the_command_line(tmp_path):
    frame = pl.DataFrame({"size": DATA.X[:, 0], "kind": Y, "more": DATA.X[:, 1]})
    front = Pipeline([("encode", TableEncoder().fit(frame, target=Domain(frame)))])
    Z = front.transform(frame)
    vote = Vote([m.fit(Z, Y, target=Domain(Z)) for m in (SourceOnly(), CORAL())], [2, 1], ["a", "b"])
    model = TransferPipeline.from_fitted(front, vote)
    transferkit.save(model, tmp_path / "m")
    frame.write_csv(tmp_path / "rows.csv")
    done = CliRunner().invoke(
        app, ["predict", str(tmp_path / "m"), str(tmp_path / "rows.csv"), "-o", str(tmp_path / "out.csv")]
    )
    assert done.exit_code == 0, done.output
    out = pl.read_csv(tmp_path / "out.csv")
    assert out.columns == ["prediction", "probability_ash", "probability_elm", "probability_oak"]
    assert out["prediction"].to_list() == model.predict(frame).tolist()
    np.testing.assert_allclose(out.drop("prediction").to_numpy(), vote.predict_proba(Z), atol=1e-6)


def test_pruned_bounds_what_changes():
    models, _, names = fitted()
    vote = Vote(models, [30, 20, 20, 15, 10, 3, 2, 0], names)
    assert vote.pruned(0).names_ == names[:-1]
    assert vote.pruned(0.019).names_ == names[:-1]
    small = vote.pruned(0.05)
    assert small.names_ == names[:5]
    np.testing.assert_allclose(small.shares_, np.array([30, 20, 20, 15, 10]) / 95)
    before, after = vote.predict_proba(DATA.Xt), small.predict_proba(DATA.Xt)
    assert (np.abs(before - after).sum(axis=1) / 2).max() <= 0.05
    top = np.sort(before, axis=1)
    sure = top[:, -1] - top[:, -2] > 0.1
    assert (vote.predict(DATA.Xt) == small.predict(DATA.Xt))[sure].all()
    assert vote.pruned(0.999).names_ == names[:1]


def test_fit_refits_every_member_so_that_a_vote_can_be_judged():
    target = DATA.target(shots=12)
    anchor = SourceOnly().fit(DATA.X, DATA.y, target=target)
    given = [CORAL(centre=True).fit(DATA.X, DATA.y, target=target), LogisticRegression().fit(DATA.X, DATA.y)]
    vote = Vote(given, [3, 1])
    before = given[0].predict_proba(DATA.Xt)
    again = clone(vote).fit(DATA.X, DATA.y, target=target)
    np.testing.assert_array_equal(again.predict_proba(DATA.Xt), vote.predict_proba(DATA.Xt))
    np.testing.assert_array_equal(given[0].predict_proba(DATA.Xt), before)
    assert again.models_[0] is not again.models[0]
    assert len(again.pruned(0.3).models_) == 1
    source = Domain(DATA.X, DATA.y)
    assert PairedShots(anchor, random_state=0).score(vote, source, target) > 0


M = LogisticRegression().fit(DATA.X, Y)
REGRESSOR = Ridge().fit(DATA.X, DATA.X[:, 0])


@pytest.mark.parametrize(
    ("vote", "says"),
    [
        (Vote(), "Vote.predict: models must be a sequence of at least one"),
        (Vote(M), "Vote.predict: models must be a sequence"),
        (Vote([M, 3]), "Vote.predict: models must be a sequence"),
        (Vote([M, M], [1]), r"Vote.predict: weights must be one a model \(2\). Got 1"),
        (Vote([M, M], [1, -1]), "Vote.predict: weights must be None, or be finite numbers >= 0"),
        (Vote([M, M], [0, 0]), "Vote.predict: weights must be None, or be finite"),
        (Vote([M, M], [1, np.nan]), "Vote.predict: weights must be None, or be finite"),
        (Vote([M, M], "ab"), "Vote.predict: weights must be None, or be finite"),
        (Vote([M, M], None, ["a"]), r"Vote.predict: names must be one a model \(2\). Got 1"),
        (Vote([M, M], None, ["a", "a"]), "Vote.predict: names must be None, or be different texts"),
        (
            Vote([M, REGRESSOR], None, ["a", "b"]),
            "Vote.predict: models must all be classifiers.*'a' with and 'b' without",
        ),
        (Vote([M, LogisticRegression().fit(DATA.X, DATA.y)]), "Vote: models must have classes of one type"),
    ],
)
def test_errors_name_the_argument(vote, says):
    with pytest.raises(ParamError, match=says):
        vote.predict(DATA.X)


def test_errors_of_the_methods_name_the_argument():
    class Fixed:
        def predict(self, X):
            return np.full(len(X), "yew")

    with pytest.raises(ParamError, match=r"Vote.pruned: max_loss must be a number in \[0, 1\).*Got 1"):
        Vote([M]).pruned(1)
    with pytest.raises(ParamError, match=r"Vote.fit: models must have fit and get_params. Got '0', Fixed"):
        Vote([Fixed()]).fit(DATA.X, Y, target=TARGET)
    with pytest.raises(DomainError, match=r"Vote.fit: target must be a Domain"):
        Vote([M]).fit(DATA.X, Y, target=DATA.Xt)
    with pytest.raises(DomainError, match=r"Fixed: a candidate must predict classes of the source.*yew"):
        class_probabilities(Fixed(), DATA.X, np.array(["elm", "oak"]))


FACTORS = np.array([[1.0, 2.0, 0.5], [3.0, 1.0, 1.0], [0.2, 1.0, 4.0]])


def with_factors(max_members=3):
    models, weights, names = fitted()
    return Vote(models[:max_members], weights[:max_members], names[:max_members], FACTORS[:max_members])


def test_factors_move_each_member_before_the_mean():
    vote = with_factors()
    expected = 0.0
    for share, model, own in zip(vote.shares_, vote.models, FACTORS):
        proba = np.clip(model.predict_proba(DATA.Xt), 1e-6, None) * own
        expected = expected + share * proba / proba.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(vote.predict_proba(DATA.Xt), expected, atol=1e-14)
    np.testing.assert_array_equal(vote.predict(DATA.Xt), vote.classes_[expected.argmax(axis=1)])
    np.testing.assert_allclose(vote.predict_proba(DATA.Xt).sum(axis=1), 1)


def test_factors_of_one_change_nothing_but_rounding():
    models, weights, names = fitted()
    plain, ones = Vote(models, weights, names), Vote(models, weights, names, np.ones((8, 3)))
    np.testing.assert_allclose(ones.predict_proba(DATA.Xt), plain.predict_proba(DATA.Xt), atol=1e-5)


def test_factors_are_saved_pruned_and_refitted_with(tmp_path):
    vote = with_factors()
    loaded = transferkit.load(transferkit.save(vote, tmp_path / "m"))
    np.testing.assert_array_equal(loaded.factors, FACTORS)
    np.testing.assert_array_equal(loaded.predict_proba(DATA.Xt), vote.predict_proba(DATA.Xt))
    # The lightest member has a share of 1/6: its factors go with it.
    small = vote.pruned(0.2)
    np.testing.assert_array_equal(small.factors, FACTORS[1:])
    assert np.abs(small.predict_proba(DATA.Xt) - vote.predict_proba(DATA.Xt)).max() <= 0.2
    again = clone(vote).fit(DATA.X, Y, target=TARGET)
    np.testing.assert_allclose(again.predict_proba(DATA.Xt), vote.predict_proba(DATA.Xt), atol=1e-8)


@pytest.mark.parametrize(
    ("factors", "says"),
    [
        (np.ones(3), "factors must be None, or be a table of finite numbers > 0"),
        (np.zeros((3, 3)), "factors must be None, or be a table of finite numbers > 0"),
        (np.full((3, 3), np.nan), "factors must be None, or be a table of finite numbers > 0"),
        ([["a"]], "factors must be None, or be a table of finite numbers > 0"),
        (np.ones((2, 3)), r"factors must be one a model \(3\)\. Got 2"),
        (np.ones((3, 2)), r"Vote\.predict_proba: factors must have 3 columns\. Got 2"),
    ],
)
def test_factors_that_do_not_fit_are_named(factors, says):
    models, weights, names = fitted()
    with pytest.raises(ParamError, match=says):
        Vote(models[:3], weights[:3], names[:3], factors).predict_proba(DATA.Xt)


def test_numbers_take_no_factors():
    vote = Vote([REGRESSOR, REGRESSOR], factors=np.ones((2, 1)))
    with pytest.raises(ParamError, match=r"Vote\.predict: factors must be None for regressors"):
        vote.predict(DATA.Xt)
