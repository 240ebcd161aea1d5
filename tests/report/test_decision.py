"""The verdict page: state, assumption, readings, evidence, rows in dispute, votes; on screen, in the card, in the terminal."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import Any

import pytest

from transferkit.report import model_card, render, words
from transferkit.report.console import verdict_panel
from transferkit.report.decision import BADGES, assumed, decision_view, members, proposal_name, state_of
from transferkit.report.flow import flow_of

from . import made_up
from .test_report import EVIL, Page, _printed, everywhere, hollow


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the megabytes of Plotly, which are not what is looked at here."""
    monkeypatch.setattr("plotly.offline.get_plotlyjs", lambda: "/* plotly */")


def test_every_state_has_its_own_word_and_colour() -> None:
    badges, colours = set(), set()
    for state, badge in BADGES.items():
        html = render(made_up.decided(state))
        assert f'<p class="state {state}">{badge}</p>' in html
        badges.add(badge)
        colours.add(re.search(rf"\.state\.{state} {{ --mark: var\(--(\w+)\)", html).group(1))
    assert len(badges) == len(colours) == 3
    assert not {"good", "bad"} & {re.search(r"\.state\.ambiguous { --mark: var\(--(\w+)\)", html).group(1)}


def test_the_first_page_of_an_ambiguous_run() -> None:
    facts = made_up.decided()
    page = Page(render(facts))
    first = page.text[: page.text.index("How it was made")]
    for reading in facts["guard"]["readings"]:
        for text in reading.values():
            assert text in first
    assert "If reading A is true" in first
    assert "If reading B is true" in first
    assert "Nothing was assumed about the target's class shares." in first
    assert "source-only stays for now" in first.lower()
    assert "with the vote, not used" in first
    assert "the vote of all candidates would have gained 20.2 points" in first
    assert first.index("What speaks for adapting") < first.index("The domains differ.")
    assert first.index("What speaks against it") < first.index("The clusters hardly speak.")
    assert "clusters 0.01, limit 0.05" in first


@pytest.mark.parametrize(
    ("state", "score", "text"),
    [
        ("adapt", 0.5, "it gained 20.2 points"), ("adapt", 0.2, "it lost 9.8 points"),
        ("keep", 0.5, "would have gained 20.2 points: the price of caution here."), ("keep", 0.2, "would have lost 9.8 points."),
        ("keep", 0.298, "equally good"),
    ],
)  # fmt: skip
def test_what_the_held_back_labels_say_is_said(state: str, score: float, text: str) -> None:
    facts = made_up.decided(state)
    facts["candidates"][-1]["score"] = score
    assert text in Page(render(facts)).text


def test_without_held_back_labels_nothing_is_claimed_of_the_refused_model() -> None:
    facts = made_up.decided()
    for c in facts["candidates"]:
        c["score"] = c["score_interval"] = None
        c["estimate"] = 0.7
    facts["verdict"] |= {"basis": "label-free estimate", "expected": 0.7, "baseline": 0.7}
    text = Page(render(facts)).text
    assert "would have gained" not in text
    assert "not used" not in text


def test_rows_in_dispute() -> None:
    facts = made_up.decided()
    page = Page(render(facts))
    assert "100\u00a0target rows, 34\u00a0% of all" in page.text
    assert "The 4 commonest changes, 85\u00a0rows of 100." in page.text
    for row in facts["guard"]["disputed"]["label_next"]:
        assert row["name"] in page.text
    order = [page.text.index(row["name"]) for row in facts["guard"]["disputed"]["label_next"]]
    assert order == sorted(order)
    assert "4\u00a0more rows" in page.text
    assert "transferkit run --resume FOLDER --labels FOLDER/label_next.csv" in page.text
    assert "about 15\u00a0labels will show it" in page.text
    assert [t for t, _ in page.tags].count("path") == 4
    names = [tag for tag, _ in page.tags]
    assert names.count("table") == names.count("caption")


def test_nothing_in_dispute() -> None:
    facts = made_up.decided("keep")
    facts["guard"]["disputed"] = {"n": 0, "share": 0.0, "changes": [], "label_next": [], "labels_needed": 0}
    page = Page(render(facts))
    assert "Nowhere: the vote of all candidates gives every target row the same label" in page.text
    assert "label_next.csv" not in page.text


def test_examples_of_rows_stand_with_the_rows() -> None:
    facts = made_up.decided()
    first = facts["guard"]["disputed"]["label_next"][0]["row"]
    image = "data:image/png;base64,iVBORw0KGgo="
    page = Page(render(facts, examples=[{"row": first, "image": image, "width": 8, "height": 8, "text": "a red mug"}]))
    assert [a["src"] for t, a in page.tags if t == "img"] == [image]
    assert "a red mug" in page.text
    assert "Held-back rows, those" not in page.text  # it is no example of the winner's predictions


def test_flow_keeps_every_row() -> None:
    changes = [{"from": 2, "to": 1, "n": 27}, {"from": 2, "to": 3, "n": 9}, {"from": 10, "to": 1, "n": 1}]
    flow = flow_of(changes, [1, 2, 3, 10])
    assert [c["name"] for c in flow["left"]] == ["2", "10"]  # in the order of the classes
    assert [c["n"] for c in flow["left"]] == [36, 1]
    assert [c["n"] for c in flow["right"]] == [28, 9]
    assert flow["n"] == 37
    for side in (flow["left"], flow["right"]):
        ends = [(c["top"], c["top"] + c["height"]) for c in side]
        assert all(b[0] >= a[1] - 0.2 for a, b in pairwise(ends))  # no name over another
        assert ends[0][0] >= -0.1
        assert ends[-1][1] <= flow["height"] + 1

    def thickness(band: dict[str, Any]) -> float:
        top, bottom = re.match(r"M0 ([\d.]+)C.*? ([\d.]+) 0 ([\d.]+)Z", band["path"]).group(1, 3)
        return float(bottom) - float(top)

    thick = [thickness(b) for b in flow["bands"]]
    assert thick[0] / thick[1] == pytest.approx(3, rel=0.02)
    assert flow_of([], []) == flow_of([{"from": "a", "to": "b", "n": None}], []) == {}


@pytest.mark.parametrize("k", [1, 2, 40])
def test_flow_of_few_and_many_classes(k: int) -> None:
    flow = flow_of([{"from": f"a{i}", "to": f"b{i}", "n": 1 + i} for i in range(k)], [])
    assert len(flow["bands"]) == len(flow["left"]) == k
    assert all((b["colour"] is None) == (k > 10) for b in flow["bands"])


def test_votes() -> None:
    facts = made_up.decided()
    found = members(facts)
    assert found[0]["width"] == 100
    assert sum(m["share"] for m in found) == pytest.approx(1)
    facts["candidates"][3]["params"] = facts["candidates"][4]["params"]  # now two have the same name
    kinds = [m["kind"] for m in members(facts) if m["name"].startswith("CORAL")]
    assert kinds == ["coral-3", "coral-4"]
    facts["guard"]["weights"] |= {f"more-{i}": 1e-4 for i in range(9)}
    rest = members(facts)[-1]
    assert rest["name"] == "8 others"
    assert rest["width"] == 0
    text = Page(render(facts)).text
    assert "Who votes" in text
    assert "what its members say: half the plain models, half all others." in text
    facts["guard"]["proposal"] = "moved_shares"  # then nobody votes
    assert members(facts) == []
    assert "Who votes" not in Page(render(facts)).text


def test_the_vote_stands_first_among_the_candidates() -> None:
    assert words.evidence_first(made_up.decided()["candidates"])[0]["id"] == "vote"


def test_numbers_and_limits_stand_in_the_report() -> None:
    text = Page(render(made_up.decided())).text
    assert "surplus=0.2" in text
    assert "share of source-only's predictions that must be wrong" in text


@pytest.mark.parametrize(
    ("mode", "text"),
    [
        ("nothing", "Nothing was assumed"), ("same-priors", "about as common"), ("label-shift", "nothing else did"),
        ("target-shares", "Taken as known"), ("few labels", "labelled target rows tested"), ("other", ""), (None, ""),
    ],
)  # fmt: skip
def test_what_was_assumed(mode: Any, text: str) -> None:
    said = assumed({"guard": {"mode": mode}})
    assert text in said
    assert bool(said) == bool(text)


def test_labels_that_settle_it() -> None:
    facts = made_up.decided("adapt")
    facts["guard"]["labels"] = {"n": 14, "wins": 12, "losses": 1, "settled": "better", "gain": [0.27, 0.05, 0.4]}
    text = Page(render(facts)).text
    assert (
        "Of 14\u00a0labelled rows in dispute, the proposal is right on 12 and source-only on 1, which settles it."
        in text
    )
    assert "a gain of +27.0 points (+5.0 to +40.0)" in text
    assert "Labels of rows in dispute settled it" in text
    assert "Nothing was assumed" not in text


def test_older_runs_and_runs_from_a_model() -> None:
    assert state_of(made_up.classification()) == "adapt"
    assert state_of(made_up.regression()) == "keep"
    assert state_of({}) is None
    facts = made_up.classification()
    facts["task"]["way"] = "model"
    view = decision_view(facts)
    assert view["state"] is None
    assert not view["badge"]
    assert proposal_name(facts) == ""


def test_text_of_the_data_stays_text_and_absent_parts_are_left_out() -> None:
    facts = made_up.decided()
    page, evil = Page(render(facts)), Page(render(everywhere(facts, EVIL)))
    assert [t for t, _ in evil.tags].count("script") == [t for t, _ in page.tags].count("script")
    assert not {"img", "b"} & {t for t, a in evil.tags if a.get("src") or a.get("onerror")}
    assert "alert(2)" in evil.text
    for state in BADGES:
        empty = hollow(made_up.decided(state))
        render(empty)
        model_card(empty)
        _printed(verdict_panel(empty))
    for key in made_up.decided()["guard"]:
        less = made_up.decided()
        del less["guard"][key]
        render(less)
        model_card(less)
        _printed(verdict_panel(less))
    assert json.dumps(facts) == json.dumps(made_up.decided())


def test_model_card_says_what_is_assumed_and_left_open() -> None:
    card = model_card(made_up.decided())
    assert "Ambiguous: two readings. Nothing was assumed" in card
    assert "If: The classes became rarer. Then: Source-only is right. Keep it." in card
    assert "differ on 100\u00a0rows of the target (34\u00a0%)" in card
    facts = made_up.decided("adapt")
    facts["guard"]["mode"] = "same-priors"
    assert model_card(facts).count("the verdict does not hold") == 2  # where it was chosen, and among the limits


@pytest.mark.parametrize("width", [40, 100])
def test_the_panel_of_the_terminal(width: int) -> None:
    text = " ".join(_printed(verdict_panel(made_up.decided()), width).replace("│", " ").split())
    assert "Ambiguous: two readings" in text
    assert "If B: The classes became rarer. Source-only is right." in text
    assert "About 15 labels" in text
    assert "If A" not in _printed(verdict_panel(made_up.decided("keep")), width)
    evil = _printed(verdict_panel(everywhere(made_up.decided(), "[red]name[/red] [/] \x1b[31m")), width)
    assert "\x1b" not in evil
    assert all(len(line) <= width for line in evil.splitlines())


def test_labels_that_left_it_open_are_not_counted_anew() -> None:
    facts = made_up.decided()
    assert "About 15" in _printed(verdict_panel(facts)).replace("\u00a0", " ")
    facts["guard"]["labels"] = {"n": 10, "wins": 6, "losses": 4, "settled": "open"}
    assert "now holds the rows to label next" in _printed(verdict_panel(facts))
    assert "right on four of five" not in render(facts)
