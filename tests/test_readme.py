"""The README's generated table is up to date, and its ten lines of Python run."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("readme", ["README.md", "README.zh-CN.md"])
def test_the_table_of_methods_is_up_to_date(readme):
    spec = importlib.util.spec_from_file_location("make_readme", ROOT / "docs/make_readme.py")
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    assert (ROOT / readme).read_text(encoding="utf-8") == maker.filled(readme), "run `make readme`"


def test_the_python_in_the_readme_runs(tmp_path, monkeypatch):
    """That of the other one is the same, but for comments."""
    readme = "README.md"
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / readme).read_text(encoding="utf-8"), flags=re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, readme, "exec"), {})


def test_both_readmes_show_the_same_code():
    found = [
        re.findall(r"```(?:python|bash)\n(.*?)```", (ROOT / name).read_text(encoding="utf-8"), flags=re.DOTALL)
        for name in ("README.md", "README.zh-CN.md")
    ]
    assert [re.sub(r"#.*", "", b) for b in found[0]] == [re.sub(r"#.*", "", b) for b in found[1]]
