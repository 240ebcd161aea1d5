"""A torchvision that was built for another torch must not take timm and transformers down with it."""

from __future__ import annotations

import importlib.util
import os
from functools import cache
from pathlib import Path

import torch

__all__ = ["guard_torchvision"]

_STUBS: list[torch.library.Library] = []  # a library's operators live as long as it does


@cache
def guard_torchvision() -> bool:
    """Make `import torchvision` work where its compiled operators do not load. Call it before timm and transformers.

    Returns
    -------
    stubbed : bool
        Whether stand-ins were needed. A torchvision whose operators load is left alone.

    Notes
    -----
    torchvision registers Python code for its compiled operators when it is imported, and fails on the first one that is
    not there. Where the library with the operators does not load, we declare the two that are registered without a
    check. Transforms and models then work; ``torchvision.io`` and ``torchvision.ops.nms`` do not.
    """
    found = importlib.util.find_spec("torchvision")
    if found is None or found.origin is None:
        return False
    folder = Path(found.origin).parent
    if hasattr(os, "add_dll_directory"):
        os.add_dll_directory(str(folder))
    for library in sorted(p for p in folder.glob("_C*") if p.suffix in (".so", ".pyd", ".dylib")):
        try:
            torch.ops.load_library(str(library))
        except OSError:
            continue  # built for another torch; what it lacks is declared below
    if hasattr(torch.ops.torchvision, "nms"):
        return False
    stub = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        stub.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _STUBS.append(stub)
    return True
