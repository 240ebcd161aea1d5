"""The Python of the pages under docs runs as it stands, a page from top to bottom."""

import re
from pathlib import Path

import pytest

from transferkit.data import named

PAGES = sorted((Path(__file__).resolve().parent.parent / "docs").glob("*.md"))
BLOCK = re.compile(r"(?:<!-- (not run|data): ([^>]+) -->\n)?```python\n(.*?)```", flags=re.DOTALL)


def blocks(page):
    """Code and whether it runs here: a comment above it may say that it does not, or which named data it needs."""
    found = BLOCK.findall(page.read_text(encoding="utf-8"))
    there = (kind != "data" or all(named.where(name) for name in needs.split(", ")) for kind, needs, _ in found)
    return [(code, kind != "not run" and here) for (kind, _, code), here in zip(found, there, strict=True)]


@pytest.mark.filterwarnings("ignore")  # made-up data may converge badly; what is shown has to run
@pytest.mark.parametrize("page", [p for p in PAGES if any(runs for _, runs in blocks(p))], ids=lambda p: p.stem)
def test_the_python_of_a_page_runs(page, tmp_path, monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    names = {}
    for code, runs in blocks(page):
        compiled = compile(code, page.name, "exec")  # the others at least are Python
        if runs:
            exec(compiled, names)
