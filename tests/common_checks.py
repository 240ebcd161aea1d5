"""What every method of the catalogue has to fulfil. Each check is a function of a `Subject` that raises where it does not.

`tests/test_every_algorithm.py` runs them over the catalogue; `tests/bad_estimators.py` holds, for each, an estimator that
must fail it.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpydoc.docscrape import ClassDoc
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression, Ridge

import shifts
import transferkit
from shifts import Shift
from transferkit import Domain, DomainError, ParamError, SourceOnly
from transferkit.catalogue import Card
from transferkit.core import protocols
from transferkit.pipeline.plain_models import plain_model

SEEDS = range(5)
_KEPT: dict[type[Any], dict[Any, Any]] = {}  # what Subject.fitted has fitted


@dataclass(frozen=True)
class Subject:
    """One method under test."""

    card: Card
    cls: type[Any]

    @property
    def params(self) -> Mapping[str, inspect.Parameter]:
        """Constructor parameters by name."""
        return dict(inspect.signature(self.cls).parameters)

    @property
    def label_free(self) -> bool:
        """Whether it works without any target label, by its card."""
        return bool({"unsupervised", "label_shift"} & set(self.card.settings))

    @property
    def takes_labels(self) -> bool:
        """Whether it uses target labels, by its card."""
        return bool({"few_label", "supervised"} & set(self.card.settings))

    @property
    def numbers_only(self) -> bool:
        """Whether it is for a regression alone, by its card."""
        return self.card.tasks == ("regression",)

    @property
    def has_anchor(self) -> bool:
        """Whether a selector compares with a fall-back (a guard), or rates each candidate by itself on known labels."""
        return "anchor" in self.params

    @property
    def cheap(self) -> Mapping[str, Any]:
        """The settings for tests that the class names; with a source model, where the protocol is to be given one."""
        own = getattr(self.cls, "_test_params", {})
        if self.card.protocol == "ModelTransfer" and "graph" in self.card.data:
            import graph_free_checks

            return graph_free_checks.settings(own, self.params)
        if self.card.protocol == "ModelTransfer":
            import networks  # needs torch, which the other protocols do without

            return networks.settings(own, self.params)
        if self.card.protocol == "Continual":
            import lifelong_checks

            return lifelong_checks.settings(own, self.params)
        if self.card.protocol == "MetaLearner":
            import meta_checks

            return meta_checks.settings(own, self.params)
        if self.card.protocol == "MultiTask":
            import multi_task_checks

            return multi_task_checks.settings(own, self.params)
        if "graph" in self.card.data:
            import graph_checks

            return graph_checks.settings(own, self.params)
        if "torch" in self.card.needs:
            import adaptation_checks

            # Too short to learn much: the checks that ask for that train longer.
            return adaptation_checks.settings({"training": adaptation_checks.training(n_epochs=4), **own})
        return own

    @property
    def required(self) -> Mapping[str, Any]:
        """What a constructor has to be given: the source model."""
        return {name: self.cheap[name] for name, p in self.params.items() if p.default is p.empty}

    def make(self, **params: Any) -> Any:
        """An instance with the cheap settings of the class and a fixed seed."""
        seed = {"random_state": 0} if "random_state" in self.params else {}
        return self.cls(**{**seed, **self.cheap, **params})

    def fit(self, shift: Shift, shots: int | None = None, **params: Any) -> Any:
        """Fitted with as many target labels as it needs, or `shots` a class."""
        if shots is None:
            shots = 0 if self.label_free else 8
        return self.make(**params).fit(shift.X.copy(), shift.y.copy(), target=shift.target(shots))

    def fitted(self, shift: Shift, shots: int | None = None, **params: Any) -> Any:
        """What `fit` gives, shared by the checks that only look at it. The fits of one class at a time are kept."""
        if self.cls not in _KEPT:
            _KEPT.clear()
            _KEPT[self.cls] = {}
        shots = (0 if self.label_free else 8) if shots is None else shots
        rows = tuple(state_of(a) for a in (shift.X, shift.y, shift.Xt, shift.yt))
        key = rows, shots, repr(params)
        if key not in _KEPT[self.cls]:
            np.random.seed(1)  # noqa: NPY002
            _KEPT[self.cls][key] = self.fit(shift, shots, **params)
        return _KEPT[self.cls][key]

    def tasks(self) -> list[tuple[Shift, dict[str, Any]]]:
        """A data set for each task of the card, and the parameters that ask for it."""
        found: list[tuple[Shift, dict[str, Any]]] = []
        if "classification" in self.card.tasks:
            found.append((shifts.moved(0, 60), {}))
        if "regression" in self.card.tasks:
            found.append((shifts.numbers(0), {}))
            if "estimator" in self.params:
                found.append((shifts.numbers(1), {"estimator": Ridge()}))
        return found


def state_of(value: Any) -> Any:
    """Something that is equal for two objects exactly when all their content is, arrays by their bytes."""
    if isinstance(value, np.ndarray):
        content = value.tolist() if value.dtype == object else value.tobytes()
        return str(value.dtype), value.shape, content
    if isinstance(value, (list, tuple)):
        return [state_of(v) for v in value]
    if isinstance(value, dict):
        return {k: state_of(v) for k, v in value.items()}
    if hasattr(value, "get_params"):
        return type(value), state_of(value.get_params())
    if hasattr(value, "source_head") and hasattr(value, "body"):  # a Backbone
        return state_of([value.body, value.source_head, value.name])
    if hasattr(value, "state_dict"):  # a torch module: weights and buffers, modes, what may train, hooks
        flags = [(n, m.training, len(m._forward_hooks), len(m._forward_pre_hooks)) for n, m in value.named_modules()]
        trains = [(n, p.requires_grad, p.grad is None) for n, p in value.named_parameters()]
        return type(value), flags, trains, state_of({k: v.numpy() for k, v in value.state_dict().items()})
    if isinstance(value, Domain):
        return [state_of(v) for v in (value.X, value.y, value.known, value.edges, value.name)]
    return value


def assert_same(a: Any, b: Any, X: Any, why: str) -> None:
    """Two fitted methods give the same predictions, and probabilities where they have them."""
    np.testing.assert_array_equal(a.predict(X), b.predict(X), err_msg=why)
    if hasattr(a, "predict_proba"):
        np.testing.assert_array_equal(a.predict_proba(X), b.predict_proba(X), err_msg=why)


# The class ----------------------------------------------------------------------------------------------------------


def check_protocol(subject: Subject) -> None:
    """The methods of its protocol are there with exactly its parameters."""
    protocol = getattr(protocols, subject.card.protocol)
    for name in [n for n, f in vars(protocol).items() if inspect.isfunction(f) and not n.startswith("_")]:
        expected = [(p.name, p.kind, p.default) for p in inspect.signature(getattr(protocol, name)).parameters.values()]
        got = [(p.name, p.kind, p.default) for p in inspect.signature(getattr(subject.cls, name)).parameters.values()]
        assert got == expected, f"{name} must have the signature of {subject.card.protocol}"
        assert inspect.getdoc(getattr(subject.cls, name)), f"{name} must have a docstring"
    assert subject.cls.__name__ == subject.card.cls


def check_constraints(subject: Subject) -> None:
    """Every parameter has a default inside its declared range, and so has every setting that the class or card names."""
    rules = subject.cls._constraints
    # Those of a network begin with shared ones, and so have an order of their own.
    given, known = list(rules), list(subject.params)
    if "torch" in subject.card.needs:
        given, known = sorted(given), sorted(known)
    assert given == known, "_constraints must have one entry a parameter, in their order"
    for name, p in subject.params.items():
        assert p.kind is p.POSITIONAL_OR_KEYWORD
        if (name, subject.card.protocol) != ("source", "ModelTransfer"):
            assert p.default is not p.empty, f"{name} must have a default"
            assert rules[name].holds(p.default), f"the default of {name} must {rules[name].text}"
        assert rules[name].text
    for setting in (subject.cheap, *subject.card.portfolio):
        for name, value in setting.items():
            assert name in rules, f"{name} is no parameter"
            if name == "estimator" and isinstance(value, str):  # a portfolio is a literal: it names a plain model
                value = plain_model(value, subject.card.tasks[0])
            assert rules[name].holds(value), f"{name}={value!r} must {rules[name].text}"


def check_docstring(subject: Subject) -> None:
    """numpydoc: every parameter once, in order, with text and its true default; notes, references, an example."""
    doc = ClassDoc(subject.cls)
    assert "".join(doc["Summary"]).endswith("."), "the idea in one sentence"
    documented = [name.strip() for p in doc["Parameters"] for name in p.name.split(",")]
    assert documented == list(subject.params), "documented parameters and signature must agree"
    for p in doc["Parameters"]:
        assert p.type, f"{p.name} must have a type"
        assert " ".join(p.desc).strip(), f"{p.name} must have a text"
        if p.name in subject.required:
            continue
        found = re.search(r"default=(.+)$", p.type)
        assert found, f"{p.name} must state its default"
        default = subject.params[p.name].default
        assert ast.literal_eval(found[1]) == default, f"{p.name}: documented {found[1]}, in the code {default!r}"
    for section in ("Notes", "References", "Examples"):
        assert len("".join(doc[section]).strip()) > 20, f"{section} must not be empty"
    assert ">>>" in "".join(doc["Examples"])


def check_clone(subject: Subject) -> None:
    """A clone has the same parameters and nothing learned; parameters can be set by name."""
    model = subject.make()
    copy = clone(model)
    assert state_of(copy) == state_of(model)
    assert vars(copy).keys() == vars(model).keys() == subject.params.keys(), "__init__ must only store its arguments"
    for name, value in model.get_params(deep=False).items():
        stored = getattr(subject.cls(**{**subject.required, name: value}), name)
        assert stored is value, f"{name} must be stored as it is"


# Fits ---------------------------------------------------------------------------------------------------------------


def check_tasks_and_settings(subject: Subject) -> None:
    """It does every task of its card, in every setting of its card, and refuses a target without labels where it needs them."""
    for shift, params in subject.tasks():
        shots = ([0] if subject.label_free else []) + ([8, None] if subject.takes_labels else [])
        for number in shots:
            if number is None:
                model = subject.make(**params).fit(shift.X, shift.y, target=shift.target(None))
            else:
                model = subject.fitted(shift, number, **params)
            assert model is not None
            predicted = model.predict(shift.Xt)
            assert predicted.shape == shift.yt.shape
            if shift.y.dtype.kind == "f":
                assert np.isfinite(predicted).all()
                assert not hasattr(model, "classes_")
                assert not hasattr(model, "predict_proba") or params == {}
            else:
                assert np.isin(predicted, model.classes_).all(), "it must predict classes of the source"
                np.testing.assert_array_equal(model.classes_, np.unique(shift.y))
                if hasattr(model, "predict_proba"):
                    proba = model.predict_proba(shift.Xt)
                    assert proba.shape == (len(shift.Xt), len(model.classes_))
                    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-5)
            assert np.isfinite(model.score(shift.Xt, shift.yt))
        if not subject.label_free:
            with pytest.raises(DomainError, match=r"target must have .*known labels"):
                subject.make(**params).fit(shift.X, shift.y, target=shift.target(0))


def check_attributes_documented(subject: Subject) -> None:
    """Everything that a fit learns and shows is in the docstring, and nothing public is set without a trailing underscore."""
    known = {name.strip() for p in ClassDoc(subject.cls)["Attributes"] for name in p.name.split(",")}
    for shift, params in subject.tasks():
        learned = {n for n in vars(subject.fitted(shift, **params)) if not n.startswith("_")} - set(subject.params)
        assert not [n for n in learned if not n.endswith("_")], "what is learned ends in _"
        assert learned - known - {"n_features_in_", "feature_names_in_"} == set(), "undocumented attributes"


def check_nothing_changed(subject: Subject) -> None:
    """A fit and a prediction change neither parameters nor inputs."""
    for shift, params in subject.tasks():
        model = subject.make(**params)
        inputs = shift.X, shift.y, shift.target(8 if subject.takes_labels else 0)
        before, before_model = state_of(inputs), state_of(model)
        fitted = model.fit(inputs[0], inputs[1], target=inputs[2])
        assert fitted is model, "fit must return self"
        model.predict(shift.Xt)
        assert state_of(inputs) == before, "inputs changed"
        assert state_of(model) == before_model, "parameters changed"


def check_refit_is_fresh(subject: Subject) -> None:
    """A second fit on other data, of another width, gives what a first fit gives."""
    first, second = shifts.none(3, 60), shifts.moved(0, 60)
    second = Shift(second.X[:, :4], second.y, second.Xt[:, :4], second.yt)
    shots = 0 if subject.label_free else 8
    again = subject.fit(first).fit(second.X, second.y, target=second.target(shots))
    fresh = subject.fit(second)
    assert vars(again).keys() == vars(fresh).keys()
    assert_same(again, fresh, second.Xt, "a refit must start fresh")


def check_repeatable(subject: Subject) -> None:
    """The same seed gives the same result, whatever numpy's global generator does; and that generator is left alone."""
    for shift, params in subject.tasks():
        first = subject.fitted(shift, **params)  # under another state of the global generator
        np.random.seed(2)  # noqa: NPY002
        before = state_of(list(np.random.get_state()))  # noqa: NPY002
        second = subject.fit(shift, **params)
        assert state_of(list(np.random.get_state())) == before, "numpy's global generator was used"  # noqa: NPY002
        assert_same(first, second, shift.Xt, "the same seed must give the same result")


def check_round_trip(subject: Subject, folder: Any) -> None:
    """Saved and loaded, it predicts the same, and a loaded model can be fitted again."""
    for k, (shift, params) in enumerate(subject.tasks()):
        model = subject.fitted(shift, **params)
        loaded = transferkit.load(transferkit.save(model, folder / str(k)))
        assert_same(loaded, model, shift.Xt, "a loaded model must predict what the saved one did")
        assert vars(loaded).keys() == vars(model).keys()
        shots = 0 if subject.label_free else 8
        assert_same(
            loaded.fit(shift.X, shift.y, target=shift.target(shots)), model, shift.Xt, "refit of a loaded model"
        )


def check_dtypes(subject: Subject) -> None:
    """float32 and integers are taken, alone or on one side only, and give nearly the same."""
    shift = shifts.moved(0, 60)
    shots = 0 if subject.label_free else 8
    double = subject.fitted(shift).predict(shift.Xt)
    for source, target in ((np.float32, np.float32), (np.float32, np.float64), (np.float64, np.float32)):
        X, Xt = shift.X.astype(source), shift.Xt.astype(target)
        model = subject.make().fit(X, shift.y, target=replace(shift.target(shots), X=Xt))
        found = model.predict(Xt)
        same = np.isclose(found, double, rtol=1e-2, atol=1e-2) if subject.numbers_only else found == double
        assert same.mean() >= 0.95, f"{source.__name__} and {target.__name__} differ from float64"
    X, Xt = np.round(shift.X * 10).astype(int), np.round(shift.Xt * 10).astype(int)
    subject.make().fit(X, shift.y, target=replace(shift.target(shots), X=Xt)).predict(Xt)


def check_frames(subject: Subject) -> None:
    """Data frames of pandas and polars give what arrays give; columns that do not match are named."""
    shift = shifts.moved(0, 60)
    shots = 0 if subject.label_free else 8
    names = [f"column {c}" for c in "abcdef"]
    plain = subject.fitted(shift)
    for frame in (lambda X: pd.DataFrame(X, columns=names), lambda X: pl.DataFrame(X, schema=names)):
        model = subject.make().fit(frame(shift.X), shift.y, target=replace(shift.target(shots), X=frame(shift.Xt)))
        found, expected = model.predict(frame(shift.Xt)), plain.predict(shift.Xt)
        # A frame's columns lie one after the other in memory: sums end in other last digits.
        if subject.numbers_only:
            np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
        else:
            np.testing.assert_array_equal(found, expected)
        assert list(model.feature_names_in_) == names
    moved = pd.DataFrame(shift.Xt, columns=names)[names[::-1]]
    with pytest.raises(DomainError, match=r"target\.X .*feature names"):
        subject.make().fit(pd.DataFrame(shift.X, columns=names), shift.y, target=replace(shift.target(shots), X=moved))


def check_string_labels(subject: Subject) -> None:
    """Classes may be text, and probabilities follow `classes_`; where only numbers will do, text is refused."""
    shift = shifts.moved(0, 60)
    names = np.array(["ash", "birch", "cedar"])
    if subject.numbers_only:
        with pytest.raises(DomainError, match=rf"^{subject.card.cls}\.fit: y must hold numbers"):
            subject.fit(Shift(shift.X, names[shift.y], shift.Xt, names[shift.yt]))
        return
    for kind in (names, names.astype(object)):
        named = Shift(shift.X, kind[shift.y], shift.Xt, kind[shift.yt])
        model = subject.fit(named)
        np.testing.assert_array_equal(model.predict(shift.Xt), kind[subject.fitted(shift).predict(shift.Xt)])
        assert model.classes_.tolist() == names.tolist()


def check_bad_targets(subject: Subject) -> None:
    """What is wrong with a target is said in one line that names it."""
    shift = shifts.moved(0, 60)
    shots = 0 if subject.label_free else 8
    here = re.escape(f"{subject.card.cls}.fit: target")

    def refused(target: Any, X: Any = shift.X) -> None:
        with pytest.raises(DomainError, match=f"^{here}"):
            subject.make().fit(X, shift.y, target=target)

    for nonsense in (shift.Xt, None, "target", [shift.Xt, shift.yt], (shift.Xt, None)):
        refused(nonsense)
    good = shift.target(shots)
    refused(replace(good, X=shift.Xt[:, :3]))
    for value in (np.nan, np.inf):
        refused(replace(good, X=np.where(np.arange(6) == 2, value, shift.Xt)))
    refused(Domain(shift.Xt[:0]))
    refused(Domain(shift.Xt[:, 0]))
    if subject.takes_labels:
        text = np.array(["a", "b", "c"])[shift.yt]
        for labels in (text,) if subject.numbers_only else (np.full(60, 7), text):
            if subject.label_free and _never_reads_labels(subject, shift):
                subject.make().fit(shift.X, shift.y, target=Domain(shift.Xt, labels))
            else:
                refused(Domain(shift.Xt, labels))
    # One row says little, but it is a target: predictions, or a refusal that names it.
    try:
        model = subject.make().fit(shift.X, shift.y, target=Domain(shift.Xt[:1], None if not shots else shift.yt[:1]))
    except DomainError as err:
        assert re.match(here, str(err)), str(err)  # noqa: PT017
    else:
        assert model.predict(shift.Xt).shape == (60,)
    with pytest.raises(TypeError):
        subject.make().fit(shift.X, shift.y)


def _never_reads_labels(subject: Subject, shift: Shift) -> bool:
    """A baseline may run with known labels and leave them aside: then garbage in them changes nothing."""
    with_garbage = [Domain(shift.Xt, np.random.default_rng(k).permutation(shift.yt)) for k in range(3)]
    fits = [subject.make().fit(shift.X, shift.y, target=target) for target in with_garbage]
    say = "predict_proba" if hasattr(fits[0], "predict_proba") else "predict"
    return len({state_of(getattr(model, say)(shift.Xt)) for model in fits}) == 1


def check_bad_parameters(subject: Subject) -> None:
    """A value outside a parameter's range is refused by name at the start of fit, not before."""
    shift = shifts.moved(0, 60)
    for name in subject.params:
        model = subject.make(**{name: object()})
        with pytest.raises(ParamError, match=rf"^{subject.card.cls}\.fit: {name} must "):
            model.fit(shift.X, shift.y, target=shift.target(8))


def check_groups(subject: Subject) -> None:
    """The source domain of each row may be given; a wrong number of them is named."""
    shift = shifts.moved(0, 60)
    shots = 0 if subject.label_free else 8
    for groups in (np.arange(60) % 2, np.array(["one", "two"])[np.arange(60) % 2]):
        model = subject.make().fit(shift.X, shift.y, target=shift.target(shots), groups=groups)
        assert model.predict(shift.Xt).shape == (60,)
    with pytest.raises(DomainError, match=rf"^{subject.card.cls}\.fit: groups must "):
        subject.make().fit(shift.X, shift.y, target=shift.target(shots), groups=[1, 2])


def check_hidden_labels(subject: Subject) -> None:
    """Labels that are not known change nothing, whatever is written there."""
    for shift, params in subject.tasks():
        number = shift.yt.dtype.kind == "f"
        rng = np.random.default_rng(0)
        found = [subject.fitted(shift, 8 if subject.takes_labels else 0, **params)]
        known = shift.target(8).mask if subject.takes_labels else np.zeros(len(shift.yt), dtype=bool)
        # Where labels are known, the first fit was given all of them.
        garbage: list[Any] = [] if subject.takes_labels else [shift.yt]
        garbage += [rng.permutation(shift.yt)]
        garbage += (
            [np.full(len(shift.yt), np.nan), np.full(len(shift.yt), 1e300)] if number else [np.full(len(shift.yt), 77)]
        )
        for labels in garbage:
            y = np.where(known, shift.yt, labels)
            found.append(subject.make(**params).fit(shift.X, shift.y, target=Domain(shift.Xt, y, known)))
        if not number:  # of another type altogether
            y = np.array([v if k else "?" for v, k in zip(shift.yt.tolist(), known)], dtype=object)
            if not known.any():
                found.append(subject.make(**params).fit(shift.X, shift.y, target=Domain(shift.Xt, y, known)))
        for other in found[1:]:
            assert_same(found[0], other, shift.Xt, "hidden labels were used")


def check_small_and_degenerate(subject: Subject) -> None:
    """Ten rows, one feature, constant columns, more features than rows, repeated rows: a result, and finite."""
    rng = np.random.default_rng(0)
    y = np.arange(10) % 2
    wide = rng.normal(size=(10, 25))
    narrow = y[:, None] + 0.3 * rng.normal(size=(10, 1))
    constant = np.column_stack([narrow, np.full(10, 3.0), np.zeros(10)])
    repeated = np.repeat(narrow[:2], 5, axis=0)
    for X, labels in ((wide, y), (narrow, y), (constant, y), (repeated, np.repeat(y[:2], 5))):
        for Xt in (X + 0.1, X[:8] * 1.5):
            shift = Shift(X, labels, Xt, labels[: len(Xt)])
            model = subject.fit(shift, shots=0 if subject.label_free else 3)
            predicted = model.predict(Xt)
            assert (np.isfinite(predicted) if subject.numbers_only else np.isin(predicted, [0, 1])).all(), (
                "no prediction"
            )
            if hasattr(model, "predict_proba"):
                assert np.isfinite(model.predict_proba(Xt)).all()


def check_sparse(subject: Subject) -> None:
    """Sparse rows give what dense rows give, or are refused by an error that says so."""
    from scipy import sparse

    shift = shifts.moved(0, 60)
    shots = 0 if subject.label_free else 8
    rows, target = sparse.csr_matrix(shift.X), replace(shift.target(shots), X=sparse.csr_matrix(shift.Xt))
    if subject.cls._accept_sparse:
        model = subject.make().fit(rows, shift.y, target=target)
        found, dense = model.predict(target.X), subject.fitted(shift).predict(shift.Xt)
        same = np.isclose(found, dense, rtol=1e-2, atol=1e-2) if subject.numbers_only else found == dense
        assert same.mean() >= 0.95
    else:
        with pytest.raises((DomainError, TypeError), match=r"[Ss]parse"):
            subject.make().fit(rows, shift.y, target=target)


# Does it transfer? --------------------------------------------------------------------------------------------------


def gains(subject: Subject, make: Callable[[int], Shift], shots: int | None) -> float:
    """Mean accuracy (R^2, to regress) over five seeds minus that of the inner estimator fitted on the source alone."""
    found = []
    for seed in SEEDS:
        shift = make(seed)
        target = shift.target(shots)
        model = subject.make().fit(shift.X, shift.y, target=target)
        # A method that prescribes its inner estimator is compared with that one, all others with the default.
        inner = subject.cheap.get("estimator")  # which may be a forest, that has no truth value before its fit
        if inner is None:
            inner = Ridge() if subject.numbers_only else LogisticRegression(max_iter=1000)
        plain = SourceOnly(inner)
        plain.fit(shift.X, shift.y, target=target)
        rows = ~target.mask if shots else np.ones(len(shift.yt), dtype=bool)
        found.append(model.score(shift.Xt[rows], shift.yt[rows]) - plain.score(shift.Xt[rows], shift.yt[rows]))
    return float(np.mean(found))


def family(subject: Subject) -> str:
    """Which shifts its card claims."""
    if not subject.label_free:
        return "few_numbers" if subject.numbers_only else "few_label"
    return subject.card.paradigm if subject.card.paradigm in shifts.FAMILIES else "feature"


def check_transfers(subject: Subject) -> None:
    """On the shift that its card claims it beats or equals source-only on average over five seeds.

    Weights, class shares and few labels have one plain shift each, on which 2 points have to be won. Feature methods
    correct different things (means, covariances, subspaces; plain dimension reduction nothing by itself): of the four
    feature shifts the one they do best on counts, and equal means at most 1 point below.
    """
    name = family(subject)
    shots = 10 if name.startswith("few") else 0
    least, found = -0.01 if name == "feature" else 0.02, []
    for make in shifts.FAMILIES[name]:
        found.append(gains(subject, make, shots))
        if found[-1] >= least:  # the best is at least that
            return
    raise AssertionError(f"{max(found):+.3f} against source-only on {name} shifts")


def check_no_harm(subject: Subject) -> None:
    """Where nothing shifted it loses at most 5 points of accuracy (of R^2, to regress) on average over five seeds."""
    same = partial(shifts.numbers, n=90, move=0.0) if subject.numbers_only else shifts.none
    change = gains(subject, same, 0 if subject.label_free else 20)
    assert change >= -0.05, f"{change:+.3f} against source-only without a shift"


# Selectors ----------------------------------------------------------------------------------------------------------


def _selection(subject: Subject) -> tuple[Any, Any, Domain, Domain]:
    """A selector with anchor and candidates, one candidate, and both domains."""
    regression = subject.card.tasks == ("regression",)
    shift = shifts.numbers(0) if regression else shifts.moved(0, 90)
    target = shift.target(10 if subject.takes_labels else 0)
    anchor = SourceOnly().fit(shift.X, shift.y, target=target)
    moved = transferkit.CORAL(centre=True).fit(shift.X, shift.y, target=target)
    models = {"anchor": anchor, "candidates": [moved] if subject.has_anchor else [anchor, moved]}
    given = {name: value for name, value in models.items() if name in subject.params}
    return subject.make(**given), moved, Domain(shift.X, shift.y, name="source"), target


def check_scores(subject: Subject) -> None:
    """A finite number, the same every time with the same seed; 0 or less for the anchor itself."""
    selector, candidate, source, target = _selection(subject)
    first = selector.score(candidate, source, target)
    assert isinstance(first, float)
    assert np.isfinite(first)
    assert selector.score(candidate, source, target) == first, "asked twice"
    again = _selection(subject)[0]
    np.random.seed(3)  # noqa: NPY002
    before = state_of(list(np.random.get_state()))  # noqa: NPY002
    assert again.score(candidate, source, target) == first, "the same seed must give the same score"
    assert state_of(list(np.random.get_state())) == before, "numpy's global generator was used"  # noqa: NPY002
    if subject.has_anchor:
        assert selector.score(selector.anchor, source, target) <= 0, "the anchor does not replace itself"


def check_score_order(subject: Subject) -> None:
    """A score without an anchor puts features and class probabilities that carry the labels above those of noise columns.

    Guards are left out: what they refuse differs, and is in their own tests.
    """
    if subject.has_anchor:
        return
    for seed in SEEDS:
        shift = shifts.none(seed)
        source, target, found = Domain(shift.X, shift.y), shift.target(None), []
        for columns in (slice(0, 3), slice(3, 6)):
            kept = ColumnTransformer([("kept", "passthrough", columns)])
            candidate = transferkit.TransferPipeline([("kept", kept)], transferkit.CORAL())
            found.append(candidate.fit(shift.X, shift.y, target=target.hide()))
        plain = SourceOnly().fit(shift.X, shift.y, target=target.hide())
        given = {"candidates": [*found, plain]} if "candidates" in subject.params else {}
        informative, noise = (subject.make(**given).score(c, source, target) for c in found)
        assert informative > noise, "informative features must score above noise"


def check_score_changes_nothing(subject: Subject) -> None:
    """A score changes neither parameters nor domains nor the candidate."""
    selector, candidate, source, target = _selection(subject)
    before = state_of([source, target, selector.get_params(deep=False), vars(candidate)])
    selector.score(candidate, source, target)
    assert state_of([source, target, selector.get_params(deep=False), vars(candidate)]) == before, "something changed"


def check_score_hidden_labels(subject: Subject) -> None:
    """Target labels that are not known change no score."""
    _, candidate, source, target = _selection(subject)
    known = target.mask
    found = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        garbage = rng.normal(size=len(known)) if source.y.dtype.kind == "f" else rng.integers(0, 3, len(known))
        y = np.where(known, 0 if target.y is None else target.y, garbage)
        found.append(_selection(subject)[0].score(candidate, source, replace(target, y=y, known=known)))
    assert len(set(found)) == 1, "hidden labels were used"


def check_score_errors(subject: Subject) -> None:
    """What is wrong with parameters, domains or a candidate is said in one line that names it."""
    selector, candidate, source, target = _selection(subject)
    here = re.escape(f"{subject.card.cls}.score: ")
    for name in subject.params:
        with pytest.raises(ParamError, match=f"^{here}{name} must "):
            clone(selector, safe=False).set_params(**{name: object()}).score(candidate, source, target)
    for bad in (target.X, None):
        with pytest.raises(DomainError, match=f"^{here}.*target"):
            selector.score(candidate, source, bad)
    # Rows that cannot be used are named too, or nothing is recommended on their ground.
    for bad in (replace(target, X=target.X[:, :2]), replace(target, X=np.full_like(target.X, np.nan))):
        try:
            assert selector.score(candidate, source, bad) <= 0
        except DomainError as err:
            assert re.match(f"{here}.*target", str(err)), str(err)  # noqa: PT017
    for bad in (source.X, None, source.hide()) if subject.has_anchor else (source.X,):
        with pytest.raises(DomainError, match=f"^{here}.*source"):
            selector.score(candidate, bad, target)
    if subject.takes_labels and not subject.has_anchor:
        with pytest.raises(DomainError, match=f"^{here}target must have .*known labels"):
            selector.score(candidate, source, target.hide())
    if not subject.has_anchor:
        with pytest.raises(ParamError, match=f"^{here}candidate must "):
            selector.score(Ridge(), source, target)


CLASS_CHECKS = (check_protocol, check_constraints, check_docstring, check_clone)
CHECKS: dict[str, tuple[Callable[..., None], ...]] = {
    "Transfer": (
        *CLASS_CHECKS, check_tasks_and_settings, check_attributes_documented, check_nothing_changed, check_refit_is_fresh,
        check_repeatable, check_round_trip, check_dtypes, check_frames, check_string_labels, check_bad_targets,
        check_bad_parameters, check_groups, check_hidden_labels, check_small_and_degenerate, check_sparse, check_transfers,
        check_no_harm,
    ),
    "Selector": (
        *CLASS_CHECKS, check_scores, check_score_order, check_score_changes_nothing, check_score_hidden_labels,
        check_score_errors,
    ),
}  # fmt: skip
