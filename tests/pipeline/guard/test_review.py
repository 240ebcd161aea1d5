"""Class names as people write them, assumptions that have no part in the choice, labels that come in several goes."""

import csv
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from transferkit import DataError, Domain, DomainError, ParamError, SourceOnly, TransferTask, catalogue, run
from transferkit.cli.run import _pairs
from transferkit.pipeline.guard import check_labels, merge_labels, settle
from transferkit.pipeline.guard.choice import Choice
from transferkit.pipeline.guard.classes import by_evidence
from transferkit.pipeline.guard.decide import LIMITS, decide
from transferkit.pipeline.guard.disputed import disputed_facts
from transferkit.pipeline.guard.measure import Evidence
from transferkit.pipeline.prepare import Prepared
from transferkit.pipeline.select import Candidate
from transferkit.pipeline.task import class_of
from transferkit.pipeline.train import Trained


def world(n=120, shift=5.0):
    rng = np.random.default_rng(0)
    y = np.arange(n) % 3
    X, Xt = (4 * np.eye(3, 4)[y] + rng.normal(size=(n, 4)) for _ in range(2))
    return X, y, Xt + np.array([shift, 0, 0, 0]), y


def task_of(y_as=None, **options):
    X, y, Xt, yt = world()
    y = y if y_as is None else y_as(y)
    options = {"jobs": 1, "methods": ["coral", "domain_scaling"], **options}
    target = Domain(Xt, yt if y_as is None else y_as(yt), name="clinic")
    return TransferTask(sources=[Domain(X, y, name="lab")], target=target, **options)


# --- class names as people write them


@pytest.mark.parametrize(
    ("text", "classes", "found"),
    [
        ("1", [0.0, 1.0], 1.0), ("1.0", [0, 1], 1), ("TRUE", [False, True], True), ("a", [" a", "b"], " a"),
        ("unicorn", [0, 1], None), ("unicorn", ["a"], None), ("1", [False, True], None),
    ],
)  # fmt: skip
def test_a_class_is_found_by_what_people_write(text, classes, found):
    assert class_of(text, classes) == found
    assert type(class_of(text, classes)) is type(found)


def test_shares_and_labels_are_read_alike():
    task = task_of(target_shares={0: 0.2, 1: 0.3, 2: 0.5})
    assert task.shares_of(np.array([0.0, 1.0, 2.0])) == {0.0: 0.2, 1.0: 0.3, 2.0: 0.5}
    prepared = Prepared.of_arrays(Domain(np.zeros((4, 1)), np.array([0.0, 1.0, 0.0, 1.0])), Domain(np.zeros((3, 1))))
    assert check_labels({2: "1"}, prepared) == {"1": 1.0}


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("a=0.3, b = .7", ["a=0.3", "b = .7"]), ("a=1=.3,b,c=.7", ["a=1=.3", "b,c=.7"]), ("nonsense", ["nonsense"]),
    ],
)  # fmt: skip
def test_a_class_may_hold_a_comma_or_an_equals_sign(text, pairs):
    assert _pairs(text) == pairs


def test_shares_are_written_down_exactly():
    """A run that resumes from its file must have the very shares it began with."""
    asked = {"a": 1 / 3, "b": 2 / 3}
    kept = task_of(target_shares=task_of(target_shares=asked).options["target_shares"])
    assert kept.shares_of(np.array(["a", "b"])) == task_of(target_shares=asked).shares_of(np.array(["a", "b"]))


def test_a_class_that_is_named_twice_is_refused():
    with pytest.raises(ParamError, match="each once"):
        task_of(target_shares=["a=.3", "a=.3", "b=.7"])


def test_classes_that_are_no_whole_numbers_are_refused_in_our_words():
    with pytest.raises(DomainError, match=r"whole numbers or texts.*0\.5"):
        run(task_of(lambda y: y + 0.5, kind="classification"))


def test_a_line_without_a_row_is_named(tmp_path):
    (tmp_path / "short.csv").write_text("label,row\nx\n")
    with pytest.raises(DataError, match="line 2: row must be"):
        merge_labels([tmp_path / "short.csv"], 5)


# --- what the choice would not heed


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"assume": "same-priors", "y_as": lambda y: y + 0.5}, "assume must be left out of a regression"),
        ({"assume": "same-priors", "target_labels": "few", "shots": 3}, "known labels; --target-labels none"),
        ({"target_shares": {"x": 0.5, "y": 0.5}}, "must name the source's classes, 0, 1, 2. Got x, y"),
    ],
)
def test_an_assumption_without_a_part_in_the_choice_is_refused_before_the_work(tmp_path, options, match):
    with pytest.raises(ParamError, match=match):
        run(task_of(**options), out=tmp_path / "r")
    assert not (tmp_path / "r").exists()


def test_a_model_as_source_takes_no_assumption():
    with pytest.raises(ParamError, match="assume must be left out"):
        TransferTask(sources=[], target="photos", model="auto", assume="same-priors")


# --- given shares


def evidence_of(**found):
    return Evidence(**{
        "n_target": 500, "n_classes": 3, "auc": 0.5, "auc_p": 0.001, "auc_plain": 0.7, "surplus": 0.1, "surplus_after": 0.0,
        "disputed": 0.1, "lead": 0.1, "cluster_gain": 0.0, "cluster_steady": 0.5, "spread": 0.9, "moved": 0.4, **found,
    })  # fmt: skip


def test_given_shares_are_followed_where_nothing_else_moved():
    decision = decide(evidence_of(told=0.3), "target-shares")
    assert (decision.state, decision.branch) == ("adapt", "vote")
    assert decision.checks[0]["passed"]
    assert "30 %" in decision.checks[0]["says"]
    for other in (evidence_of(told=LIMITS.told - 0.01), evidence_of(told=0.3, disputed=0.0)):
        assert decide(other, "target-shares").state == "keep"
    assert decide(evidence_of(told=0.3), "same-priors").state == "keep"


def trained_of(name, model):
    return Trained(Candidate(f"{name}-1", catalogue.card_of(name), {}, None, "candidate"), "fitted", "", model)


def three():
    X, y, Xt, _ = world(shift=0.0)
    source, target = Domain(X, y), Domain(Xt)
    models = {"source_only": SourceOnly(), **{n: catalogue.load(n)() for n in ("coral", "domain_scaling")}}
    trained = [trained_of(name, m.fit(X, y, target=target)) for name, m in models.items()]
    trained[0] = replace(trained[0], candidate=replace(trained[0].candidate, estimator=trained[0].model.estimator_))
    return trained, Prepared.of_arrays(source, target)


def test_an_expectation_is_given_for_what_it_was_fitted_on_only():
    trained, prepared = three()
    usual, named, given = (
        by_evidence(trained, trained[0], prepared, 0, mode, shares, name).expected
        for mode, shares, name in (
            ("same-priors", None, None),
            ("same-priors", None, "coral-1"),
            ("target-shares", {0: 0.4, 1: 0.3, 2: 0.3}, None),
        )
    )
    assert set(usual) == {"source_only-1", "vote"}
    # Source-only's does not depend on what stands against it.
    assert named == given == {"source_only-1": usual["source_only-1"]}


def test_candidates_that_the_expectation_has_never_seen_have_no_part_in_it():
    trained, prepared = three()
    card = catalogue.card_of("dann")
    network = Trained(Candidate("dann-1", card, {}, None, "candidate"), "fitted", "", trained[1].model)
    usual = by_evidence(trained, trained[0], prepared, 0, "same-priors", None)
    mixed = by_evidence([*trained, network], trained[0], prepared, 0, "same-priors", None)
    assert mixed.expected == {"source_only-1": usual.expected["source_only-1"]}
    assert "1 of other kinds" in mixed.guard["expected_from"]
    assert "3 candidates" in usual.guard["expected_from"]


# --- labels that come in several goes


class Says:
    """A model that says one class a row, whatever the row."""

    def __init__(self, labels):
        self.classes_, self.labels = np.array(["a", "b"]), np.asarray(labels)

    def predict(self, X):
        return self.classes_[self.labels]

    def predict_proba(self, X):
        return np.eye(2)[self.labels]


def pair(n_disputed, n=20):
    """Source-only says a, the proposal b on the first rows."""
    anchor, proposal = Says(np.zeros(n, int)), Says((np.arange(n) < n_disputed).astype(int))
    prepared = Prepared.of_arrays(Domain(np.zeros((4, 1)), np.array(["a", "b"] * 2)), Domain(np.zeros((n, 1))))
    disputed = disputed_facts(anchor.predict_proba(0), proposal.predict_proba(0), anchor.classes_, prepared, 0, 0.1)
    guard = {
        "selector": "evidence", "rule": "", "checks": [], "adapted": False, "state": "ambiguous", "disputed": disputed,
    }  # fmt: skip
    first, second = (
        Trained(SimpleNamespace(id=name), "fitted", "", m)
        for name, m in (("source_only-1", anchor), ("vote", proposal))
    )
    return Choice(first, second, {}, guard), first, prepared


def test_asking_goes_on_where_it_stopped():
    choice, anchor, prepared = pair(16)
    order = [r["row"] for r in choice.guard["disputed"]["label_next"]]
    after = settle(choice, anchor, prepared, {order[0]: "a", order[1]: "b"}, seed=0)
    assert after.guard["labels"]["settled"] == "open"
    assert "; of 2 labelled rows in dispute the proposal is right on" in after.guard["reason"]
    assert [r["row"] for r in after.guard["disputed"]["label_next"]] == order[2:]


def test_once_it_is_settled_nothing_is_asked():
    choice, anchor, prepared = pair(16)
    order = [r["row"] for r in choice.guard["disputed"]["label_next"]]
    after = settle(choice, anchor, prepared, dict.fromkeys(order[:6], "b"), seed=0)
    assert (after.guard["state"], after.guard["disputed"]["label_next"]) == ("adapt", [])


@pytest.mark.parametrize(("label", "state"), [("b", "adapt"), ("a", "keep")])
def test_labels_of_all_rows_in_dispute_settle_it(label, state):
    """Three wins are no proof by any test, but there is no fourth row that could turn them."""
    choice, anchor, prepared = pair(3)
    assert settle(choice, anchor, prepared, {0: label}, seed=0).guard["labels"]["settled"] == "open"
    assert settle(choice, anchor, prepared, {0: label, 1: label, 2: label}, seed=0).guard["state"] == state


def test_labels_test_the_proposal_they_were_asked_for(tmp_path):
    """A budget cut candidates off; were they fitted now, the vote would be another one than that whose rows were drawn."""
    folder = tmp_path / "r"
    before = run(task_of(budget=1e-3), out=folder).facts
    cut = [c["id"] for c in before["candidates"] if c["status"] == "skipped"]
    assert cut
    asked = list(csv.DictReader((folder / "label_next.csv").read_text().splitlines()))
    (tmp_path / "given.csv").write_text(f"row,label\n{asked[0]['row']},{asked[0]['proposal']}\n")
    after = run(task_of(budget=600.0), out=folder, resume=True, labels=tmp_path / "given.csv").facts
    assert [c["id"] for c in after["candidates"] if c["status"] == "skipped"] == cut
    assert after["guard"]["weights"] == before["guard"]["weights"]
    left = list(csv.DictReader((folder / "label_next.csv").read_text().splitlines()))
    assert [r["row"] for r in left][: len(asked) - 1] == [r["row"] for r in asked[1:]]
    assert any("earlier labels are kept" in step for step in after["next_steps"])
    (folder / "run.json").unlink()
    with pytest.raises(DataError, match="a run that is done"):
        run(task_of(budget=600.0), out=folder, resume=True, labels=tmp_path / "given.csv")
