"""The shift section of the page and the terminal, on what the diagnosis really returns."""

from __future__ import annotations

import copy
import re

import numpy as np
import pytest
from rich.console import Console

from transferkit import Domain
from transferkit.pipeline.gap import gap_profile
from transferkit.report import render, words
from transferkit.report.console import gap_table

EVIL = "<b>[red]x[/red]</b>\x1b[31m"


def printed(gap, width=120):
    console = Console(width=width, force_terminal=False)
    with console.capture() as capture:
        console.print(gap_table(gap))
    return capture.get()


@pytest.fixture(scope="module")
def gap():
    """Two sources, a group that neither covers, and target labels of which half are turned round."""
    rng = np.random.default_rng(0)
    X, Z = rng.normal(size=(400, 3)), rng.normal(size=(300, 3))
    X[200:, 2] += 1
    Z[:40, 0] += 8
    y, yt = (rows[:, 1] > 0 for rows in (X, Z))
    target = Domain(Z, np.where(Z[:, 2] > 0, yt, ~yt).astype(int))
    return gap_profile(Domain(X, y.astype(int)), target, groups=np.repeat(["rome", "oslo"], 200), random_state=0)


def test_terminal_and_page_show_every_part(gap):
    text, page = printed(gap), render({"gap": gap})
    assert gap["kind"] == "concept"
    assert text.startswith("Concept shift")
    for part in ("The sources, most related first", "Where a source model's loss comes from", "Aligned", "Why: "):
        assert part in text
    for part in (
        "Concept shift",
        "The sources, most related first",
        "Target rows that no source covers",
        "labelled target",
    ):
        assert part in page
    assert "None" not in text
    assert text.index("rome") < text.index("oslo")


@pytest.mark.parametrize("width", [30, 60, 120])
def test_it_fits_and_text_from_the_data_is_text(gap, width):
    evil = copy.deepcopy(gap)
    evil["label_shift"]["classes"] = [EVIL] * 2
    for part in ("sources", "columns"):
        for item in evil[part]:
            item["name"] = EVIL
    for group in evil["uncovered"]:
        group["columns"][0]["name"] = EVIL
    text = printed(evil, width)
    assert all(len(line) <= width for line in text.splitlines())
    assert "\x1b" not in text
    assert "[red]" in text.replace("\n", "")
    assert "<b>[red]" not in render({"gap": evil})


def test_a_regression_shows_the_fifths_of_its_values():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 2))
    gap = gap_profile(Domain(X, X[:, 0] * 10), Domain(X[:60]), task="regression")
    assert "Value up to" in printed(gap)
    assert "None" not in re.sub("<script.*?</script>", "", render({"gap": gap}), flags=re.DOTALL)


def test_kinds_have_words():
    assert all(words.shift_kind(k) != k for k in ("none", "covariate", "label", "both", "concept", "unclear"))
    assert words.shift_kind(None) == ""
