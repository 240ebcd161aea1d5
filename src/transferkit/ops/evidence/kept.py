"""What a selector computes once for a pair of domains and keeps while it rates one candidate after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["kept"]


def kept(owner: Any, key: tuple[Any, ...], compute: Callable[[], Any]) -> Any:
    """The value computed for `key` by `owner`; computed anew where a part of the key is another object.

    Parts are compared by identity: the key keeps the objects alive, so an id cannot come back for another one.

    Parameters
    ----------
    owner : object
        Keeps the last key and its value as ``_kept``.
    key : tuple
        All that the value depends on.
    compute : callable
        Gives the value.
    """
    last = getattr(owner, "_kept", None)
    if last is None or len(last[0]) != len(key) or any(a is not b for a, b in zip(last[0], key)):
        last = key, compute()
        owner._kept = last
    return last[1]
