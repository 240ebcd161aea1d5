"""What the report shows of networks between domains: loss parts, domain confusion, features, and class by class."""

import copy
import re

import pytest

from transferkit.report import render
from transferkit.report.charts import all_charts
from transferkit.report.console import summary_table
from transferkit.report.networks import moves_of, network_view

from . import made_up
from .test_report import EVIL, Page, everywhere, hollow


@pytest.fixture(scope="module")
def facts():
    return made_up.networks()


@pytest.fixture(scope="module")
def page(facts):
    return Page(render(facts, made_up.seen_by_networks()))


def test_loss_parts_have_one_panel_a_network_and_one_colour_a_part(facts):
    charts, _ = all_charts(facts, None)
    panels = [charts[f"parts-{k}"] for k in range(3)]
    assert [p["title"] for p in panels] == ["DANN", "MCC", "DeepSourceOnly"]  # most evidence first, the baseline last
    assert [len(p["data"]) for p in panels] == [3, 3, 2]
    colours = [[trace["line"]["color"] for trace in p["data"]] for p in panels]
    assert colours == [["@c0", "@c1", "@c2"], ["@c0", "@c1", "@c2"], ["@c0", "@c1"]]
    assert panels[0]["data"][0]["y"] == [row["train/loss"] for row in facts["learning"]["coral-3"]]
    assert network_view(facts)["part_names"] == ["loss", "task", "transfer"]
    assert "learning" not in charts  # losses of different methods are not drawn against each other


def test_domain_confusion_is_the_same_measure_for_all_and_the_own_critic_beside_it(facts):
    traces = all_charts(facts, None)[0]["confusion"]["data"]
    assert [t["line"]["dash"] for t in traces] == ["solid", "dot", "solid", "solid"]
    assert traces[0]["line"]["color"] == traces[1]["line"]["color"] == "@c0"
    assert traces[0]["y"] == [row["domain/auc"] for row in facts["learning"]["coral-3"]]
    assert traces[1]["y"] == [row["train/critic"] for row in facts["learning"]["coral-3"]]


def test_every_number_of_a_chart_is_in_a_table(page, facts):
    for row in facts["learning"]["coral-3"][:: len(facts["learning"]["coral-3"]) - 1]:
        for key in ("train/loss", "train/task", "domain/auc", "train/critic"):
            assert f"{row[key]:.3g}" in page.text
    for c in facts["moves"]["classes"]:
        assert re.search(
            rf"{c['class']}\s*10.0\s%\s*{c['before']}\s*{c['after']}\s*{c['left']}\s*{c['joined']}", page.text
        )


def test_a_long_training_has_a_short_table_with_its_ends():
    long = network_view(made_up.networks(n_epochs=95))["curve_tables"][0]
    epochs = [epoch for epoch, _ in long["lines"]]
    assert (epochs[0], epochs[-1]) == (1, 95)
    assert len(epochs) <= 21


def test_what_a_network_warned_of_is_shown_with_it(page):
    assert "Warned: MCC: predictions for the target have collapsed" in page.text
    table = summary_table(made_up.networks())
    assert "MCC [yellow](warned)[/yellow]" in list(table.columns[1].cells)
    assert "What was warned of stands in the report." in str(table.caption)


def test_pictures_say_whose_they_are_and_keep_each_networks_own_classes(page):
    assert "Before: the features of DeepSourceOnly, which learned from the source alone (domain AUC 0.98)" in page.text
    assert "After: as DANN sees them, 12\u00a0% of the vote (domain AUC 0.66)" in page.text
    shown = made_up.seen_by_networks()
    _, classes = all_charts({}, shown)
    for when in ("before", "after"):
        chart = next(c for c in page.charts if c["id"] == f"embedding-{when}")
        own = [f"@c{classes.index(c)}" for c in shown[when]["target_labels"]]
        assert chart["views"]["label"][1]["color"] == own
    del shown["after"]["share"]
    assert "After: as DANN sees them, which was not chosen" in render({}, shown)


def test_moves_are_said_to_be_a_proposals_where_it_was_not_adopted(facts, page):
    assert "100\u00a0target rows, " in page.text
    assert "it was not adopted" not in page.text
    assert "it was not adopted" in Page(render({**made_up.decided("keep"), "moves": facts["moves"]})).text
    assert moves_of({**facts, "moves": {**facts["moves"], "moved": 0}}) == {}


def test_a_class_keeps_its_capital_inside_a_sentence(facts):
    named = copy.deepcopy(facts)
    named["guard"] |= {"proposal": "coral-3", "winner": "coral-3"}
    text = Page(render(named)).text
    assert "Source-only and DANN give different labels" in text
    assert "dANN" not in text


@pytest.mark.parametrize("n_epochs", [1, 2])
def test_short_trainings_are_drawn(n_epochs):
    charts, _ = all_charts(made_up.networks(n_epochs=n_epochs), None)
    assert charts["confusion"]["data"][0]["mode"] == ("markers" if n_epochs == 1 else "lines")


def test_absent_and_evil_facts(facts):
    for odd in (hollow(facts), everywhere(facts, EVIL), {**facts, "learning": {"coral-3": [None, {}]}}):
        page = Page(render(odd, made_up.seen_by_networks()))
        assert [tag for tag, at in page.tags if tag == "img" or "onerror" in at] == []
    evil = made_up.networks()
    evil["learning"]["coral-3"] = [{"epoch": 1, f"train/{EVIL}": 1.0, "domain/auc": float("nan"), "train/loss": "text"}]
    page = Page(render(evil))
    assert "alert(1)" in page.text
    assert not any(tag == "img" for tag, _ in page.tags)


def test_a_run_without_networks_says_nothing_of_them():
    text = Page(render(made_up.classification())).text
    assert "How the networks were trained" not in text
    assert "Rows of each class" not in text


def test_rows_in_dispute_are_shown_as_they_are(facts):
    rows = [r["row"] for r in facts["guard"]["disputed"]["label_next"]]
    examples = [
        {"row": rows[0], "image": "data:image/jpeg;base64,AAAA", "width": 72, "height": 48},
        {"row": rows[1], "text": EVIL},
    ]
    page = Page(render(facts, None, examples))
    images = [at for tag, at in page.tags if tag == "img"]
    assert images == [
        {"src": "data:image/jpeg;base64,AAAA", "width": "72", "height": "48", "alt": "", "loading": "lazy"}
    ]
    assert "<b>x</b>" in page.text
