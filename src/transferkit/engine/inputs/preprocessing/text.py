"""Texts: the network's own tokenizer, and padding within a batch."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from ....core.errors import DataError, MissingExtraError
from ..preprocess import Preprocess

__all__ = ["TextPreprocess"]


class TextPreprocess(Preprocess):
    """Tokenize, cut, pad.

    Parameters
    ----------
    tokenizer : str
        A tokenizer of the library tokenizers as its own JSON. It stands in the spec whole, so that a saved network needs
        no other file, and in the key by its SHA-256.
    max_length : int
        Tokens kept of a text, special ones included.
    pad_id : int, default=0
        Token that a batch is padded with, on the right.
    prefix : str, default=""
        Put before every text, for networks that were trained with one.
    lower : bool, default=False
        Whether letters are made small first.
    """

    kind: ClassVar[str] = "text"
    type: ClassVar[str] = "text"

    def __init__(self, tokenizer: str, max_length: int, pad_id: int = 0, prefix: str = "", lower: bool = False) -> None:
        try:
            from tokenizers import Tokenizer
        except ImportError as err:
            raise MissingExtraError("TextPreprocess needs tokenizers: pip install 'transferkit[text]'") from err
        self.max_length, self.pad_id, self.prefix, self.lower = max_length, pad_id, prefix, lower
        self._json = tokenizer
        self._tokenizer = Tokenizer.from_str(tokenizer)
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_length)

    @property
    def spec(self) -> dict[str, Any]:
        return {
            "type": self.type,
            "tokenizer": self._json,
            "max_length": self.max_length,
            "pad_id": self.pad_id,
            "prefix": self.prefix,
            "lower": self.lower,
        }

    def example(self) -> str:
        return "one two three"

    def prepare(self, sample: Any) -> Tensor:
        """A text to its token ids, of shape (n_tokens,)."""
        if not isinstance(sample, str):
            raise DataError(f"TextPreprocess.prepare: sample must be a str. Got {type(sample).__name__}.")
        text = self.prefix + sample
        ids = self._tokenizer.encode(text.lower() if self.lower else text).ids
        return torch.tensor(
            ids or [self.pad_id], dtype=torch.int64
        )  # without special tokens, "" would be nothing at all

    def collate(self, prepared: list[Tensor]) -> dict[str, Tensor]:
        """``input_ids`` and ``attention_mask`` of shape (batch, n_tokens), padded to the longest of the batch."""
        lengths = torch.tensor([len(ids) for ids in prepared])
        ids = torch.full((len(prepared), int(lengths.max())), self.pad_id, dtype=torch.int64)
        for row, one in zip(ids, prepared):
            row[: len(one)] = one
        mask = torch.arange(ids.shape[1])[None, :] < lengths[:, None]
        return {"input_ids": ids, "attention_mask": mask.to(torch.int64)}

    def finish(
        self, batch: dict[str, Tensor], *, training: bool, generator: torch.Generator | None = None
    ) -> dict[str, Tensor]:
        """The batch as it is."""
        return batch
