"""`transferkit fit`, `run` and `predict` on files of first-order facts."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from tests.kinships import family
from typer.testing import CliRunner

from transferkit import DomainError, TransferTask, run
from transferkit.cli.app import app
from transferkit.core.errors import DataError
from transferkit.data import named
from transferkit.data.named import uwcse
from transferkit.pipeline.facts import read_facts
from transferkit.pipeline.relational import compare

NAMES = {"parent": "begets", "female": "girl", "likes": "owns", "grandparent": "forebear"}


def facts(path, world, names=None, stated=True):
    """A world as Prolog text, its pairs as facts that hold or do not."""
    name = names or {k: k for k in NAMES}
    lines = [
        f"{name[p]}({', '.join(args)})." for p, rows in world.records.items() if p != "grandparent" for args in rows
    ]
    for pair, true in zip(world.pairs, world.y):
        atom = f"{name['grandparent']}({', '.join(pair)})"
        lines += [f"{atom}."] if true else [f"neg({atom})."] if stated else []
    path.write_text("\n".join(lines))
    return str(path)


def invoke(*args):
    return CliRunner().invoke(app, [str(a) for a in args])


def schema(tmp_path):
    types = {"parent": ["person", "person"], "female": ["person"], "likes": ["person", "thing"]}
    types["grandparent"] = ["person", "person"]
    both = {**types, **{NAMES[k]: v for k, v in types.items()}}
    (tmp_path / "schema.json").write_text(json.dumps(both))
    return tmp_path / "schema.json"


@pytest.fixture
def files(tmp_path):
    source = facts(tmp_path / "old.pl", family(0))
    target = facts(tmp_path / "new.pl", family(1, prefix="q"), NAMES)
    return [source, target, "--source-predicate", "grandparent", "--target-predicate", "forebear"]


def test_run_carries_rules_over_and_shows_the_map(tmp_path, files):
    options = ["--schema", schema(tmp_path), "--shots", "6", "-m", "tree_boostler", "-o", tmp_path / "r"]
    said = invoke("run", *files, *options)
    assert said.exit_code == 0, said.output
    found = json.loads((tmp_path / "r/run.json").read_text())
    assert {m["source"]: m["target"] for m in found["relation"]["matches"]}["parent(person, person)"] == (
        "begets(person, person)"
    )
    assert found["guard"]["adapted"] == (found["guard"]["p_value"] <= 0.05 and found["guard"]["gain"] > 0)
    assert [c["id"] for c in found["candidates"]] == ["rdn_boost", "tree_boostler"]
    assert all(0 <= c["scores"]["auc_pr"] <= 1 for c in found["candidates"])
    # 12 labels are known: the rule that is carried over is the true one.
    assert found["candidates"][1]["scores"]["auc_roc"] > 0.95
    why = (tmp_path / "r/explanations.txt").read_text().split("\n\n")
    assert len(why) == min(100, len(family(1).pairs))
    assert all(text.startswith("forebear(q") and "before the first tree" in text for text in why)
    page = (tmp_path / "r/report.html").read_text()
    assert "What stands for what" in page
    assert "predicate-map" in page
    assert "begets(person, person) <- parent(person, person)" in " ".join(said.output.split())
    # Another place with the same predicates; what the file says of the relation is not looked at.
    third = facts(tmp_path / "third.pl", family(2), NAMES)
    said = invoke("predict", tmp_path / "r", third, "-o", tmp_path / "p.csv")
    assert said.exit_code == 0, said.output
    table = pl.read_csv(tmp_path / "p.csv")
    assert table.columns == ["row", "prediction", "probability_False", "probability_True"]
    assert len(table) == len(family(2).pairs)
    assert table["row"][0].startswith("forebear(p")


def test_fit_takes_the_types_from_shared_constants(tmp_path):
    """No schema, no false facts: guessed types, closed world."""
    source = facts(tmp_path / "a.pl", family(0, n=12), stated=False)
    target = facts(tmp_path / "b.pl", family(1, n=12), stated=False)
    said = invoke(
        "fit", "rdn_boost", source, target, "--target-predicate", "grandparent", "-o", tmp_path / "f", "--json"
    )
    assert said.exit_code == 0, said.output
    found = json.loads(said.stdout)
    assert found["n_held_back"] == 0
    assert "guessed" in found["notes"][0]
    assert "taken as false" in found["notes"][1]
    assert "log-odds of grandparent" in (tmp_path / "f/rules.txt").read_text()


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ([], "must name the relation of first-order facts"),
        (
            ["--target-predicate", "nobody", "--source-predicate", "grandparent"],
            "--target-predicate must name a predicate of the facts: begets, forebear",
        ),
        (["--target-predicate", "forebear"], "--source-predicate must name a predicate of the facts"),
        (["--target-predicate", "forebear", "--label", "y"], "goes with --source-predicate, --schema"),
        (["--target-predicate", "forebear", "--source-predicate", "parent", "-m", "coral"], "must be for relations"),
    ],
)
def test_what_does_not_fit_is_told(tmp_path, files, more, says):
    said = invoke("run", *files[:2], *more, "-o", tmp_path / "r")
    assert said.exit_code
    words = " ".join((said.output + str(said.exception)).replace("│", " ").split())
    assert " ".join(says.split()) in words


def test_a_named_set_is_read_whole_or_by_domains():
    if named.where("uwcse") is None:
        pytest.skip("data set uwcse is not on this machine")
    (whole, notes), (one, _) = (read_facts([text], "advisedby") for text in ("uwcse", "uwcse:fold-3"))
    assert not notes
    assert {name: p.types for name, p in whole.X.facts.schema.items()} == dict(sorted(uwcse.SCHEMA.items()))
    assert (whole.n_samples, int(whole.y.sum()), whole.X.facts.n_facts) == (4192, 113, 2560)
    assert (one.n_samples, int(one.y.sum())) == (100, 9)
    with pytest.raises(DataError, match="uwcse:fold-9: is not a domain of it"):
        read_facts(["uwcse:fold-9"], "advisedby")
    with pytest.raises(DataError, match=r"uwcse: --source-predicate must name a relation .*advisedby.* Got 'nobody'"):
        read_facts(["uwcse"], "nobody", like="--source-predicate")


def test_facts_in_memory_are_not_tables(tmp_path):
    task = TransferTask(sources=[family(0).domain()], target=family(1).domain())
    with pytest.raises(DomainError, match="--target-predicate advisedby"):
        run(task, out=tmp_path / "r")


def test_atoms_of_one_group_change_together():
    """One group is one draw, however many atoms it has; many groups that agree are evidence."""
    rng = np.random.default_rng(0)
    before, after = np.zeros(40), np.ones(40)
    assert compare(before, after, np.zeros(40, dtype=int), rng)[1] == pytest.approx(0.5, abs=0.05)
    gain, p = compare(before, after, np.arange(40), rng)
    assert gain == 1
    assert p == pytest.approx(1 / 2000)
