"""The report in a real browser: Debian's Chromium, or whichever is installed, driven by playwright."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from transferkit.report import render

from . import made_up
from .test_task_pages import PAGES

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync",
)  # fmt: skip
OUTSIDE = "</script><img src='http://127.0.0.1:9/x'><b>bold</b>"


def pages() -> dict[str, str]:
    """The reports that are looked at, by name."""
    many = tuple(f"a class with the long name {i} 分类 الفئة" for i in range(40))
    long = made_up.classification(many)
    long["task"]["target"] |= {"name": "n" * 200, "path": "/p" * 200}
    long["gap"]["columns"][0]["name"] = long["candidates"][7]["class"] = OUTSIDE
    return {
        "classification": render(made_up.classification(), made_up.embedding()),
        "regression": render(made_up.regression()),
        "decided": render(made_up.decided(), made_up.embedding()),
        "networks": render(made_up.networks(), made_up.seen_by_networks()),
        "long": render(long, made_up.embedding(many)),
        "empty": render({}),
        **{name: write(facts()) for name, (write, facts) in PAGES.items()},
    }


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip(f"no browser is installed: none of {', '.join(BROWSERS)} is on the path")
    with sync_api.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield running
        running.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("reports")
    for name, html in pages().items():
        (made / f"{name}.html").write_text(html, encoding="utf-8")
    return made


class Visit:
    """A page that is open, with what it asked for and what it complained about."""

    def __init__(self, browser: Any, path: Path, **context: Any) -> None:
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.context = browser.new_context(**context)
        self.page = self.context.new_page()
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(path.as_uri())

    def __enter__(self) -> Visit:
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()

    def colours(self) -> list[str]:
        return self.page.evaluate(
            "[...document.querySelectorAll('.plot .scatterlayer .point')].map(p => p.style.fill).slice(0, 5)"
        )

    def marks(self) -> dict[str, int]:
        """How many marks each chart has drawn."""
        return self.page.evaluate(
            "Object.fromEntries([...document.querySelectorAll('.plot')].map(box => [box.id, box.matches('.js-plotly-plot') ? "
            "box.querySelectorAll('svg .point, svg .js-line, svg .hm image, svg .heatmaplayer image').length : -1]))"
        )


@pytest.mark.parametrize("name", ["classification", "regression", "decided", "networks", "long", "empty", *PAGES])
@pytest.mark.parametrize(("width", "theme"), [(390, "light"), (1200, "dark")])
def test_page_is_whole(browser: Any, folder: Path, name: str, width: int, theme: str) -> None:
    """At both widths and in both colours, which do not depend on each other."""
    path = folder / f"{name}.html"
    with Visit(browser, path, viewport={"width": width, "height": 900}, color_scheme=theme) as visit:
        assert visit.complaints == []
        assert [url for url in visit.requests if not url.startswith(("data:", "blob:"))] == [path.as_uri()]
        marks = visit.marks()
        assert all(marks.values()), marks
        assert min(marks.values(), default=1) > 0, marks
        assert bool(marks) == (name != "empty")
        wide, shown = visit.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide <= shown == width
        cut = "[...document.querySelectorAll('.plot svg.main-svg')].some(s => s.getBoundingClientRect().right > innerWidth + 1)"
        assert not visit.page.evaluate(cut)
        paper = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert paper == {"light": "rgb(252, 251, 248)", "dark": "rgb(23, 24, 25)"}[theme]


def test_text_of_the_data_is_drawn_as_it_is_written(browser: Any, folder: Path) -> None:
    with Visit(browser, folder / "long.html") as visit:
        ticks = visit.page.locator("#chart-columns .ytick text").all_text_contents()
        assert ticks[0].startswith("</script>")
        assert visit.page.locator("img").count() == 0
        assert OUTSIDE in visit.page.locator("#tried tbody").first.inner_text()


def test_charts_follow_the_theme_and_the_screen(browser: Any, folder: Path) -> None:
    with Visit(
        browser, folder / "classification.html", viewport={"width": 1200, "height": 900}, color_scheme="light"
    ) as visit:
        light = visit.colours()
        visit.page.emulate_media(color_scheme="dark")
        visit.page.wait_for_timeout(200)
        dark = visit.colours()
        assert light != dark
        visit.page.set_viewport_size({"width": 390, "height": 900})
        visit.page.wait_for_timeout(600)
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= 390
        assert visit.complaints == []


def test_points_can_be_coloured_by_class(browser: Any, folder: Path) -> None:
    with Visit(browser, folder / "classification.html") as visit:
        distinct = (
            "new Set([...document.querySelectorAll('#chart-embedding-after .point')].map(p => p.style.fill)).size"
        )
        assert visit.page.evaluate(distinct) == 2
        visit.page.get_by_role("button", name="class").first.click()
        assert visit.page.evaluate(distinct) == 10
        assert visit.page.locator(".legend").is_visible()


def test_tables_sort(browser: Any, folder: Path) -> None:
    with Visit(browser, folder / "classification.html") as visit:
        rows = visit.page.locator("#tried tbody tr")
        assert "GFK" in rows.first.inner_text()
        visit.page.get_by_role("button", name="Held-back score").click()
        assert "TargetOnly" in rows.first.inner_text()
        visit.page.get_by_role("button", name="Held-back score").click()
        assert "SourceOnly" in rows.first.inner_text()
        assert visit.page.locator("#tried th[aria-sort=ascending]").count() == 1
        visit.page.get_by_role("button", name="Evidence").click()
        assert "TargetOnly" in rows.last.inner_text()  # it has none


def test_command_can_be_copied(browser: Any, folder: Path) -> None:
    with Visit(browser, folder / "classification.html", permissions=["clipboard-read", "clipboard-write"]) as visit:
        visit.page.get_by_role("button", name="Copy").click()
        visit.page.get_by_role("button", name="Copied").wait_for()
        assert visit.page.evaluate("navigator.clipboard.readText()") == made_up.classification()["command"]


def test_page_prints(browser: Any, folder: Path) -> None:
    with Visit(browser, folder / "classification.html", color_scheme="dark") as visit:
        screen = visit.colours()
        visit.page.evaluate("""() => {
            addEventListener("beforeprint", () => {
                const charts = [...document.querySelectorAll(".plot svg.main-svg")];
                window.seen = {
                    fill: document.querySelector(".plot .scatterlayer .point").style.fill,
                    widest: Math.max(...charts.map((chart) => Number(chart.getAttribute("width")))),
                };
            });
        }""")
        pdf = visit.page.pdf(format="A4")
        seen = visit.page.evaluate("window.seen")
        assert pdf.startswith(b"%PDF")
        assert len(pdf) > 20_000
        assert seen["fill"] != screen[0]  # on paper the colours are those of the light theme
        assert seen["widest"] <= 640
        assert visit.colours() == screen
        assert visit.complaints == []


def test_page_reads_without_scripts(browser: Any, folder: Path) -> None:
    with Visit(browser, folder / "classification.html", java_script_enabled=False) as visit:
        assert visit.page.get_by_text("The charts need JavaScript").is_visible()
        assert (
            visit.page.get_by_role("heading", level=1).inner_text() == made_up.classification()["verdict"]["sentence"]
        )
        assert visit.page.locator("#tried table").is_visible()
        assert not visit.page.locator(".plot").first.is_visible()


def test_the_verdict_reads_without_scripts(browser: Any, folder: Path) -> None:
    with Visit(browser, folder / "decided.html", java_script_enabled=False) as visit:
        assert visit.page.locator(".state.ambiguous").is_visible()
        assert visit.page.locator(".reading").count() == 2
        assert visit.page.locator("#disputed table").nth(1).is_visible()  # the first is folded
        names, bands = visit.page.locator(".flow .left span"), visit.page.locator(".flow path")
        assert (names.count(), bands.count()) == (3, 4)
        assert all(bands.nth(i).bounding_box()["height"] > 1 for i in range(4))
        bars = [visit.page.locator(".bars i").nth(i).bounding_box()["width"] for i in range(3)]
        assert bars == sorted(bars, reverse=True)


def test_the_watch_would_bark(browser: Any, tmp_path: Path) -> None:
    """A page with an outside request, an error and an overflow fails the checks above."""
    bad = tmp_path / "bad.html"
    bad.write_text(
        "<img src='http://127.0.0.1:9/x.png'><div style='width:3000px'>x</div><script>no_such_thing()</script>"
    )
    with Visit(browser, bad, viewport={"width": 390, "height": 900}) as visit:
        assert any(url.startswith("http:") for url in visit.requests)
        assert any("no_such_thing" in text for text in visit.complaints)
        assert visit.page.evaluate("document.documentElement.scrollWidth") > 390
