"""Step 1, define: what was asked, read into domains."""

from __future__ import annotations

import os
import tomllib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np

from ..core.errors import DataError, DomainError, ParamError, TransferWarning
from ..core.protocols import Array, Domain
from ..core.validation import Task
from ..data import named, readers
from ..data.samples import Samples

__all__ = ["Defined", "TransferTask", "define"]

KINDS = ("auto", "classification", "regression")
TARGET_LABELS = ("auto", "none", "few", "test")
ASSUME = ("nothing", "same-priors", "label-shift")
# The source model where none is named, by what the data are. Sounds are seen as pictures: log-mel spectrograms.
MODELS = {
    "images": "timm:resnet18.a1_in1k",
    "text": "sentence:all-MiniLM-L6-v2",
    "audio": "timm:resnet18.a1_in1k?kind=audio",
}


def _named_shares(given: Any) -> dict[str, float]:
    """Shares by the text of the class, from a mapping or from "CLASS=SHARE" texts."""
    pairs = given.items() if isinstance(given, Mapping) else [item.rpartition("=")[::2] for item in given]
    return {str(name).strip(): float(share) for name, share in pairs}


@dataclass(frozen=True)
class TransferTask:
    """What is asked of `transferkit.run`.

    Parameters
    ----------
    sources : sequence of path, "NAME:DOMAIN", frame, (X, y) or Domain
        Labelled source domains. ``"NAME:DOMAIN"`` names a domain of a public data set (`transferkit data list`). Empty
        where the source is a pretrained model: `model` is then carried over to the labelled target.
    target : path, "NAME:DOMAIN", frame, X, (X, y) or Domain
        The target domain.
    label : str, optional
        The label column or variable; needed for tables.
    kind : {"auto", "classification", "regression"}
        ``"auto"`` is a regression where the source's labels are numbers with a fractional part, or whole numbers with
        more than 30 different values.
    target_labels : {"auto", "none", "few", "test"}
        What may be done with labels found in the target. ``"none"``: they are thrown away. ``"few"``: those that are
        there may be used (with `shots`: so many a class, the rest is held back). ``"test"``: all are held back for the
        final score. ``"auto"``: ``"test"`` where every row has one, ``"few"`` where some have, else ``"none"``.
    shots : int, optional
        With ``"few"``: labels used a class (for a regression: in all); the rest is held back for the final score.
    domain_column : str, optional
        One file holds all domains and this column tells them apart: give that file as the only source and as target.
    source_domains : sequence of str, optional
        With `domain_column`: its values that are sources; None is all but the target.
    target_domain : str, optional
        With `domain_column`: its value that is the target.
    methods : sequence of str, optional
        Ids of the methods to try; None is every method that fits.
    seed : int in [0, 2**32 - 1]
        Every random choice follows from it.
    jobs : int
        Candidates fitted at a time; -1 is one a core. The result does not depend on it.
    budget : float, optional
        Seconds after which no new candidate is started. The baselines always run. What was not started is missing from
        the choice too; resume with more time to have it.
    strict : bool
        Whether a broken file in a folder is an error instead of a warning.
    model : str or sequence of str, optional
        The pretrained network for images, texts or audio, as in ``"timm:resnet18"`` or
        ``"file:weights.safetensors?arch=timm:resnet18"``; ``"auto"`` and None are the usual one for such data. Several
        are compared where `sources` is empty.
    text : str, optional
        The column of a table that holds the texts.
    epochs : int, optional
        Passes over the training rows of every network that is trained; None follows from their number.
    assume : {"nothing", "same-priors", "label-shift"}
        What may be taken for granted of the target's class shares where its labels are unknown: nothing; that they are
        roughly the source's; or that they moved, and nothing else did. A change of the shares cannot be told from other shifts by any rule, so what is assumed
        decides what may be promised.
    target_shares : mapping of class to float, or sequence of "CLASS=SHARE", optional
        The target's class shares, where they are known: one a class of the source, of sum 1. Stands for `assume`.

    Raises
    ------
    ParamError
        If an option is outside its range, named in the message.

    Examples
    --------
    >>> from transferkit import TransferTask
    >>> TransferTask(sources=["a.csv"], target="b.csv", label="y").target_labels
    'auto'
    """

    sources: Sequence[Any]
    target: Any
    label: str | None = None
    kind: str = "auto"
    target_labels: str = "auto"
    shots: int | None = None
    domain_column: str | None = None
    source_domains: Sequence[str] | None = None
    target_domain: str | None = None
    methods: Sequence[str] | None = None
    seed: int = 0
    jobs: int = -1
    budget: float | None = None
    strict: bool = False
    model: str | Sequence[str] | None = None
    text: str | None = None
    epochs: int | None = None
    assume: str = "nothing"
    target_shares: Mapping[Any, float] | Sequence[str] | None = None

    def __post_init__(self) -> None:
        def refuse(name: str, rule: str) -> ParamError:
            return ParamError(f"TransferTask: {name} must {rule}. Got {getattr(self, name)!r}.")

        if isinstance(self.sources, (str, Path)) or not isinstance(self.sources, Sequence):
            raise refuse("sources", "be a list of source domains")
        if not len(self.sources) and self.model is None:
            raise refuse("sources", "be a non-empty list of source domains, unless model is the source")
        if self.model is not None and not (self.models and all(isinstance(m, str) and m for m in self.models)):
            raise refuse("model", "be the name of a model, or a list of names")
        if len(self.sources) and len(self.models) > 1:
            raise refuse("model", "be one name where sources are domains")
        if not len(self.sources) and self.target_labels not in ("auto", "few"):
            raise refuse("target_labels", "be auto or few where a model is the source: it learns from them")
        for name in ("methods", "source_domains"):
            if isinstance(getattr(self, name), str):
                raise refuse(name, "be a list of names")
        for name in ("seed", "jobs", "shots", "epochs"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, Integral)):
                raise refuse(name, "be a whole number")
        if self.budget is not None and (isinstance(self.budget, bool) or not isinstance(self.budget, Real)):
            raise refuse("budget", "be a number of seconds")
        if self.kind not in KINDS:
            raise refuse("kind", f"be one of {', '.join(KINDS)}")
        if self.target_labels not in TARGET_LABELS:
            raise refuse("target_labels", f"be one of {', '.join(TARGET_LABELS)}")
        if self.shots is not None and (self.target_labels not in ("few", "auto") or self.shots < 1):
            raise refuse("shots", "be at least 1 and go with target_labels='few'")
        if self.epochs is not None and self.epochs < 1:
            raise refuse("epochs", "be at least 1")
        if self.assume not in ASSUME:
            raise refuse("assume", f"be one of {', '.join(ASSUME)}")
        if self.target_shares is not None:
            self._check_shares()
        if self.text is not None and self.domain_column is not None:
            raise refuse("text", "be left out with domain_column")
        if (self.domain_column is None) != (self.target_domain is None):
            raise refuse("target_domain", "be given together with domain_column")
        if self.source_domains is not None and self.domain_column is None:
            raise refuse("source_domains", "be given together with domain_column")
        if not 0 <= self.seed <= 2**32 - 1:
            raise refuse("seed", "be in [0, 4294967295]")
        if self.jobs == 0 or self.jobs < -1:
            raise refuse("jobs", "be at least 1, or -1 for one a core")
        if self.budget is not None and not self.budget > 0:
            raise refuse("budget", "be a positive number of seconds")

    @property
    def models(self) -> tuple[str, ...]:
        """The models that were named."""
        if self.model is None:
            return ()
        return (self.model,) if isinstance(self.model, str) else tuple(self.model)

    def _check_shares(self) -> None:
        given = self.target_shares
        try:
            shares = _named_shares(given)
        except (ValueError, TypeError):
            shares = {}
        if len(shares) < 2 or not all(0 <= v <= 1 for v in shares.values()) or abs(sum(shares.values()) - 1) > 0.02:
            raise ParamError(
                "TransferTask: target_shares must name two classes or more with shares in [0, 1] that sum to 1, as in"
                f" a=0.3,b=0.7. Got {given!r}."
            )
        if self.assume != "nothing":
            raise ParamError("TransferTask: target_shares must stand alone: it says what assume would leave open.")

    def shares_of(self, classes: Array) -> dict[Any, float] | None:
        """The given shares by class, scaled to sum exactly 1; None where none were given.

        Raises
        ------
        ParamError
            If the classes that were named are not those of the source.
        """
        if self.target_shares is None:
            return None
        named = _named_shares(self.target_shares)
        own = {str(c): c for c in classes.tolist()}
        if set(named) != set(own):
            raise ParamError(
                f"TransferTask: target_shares must name the source's classes, {', '.join(list(own)[:20])}."
                f" Got {', '.join(list(named)[:20])}."
            )
        total = sum(named.values())
        return {own[name]: share / total for name, share in named.items()}

    @property
    def mode(self) -> Literal["nothing", "same-priors", "label-shift", "target-shares"]:
        """What is known of the target's class shares."""
        return "target-shares" if self.target_shares is not None else self.assume  # type: ignore[return-value]

    @property
    def options(self) -> dict[str, Any]:
        """What was asked, as plain values; without `jobs` and `budget`, which a resumed run may change."""
        plain: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in ("jobs", "budget") or value is None:
                continue
            if field.name in ("sources", "target"):
                value = [_place(v) for v in value] if field.name == "sources" else _place(value)
            if field.name == "target_shares":
                value = [f"{name}={share:g}" for name, share in _named_shares(value).items()]
            if field.name == "assume" and value == "nothing":
                continue  # the default: runs from before it was an option resume
            if field.name == "model":
                value = [_model_place(m) for m in self.models]
            if isinstance(value, Integral) and not isinstance(value, bool):
                value = int(value)
            plain[field.name] = list(value) if isinstance(value, tuple) else value
        return plain

    @property
    def from_files(self) -> bool:
        """Whether every domain is named by text, so that the task can be written down and read again."""
        return all(isinstance(v, (str, Path)) for v in [*self.sources, self.target])

    @classmethod
    def from_toml(cls, path: Path) -> Self:
        """Read a task as `run.toml` holds it.

        Raises
        ------
        DataError
            If the file is missing or is not such a task.
        """
        try:
            raw = tomllib.loads(path.read_text(encoding="utf-8"))
            return cls(**raw["task"])
        except OSError as err:
            raise DataError(f"{path}: cannot be read ({err.strerror}). Is this the folder of a run?") from err
        except (tomllib.TOMLDecodeError, KeyError, TypeError) as err:
            raise DataError(f"{path}: is not the task of a run of this version ({err}).") from err


def _place(value: Any) -> str:
    """How a domain is written down: a file by its full path, so that a run can be resumed from any folder."""
    name = _name(value)
    is_place = isinstance(value, (str, Path)) and (Path(name).exists() or ":" not in name)
    return os.path.abspath(name) if is_place else name


def _model_place(name: str) -> str:
    """A model's name with the full path where it names a file or folder, so that a run can be resumed from any folder."""
    scheme, colon, rest = name.partition(":")
    path, mark, options = rest.partition("?")
    return f"{scheme}:{os.path.abspath(path)}{mark}{options}" if colon and path and Path(path).exists() else name


def _name(value: Any) -> str:
    if isinstance(value, (str, Path)):
        return str(value)
    return value.name if isinstance(value, Domain) else type(value).__name__


@dataclass(frozen=True)
class Defined:
    """A task whose domains have been read.

    Attributes
    ----------
    task : TransferTask
        What was asked.
    sources : tuple of Domain
        Labelled sources, with names of their own.
    target : Domain
        The target as read, its labels (if any) still in place.
    kind : {"classification", "regression"}
    target_labels : {"none", "few", "test"}
    models : tuple of str
        Networks that turn rows into features; none for tables.
    notes : tuple of str
        What was left out while reading.
    """

    task: TransferTask
    sources: tuple[Domain, ...]
    target: Domain
    kind: Task
    target_labels: Literal["none", "few", "test"]
    models: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def define(task: TransferTask) -> Defined:
    """Read the domains and settle what is a classification and which target labels there are.

    Raises
    ------
    DataError, DomainError
        Naming the file, column or option that does not fit.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        sources, target = _read(task)
    notes = tuple(_without_folders(str(w.message), task) for w in caught if issubclass(w.category, TransferWarning))
    for w in caught:
        warnings.warn_explicit(w.message, w.category, w.filename, w.lineno)
    for domain in sources or (target,):
        if not domain.mask.any():
            what = "source" if sources else "target of a model"
            raise DomainError(f"{domain.name}: a {what} must have labels. Got none (label={task.label!r}).")
    models = _models(task, [*sources, target])
    kind = _kind(task, sources or (target,))
    if kind == "regression":
        sources = tuple(_numeric(d) for d in sources)
        target = _numeric(target)
    return Defined(task, _own_names(sources), target, kind, _target_labels(task, target), models, notes)


def _without_folders(text: str, task: TransferTask) -> str:
    """A message with files named from the domain's folder on: it must not depend on where the data lie."""
    for value in (*task.sources, task.target):
        for place in {_name(value), _place(value)} if isinstance(value, (str, Path)) else ():
            text = text.replace(f"{place}/", "").replace(f"{place}!", "").replace(place, Path(place).name)
    return text


def _models(task: TransferTask, domains: Sequence[Domain]) -> tuple[str, ...]:
    """The networks that the data call for; none for tables and arrays."""
    kinds = list(dict.fromkeys(d.X.kind if isinstance(d.X, Samples) else "table" for d in domains))
    if len(kinds) > 1:
        raise DomainError(f"{domains[-1].name}: all domains must be of one kind. Got {' and '.join(kinds)}.")
    if kinds == ["table"]:
        if task.model is not None:
            raise DomainError(
                f"{domains[-1].name}: must be images, texts or audio for a model. Got a table or array;"
                " where a column holds texts, name it (--text COLUMN)."
            )
        return ()
    if kinds[0] not in MODELS:
        raise DomainError(f"{domains[-1].name}: must be images, texts or audio. Got {kinds[0]}.")
    named = [MODELS[kinds[0]] if m == "auto" else _model_place(m) for m in task.models or ("auto",)]
    if kinds[0] == "audio":
        named = [m if "kind=" in m else f"{m}{'&' if '?' in m else '?'}kind=audio" for m in named]
    return tuple(named)


def _read(task: TransferTask) -> tuple[tuple[Domain, ...], Domain]:
    if task.domain_column is not None:
        return _read_split(task)
    if task.from_files and task.sources and _place(task.target) in map(_place, task.sources):
        raise ParamError(f"TransferTask: target must not be one of the sources. Got {_name(task.target)} for both.")
    asked: dict[str, Any] = {"label": task.label, "strict": task.strict, "text": task.text}
    sources = tuple(read_domain(s, require_label=True, **asked) for s in task.sources)
    return sources, read_domain(task.target, require_label=not sources, **asked)


def _read_split(task: TransferTask) -> tuple[tuple[Domain, ...], Domain]:
    assert task.domain_column is not None
    assert task.target_domain is not None
    one, other = task.sources[0], task.target
    same = one is other or (isinstance(one, (str, Path)) and _name(one) == _name(other))
    if len(task.sources) != 1 or not same:
        raise ParamError("TransferTask: with domain_column, sources must be the one file that is the target too.")
    parts: Mapping[str, Domain] = readers.read_domains(
        task.sources[0], domain_column=task.domain_column, label=task.label
    )
    names = [n for n in parts if n != task.target_domain] if task.source_domains is None else list(task.source_domains)
    missing = [n for n in [*names, task.target_domain] if n not in parts]
    if missing or not names:
        asked = ", ".join(map(repr, missing)) or "a source beside the target"
        raise DataError(
            f"{_name(task.target)}: column {task.domain_column!r} must hold the domains asked for."
            f" It holds {', '.join(map(repr, parts))}; not there: {asked}."
        )
    if task.target_domain in names:
        raise ParamError(f"TransferTask: source_domains must not hold the target. Got {task.target_domain!r} in both.")
    return tuple(parts[n] for n in names), parts[task.target_domain]


def read_domain(
    source: Any, *, label: str | None, require_label: bool, strict: bool = False, text: str | None = None
) -> Domain:
    """One domain: a public data set's by "NAME:DOMAIN", else whatever the readers take."""
    if isinstance(source, str) and ":" in source and not Path(source).exists():
        domain = named.reference(source, label)
        if domain is not None:
            return domain
    return readers.read(source, label=label, require_label=require_label, strict=strict, text=text)


def _own_names(domains: tuple[Domain, ...]) -> tuple[Domain, ...]:
    names = [d.name for d in domains]
    if len(set(names)) == len(names):
        return domains
    return tuple(replace(d, name=f"{d.name}_{k + 1}") for k, d in enumerate(domains))


def _kind(task: TransferTask, sources: Sequence[Domain]) -> Task:
    labels = np.concatenate([np.asarray(d.known_y) for d in sources])
    numeric = labels.dtype.kind in "iufb"
    if task.kind == "regression":
        if not numeric:
            raise DomainError(f"kind: regression must have numbers as labels. Got {labels[:3].tolist()} ...")
        return "regression"
    if task.kind == "classification":
        return "classification"
    if not numeric:
        return "classification"
    # Whole numbers stay whole where a missing label made floats of them.
    return "regression" if len(np.unique(labels)) > 30 or (labels != np.round(labels)).any() else "classification"


def _numeric(domain: Domain) -> Domain:
    if domain.y is None:
        return domain
    values = np.asarray(domain.y)
    if values.dtype.kind not in "iufb":
        raise DomainError(f"{domain.name}: labels of a regression must be numbers. Got {values[:3].tolist()} ...")
    return replace(domain, y=values.astype(np.float64))


def _target_labels(task: TransferTask, target: Domain) -> Literal["none", "few", "test"]:
    there = target.mask
    if task.target_labels in ("few", "test") and not there.any():
        raise DomainError(f"{target.name}: must have labels for target_labels={task.target_labels!r}. Got none.")
    if not task.sources:
        return "few"
    if task.target_labels == "auto":
        if not there.any():
            return "none"
        return "few" if task.shots is not None or not there.all() else "test"
    settled: Any = task.target_labels
    return settled
