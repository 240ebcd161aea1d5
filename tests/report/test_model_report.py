"""The report of a carried-over network: what it says, and that names and texts of the data stay text."""

import json
from typing import Any

import pytest

from transferkit.report.console import summary_table
from transferkit.report.html import render
from transferkit.report.model_card import model_card

EVIL = '<script>alert(1)</script> "><img src=x onerror=alert(2)> `c` {{ 1 }} \u2028'
IMAGE = "data:image/jpeg;base64,/9j/4AAQ"


def facts(name: str = "ants") -> dict[str, Any]:
    """A run from a model with everything in it; `name` stands wherever text of the data or a file's name comes in."""
    row = {
        "class": "FineTuning", "method": "fine_tuning", "paradigm": "parameter", "summary": name, "model": name,
        "params": {"plan": "gradual"}, "role": "candidate", "status": "fitted", "reason": "", "evidence": 0.1, "changed": 0.1,
        "validation": 0.9, "validation_interval": [0.8, 0.95], "score": None, "score_interval": None, "trainable": 2_226_434,
        "updates": 48,
    }  # fmt: skip
    scored = {"score": 0.961, "score_interval": [0.92, 0.98]}
    probe = {
        **row,
        **scored,
        "id": "feature_extraction-1",
        "class": "FeatureExtraction",
        "params": {},
        "role": "baseline",
    }
    scratch = {
        **row,
        "id": "scratch-1",
        "score": 0.61,
        "score_interval": [0.5, 0.7],
        "role": "baseline",
        "model": "from scratch",
    }
    return {
        "schema": 1, "transferkit": "0.1.0", "command": "transferkit run x", "seed": 0, "versions": {},
        "task": {
            "kind": "classification", "way": "model", "data": "images", "label": None, "metric": "accuracy",
            "sources": [{"name": name, "n": None, "sha256": "ab" * 32}],
            "target": {"name": name, "n": 40, "n_known": 30, "n_held_back": 10}, "target_labels": "few",
            "classes": [name, "bees"],
        },
        "prepare": {"notes": [name], "features_in": None, "features_out": 12},
        "model": {"name": name, "weights": "ab" * 32, "parameters": 2_223_872},
        "transferability": {
            "models": [
                {
                    "model": name, "parameters": 5, "features": 12, "certainty": 0.75, "probe": 0.95,
                    "scores": {"logme": 0.1, "leep": None},
                }
            ],
            "chosen": name, "bigger_first": name, "n_rows": 30,
        },
        "rule": {"says": [name], "epochs": 6, "validation": "a fourth of the labels", "n_validated": 8, "training": {"lr": 0.0005}},
        "candidates": [probe, scratch, {**row, "id": "fine_tuning-1"}, {**row, "id": "x-1", "status": "failed", "reason": name}],
        "guard": {
            "selector": None, "rule": "The rule.", "anchor": "scratch-1", "proposal": "fine_tuning-1", "winner": "fine_tuning-1",
            "adapted": True, "reason": name,
            "checks": [{"check": "lead", "value": 0.01, "threshold": 0.1, "passed": True, "says": name}],
        },
        "verdict": {
            "sentence": name, "adapted": True, "expected": 0.961, "expected_interval": [0.92, 0.98], "baseline": 0.61,
            "baseline_interval": [0.5, 0.7], "basis": "held-back labels",
        },
        "learning": {"fine_tuning-1": [{"epoch": 1, "lr": 0.1, "train/loss": 0.7}, {"epoch": 2, "lr": 0.1, "train/loss": 0.4}]},
        "plan": [
            {"part": name, "parameters": 5, "from_epoch": None, "lr": 0.0},
            {"part": "head", "parameters": 7, "from_epoch": 0, "lr": 0.0005},
        ],
        "forgetting": {"rows": 30, "agreement": 0.8, "kl": 0.1},
        "per_class": [{"class": name, "n": 5, "before": 0.5, "after": 1.0}, {"class": "bees", "n": 5, "before": 0.7, "after": 0.9}],
        "confusion": {"labels": [name, "bees"], "before": [[3, 2], [2, 3]], "after": [[5, 0], [0, 5]]},
        "regression": None, "next_steps": [name],
    }  # fmt: skip


def examples(name: str = "1.jpg") -> list[dict[str, Any]]:
    return [
        {"name": name, "truth": "ants", "predicted": name, "image": IMAGE, "width": 4, "height": 3},
        {"name": name, "truth": None, "predicted": name, "text": name},
    ]


def test_everything_that_was_found_is_said() -> None:
    page = render(facts(), None, examples())
    for text in (
        "The source model", "How well it carries over", "bigger first", "logme", "What trained when", "What it has forgotten",
        "80.0\u00a0%", "Loss in training", "from scratch", "score on validation rows", "Trained weights", IMAGE, "1.jpg", "never",
    ):  # fmt: skip
        assert text in page, text
    assert "label-free" not in page
    assert "leep" not in page  # a score that could not be had is no column
    card = model_card(facts())
    for text in ("## The source model", "On validation rows", "this model", "baseline"):
        assert text in card


def test_names_and_texts_stay_text() -> None:
    page = render(facts(EVIL), None, examples(EVIL))
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert page.count("<img ") == 1
    assert "<script>alert" not in model_card(facts(EVIL)).replace("\\<", "")


@pytest.mark.parametrize("key", sorted(facts()))
def test_any_part_may_be_absent(key: str) -> None:
    less = {k: v for k, v in facts().items() if k != key}
    render(less), model_card(less), summary_table(less)
    render({**less, key: None}, None, [])


def test_the_terminal_shows_validation_and_what_was_from_scratch(capsys: pytest.CaptureFixture[str]) -> None:
    from rich.console import Console

    Console(width=100).print(summary_table(facts()))
    out = capsys.readouterr().out
    assert "Validation" in out
    assert "from scratch" in out
    assert json.dumps(facts())  # strict JSON
