"""Step 1, define: what was asked, read into domains."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..core.errors import DataError, DomainError, ParamError, TransferWarning
from ..core.protocols import Domain
from ..core.relational import RelationalRows
from ..core.validation import Task
from ..data import named, readers
from ..data.samples import Samples
from .task import TransferTask, model_place, name_of, place_of

__all__ = ["Defined", "TransferTask", "define"]

# The source model where none is named, by what the data are. Sounds are seen as pictures: log-mel spectrograms.
MODELS = {
    "images": "timm:resnet18.a1_in1k",
    "text": "sentence:all-MiniLM-L6-v2",
    "audio": "timm:resnet18.a1_in1k?kind=audio",
}


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
    for domain in (*sources, target):
        if isinstance(domain.X, RelationalRows):
            raise DomainError(
                f"{domain.name}: first-order facts must come with the relation to learn: --target-predicate NAME (and"
                " --source-predicate NAME), as in --target-predicate advisedby. Got none."
            )
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
        for place in {name_of(value), place_of(value)} if isinstance(value, (str, Path)) else ():
            text = text.replace(f"{place}/", "").replace(f"{place}!", "").replace(place, Path(place).name)
    return text


def _models(task: TransferTask, domains: Sequence[Domain]) -> tuple[str, ...]:
    """The networks that the data call for; none for tables and arrays."""
    kinds = list(dict.fromkeys(d.X.kind if isinstance(d.X, Samples) else "table" for d in domains))
    if len(kinds) > 1:
        raise DomainError(f"{domains[-1].name}: all domains must be of one kind. Got {' and '.join(kinds)}.")
    if task.text is not None and kinds != ["text"]:
        got = "rows of numbers" if kinds == ["table"] else kinds[0]
        raise DomainError(f"{domains[-1].name}: must hold texts for text={task.text!r}. Got {got}.")
    if kinds == ["table"]:
        if task.model is not None:
            raise DomainError(
                f"{domains[-1].name}: must be images, texts or audio for a model. Got a table or array;"
                " where a column holds texts, name it (--text COLUMN)."
            )
        return ()
    if kinds[0] not in MODELS:
        raise DomainError(f"{domains[-1].name}: must be images, texts or audio. Got {kinds[0]}.")
    named = [MODELS[kinds[0]] if m == "auto" else model_place(m) for m in task.models or ("auto",)]
    for m in named:
        if m.startswith("small:"):
            raise ParamError(
                f"TransferTask: model must be a pretrained network (timm:, torchvision:, hf:, sentence:, open_clip:, file:)."
                f" Got {m!r}, which has learned nothing yet; the classes in Python take it as backbone=."
            )
    return tuple(map(_of_sounds, named)) if kinds[0] == "audio" else tuple(named)


def _of_sounds(model: str) -> str:
    """A network of images is told to see sounds as log-mel spectrograms; those of the hub know what they take."""
    if "kind=" in model or model.startswith("hf:") or "arch=hf:" in model:
        return model
    return f"{model}{'&' if '?' in model else '?'}kind=audio"


def _read(task: TransferTask) -> tuple[tuple[Domain, ...], Domain]:
    if task.domain_column is not None:
        return _read_split(task)
    if task.from_files and task.sources and place_of(task.target) in map(place_of, task.sources):
        raise ParamError(f"TransferTask: target must not be one of the sources. Got {name_of(task.target)} for both.")
    asked: dict[str, Any] = {"label": task.label, "strict": task.strict, "text": task.text}
    sources = tuple(read_domain(s, require_label=True, **asked) for s in task.sources)
    return sources, read_domain(task.target, require_label=not sources, **asked)


def _read_split(task: TransferTask) -> tuple[tuple[Domain, ...], Domain]:
    assert task.domain_column is not None
    assert task.target_domain is not None
    one, other = task.sources[0], task.target
    same = one is other or (isinstance(one, (str, Path)) and name_of(one) == name_of(other))
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
            f"{name_of(task.target)}: column {task.domain_column!r} must hold the domains asked for."
            f" It holds {', '.join(map(repr, parts))}; not there: {asked}."
        )
    if task.target_domain in names:
        raise ParamError(f"TransferTask: source_domains must not hold the target. Got {task.target_domain!r} in both.")
    return tuple(parts[n] for n in names), parts[task.target_domain]


def read_domain(
    source: Any,
    *,
    label: str | None,
    require_label: bool,
    strict: bool = False,
    text: str | None = None,
    columns: Mapping[str, str] | None = None,
) -> Domain:
    """One domain: a public data set's by "NAME:DOMAIN", else whatever the readers take."""
    if isinstance(source, str) and ":" in source and not Path(source).exists():
        domain = named.reference(source, label)
        if domain is not None:
            return domain
    return readers.read(source, label=label, require_label=require_label, strict=strict, text=text, columns=columns)


def _own_names(domains: tuple[Domain, ...]) -> tuple[Domain, ...]:
    names = [d.name for d in domains]
    if len(set(names)) == len(names):
        return domains
    return tuple(replace(d, name=f"{d.name}_{k + 1}") for k, d in enumerate(domains))


def _kind(task: TransferTask, sources: Sequence[Domain]) -> Task:
    forms = {np.asarray(d.y).shape[1:] for d in sources}
    if len(forms) > 1 or (forms != {()} and task.kind == "regression"):
        raise DomainError(
            f"{sources[0].name}: labels must be one a row in every source, or a table of classes in every one, and numbers for a"
            " regression. Got another form."
        )
    labels = np.concatenate([np.asarray(d.known_y) for d in sources])
    numeric = labels.dtype.kind in "iufb"
    if task.kind == "regression":
        if not numeric:
            raise DomainError(f"kind: regression must have numbers as labels. Got {labels[:3].tolist()} ...")
        return "regression"
    if task.kind == "classification":
        if labels.dtype.kind == "f" and (labels != np.round(labels)).any():
            odd = labels[labels != np.round(labels)][:3].tolist()
            raise DomainError(f"kind: classification must have whole numbers or texts as labels. Got {odd} ...")
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
    if task.shots is not None and not there.any():
        raise DomainError(f"{target.name}: must have labels for shots={task.shots}. Got none.")
    if task.target_labels == "auto":
        if not there.any():
            return "none"
        return "few" if task.shots is not None or not there.all() else "test"
    settled: Any = task.target_labels
    return settled
