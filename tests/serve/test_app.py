"""The server as a client meets it: rows in many forms, answers, and refusals of one sentence."""

import html
import io
import json
import shlex
import threading
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from sklearn.pipeline import Pipeline

from transferkit import CORAL, DataError, Domain, ParamError, SimplifiedGraphConvolution, TransferPipeline, save
from transferkit.data.encode import TableEncoder
from transferkit.serve import Served, make_app, open_model
from transferkit.serve.rows import Refused, rows_from_files
from transferkit.store import pack

pytest.importorskip("python_multipart")
pytest.importorskip("httpx2")
TestClient = pytest.importorskip("fastapi.testclient").TestClient

N = 60
Y = np.array(["ill", "well"])[np.arange(N) % 2]


def frame(seed, shift=0.0):
    rng = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "age": rng.normal(40 + shift, 10, N) + 10 * (Y == "ill"),
            "city <b>": rng.choice(["Bern", "Rom"], N),
            "smokes": rng.random(N) < 0.5,
            "since": pl.datetime_range(pl.datetime(2020, 1, 1), pl.datetime(2024, 12, 1), "30d", eager=True)[:N],
        }
    )


def table_model():
    source, target = frame(0), frame(1, 3.0)
    encoder = TableEncoder().fit(source, target=Domain(target))
    method = CORAL().fit(encoder.transform(source), Y, target=Domain(encoder.transform(target)))
    return TransferPipeline.from_fitted(Pipeline([("encode", encoder)]), method)


ABOUT = {
    "model": "CORAL",
    "verdict": "Adapt <now>.",
    "metric": "accuracy",
    "expected": 0.9,
    "expected_interval": [0.8, 0.95],
}
MODEL = table_model()
ROW = {"age": 41, "city <b>": "Rom", "smokes": True, "since": "2021-05-31"}


@pytest.fixture
def client():
    app = make_app(Served(MODEL, ABOUT), max_bytes=3000, max_rows=5)
    with TestClient(app, raise_server_exceptions=False) as found:
        yield found


def test_rows_as_json(client):
    expected = MODEL.predict_proba(pl.DataFrame([ROW]).with_columns(pl.col("since").str.to_datetime(), age=41.0))
    for body in ({"rows": [ROW]}, [ROW], {"rows": [list(ROW.values())]}, {"rows": [{**ROW, "further": 1}]}):
        said = client.post("/predict_proba", json=body).json()
        np.testing.assert_allclose(said["probabilities"], expected)
        assert said["classes"] == ["ill", "well"]
        assert said["predictions"] == [said["classes"][int(np.argmax(expected))]]
        assert said["notes"] == []
    said = client.post("/predict", json=[ROW, {**ROW, "age": None, "since": None}]).json()
    assert (said["rows"], len(said["predictions"]), "probabilities" in said) == (2, 2, False)


def test_tables_as_files(client):
    rows = frame(2)[:4].select("since", "smokes", "age", "city <b>")
    expected = MODEL.predict(rows).tolist()
    text, tabs = rows.write_csv().encode(), rows.write_csv(separator="\t").encode()
    assert client.post("/predict", content=text, headers={"content-type": "text/csv"}).json()["predictions"] == expected
    for name, content in (("new.csv", text), ("../../new.csv", text), ("漢" * 200 + ".TSV", tabs)):
        reply = client.post("/predict", files={"files": (name, content)})
        assert (reply.status_code, reply.json().get("predictions")) == (200, expected)


def test_a_table_opens_no_file_of_the_server(client, tmp_path):
    (tmp_path / "own.png").write_bytes(b"secret")
    rows = frame(2)[:3].with_columns(pl.lit(str(tmp_path / "own.png")).alias("city <b>"))
    said = client.post("/predict", content=rows.write_csv().encode(), headers={"content-type": "text/csv"}).json()
    assert len(said["predictions"]) == 3
    assert "a text that was not met" in said["notes"][0]


def test_unusual_rows_are_noted_with_counts(client):
    said = client.post("/predict", json=[ROW, {**ROW, "age": 1e4, "city <b>": "Paris"}, {**ROW, "age": -1e4}]).json()
    assert len(said["notes"]) == 2
    assert said["notes"][0].startswith("column 'age': 2 of 3 rows lie more than 6 standard deviations")
    assert said["notes"][1] == "column 'city <b>': 1 of 3 rows have a text that was not met, as 'Paris'."


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"{", 400, "body: must be JSON"),
        (b"3", 400, "rows: must be a list"),
        (b"[]", 400, "rows: must be a list of at least one row"),
        (b"[3]", 400, "row 1: must be an object by column, or a list of values. Got 3."),
        (b"[[1]]", 400, "row 1: must have 4 values, in the columns' order. Got 1."),
        (b'[{"age": 1}]', 400, "Missing: 'city <b>', 'smokes', 'since'"),
        (json.dumps([{**ROW, "age": "x"}]).encode(), 400, "row 1, column 'age': must be a number. Got \"x\"."),
        (json.dumps([ROW, {**ROW, "smokes": 2}]).encode(), 400, "row 2, column 'smokes': must be true or false"),
        (json.dumps([{**ROW, "since": "May"}]).encode(), 400, "must be a date such as"),
        (json.dumps([{**ROW, "city <b>": 3}]).encode(), 400, "must be a text"),
        (b'[{"age": Infinity, "city <b>": "Rom", "smokes": true, "since": null}]', 400, "'age'"),
        (json.dumps([ROW] * 6).encode(), 413, "at most 5 in one request. Got 6."),
        (b" " * 3001, 413, "at most 3000 bytes"),
        (b"[" * 2900, 400, "body: must be JSON"),
        ("[3]".encode("utf-16"), 400, "body: must be JSON"),
        (b"[[" + b"[" * 800 + b"]" * 800 + b", 1, 1, 1]]", 400, "column 'age': must be a number. Got a list."),
        (json.dumps([{**ROW, "since": "0001-01-01T00:00+23:59"}]).encode(), 400, "must be a date such as"),
        (json.dumps([{**ROW, "city <b>": "\ud800"}]).encode(), 400, "whole characters"),
        (json.dumps([{**ROW, "age": "\ud800"}]).encode(), 400, "whole characters"),
    ],
)
def test_bad_bodies(client, body, status, said):
    reply = client.post("/predict", content=body)
    assert (reply.status_code, list(reply.json())) == (status, ["error"])
    assert said in reply.json()["error"]


def test_bad_files_and_addresses(client):
    def error(status, reply):
        assert (reply.status_code, list(reply.json())) == (status, ["error"])
        return reply.json()["error"]

    assert "new.exe: must be a table" in error(400, client.post("/predict", files={"files": ("new.exe", b"age\n1\n")}))
    said = error(400, client.post("/predict", files={"files": ("new.csv", b"age\n1\n")}))
    assert "'smokes'" in said
    assert "/tmp" not in said
    form = {"content-type": "multipart/form-data; boundary=x"}
    assert "at least one" in error(400, client.post("/predict", content=b"--x--\r\n", headers=form))
    assert "must be a form" in error(400, client.post("/predict", content=b"nothing", headers=form))
    assert "content-type" in error(415, client.post("/predict", content=b"x", headers={"content-type": "text/xml"}))
    assert (
        "image"
        not in error(400, client.post("/predict", content=b"x", headers={"content-type": "image/png"})).partition(":")[
            0
        ]
    )
    assert "Not Found" in error(404, client.get("/nothing"))
    assert "Not Allowed" in error(405, client.get("/predict"))
    too_long = (part for part in [b"x" * 2000] * 3)  # of a length that was not declared
    assert "at most 3000" in error(413, client.post("/predict", content=too_long))


def test_what_grows_on_the_server_is_refused(client):
    """Few bytes of a packed or a very wide table take gigabytes or minutes."""
    content = io.BytesIO()
    pl.DataFrame({"age": np.zeros(10_000)}).write_parquet(content)
    for name in ("new.parquet", "new.csv.gz", "new.zip", "new.npz"):
        reply = client.post("/predict", files={"files": (name, content.getvalue())})
        assert (reply.status_code, "must be a table (.csv, .tsv)" in reply.json()["error"]) == (400, True)
    for header in (b"a," * 1010, b'"a\n"' + b",a" * 1010):
        reply = client.post("/predict", content=header + b"\n1\n", headers={"content-type": "text/csv"})
        assert "at most 1004 columns" in reply.json()["error"]
    two = [("files", (name, b"age\n1\n")) for name in ("a.csv", "b.csv")]
    assert "one table in a request. Got 2" in client.post("/predict", files=two).json()["error"]


def test_pages_of_other_sites_are_kept_out():
    app = make_app(Served(MODEL), hosts=["models.example"])
    for host, status in [
        ("localhost:8000", 200), ("127.0.0.1:8000", 200), ("[::1]:8000", 200), ("MODELS.example", 200),
        ("evil.example", 421), ("127.0.0.1.evil.example", 421), ("localhost.evil.example", 421), ("[", 421), ("", 421),
    ]:  # fmt: skip
        reply = TestClient(app).get("/model", headers={"host": host})
        assert reply.status_code == status, host
    reply = TestClient(make_app(Served(MODEL))).post("/predict", json=[ROW], headers={"sec-fetch-site": "cross-site"})
    assert reply.status_code == 403
    assert "access-control-allow-origin" not in reply.headers


def test_a_slow_body_is_given_up():
    import asyncio

    async def sent():
        yield b"["
        await asyncio.sleep(5)

    async def ask():
        app = make_app(Served(MODEL), max_seconds=0.05)
        httpx = pytest.importorskip("httpx2")
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
            return await client.post("/predict", content=sent())

    reply = asyncio.run(ask())
    assert (reply.status_code, "within 0.05 seconds" in reply.json()["error"]) == (408, True)


def test_an_answer_that_is_not_finite_is_refused(client, monkeypatch):
    monkeypatch.setattr(CORAL, "predict_proba", lambda self, X: np.full((len(X), 2), np.nan))
    reply = client.post("/predict_proba", json=[ROW])
    assert (reply.status_code, "answer is finite" in reply.json()["error"]) == (400, True)
    assert client.post("/predict", json=[ROW]).status_code == 200  # which does not ask for them


def test_the_command_on_the_page_is_safe_to_paste():
    """A column's name may hold a quote, and what stands behind it would be run."""
    rows = frame(0).rename({"age": "age'; touch x; '"})
    encoder = TableEncoder().fit(rows, target=Domain(rows))
    Z = encoder.transform(rows)
    method = CORAL().fit(Z, Y, target=Domain(Z))
    model = TransferPipeline.from_fitted(Pipeline([("encode", encoder)]), method)
    shown = html.unescape(TestClient(make_app(Served(model, {"expected": "no number"}))).get("/").text)
    command = shown.partition("<pre>")[2].partition("</pre>")[0]
    said = shlex.split(command)
    assert said[:4] == ["curl", "-H", "Content-Type: application/json", "-d"]
    assert "age'; touch x; '" in json.loads(said[4])["rows"][0]
    assert len(said) == 6


def test_a_fault_of_the_model_is_not_shown(client, monkeypatch, caplog):
    def fail(self, X):
        raise RuntimeError("secret")

    monkeypatch.setattr(CORAL, "predict", fail)
    reply = client.post("/predict", json=[ROW])
    assert reply.status_code == 500
    assert "secret" not in reply.text
    assert "secret" in caplog.text


def test_what_the_model_is(client):
    assert client.get("/health").json()["status"] == "ok"
    said = client.get("/model").json()
    assert said["verdict"] == "Adapt <now>."
    assert said["columns"] == {"age": "number", "city <b>": "text", "smokes": "bool", "since": "date"}
    assert (said["takes"], said["classes"], said["max_rows"]) == ("table", ["ill", "well"], 5)
    shown = client.get("/")
    assert "default-src 'none'" in shown.headers["content-security-policy"]
    assert "Adapt &lt;now&gt;." in shown.text
    assert "<b>" not in shown.text
    assert "0.900 (95 %: 0.800 to 0.950)" in shown.text
    assert "http" not in shown.text.replace("http://HOST:PORT", "")


def test_requests_side_by_side(client):
    replies = {}

    def ask(age):
        replies[age] = client.post("/predict_proba", json=[{**ROW, "age": age}]).json()["probabilities"]

    threads = [threading.Thread(target=ask, args=(age,)) for age in range(20, 60, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for age, found in replies.items():
        assert found == client.post("/predict_proba", json=[{**ROW, "age": age}]).json()["probabilities"]


def test_folder_zip_and_graph_answer_alike(tmp_path):
    pytest.importorskip("skl2onnx")
    pytest.importorskip("onnxruntime")
    from transferkit.export import export_onnx

    folder = save(MODEL, tmp_path / "model")
    pack(folder, tmp_path / "model.zip", about=ABOUT)
    export_onnx(MODEL, tmp_path / "model.onnx", metadata=ABOUT)
    found = []
    for place in (folder, tmp_path / "model.zip", tmp_path / "model.onnx"):
        served = open_model(place, ABOUT if place == folder else None)
        assert served.about["verdict"] == "Adapt <now>."
        client = TestClient(make_app(served))
        said = client.post("/predict_proba", json=[ROW, {**ROW, "age": None, "city <b>": "Paris"}])
        assert said.status_code == 200, said.text
        found.append((said.json()["predictions"], said.json()["notes"], client.get("/model").json()["columns"]))
        np.testing.assert_allclose(said.json()["probabilities"][0], MODEL.predict_proba(pl.DataFrame(
            [ROW]).with_columns(pl.col("since").str.to_datetime(), age=41.0))[0], atol=1e-9)  # fmt: skip
    assert found[0] == found[1] == found[2]
    with pytest.raises(DataError, match="Got no such file"):
        open_model(tmp_path / "nothing")


def test_a_model_of_plain_numbers():
    X = np.random.default_rng(0).normal(size=(40, 3))
    client = TestClient(make_app(Served(CORAL().fit(X, np.arange(40) % 2, target=Domain(X + 1)))))
    assert client.post("/predict", json=[[0, 1, 2.5]]).json()["predictions"][0] in (0, 1)
    assert "missing value" in client.post("/predict", json=[[0, None, 2.5]]).json()["error"]
    text = {"content-type": "text/csv"}
    for body in (b"x0,x1,x2\n0,1,2.5\n", b"a,b,c\n0,1,2.5\n"):
        assert client.post("/predict", content=body, headers=text).status_code == 200
    assert "3 columns" in client.post("/predict", content=b"a,b\n0,1\n", headers=text).json()["error"]
    assert "Missing: 'x0'" in client.post("/predict", content=b"x2,x1,a\n0,1,2\n", headers=text).json()["error"]
    assert "missing value" in client.post("/predict", content=b"a,b,c\n0,1,\n", headers=text).json()["error"]
    assert "must hold numbers" in client.post("/predict", content=b"a,b,c\n0,1,x\n", headers=text).json()["error"]
    with pytest.raises(ParamError, match="a fitted model with predict"):
        Served(object())


def test_a_table_of_texts_is_read_as_typed():
    served = SimpleNamespace(kind="text", columns={}, of_graph=False)
    with rows_from_files([("new.csv", b'review\n007\n"good, I say"\nNA\n2024-01-31\n')], served, 10) as rows:
        assert rows == ["007", "good, I say", "NA", "2024-01-31"]
    more = rows_from_files([("new.csv", b"review,more\na,b\n")], served, 10)
    with pytest.raises(Refused, match=r"new.csv: must have one column, of texts. Got 'review' to 'more'"), more:
        pass


def test_the_nodes_of_a_graph_come_with_their_edges():
    rng = np.random.default_rng(0)
    y, X = np.arange(40) % 2, rng.normal(size=(40, 2))
    edges = np.stack([np.arange(40), (np.arange(40) + 2) % 40])  # joins nodes of one class
    X[:, 0] += 3 * y
    model = SimplifiedGraphConvolution().fit(X, y, target=Domain(X, edges=edges), edges=edges)
    client = TestClient(make_app(Served(model)))
    rows, joined = [[2.0, 0.0], [0.0, 0.0], [0.0, 0.0]], [[0, 1], [0, 2], [1, 2]]
    expected = model.predict_proba(np.array(rows), edges=np.array(joined).T)
    said = client.post("/predict_proba", json={"rows": rows, "edges": joined}).json()
    np.testing.assert_allclose(said["probabilities"], expected)
    alone = client.post("/predict_proba", json={"rows": rows, "edges": []}).json()
    assert abs(alone["probabilities"][1][1] - expected[1, 1]) > 0.01, "neighbours count"
    assert client.get("/model").json()["edges"] is True
    shown = html.unescape(client.get("/").text)
    assert '"edges": [[0, 1]]' in shown
    assert 'id="body"' in shown
    for sent, says in (
        ({"rows": rows}, "edges: must be given beside the rows"),
        (rows, "edges: must be given beside the rows"),
        ({"edges": joined}, "rows: must be a list"),
        ({"rows": rows, "edges": [[0, 1], [1, 3]]}, "edge 2: must be two numbers of rows, from 0 to 2"),
        ({"rows": rows, "edges": [[0, True]]}, "edge 1"),
        ({"rows": rows, "edges": [0, 1]}, "edge 1"),
    ):
        reply = client.post("/predict", json=sent)
        assert reply.status_code == 400
        assert says in reply.json()["error"]
    reply = client.post("/predict", content=b"x0,x1\n0,1\n", headers={"content-type": "text/csv"})
    assert (reply.status_code, "must be JSON for the nodes of a graph" in reply.json()["error"]) == (415, True)


def test_images_as_files():
    image = pytest.importorskip("PIL.Image")
    pytest.importorskip("torch")
    from transferkit.data.images import ImageSamples
    from transferkit.engine.features.encoder import BackboneEncoder

    pixels = np.random.default_rng(0).integers(0, 256, size=(8, 20, 20, 3), dtype=np.uint8)
    encoder = BackboneEncoder("timm:test_resnet?pretrained=false&image_size=32").fit(ImageSamples.from_array(pixels))
    Z = encoder.transform(ImageSamples.from_array(pixels))
    method = CORAL().fit(Z, np.array(["ant", "bee"])[np.arange(8) % 2], target=Domain(Z))
    model = TransferPipeline.from_fitted(Pipeline([("encode", encoder)]), method)
    client = TestClient(make_app(Served(model)))
    files = []
    for k in (3, 4):
        content = io.BytesIO()
        image.fromarray(pixels[k]).save(content, "png")
        files.append(("files", (f"{k}.png", content.getvalue())))
    said = client.post("/predict_proba", files=files).json()
    expected = model.predict_proba(ImageSamples.from_array(pixels[3:5]))
    np.testing.assert_allclose(said["probabilities"], expected, atol=1e-6)
    one = client.post("/predict", content=files[0][1][1], headers={"content-type": "image/png"}).json()
    assert one["predictions"] == said["predictions"][:1]
    broken = client.post("/predict", files=[("files", ("ant.png", b"no image"))])
    assert broken.status_code == 400
    assert "ant.png" in broken.json()["error"]
    content = io.BytesIO()
    image.new("1", (10_000, 6000)).save(content, "png")  # 8 kB become 180 MB
    said = client.post("/predict", files=[("files", ("black.png", content.getvalue()))]).json()["error"]
    assert "black.png: must have at most 50000000 pixels. Got 60000000." in said
    assert "must be one of the images" in client.post("/predict", files=[("files", ("a.txt", b"x"))]).json()["error"]
    assert client.post("/predict", json=[[1]]).status_code == 415
    assert 'type="file"' in client.get("/").text
