"""Step 2, prepare: numbers for the methods, and hidden labels out of their reach."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.decomposition import TruncatedSVD
from sklearn.pipeline import Pipeline

from ..catalogue import card_of
from ..core.base import stack
from ..core.errors import DataError, DomainError, ParamError
from ..core.graphs import as_adjacency
from ..core.protocols import Array, Domain
from ..core.validation import Task
from ..data.align import align, align_apart, have_other_columns
from ..data.encode import TableEncoder
from ..data.label_kinds import with_one_kind
from ..data.samples import Samples, join_samples
from .define import Defined
from .graphs import source_edges
from .held_back import HeldBack, held_back_sum, plain_labels, split_labels
from .pairs import read_pairs, untied

__all__ = ["HeldBack", "Prepared", "fingerprint_of", "held_back_sum", "prepare", "sample_names", "short_name"]

WIDE, N_COMPONENTS = 1000, 200


@dataclass(frozen=True, eq=False)
class Prepared:
    """Domains that every method can work on.

    Attributes
    ----------
    source : Domain
        All source rows, encoded, float array of shape (n_source, n_features); labels known.
    groups : array of shape (n_source,)
        Name of the source domain of each row.
    target : Domain
        The target's rows, encoded alike. Where a label may not be used, ``y`` holds a filler: the true one is not there.
    held_back : HeldBack or None
        Target labels kept for the final score; None where there are none.
    transformer : sklearn.pipeline.Pipeline
        The fitted encoding, for new rows of the target.
    kind : {"classification", "regression"}
    classes : array of shape (n_classes,) or None
    feature_names : list of str
        Columns after encoding and before any reduction.
    notes : list of str
        What was done to the data, in plain sentences.
    n_features_in : int or None
        Columns before encoding; None for images, texts and audio.
    fingerprint : str
        SHA-256 of what the methods see, so that a resumed run can tell whether the data changed.
    model : dict or None
        Name, weights and width of the network that made the features; None for tables.
    names : list of str or None
        What a table calls the target's rows; None where they are a table themselves.
    source_names : list of str or None
        The source's columns after encoding, where the target has columns of its own; None where both have the same.
    pairs : int array of shape (n_pairs, 2) or None
        Then: rows of source and target that were told to be the same thing.
    edges : CSR matrix of shape (n_source, n_source) or None
        The source's, where methods for graphs are to be tried; those of the target are its own.
    """

    source: Domain
    groups: Array
    target: Domain
    held_back: HeldBack | None
    transformer: Pipeline
    kind: Task
    classes: Array | None
    feature_names: list[str]
    notes: list[str]
    n_features_in: int | None
    fingerprint: str
    model: dict[str, Any] | None = None
    names: list[str] | None = None
    source_names: list[str] | None = None
    pairs: Array | None = None
    edges: Any = None

    @property
    def outcome(self) -> str:
        """What a prediction is: "classification", "regression", or "multilabel" where rows have several labels."""
        return "multilabel" if np.asarray(self.source.y).ndim == 2 else self.kind

    @property
    def has_own_columns(self) -> bool:
        """Whether the columns that methods see are those of the data, not what a network or a reduction made of them."""
        return self.model is None and len(self.feature_names) == self.source.X.shape[1]

    @property
    def column_names(self) -> list[str]:
        """Names of the columns that methods see."""
        width = self.source.X.shape[1]
        return self.feature_names if len(self.feature_names) == width else [f"component{j}" for j in range(width)]

    @classmethod
    def of_arrays(cls, source: Domain, target: Domain, kind: Task = "classification") -> Prepared:
        """Rows that are numbers already, one source, as they are."""
        classes = np.unique(np.asarray(source.y)) if kind == "classification" else None
        return cls(
            source=source, groups=np.full(source.n_samples, source.name), target=target, held_back=None,
            transformer=Pipeline([("as_is", "passthrough")]), kind=kind, classes=classes,
            feature_names=[f"x{j}" for j in range(source.X.shape[1])], notes=[], n_features_in=source.X.shape[1],
            fingerprint=fingerprint_of(source.X, source.y, target.X),
        )  # fmt: skip


def prepare(defined: Defined) -> Prepared:
    """Align columns, encode rows, split off the labels that are held back.

    Raises
    ------
    DomainError, DataError
        Naming the domain or column that cannot be used.
    """
    if not defined.sources:
        raise DomainError(
            f"{defined.target.name}: there must be a source domain beside the target."
            " A model alone as the source goes with `transferkit run`."
        )
    raw, task = bool(defined.models), defined.task
    edges = source_edges(defined)
    apart = not raw and edges is None and _is_apart(defined)
    if task.pairs is not None and not apart:
        raise ParamError(
            f"run: pairs must go with tables or arrays whose columns differ. Got {'a graph' if edges is not None else 'rows'} in"
            f" {defined.target.name} that {'methods for graphs take' if edges is not None else 'a network turns into features'}."
        )
    sources, target, notes = list(defined.sources), defined.target, list(defined.notes)
    if not raw:
        sources, target, said = (align_apart if apart else align)(sources, target)
        notes.extend(said)
    if apart:
        if task.pairs is None and task.methods is None and defined.target_labels != "few":
            held = int(target.mask.sum()) if defined.target_labels == "test" else 0
            raise untied(sources[0].name, target.name, _columns(sources[0].X), _columns(target.X), held)
        notes.append(
            "Source and target have columns of their own: methods between feature spaces are tried, against the target's known"
            " labels alone."
        )
    pairs = _pairs(defined, sources, target, notes) if apart else None
    sources = [_labelled(d, notes) for d in sources]
    if target.n_samples < 3:
        raise DomainError(f"{target.name}: a target must have at least 3 rows. Got {target.n_samples}.")
    alike = with_one_kind([np.asarray(d.y) for d in sources], [d.name for d in sources], task.label)
    ys = np.concatenate([plain_labels(y) for y in alike])
    if defined.task.kind == "auto" and defined.kind == "regression" and (ys == np.round(ys)).all():
        notes.append(
            f"The label has {len(np.unique(ys))} different whole numbers and was taken as a quantity;"
            " --kind classification takes it as classes."
        )
    classes = None
    if defined.kind == "classification" and ys.ndim == 1:
        classes = np.unique(ys)
        if len(classes) < 2:
            raise DomainError(
                f"label {defined.task.label!r}: a source must hold at least two classes. Got one: {classes.tolist()[0]!r}."
            )
    Xs = _concat([d.X for d in sources])
    model = None
    source_names = None
    if raw:
        encoder, model = _backbone(defined, target.X, notes)
    else:
        encoder = TableEncoder().fit(_with_shared(target.X, Xs) if apart else Xs, target=Domain(target.X))
        notes.extend(encoder.notes_)
    if apart:
        # Each side by itself, but for columns of one name: these keep the source's scale.
        of_source = TableEncoder().fit(Xs)
        notes.extend(of_source.notes_)
        _, source_names, Zs, _ = _encode(of_source, Xs, Xs, defined.task.seed, notes)
        transformer, names, Zt, _ = _encode(encoder, target.X, target.X, defined.task.seed, notes)
        if not all(hasattr(d.X, "columns") for d in (sources[0], target)):  # numbers of columns are no names
            source_names, names = [f"source {n}" for n in source_names], [f"target {n}" for n in names]
    else:
        keep = edges is not None  # methods for graphs take sparse rows as they are
        transformer, names, Zs, Zt = _encode(encoder, Xs, target.X, defined.task.seed, notes, keep_sparse=keep)
    moved, held_back = split_labels(defined, replace(target, X=Zt), classes, ys, notes)
    groups = np.concatenate([np.full(d.n_samples, d.name) for d in sources])
    return Prepared(
        source=Domain(Zs, ys, name=" + ".join(d.name for d in sources)),
        groups=groups,
        target=moved,
        held_back=held_back,
        transformer=transformer,
        kind=defined.kind,
        classes=classes,
        feature_names=names,
        notes=notes,
        n_features_in=None if raw else int(target.X.shape[1]),
        # Of raw rows the files count, not the features: those may differ in the last bit with the number of threads.
        fingerprint=fingerprint_of(
            *([_digests(Xs), _digests(target.X), model["weights"]] if model else [*_parts(Zs), *_parts(moved.X)]),
            ys, groups, moved.known_y, moved.mask, *(() if pairs is None else (pairs,)), *_edge_parts(edges, moved),
        ),
        model=model,
        names=sample_names(target.X, defined.task.target) if raw else None,
        source_names=source_names,
        pairs=pairs,
        edges=edges,
    )  # fmt: skip


def _edge_parts(edges: Any, target: Domain) -> list[Array]:
    """What tells two graphs apart."""
    if edges is None:
        return []
    return [*_parts(edges), *_parts(as_adjacency(f"{target.name}: edges", target.edges, target.n_samples))]


def _parts(X: Any) -> list[Any]:
    """The arrays that rows are made of."""
    return [X.indptr, X.indices, X.data] if sparse.issparse(X) else [X]


def _columns(X: Any) -> list[str]:
    return [str(c) for c in (X.columns if hasattr(X, "columns") else range(X.shape[1]))]


def _is_apart(defined: Defined) -> bool:
    """Whether the target keeps columns of its own: it shares none, pairs were given, or only methods for that were named."""
    task = defined.task
    if task.pairs is not None or have_other_columns(defined.sources, defined.target):
        return True
    names = [{*map(str, getattr(d.X, "columns", ()))} for d in (*defined.sources, defined.target)]
    differ = any(own != names[-1] for own in names[:-1])
    return differ and bool(task.methods) and all("heterogeneous" in card_of(m).settings for m in task.methods or ())


def _with_shared(X: Any, Xs: Any) -> Any:
    """What an encoder of the target learns its scales from: the target's rows, but the source's in columns of one name."""
    shared = [c for c in getattr(X, "columns", ()) if c in getattr(Xs, "columns", ())]
    if not shared:
        return X
    n = max(len(X), len(Xs))
    seen = {c: (Xs if c in shared else X)[c] for c in X.columns}
    return type(X)({c: values.gather(np.resize(np.arange(len(values)), n)) for c, values in seen.items()})


def _pairs(defined: Defined, sources: Sequence[Domain], target: Domain, notes: list[str]) -> Array | None:
    """The pairs that were given, by number of the source rows that have a label; the others are left out."""
    if defined.task.pairs is None:
        return None
    labelled = np.concatenate([d.mask for d in sources])
    pairs = read_pairs(defined.task.pairs, len(labelled), target.n_samples)
    usable = labelled[pairs[:, 0]]
    if not usable.all():
        notes.append(f"{int((~usable).sum())} of {len(pairs)} pairs are left out: their source rows have no label.")
    if not usable.any():
        raise DomainError(f"{target.name}: pairs must name source rows with a label. Got none that do.")
    kept = pairs[usable]
    return np.column_stack([np.cumsum(labelled)[kept[:, 0]] - 1, kept[:, 1]])


def short_name(model: str) -> str:
    """A model's name without the folders of its file: a result must not depend on where that lies."""
    scheme, colon, rest = model.partition(":")
    path, mark, options = rest.partition("?")
    return f"{scheme}{colon}{os.path.basename(path) if os.path.isabs(path) else path}{mark}{options}"


def sample_names(X: Any, place: Any) -> list[str]:
    """What a table calls each sample: its file from the folder on that was given, so that it can lie anywhere."""
    roots = tuple(f"{r}{mark}" for r in (str(place), os.path.abspath(str(place))) for mark in ("/", "!"))
    names = [X.name(k) for k in range(len(X))]
    cut = (next((len(r) for r in roots if isinstance(place, (str, os.PathLike)) and n.startswith(r)), 0) for n in names)
    return [name[k:] for name, k in zip(names, cut)]


def _backbone(defined: Defined, X: Samples, notes: list[str]) -> tuple[Any, dict[str, Any]]:
    """The encoder that holds the network, and what run.json says of it."""
    from ..engine.features.encoder import BackboneEncoder  # needs torch

    name = defined.models[0]
    try:
        encoder = BackboneEncoder(name, cache=True).fit(X)
    except DataError as err:
        if "auto" not in (defined.task.models or ("auto",)):
            raise
        raise DataError(f"{err} It is the usual network for {X.kind}; --model names another.") from err
    backbone = encoder.backbone_
    notes.extend(backbone.notes)
    notes.append(f"Rows became {backbone.n_features} features with {short_name(name)}, which was not trained further.")
    model = {"name": short_name(name), "weights": backbone.fingerprint, "n_features": backbone.n_features}
    return encoder, model


def _digests(X: Samples) -> Array:
    return np.array([X.digest(i) for i in range(len(X))])


def _labelled(domain: Domain, notes: list[str]) -> Domain:
    """Source rows without a label teach nothing to the methods at hand: leave them out, and say so."""
    if domain.mask.all():
        return domain
    notes.append(
        f"{domain.name}: {int((~domain.mask).sum())} of {domain.n_samples} rows have no label and are left out."
    )
    return replace(domain.take(domain.mask), known=None)


def _concat(parts: Sequence[Any]) -> Any:
    if isinstance(parts[0], Samples):
        return join_samples(parts)
    if hasattr(parts[0], "get_column"):
        import polars as pl

        return pl.concat(parts, how="vertical_relaxed")
    return stack(*parts)


def _encode(
    encoder: Any, Xs: Any, Xt: Any, seed: int, notes: list[str], keep_sparse: bool = False
) -> tuple[Pipeline, list[str], Array, Array]:
    names = [str(n) for n in encoder.get_feature_names_out()]
    Zs, Zt = encoder.transform(Xs), encoder.transform(Xt)
    steps: list[tuple[str, Any]] = [("encode", encoder)]
    if keep_sparse and sparse.issparse(Zs):
        return Pipeline(steps), names, sparse.csr_matrix(Zs), sparse.csr_matrix(Zt)
    wide = Zs.shape[1] > WIDE
    if sparse.issparse(Zs) or wide:
        k = min(N_COMPONENTS, Zs.shape[1] - 1, Zs.shape[0] + Zt.shape[0] - 1)
        if k >= 1 and wide:
            # Learned from the rows of both domains, never from a label.
            reduce = TruncatedSVD(k, random_state=seed).fit(stack(Zs, Zt))
            notes.append(f"{Zs.shape[1]} features were reduced to {k} by a truncated SVD of both domains' rows.")
            steps.append(("reduce", reduce))
            Zs, Zt = reduce.transform(Zs), reduce.transform(Zt)
        else:
            Zs, Zt = Zs.toarray(), Zt.toarray()
    return Pipeline(steps), names, np.ascontiguousarray(Zs), np.ascontiguousarray(Zt)


def fingerprint_of(*parts: Any) -> str:
    """SHA-256 of arrays and texts, types and shapes included."""
    digest = hashlib.sha256()
    for part in parts:
        array = np.ascontiguousarray(part)
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
