"""The coupling as a picture, and what it is drawn from: the plan's mass by source class and group of target rows."""

from __future__ import annotations

import json

import numpy as np
from numpy.testing import assert_allclose
from scipy import sparse

from transferkit.pipeline.relation import coupled_classes
from transferkit.report.coupling import MOST, coupling_chart
from transferkit.report.html import render
from transferkit.report.words import percent

COUPLING = {
    "classes": ["<b>cat</b>", "dog"],
    "groups": [{"rows": 30, "label": "<i>tom</i>"}, {"rows": 1, "label": None}],
    "shares": [[0.9, 0.1], [0.004, 0.996]],
}


class Coupled:
    """Class 0 goes to the rows around 9, three quarters of class 1 to those around 0."""

    def __init__(self, plan):
        self.plan_ = plan


def test_mass_is_counted_by_class_and_group():
    ys, Xt = np.array(["a", "a", "b", "b"]), np.array([[0.0], [9.1], [0.1], [9.0]])
    plan = np.array([[0, 0.25, 0, 0], [0, 0, 0, 0.25], [0.25, 0, 0, 0], [0, 0, 0.125, 0.125]])
    known = np.array([False, True, False, True])
    for P in (plan, sparse.csr_matrix(plan)):
        found = coupled_classes(Coupled(P), ys, Xt, known, np.array(["near", "near"]))
        assert found["classes"] == ["a", "b"]
        assert_allclose(found["shares"], [[1, 0], [0.25, 0.75]])
        assert found["groups"] == [{"rows": 2, "label": "near"}, {"rows": 2, "label": None}]
    assert coupled_classes(object(), ys, Xt, known, ys[:2]) == {}
    assert coupled_classes(Coupled(plan[:3]), ys, Xt, known, ys[:2]) == {}, "a plan of other rows"
    assert coupled_classes(Coupled(plan), ys, np.zeros((4, 1)), known, ys[:2]) == {}, "no groups to be told apart"


def test_names_are_drawn_as_they_are_written():
    chart = coupling_chart({"coupling": COUPLING})
    trace = chart["data"][0]
    assert trace["z"] == COUPLING["shares"]
    assert trace["text"] == [["90", "10"], ["", "100"]]
    assert chart["layout"]["yaxis"]["ticktext"][0] == "&lt;b&gt;cat&lt;/b&gt;"
    assert chart["layout"]["xaxis"]["ticktext"] == ["&lt;i&gt;tom&lt;/i&gt; (group 1)", "group 2"]
    assert (
        trace["hovertext"][1][1]
        == f"source class: dog<br>target rows: group 2, 1\xa0row<br>{percent(0.996)} of the class"
    )
    assert "<b>" not in json.dumps(chart)


def test_nothing_and_too_much_give_no_picture():
    many = {"classes": ["c"] * (MOST + 1), "groups": [{}] * 2, "shares": [[0.5, 0.5]] * (MOST + 1)}
    for relation in (None, {}, {"coupling": {}}, {"coupling": {**COUPLING, "shares": []}}, {"coupling": many}):
        assert coupling_chart(relation) is None


def test_the_report_shows_it():
    page = render({"relation": {"of": "GromovWasserstein", "coupling": COUPLING}, "task": {"way": "spaces"}})
    assert 'id="chart-coupling"' in page
    assert "Which source class goes where" in page
    assert "<i>tom" not in page
