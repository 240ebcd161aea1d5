"""The choice for a classification: ballots, the vote, moved shares, readings, and what of it goes to run.json."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

import transferkit
from transferkit import CORAL, Domain, SourceOnly, catalogue
from transferkit.pipeline.guard import classes as module
from transferkit.pipeline.guard.classes import ballots_of, by_evidence, vote_of
from transferkit.pipeline.guard.decide import Decision
from transferkit.pipeline.guard.measure import look, measure
from transferkit.pipeline.prepare import Prepared
from transferkit.pipeline.select import Candidate
from transferkit.pipeline.train import Trained

NAMES = np.array(["ash", "elm", "oak"])


def trained_of(name, model, k=1):
    card = catalogue.card_of(name)
    role = "baseline" if card.paradigm == "baseline" else "candidate"
    return Trained(Candidate(f"{name}-{k}", card, {}, LogisticRegression(), role), "fitted", "", model)


@cache
def world(shift=4.0):
    """Three classes that moved; five candidates, one of which could not be fitted."""
    rng = np.random.default_rng(0)
    centres = 4 * np.eye(3, 4)
    y = np.arange(90) % 3
    X, Xt = (centres[y] + rng.normal(size=(90, 4)) for _ in range(2))
    source, target = Domain(X, NAMES[y]), Domain(Xt * [1, 2, 1, 1] + shift)
    models = [SourceOnly(), CORAL(centre=True), CORAL(centre=True, reg=0.1), SourceOnly(LogisticRegression(C=0.01))]
    fitted = [m.fit(X, NAMES[y], target=target) for m in models]
    trained = [
        trained_of("source_only", fitted[0]), trained_of("coral", fitted[1]), trained_of("coral", fitted[2], 2),
        trained_of("source_only", fitted[3], 2), replace(trained_of("tca", None), status="failed", reason="singular"),
    ]  # fmt: skip
    return trained, Prepared.of_arrays(source, target), NAMES[y]


@cache
def choice_of(mode="nothing", named=None):
    trained, prepared, _ = world()
    return by_evidence(trained, trained[0], prepared, 0, mode, None, named)


def test_ballots_hold_what_every_fitted_model_says():
    trained, prepared, _ = world()
    fitted = [t for t in trained if t.model is not None]
    ballots = ballots_of(fitted, prepared, 0)
    assert ballots.probas.shape == (4, 90, 3)
    assert ballots.plain.tolist() == [0, 3]
    assert ballots.held.shape == (2, 90, 3)
    np.testing.assert_array_equal(ballots.probas[1], fitted[1].model.predict_proba(prepared.target.X))
    np.testing.assert_array_equal(NAMES[ballots.ys], prepared.source.y)
    # Held out: not what the fitted models say of rows they have seen.
    assert (ballots.held[0] != fitted[0].model.predict_proba(prepared.source.X)).any()


def test_the_vote_that_wins_is_the_vote_that_was_proposed(tmp_path):
    trained, prepared, truth = world()
    choice = choice_of()
    assert choice.guard["state"] == "adapt"
    assert choice.winner.candidate.id == "vote" == choice.guard["winner"]
    vote = choice.winner.model
    fitted = [t for t in trained if t.model is not None]
    ballots = ballots_of(fitted, prepared, 0)
    _, proposal = measure(ballots, look(ballots, 0))
    np.testing.assert_allclose(
        vote_of(fitted, proposal, 0.0).predict_proba(prepared.target.X), proposal.proba, atol=1e-12
    )
    assert np.abs(vote.predict_proba(prepared.target.X) - proposal.proba).max() <= 0.01
    assert (vote.predict(prepared.target.X) == truth).mean() > (
        trained[0].model.predict(prepared.target.X) == truth
    ).mean()
    assert choice.guard["weights"] == {t.candidate.id: pytest.approx(w) for t, w in zip(fitted, proposal.weights)}
    weights = list(choice.guard["weights"].values())
    assert weights == sorted(weights, reverse=True)
    loaded = transferkit.load(transferkit.save(vote, tmp_path / "m"))
    np.testing.assert_array_equal(loaded.predict_proba(prepared.target.X), vote.predict_proba(prepared.target.X))


def test_a_named_candidate_is_what_is_tested():
    choice = choice_of(named="coral-2")
    assert choice.guard["proposal"] == "coral-2"
    assert choice.proposal.candidate.id == "coral-2"


def test_a_named_candidate_that_could_not_be_fitted_is_not_adopted():
    choice = choice_of(named="tca-1")
    assert (choice.guard["state"], choice.guard["winner"]) == ("keep", "source_only-1")
    assert "could not be fitted" in choice.guard["reason"]
    assert choice.guard["disputed"]["n"] == 0


@pytest.mark.parametrize("state", ["adapt", "ambiguous"])
def test_moved_shares_give_the_labels_that_em_gives(monkeypatch, state):
    """Where only the shares moved, what is proposed is source-only with other priors, as a model of raw probabilities."""
    trained, prepared, _ = world()
    monkeypatch.setattr(module, "decide", lambda evidence, mode: Decision(state, "shares", []))
    choice = by_evidence(trained[:1], trained[0], prepared, 0, "nothing", None)
    assert choice.proposal.candidate.id == "moved_shares"
    assert choice.winner.candidate.id == ("moved_shares" if state == "adapt" else "source_only-1")
    ballots = ballots_of(trained[:1], prepared, 0)
    expected = look(ballots, 0).corrected.argmax(axis=1)
    np.testing.assert_array_equal(choice.proposal.model.predict(prepared.target.X), NAMES[expected])
    readings = choice.guard["readings"]
    if state == "ambiguous":
        assert [set(r) for r in readings] == [{"assumption", "then", "do"}] * 2
        assert "--assume label-shift" in readings[0]["do"]
    else:
        assert readings == []


def test_an_ambiguous_vote_has_two_readings_and_rows_to_label(monkeypatch):
    trained, prepared, _ = world()
    monkeypatch.setattr(module, "decide", lambda evidence, mode: Decision("ambiguous", "vote", []))
    choice = by_evidence(trained, trained[0], prepared, 0, "nothing", None)
    assert choice.winner is trained[0]
    assert "--assume same-priors" in choice.guard["readings"][0]["do"]
    assert f"{100 * choice.guard['evidence']['surplus']:.0f} %" in choice.guard["readings"][0]["then"]
    disputed = choice.guard["disputed"]
    assert len(disputed["label_next"]) == disputed["n"] > 0


def test_a_class_with_one_row_is_not_held_out():
    _, prepared, _ = world()
    y = np.asarray(prepared.source.y).copy()
    y[0] = "yew"
    rare = replace(prepared, source=Domain(prepared.source.X, y))
    model = SourceOnly().fit(rare.source.X, y, target=prepared.target)
    ballots = ballots_of([trained_of("source_only", model)], rare, 0)
    np.testing.assert_array_equal(ballots.held[0], model.predict_proba(rare.source.X))
