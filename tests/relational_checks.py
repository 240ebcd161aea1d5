"""What a method over facts has to fulfil. Its rows are atoms, so that the checks of array methods do not apply to it."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpydoc.docscrape import ClassDoc

import kinships
import transferkit
from common_checks import CLASS_CHECKS, Subject, assert_same
from transferkit import Domain, DomainError, ParamError
from transferkit.core.relational import Facts, RelationalRows

KNOWN = 80


def _worlds() -> tuple[kinships.Kinship, kinships.Kinship]:
    return kinships.family(0, false_ratio=4), kinships.family(1, prefix="q", false_ratio=4)


def _fit(subject: Subject, n_known: int | None = KNOWN, **params: Any) -> Any:
    source, target = _worlds()
    return subject.make(**params).fit(source.rows(), source.y, target=target.domain(n_known))


def check_finds_the_rule(subject: Subject) -> None:
    """In every setting of its card it finds a rule that both domains share; what it learned is documented."""
    _, target = _worlds()
    known = {name.strip() for p in ClassDoc(subject.cls)["Attributes"] for name in p.name.split(",")}
    settings = ([0] if subject.label_free else []) + ([KNOWN, None] if subject.takes_labels else [])
    for n_known in settings:
        model = _fit(subject, n_known)
        predicted, proba = model.predict(target.rows()), model.predict_proba(target.rows())
        assert predicted.dtype == bool
        assert predicted.shape == target.y.shape
        assert proba.shape == (len(target.y), 2)
        np.testing.assert_allclose(proba.sum(axis=1), 1)
        assert model.classes_.tolist() == [False, True]
        assert model.score(target.rows(), target.y) > 0.9, "it must find the rule"
        assert "parent(" in model.describe()
        learned = {n for n in vars(model) if not n.startswith("_")} - set(subject.params)
        assert learned <= known, f"undocumented attributes: {learned - known}"
    if not subject.label_free:
        with pytest.raises(DomainError, match=r"target must have .*known labels"):
            _fit(subject, 0)


def check_relational_repeatable(subject: Subject) -> None:
    """Nothing that is handed in changes; one seed gives one result, whatever was fitted or drawn before."""
    source, target = _worlds()
    rows, domain = source.rows(), target.domain(KNOWN)
    before = [rows.args.copy(), rows.facts.n_facts, source.y.copy(), domain.y.copy()]
    np.random.seed(1)  # noqa: NPY002
    place = np.random.get_state()[2]  # noqa: NPY002
    model = subject.make()
    params = dict(model.get_params())
    assert model.fit(rows, source.y, target=domain) is model, "fit must return self"
    assert np.random.get_state()[2] == place, "numpy's global generator was used"  # noqa: NPY002
    assert model.get_params() == params
    for old, new in zip(before, [rows.args, rows.facts.n_facts, source.y, domain.y]):
        np.testing.assert_array_equal(old, new, err_msg="inputs changed")
    other = kinships.family(2)
    again = subject.make().fit(other.rows(), other.y, target=other.domain()).fit(rows, source.y, target=domain)
    assert vars(again).keys() == vars(model).keys()
    assert_same(model, again, target.rows(), "a refit must start fresh and give the same")


def check_relational_round_trip(subject: Subject, folder: Any) -> None:
    """A saved and loaded model says the same, of facts that it has never seen too."""
    model = _fit(subject)
    loaded = transferkit.load(transferkit.save(model, folder / "m"))
    assert_same(model, loaded, kinships.family(5).rows(), "a loaded model must say the same")
    assert loaded.describe() == model.describe()


def check_no_leak(subject: Subject) -> None:
    """Labels that are not known change nothing, nor do facts of the predicate that is asked for."""
    source, target = _worlds()
    first = _fit(subject)
    flipped = replace(target.domain(KNOWN), y=np.where(np.arange(len(target.y)) < KNOWN, target.y, ~target.y))
    second = subject.make().fit(source.rows(), source.y, target=flipped)
    assert_same(first, second, target.rows(), "hidden labels were used")
    bare = replace(target, records={**target.records, "grandparent": []})
    third = subject.make().fit(source.rows(), source.y, target=bare.domain(KNOWN))
    assert_same(first, third, target.rows(), "facts of the predicate itself were used")
    assert_same(first, second, bare.rows(), "facts of the predicate itself were used")


def check_order_and_names(subject: Subject) -> None:
    """Neither the order of the facts nor the names of constants mean anything."""
    source, target = _worlds()
    first = _fit(subject)
    rows = target.rows(order=[1], name=lambda c: f"x{hash_of(c)}")
    known = np.arange(len(rows)) < KNOWN
    second = subject.make().fit(source.rows(order=[1]), source.y, target=Domain(rows, target.y, known))
    found = second.predict_proba(rows)
    np.testing.assert_allclose(
        found, first.predict_proba(target.rows()), atol=1e-12, err_msg="names or order were used"
    )


def hash_of(constant: str) -> int:
    """A number that puts constants into another order, the same in every run."""
    return sum(ord(c) * 31**k for k, c in enumerate(reversed(constant))) * 7919 % 10007


def check_relational_errors(subject: Subject) -> None:
    """What cannot be used is named: parameters, targets, rows, groups. Empty predicates and strange constants can be used."""
    source, target = _worlds()
    here, rows, domain = subject.card.cls, source.rows(), target.domain(KNOWN)
    for name in subject.params:
        with pytest.raises(ParamError, match=rf"^{here}\.fit: {name} must "):
            _fit(subject, **{name: object()})
    nonsense = [target.rows(), None, "target", Domain(np.zeros((3, 2))), Domain(target.rows()[:0])]
    for wrong in [
        *nonsense,
        Domain(target.rows(), target.y.astype(int)),
        Domain(target.rows(), np.ones_like(target.y)),
    ]:
        with pytest.raises(DomainError, match=rf"^{here}\.fit: target"):
            subject.make().fit(rows, source.y, target=wrong)
    for X, y in ((np.zeros((3, 2)), source.y[:3]), (rows[:0], source.y[:0]), (rows, None), (rows, source.y[:3])):
        with pytest.raises(DomainError, match=rf"^{here}\.fit: [Xy] must "):
            subject.make().fit(X, y, target=domain)
    with pytest.raises(DomainError, match=rf"^{here}\.fit: groups must "):
        subject.make().fit(rows, source.y, target=domain, groups=[1, 2])
    assert "groups" in inspect.signature(subject.cls.fit).parameters
    model = subject.make().fit(rows, source.y, target=domain, groups=np.zeros(len(rows)))
    strangers = RelationalRows.from_records(target.rows().facts, "grandparent", [("nobody", "nothing")])
    assert model.predict(strangers).shape == (1,)
    empty = RelationalRows.from_records(Facts.from_records({}, kinships.SCHEMA), "grandparent", [("a", "b")])
    assert model.predict(empty).shape == (1,)
    other = Facts.from_records({}, {"grandparent": ("person", "person")})
    unlike = RelationalRows.from_records(target.rows().facts, "likes", [("q1", "thing1")])
    for wrong in (np.zeros((3, 2)), unlike, RelationalRows.from_records(other, "grandparent", [("a", "b")])):
        with pytest.raises(DomainError, match=rf"^{here}\.\w+: .*X must "):
            model.predict(wrong)


RELATIONAL_CHECKS = (
    *CLASS_CHECKS, check_finds_the_rule, check_relational_repeatable, check_relational_round_trip, check_no_leak,
    check_order_and_names, check_relational_errors,
)  # fmt: skip
