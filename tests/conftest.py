"""Fixtures for all tests."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

RUNS = {"pipeline", "cli", "report", "export", "serve", "store"}  # folders whose tests call whole runs


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


@pytest.fixture(autouse=True)
def _full_precision() -> Iterator[None]:
    """A test that lowers the precision of matrix products, as one of the bad networks does, must not change the next one."""
    yield
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_float32_matmul_precision("highest")


@pytest.fixture(autouse=True, scope="module")
def _small_forests(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whole runs have small forests, but where a module says ``FULL_FORESTS = True``: its tests are about what they find."""
    folder = request.path.relative_to(Path(__file__).parent).parts[0]
    if folder not in RUNS or getattr(request.module, "FULL_FORESTS", False):
        yield
        return
    from small_forests import small_forests

    with small_forests():
        yield
