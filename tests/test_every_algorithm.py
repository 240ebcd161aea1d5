"""The catalogue times the common checks: what a new method has to pass comes from here, without a line of its own."""

import importlib.util
import inspect
import warnings
from unittest import SkipTest

import pytest
from sklearn.linear_model import Ridge
from sklearn.utils.estimator_checks import estimator_checks_generator

import bad_continual
import bad_estimators
import bad_graphs
import bad_heterogeneous
import bad_multi_task
import bad_relational
import common_checks
import graph_checks
import heterogeneous_checks
import lifelong_checks
import multi_task_checks
import relational_checks
from common_checks import Subject
from self_target import self_target
from transferkit import TransferWarning, catalogue

CHECKS = {**common_checks.CHECKS, "ModelTransfer": (), "MetaLearner": (), "Continual": lifelong_checks.LIFELONG_CHECKS}
BAD, GOOD = bad_estimators.BAD + bad_continual.BAD, bad_estimators.GOOD | bad_continual.GOOD
CHECKS["MultiTask"] = multi_task_checks.MULTI_TASK_CHECKS
CHECKS["Heterogeneous"] = heterogeneous_checks.HETEROGENEOUS_CHECKS
CHECKS["Graph"] = graph_checks.GRAPH_CHECKS
CHECKS["Relations"] = relational_checks.RELATIONAL_CHECKS
BAD = BAD + bad_multi_task.BAD + bad_heterogeneous.BAD + bad_relational.BAD + bad_graphs.BAD
GOOD = GOOD | bad_multi_task.GOOD | bad_heterogeneous.GOOD | bad_relational.GOOD | bad_graphs.GOOD
if importlib.util.find_spec("torch"):  # without it no method of these two shapes is here
    import adaptation_checks
    import bad_adaptations
    import bad_meta
    import bad_networks
    import graph_free_checks
    import meta_checks
    import network_checks

    CHECKS |= {"ModelTransfer": network_checks.NETWORK_CHECKS, "Adaptation": adaptation_checks.ADAPTATION_CHECKS}
    CHECKS |= {"Numbers": adaptation_checks.NUMBER_CHECKS, "Generalisation": (adaptation_checks.check_generalises,)}
    CHECKS["MetaLearner"] = meta_checks.META_CHECKS
    BAD += bad_networks.BAD + bad_adaptations.BAD + bad_meta.BAD
    GOOD |= bad_networks.GOOD | bad_adaptations.GOOD | bad_meta.GOOD
HERE = [card for card in catalogue.cards().values() if not card.missing]


def case(name, values, failures):
    """One test of one method; a failure that the class declares has to happen."""
    reason = failures.get(name)
    return [*values], [pytest.mark.xfail(reason=reason, strict=True)] if reason else []


def run(check, subject, tmp_path):
    """A check gets a folder where it asks for one. Networks that are trained for a moment only may say that they collapsed."""
    with warnings.catch_warnings():
        if is_network(subject.card) or "graph" in subject.card.data:
            warnings.filterwarnings("ignore", ".*(collapsed|diverged)", TransferWarning)
        check(subject, **({"folder": tmp_path} if "folder" in inspect.signature(check).parameters else {}))


def is_network(card):
    """A method between domains that trains a network."""
    return card.protocol == "Transfer" and "torch" in card.needs


def is_relational(card):
    """A method whose rows are atoms over facts."""
    return card.data == ("relations",)


def checks_of(card):
    if card.protocol == "ModelTransfer" and "graph" in card.data:
        return graph_free_checks.GRAPH_FREE_CHECKS
    if card.protocol == "ModelTransfer":
        return network_checks.checks_of(card)
    if is_relational(card):
        return CHECKS["Relations"]
    if "heterogeneous" in card.settings:
        return CHECKS["Heterogeneous"]
    if "graph" in card.data:
        return graph_checks.checks_of(card)
    return adaptation_checks.checks_of(card) if is_network(card) else CHECKS[card.protocol]


def common_cases():
    for card in HERE:
        cls = catalogue.load(card.name)
        for check in checks_of(card):
            values, marks = case(check.__name__, (Subject(card, cls), check), getattr(cls, "_known_failures", {}))
            yield pytest.param(*values, marks=marks, id=f"{card.name}-{check.__name__.removeprefix('check_')}")


def sklearn_cases():
    """scikit-learn's own checks, with each method as its own target: as a classifier, and as a regressor where it is one."""
    for card in HERE:
        if card.protocol != "Transfer" or is_network(card) or is_relational(card):
            continue
        if "graph" in card.data:  # whose fit needs edges
            continue
        subject = Subject(card, catalogue.load(card.name))
        made = self_target(subject.cls, labels=not subject.label_free)
        known = subject.cls._known_failures
        instances = {"classes": (made(**subject.cheap), known)}
        if subject.numbers_only:  # it is a regressor by its tags, with or without an inner estimator
            instances = {"numbers": (made(**subject.cheap), known)}
        elif "regression" in card.tasks:
            # estimator=None decides by the labels, so numbers with a fraction are a regression, not an error.
            why = {
                "check_classifiers_regression_target": "without an inner estimator the labels decide which task it is"
            }
            instances["classes"] = (instances["classes"][0], {**known, **why})
            if "estimator" in subject.params:
                instances["numbers"] = (made(**{**subject.cheap, "estimator": Ridge()}), known)
        asked: set[str] = set()
        for kind, (instance, failures) in instances.items():
            before = frozenset(asked)  # what holds of the classifier is not asked of the same class again
            for k, (estimator, check) in enumerate(estimator_checks_generator(instance)):
                inner = check.func if hasattr(check.func, "__name__") else check.func.func
                if inner.__name__ in before:
                    continue
                asked.add(inner.__name__)
                name = f"{card.name}-{kind}-{k}-{inner.__name__.removeprefix('check_')}"
                yield pytest.param(estimator, check, failures.get(inner.__name__), id=name)


def test_the_catalogue_is_all_there():
    """Nothing to check would pass every check."""
    files = [p for p in catalogue._FOLDER.glob("*/*.py") if not p.name.startswith("_")]
    assert len(catalogue.cards()) == len(files) > 0
    assert {card.protocol for card in catalogue.cards().values()} <= CHECKS.keys(), "a protocol without checks"
    assert len(list(common_cases())) == sum(len(checks_of(card)) for card in HERE)


@pytest.mark.parametrize(("subject", "check"), list(common_cases()))
def test_common(subject, check, tmp_path):
    run(check, subject, tmp_path)


@pytest.mark.parametrize(("estimator", "check", "declared"), list(sklearn_cases()))
def test_sklearn(estimator, check, declared):
    """A failure that is declared has to happen. Caught here it is not written out, which would take longer than the check."""
    if declared is None:
        check(estimator)
        return
    try:
        check(estimator)
    except SkipTest:
        raise
    except (Exception, pytest.fail.Exception):  # noqa: BLE001
        failed = True
    else:
        failed = False
    assert failed, f"it passes, though it is declared to fail: {declared}"
    pytest.xfail(declared)


# Watch the watchers -------------------------------------------------------------------------------------------------


def good_cases():
    for protocol, cls in GOOD.items():
        for check in CHECKS[protocol]:
            yield pytest.param(protocol, cls, check, id=f"{protocol}-{check.__name__.removeprefix('check_')}")


def bad_cases():
    for protocol, name, cls, why in BAD:
        check = next(c for c in CHECKS[protocol] if c.__name__ == name)
        yield pytest.param(protocol, cls, check, why, id=f"{name.removeprefix('check_')}-{cls.__name__}")


@pytest.mark.parametrize(("protocol", "cls", "check"), list(good_cases()))
def test_a_good_estimator_passes(protocol, cls, check, tmp_path, monkeypatch):
    """So that a bad one fails for the one thing in which it differs."""
    bad_estimators.pass_as_ours(cls, monkeypatch)
    run(check, Subject(bad_estimators.card(protocol, cls.__name__), cls), tmp_path)


@pytest.mark.parametrize(("protocol", "cls", "check", "why"), list(bad_cases()))
def test_a_bad_estimator_fails(protocol, cls, check, why, tmp_path, monkeypatch):
    bad_estimators.pass_as_ours(cls, monkeypatch)
    subject = Subject(bad_estimators.card(protocol, cls.__name__), cls)
    with pytest.raises((Exception, pytest.fail.Exception), match=why):
        run(check, subject, tmp_path)


def test_every_check_has_an_estimator_that_must_fail_it():
    for protocol, checks in CHECKS.items():
        proved = (
            CHECKS["Transfer"] if protocol in ("Adaptation", "Graph", "Heterogeneous", "Relations") else ()
        )  # these are shared, and fail there
        own = {c.__name__ for c in checks if c not in proved}
        assert own == {check for p, check, *_ in BAD if p == protocol}


@pytest.mark.parametrize(
    "cls", [bad_estimators.ChangesParameters, bad_estimators.LosesFeatureNames, bad_estimators.ReturnsNothing]
)
def test_sklearns_checks_see_through_the_self_target(cls):
    failed = 0
    for estimator, check in estimator_checks_generator(self_target(cls, labels=False)()):
        try:
            check(estimator)
        except SkipTest:
            continue
        except Exception:  # noqa: BLE001
            failed += 1
    assert failed
