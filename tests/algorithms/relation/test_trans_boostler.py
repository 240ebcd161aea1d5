"""TransBoostler: names that mean the same are matched, types permitting, with no label of the target."""

from __future__ import annotations

import numpy as np
import pytest

from kinships import family
from transferkit import Domain, DomainError, RDNBoost, TransBoostler, TransferWarning
from transferkit.core.relational import Facts, RelationalRows

# Words by meaning: family, sex, taste, and what has nothing to do with them.
MEANING = {
    "parent": [1.0, 0, 0, 0], "child": [0.9, 0.1, 0, 0], "of": [0, 0, 0, 0.01], "female": [0, 1.0, 0, 0],
    "woman": [0, 0.95, 0.1, 0], "likes": [0, 0, 1.0, 0], "prefers": [0, 0.1, 0.9, 0], "weather": [0, 0, 0, 5.0],
}  # fmt: skip
NEW = {"parent": "childof", "female": "woman", "likes": "prefers", "grandparent": "elder"}


def world(kin, swap=False, extra=()):
    schema = {
        "childof": ("human", "human"), "woman": ("human",), "prefers": ("human", "item"), "elder": ("human", "human"),
        **dict(extra),
    }  # fmt: skip
    records = {NEW[p]: facts for p, facts in kin.records.items()}
    if swap:
        records["childof"] = [(b, a) for a, b in records["childof"]]
    return RelationalRows.from_records(Facts.from_records(records, schema), "elder", kin.pairs)


def model(**params):
    return TransBoostler(**{"embed": MEANING, "n_trees": 4, "random_state": 0, **params})


@pytest.mark.parametrize("similarity", ["relaxed-wmd", "wmd", "soft-cosine", "euclidean"])
def test_names_alike_are_matched_and_without_labels_the_sources_model_is_kept(similarity):
    kin = family(0)
    rows = kin.rows()
    found = model(similarity=similarity).fit(rows, kin.y, target=Domain(world(kin)))
    alone = RDNBoost(n_trees=4, random_state=0).fit(rows, kin.y, target=Domain(rows))
    np.testing.assert_array_equal(found.predict_proba(world(kin)), alone.predict_proba(rows))
    assert "childof(human, human) <- parent(person, person)" in found.mapping_
    assert found.words_["childof"] == ["child", "of"]
    used = [name for name in found.words_ if name not in NEW.values()]
    assert found.distances_.shape == (len(used), 3)
    assert found.n_revised_ == 0


def test_the_nearest_name_is_passed_over_where_its_types_do_not_fit():
    kin = family(0)
    target = world(kin, extra=[("parent", ("human", "item")), ("childof", ("human", "human"))])
    found = model().fit(kin.rows(), kin.y, target=Domain(target))
    assert "childof(human, human) <- parent(person, person)" in found.mapping_
    schema = {"elder": ("human", "human"), "parent": ("human", "item"), "weather": ("day",)}
    bare = RelationalRows.from_records(Facts.from_records({}, schema), "elder", kin.pairs)
    with pytest.warns(TransferWarning, match="nothing was carried over"):
        found = model().fit(kin.rows(), kin.y, target=Domain(bare, kin.y))
    assert not found.transferred_
    assert all(line.startswith(("nothing <- ", "elder(")) for line in found.mapping_)
    with pytest.raises(DomainError, match="target must share structure with the source, or have known labels"):
        model().fit(kin.rows(), kin.y, target=Domain(bare))


def test_one_name_stands_for_one_and_the_nearest_pair_goes_first():
    people = [f"p{k}" for k in range(30)]
    rng = np.random.default_rng(0)
    facts = {name: [(p,) for p in people if rng.random() < 0.5] for name in ("female", "likes")}
    schema = {"head": ("person",), "female": ("person",), "likes": ("person",)}
    rows = RelationalRows.from_records(Facts.from_records(facts, schema), "head", [(p,) for p in people])
    y = np.array([(p,) in facts["female"] and (p,) in facts["likes"] for p in people])
    other = {"top": ("human",), "woman": ("human",), "weather": ("human",)}
    renamed = {"woman": facts["female"], "weather": facts["likes"]}
    target = RelationalRows.from_records(Facts.from_records(renamed, other), "top", [(p,) for p in people])
    found = model(min_leaf=1.0).fit(rows, y, target=Domain(target))
    assert "woman(human) <- female(person)" in found.mapping_
    assert "weather(human) <- likes(person)" in found.mapping_  # all that is left
    assert found.score(target, y) == 1.0


def test_arguments_change_places_only_where_that_is_asked_for_and_types_need_it():
    kin = family(0)
    schema = {"elder": ("human", "human"), "childof": ("human", "human"), "likes": ("item", "human")}
    records = {"childof": kin.records["parent"], "likes": [(b, a) for a, b in kin.records["likes"]]}
    target = RelationalRows.from_records(Facts.from_records(records, schema), "elder", kin.pairs)
    liked = dict(kin.records["likes"])
    y = np.array([liked[a] == liked[b] for a, b in kin.pairs])
    found = model(permute=True).fit(kin.rows(), y, target=Domain(target))
    assert "likes(B: item, A: human) <- likes(A: person, B: thing)" in found.mapping_
    assert found.score(target, y) > 0.95
    facts = Facts.from_records({"likes": records["likes"]}, {p: schema[p] for p in ("elder", "likes")})
    target = RelationalRows.from_records(facts, "elder", kin.pairs)
    with pytest.warns(TransferWarning, match="nothing was carried over"):
        found = model().fit(kin.rows(), y, target=Domain(target, y))
    assert "nothing <- likes(person, thing)" in found.mapping_


def test_words_can_be_given_and_embeddings_be_asked_for():
    kin = family(0)
    target = Domain(world(kin))
    asked = []

    def embed(words):
        asked.extend(words)
        return np.array([MEANING.get(w, [0, 0, 0, 9.0]) for w in words])

    found = model(embed=embed, words={"childof": "parent", "woman": "weather"}).fit(kin.rows(), kin.y, target=target)
    assert found.words_["childof"] == ["parent"]
    assert found.words_["woman"] == ["weather"]
    assert "parent" in asked
    split = model(embed=embed, words=["child", "of"]).fit(kin.rows(), kin.y, target=target)
    assert split.words_["childof"] == ["child", "of"]
    assert split.words_["woman"] == ["woman"]
    with pytest.raises(DomainError, match="one finite vector for each"):
        model(embed=lambda words: np.zeros(3)).fit(kin.rows(), kin.y, target=target)


def test_labels_revise_what_names_got_wrong():
    kin, other = family(0), family(1)
    target = Domain(world(other, swap=True), other.y)
    plain = model(n_revisions=0).fit(kin.rows(), kin.y, target=target)
    revised = model().fit(kin.rows(), kin.y, target=target)
    assert revised.n_revised_ == 1
    assert revised.score(target.X, other.y) > max(plain.score(target.X, other.y), 0.95)
    unlabelled = model().fit(kin.rows(), kin.y, target=target.hide())
    assert unlabelled.score(target.X, other.y) < 0.8
