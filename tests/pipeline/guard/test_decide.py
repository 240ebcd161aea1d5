"""The verdict: every branch of every mode, by evidence made by hand; and more evidence never turns an adoption down."""

from dataclasses import replace

import pytest

from transferkit.pipeline.guard.choice import reason_of
from transferkit.pipeline.guard.decide import LIMITS, Limits, decide
from transferkit.pipeline.guard.measure import Evidence

MODES = ("nothing", "same-priors", "label-shift", "target-shares")
QUIET = Evidence(
    n_target=200, n_classes=3, auc=0.9, auc_p=0.001, auc_plain=0.9, surplus=0.0, surplus_after=0.0, disputed=0.2, lead=0.3,
    cluster_gain=0.0, cluster_steady=0.5, spread=1.0, moved=0.1,
)  # fmt: skip
# The branches, whatever the limits are tuned to.
FIXED = Limits(
    auc=0.60, strict_gain=0.05, strict_steady=0.90, surplus=0.20, some_surplus=0.10, some_steady=0.60, same_gain=0.03,
    same_steady=0.75, given_surplus=0.05, spread=0.5, explained=0.05, moved=0.30,
)  # fmt: skip
CLUSTERS = {"cluster_gain": 0.10, "cluster_steady": 1.0}
ONLY_SHARES = {"auc": 0.55, "auc_plain": 0.75, "moved": 0.4}


def verdict(mode, **evidence):
    found = decide(replace(QUIET, **evidence), mode, FIXED)
    return found.state, found.branch, [c["check"] for c in found.checks]


def test_whoever_assumes_less_is_held_to_more():
    assert LIMITS.same_gain <= LIMITS.strict_gain
    assert LIMITS.same_steady <= LIMITS.strict_steady
    assert LIMITS.some_surplus <= LIMITS.surplus


@pytest.mark.parametrize("mode", ["nothing", "same-priors", "target-shares"])
def test_no_shift_no_adoption_whatever_else_speaks_for_it(mode):
    loud = {**CLUSTERS, "surplus": 0.5}
    assert verdict(mode, auc=0.60, auc_plain=0.60, **loud) == ("keep", "none", ["shift", "label shift"])
    assert verdict(mode, auc_p=0.05, **loud)[0] == "keep"
    assert verdict(mode, auc=0.61, **loud)[0] == "adapt"


@pytest.mark.parametrize("mode", ["nothing", "same-priors", "target-shares"])
def test_nothing_in_dispute_nothing_to_gain(mode):
    found = decide(replace(QUIET, disputed=0.0, surplus=0.9), mode, FIXED)
    assert (found.state, [c["check"] for c in found.checks]) == ("keep", ["shift", "dispute"])
    assert reason_of(found.checks, found.state).startswith(
        "there is nothing to gain, because the proposal says the same"
    )


@pytest.mark.parametrize(
    ("mode", "evidence", "state"),
    [
        ("nothing", {}, "keep"),
        ("nothing", CLUSTERS, "adapt"),
        ("nothing", {"cluster_gain": 0.05, "cluster_steady": 1.0}, "keep"),  # at the limit is not above it
        ("nothing", {"cluster_gain": 0.10, "cluster_steady": 0.89}, "keep"),
        ("nothing", {"surplus": 0.21}, "ambiguous"),
        ("nothing", {"surplus": 0.20}, "keep"),
        ("nothing", {"surplus": 0.12, "cluster_gain": 0.01, "cluster_steady": 0.6}, "ambiguous"),
        ("nothing", {"surplus": 0.12, "cluster_gain": 0.01, "cluster_steady": 0.59}, "keep"),
        ("nothing", {"surplus": 0.12, "cluster_gain": -0.01, "cluster_steady": 0.6}, "keep"),
        ("same-priors", {}, "keep"),
        ("same-priors", {"surplus": 0.21, "cluster_gain": -0.2, "cluster_steady": 0.0}, "adapt"),
        ("same-priors", {"surplus": 0.11, "cluster_gain": 0.01, "cluster_steady": 0.6}, "adapt"),
        ("same-priors", {"surplus": 0.10, "cluster_gain": 0.01, "cluster_steady": 0.6}, "keep"),
        ("same-priors", {"cluster_gain": 0.04, "cluster_steady": 0.75}, "adapt"),
        ("same-priors", {"cluster_gain": 0.04, "cluster_steady": 0.7}, "keep"),
        ("target-shares", {}, "keep"),
        ("target-shares", {"surplus": 0.05}, "keep"),
        ("target-shares", {"surplus": 0.06}, "adapt"),
        ("target-shares", {"cluster_gain": 0.04, "cluster_steady": 0.75}, "adapt"),
        ("label-shift", {"surplus": 0.5, **CLUSTERS}, "keep"),  # the domains differ in more than the shares
        ("label-shift", ONLY_SHARES, "adapt"),
        ("label-shift", {**ONLY_SHARES, "moved": 0.3}, "keep"),
        ("label-shift", {**ONLY_SHARES, "auc_plain": 0.6}, "keep"),
        ("nothing", ONLY_SHARES, "ambiguous"),
        ("same-priors", ONLY_SHARES, "keep"),
        ("target-shares", ONLY_SHARES, "keep"),
    ],
)
def test_every_branch(mode, evidence, state):
    found = verdict(mode, **evidence)
    assert found[0] == state
    shares = {**QUIET.__dict__, **evidence}["auc"] == ONLY_SHARES["auc"]
    assert found[1] == ("none" if state == "keep" else "shares" if shares else "vote")


@pytest.mark.parametrize("mode", ["nothing", "same-priors", "target-shares"])
def test_a_collapsed_proposal_is_refused_and_that_is_the_reason(mode):
    evidence = replace(QUIET, surplus=0.5, **CLUSTERS)
    assert decide(replace(evidence, spread=0.5), mode, FIXED).state == "adapt"
    found = decide(replace(evidence, spread=0.49), mode, FIXED)
    assert (found.state, found.branch) == ("keep", "none")
    assert "because the proposal has collapsed" in reason_of(found.checks, found.state)


@pytest.mark.parametrize("mode", MODES)
def test_more_evidence_never_turns_an_adoption_down(mode):
    """Over a grid: raising a number that speaks for adapting never lowers keep < ambiguous < adapt."""
    rank = {"keep": 0, "ambiguous": 1, "adapt": 2}
    grid = {
        "surplus": (-0.02, 0.04, 0.07, 0.11, 0.19, 0.21, 0.6),
        "cluster_gain": (-0.1, 0.0, 0.01, 0.035, 0.06, 0.5),
        "cluster_steady": (0.0, 0.59, 0.6, 0.75, 0.9, 1.0),
        "spread": (0.2, 0.5, 1.0),
    }
    base = [
        replace(QUIET, surplus=s, cluster_gain=g, cluster_steady=c)
        for s in grid["surplus"] for g in grid["cluster_gain"] for c in grid["cluster_steady"]
    ]  # fmt: skip
    for evidence in base:
        for name, values in grid.items():
            states = [rank[decide(replace(evidence, **{name: v}), mode, FIXED).state] for v in values]
            assert states == sorted(states), (evidence, name)


def test_whoever_assumes_less_adapts_less():
    for surplus in (0.0, 0.12, 0.25):
        for gain in (-0.1, 0.02, 0.04, 0.1):
            for steady in (0.5, 0.8, 1.0):
                evidence = replace(QUIET, surplus=surplus, cluster_gain=gain, cluster_steady=steady)
                if decide(evidence, "nothing", FIXED).state == "adapt":
                    assert decide(evidence, "same-priors", FIXED).state == "adapt"
                if decide(evidence, "nothing", FIXED).state == "ambiguous":
                    assert decide(evidence, "same-priors", FIXED).state == "adapt"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "evidence",
    [{}, CLUSTERS, {"surplus": 0.3}, {"surplus": 0.12, "cluster_gain": 0.01, "cluster_steady": 0.8}, ONLY_SHARES,
     {"auc": 0.5, "auc_plain": 0.5}, {"auc_p": 0.4}, {"disputed": 0.0}, {"spread": 0.1}],
    ids=str,
)  # fmt: skip
def test_what_is_said_agrees_with_what_was_found(mode, evidence):
    found = decide(replace(QUIET, **evidence), mode, FIXED)
    for check in found.checks:
        assert set(check) == {"check", "value", "threshold", "passed", "says"}
        assert check["says"].endswith(".")
        if check["check"] == "class shares":
            assert check["passed"] == (check["value"] > check["threshold"])
            assert check["says"].startswith(
                "If the target has" if check["passed"] else "Source-only's predictions keep to"
            )
    reason = reason_of(found.checks, found.state)
    begins = {"adapt": ("negative transfer is unlikely",), "ambiguous": ("the evidence has two readings",)}
    assert reason.startswith(
        begins.get(found.state, ("there is nothing to gain", "negative transfer cannot be ruled out"))
    )
    if found.state != "keep":
        assert "AUC" not in reason  # that the domains differ is no reason to adapt


def test_too_few_rows_are_not_called_the_same_distribution():
    few = decide(replace(QUIET, auc_p=0.4)).checks[0]["says"]
    same = decide(replace(QUIET, auc=0.5, auc_plain=0.5, auc_p=0.4)).checks[0]["says"]
    assert "too few to tell" in few
    assert "distributed alike" in same


def test_limits_can_be_given():
    assert decide(QUIET, "nothing", Limits(strict_gain=-1, strict_steady=0.5)).state == "adapt"
    assert reason_of([], "keep") == "what was to be tested against it could not be fitted"


@pytest.mark.parametrize("evidence", [{"surplus": 0.21}, {"cluster_gain": 0.04, "cluster_steady": 0.75}])
def test_between_two_classes_the_same_priors_ask_for_labels(evidence):
    assert verdict("same-priors", **evidence)[0] == "adapt"
    state, branch, checks = verdict("same-priors", n_classes=2, **evidence)
    assert (state, branch, checks[0]) == ("ambiguous", "vote", "two classes")
    assert verdict("same-priors", n_classes=2)[0] == "keep"
