"""The map of predicates as a picture: one line a match, as thick as it is used, names as they are written."""

from __future__ import annotations

import json

from kinships import family
from transferkit import Domain, TreeBoostler
from transferkit.report.relations import THICK, THIN, predicate_map_chart

MATCHES = [
    {"source": "workedunder(person, person)", "target": "advisedby(person, person)", "uses": 0},
    {"source": "movie(movie, person)", "target": "publication(title, person)", "uses": 20},
    {"source": "actor(person)", "target": "student(person)", "uses": 5},
    {"source": "<b>genre</b>(person, genre)", "target": None, "uses": 0},
]


def test_a_line_is_as_thick_as_its_match_is_used():
    chart = predicate_map_chart({"matches": MATCHES})
    lines = [trace for trace in chart["data"] if trace["mode"] == "lines"]
    widths = [line["line"]["width"] for line in lines]
    assert widths == [THIN, THICK, THIN + (THICK - THIN) / 4, THIN]
    assert [line["line"]["dash"] for line in lines] == ["solid", "solid", "solid", "dot"]
    assert [(line["y"][0], line["y"][-1]) for line in lines] == [(k, k) for k in range(4)]
    assert lines[1]["text"] == "publication(title, person) ← movie(movie, person)<br>20\xa0literals"
    assert chart["label"] == "2\xa0predicates of the source carried over, 1 dropped"
    assert json.loads(json.dumps(chart)) == chart


def test_names_are_drawn_as_they_are_written():
    chart = predicate_map_chart({"matches": MATCHES})
    left, right = (trace for trace in chart["data"] if trace["mode"] == "text")
    assert left["text"][-1] == "&lt;b&gt;genre&lt;/b&gt;(person, genre)"
    assert right["text"][-1] == "dropped"
    assert "<b>" not in json.dumps(chart)
    assert chart["height"] > predicate_map_chart({"matches": MATCHES[:2]})["height"]


def test_two_matches_may_share_a_target_and_nothing_gives_no_picture():
    shared = [MATCHES[0], MATCHES[2], {**MATCHES[2], "source": "director(person)"}]
    lines = [trace for trace in predicate_map_chart({"matches": shared})["data"] if trace["mode"] == "lines"]
    assert [(line["y"][0], line["y"][-1]) for line in lines] == [(0, 0), (1, 1), (2, 1)]
    assert predicate_map_chart({}) is None
    assert predicate_map_chart({"matches": []}) is None


def test_a_models_facts_can_be_drawn():
    kin, other = family(0), family(1)
    model = TreeBoostler(n_trees=2, random_state=0).fit(kin.rows(), kin.y, target=Domain(other.rows(), other.y))
    facts = model.facts_
    assert facts["matches"][0]["target"] == "grandparent(person, person)"
    assert facts["transferred"]
    assert json.loads(json.dumps(facts)) == facts
    chart = predicate_map_chart(facts)
    assert sum(trace["mode"] == "lines" for trace in chart["data"]) == len(facts["matches"]) == len(model.mapping_)
