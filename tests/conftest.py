"""Fixtures for all tests."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def data_dir() -> Callable[[str], Path]:
    """Find a real data set: ``data_dir("corn_nir")`` is its folder under TRANSFERKIT_DATA, or the test skips by its name."""

    def find(name: str) -> Path:
        root = os.environ.get("TRANSFERKIT_DATA")
        if not root:
            pytest.skip(f"data set {name}: TRANSFERKIT_DATA is not set")
        folder = Path(root) / name
        if not folder.exists():
            pytest.skip(f"data set {name}: not in TRANSFERKIT_DATA")
        return folder

    return find
