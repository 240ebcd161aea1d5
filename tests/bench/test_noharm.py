"""The no-harm benchmark: its tasks, its records, limits derived without the group they are judged on."""

from __future__ import annotations

import io
from dataclasses import asdict, replace

import numpy as np
import pytest
from rich.console import Console

from transferkit.bench import noharm
from transferkit.bench.noharm import asked, refits, rules, summary
from transferkit.bench.noharm.answers import Answers
from transferkit.bench.noharm.judge import judge
from transferkit.bench.noharm.record import fit_task, read_record
from transferkit.bench.noharm.render import render
from transferkit.bench.noharm.summary import line
from transferkit.bench.noharm.tasks import tasks
from transferkit.core.errors import DomainError, ParamError
from transferkit.pipeline.guard.decide import LIMITS
from transferkit.pipeline.guard.measure import Evidence

QUIET = Evidence(
    n_target=100, n_classes=3, auc=0.9, auc_p=0.001, auc_plain=0.9, surplus=0.0, surplus_after=0.0, disputed=0.3, lead=0.2,
    cluster_gain=0.0, cluster_steady=0.5, spread=1.0, moved=0.0,
)  # fmt: skip


def row(group: str, gain: float, **evidence: float) -> dict:
    found = asdict(replace(QUIET, **evidence))
    return {"group": group, "anchor": 0.5, "vote": 0.5 + gain, "vote_given": 0.5 + gain, "shares_moved": 0.5, "evidence": found,
            "evidence_given": found}  # fmt: skip


def test_tasks_are_many_and_each_has_a_name_of_its_own() -> None:
    every = list(tasks())
    assert len({t.name for t in every}) == len(every) >= 250
    assert {t.n for t in every} == {1000, 250}
    assert {t.kind for t in every} == {"domains", "halves", "other shares", "domains, other shares", "biased sample"}


def test_a_task_is_drawn_from_its_name_alone() -> None:
    task = next(t for t in tasks() if t.name == "scans: halves of clean, other shares, 250")
    one, two = task.load(), task.load()
    assert all(np.array_equal(a, b) for a, b in zip(one, two))
    Xs, ys, Xt, yt = one
    assert Xs.shape[1] == Xt.shape[1] <= 200
    assert len(Xs) == len(ys)
    assert len(Xt) == len(yt)
    assert set(yt.tolist()) <= set(ys.tolist())
    rows = {r.tobytes() for r in Xs}
    assert not any(r.tobytes() in rows for r in Xt)  # halves share no row


def test_a_record_holds_what_the_candidates_say_and_is_not_made_twice(tmp_path) -> None:
    task = next(t for t in tasks() if t.name == "tables: wine, biased sample 0")
    path = fit_task(task, tmp_path)
    made = path.stat().st_mtime_ns
    assert fit_task(task, tmp_path) == path
    assert path.stat().st_mtime_ns == made
    record = read_record(path)
    facts = record.facts
    assert facts["ids"][0] == "source_only-1"
    assert "vote" not in facts["ids"]
    np.testing.assert_allclose(record.probas.sum(axis=2), 1, atol=1e-4)
    assert facts["accuracy"][0] == pytest.approx((record.probas[0].argmax(axis=1) == record.yt).mean(), abs=1e-5)
    found = judge(path)
    assert found["anchor"] == facts["accuracy"][0]
    assert found["oracle"] == max(facts["accuracy"])
    assert judge(path) == found
    assert {"entropy", "ensv"} <= set(found["picks"])


def test_line_counts_harm_and_captured_share() -> None:
    found = line(np.array([0.10, -0.02, 0.0, -0.06]), np.array([0.2, 0.0, 0.05, 0.0]), np.array(list("aabb")))
    assert found["harmed_1"] == 50
    assert found["harmed_5"] == 25
    assert found["worst"] == -6
    assert found["mean"] == 0.5
    assert found["captured"] == 8
    assert found["adapted"] == 75


def test_the_guard_in_a_rule_is_the_guard_of_run() -> None:
    rows = [row("a", 0.2, cluster_gain=0.2, cluster_steady=1.0), row("a", -0.3, surplus=0.4), row("b", 0.1, auc=0.5)]
    np.testing.assert_allclose(rules.gains(rows, "nothing"), [0.2, 0, 0])
    np.testing.assert_allclose(rules.gains(rows, "same-priors"), [0.2, -0.3, 0])


def test_limits_are_derived_without_the_group_that_is_judged() -> None:
    # Group "odd" alone would ask for a stricter limit; judged from the others it is harmed, and they are judged with it in.
    calm = [row(g, 0.1, cluster_gain=0.035, cluster_steady=1.0) for g in "abc" for _ in range(10)]
    odd = [row("odd", -0.2, cluster_gain=0.035, cluster_steady=1.0) for _ in range(10)]
    found, used = rules.nested([*calm, *odd], "nothing")
    np.testing.assert_allclose(found[30:], -0.2)
    np.testing.assert_allclose(found[:30], 0)
    assert used["odd"].strict_gain <= 0.03 < used["a"].strict_gain


def test_no_limit_is_used_where_all_harm() -> None:
    rows = [row(g, -0.2, cluster_gain=0.5, cluster_steady=1.0) for g in "ab" for _ in range(5)]
    found, used = rules.nested(rows, "nothing")
    assert not found.any()
    assert not used


def test_unknown_families_are_refused(tmp_path) -> None:
    with pytest.raises(ParamError, match="families must be of"):
        noharm.run(tmp_path, families=["nonsense"])


def test_limits_in_force_lie_on_the_grid_or_are_argued() -> None:
    for mode, grid in rules.GRIDS.items():
        for name, values in grid.items():
            assert getattr(LIMITS, name) in values, (mode, name)


def test_every_family_has_its_part_of_the_tasks_that_are_fitted_again() -> None:
    every = list(tasks())
    chosen = refits.part(every)
    assert {t.family for t in every if t.name in chosen} == {t.family for t in every}
    assert len(every) / 10 < len(chosen) < len(every) / 4


def test_answers_are_of_the_rows_of_the_task_only() -> None:
    X, Z = np.zeros((3, 2)), np.ones((2, 2))
    proba, held = np.eye(2)[[0, 1, 1]], np.eye(2)[[1, 0]]
    said = Answers(X, proba, Z, held)
    np.testing.assert_array_equal(said.predict(X), [0, 1, 1])
    np.testing.assert_array_equal(said.predict(Z), [1, 0])
    assert said.transform(Z, domain="source") is Z
    with pytest.raises(DomainError, match="rows of the task"):
        said.predict(X.copy())


@pytest.fixture(scope="module")
def wine(tmp_path_factory):
    task = next(t for t in tasks() if t.name == "tables: wine, biased sample 0")
    return fit_task(task, tmp_path_factory.mktemp("records"))


def test_what_is_fitted_again_says_what_was_recorded_and_selectors_score_it(wine, monkeypatch) -> None:
    path, record = wine, read_record(wine)
    some = {"source_only-1", "coral-1", "tca-1"}
    whole = refits.candidates_for
    monkeypatch.setattr(refits, "candidates_for", lambda *a: [c for c in whole(*a) if c.id in some])
    for name, model in refits.live(record):
        kept = record.probas[record.facts["ids"].index(name)]
        np.testing.assert_allclose(model.predict_proba(record.Xt), kept, atol=1e-5)
    found = refits.judged_again(path)
    assert found["lost"] == {}
    assert set(found["picks"]) == {*refits.JUDGED, *refits.REFITTED}
    assert all(set(own) == some for own in found["scores"].values())
    assert refits.judged_again(path) == found
    shown = summary._part([{**judge(path), "refits": found}])
    assert shown["tasks"] == 1
    assert {f"pick of {name}" for name in ("iwcv", "mix_val", "entropy")} <= set(shown["table"])
    console = Console(width=120, file=io.StringIO())
    console.print(render({"tasks": 1, "table": {}, "refits": shown, "missing": {"x": "not there"}}))
    assert all(
        text in console.file.getvalue() for text in ("1 of the tasks", "pick of iwcv", "left out: x (not there)")
    )


def test_a_selector_that_cannot_score_a_candidate_says_why(wine, monkeypatch) -> None:
    from transferkit import Entropy
    from transferkit.bench.noharm.judge import _picks

    def refuses(self, candidate, source, target):
        raise DomainError("Entropy.score: not today.")

    monkeypatch.setattr(Entropy, "score", refuses)
    picks, lost = _picks(read_record(wine))
    assert "entropy" not in picks
    assert "not today" in lost["entropy"]


def test_labels_of_rows_in_dispute_settle_it_at_the_level() -> None:
    draw = {"taught": 20, "wins": 30, "losses": 0, "n": 100, "gain": 0.3, "oracle": 0.4}
    gain, best, n = asked.settled([draw], 50)
    assert set(gain) == {0.3}
    assert set(best) == {0.4}
    assert set(n) == {7}, "seven wins in a row are evidence of 20 to 1"
    gain, _, n = asked.settled([{**draw, "wins": 0, "losses": 30, "gain": -0.3}], 50)
    assert set(gain) == {0.0}
    assert set(n) == {7}
    gain, _, n = asked.settled([{**draw, "wins": 15, "losses": 15, "gain": 0.0}], 10)
    assert set(n) <= set(range(7, 11))
    assert set(asked.settled([{**draw, "wins": 2}], 50)[2]) == {2}, "what is left could not turn it"
    assert all(len(part) == 0 for part in asked.settled([], 50))


def test_what_labels_would_show_is_kept_beside_the_record(tmp_path) -> None:
    task = next(t for t in tasks() if t.name == "tables: breast_cancer, biased sample 0")
    path = fit_task(task, tmp_path)
    found = asked.labels_asked(path)
    assert [d["taught"] for d in found] == [20, 20, 50, 50]
    for draw in found:
        assert draw["gain"] == pytest.approx((draw["wins"] - draw["losses"]) / draw["n"], abs=1e-4)
        assert draw["oracle"] >= 0
    assert asked.labels_asked(path) == found
