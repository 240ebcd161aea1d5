"""Views: several augmented versions of one batch, for methods that compare a row with itself."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .preprocess import Preprocess

__all__ = ["Views"]


class Views(Preprocess):
    """A preprocess whose `finish` augments a batch several times and puts the results one after the other.

    Put in place of a stream's own preprocess, it makes a batch of n rows come as ``n_views * n`` inputs; `split` takes them
    apart. The views differ where the preprocess augments; where it does not (vectors, texts), they are equal.

    Parameters
    ----------
    inner : Preprocess
        Does the work.
    n_views : int
        How often a batch is finished.
    """

    type = "views"

    def __init__(self, inner: Preprocess, n_views: int = 2) -> None:
        self.inner, self.n_views = inner, n_views
        self.kind = inner.kind  # type: ignore[misc]

    @property
    def spec(self) -> dict[str, Any]:
        return {"type": self.type, "inner": self.inner.spec, "n_views": self.n_views}

    @property
    def key(self) -> str:
        return f"{self.n_views} x {self.inner.key}"

    def prepare(self, sample: Any) -> Any:
        return self.inner.prepare(sample)

    def example(self) -> Any:
        return self.inner.example()

    def collate(self, prepared: list[Any]) -> Any:
        return self.inner.collate(prepared)

    def finish(self, batch: Any, *, training: bool, generator: torch.Generator | None = None) -> Any:
        # One generator, used again and again, gives every view random numbers of its own.
        views = [self.inner.finish(batch, training=training, generator=generator) for _ in range(self.n_views)]
        if isinstance(views[0], Tensor):
            return torch.cat(views)
        return {name: torch.cat([view[name] for view in views]) for name in views[0]}

    def split(self, x: Any) -> list[Any]:
        """The views of a finished batch."""
        if isinstance(x, Tensor):
            return list(x.chunk(self.n_views))
        parts = {name: value.chunk(self.n_views) for name, value in x.items()}
        return [{name: value[k] for name, value in parts.items()} for k in range(self.n_views)]
