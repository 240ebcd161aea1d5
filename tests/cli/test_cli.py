"""The command line as a user meets it: exit codes, one-line errors, JSON, files."""

import csv
import json
import os
import re

import numpy as np
import polars as pl
import pytest

import transferkit
from transferkit.cli import main

COMMANDS = [
    "demo", "run", "gap", "fit", "predict", "features", "plan", "list", "show", "data", "bench", "meta", "multitask",
    "lifelong", "export", "serve",
]  # fmt: skip
FAST = ["-j", "1", "-m", "coral", "-m", "linear_monge"]


@pytest.fixture
def cli(monkeypatch, capsys, tmp_path):
    """Call the command line in an empty folder: (exit code, standard output, standard error)."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        monkeypatch.setattr("sys.argv", ["transferkit", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
        captured = capsys.readouterr()
        return stopped.value.code or 0, captured.out, captured.err

    return call


@pytest.fixture
def tables(tmp_path):
    """Two CSV files with named columns and string labels; the target's columns in another order."""
    rng = np.random.default_rng(0)
    for name, shift in (("lab", 0.0), ("clinic", 2.0)):
        y = np.arange(90) % 3
        X = rng.normal(size=(90, 3)) + shift
        X[np.arange(90), y] += 4
        frame = pl.DataFrame({"a": X[:, 0], "b": X[:, 1], "c": X[:, 2], "kind": np.array(["oak", "elm", "ash"])[y]})
        frame = frame if name == "lab" else frame.select("kind", "c", "a", "b")
        frame.write_csv(tmp_path / f"{name}.csv")
        frame.write_parquet(tmp_path / f"{name}.parquet")
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_examples(cli, command):
    code, out, _ = cli(command, "--help")
    assert code == 0
    assert "Usage" in out
    assert command == "data" or "Examples" in out


def test_version_and_usage_errors(cli):
    assert cli("--version")[1].startswith("transferkit ")
    assert cli("nonsense")[0] == 2
    assert cli("run", "only-one.csv")[0] == 2
    assert cli("run", "a.csv", "b.csv", "--budget", "soon")[0] == 2
    assert cli("run", "--resume", "r", "--seed", "5")[0] == 2
    assert cli("run", "--resume", "r", "--label", "other")[0] == 2


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_run_then_predict(cli, tables, suffix):
    code, out, err = cli("run", f"lab.{suffix}", f"clinic.{suffix}", "--label", "kind", "-o", "r", *FAST)
    assert (code, err) == (0, "")
    assert "report" in out
    code, out, _ = cli("predict", "r", f"clinic.{suffix}", "-o", "p.csv")
    assert code == 0
    rows = list(csv.DictReader((tables / "p.csv").read_text().splitlines()))
    assert len(rows) == 90
    assert set(rows[0]) == {"prediction", "probability_ash", "probability_elm", "probability_oak"}
    assert {r["prediction"] for r in rows} <= {"ash", "elm", "oak"}
    assert [r["prediction"] for r in rows] == [
        r["prediction"] for r in csv.DictReader((tables / "r/predictions.csv").read_text().splitlines())
    ]


def test_run_as_json_prints_strict_json_only(cli, tables):
    code, out, _ = cli("run", "lab.csv", "clinic.csv", "--label", "kind", "-o", "r", "--json", *FAST)
    assert code == 0
    facts = json.loads(out)
    assert facts == json.loads((tables / "r/run.json").read_text())
    assert facts["command"].startswith("transferkit run lab.csv")


def test_one_file_with_both_domains(cli, tables):
    parts = [
        pl.read_csv(tables / f"{n}.csv").select("a", "b", "c", "kind").with_columns(site=pl.lit(n))
        for n in ("lab", "clinic")
    ]
    pl.concat(parts).write_csv(tables / "both.csv")
    asked = ["both.csv", "--domain-column", "site", "--target-domain", "clinic", "--label", "kind", "--json"]
    code, out, _ = cli("run", *asked, "-o", "r", *FAST)
    assert code == 0
    assert json.loads(out)["task"]["sources"] == [{"name": "lab", "n": 90}]
    code, _, err = cli("run", "both.csv", "--domain-column", "site", "--target-domain", "Rome", "--label", "kind")
    assert code == 1
    assert "Rome" in err


def test_fit_a_method_on_an_unlabelled_target(cli, tables):
    pl.read_csv(tables / "clinic.csv").drop("kind").write_csv(tables / "new.csv")
    for method in ("source_only", "coral"):
        code, out, _ = cli("fit", method, "lab.csv", "new.csv", "--label", "kind", "-o", method, "--json")
        assert code == 0
        assert json.loads(out)["score"] is None
        assert cli("predict", method, "new.csv", "-o", f"{method}.csv")[0] == 0
    code, out, _ = cli(
        "fit", "coral", "lab.csv", "clinic.csv", "--label", "kind", "-o", "c2", "--set", "reg=0.5", "--json"
    )
    assert json.loads(out)["params"] == {"reg": 0.5}
    assert json.loads(out)["score"] > 0.5


def test_methods_are_named_with_commas_or_one_by_one(cli, tables):
    code, _, err = cli("run", "lab.csv", "clinic.csv", "--label", "kind", "--method", "coral, tca,corall", "-m", "jda")
    assert code == 1
    assert "Got 'corall'. Did you mean coral" in err


def test_fit_refuses_an_unknown_parameter(cli, tables):
    code, _, err = cli("fit", "coral", "lab.csv", "clinic.csv", "--label", "kind", "--set", "rge=1")
    assert code == 1
    assert "reg, centre, estimator" in err


def test_gap(cli, tables):
    code, out, _ = cli("gap", "lab.csv", "clinic.csv", "--label", "kind")
    assert code == 0
    assert "Speaks for" in out
    pl.read_csv(tables / "clinic.csv").drop("c").write_csv(tables / "clinic.csv")
    code, out, _ = cli("gap", "lab.csv", "clinic.csv", "--label", "kind", "--json")
    assert json.loads(out)["auc"] > 0.7
    assert json.loads(out)["notes"] == ["Column 'c' was dropped: not in clinic."]
    assert not list(tables.glob("runs"))


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """Two folders of coloured squares; the second one's are lighter, and one file in it is broken."""
    image = pytest.importorskip("PIL.Image")
    pytest.importorskip("torch")
    monkeypatch.setenv("TRANSFERKIT_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    for domain, shift in (("photo", 0), ("sketch", 30)):
        for name, colour in (("blue", (70, 70, 190)), ("red", (190, 70, 70))):
            (tmp_path / domain / name).mkdir(parents=True)
            for k in range(10):
                pixels = np.array(colour) + shift + rng.normal(0, 30, (32, 32, 3))
                image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(tmp_path / domain / name / f"{k}.png")
    (tmp_path / "sketch/red/broken.png").write_bytes(b"no image")
    return tmp_path


TINY = "timm:test_resnet?pretrained=false&image_size=32"


@pytest.mark.filterwarnings("ignore::transferkit.TransferWarning")
def test_run_predict_and_gap_on_folders_of_images(cli, photos):
    """Between two domains of images. The model is saved with its weights: it came without any."""
    code, out, err = cli("run", "photo", "sketch", "--model", TINY, "-o", "r", *FAST)
    assert (code, err) == (0, "")
    assert "skipped 1 of 21 images" in " ".join(out.split())
    assert "Held-back" in out
    assert cli("run", "photo", "sketch", "--model", TINY, "--strict", "-o", "strict")[0] == 1
    code, out, _ = cli("predict", "r", "photo", "-o", "p.csv")
    assert code == 0
    rows = list(csv.DictReader((photos / "p.csv").read_text().splitlines()))
    assert len(rows) == 20
    assert set(rows[0]) == {"row", "prediction", "probability_blue", "probability_red"}
    assert rows[0]["row"] == "blue/0.png"
    assert cli("gap", "photo", "--model", TINY)[0] == 1
    code, _, err = cli("fit", "coral", "photo", "--model", TINY)
    assert (code, "source domain" in err) == (1, True)
    code, out, _ = cli("gap", "photo", "sketch", "--model", TINY, "--json")
    assert (code, json.loads(out)["auc"] > 0.6) == (0, True)


@pytest.mark.filterwarnings("ignore::transferkit.TransferWarning")
def test_run_from_a_model_and_predict(cli, photos):
    asked = ["photo", "--model", TINY, "-m", "feature_extraction"]
    code, out, err = cli("run", *asked, "-o", "r")
    assert (code, err) == (0, "")
    assert "Validation" in out
    assert "Keep the model frozen" in out
    code, out, _ = cli("run", *asked, "-o", "again", "--json")
    assert json.loads(out)["task"]["way"] == "model"
    assert cli("predict", "r", "sketch", "-o", "p.csv")[0] == 0
    assert (photos / "p.csv").read_text().startswith("row,prediction,probability_blue,probability_red\nblue/0.png,")
    assert cli("run", "--resume", "r", "--model", TINY)[0] == 2
    code, _, err = cli("run", "photo", "--model", "timm:resnet19", "-o", "refused")
    assert (code, "resnet18" in err, err.count("\n")) == (1, True, 1)
    assert not (photos / "refused").exists()


def test_list_and_show(cli):
    code, out, _ = cli("list", "--json")
    assert "coral" in {card["name"] for card in json.loads(out)}
    code, out, _ = cli("list", "--paradigm", "instance", "--task", "regression", "--json")
    assert {card["paradigm"] for card in json.loads(out)} == {"instance"}
    code, out, _ = cli("show", "coral", "--json")
    assert [p["name"] for p in json.loads(out)["parameters"]] == ["reg", "centre", "estimator"]
    code, _, err = cli("show", "corl")
    assert (code, "Did you mean coral" in err) == (1, True)
    code, _, err = cli("list", "--paradigm", "magic")
    assert (code, "feature" in err) == (1, True)


def test_data_and_bench_lists(cli):
    code, out, _ = cli("data", "list", "--json")
    assert "digits" in {s["name"] for s in json.loads(out)}
    assert cli("data", "show", "digits")[0] == 0
    code, _, err = cli("data", "where", "digitz")
    assert code == 1
    assert "digits" in err
    code, out, _ = cli("bench", "--json")
    assert "office-caltech-surf" in json.loads(out)


def bad(tables, name, text):
    (tables / name).write_text(text)
    return name


def test_bad_input_is_one_line_that_names_what_is_wrong(cli, tables):
    """Exit code 1, nothing on standard output, one line on standard error, no folder left."""
    lab = (tables / "lab.csv").read_text()
    bad(tables, "empty.csv", "")
    bad(tables, "one_row.csv", "\n".join(lab.splitlines()[:2]))
    bad(tables, "one_class.csv", "\n".join([lab.splitlines()[0], *[x for x in lab.splitlines() if x.endswith("oak")]]))
    bad(tables, "other.csv", "x,y,z\n1,2,3\n4,5,6\n")
    bad(tables, "new_class.csv", lab.replace("oak", "fir"))
    bad(tables, "mixed.csv", lab.replace(lab.splitlines()[5].split(",")[0], "tall", 1))
    bad(tables, "twice.csv", lab.replace("a,b,c,kind", "a,a,c,kind", 1))
    bad(tables, "inf.csv", lab.replace(lab.splitlines()[5].split(",")[0], "inf", 1))
    bad(tables, "huge.csv", lab.replace(lab.splitlines()[5].split(",")[0], "1e300", 1))
    (tables / "cut.parquet").write_bytes((tables / "lab.parquet").read_bytes()[:700])
    cases = [
        (["missing.csv", "clinic.csv"], "missing.csv"),
        (["empty.csv", "clinic.csv"], "empty.csv"),
        (["lab.csv", "one_row.csv"], "3 rows"),
        (["one_class.csv", "clinic.csv"], "two classes"),
        (["lab.csv", "other.csv"], "column"),
        (["lab.csv", "new_class.csv"], "fir"),
        (["mixed.csv", "clinic.csv"], "mixed.csv"),
        (["twice.csv", "clinic.csv"], "twice.csv"),
        (["inf.csv", "clinic.csv"], "'a'"),
        (["cut.parquet", "clinic.csv"], "cut.parquet"),
        (["lab.csv", "clinic.csv", "--label", "kin"], "kin"),
        (["lab.csv", "clinic.csv", "-m", "magic"], "magic"),
        (["lab.csv", "lab.csv"], "one of the sources"),
        (["huge.csv", "clinic.csv"], "'a'"),
    ]
    for arguments, named in cases:
        label = [] if "--label" in arguments else ["--label", "kind"]
        code, out, err = cli("run", *arguments, *label, "-o", "refused")
        assert code == 1, (arguments, err)
        assert out == ""
        assert re.fullmatch(r"transferkit: [^\n]+\n", err), (arguments, err)
        assert named in err, (arguments, err)
        assert not (tables / "refused").exists()


def test_predict_refuses_what_is_not_a_model(cli, tables):
    assert cli("run", "lab.csv", "clinic.csv", "--label", "kind", "-o", "r", *FAST)[0] == 0
    code, _, err = cli("predict", "nowhere", "clinic.csv", "-o", "p.csv")
    assert (code, "nowhere" in err) == (1, True)
    pl.DataFrame({"a": [1.0, 2.0], "b": [1.0, 2.0]}).write_csv(tables / "narrow.csv")
    code, _, err = cli("predict", "r", "narrow.csv", "-o", "p.csv")
    assert (code, "'c'" in err or "c" in err) == (1, True)
    weights = next((tables / "r/model").glob("*.safetensors"))
    content = weights.read_bytes()
    weights.write_bytes(content[:-4] + b"\0\1\2\3")
    code, _, err = cli("predict", "r", "clinic.csv", "-o", "p.csv")
    assert (code, weights.name in err) == (1, True)
    (tables / "half").mkdir()
    (tables / "half/run.toml").write_text("")
    code, _, err = cli("predict", "half", "clinic.csv", "-o", "p.csv")
    assert (code, "transferkit run --resume half" in err) == (1, True)
    assert not (tables / "p.csv").exists()


def test_domain_names_are_taken_as_typed(cli, tables):
    lines = (tables / "lab.csv").read_text().splitlines()
    sites = ["01", "1", "2.50"]
    rows = [f"{line},{sites[k // 3 % 3]}" for k, line in enumerate(lines[1:])]
    (tables / "sites.csv").write_text("\n".join([lines[0] + ",site", *rows]))
    asked = ["sites.csv", "--domain-column", "site", "--target-domain", "1", "--label", "kind", "--json"]
    code, out, _ = cli("run", *asked, "-o", "r", *FAST)
    assert code == 0
    assert {s["name"] for s in json.loads(out)["task"]["sources"]} == {"01", "2.50"}


def test_a_label_that_was_not_named_is_asked_for(cli, tables):
    code, _, err = cli("run", "lab.csv", "clinic.csv")
    assert code == 1
    assert "--label COLUMN" in err
    assert "kind" in err


def test_lifelong(cli, tables):
    files = [tables / "lab.csv", tables / "clinic.csv"]
    code, out, _ = cli("lifelong", "streaming_lda", *files, "--label", "kind", "-o", "stream", "--set", "reg=0.01")
    assert code == 0
    assert "average accuracy at the end: " in out
    assert (tables / "stream/model/manifest.json").exists()
    code, out, _ = cli("lifelong", "streaming_lda", *files, "--label", "kind", "--json", "-o", "again")
    assert json.loads(out)["tasks"] == ["lab", "clinic"]
    code, _, err = cli("lifelong", "coral", *files, "--label", "kind")
    assert (code, len(err.splitlines())) == (1, 1)
    assert "follows Transfer" in err
    assert cli("predict", "stream", tables / "clinic.csv", "-o", "p.csv")[0] == 0


def test_predict_reads_columns_as_the_model_knows_them(cli, tmp_path):
    """Texts of new rows may all look like numbers; what is no number where numbers belong is named by row and column."""
    rng = np.random.default_rng(0)
    code, y = np.array(["7", "A1"])[np.arange(80) % 2], np.array(["no", "yes"])[np.arange(80) % 2]
    frame = pl.DataFrame(
        {"code": code, "size": rng.normal(size=80).round(3), "id": [f"r{k}" for k in range(80)], "y": y}
    )
    for name in ("lab", "clinic"):
        frame.write_parquet(f"{name}.parquet")
    assert cli("fit", "coral", "lab.parquet", "clinic.parquet", "--label", "y", "-o", "f")[0] == 0
    rows = pl.DataFrame({"code": ["7", "7"], "size": ["0.5", "1,5"], "mixed": ["1", "x"]})
    rows.write_csv("new.csv")
    rows.write_parquet("new.parquet")
    rows.with_columns(pl.col("code").cast(pl.Int64)).write_parquet("whole.parquet")
    answers = []
    for name in ("new.csv", "new.parquet", "whole.parquet"):
        code, _, err = cli("predict", "f", name, "-o", "p.csv")
        assert (code, err) == (0, "")
        answers.append((tmp_path / "p.csv").read_text())
    assert len(set(answers)) == 1
    assert cli("predict", "f", "new.csv", "-o", os.devnull) == (0, "", ""), "of /dev/stdout the predictions are all"
    assert pl.read_csv("p.csv")["prediction"].to_list() == ["no", "no"]
    assert cli("predict", "f", "new.parquet", "-o", "p.parquet", "--chunk-rows", "1")[0] == 0
    assert pl.read_parquet("p.parquet")["prediction"].to_list() == ["no", "no"]
    model = transferkit.load("f/model")
    for own in (rows, rows.to_pandas()):
        assert model.predict(own).tolist() == ["no", "no"]
    rows.with_columns(size=pl.Series(["0.5", "big"])).write_csv("bad.csv")
    code, _, err = cli("predict", "f", "bad.csv", "-o", "q.csv")
    assert code == 1
    assert "bad.csv: column 'size' must hold numbers. Got 'big' in row 2 of 2." in " ".join(err.split())
    assert not (tmp_path / "q.csv").exists()
