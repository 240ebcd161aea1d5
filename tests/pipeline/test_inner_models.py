"""A method that prescribes the kind of its inner estimator is built with its own where the chosen one is of another."""

import pytest
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

from transferkit import catalogue
from transferkit.pipeline.plain_models import plain_model
from transferkit.pipeline.select import Candidate

FOREST, NUMBERS = ExtraTreesClassifier(5), ExtraTreesRegressor(5)
LINEAR = plain_model("linear", "classification")


@pytest.mark.parametrize(
    ("name", "chosen", "is_given"),
    [
        ("source_only", FOREST, True),
        ("structure_transfer", FOREST, True),
        ("structure_transfer", LINEAR, False),
        ("prior_logistic", FOREST, False),
        ("prior_logistic", LINEAR, True),
        ("prior_linear", NUMBERS, False),
    ],
)
def test_build(name, chosen, is_given):
    model = Candidate(f"{name}-1", catalogue.card_of(name), {}, chosen, "candidate").build(0)
    assert (model.estimator is not None) == is_given
