"""Token classification: a source model's token states and a linear layer give every word a label."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from scipy.special import softmax
from sklearn.utils.validation import check_is_fitted
from torch import Tensor
from torch.nn import functional

from ...core.errors import DomainError
from ...core.protocols import Array
from ...engine.answers.words import IGNORED, WordLabels, WordPreprocess, check_sentences, read_word_labels
from ...engine.fine_tuning.estimator import NETWORK_RULES, PLAN_RULES, Fit, NetworkTransfer
from ...engine.inputs.preprocessing.text import TextPreprocess
from ...engine.inputs.rows import Rows
from ...engine.networks.backbone import Backbone
from ...engine.networks.inference import outputs_of
from ...engine.networks.network import Network
from ...engine.training.device import find_place
from ...engine.training.freezing import FreezePlan
from ...engine.training.objective import Batch, Objective, Step
from ...engine.training.settings import Training
from ...ops.metrics.entities import entity_f1
from ...ops.nn.token_head import TokenHead, find_states

CARD = {
    "class": "TokenClassification",
    "protocol": "ModelTransfer",
    "settings": ("few_label", "supervised"),
    "tasks": ("tokens",),
    "data": ("text",),
    "needs": ("torch", "transformers"),
    "cost": "n",
    "paper": "Devlin, Chang, Lee & Toutanova. BERT: Pre-training of Deep Bidirectional Transformers. NAACL 2019.",
    "url": "https://arxiv.org/abs/1810.04805",
}

__all__ = ["TokenClassification"]


class TokenClassification(NetworkTransfer):
    """Carry a text model over to labels of words: a linear layer on the state of each word's first token, trained with the model.

    Parameters
    ----------
    source : str, Module or Backbone
        A trained text model, as in ``"hf:bert-base-cased"`` or ``"sentence:all-MiniLM-L6-v2"``.
    plan : str, mapping or FreezePlan, default="full"
        What trains when; see `FineTuning`.
    lr_decay : float in (0, 1], default=1.0
        Each part's learning rate is this times that of the part after it.
    batch_norm : {"frozen", "train", "off"}, default="frozen"
        What becomes of the source model's batch normalisation, should it have any; see `FineTuning`.
    dropout : float in [0, 1), default=0.0
        Share of a token's state that the head drops in training.
    training : Training, default=None
        Epochs, learning rate, batch size and all else; None is ``Training()``. Transformers want an lr of about 5e-5.
    random_state : int, RandomState or None, default=0
        Seed of the head and the batches.

    Attributes
    ----------
    network_ : Network
        Source model and head, trained.
    labels_ : WordLabels
        The labels.
    classes_ : array of shape (n_classes,)
        The labels, sorted.
    history_ : list of dict
        One row an epoch.
    n_updates_ : int
        Updates done.
    backbone_name_, fingerprint_ : str
        The source model's name, and the SHA-256 of its weights.
    facts_ : dict
        What the report shows.

    Notes
    -----
    Minimises the cross-entropy averaged over words; tokens of a word beyond its first carry no label (Devlin et al.,
    section 5.3). A sentence of more tokens than the source model takes is cut between words, and its parts are rows of
    their own. Words are tokenized one by one. Labels are scored by the share of right ones; `score_entities` scores whole
    entities of BIO labels.

    References
    ----------
    Devlin, Chang, Lee & Toutanova. BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding.
    NAACL 2019.

    Examples
    --------
    >>> from transferkit import TokenClassification
    >>> from transferkit import Training
    >>> model = TokenClassification("hf:bert-base-cased", training=Training(n_epochs=3, lr=5e-5, batch_size=16))
    >>> X, y = [["Ada", "met", "Bob"]], [["B-PER", "O", "B-PER"]]
    >>> model.fit(X, y).predict(["Ada sings"])  # doctest: +SKIP
    [['B-PER', 'O']]
    """

    task = "tokens"
    _constraints: ClassVar = {
        "source": NETWORK_RULES["source"],
        **PLAN_RULES,
        **{name: NETWORK_RULES[name] for name in ("dropout", "training", "random_state")},
    }
    _test_params: ClassVar = {"source": "text"}

    def __init__(
        self,
        source: Any,
        plan: str | Mapping[str, Any] | FreezePlan = "full",
        lr_decay: float = 1.0,
        batch_norm: str = "frozen",
        dropout: float = 0.0,
        training: Training | None = None,
        random_state: Any = 0,
    ) -> None:
        self.source = source
        self.plan = plan
        self.lr_decay = lr_decay
        self.batch_norm = batch_norm
        self.dropout = dropout
        self.training = training
        self.random_state = random_state

    def _check_input(self, where: str, X: Any) -> list[list[str]]:
        return check_sentences(where, X)

    def _backbone_options(self) -> dict[str, Any]:
        # The states are wanted, whatever the model was saved to put out.
        return {"pooling": "mean"} if isinstance(self.source, str) and self.source.startswith("hf:") else {}

    def _load(self, X: Any) -> Backbone:
        # A classifier of whole texts has nothing to say of words.
        return replace(super()._load(X), source_head=None)

    def _rows(self, where: str, X: Any, backbone: Backbone) -> Rows:
        """A row for each part of a sentence; ``rows.X`` holds the parts."""
        if not isinstance(backbone.preprocess, TextPreprocess):
            raise DomainError(f"{where}: X must be {backbone.kind}, as {backbone.name} takes them. Got sentences.")
        preprocess = WordPreprocess(backbone.preprocess)
        return Rows([words[a:b] for words in X for a, b in preprocess.pieces(words)], preprocess)

    def _read_labels(self, where: str, y: Any, X: Any, rows: Rows) -> tuple[Any, Array]:
        given = read_word_labels(where, y, X)
        classes = np.unique([label for own in given for label in own])
        if len(classes) < 2:
            raise DomainError(f"{where}: y must hold at least two classes. Got {classes.tolist()}.")
        pieces = _cut(rows, X, given)
        labels = WordLabels(classes)
        rows.y = labels.encode(pieces)
        return labels, pieces

    def _network(self, backbone: Backbone, labels: Any) -> Network:
        states, width = find_states(backbone.body, backbone.preprocess.batch([backbone.preprocess.example()]))
        return Network(backbone, TokenHead(states, width, labels.n_outputs, self.dropout))

    def _objective(self, fit: Fit) -> Objective:
        return _Objective(fit.network)

    def _judge(self, fit: Fit, objective: Objective) -> float:
        labels: Any = fit.labels
        found = _by_word(fit.network, fit.network, fit.held, fit.training)
        return labels.score(fit.y_held, [labels.classes[z.argmax(axis=1)] for z in found])

    def _by_sentence(self, X: Any, method: str, forward: str = "forward") -> list[Array]:
        """What the network makes of each word, sentence by sentence."""
        check_is_fitted(self, "network_")
        where = f"{type(self).__name__}.{method}"
        X = self._check_input(where, X)
        rows = self._rows(where, X, self.network_.backbone)
        training = Training() if self.training is None else self.training
        whole = np.concatenate(_by_word(self.network_, getattr(self.network_, forward), rows, training))
        return np.split(whole, np.cumsum([len(words) for words in X])[:-1])

    def predict(self, X: Any) -> list[list[Any]]:
        """A list of labels, one a word, for each sentence."""
        return [self.classes_[z.argmax(axis=1)].tolist() for z in self._by_sentence(X, "predict")]

    def predict_proba(self, X: Any) -> list[Array]:
        """Probabilities of shape (n_words, n_classes) for each sentence, in the order of ``classes_``."""
        return [softmax(z.astype(np.float64), axis=1) for z in self._by_sentence(X, "predict_proba")]

    def transform(self, X: Any) -> list[Array]:
        """What the head gets: states of shape (n_words, n_features) for each sentence."""
        return self._by_sentence(X, "transform", "features")

    def score(self, X: Any, y: Any, sample_weight: None = None) -> float:
        """Share of the words whose label is right."""
        return self.labels_.score(self._true("score", X, y), self.predict(X))

    def score_entities(self, X: Any, y: Any) -> float:
        """F1 over whole entities of BIO labels, as `transferkit.ops.metrics.entities.entity_f1` counts them."""
        return entity_f1(self._true("score_entities", X, y), self.predict(X))

    def _true(self, method: str, X: Any, y: Any) -> list[list[Any]]:
        where = f"{type(self).__name__}.{method}"
        return read_word_labels(where, y, self._check_input(where, X))


def _cut(rows: Rows, X: Sequence[Sequence[str]], labels: Sequence[list[Any]]) -> Array:
    """Labels of the parts that sentences were cut into."""
    preprocess: Any = rows.preprocess
    found = np.empty(len(rows), dtype=object)
    parts = [own[a:b] for words, own in zip(X, labels) for a, b in preprocess.pieces(words)]
    for k, part in enumerate(parts):
        found[k] = part
    return found


def _by_word(network: Network, forward: Callable[[Any], Tensor], rows: Rows, training: Training) -> list[Array]:
    """Outputs for the words of each row, without padding. A batch is as wide as its longest sentence, so one goes at a time."""
    place = find_place(training.device, training.precision, training.channels_last)
    place.put(network)
    size, found = max(64, training.batch_size), []
    for start in range(0, len(rows), size):
        chosen = np.arange(start, min(start + size, len(rows)))
        outputs = outputs_of(network, forward, rows.take(chosen), place, size, training.workers)
        found += [z[: len(rows.X[k])] for z, k in zip(outputs, rows.index[chosen])]
    return found


class _Objective(Objective):
    """Cross-entropy of the words' labels."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def steps(self) -> Sequence[Step]:
        return [Step("train", self._loss, list(self.parameters()))]

    def _loss(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        stream = batch["target"]
        assert stream.y is not None
        outputs = self.network(stream.x).float()
        y = stream.y[:, : outputs.shape[1]]  # padded to the longest sentence of all, outputs to that of the batch
        return {"loss": functional.cross_entropy(outputs.flatten(0, 1), y.flatten(), ignore_index=IGNORED)}

    def predict_step(self, x: Any) -> Tensor:
        return self.network(x)
