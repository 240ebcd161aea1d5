"""The report on made-up but complete facts: what it says, what it escapes, and what it leaves out."""

from __future__ import annotations

import copy
import json
import math
import re
import subprocess
import sys
from html.parser import HTMLParser
from importlib.resources import files
from itertools import pairwise
from typing import Any

import pytest

from transferkit.report import model_card, render, words
from transferkit.report.charts import all_charts
from transferkit.report.console import gap_table, summary_table
from transferkit.report.drawing import plain

from . import made_up

EVIL = "</script><script>alert(1)</script><b>x</b> & \"q\" 'a' <img src=x onerror=alert(2)> `c` [l](javascript:1) | "
EVIL += "\u2028 \x07 \ud800"


class Page(HTMLParser):
    """The text, tags and chart JSON of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text, self.tags, self.charts, self.inside = "", [], [], ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.inside = tag if tag in ("script", "style") else self.inside
        self.is_json = dict(attrs).get("type") == "application/json"

    def handle_endtag(self, tag: str) -> None:
        self.inside = "" if tag in ("script", "style") else self.inside

    def handle_data(self, data: str) -> None:
        if not self.inside:
            self.text += data
        elif self.inside == "script" and self.is_json:
            self.charts = json.loads(data)


def everywhere(value: Any, text: str) -> Any:
    """The same facts with every text that comes from the data replaced."""
    fixed = {"kind", "metric", "status", "role", "basis", "id", "anchor", "winner", "target_labels", "command"}
    if isinstance(value, dict):
        return {k: v if k in fixed else everywhere(v, text) for k, v in value.items()}
    if isinstance(value, list):
        return [everywhere(v, text) for v in value]
    return text if isinstance(value, str) else value


def hollow(value: Any) -> Any:
    """The same facts with every leaf None; but a parameter that is None is a fact."""
    if isinstance(value, dict):
        return {k: {} if k == "params" else hollow(v) for k, v in value.items()}
    return [hollow(v) for v in value] if isinstance(value, list) else None


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(render(made_up.classification(), made_up.embedding()))


def test_everything_that_was_found_is_said(page: Page) -> None:
    facts = made_up.classification()
    for text in (
        facts["verdict"]["sentence"], "44.1\u00a0%", "29.8\u00a0%", "38.5 to 49.8\u00a0%",
        facts["guard"]["rule"], facts["guard"]["reason"],
        facts["command"], "ab" * 32, "cd" * 32, "python 3.11.7", "seed 0", "KLIEP.fit: X must have finite density ratios",
        "It needs target labels", *facts["next_steps"], *facts["prepare"]["notes"], "0.981", "effective sample size 14 of 958",
        "The held-back score was not used in the choice.",
    ):  # fmt: skip
        assert text in page.text
    for check in facts["guard"]["checks"]:
        assert check["says"] in page.text
    assert {c["id"] for c in page.charts} == {
        "candidates", "columns", "shares", "classes", "embedding-before", "embedding-after", "confusion-before", "confusion-after",
    }  # fmt: skip


def test_a_regression_has_its_own_pictures() -> None:
    page = Page(render(made_up.regression()))
    assert {c["id"] for c in page.charts} == {"candidates", "columns", "regression-before", "regression-after"}
    assert "0.298" in page.text
    assert "A triangle is a score that lies left of the axis" in page.text  # one R^2 is -52.3
    assert "−52.3" in page.text


def test_headings_captions_and_alternatives(page: Page) -> None:
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 2 for a, b in pairwise(levels))
    names = [tag for tag, _ in page.tags]
    assert names.count("table") == names.count("caption") > 3
    assert "The charts need JavaScript" in page.text
    plots = [attrs for _, attrs in page.tags if attrs.get("class") == "plot"]
    assert len(plots) == len(page.charts)
    assert all(a["role"] == "img" and a["aria-label"] for a in plots)
    assert all("scope" in attrs for tag, attrs in page.tags if tag == "th")


def test_nothing_points_outside(page: Page) -> None:
    for tag, attrs in page.tags:
        for key in ("src", "href", "action", "data", "poster", "srcset"):
            assert key not in attrs or attrs[key].startswith(("#", "data:")), (tag, attrs)
        assert not any(key.startswith("on") for key in attrs)
    policy = next(a["content"] for t, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    assert "'unsafe-inline'" not in policy.split("script-src")[1]
    assert "url(" not in files("transferkit.report").joinpath("style.css").read_text("utf-8")


@pytest.mark.parametrize(
    "facts", [{}, {"verdict": None}, hollow(made_up.classification())], ids=["empty", "none", "hollow"]
)
def test_absent_parts_are_left_out(facts: dict[str, Any]) -> None:
    for text in (
        Page(render(facts)).text,
        model_card(facts),
        _printed(summary_table(facts)),
        _printed(gap_table(facts.get("gap"))),
    ):
        assert "None" not in text
        assert "nan" not in text


@pytest.mark.parametrize("key", sorted(made_up.classification()))
@pytest.mark.parametrize("absent", ["missing", "none"])
def test_each_part_may_be_absent(key: str, absent: str) -> None:
    facts = made_up.classification()
    facts.pop(key)
    if absent == "none":
        facts[key] = None
    assert "None" not in Page(render(facts)).text
    assert "None" not in model_card(facts)


@pytest.mark.parametrize("key", sorted(made_up.classification()["candidates"][3]))
def test_each_key_of_a_candidate_may_be_absent(key: str) -> None:
    facts = made_up.classification()
    for c in facts["candidates"]:
        del c[key]
    assert "None" not in Page(render(facts)).text


def test_text_from_the_data_is_never_markup(page: Page) -> None:
    facts, picture = everywhere(made_up.classification(), EVIL), everywhere(made_up.embedding(), EVIL)
    facts["confusion"]["labels"] = facts["gap"]["label_shift"]["classes"] = [f"{EVIL}{i}" for i in range(10)]
    evil = Page(render(facts, picture))
    assert "alert(2)" in evil.text
    assert [t for t, _ in evil.tags].count("script") == [t for t, _ in page.tags].count("script")
    assert not {"img", "b"} & {t for t, a in evil.tags if a.get("src") or a.get("onerror")}
    assert len(evil.charts) == len(page.charts)
    # Plotly reads these three tags; in the charts' JSON only its own may be left.
    tags = re.findall("<[^>]*>", json.dumps(evil.charts))
    assert set(tags) <= {"<br>", "<b>", "</b>"}
    assert "<b>x" not in json.dumps(evil.charts)


def test_plain_text_of_a_chart() -> None:
    assert plain("a<b>&amp;</b>", None, "", "two") == "a&lt;b&gt;&amp;amp;&lt;/b&gt;<br>two"


def test_numbers_that_json_lacks_do_not_reach_the_charts() -> None:
    facts = made_up.classification()
    for i, value in enumerate((math.nan, math.inf, -math.inf)):
        facts["candidates"][i] |= {
            "score": value,
            "estimate": value,
            "evidence": value,
            "score_interval": [value, value],
        }
        facts["gap"]["columns"][i]["effect"] = facts["per_class"][i]["after"] = value
        facts["gap"]["label_shift"]["source"][i] = value
    picture = made_up.embedding()
    picture["before"]["source"][0] = [math.nan, math.inf]
    page = Page(render(facts, picture))
    assert "nan" not in page.text.replace("finance", "")
    assert page.charts


@pytest.mark.parametrize("k", [2, 30, 31, 200])
def test_many_classes(k: int) -> None:
    classes = tuple(f"class {i}" for i in range(k))
    page = Page(render(made_up.classification(classes), made_up.embedding(classes)))
    ids = {c["id"] for c in page.charts}
    assert ("confusion-after" in ids) == (k <= 30)
    assert ("too many for a matrix" in page.text) == (k > 30)
    shown = next(c for c in page.charts if c["id"] == "classes")
    assert len(shown["data"][1]["x"]) == min(k, 30)


@pytest.mark.parametrize("n", [0, 1, 100])
def test_many_candidates(n: int) -> None:
    facts = made_up.classification()
    some = facts["candidates"]
    facts["candidates"] = [{**some[i % 11], "id": some[i]["id"] if i < 11 else f"more-{i}"} for i in range(n)]
    charts, _ = all_charts(facts, None)
    assert ("candidates" in charts) == (n > 0)
    page = Page(render(facts))
    if n == 100:
        rows = charts["candidates"]["layout"]["yaxis"]["ticktext"]
        assert len(rows) == 24
        assert sum(text.startswith("<b>") for text in rows) == 1  # the winner is among them
        assert "Shown are 24 of 100" in page.text
    assert _printed(summary_table(facts)).count("→") == (1 + (n >= 8))  # the title has one


def test_candidates_are_sorted_by_evidence() -> None:
    table = _printed(summary_table(made_up.classification(), width=100))
    order = [table.index(name) for name in ("GFK", "KMM", "SourceOnly", "TargetOnly")]
    assert order == sorted(order)


def test_facts_are_not_changed() -> None:
    facts, picture = made_up.classification(), made_up.embedding()
    before = copy.deepcopy((facts, picture))
    render(facts, picture)
    model_card(facts)
    assert before == (facts, picture)


def test_the_same_facts_give_the_same_page() -> None:
    assert render(made_up.classification(), made_up.embedding()) == render(
        made_up.classification(), made_up.embedding()
    )


def test_model_card_says_what_matters() -> None:
    card = model_card(made_up.classification())
    for text in (
        "# GFK: amazon → webcam",
        "## Intended use",
        "## Limits",
        "44.1",
        "held back",
        "the choice was made without them",
        "ab" * 32,
        "Worse than without adapting on",
    ):
        assert text in card
    assert model_card({}).startswith("# Transfer model")


def test_model_card_shows_text_as_it_is_written() -> None:
    card = model_card(everywhere(made_up.classification(), EVIL))
    assert not re.search(r"(?<!\\)<", card)
    assert not re.search(r"(?<!\\)\]\(", card)
    rows = [re.sub(r"\\.", "", line) for line in card.splitlines() if line.startswith("| ")]
    assert {row.count("|") for row in rows} == {5, 6}  # no cell breaks its table


def test_model_card_fence_is_longer_than_backticks_in_the_command() -> None:
    assert "````sh\nx ``` y\n````" in model_card({"command": "x ``` y"})


@pytest.mark.parametrize("width", [30, 40, 80, 200])
def test_terminal_tables_fit_and_show_markup_as_text(width: int) -> None:
    facts = everywhere(made_up.classification(), "[red]name[/red] [/] \x1b[31m")
    for table in (summary_table(facts, width=width), gap_table(facts["gap"])):
        text = _printed(table, width)
        assert all(len(line) <= width for line in text.splitlines())
        assert "\x1b" not in text
        assert "[red]na" in text.replace("\n", "")


def test_summary_on_a_narrow_terminal_keeps_the_names() -> None:
    text = _printed(summary_table(made_up.classification(), width=40), 40)
    assert "SourceOnly" in text
    assert "44.1" in text


def test_candidates_of_one_method_are_told_apart_by_the_model_inside() -> None:
    facts = made_up.classification()
    coral = next(c for c in facts["candidates"] if c["class"] == "CORAL")
    facts["candidates"].append({**coral, "id": "coral-3", "inner": "nearest"})
    assert words.setting_text(coral) == "reg=1.0"
    for text in (_printed(summary_table(facts, width=100)), render(facts)):
        assert text.count("reg=1.0, nearest neighbours inside") >= 1


def _printed(table: Any, width: int = 100) -> str:
    from rich.console import Console

    console = Console(width=width, force_terminal=False)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"), (math.nan, "–"), (True, "–"), (0, "0"), (0.0, "0"), (12345, "12\u202f345"), (0.123456, "0.123"),
        (-1.5, "−1.5"),
        (1234.5, "1\u202f234"), (3.2e-17, "3.2×10⁻¹⁷"), (-4.56e30, "−4.56×10³⁰"), ("14 of 958", "14 of 958"),
    ],
)  # fmt: skip
def test_number(value: Any, text: str) -> None:
    assert words.number(value) == text


def test_other_words() -> None:
    assert words.metric(0.4412, "accuracy") == "44.1\u00a0%"
    assert words.metric(-0.5, "r2") == "−0.500"
    assert words.interval([0.4, 0.2], "accuracy") == "20.0 to 40.0\u00a0%"
    assert words.interval([None, 1], "r2") == words.interval(None, "r2") == ""
    assert words.pvalue(1e-9) == "< 0.001"
    assert words.pvalue(0.0213) == "= 0.021"
    assert words.shorten("class number 12", 12) == "class n…r 12"
    assert words.shorten("分类分类分类", 6) == "分…类"
    assert words.shorten("short", 12) == "short"


def test_a_gap_that_may_be_chance_is_said_so() -> None:
    said = {
        item["name"]: item["says"]
        for item in words.gap_in_words({"auc": 0.51, "auc_p": 0.4, "mmd2": 0.2, "mmd_p": 0.001})
    }
    assert "hardly" in said["Telling the domains apart (AUC)"]
    assert "may be chance (p = 0.4)" in said["Telling the domains apart (AUC)"]
    assert "is not chance" in said["Kernel distance (MMD²)"]


def _luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_colours_have_contrast() -> None:
    """WCAG 2 AA: at least 4.5 for text on the page and on shaded rows, in both themes."""
    style = files("transferkit.report").joinpath("style.css").read_text("utf-8")
    themes = [dict(re.findall(r"--(\w+): (#\w{6})", block)) for block in re.findall(r":root[^{]*\{([^}]*)\}", style)]
    assert len(themes) == 2
    for theme in themes:
        for name in ("ink", "muted", "source", "target", "good", "bad", "doubt"):
            for ground in ("paper", "wash"):
                bright, dark = sorted((_luminance(theme[name]), _luminance(theme[ground])), reverse=True)
                assert (bright + 0.05) / (dark + 0.05) >= 4.5, (name, ground)


def test_importing_the_report_imports_no_plotly() -> None:
    code = "import sys, transferkit.report; print([m for m in ('plotly', 'jinja2', 'rich') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
