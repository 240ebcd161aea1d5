"""Texts for the dual encoders of open_clip: its own byte-pair tokens, always as many."""

from __future__ import annotations

from importlib import import_module
from typing import Any, ClassVar

from torch import Tensor

from ....core.errors import DataError, MissingExtraError
from ..preprocess import Preprocess

__all__ = ["ClipTextPreprocess"]


class ClipTextPreprocess(Preprocess):
    """Tokenize with the vocabulary that open_clip brings; pad with zeros, cut at the end.

    Parameters
    ----------
    context_length : int, default=77
        Tokens of every text, the first and the last one included.
    clean : {"lower", "canonicalize", "whitespace"}, default="lower"
        How a text is tidied first.
    """

    kind: ClassVar[str] = "text"
    type: ClassVar[str] = "clip_text"

    def __init__(self, context_length: int = 77, clean: str = "lower") -> None:
        try:
            tokenizer = import_module("open_clip.tokenizer")
        except ModuleNotFoundError as err:
            raise MissingExtraError("ClipTextPreprocess needs open_clip: pip install 'transferkit[clip]'") from err
        self.context_length, self.clean = context_length, clean
        self._tokenizer = tokenizer.SimpleTokenizer(context_length=context_length, clean=clean)

    @property
    def spec(self) -> dict[str, Any]:
        return {"type": self.type, "context_length": self.context_length, "clean": self.clean}

    def example(self) -> str:
        return "a photo of a cat"

    def prepare(self, sample: Any) -> Tensor:
        """A text to its token ids, of shape (context_length,)."""
        if not isinstance(sample, str):
            raise DataError(f"ClipTextPreprocess.prepare: sample must be a str. Got {type(sample).__name__}.")
        return self._tokenizer(sample)[0]

    def finish(self, batch: Tensor, *, training: bool, generator: Any = None) -> Tensor:
        """The batch as it is."""
        return batch
