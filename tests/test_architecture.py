"""The house rules that no linter knows: layers, sizes, names, and what an import may drag in."""

import ast
import re
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import pytest

import transferkit
from transferkit import catalogue

SRC = Path(transferkit.__file__).parent
ROOT = Path(__file__).parent.parent
FILES = sorted(SRC.rglob("*.py"))
METHODS = [SRC / "algorithms" / c.paradigm / f"{c.name}.py" for c in catalogue.cards().values()]


def short(path):
    return str(path.relative_to(SRC))


@lru_cache(maxsize=2)  # one file after the other is looked at
def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(path):
    """Dotted names that a file imports, anywhere in it."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


def test_there_is_something_to_look_at():
    assert len(FILES) > 30
    assert len(METHODS) == len([p for p in SRC.glob("algorithms/*/*.py") if not p.name.startswith("_")]) > 0


def test_imports_go_down_only():
    """The contracts of pyproject.toml, through import-linter's own command."""
    pytest.importorskip("importlinter")
    code = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"
    found = subprocess.run(
        [sys.executable, "-c", code, "--config", str(ROOT / "pyproject.toml"), "--no-cache"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert found.returncode == 0, found.stdout + found.stderr
    assert re.search(r"Contracts: [1-9]\d* kept, 0 broken", found.stdout), found.stdout


def loaded_after(code):
    found = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(chr(10).join(sys.modules))"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return {name.partition(".")[0] for name in found.stdout.split()} | set(found.stdout.split())


def test_listing_is_light():
    """What all of it together does not load, none of it loads alone."""
    code = "import transferkit; transferkit.catalogue.cards()\n"
    code += "transferkit.catalogue.find(paradigm='feature'); dir(transferkit)"
    heavy = {
        "torch",
        "sklearn",
        "scipy",
        "plotly",
        "polars",
        "pyarrow",
        "pandas",
        "ot",
        "skops",
        "jinja2",
        "typer",
        "rich",
    }
    assert not heavy & loaded_after(code)


def test_a_plain_method_does_not_load_the_rest():
    """A vector method needs neither torch nor the readers, the report or the command line."""
    heavy = {
        "torch",
        "plotly",
        "polars",
        "jinja2",
        "typer",
        "transferkit.pipeline",
        "transferkit.report",
        "transferkit.data",
    }
    assert not heavy & loaded_after("from transferkit import CORAL, Domain, TransferPipeline")


def test_torch_is_loaded_for_a_network_only():
    """What all of it together does not load, none of it loads alone."""
    code = "import transferkit.cli\n"
    code += "from transferkit import store, catalogue; catalogue.find(needs='torch'); catalogue.find(data='images')\n"
    code += "import transferkit.pipeline.fit, transferkit.data.readers, transferkit.report"
    assert not {"torch", "timm", "transformers", "transferkit.engine"} & loaded_after(code)


def imported_on_loading(path):
    """Modules of ours that a file imports as soon as it is loaded itself, as paths without a suffix; not inside functions."""
    for node in tree(path).body:
        if isinstance(node, ast.ImportFrom) and node.level:
            folder = path.parents[node.level - 1].joinpath(*(node.module or "").split("."))
            yield from (folder / alias.name for alias in node.names)


def needs_torch(path):
    return short(path).startswith(("engine", "ops/nn"))


def who_needs_the_engine_says_so(path):
    """Loading a file brings torch in only where the file is of the engine, or a method whose card needs torch."""
    if needs_torch(path):
        return
    engine = [short(p) for p in imported_on_loading(path) if needs_torch(p)]
    card = catalogue.cards().get(path.stem) if path in METHODS else None
    if card is None:
        assert not engine, "import the engine inside the function that needs it"
    else:
        assert not engine or "torch" in card.needs


def one_file_one_method(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 250, "shared maths moves to ops/"
    body = tree(path).body
    public = [n.name for n in body if isinstance(n, ast.ClassDef) and not n.name.startswith("_")]
    card = catalogue.cards()[path.stem]
    assert public == [card.cls], "exactly one public class, that of the card"
    assert not [n.name for n in body if isinstance(n, ast.FunctionDef) and not n.name.startswith("_")], "private maths"
    exported = [ast.literal_eval(n.value) for n in body if isinstance(n, ast.Assign) and n.targets[0].id == "__all__"]
    assert exported == [[card.cls]]
    names = [n.targets[0].id for n in body if isinstance(n, ast.Assign)]
    assert names.index("CARD") < names.index("__all__")
    assert re.fullmatch(r"[a-z][a-z0-9_]*", path.stem)


def it_has_a_test_of_its_own(path):
    test = ROOT / "tests" / "algorithms" / path.parent.name / f"test_{path.stem}.py"
    assert test.exists()
    assert any(isinstance(n, ast.FunctionDef) and n.name.startswith("test_") for n in ast.walk(tree(test)))


def what_it_imports_beyond_the_core_is_on_its_card(path):
    card = catalogue.cards()[path.stem]
    core = {"numpy", "scipy", "sklearn", "ot", "joblib", "transferkit", "__future__"} | set(sys.stdlib_module_names)
    beyond = {name.partition(".")[0] for name in imported(path) if not name.startswith(".")} - core
    assert beyond <= {need.partition(".")[0] for need in card.needs}


@pytest.mark.parametrize("path", METHODS, ids=short)
def test_the_file_of_a_method(path):
    one_file_one_method(path)
    it_has_a_test_of_its_own(path)
    what_it_imports_beyond_the_core_is_on_its_card(path)


def test_every_package_folder_holds_its_tests_in_the_same_place():
    """A test of a method that is gone has to go too."""
    tests = (ROOT / "tests" / "algorithms").glob("*/test_*.py")
    known = {(p.parent.name, p.stem) for p in METHODS}
    assert {(t.parent.name, t.stem.removeprefix("test_")) for t in tests} <= known


@pytest.mark.parametrize("path", FILES, ids=short)
def test_house_rules(path):
    who_needs_the_engine_says_so(path)
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 400, "one subject a file"
    assert path.name not in {
        "utils.py",
        "util.py",
        "helpers.py",
        "helper.py",
        "misc.py",
        "common.py",
        "tools.py",
        "base_utils.py",
    }
    module = tree(path)
    assert not text.strip() or ast.get_docstring(module) or path.name == "__init__.py", "the subject in one line"
    for node in ast.walk(module):
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, f"bare except in line {node.lineno}"
            silent = len(node.body) == 1 and isinstance(node.body[0], ast.Pass)
            caught = getattr(node.type, "id", "")
            assert not (silent and caught in ("Exception", "BaseException")), f"swallowed in line {node.lineno}"
        if isinstance(node, ast.ImportFrom):
            assert "*" not in {alias.name for alias in node.names}, "no import *"
    foreign = {name.partition(".")[0] for name in imported(path)}
    assert not foreign & {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal"}
    assert "joblib.dump" not in text
    assert "joblib.load" not in text
    if "torch" in foreign:
        assert short(path).startswith(("engine/", "ops/nn/", "algorithms/")), "torch lives in the engine"
    for line, content in enumerate(text.splitlines(), 1):
        found = re.search(r"\b(TODO|FIXME|XXX)\b", content)
        assert not found, f"line {line}: {content.strip()}"
