"""One thread of the linear algebra libraries for a whole run, and torch left alone."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import PurePath
from typing import Any

import scipy.linalg  # noqa: F401  (so that its library is loaded, and found)
from threadpoolctl import ThreadpoolController

__all__ = ["one_thread"]


def one_thread() -> AbstractContextManager[Any]:
    """Limit BLAS and OpenMP to one thread, but not the libraries that torch brings along: a network needs all cores."""
    controller = ThreadpoolController()
    ours = [i["filepath"] for i in controller.info() if "torch" not in PurePath(i["filepath"]).parts]
    return controller.select(filepath=ours).limit(limits=1)
