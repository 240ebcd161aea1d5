"""What the commands for several tasks share: names, labels, rows to judge by, and the method that was asked for."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline

from .. import catalogue
from ..core.errors import DataError, DomainError, ParamError
from ..core.protocols import Array, Domain
from ..data import readers
from ..data.encode import TableEncoder
from ..data.samples import Samples

__all__ = [
    "check_place", "encoder_for", "make_method", "own_names", "split_rows", "together", "versions", "with_text_labels",
]  # fmt: skip

_LIBRARIES = ("numpy", "scipy", "scikit-learn", "torch")


def versions() -> dict[str, str]:
    """Of Python and the libraries that numbers come from, as far as they are installed."""
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue  # torch, without which shallow methods work
    return found


def check_place(command: str, folder: Path, share: float) -> None:
    """Raise unless the folder has no model yet and `share` is a part."""
    if (folder / "model").exists():
        raise DataError(f"{folder}: holds a model already. Name another folder.")
    if not 0 < share < 1:
        raise ParamError(f"{command}: share must be a number in (0, 1). Got {share!r}.")


def own_names(domains: Sequence[Domain]) -> list[Domain]:
    """Domains with names of their own."""
    names = [d.name for d in domains]
    if len(set(names)) == len(names):
        return list(domains)
    return [replace(d, name=f"{d.name}_{k + 1}") for k, d in enumerate(domains)]


def with_text_labels(domain: Domain) -> Domain:
    """Labels that are text as an array of text, not of objects."""
    y = np.asarray(domain.y)
    return replace(domain, y=y.astype(str)) if y.dtype == object else domain


def split_rows(name: str, rows: Array, y: Array | None, share: float, seed: int) -> tuple[Array, Array]:
    """Rows to learn from and rows to judge by; each class of `y` in both, where it has two rows.

    Raises
    ------
    DomainError
        If there are not two rows.
    """
    if len(rows) < 2:
        raise DomainError(f"{name}: a task must have two labelled rows at least. Got {len(rows)}.")
    held = min(max(1, round(share * len(rows))), len(rows) - 1)
    counts = np.array([1]) if y is None else np.unique(y, return_counts=True)[1]
    fair = counts.min() > 1 and held >= len(counts) and len(rows) - held >= len(counts)
    learn, judge = train_test_split(rows, test_size=held, random_state=seed, stratify=y if fair else None)
    return np.sort(learn), np.sort(judge)


def together(parts: Sequence[Any]) -> Any:
    """Rows of several tables or arrays, one below the other."""
    return parts[0] if len(parts) == 1 else readers.read(list(parts)).X


def make_method(
    command: str, protocol: str, method: str, params: Mapping[str, Any], model: str | None, seed: int
) -> Any:
    """The method that was named, with its parameters, the seed, and the model as its backbone where it has one.

    Raises
    ------
    ParamError
        Naming a method of another protocol, or a parameter that there is not.
    """
    card = catalogue.card_of(method)
    if card.protocol != protocol:
        raise ParamError(
            f"{command}: method must follow the protocol {protocol}. {card.name!r} follows {card.protocol}."
        )
    cls = catalogue.load(card.name)
    known = list(cls._constraints)
    for name in params:
        if name not in known:
            raise ParamError(f"{command}: {card.cls} has the parameters {', '.join(known)}. Got {name!r}.")
    given: dict[str, Any] = {"random_state": seed, "backbone": model}
    if model is None:
        del given["backbone"]
    return cls(**{**{k: v for k, v in given.items() if k in known}, **params})


def encoder_for(command: str, method: Any, X: Any, model: str | None) -> Any:
    """What goes in front of a method: of tables an encoder; of samples nothing, or a frozen model for a method of vectors.

    Raises
    ------
    ParamError
        If a model must be named, or has no use.
    """
    has_backbone = "backbone" in method._constraints
    if not isinstance(X, Samples):
        if model is not None and not has_backbone:
            raise ParamError(
                f"{command}: model must be left out for {type(method).__name__} on a table, which needs none."
                f" Got {model!r}."
            )
        return TableEncoder()
    if has_backbone:
        return None
    if model is None:
        raise ParamError(
            f"{command}: model must be named for {type(method).__name__} on {X.kind}, as it takes vectors. Got none."
        )
    from ..engine.features.encoder import BackboneEncoder  # needs torch

    return Pipeline(
        [("features", BackboneEncoder(model, cache=True))]
    )  # as a part of which the store keeps its weights
