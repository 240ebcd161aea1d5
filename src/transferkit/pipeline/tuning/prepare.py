"""Step 2 with a model as the source: rows to learn from, rows that are held back, and what each model sees in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...core.errors import DomainError
from ...core.protocols import Array, Domain
from ...core.validation import Task
from ...data.samples import Samples
from ..define import Defined
from ..prepare import HeldBack, fingerprint_of, sample_names, short_name

__all__ = ["SourceModel", "Tuning", "prepare"]

HELD_BACK = 0.25  # share of the labels for the final score, where the data bring no split of their own


@dataclass(frozen=True, eq=False)
class SourceModel:
    """A pretrained network, and what it makes of the target's rows.

    Attributes
    ----------
    name : str
        As methods take it.
    label : str
        As reports show it.
    weights : str
        SHA-256.
    n_parameters : int
        Of its body.
    features : array of shape (n_samples, n_features)
    address : str
        What the features depend on beside the rows.
    posterior : array of shape (n_samples, n_source_classes) or None
        What its own classifier says, where it came with one.
    """

    name: str
    label: str
    weights: str
    n_parameters: int
    features: Array
    address: str
    posterior: Array | None


@dataclass(frozen=True, eq=False)
class Tuning:
    """A labelled target that every method can work on.

    Attributes
    ----------
    target : Domain
        All rows. Only those of `train` are known; elsewhere ``y`` is a filler: the true label is not there.
    names : list of str
        What a table calls each row.
    train : int array
        Rows to learn from.
    held_back : HeldBack or None
        Labelled rows kept for the final score.
    kind : {"classification", "regression"}
    classes : array of shape (n_classes,) or None
    models : list of SourceModel
    notes : list of str
        What was done to the data, in plain sentences.
    fingerprint : str
        SHA-256 of rows, known labels and weights.
    """

    target: Domain
    names: list[str]
    train: Array
    held_back: HeldBack | None
    kind: Task
    classes: Array | None
    models: Sequence[SourceModel]
    notes: list[str]
    fingerprint: str

    @property
    def y(self) -> Array:
        """Labels of the rows to learn from."""
        return np.asarray(self.target.y)[self.train]


def prepare(defined: Defined) -> Tuning:
    """Split the labels, and pass every row through each model once.

    Raises
    ------
    DomainError, DataError, ParamError
        Naming the domain or model that cannot be used.
    """
    target, notes = defined.target, list(defined.notes)
    y = np.asarray(target.y)
    y = y.astype(str) if y.dtype == object else y
    train, held = _split(defined, y, notes)
    classes = np.unique(y[train]) if defined.kind == "classification" else None
    if classes is not None:
        if len(classes) < 2:
            raise DomainError(
                f"{target.name}: there must be two classes or more to learn. Got one: {classes.tolist()[0]!r}."
            )
        unknown = np.setdiff1d(y[held], classes)
        if len(unknown):
            raise DomainError(
                f"{target.name}: held-back labels must be classes that rows to learn from have."
                f" Got also {unknown[:5].tolist()}."
            )
    if len(train) < 4:
        raise DomainError(f"{target.name}: there must be 4 labelled rows or more to learn from. Got {len(train)}.")
    known = np.zeros(target.n_samples, dtype=bool)
    known[train] = True
    visible = np.where(known, y, y[train[0]])
    models = [_source_model(name, target.X, notes) for name in dict.fromkeys(defined.models)]
    digests = np.array([target.X.digest(i) for i in range(target.n_samples)])
    return Tuning(
        target=Domain(target.X, visible, known, name=target.name),
        names=sample_names(target.X, defined.task.target),
        train=train,
        held_back=HeldBack(held, y[held]) if len(held) else None,
        kind=defined.kind,
        classes=classes,
        models=models,
        notes=notes,
        fingerprint=fingerprint_of(digests, known, visible, np.array([m.weights for m in models])),
    )


def _split(defined: Defined, y: Array, notes: list[str]) -> tuple[Array, Array]:
    """Rows to learn from, and rows held back: the data's own splits, or a share of every class drawn by the seed."""
    task, there = defined.task, defined.target.mask
    rng = np.random.default_rng(task.seed)
    splits = getattr(defined.target.X, "splits", None)
    pool, held = there, np.zeros_like(there)
    if splits is not None and (there & (splits == "train")).any():
        pool = there & ((splits == "train") | (splits == ""))
        held = there & ~pool
        if held.any():
            others = " and ".join(dict.fromkeys(splits[held].tolist()))
            notes.append(f"The data bring their own splits: train is learned from, {others} is held back.")
    stacks = (
        [np.flatnonzero(pool)]
        if defined.kind == "regression"
        else [np.flatnonzero(pool & (y == c)) for c in np.unique(y[pool])]
    )
    mixed = [rng.permutation(rows) for rows in stacks]
    if task.shots is not None:
        learned = np.concatenate([rows[: task.shots] for rows in mixed])
        rest = np.concatenate([rows[task.shots :] for rows in mixed])
        held_rows = np.flatnonzero(held) if held.any() else rest
        if held.any() and len(rest):
            notes.append(f"{len(rest)} labelled rows of train beyond the {task.shots} a class were left aside.")
    elif held.any():
        learned, held_rows = np.flatnonzero(pool), np.flatnonzero(held)
    else:
        cuts = [int(HELD_BACK * len(rows) + 0.5) if len(rows) > 1 else 0 for rows in mixed]
        held_rows = np.concatenate([rows[:k] for rows, k in zip(mixed, cuts)])
        learned = np.concatenate([rows[k:] for rows, k in zip(mixed, cuts)])
        notes.append(
            f"{len(held_rows)} of {len(held_rows) + len(learned)} labelled rows, a fourth of every class, are held back."
            if defined.kind == "classification"
            else f"{len(held_rows)} of {len(held_rows) + len(learned)} labelled rows are held back."
        )
    if not len(held_rows):
        notes.append("No label is held back: there is no measured score.")
    return np.sort(learned), np.sort(held_rows)


def _source_model(name: str, X: Samples, notes: list[str]) -> SourceModel:
    """Load a model, pass all rows through it, and let go of it."""
    from ...engine.features.encoder import BackboneEncoder, source_posterior  # needs torch
    from ...engine.features.extraction import address_of

    encoder = BackboneEncoder(name, cache=True).fit(X)
    backbone = encoder.backbone_
    features = encoder.transform(X)
    notes.extend(f"{short_name(name)}: {note}" for note in backbone.notes)
    return SourceModel(
        name=name,
        label=short_name(name),
        weights=backbone.fingerprint,
        n_parameters=sum(p.numel() for p in backbone.body.parameters()),
        features=features,
        address=address_of(backbone, "fp32"),
        posterior=source_posterior(backbone, features),
    )
