"""Transfer between modalities: retrieval, distillation through pairs, and classes that are known by their name only.

    OMP_NUM_THREADS=1 python benchmarks/cross_modal.py
    python benchmarks/cross_modal.py --show

Retrieval: Wikipedia, images (128 visual words) and texts (10 topics), 2173 pairs to learn from with their category, 693 of each to
retrieve among (one modality asks, the other answers; relevant is what has the same category); mean average precision of the whole
ranking. The measure is the cosine for all; the Pearson correlation of two rows, and the divergence of posteriors, stand beside it.
Beside them the published values, which were written down from memory of the papers and could not be looked up.

Distillation: spoken digits (FSDD, 640 log-mel numbers) and pictures of digits (MNIST, 784 pixels), in each the first 64 principal
components of the standardised columns, learned from all rows without a label. 500 pairs are made by drawing a picture and a clip of
one digit: this needs the labels of both sides, which are then hidden. The teacher has 1000 labelled rows of its modality, none of
them in a pair (a paired row with a label could simply hand it over); its guesses stand in for the labels of the pairs. 0, 1, 3 or
10 labels a class of the target are known, judged on 1000 others, 10 draws. "guesses as labels" learns from the teacher's guesses
alone; "all labels" knows those of all 500 pairs: what the pairs could at best bring. Not blind: the row with LDA features was added
after the plain columns were seen to fail.

Zero-shot: PACS photos as features of MobileNetV2, names of the seven classes as MiniLM embeddings; each two classes in turn have no
row (21 splits), half of the photos to learn from, half to judge on; columns are standardised over all of them. "unseen only" tells
the two apart (chance 50); "generalised" chooses among all seven, accuracies of a class averaged, with the harmonic mean.
Calibrations were chosen before any number was seen: 0, and a quarter of the distance between what the scores aim at (0.5 of 2) or
the margin (0.1).

Methods have their defaults. Goes to benchmarks/results/cross_modal.json after each part. Needs the folder that TRANSFERKIT_DATA
names.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from transferkit import (
    ESZSL,
    KCCA,
    CanonicalCorrelation,
    CrossModalDistillation,
    DeViSE,
    Domain,
    SemanticCorrelationMatching,
    SemanticMatching,
    SupervisionTransfer,
    ThreeViewCCA,
    Training,
)
from transferkit.core.files import atomic_write
from transferkit.data import named
from transferkit.ops.metrics.retrieval import mean_average_precision, similarities
from transferkit.ops.zero_shot import zero_shot_scores

OUT = Path(__file__).parent / "results" / "cross_modal.json"
WEIGHTS = "weights/mobilenetv2_100_imagenet_bncal_fp16.safetensors"
DRAWS, SHOTS, PAIRS, TEACHER, JUDGED = 10, (0, 1, 3, 10), 500, 1000, 1000
T9, T20 = 2.262, 2.086  # the 97.5 % points of Student's t for 10 and 21 draws
Array = np.ndarray[Any, Any]

RETRIEVAL = {
    "cca (correlation matching)": CanonicalCorrelation,
    "kcca": KCCA,
    "semantic_matching": SemanticMatching,
    "semantic_correlation_matching": SemanticCorrelationMatching,
    "semantic_correlation_matching, no ridge": lambda: SemanticCorrelationMatching(reg=0.0),
    "semantic_correlation_matching, KCCA": lambda: SemanticCorrelationMatching(projection=KCCA()),
    "three_view_cca": ThreeViewCCA,
    "three_view_cca, rbf": lambda: ThreeViewCCA(kernel="rbf"),
    "three_view_cca, all directions alike": lambda: ThreeViewCCA(power=0.0),
}
# Image asks, text asks. Of the same 2173 and 693 articles and features of the same kind and size.
PUBLISHED = {
    "random": (0.118, 0.118, "Rasiwasia et al. 2010, from memory"),
    "correlation matching": (0.249, 0.196, "Rasiwasia et al. 2010, from memory"),
    "semantic matching": (0.225, 0.223, "Rasiwasia et al. 2010, from memory"),
    "semantic correlation matching": (0.277, 0.226, "Rasiwasia et al. 2010, from memory"),
}


def retrieval() -> dict[str, Any]:
    """Mean average precision of both directions, by method and measure."""
    data = named.load("wikipedia-crossmodal")
    X, Xt, X_new, Xt_new = (np.asarray(data[d].X, float) for d in ("image", "text", "image-test", "text-test"))
    y, y_new = np.asarray(data["image"].y), np.asarray(data["image-test"].y)
    pairs = np.column_stack([np.arange(len(y))] * 2)
    rng, found = np.random.default_rng(0), {}
    chance = [mean_average_precision(rng.normal(size=(len(y_new),) * 2), y_new, y_new) for _ in range(10)]
    found["random"] = {"cosine": [round(float(np.mean(chance)), 3)] * 2}
    for name, make in RETRIEVAL.items():
        model = make().fit(X, y, target=Domain(Xt), pairs=pairs)
        a, b = model.transform(X_new, domain="source"), model.transform(Xt_new)
        posteriors = name.startswith("semantic")
        found[name] = {
            m: [round(mean_average_precision(similarities(*q, m), y_new, y_new), 3) for q in ((a, b), (b, a))]
            for m in ("cosine", "correlation", *(["kl"] if posteriors else []))
        }
    published = {k: {"image asks": i, "text asks": t, "source": s} for k, (i, t, s) in PUBLISHED.items()}
    return {"ours (image asks, text asks)": found, "published": published}


def digits() -> dict[str, tuple[Array, Array]]:
    """Rows and digits of both modalities."""
    mnist, fsdd = named.load("mnist")["train"], named.load("fsdd")
    rng = np.random.default_rng(0)
    some = rng.permutation(len(mnist.X))[:6000]
    pictures = np.asarray(mnist.X)[some].reshape(6000, -1).astype(float), np.asarray(mnist.y)[some]
    clips = (
        np.vstack([np.asarray(d.X) for d in fsdd.values()]),
        np.concatenate([np.asarray(d.y) for d in fsdd.values()]),
    )
    reduce = make_pipeline(StandardScaler(), PCA(64, random_state=0), StandardScaler())
    return {k: (reduce.fit_transform(X), y.astype(int)) for k, (X, y) in {"pictures": pictures, "clips": clips}.items()}


def drawn(source: tuple[Array, Array], target: tuple[Array, Array], draw: int) -> tuple[Any, ...]:
    """Labelled source rows, the source's side of the pairs, the target's, their labels, and rows to judge on."""
    rng = np.random.default_rng(draw)
    (X, y), (Xt, yt) = source, target
    rows, rows_t = rng.permutation(len(X)), rng.permutation(len(Xt))
    learn, judge = rows_t[:PAIRS], rows_t[PAIRS : PAIRS + JUDGED]
    labelled, others = rows[:TEACHER], rows[TEACHER:]
    of_class = {c: iter(others[y[others] == c]) for c in range(10)}
    # The labels of both sides make the pairs, and are hidden after that.
    partners = [next(of_class[digit]) for digit in yt[learn].tolist()]
    return X[labelled], y[labelled], X[partners], Xt[learn], yt[learn], Xt[judge], yt[judge]


def distillation() -> dict[str, Any]:
    """Accuracy in percent by direction, labels a class and method."""
    both, found = digits(), {}
    for source, target in (("pictures", "clips"), ("clips", "pictures")):
        scores: dict[tuple[int, str], list[float]] = {}
        for draw in range(DRAWS):
            X, y, of_pairs, Xt, yt, X_new, y_new = drawn(both[source], both[target], draw)
            teacher = LogisticRegression(max_iter=1000).fit(X, y)
            guesses = teacher.predict(of_pairs)
            lda = LinearDiscriminantAnalysis().fit(X, y)
            by_guess, best = (LogisticRegression(max_iter=1000).fit(Xt, labels) for labels in (guesses, yt))
            X, y = np.vstack([X, of_pairs]), np.concatenate([y, guesses])
            pairs = np.column_stack([TEACHER + np.arange(PAIRS), np.arange(PAIRS)])
            for shots in SHOTS:
                known = np.zeros(PAIRS, bool)
                for c in range(10):
                    known[np.flatnonzero(yt == c)[:shots]] = True
                domain = Domain(Xt, yt, known) if shots else Domain(Xt)
                rows = {
                    "distilled": CrossModalDistillation(teacher).fit(X, y, target=domain, pairs=pairs),
                    "supervision transfer": SupervisionTransfer().fit(X, y, target=domain, pairs=pairs),
                    "supervision transfer, LDA": SupervisionTransfer(lda).fit(X, y, target=domain, pairs=pairs),
                    "guesses as labels": by_guess,
                    "all labels": best,
                }
                if shots:
                    rows["few labels alone"] = LogisticRegression(max_iter=1000).fit(Xt[known], yt[known])
                for name, model in rows.items():
                    scores.setdefault((shots, name), []).append(100 * float((model.predict(X_new) == y_new).mean()))
        for (shots, name), values in sorted(scores.items()):
            found.setdefault(f"{source} teach {target} | {shots} a class", {})[name] = interval(values, T9)
    return found


def photos() -> tuple[Array, Array]:
    """Features and names of the PACS photos."""
    from transferkit.engine.backbones import load_backbone
    from transferkit.engine.features.extraction import extract

    file = Path(os.environ["TRANSFERKIT_DATA"]) / WEIGHTS
    backbone = load_backbone(f"file:{file}?arch=timm:mobilenetv2_100&pad_type=same&mean=0.5&std=0.5")
    rows = named.load("pacs")["photo"]
    return StandardScaler().fit_transform(extract(backbone, rows.X, cache=True, device="cpu")), np.asarray(
        rows.y
    ).astype(str)


def described(names: list[str]) -> dict[str, Array]:
    """Names of classes as vectors of norm 1."""
    from transferkit.engine.features.text_vectors import embed_texts

    vectors = embed_texts("benchmark", "sentence:all-MiniLM-L6-v2", [f"a photo of a {n}" for n in names])
    return dict(zip(names, vectors))


def zero_shot_methods(descriptions: dict[str, Array]) -> Iterator[tuple[str, Any]]:
    from torch import nn

    training = Training(n_epochs=20, device="cpu", progress=False)
    for kind, given in (
        ("unseen only", {"candidates": "unseen"}), ("generalised", {}), ("generalised, calibrated", None),
    ):  # fmt: skip
        yield f"eszsl | {kind}", ESZSL(descriptions, **({"calibration": 0.5} if given is None else given))
        own = {"calibration": 0.1} if given is None else given
        yield f"devise | {kind}", DeViSE(nn.Identity(), descriptions, training=training, **own)


def zero_shot() -> dict[str, Any]:
    """Accuracies in percent over the splits, by method and task."""
    X, y = photos()
    X = X.astype(np.float32)
    names = np.unique(y).tolist()
    descriptions = described(names)
    learn = np.random.default_rng(0).permutation(len(X)) < len(X) // 2
    scores: dict[str, dict[str, list[float]]] = {}
    for unseen in itertools.combinations(names, 2):
        new = np.isin(y, unseen)
        for name, model in zero_shot_methods(descriptions):
            train = learn & ~new
            fit = (X[train], y[train])
            model.fit(*fit, target=Domain(X[~learn])) if isinstance(model, ESZSL) else model.fit(*fit)
            judge = ~learn & new if name.endswith("unseen only") else ~learn
            found = zero_shot_scores(y[judge], model.predict(X[judge]), model.seen_classes_)
            kept = ("unseen",) if name.endswith("unseen only") else ("seen", "unseen", "harmonic")
            for part in kept:
                scores.setdefault(name, {}).setdefault(part, []).append(100 * getattr(found, part))
    return {k: {part: interval(v, T20) for part, v in parts.items()} for k, parts in sorted(scores.items())}


def interval(values: list[float], t: float) -> dict[str, float]:
    """Mean and half its 95 % interval over the draws."""
    half = t * float(np.std(values, ddof=1)) / len(values) ** 0.5
    return {"mean": round(float(np.mean(values)), 2), "interval": round(half, 2)}


PARTS = {"retrieval": retrieval, "distillation": distillation, "zero-shot": zero_shot}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--show", action="store_true", help="print what was found, measure nothing")
    parser.add_argument("--part", choices=PARTS, help="measure this part anew")
    asked = parser.parse_args()
    found: dict[str, Any] = json.loads(OUT.read_text()) if OUT.exists() else {}
    if asked.part:
        found.pop(asked.part, None)
    if not asked.show:
        for name, measure in PARTS.items():
            if name not in found:
                found[name] = measure()
                atomic_write(OUT, json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
