"""TransBoostler: boosted relational trees carried over to the predicates whose names mean nearly the same, then revised."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import permutations
from typing import ClassVar

import numpy as np

from ...core.constraints import Boolean, Either, Fulfils, Nothing, Options
from ...core.predicate_map import Match, PredicateMap
from ...core.protocols import Array
from ...core.relational import Predicate
from ...ops.relational.mapped import MAPPED, MappedTransfer
from ...ops.relational.mapping import Search
from ...ops.relational.names import DISTANCES, character_vectors, name_distances, split_name, vectors_of

CARD = {
    "class": "TransBoostler",
    "protocol": "Transfer",
    "settings": ("unsupervised", "few_label", "supervised", "heterogeneous"),
    "tasks": ("classification",),
    "data": ("relations",),
    "needs": (),
    "cost": "n",
    "portfolio": (),
    "paper": "Luca, Paes & Zaverucha. Mapping Across Relational Domains for Transfer Learning with Word Embeddings-Based"
    " Similarity. ILP 2021.",
    "url": "https://doi.org/10.1007/978-3-030-97454-1_12",
}

__all__ = ["TransBoostler"]

_EMBED = Either(
    Options("characters"),
    Fulfils("be the name of a text network as in 'sentence:all-MiniLM-L6-v2'", lambda v: type(v) is str and ":" in v),
    Fulfils("be a dict of words to vectors", lambda v: isinstance(v, dict) and len(v) > 0),
    Fulfils("be a callable of words", callable),
)
_WORDS = Either(
    Nothing(),
    Fulfils("be a list of words", lambda v: isinstance(v, (list, tuple)) and all(type(w) is str for w in v)),
    Fulfils(
        "be a dict of names to texts",
        lambda v: isinstance(v, dict) and all(type(k) is str and type(w) is str and w.split() for k, w in v.items()),
    ),
)


class TransBoostler(MappedTransfer):
    """Learn trees over the source's facts, write them in the predicates of the target that are named alike, and revise them.

    Unlike `TreeBoostler` it needs no label to find the map. Without any known label of the target the trees keep the
    source's values.

    Parameters
    ----------
    similarity : {"relaxed-wmd", "wmd", "soft-cosine", "euclidean"}, default="relaxed-wmd"
        Between names as bags of word vectors: the word mover's distance or its lower bound; the cosine among which words
        are alike; the distance of the words' vectors one after the other.
    embed : str, dict or callable, default="sentence:all-MiniLM-L6-v2"
        Vectors of words: a text network on this machine; a dict of words to vectors; a callable from a list of words to an
        array (n_words, n_dims); or ``"characters"``, which knows spelling only and needs no network.
    words : list of str or dict of str to str, default=None
        How names are split: a vocabulary of which names without a sign between their words are made up (``"advisedby"`` of
        advised and by), or the words of each name as a text. None splits at signs, digits and capitals, and where `embed`
        is a dict into its words.
    permute : bool, default=False
        Whether arguments may change places where only that agrees with the types.
    mapping : dict of str to str or None, default=None
        Matches that are given: predicate of the source to one of the target, by its name or as ``"name(B, A)"`` where the
        letters are the source's arguments; None drops the literal. All others are found by name.
    n_revisions : int in [0, inf), default=1
        Revisions at most; each is kept only where the training likelihood rises. 0 fits the values alone.
    n_trees : int in [1, inf), default=10
        Trees, one gradient step each.
    max_depth : int in [1, inf), default=3
        Tests on the longest way from a tree's root to a leaf.
    node_size : int in [1, inf), default=2
        Literals in one test at most.
    max_tests : int in [1, inf), default=8
        Tests in one tree.
    min_leaf : float in [0, inf), default=3.0
        Examples that pass a test at least.
    negative_ratio : float in (0, inf), default=2.0
        False examples for each true one, drawn anew for each tree. None takes all.
    prior : float, default=-1.8
        Log-odds before the first tree.
    modes : list of str, default=None
        What may be tested in the target; see `TreeBoostler`. Only predicates with a mode are matched.
    source_modes : list of str, default=None
        The same of the source.
    max_groundings : int in [1, inf), default=200000
        New variables of a literal are offered to further ones where it has no more bindings than this.
    random_state : int, RandomState or None, default=None
        Draws the false examples.

    Attributes
    ----------
    words_ : dict of str to list of str
        The words of each predicate's name.
    distances_ : array of shape (n_source_predicates, n_target_predicates)
        Of the names: predicates that the source's trees test by those of the target that may stand for them, each in the
        order of `words_`.
    mapping_, map_ : list of str, PredicateMap
        The map, one line a predicate, as in ``advisedby(person, person) <- workedunder(person, person)``; the same as data.
    uses_ : dict of str to int
        Literals that were carried over, by predicate of the source.
    transferred_ : bool
        Whether anything was carried over. If not, the model is learned from the target alone, with a warning.
    n_revised_ : int
        Revisions that were kept.
    source_trees_, trees_, rules_ : list of Node, list of Node, list of list of str
        The trees of the source, those of the target, and each of these as an ordered list of rules.
    predicate_, schema_ : Predicate, dict of str to Predicate
        The relation that is predicted, and the predicates that the trees test.
    classes_, n_features_in_ : array of shape (2,), int
        False and True; the number of arguments of the relation.

    Notes
    -----
    All pairs of a predicate that the source's trees test and one of the target are sorted by the distance of their names;
    from the nearest on, a pair is matched if neither is matched yet, the numbers of arguments are equal and the types agree
    with the matches before; arguments keep their places, unless `permute`. A predicate that is left over is dropped.
    Writing, fitting and revising the trees are those of `TreeBoostler`.

    The authors use fastText's word vectors. Those of MiniLM, a network for sentences, take their place: each word is shown
    to it alone. Types are asked to agree here; the program that the published tables come from compares numbers of
    arguments only. ``"soft-cosine"`` weighs pairs of words by the square of their cosine where that is positive.

    References
    ----------
    Luca, Paes & Zaverucha. Mapping Across Relational Domains for Transfer Learning with Word Embeddings-Based Similarity.
    ILP 2021.
    Kusner, Sun, Kolkin & Weinberger. From Word Embeddings To Document Distances. ICML 2015: the word mover's distance and
    its relaxation.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, TransBoostler
    >>> from transferkit.core.relational import Facts, RelationalRows
    >>> def family(parent, grandparent):
    ...     people = [f"{parent}{k}" for k in range(12)]
    ...     pairs = [(a, b) for a in people for b in people]
    ...     facts = Facts.from_records({parent: list(zip(people, people[1:]))}, {parent: ("p", "p"), grandparent: ("p", "p")})
    ...     rows = RelationalRows.from_records(facts, grandparent, pairs)
    ...     return rows, np.array([people.index(b) - people.index(a) == 2 for a, b in pairs])
    >>> X, y = family("parent", "grandparent")
    >>> Xt, yt = family("parents", "grandparents")
    >>> model = TransBoostler(embed="characters", random_state=0).fit(X, y, target=Domain(Xt))  # no label of the target
    >>> model.mapping_
    ['grandparents(p, p) <- grandparent(p, p)', 'parents(p, p) <- parent(p, p)']
    >>> model.score(Xt, yt)
    1.0
    """

    _constraints: ClassVar = {
        "similarity": Options(*DISTANCES), "embed": _EMBED, "words": _WORDS, "permute": Boolean(), **MAPPED,
    }  # fmt: skip
    _test_params: ClassVar = {"n_trees": 4, "embed": "characters"}
    _maps_without_labels: ClassVar = True

    def __init__(
        self,
        similarity: str = "relaxed-wmd",
        embed: str | Mapping[str, Array] | Callable[[list[str]], Array] = "sentence:all-MiniLM-L6-v2",
        words: Sequence[str] | Mapping[str, str] | None = None,
        permute: bool = False,
        mapping: Mapping[str, str | None] | None = None,
        n_revisions: int = 1,
        n_trees: int = 10,
        max_depth: int = 3,
        node_size: int = 2,
        max_tests: int = 8,
        min_leaf: float = 3.0,
        negative_ratio: float | None = 2.0,
        prior: float = -1.8,
        modes: Sequence[str] | None = None,
        source_modes: Sequence[str] | None = None,
        max_groundings: int = 200_000,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.similarity = similarity
        self.embed = embed
        self.words = words
        self.permute = permute
        self.mapping = mapping
        self.n_revisions = n_revisions
        self.n_trees = n_trees
        self.max_depth = max_depth
        self.node_size = node_size
        self.max_tests = max_tests
        self.min_leaf = min_leaf
        self.negative_ratio = negative_ratio
        self.prior = prior
        self.modes = modes
        self.source_modes = source_modes
        self.max_groundings = max_groundings
        self.random_state = random_state

    def _plan(
        self,
        start: PredicateMap,
        names: Sequence[str],
        source: Mapping[str, Predicate],
        target: Mapping[str, Predicate],
    ) -> tuple[PredicateMap, Search | None]:
        free = sorted(set(target) - start.taken)
        self.words_ = {name: self._words(name) for name in (*names, *free)}
        left, right = ([self.words_[name] for name in side] for side in (names, free))
        self.distances_ = np.zeros((len(names), len(free)))
        if names and free:
            self.distances_ = name_distances(left, right, self._vectors, self.similarity)
        found = start
        for pair in np.argsort(self.distances_, axis=None, kind="stable"):
            row, column = divmod(int(pair), len(free))
            found = self._matched(found, source[names[row]], target[free[column]])
        for name in names:
            if name not in found.matches:
                found = found.extended(Match(source[name])) or found
        return found, None

    def _matched(self, found: PredicateMap, source: Predicate, target: Predicate) -> PredicateMap:
        """The map with this pair if it may be; the arguments keep their places where the types let them."""
        if source.name in found.matches or target.name in found.taken:
            return found
        orders = permutations(range(source.arity)) if self.permute else [tuple(range(source.arity))]
        extended = (found.extended(Match(source, target, places)) for places in orders)
        return next((one for one in extended if one is not None), found)

    def _words(self, name: str) -> list[str]:
        given = self.words
        if isinstance(given, Mapping):
            return given[name].split() if name in given else split_name(name)
        vocabulary = self.embed if given is None and isinstance(self.embed, Mapping) else given or ()
        return split_name(name, vocabulary)

    def _vectors(self, words: list[str]) -> Array:
        embed = self.embed
        if embed == "characters":
            return character_vectors(words)
        if isinstance(embed, str):
            from ...engine.backbones import load_backbone
            from ...engine.features.extraction import extract

            return extract(load_backbone(embed), words, precision="fp32")
        return vectors_of(words, embed)
