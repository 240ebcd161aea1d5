"""What the report shows beyond the facts: both domains in two dimensions, learning curves, the rows in dispute themselves."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.decomposition import PCA

from ..core.compose import TransferPipeline
from ..core.errors import DataError
from ..core.protocols import Array
from ..data.samples import Samples
from .define import Defined
from .evaluate import Evaluated
from .graph_methods import GRAPH_ANCHOR
from .prepare import Prepared
from .select import NETWORK_ANCHOR
from .train import Trained

__all__ = ["disputed_examples", "embedding", "flat_picture", "learning_of", "shown_sample"]


NETWORK_ANCHORS = (NETWORK_ANCHOR, GRAPH_ANCHOR.removesuffix("-1"))  # that saw the source alone


def learning_of(evaluated: Evaluated) -> dict[str, list[dict[str, Any]]]:
    """What was logged of each epoch by the candidates that trained a network, by id: loss parts, and how the domains mix."""
    return {t.candidate.id: history for t in evaluated.trained if (history := _history(t))}


def _history(t: Trained) -> list[dict[str, Any]]:
    model = t.model.method_ if isinstance(t.model, TransferPipeline) else t.model
    found: list[dict[str, Any]] = getattr(model, "history_", None) or []
    return found


def embedding(prepared: Prepared, evaluated: Evaluated, seed: int, most: int = 500) -> dict[str, Any]:
    """Both domains before and after adapting, each by the first two principal components of the rows of both.

    After is what the winner makes of the rows; where that is a vote, what its heaviest member does that moves them. A network
    is shown even where it was not chosen, beside the network that saw the source alone.
    """
    rng = np.random.default_rng(seed)
    Xs, Xt = prepared.source.X, prepared.target.X
    rows_s = np.sort(rng.permutation(Xs.shape[0])[:most])
    rows_t = np.sort(rng.permutation(Xt.shape[0])[:most])

    def seen_by(t: Trained, domain: str, rows: Array) -> Array:
        X = Xs if domain == "source" else Xt
        if prepared.edges is not None:  # a node is what its neighbours make of it
            more = {"edges": prepared.edges} if domain == "source" else {}
            return np.asarray(t.model.transform(X, domain=domain, **more)[rows], dtype=np.float64)
        return np.asarray(t.model.transform(X[rows], domain=domain), dtype=np.float64)

    def panel(t: Trained) -> dict[str, Any]:
        own = flat_picture(seen_by(t, "source", rows_s), seen_by(t, "target", rows_t))
        history, predicted = _history(t), evaluated.predictions[t.candidate.id]
        auc = history[-1].get("domain/auc") if history else None
        return {**own, "of": t.candidate.card.cls, "auc": auc, "target_labels": predicted[rows_t].tolist()}

    found: dict[str, Any] = {
        "method": "PCA",
        "rows": "columns" if prepared.model is None else "features",
        # Rows with other columns lie in no one picture before a method maps them into one.
        "before": flat_picture(Xs[rows_s], Xt[rows_t]) if prepared.source_names is None else None,
        "after": None,
        "source_labels": np.asarray(prepared.source.y)[rows_s].tolist(),
        "target_labels": evaluated.predictions[evaluated.winner.candidate.id][rows_t].tolist(),
    }
    after = _pictured(evaluated)
    if after is None:
        return found
    plain = next(
        (t for t in evaluated.trained if t.candidate.card.name in NETWORK_ANCHORS and t.model is not None), None
    )
    if _history(after) and plain is not None:
        found["before"] = panel(plain)
    evidence = next(c["evidence"] for c in evaluated.candidates if c["id"] == after.candidate.id)
    is_winner = after is evaluated.winner
    found["after"] = {
        **panel(after),
        "chosen": is_winner,
        "share": evidence if evaluated.guard["winner"] == "vote" and not is_winner else None,
    }
    return found


def _pictured(evaluated: Evaluated) -> Trained | None:
    """The first that moves rows: winner, proposal, then the others by evidence; of what was not chosen, networks only."""
    evidence = {c["id"]: c["evidence"] or 0.0 for c in evaluated.candidates}
    first = {evaluated.guard["winner"]: 2, evaluated.guard["proposal"]: 1}
    able = [
        t
        for t in evaluated.trained
        if t.candidate.role != "baseline"
        and hasattr(t.model, "transform")
        and (evaluated.guard["adapted"] or _history(t) or evaluated.guard["selector"] == "relation_guard")
    ]
    return max(able, key=lambda t: (first.get(t.candidate.id, 0), evidence[t.candidate.id]), default=None)


def flat_picture(Zs: Any, Zt: Any) -> dict[str, Any]:
    """The first two principal components of the rows of both, dense or sparse, scaled to the unit square."""
    Zs, Zt = (Z.toarray() if sparse.issparse(Z) else Z for Z in (Zs, Zt))
    Z = np.vstack([Zs, Zt])
    if not Z.std(axis=0).any():
        return {"source": [[0.0, 0.0]] * len(Zs), "target": [[0.0, 0.0]] * len(Zt)}
    flat = PCA(min(2, *Z.shape), random_state=0).fit_transform(Z)
    if flat.shape[1] < 2:
        flat = np.column_stack([flat, np.zeros(len(flat))])
    flat = np.round(flat / (np.abs(flat).max() or 1.0), 4)
    return {"source": flat[: len(Zs)].tolist(), "target": flat[len(Zs) :].tolist()}


def disputed_examples(defined: Defined, facts: dict[str, Any], side: int = 72) -> list[dict[str, Any]]:
    """The rows to label next as they are: a thumbnail of an image, the beginning of a text. Of tables and sound, none."""
    X = defined.target.X
    if not isinstance(X, Samples):
        return []
    asked = (facts["guard"].get("disputed") or {}).get("label_next") or ()
    return [{"row": r["row"], **shown} for r in asked if (shown := shown_sample(X, r["row"], side, 200))]


def shown_sample(X: Samples, row: int, side: int = 160, length: int = 300) -> dict[str, Any]:
    """A sample as the report shows it: ``text``, or ``image`` as a data URI with ``width`` and ``height``; sound as nothing."""
    if X.kind == "audio":
        return {}
    try:
        sample = X[row]
    except DataError:  # it broke since it was read; the report does without it
        return {}
    if X.kind == "text":
        return {"text": sample[:length] + ("…" if len(sample) > length else "")}
    sample.thumbnail((side, side))
    content = io.BytesIO()
    sample.convert("RGB").save(content, "JPEG", quality=75)
    return {
        "image": "data:image/jpeg;base64," + base64.b64encode(content.getvalue()).decode(),
        "width": sample.width,
        "height": sample.height,
    }
