"""An option that would have no effect in a run of some kind is an error that says so, and nothing is written."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from transferkit import Domain, DomainError, ParamError, TransferTask, run
from transferkit.cli.app import app

RNG = np.random.default_rng(0)
Y = np.arange(40) % 2
X = RNG.normal(size=(40, 3)) + 3 * Y[:, None]
KNOWN = np.arange(40) < 12
EDGES = np.stack([np.arange(39), np.arange(1, 40)])
KINDS = {
    "tables": {"target": X + 1},
    "numbers": {"sources": [(X, Y + 0.5)], "target": X + 1},
    "few": {"target": Domain(X + 1, Y, KNOWN, name="t")},
    "spaces": {"target": Domain(X[:, :2], Y, KNOWN, name="t"), "methods": ["cca"]},
    "pairs": {"target": X[:, :2], "methods": ["cca"], "pairs": np.column_stack([np.arange(20)] * 2)},
    "graphs": {
        "sources": [Domain(X, Y, edges=EDGES, name="s")], "target": Domain(X + 1, edges=EDGES, name="t"), "methods": ["grade"],
    },
}  # fmt: skip
OWN, GRAPHS = "where source and target have columns of their own", "where the domains are graphs"
KNOWN_LABELS = r"where target labels decide \(12 known labels"


@pytest.mark.parametrize(
    ("kind", "option", "why"),
    [
        ("tables", {"epochs": 3}, "epochs must go with a method that trains a network"),
        ("tables", {"tune_proposal": 3}, "tune_proposal must go with a few known target labels"),
        ("tables", {"distil": True, "methods": ["coral"]}, "distil must be left out where one method is named"),
        ("numbers", {"assume": "label-shift"}, "assume must be left out of a regression, which has no class shares"),
        ("numbers", {"distil": True}, "distil must be left out of a regression, in which nothing votes"),
        ("few", {"distil": True}, f"distil must be left out {KNOWN_LABELS}"),
        ("few", {"target_shares": {"0": 0.5, "1": 0.5}}, f"target_shares must be left out {KNOWN_LABELS}"),
        ("spaces", {"tune": 3}, f"tune must be left out {OWN}"),
        ("spaces", {"tune_proposal": 3}, f"tune_proposal must be left out {OWN}"),
        ("spaces", {"distil": True}, f"distil must be left out {OWN}"),
        ("spaces", {"epochs": 3}, "epochs must go with"),
        ("pairs", {"assume": "label-shift"}, f"assume must be left out {OWN}"),
        ("graphs", {"tune": 3}, f"tune must be left out {GRAPHS}"),
        ("graphs", {"tune_proposal": 3}, f"tune_proposal must be left out {GRAPHS}"),
        ("graphs", {"engine": "ray"}, f"engine must be left out {GRAPHS}"),
        ("graphs", {"jobs": 2}, f"jobs must be left out {GRAPHS}"),
        ("graphs", {"distil": True}, f"distil must be left out {GRAPHS}"),
        ("graphs", {"pairs": [[0, 0]]}, "pairs must go with tables or arrays whose columns differ. Got a graph"),
    ],
)
def test_an_option_without_effect_is_refused(tmp_path, kind, option, why):
    with pytest.raises(ParamError, match=why):
        run(TransferTask(**{"sources": [(X, Y)], **KINDS[kind], **option}), out=tmp_path / "r")
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("kind", "option", "why"),
    [
        ("tables", {"shots": 3}, "must have labels for shots=3. Got none"),
        ("tables", {"text": "review"}, "must hold texts for text='review'. Got rows of numbers"),
        ("tables", {"model": "small:mlp"}, "must be images, texts or audio for a model"),
        ("graphs", {"kind": "regression"}, "classes or several labels"),
    ],
)
def test_an_option_that_the_rows_do_not_fit_is_refused(tmp_path, kind, option, why):
    with pytest.raises(DomainError, match=why):
        run(TransferTask(**{"sources": [(X, Y)], **KINDS[kind], **option}), out=tmp_path / "r")
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    "option", [{"tune": 3}, {"distil": True}, {"jobs": 2}, {"engine": "ray"}, {"tune_proposal": 2}]
)
def test_from_a_model(option):
    with pytest.raises(ParamError, match=f"{next(iter(option))} must be left out where a model is the source"):
        TransferTask(sources=[], target="photos", model="auto", **option)


def test_images_have_no_column_of_texts_and_no_pairs(tmp_path):
    for place in ("photo/a", "photo/b", "sketch"):
        (tmp_path / place).mkdir(parents=True)
        for k in range(3):
            Image.fromarray(np.full((8, 8, 3), 40 * k, np.uint8)).save(tmp_path / place / f"{k}.png")
    source, target = str(tmp_path / "photo"), str(tmp_path / "sketch")
    with pytest.raises(DomainError, match=r"sketch: must hold texts for text='say'. Got images"):
        run(TransferTask([source], target, text="say"), out=tmp_path / "r")
    with pytest.raises(
        ParamError, match=r"pairs must go with .* Got rows in sketch that a network turns into features"
    ):
        run(TransferTask([source], target, pairs=[[0, 0]]), out=tmp_path / "r")
    with pytest.raises(ParamError, match=r"model must be a pretrained network .* Got 'small:lenet'"):
        run(TransferTask([source], target, model="small:lenet"), out=tmp_path / "r")


def test_facts_take_no_options_of_tables():
    options = ["--target-predicate", "advisedby", "--kind", "classification"]
    said = CliRunner().invoke(app, ["fit", "tree_boostler", "films.pl", "department.pl", *options])
    assert said.exit_code == 2
    assert "goes with" in said.output
