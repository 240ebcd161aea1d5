"""First-order facts: Prolog text, JSON of folds and edge tables become relational rows; what is broken is named by its line."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pandas as pd
import polars as pl
import pytest

from transferkit import read
from transferkit.core.errors import DataError, ParamError, TransferWarning
from transferkit.data import named
from transferkit.data.relational import (
    Records,
    infer_types,
    join_records,
    parse_prolog,
    read_edges,
    read_folds,
    read_prolog,
    relational_domain,
)

TEXT = """% who plays where
movie(oceans, clooney).   movie(oceans, 'Julia R.').
/* two
lines */ actor(clooney). // a director
director("O''Neil"). year(oceans, 2001). rate(oceans, -7.5).
neg(movie(oceans, pitt)).  \\+ actor(pitt). !director(clooney).  not(actor('don''t')).
"""
SCHEMA = {"likes": ("person", "film"), "person": ("person",), "friend": ("person", "person")}


def test_prolog_facts_comments_quotes_and_negatives():
    records = parse_prolog(TEXT)
    assert records.positive == {
        "movie": [("oceans", "clooney"), ("oceans", "Julia R.")],
        "actor": [("clooney",)],
        "director": [("O''Neil",)],
        "year": [("oceans", "2001")],
        "rate": [("oceans", "-7.5")],
    }
    assert records.negative == {
        "movie": [("oceans", "pitt")],
        "actor": [("pitt",), ("don't",)],
        "director": [("clooney",)],
    }


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a(b).\na(X).", 2, "quote it"),
        ("a(b).\n\na(b, c).", 3, "must have 1 arguments"),
        ("a(b)", 1, "go on with '.'"),
        ("a(b).\nb(c) :- a(c).", 2, "go on with '.'"),
        ("a.", 1, "ground fact with arguments"),
        ("/* \n */ a(f(b)).", 2, "compound term"),
        ("a(b).\n a(b,).", 2, "ground fact"),
        ("a(b c).", 1, "go on with ')'"),
        ("a('b).", 1, "ground fact"),
    ],
)
def test_what_is_no_fact_is_named_by_its_line(tmp_path, text, line, words):
    path = tmp_path / "facts.pl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_prolog(path)
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert words in str(caught.value)


def test_prolog_files_may_be_packed_and_are_held_against_a_schema(tmp_path):
    path = tmp_path / "facts.pl.gz"
    path.write_bytes(gzip.compress("likes(zoë, up).\nknows(zoë, al).".encode()))
    assert read_prolog(path).positive["likes"] == [("zoë", "up")]
    with pytest.raises(DataError, match=r"facts.pl.gz:2: knows must be a predicate of the schema"):
        read_prolog(path, schema=SCHEMA)
    with pytest.raises(DataError, match="cannot be read"):
        read_prolog(tmp_path / "none.pl")
    (tmp_path / "broken.pl.gz").write_bytes(path.read_bytes()[:30])
    with pytest.raises(DataError, match="cannot be read"):
        read_prolog(tmp_path / "broken.pl.gz")


def test_folds_of_json(tmp_path):
    path = tmp_path / "folds.json"
    path.write_text(json.dumps([[{"a": [["x", 1]]}, {"b": [["y"]]}], [{}, {"b": [["z"]]}]]), encoding="utf-8")
    folds = read_folds(path)
    assert [f.positive for f in folds] == [{"a": [("x", "1")]}, {"b": [("y",)]}]
    assert [f.negative for f in folds] == [{}, {"b": [("z",)]}]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[1,\n 2", ":2: the file must be JSON"),
        ("[1]", "positives of each fold"),
        ("[[{}], []]", "as many folds"),
        ("[[[]], [{}]]", "fold 1: a fold must map predicates"),
        ('[[{"a": [["x"], [["y"]]]}], [{}]]', "fact 2 of a"),
        ('[[{"a": 3}], [{}]]', "fact 1 of a"),
        ('[[{"a": [["x"], ["y", "z"]]}], [{}]]', "fold 1: a must have 1 arguments"),
    ],
)
def test_broken_json_says_where(tmp_path, content, words):
    path = tmp_path / "folds.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_folds(path)
    assert words in str(caught.value)


def test_edge_tables_of_pandas_polars_and_lists_are_the_same():
    rows = [("ann", "up"), ("bob", "heat")]
    expected = {"likes": rows, "person": [("ann",), ("bob",)]}
    for frame in (pd.DataFrame, lambda r, columns: pl.DataFrame(r, schema=columns, orient="row")):
        table = frame(rows, columns=["person", "film"])
        people = frame([("ann",), ("bob",)], columns=["person"])
        assert read_edges({"likes": table, "person": people}, schema=SCHEMA).positive == expected
    assert read_edges({"likes": rows, "person": ["ann", "bob"]}).positive == expected
    wide = pd.DataFrame({"since": [1, 2], "film": ["up", "heat"], "person": ["ann", "bob"]})
    assert read_edges({"likes": wide}, schema=SCHEMA).positive == {"likes": rows}
    assert read_edges({}, negative={"likes": rows}).negative == {"likes": rows}


def test_columns_named_like_the_types_are_taken_by_name():
    """A frame in another order must not exchange the arguments; of two columns of one type the order counts."""
    frame = pl.DataFrame({"film": ["up"], "person": ["ann"], "stars": [3]})
    for table in (frame, frame.to_pandas(), frame[["film", "person"]]):
        assert read_edges({"likes": table}, schema=SCHEMA).positive == {"likes": [("ann", "up")]}
    pair = pl.DataFrame({"whom": ["a"], "who": ["b"]})
    assert read_edges({"friend": pair}, schema=SCHEMA).positive == {"friend": [("a", "b")]}


def test_a_number_is_one_constant_in_tables_of_integers_and_of_floats():
    tables = {"p": pd.DataFrame({"k": [1.0, 2.0]}), "q": pd.DataFrame({"k": [2, 3]}), "r": np.array([[1], [3]])}
    records = read_edges(tables)
    assert records.positive == {"p": [("1",), ("2",)], "q": [("2",), ("3",)], "r": [("1",), ("3",)]}
    assert len(set(infer_types(records).values())) == 1


def test_numbers_that_are_measures_are_not_taken_for_constants_in_silence():
    ages = pd.DataFrame({"person": ["ann", "bob"], "age": [31.5, 40.0]})
    for table in (ages, pl.from_pandas(ages)):
        with pytest.warns(TransferWarning, match=r"^table age: age holds numbers with fractions.*pandas\.cut"):
            read_edges({"age": table})
    bins = ages.assign(age=pd.cut(ages["age"], [0, 35, 120], labels=["young", "old"]))
    assert read_edges({"age": bins}).positive == {"age": [("ann", "young"), ("bob", "old")]}


@pytest.mark.parametrize(
    "table",
    [
        "abc", None, {"x": ["a"]}, pl.LazyFrame({"x": ["a"]}), pd.DataFrame(index=[0]), pd.DataFrame({"x": [pd.NA]}),
        pd.DataFrame({"x": [pd.NaT]}), [(b"a",)], [(["a"],)],
    ],
)  # fmt: skip
def test_what_is_no_table_of_facts_is_refused(table):
    with pytest.raises(DataError, match=r"^table p.* must be .*Got"):
        read_edges({"p": table})
    with pytest.raises(DataError, match=r"^tables: they must come by predicate.*Got DataFrame"):
        read_edges(pd.DataFrame({"p": ["a"]}))


@pytest.mark.parametrize("types", ["person", (), None, (1,)])
def test_a_schema_without_types_is_refused(types):
    with pytest.raises(DataError, match=r"^text: the schema must hold the types of each predicate.*types of p"):
        parse_prolog("p(a).", schema={"p": types})
    with pytest.raises(DataError, match=r"^text: the schema must hold the types of each predicate.*types of p"):
        relational_domain(parse_prolog("p(a)."), "p", schema={"p": types})


def test_broken_bytes_and_deep_terms_are_named(tmp_path):
    packed = bytearray(gzip.compress(bytes(range(256)) * 50))
    packed[20] ^= 255
    (tmp_path / "facts.pl.gz").write_bytes(packed)
    with pytest.raises(DataError, match="cannot be read"):
        read_prolog(tmp_path / "facts.pl.gz")
    with pytest.raises(DataError, match="text:1: the line must hold constants, not compound terms"):
        parse_prolog("p(" + "f(" * 5000 + "a" + ")" * 5000 + ").")
    (tmp_path / "folds.json").write_text('[[{"p": [["a", NaN]]}], [{}]]', encoding="utf-8")
    with pytest.raises(DataError, match="fold 1: every argument must be filled"):
        read_folds(tmp_path / "folds.json")


@pytest.mark.parametrize(
    ("name", "reader"), [("facts.pl", "read_prolog"), ("facts.pl.gz", "read_prolog"), ("a.json", "read_folds")]
)
def test_who_reads_facts_as_rows_is_told_the_reader(tmp_path, name, reader):
    (tmp_path / name).write_text("p(a).")
    with pytest.raises(DataError, match=rf"Facts are read in Python, by transferkit.data.relational.{reader}\.$"):
        read(tmp_path / name)


def test_a_domain_needs_records_and_not_too_many_combinations():
    for records in ([], "facts.pl", [None]):
        with pytest.raises(DataError, match=r"^relational_domain: records must be Records or a list of them"):
            relational_domain(records, "p")
    names = [(f"c{k}",) for k in range(3200)]
    many = Records({"person": names, "friend": [("c0", "c1")]})
    with pytest.raises(DataError, match=r"negatives must be stated .*Got 10,240,000 of friend"):
        relational_domain(many, "friend", schema=SCHEMA, negatives="closed-world")


def test_edge_tables_name_the_row_that_is_wrong():
    with pytest.raises(DataError, match="table likes row 2: every argument must be filled"):
        read_edges({"likes": pd.DataFrame({"a": ["x", None], "b": ["y", "z"]})})
    with pytest.raises(DataError, match="table likes: the columns must be the arguments"):
        read_edges({"likes": pd.DataFrame({"a": ["x"]})}, schema=SCHEMA)
    with pytest.raises(DataError, match="table hates row 1: hates must be a predicate of the schema"):
        read_edges({"hates": [("a", "b")]}, schema=SCHEMA)


def test_types_are_inferred_from_shared_constants_whatever_the_order():
    text = "movie(m1, a). movie(m2, b). actor(a). under(b, c). director(c). genre(m1, g)."
    schema = infer_types(parse_prolog(text))
    assert schema["movie"][1] == schema["under"][0]
    assert schema["actor"] == (schema["movie"][1],)
    assert schema["under"][1] == schema["director"][0]
    assert schema["under"][0] != schema["under"][1]  # no person is in both places
    assert schema["genre"] == (schema["movie"][0], "genre.2")
    assert infer_types(parse_prolog(" ".join(f"{f}." for f in text.split(". ")[::-1]).replace("..", "."))) == schema
    shared = infer_types(parse_prolog(text + " neg(actor(c))."))
    assert len(set(shared["under"])) == 1


def test_domain_has_rows_of_one_predicate_and_the_rest_as_background():
    records = parse_prolog("likes(a, up). likes(a, up). person(a). person(b). neg(likes(b, up)). friend(a, b).")
    domain = relational_domain(records, "likes", schema=SCHEMA, name="films")
    assert domain.name == "films"
    assert domain.X.records() == [("a", "up"), ("a", "up"), ("b", "up")]
    assert domain.y.tolist() == [True, True, False]
    assert domain.X.facts.records("person") == [("a",), ("b",)]
    assert domain.X.facts.records("likes") == []
    closed = relational_domain(records, "friend", schema=SCHEMA, negatives="closed-world", leave_out=["person"])
    assert sorted(closed.X.records()) == [("a", "a"), ("a", "b"), ("b", "a"), ("b", "b")]
    assert closed.y.sum() == 1
    assert "person" not in closed.X.facts.schema
    assert str(relational_domain(records, "likes").X.predicate) == "likes(friend.1, likes.2)"


def test_domain_says_what_is_missing():
    records = parse_prolog("likes(a, up).")
    with pytest.raises(DataError, match="must be facts of 'hates'"):
        relational_domain(records, "hates", schema=SCHEMA)
    with pytest.raises(DataError, match=r"types of likes\. Got no such predicate"):
        relational_domain(records, "likes", schema={"person": ("person",)})
    with pytest.raises(DataError, match="1 types for 2 arguments"):
        relational_domain(records, "likes", schema={"likes": ("person",)})
    with pytest.raises(ParamError, match="'stated', 'closed-world'"):
        relational_domain(records, "likes", negatives="all")


def test_joined_folds_keep_no_negative_that_holds_elsewhere():
    one, two = parse_prolog("a(x). neg(a(y)). neg(a(z))."), parse_prolog("a(y). b(x, y).")
    joined = join_records([one, two])
    assert joined.positive == {"a": [("x",), ("y",)], "b": [("x", "y")]}
    assert joined.negative == {"a": [("z",)]}
    assert one.negative == {"a": [("y",), ("z",)]}
    with pytest.raises(DataError, match="must have 1 arguments"):
        join_records([one, Records({"a": [("x", "y")]}, {}, "other")])


# Positive and all rows of each fold, as the files hold them.
COUNTS = {
    "imdb": ([56, 58, 178, 45, 45], [3364, 3481, 3721, 1936, 2116]),
    "uwcse": ([35, 20, 9, 33, 16], [1849, 361, 100, 1521, 361]),
    "cora": ([368, 771, 581, 747, 550], [1056, 1315, 2803, 1815, 1050]),
}


@pytest.mark.parametrize("name", COUNTS)
def test_named_relational_sets_have_the_published_rows(name):
    if named.where(name) is None:
        pytest.skip(f"data set {name} is not on this machine")
    domains = named.load(name).values()
    assert ([int(d.y.sum()) for d in domains], [d.n_samples for d in domains]) == COUNTS[name]
    assert [d.y.dtype for d in domains] == [np.dtype(bool)] * 5
