"""CLIP zero-shot: classes are sentences, and a dual encoder says which of them lies nearest to an image."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from ...core.constraints import Either, Fulfils, Nothing
from ...core.errors import DomainError
from ...core.protocols import Array
from ...engine.answers.labels import Labels, as_values, find_labels
from ...engine.backbones import load_backbone
from ...engine.features.extraction import extract
from ...engine.fine_tuning.estimator import NETWORK_RULES, Fit, NetworkTransfer
from ...engine.fine_tuning.supervised import Supervised
from ...engine.inputs.rows import Rows
from ...engine.networks.backbone import Backbone
from ...engine.networks.network import Network
from ...engine.training.settings import Training
from ...ops.nn.described_head import DescribedHead
from ...ops.solvers.linalg import unit_rows

CARD = {
    "class": "CLIPZeroShot",
    "protocol": "ModelTransfer",
    "settings": ("few_label", "supervised"),
    "tasks": ("classification",),
    "data": ("images",),
    "needs": ("torch", "open_clip"),
    "cost": "n",
    "portfolio": (),
    "paper": "Radford et al. Learning Transferable Visual Models From Natural Language Supervision. ICML 2021.",
    "url": "https://arxiv.org/abs/2103.00020",
}

__all__ = ["CLIPZeroShot"]


def _are_names(value: Any) -> bool:
    if isinstance(value, Mapping):
        return len(value) > 1 and all(isinstance(v, str) and v for v in value.values())
    return (
        isinstance(value, (list, tuple))
        and all(isinstance(v, Hashable) for v in value)
        and len(set(value)) == len(value) > 1
    )


def _are_templates(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and len(value) > 0 and all(isinstance(t, str) and "{}" in t for t in value)


class CLIPZeroShot(NetworkTransfer):
    """Embed the names of the classes with the encoder of texts, and give each image the class whose embedding is nearest.

    Parameters
    ----------
    source : str
        A dual encoder by name: ``"open_clip:ViT-B-32?weights=laion2b_s34b_b79k"``, ``"open_clip:ORGANISATION/NAME"`` of the
        hub, or ``"open_clip:FOLDER"``, without ``tower=``: both are used. See `transferkit.engine.backbones.open_clip_models`.
    classes : mapping of class to name, or sequence of classes, default=None
        What can be predicted, two classes or more; what a sequence holds is its own name. None takes the classes of y.
    templates : sequence of str, default=("a photo of a {}.",)
        Sentences into which a name is put at ``{}``. Of several, the embeddings are averaged.
    training : Training, default=None
        Of which ``batch_size``, ``device``, ``precision`` and ``workers`` are used: nothing is trained. None is
        ``Training()``.
    random_state : int, RandomState or None, default=0
        Changes nothing; as for all networks.

    Attributes
    ----------
    network_ : Network
        The encoder of images, and the embedded classes as its head.
    labels_ : Labels
        How outputs become classes.
    classes_ : array of shape (n_classes,)
        Sorted.
    names_ : list of str
        Their names, in that order.
    history_ : list of dict
        Empty.
    n_updates_ : int
        0.
    backbone_name_, fingerprint_ : str
        The encoder's name, and the SHA-256 of its weights.
    facts_ : dict
        What the report shows, with ``scale``, what the cosines are multiplied with.

    Notes
    -----
    With the embeddings u(x) of an image and t_c of a class, both of norm 1, ``p(c | x)`` is the softmax of ``scale * u(x)'
    t_c``, the scale being the one the encoder was trained with. ``t_c`` is the mean over the templates of embeddings of norm
    1, scaled to norm 1 again (prompt ensembling, section 3.1.4). `fit` looks at the rows only to see that they are images,
    and at y only for the names of classes: it is the row to stand beside adaptation, which the same encoder can be the
    backbone of, as in ``DANN("open_clip:...")``.

    References
    ----------
    Radford, Kim, Hallacy, Ramesh, Goh, Agarwal, Sastry, Askell, Mishkin, Clark, Krueger & Sutskever. Learning Transferable
    Visual Models From Natural Language Supervision. ICML 2021.
    Ilharco, Wortsman et al. OpenCLIP. https://doi.org/10.5281/zenodo.5143773

    Examples
    --------
    >>> from transferkit import CLIPZeroShot
    >>> model = CLIPZeroShot("open_clip:ViT-B-32?weights=laion2b_s34b_b79k", classes=["dog", "elephant", "guitar"])
    >>> model.fit(images).predict(images)  # doctest: +SKIP
    array(['dog', ...
    """

    _constraints: ClassVar = {
        "source": Fulfils(
            "be the name of a dual encoder without a tower, as in 'open_clip:ViT-B-32?weights=laion2b_s34b_b79k'",
            lambda v: isinstance(v, str) and v.startswith("open_clip:") and "tower=" not in v.partition("?")[2],
        ),
        "classes": Either(Nothing(), Fulfils("be two classes or more, or a mapping of such to names", _are_names)),
        "templates": Fulfils("be sentences with {} in each", _are_templates),
        "training": NETWORK_RULES["training"],
        "random_state": NETWORK_RULES["random_state"],
    }
    _test_params: ClassVar = {"source": "dual"}
    head, dropout, task = "linear", 0.0, "classification"  # there is no choice of these

    def __init__(
        self,
        source: str,
        classes: Mapping[Any, str] | Sequence[Any] | None = None,
        templates: Sequence[str] = ("a photo of a {}.",),
        training: Training | None = None,
        random_state: Any = 0,
    ) -> None:
        self.source = source
        self.classes = classes
        self.templates = templates
        self.training = training
        self.random_state = random_state

    def _backbone_options(self) -> dict[str, Any]:
        return {"tower": "image"}

    def _load(self, X: Any) -> Backbone:
        return load_backbone(self.source, tower="image")

    def _read_labels(self, where: str, y: Any, X: Any, rows: Rows) -> tuple[Labels, Array]:
        if self.classes is None:
            if y is None:
                raise DomainError(f"{where}: y must hold classes where the parameter classes names none. Got None.")
            labels, values = find_labels(where, y, len(rows), "classification"), as_values(y)
            assert labels.classes is not None
            self.names_ = [str(c) for c in labels.classes.tolist()]
            return labels, values
        named = self.classes if isinstance(self.classes, Mapping) else {c: str(c) for c in self.classes}
        classes = as_values(list(named))
        if classes.ndim != 1 or classes.dtype == object:
            raise DomainError(f"{where}: classes must be all text or all numbers. Got {list(named)[:5]}.")
        classes = np.unique(classes)
        self.names_ = [named[c] for c in classes.tolist()]
        return Labels("classification", len(classes), classes), np.resize(classes, len(rows))

    def _network(self, backbone: Backbone, labels: Labels) -> Network:
        texts = load_backbone(self.source, tower="text")
        asked = [template.replace("{}", name) for name in self.names_ for template in self.templates]
        embedded = unit_rows(extract(texts, asked).astype(np.float64)).reshape(
            len(self.names_), len(self.templates), -1
        )
        scale = float((backbone.spec or {})["scale"])
        head = DescribedHead(backbone.n_features, backbone.n_features, labels.n_outputs, cosine=True)
        with torch.no_grad():
            nn.init.eye_(head.embed.weight)
            head.descriptions.copy_(torch.as_tensor(scale * unit_rows(embedded.mean(axis=1))))
        return Network(backbone, head)  # type: ignore[arg-type]

    def _train(self, fit: Fit) -> dict[str, Any]:
        self.history_, self.n_updates_ = [], 0
        return {"scale": (fit.backbone.spec or {})["scale"], "templates": list(self.templates)}

    def _look_back(self, fit: Fit) -> None:
        """Nothing was trained, and nothing forgotten."""

    def _objective(self, fit: Fit) -> Supervised:
        return Supervised(fit.network, fit.labels)
