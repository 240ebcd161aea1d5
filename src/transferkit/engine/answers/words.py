"""Sentences as lists of words, with a label for each, as a network for tokens takes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from ...core.errors import DataError, DomainError
from ...core.protocols import Array
from ..inputs.preprocess import Preprocess
from ..inputs.preprocessing.text import TextPreprocess

__all__ = ["WordLabels", "WordPreprocess", "check_sentences", "read_word_labels"]

IGNORED = -100


class WordPreprocess(Preprocess):
    """Words to tokens, with the place of each word's first token.

    Parameters
    ----------
    text : TextPreprocess
        The source model's own.

    Notes
    -----
    Every word is tokenized by itself, with a space before it as within a text. A word that leaves no token (a lone
    control character) becomes the unknown token, so that every word has a state.
    """

    kind: ClassVar[str] = "text"
    type: ClassVar[str] = "words"

    def __init__(self, text: TextPreprocess) -> None:
        from tokenizers import Tokenizer

        self.text = text
        own = text.spec
        self._lower, self._pad = own["lower"], own["pad_id"]
        self._tokenizer = Tokenizer.from_str(own["tokenizer"])
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        around = self._tokenizer.encode("a")
        inner = [k for k, special in enumerate(around.special_tokens_mask) if not special]
        self._before, self._after = around.ids[: inner[0]], around.ids[inner[-1] + 1 :]
        self.room = own["max_length"] - len(self._before) - len(self._after)
        self._known: dict[str, list[int]] = {}

    @property
    def spec(self) -> dict[str, Any]:
        return {"type": self.type, "text": self.text.key}

    def example(self) -> list[str]:
        return ["one", "two", "three"]

    def _ids(self, word: str) -> list[int]:
        if word not in self._known:
            shown = f" {word.lower() if self._lower else word}"
            ids = self._tokenizer.encode(shown, add_special_tokens=False).ids
            self._known[word] = ids[: self.room] or [self._unknown()]
        return self._known[word]

    def _unknown(self) -> int:
        for token in ("[UNK]", "<unk>", "<|endoftext|>"):
            if (found := self._tokenizer.token_to_id(token)) is not None:
                return int(found)
        return int(self._pad)

    def pieces(self, words: Sequence[str]) -> list[tuple[int, int]]:
        """First word, and word after the last, of the parts of a sentence that each fit into the network."""
        cuts, used = [0], 0
        for k, word in enumerate(words):
            n = len(self._ids(word))
            if used + n > self.room:
                cuts.append(k)
                used = 0
            used += n
        return list(zip(cuts, [*cuts[1:], len(words)]))

    def prepare(self, sample: Any) -> dict[str, Tensor]:
        """Words to ``ids`` of shape (n_tokens,) and ``first`` of shape (n_words,)."""
        if isinstance(sample, str) or not all(isinstance(word, str) for word in sample):
            raise DataError("WordPreprocess.prepare: sample must be a list of words. Got something else.")
        ids, first = list(self._before), []
        for word in sample:
            first.append(len(ids))
            ids += self._ids(word)
        return {"ids": torch.tensor(ids + self._after), "first": torch.tensor(first)}

    def collate(self, prepared: list[dict[str, Tensor]]) -> dict[str, Tensor]:
        """``input_ids``, ``attention_mask`` (batch, n_tokens) and ``first`` (batch, n_words), padded to the longest."""
        ids = _padded([p["ids"] for p in prepared], self._pad)
        lengths = torch.tensor([len(p["ids"]) for p in prepared])
        mask = (torch.arange(ids.shape[1])[None, :] < lengths[:, None]).to(torch.int64)
        return {"input_ids": ids, "attention_mask": mask, "first": _padded([p["first"] for p in prepared], 0)}

    def finish(self, batch: Any, *, training: bool, generator: torch.Generator | None = None) -> Any:
        """The batch as it is."""
        return batch


def _padded(rows: Sequence[Tensor], value: int) -> Tensor:
    return torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True, padding_value=value)


@dataclass(frozen=True, eq=False)
class WordLabels:
    """What the labels of words are.

    Attributes
    ----------
    classes : array of shape (n_classes,)
        Sorted.
    """

    classes: Array
    kind: ClassVar[str] = "tokens"

    @property
    def n_outputs(self) -> int:
        return len(self.classes)

    def encode(self, labels: Sequence[Any] | Array) -> Tensor:
        """Indices of shape (n_sentences, most words); -100 after the last word."""
        found = torch.full((len(labels), max(map(len, labels))), IGNORED, dtype=torch.int64)
        for row, own in zip(found, labels):
            row[: len(own)] = torch.from_numpy(np.searchsorted(self.classes, own))
        return found

    def score(self, labels: Sequence[Any], predicted: Sequence[Any]) -> float:
        """Share of the words whose label is right."""
        pairs = [(a, b) for own, found in zip(labels, predicted, strict=True) for a, b in zip(own, found, strict=True)]
        return sum(a == b for a, b in pairs) / len(pairs)


def check_sentences(where: str, X: Any) -> list[list[str]]:
    """Sentences as lists of words; a text is split at white space.

    Raises
    ------
    DomainError
        If there are none, or one has no words.
    """
    if not hasattr(X, "__len__") or not hasattr(X, "__getitem__") or isinstance(X, str):
        raise DomainError(f"{where}: X must hold sentences, lists of words or texts. Got {type(X).__name__}.")
    if len(X) == 0:
        raise DomainError(f"{where}: X must have rows. Got none.")
    found = []
    for k in range(len(X)):
        words = X[k].split() if isinstance(X[k], str) else X[k]
        if not hasattr(words, "__len__") or not all(isinstance(word, str) for word in words) or len(words) == 0:
            shown = "a sentence without words" if hasattr(words, "__len__") and len(words) == 0 else repr(X[k])[:60]
            raise DomainError(f"{where}: X must hold sentences, lists of words or texts. Got {shown} at {k}.")
        found.append(list(words))
    return found


def read_word_labels(where: str, y: Any, sentences: Sequence[Sequence[str]]) -> list[list[Any]]:
    """One list of labels a sentence.

    Raises
    ------
    DomainError
        If they are missing, or a sentence has another number of labels than words.
    """
    if y is None:
        raise DomainError(f"{where}: y must hold the labels of X. Got None: requires y to be passed.")
    n = len(sentences)
    if not hasattr(y, "__len__") or len(y) != n:
        got = len(y) if hasattr(y, "__len__") else type(y).__name__
        raise DomainError(f"{where}: y must have one list of labels a sentence of X ({n}). Got {got}.")
    found = []
    for k, words in enumerate(sentences):
        own = y[k].tolist() if isinstance(y[k], (np.ndarray, Tensor)) else y[k]
        if not isinstance(own, (list, tuple)) or len(own) != len(words):
            got = len(own) if isinstance(own, (list, tuple)) else type(own).__name__
            raise DomainError(f"{where}: y must have one label a word, {len(words)} at {k}. Got {got}.")
        found.append(list(own))
    kinds = sorted({type(label).__name__ for own in found for label in own})
    if not set(kinds) <= {"str"} and not set(kinds) <= {"int", "bool"}:
        raise DomainError(f"{where}: y must hold text or whole numbers, one type throughout. Got {', '.join(kinds)}.")
    return found
