"""Tables of trained networks: cells are kept and gone on from, label-free choices, what each table declares."""

import inspect
import json
from io import StringIO
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

from transferkit import DataError, ParamError, TrainingError, catalogue
from transferkit.bench import trained
from transferkit.bench.trained import Quick, Sets, Settings, TrainedRow, _cell, _run
from transferkit.bench.trained._table import settings_of
from transferkit.core.constraints import check_params

NAMES = list(trained.tables())


def tiny_sets(task):
    """Two classes in the plane, the target shifted along the axis that tells nothing."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(90, 2)), np.arange(90) % 2
    X[:, 0] += 4 * y
    Xt, yt = X[:60] + np.array([0.0, 3.0]), y[:60]
    if task == "same":
        Xt = X[:60]
    return Sets(X, np.array(["a", "b"])[y], Xt, np.array(["a", "b"])[yt], Xt[:30], np.array(["a", "b"])[yt[:30]])


def tiny_table(**changes):
    rows = (
        TrainedRow("source-only", "deep_source_only", paper={"shift": 90.0, "same": 101.5}),
        TrainedRow("CORAL", "deep_coral", {"trade_off": 2.0}, by_task={"same": Settings({"trade_off": 0.5})}),
        TrainedRow("AdaBN", "adabn"),
        TrainedRow("SHOT", "shot", {}, {"n_epochs": 1}, role="source-free"),
        TrainedRow("target-only", "deep_source_only", role="target-only"),
    )
    found = {
        "TITLE": "tiny", "PROTOCOL": "short", "DATA": "none", "MISSING": ("all else",), "VERSION": 1,
        "TASKS": ("shift", "same"), "PARAMS": {"backbone": "small:mlp?hidden=8", "bottleneck": 4},
        "TRAINING": {"n_epochs": 8, "batch_size": 30, "lr": 0.05}, "BY_TASK": {"same": Settings(training={"lr": 0.04})},
        "ROWS": rows, "QUICK": Quick(("source-only", "CORAL"), ("shift",), 0.5), "load": staticmethod(tiny_sets),
    }  # fmt: skip
    return SimpleNamespace(**{**found, **changes})


@pytest.fixture
def ran(monkeypatch):
    """The cells that were really run."""
    seen = []

    def counted(settings, sets, seed):
        seen.append((settings["method"], settings["task"], seed))
        return _cell.run_cell(settings, sets, seed)

    monkeypatch.setattr(_run, "run_cell", counted)
    return seen


def run(table, folder, **options):
    return trained.run_trained("tiny", table, folder, **{"seeds": (0, 1), **options})


def test_a_cell_of_other_defaults_is_run_anew(tmp_path, ran, monkeypatch):
    """The file's name tells the settings; what they leave to the class stands in the record."""
    asked = {"methods": ["CORAL"], "tasks": ["shift"], "seeds": (0,)}
    run(tiny_table(), tmp_path, **asked)
    run(tiny_table(), tmp_path, **asked)
    assert len(ran) == 1
    (path,) = tmp_path.glob("*.json")
    record = json.loads(path.read_text(encoding="utf-8"))
    assert record["defaults"]["DeepCORAL.dropout"] == "0.0"
    assert not {"DeepCORAL.trade_off", "Training.lr"} & record["defaults"].keys(), "these are said"
    path.write_text(json.dumps({**record, "defaults": {**record["defaults"], "DeepCORAL.dropout": "0.5"}}))
    run(tiny_table(), tmp_path, **asked)
    assert len(ran) == 2
    del record["defaults"]  # as older records are
    path.write_text(json.dumps(record))
    run(tiny_table(), tmp_path, **asked)
    assert len(ran) == 2


def test_later_settings_win():
    table = tiny_table()
    found = settings_of(table, table.ROWS[1], "same")
    assert found["params"] == {**table.PARAMS, "trade_off": 0.5}
    assert found["training"] == {"n_epochs": 8, "batch_size": 30, "lr": 0.04}
    assert settings_of(table, table.ROWS[1], "shift", 0.5)["training"]["n_epochs"] == 4
    free = settings_of(table, table.ROWS[3], "shift")
    assert free["params"] == {}
    assert (free["training"]["n_epochs"], free["first_training"]["n_epochs"]) == (1, 8)
    assert free["first_params"] == table.PARAMS


def test_a_cell_that_is_kept_is_not_run_again_and_another_setting_is(tmp_path, ran):
    table = tiny_table(ROWS=tiny_table().ROWS[:2])
    first = run(table, tmp_path, seeds=(0,))
    assert len(ran) == 4
    told = []
    whole = run(table, tmp_path, progress=lambda *said: told.append(said))
    assert ran[4:] == [(m, t, 1) for m in ("deep_source_only", "deep_coral") for t in ("shift", "same")]
    assert [done for done, _, _ in told] == [5, 6, 7, 8]
    assert (first["cells"], whole["cells"]) == ({"there": 4, "of": 4}, {"there": 8, "of": 8})
    assert run(table, tmp_path) == whole
    table.BY_TASK = {"same": Settings(training={"lr": 0.03})}
    run(table, tmp_path, seeds=(0,))
    assert [task for _, task, _ in ran[8:]] == ["same", "same"]
    table.VERSION = 2
    run(table, tmp_path, seeds=(0,), tasks=("shift",), methods=("CORAL",))
    assert ran[10:] == [("deep_coral", "shift", 0)]


def test_a_run_that_was_stopped_goes_on_and_its_result_says_what_is_there(tmp_path, ran, monkeypatch):
    table = tiny_table(ROWS=tiny_table().ROWS[:3])
    whole = _cell.run_cell

    def stopped(settings, sets, seed):
        if settings["method"] == "adabn":
            raise KeyboardInterrupt
        return whole(settings, sets, seed)

    with monkeypatch.context() as m:
        m.setattr(_run, "run_cell", stopped)
        with pytest.raises(KeyboardInterrupt):
            run(table, tmp_path, seeds=(0,))
    half = run(table, tmp_path, seeds=(0,), collect=True)
    assert not ran
    assert half["cells"] == {"there": 4, "of": 6}
    assert [len(row["tasks"]) for row in half["rows"]] == [2, 2, 0]
    assert half["rows"][2]["mean"] is None
    assert half["rows"][0]["tasks"]["shift"]["n"] == 1
    drawn(half)
    run(table, tmp_path, seeds=(0,))
    assert len(ran) == 2


def test_all_roles_learn_and_a_summary_is_of_its_cells(tmp_path):
    table = tiny_table()
    table.ROWS = (table.ROWS[0], *table.ROWS[3:])
    result = run(table, tmp_path)
    by_label = {row["label"]: row for row in result["rows"]}
    assert by_label["target-only"]["tasks"]["same"]["mean"] > 90
    records = [json.loads(path.read_text()) for path in tmp_path.glob("source-only-shift-*")]
    found = by_label["source-only"]["tasks"]["shift"]
    assert found["n"] == len(records) == 2
    accuracies = [r["accuracy"] for r in records]
    assert found["mean"] == pytest.approx(np.mean(accuracies), abs=0.006)
    assert found["spread"] == pytest.approx(np.std(accuracies, ddof=1), abs=0.006)
    assert found["difference"] == pytest.approx(found["mean"] - 90, abs=0.011)
    assert found["oracle"] == pytest.approx(np.mean([max(r["epochs"]) for r in records]), abs=0.006)
    best = [r["epochs"][int(np.argmax(r["scores"]["infomax"]))] for r in records]
    assert found["chosen"]["infomax"] == pytest.approx(np.mean(best), abs=0.006)
    assert all(r["epochs"][-1] == r["accuracy"] for r in records)
    same = by_label["source-only"]["tasks"]["same"]
    assert by_label["source-only"]["holds"] == (found["difference"] >= -1 and same["difference"] >= -1)
    assert by_label["SHOT"]["holds"] is None
    assert json.loads(trained.to_json(result)) == result
    drawn(result)


def test_what_learns_the_target_is_judged_by_the_classes_of_the_target():
    sets, table = tiny_sets("same"), tiny_table()
    sets = Sets(sets.X, np.where(sets.y == "a", "0", sets.y), sets.Xt, sets.yt, sets.X_test, sets.y_test)
    sets.y[0] = "1"  # three classes in the source, two in the target
    found = _cell.run_cell(settings_of(table, table.ROWS[4], "same"), sets, 0)
    assert min(found["epochs"][-2:]) >= 80, "not of the classes of the source"
    assert found["scores"]


def test_a_seed_given_twice_is_one(tmp_path, ran):
    result = run(tiny_table(), tmp_path, seeds=(0, 0), methods=["source-only"], tasks=["shift"])
    assert len(ran) == 1
    assert result["rows"][0]["tasks"]["shift"]["n"] == 1


def test_what_goes_on_after_the_last_epoch_has_no_epoch_to_choose():
    """AdaBN takes the target's statistics at the end: scores of the epochs are of another network."""
    table = tiny_table()
    found = _cell.run_cell(settings_of(table, table.ROWS[2], "shift"), tiny_sets("shift"), 0)
    assert found["epochs"][-1] == found["accuracy"]
    assert found["scores"] == {} or found["epochs"][-1] == found["epochs"][-2]


def test_the_method_never_sees_the_rows_that_judge(monkeypatch):
    """Other labels of the target, training and test, change what is counted and nothing that is learned."""
    table = tiny_table()
    sets = tiny_sets("shift")
    swapped = Sets(sets.X, sets.y, sets.Xt, sets.yt[::-1], sets.X_test, np.where(sets.y_test == "a", "b", "a"))
    for row in table.ROWS[:4]:
        settings = settings_of(table, row, "shift")
        one, other = _cell.run_cell(settings, sets, 0), _cell.run_cell(settings, swapped, 0)
        assert one["accuracy"] == pytest.approx(100 - other["accuracy"])
        assert one["scores"] == other["scores"]


def test_a_training_that_stops_is_told_and_the_table_goes_on(tmp_path, monkeypatch):
    def stops(*_):
        raise TrainingError("the loss must be finite.")

    monkeypatch.setattr(_cell, "_fitted", stops)
    result = run(tiny_table(ROWS=tiny_table().ROWS[:1]), tmp_path, seeds=(0,), tasks=("shift",))
    found = result["rows"][0]["tasks"]["shift"]
    assert (found["mean"], found["diverged"], found["difference"]) == (None, 1, None)
    assert result["rows"][0]["holds"] is None
    assert "stopped" in drawn(result)


def test_quick_has_one_seed_and_other_cells(tmp_path, ran):
    result = run(tiny_table(), tmp_path, quick=True)
    assert ran == [("deep_source_only", "shift", 0), ("deep_coral", "shift", 0)]
    assert (result["seeds"], result["command"]) == ([0], "transferkit bench tiny --quick")
    assert run(tiny_table(), tmp_path, collect=True)["cells"]["there"] == 0


def test_unknown_names_are_refused(tmp_path):
    with pytest.raises(ParamError, match=r"tasks must be of shift, same. Got up"):
        run(tiny_table(), tmp_path, tasks=("up",))
    with pytest.raises(ParamError, match="methods must be of source-only, deep_source_only, CORAL"):
        run(tiny_table(), tmp_path, methods=("magic",))


def test_the_command_runs_a_table_writes_it_and_says_what_it_does_not_know(tmp_path, monkeypatch, capsys):
    from transferkit.cli import main

    monkeypatch.setattr(trained, "tables", lambda: {"tiny": tiny_table()})

    def call(*arguments):
        monkeypatch.setattr("sys.argv", ["transferkit", "bench", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
        return stopped.value.code or 0, capsys.readouterr()

    out = tmp_path / "out.json"
    only = ("--methods", "source-only", "--tasks", "shift", "--seeds", "3", "--cache", tmp_path)
    code, said = call("tiny", *only, "--out", out)
    assert code == 0
    assert "1 of 1 cells" in said.out
    result = json.loads(out.read_text(encoding="utf-8"))
    assert list(result["rows"][0]["tasks"]["shift"]["seeds"]) == ["3"]
    assert result["command"] == 'transferkit bench tiny --seeds 3 --methods "source-only" --tasks "shift"'
    code, said = call("tiny", *only, "--collect", "--json")
    assert json.loads(said.out) == result
    code, said = call("tiny", "--seeds", "one")
    assert (code, "--seeds must be whole numbers" in said.err) == (1, True)
    code, said = call("huge")
    assert (code, "tiny, noharm. Got 'huge'" in said.err) == (1, True)


def drawn(result):
    console = Console(width=80, record=True, file=StringIO())
    console.print(trained.render(result))
    text = console.export_text()
    assert "…" not in text
    assert all(row["label"] in text for row in result["rows"])
    return text


@pytest.mark.parametrize("name", NAMES)
def test_every_row_is_of_a_method_that_takes_its_settings(name):
    """No data and no training: ids, parameters and settings are known, and numbers stand where the table has tasks."""
    from transferkit import Training

    table = trained.tables()[name]
    assert isinstance(table.VERSION, int)
    assert len({row.label for row in table.ROWS}) == len(table.ROWS) > 0
    assert {"adapt", "target-only"} <= {row.role for row in table.ROWS}
    assert set(table.QUICK.rows) <= {row.label for row in table.ROWS}
    assert set(table.QUICK.tasks) <= set(table.TASKS)
    assert set(table.BY_TASK) <= set(table.TASKS)
    for row in table.ROWS:
        assert set(row.paper) in (set(), set(table.TASKS))
        assert bool(row.paper) <= bool(row.source)
        assert set(row.by_task) <= set(table.TASKS)
        for task in table.TASKS:
            settings = settings_of(table, row, task)
            assert json.loads(json.dumps(settings))["params"].keys() == settings["params"].keys()
            cls = catalogue.load(row.method)
            params = {**settings["params"], **({"source": "small:mlp"} if row.role == "source-free" else {})}
            assert set(params) <= set(inspect.signature(cls).parameters), row.label
            check_params(cls(**params))
            check_params(Training(**settings["training"]))


def test_the_digits_table_has_the_published_numbers():
    table = trained.tables()["digits"]
    assert {row.label for row in table.ROWS} >= {
        "source-only", "DANN", "DAN", "JAN", "ADDA", "CDAN", "MCD", "AFN", "MDD", "MCC", "DeepCORAL", "DeepJDOT", "DSAN",
        "SHOT", "mean teacher", "target-only",
    }  # fmt: skip
    assert sum(bool(row.paper) for row in table.ROWS) == 12
    by_label = {row.label: row for row in table.ROWS}
    assert by_label["CDAN"].paper == {"mnist -> usps": 96.0, "usps -> mnist": 97.7}
    assert settings_of(table, by_label["DANN"], "usps -> mnist")["training"]["lr"] == 0.1
    assert settings_of(table, by_label["MDD"], "mnist -> usps")["training"]["lr"] == 0.01
    assert settings_of(table, by_label["ADDA"], "mnist -> usps")["training"]["optimizer"] == "adam"


@pytest.mark.parametrize("name", ["digits", "bearing", "speech"])
def test_the_rows_that_judge_are_not_trained_on(name):
    table = trained.tables()[name]
    try:
        sets = table.load(table.TASKS[-1])
    except DataError as err:
        pytest.skip(f"needs the data set {table.DATA}: {err}")
    assert len(sets.y) == len(sets.X)
    assert len(sets.yt) == len(sets.Xt)
    assert len(sets.y_test) == len(sets.X_test)
    assert set(sets.y_test) <= set(sets.y)
    known = {x.tobytes() for x in sets.Xt}
    assert not any(x.tobytes() in known for x in sets.X_test)


def test_digits_are_learned_from_a_few_hundred_of_them():
    table = trained.tables()["digits"]
    try:
        sets = table.load("usps -> mnist")
    except DataError as err:
        pytest.skip(f"needs the data set {table.DATA}: {err}")
    assert (sets.X.shape, sets.Xt.shape, sets.X_test.shape) == ((7291, 28, 28), (60000, 28, 28), (10000, 28, 28))
    few = Sets(sets.X[:512], sets.y[:512], sets.Xt[:512], sets.yt[:512], sets.X_test[:200], sets.y_test[:200])
    row = next(row for row in table.ROWS if row.label == "target-only")
    settings = settings_of(table, row, "usps -> mnist")
    assert _cell.run_cell(settings, few, 0)["accuracy"] > 40
