"""Step 1, define: what was asked, read into domains."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np

from ..core.errors import DataError, DomainError, ParamError
from ..core.protocols import Domain
from ..core.validation import Task
from ..data import named, readers

__all__ = ["Defined", "TransferTask", "define"]

KINDS = ("auto", "classification", "regression")
TARGET_LABELS = ("auto", "none", "few", "test")


@dataclass(frozen=True)
class TransferTask:
    """What is asked of `transferkit.run`.

    Parameters
    ----------
    sources : sequence of path, "NAME:DOMAIN", frame, (X, y) or Domain
        Labelled source domains. ``"NAME:DOMAIN"`` names a domain of a public data set (`transferkit data list`).
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

    def __post_init__(self) -> None:
        def refuse(name: str, rule: str) -> ParamError:
            return ParamError(f"TransferTask: {name} must {rule}. Got {getattr(self, name)!r}.")

        if isinstance(self.sources, (str, Path)) or not isinstance(self.sources, Sequence) or not len(self.sources):
            raise refuse("sources", "be a non-empty list of source domains")
        for name in ("methods", "source_domains"):
            if isinstance(getattr(self, name), str):
                raise refuse(name, "be a list of names")
        for name in ("seed", "jobs", "shots"):
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
    def options(self) -> dict[str, Any]:
        """What was asked, as plain values; without `jobs` and `budget`, which a resumed run may change."""
        plain: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in ("jobs", "budget") or value is None:
                continue
            if field.name in ("sources", "target"):
                value = [_place(v) for v in value] if field.name == "sources" else _place(value)
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
    """

    task: TransferTask
    sources: tuple[Domain, ...]
    target: Domain
    kind: Task
    target_labels: Literal["none", "few", "test"]


def define(task: TransferTask) -> Defined:
    """Read the domains and settle what is a classification and which target labels there are.

    Raises
    ------
    DataError, DomainError
        Naming the file, column or option that does not fit.
    """
    sources, target = _read(task)
    for domain in sources:
        if not domain.mask.any():
            raise DomainError(f"{domain.name}: a source must have labels. Got none (label={task.label!r}).")
    kind = _kind(task, sources)
    if kind == "regression":
        sources = tuple(_numeric(d) for d in sources)
        target = _numeric(target)
    return Defined(task, _own_names(sources), target, kind, _target_labels(task, target))


def _read(task: TransferTask) -> tuple[tuple[Domain, ...], Domain]:
    if task.domain_column is not None:
        return _read_split(task)
    if task.from_files and _place(task.target) in map(_place, task.sources):
        raise ParamError(f"TransferTask: target must not be one of the sources. Got {_name(task.target)} for both.")
    sources = tuple(read_domain(s, label=task.label, require_label=True, strict=task.strict) for s in task.sources)
    target = read_domain(task.target, label=task.label, require_label=False, strict=task.strict)
    return sources, target


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


def read_domain(source: Any, *, label: str | None, require_label: bool, strict: bool = False) -> Domain:
    """One domain: a public data set's by "NAME:DOMAIN", else whatever the readers take."""
    if isinstance(source, str) and ":" in source and not Path(source).exists():
        domain = named.reference(source, label)
        if domain is not None:
            return domain
    return readers.read(source, label=label, require_label=require_label, strict=strict)


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
    if task.target_labels == "auto":
        if not there.any():
            return "none"
        return "few" if task.shots is not None or not there.all() else "test"
    settled: Any = task.target_labels
    return settled
