"""The published tables: what is verified is equal to the paper, here and in the results that are kept in git."""

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from transferkit import DataError, ParamError, bench
from transferkit.bench._table import printed

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"
NAMES = list(bench.tables())


def run_or_skip(name, **options):
    table = bench.tables()[name]
    try:
        table.load()
    except DataError as err:
        pytest.skip(f"needs the data set {table.DATA}: {err}")
    return bench.run_table(name, **options)


def test_both_tables_are_found():
    assert {"office-caltech-surf", "digits-coil"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_row_has_one_number_a_task_and_a_name_of_its_own(name):
    table = bench.tables()[name]
    assert len({row.label for row in table.ROWS}) == len(table.ROWS) > 0
    for row in table.ROWS:
        assert len(row.paper) == len(table.TASKS)
        assert all(len(values) == len(table.TASKS) for values in row.by_task.values())


@pytest.mark.parametrize("name", NAMES)
def test_kept_results_are_whole_and_equal_the_paper_where_verified(name):
    table = bench.tables()[name]
    result = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    assert result["tasks"] == list(table.TASKS)
    assert [row["label"] for row in result["rows"]] == [row.label for row in table.ROWS]
    for kept, row in zip(result["rows"], table.ROWS):
        assert kept["verified"] == row.verified
        assert tuple(kept["paper"].values()) == row.paper
        if row.verified:
            assert kept["equal"] == len(table.TASKS), f"{row.label}: {kept['difference']}"


@pytest.mark.parametrize(
    ("name", "tasks"),
    [("office-caltech-surf", ("webcam -> dslr", "dslr -> webcam", "amazon -> dslr")), ("digits-coil", None)],
)
def test_verified_rows_equal_the_paper(name, tasks, monkeypatch):
    table = bench.tables()[name]
    monkeypatch.setattr(table, "ROWS", tuple(row for row in table.ROWS if row.verified))
    seen = []
    result = run_or_skip(name, tasks=tasks, progress=lambda *cell: seen.append(cell))
    for row in result["rows"]:
        assert row["equal"] == len(result["tasks"]), f"{row['label']}: {row['difference']}"
    cells = len(result["rows"]) * len(result["tasks"])
    assert [done for done, _, _ in seen] == list(range(1, cells + 1))
    kept = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    by_label = {row["label"]: row["ours"] for row in kept["rows"]}
    for row in result["rows"]:
        assert row["ours"] == {task: by_label[row["label"]][task] for task in result["tasks"]}


def test_a_wrong_setting_is_seen(monkeypatch):
    """The tables would not pass whatever the method does: with other components the numbers differ."""
    table = bench.tables()["digits-coil"]
    row = next(row for row in table.ROWS if row.method == "joint_pca")
    monkeypatch.setattr(table, "ROWS", (replace(row, params={"n_components": 5}),))
    assert run_or_skip("digits-coil")["rows"][0]["equal"] == 0


def test_rendering_fits_eighty_columns_and_names_every_row():
    for name in NAMES:
        result = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
        console = Console(width=80, record=True, file=StringIO())
        console.print(bench.render(result))
        text = console.export_text()
        assert "…" not in text
        for row in result["rows"]:
            assert row["label"] in text
            assert all(f"{value:.2f}" in text for value in row["ours"].values())


def test_json_is_the_same_for_the_same_result_and_names_no_path():
    text = (RESULTS / "digits-coil.json").read_text(encoding="utf-8")
    assert bench.to_json(json.loads(text)) == text
    assert "/" not in json.loads(text)["command"]


def test_unknown_names_are_refused():
    with pytest.raises(ParamError, match="office-caltech-surf"):
        bench.run_table("office")
    with pytest.raises(ParamError, match=r"tasks must be of usps -> mnist.*Got mnist"):
        bench.run_table("digits-coil", tasks=("mnist",))
    with pytest.raises(ParamError, match="methods must be of"):
        bench.run_table("digits-coil", methods=("magic",))


@pytest.mark.parametrize(
    ("percent", "decimals", "expected"),
    [(100 * 370 / 1123, 1, 33.0), (100 * 285 / 958, 1, 29.8), (100 * 370 / 1123, 2, 32.95), (44.875, 2, 44.88)],
)
def test_numbers_are_printed_as_the_papers_print_them(percent, decimals, expected):
    assert printed(percent, decimals) == expected
