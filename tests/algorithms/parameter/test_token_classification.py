"""Token classification: sentences of made-up words whose labels follow from the words and their neighbours."""

import numpy as np
import pytest
import torch

pytest.importorskip("transformers")

from tokenizers import Tokenizer, models, pre_tokenizers, processors
from torch import nn

from transferkit import DomainError, ParamError, TokenClassification
from transferkit.engine.answers.words import WordPreprocess
from transferkit.engine.backbones import load_backbone
from transferkit.engine.inputs.preprocessing.text import TextPreprocess
from transferkit.engine.training.settings import Training
from transferkit.ops.metrics.entities import entity_f1

TOPICS = SEA, SKY, ORE, OAK = [[f"{topic}{k}" for k in range(6)] for topic in ("sea", "sky", "ore", "oak")]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]


def sentences(n, seed, names=(SEA, SKY), others=(ORE, OAK)):
    """One or two words of a topic are an entity if an odd-numbered word of others comes before; else they are outside."""
    rng = np.random.default_rng(seed)
    X, y = [], []
    for _ in range(n):
        words, labels = [], []
        for _ in range(rng.integers(2, 4)):
            before = str(rng.choice(rng.choice(others)))
            topic = int(rng.integers(2))
            entity = [str(w) for w in rng.choice(names[topic], rng.integers(1, 3))]
            kind = ("SEA", "SKY")[topic]
            words += [before, *entity]
            marks = ["B-" + kind, "I-" + kind][: len(entity)] if int(before[-1]) % 2 else ["O"] * len(entity)
            labels += ["O", *marks]
        X.append(words)
        y.append(labels)
    return X, y


def tokenizer(pieces=False):
    """Whole words, or with `pieces` the topic and the number of each word, as JSON."""
    if pieces:
        words = [*SPECIAL, "sea", "sky", "ore", "oak", *(f"##{k}" for k in range(6))]
        model = models.WordPiece({w: k for k, w in enumerate(words)}, unk_token="[UNK]")
    else:
        words = [*SPECIAL, *(w for topic in TOPICS for w in topic)]
        model = models.WordLevel({w: k for k, w in enumerate(words)}, unk_token="[UNK]")
    tokens = Tokenizer(model)
    tokens.pre_tokenizer = pre_tokenizers.Whitespace()
    tokens.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return tokens.to_str()


class Reader(nn.Module):
    """Embeddings, and what a word and two on either side say together."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(len(SPECIAL) + 4 * len(SEA), 16, padding_idx=0)
        self.look, self.states = nn.Conv1d(16, 32, 5, padding=2), nn.Sequential(nn.ReLU(), nn.Linear(32, 32), nn.ReLU())

    def forward(self, x):
        return self.states(self.look(self.embed(x["input_ids"]).transpose(1, 2)).transpose(1, 2)).mean(dim=1)


def source(max_length=32, pieces=False):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return load_backbone(Reader(), preprocess=TextPreprocess(tokenizer(pieces), max_length))


def make(backbone=None, n_epochs=12, lr=0.02, **params):
    training = Training(
        body_lr_scale=1.0, n_epochs=n_epochs, lr=lr, batch_size=16, device="cpu", **params.pop("training", {})
    )
    return TokenClassification(source() if backbone is None else backbone, training=training, **params)


@pytest.fixture(scope="module")
def fitted():
    return make().fit(*sentences(120, 0))


def test_it_learns_the_labels(fitted):
    X, y = sentences(40, 1)
    found = fitted.predict(X)
    assert [len(row) for row in found] == [len(row) for row in X]
    assert fitted.score(X, y) > 0.95
    assert fitted.score_entities(X, y) == entity_f1(y, found) > 0.9
    assert fitted.classes_.tolist() == ["B-SEA", "B-SKY", "I-SEA", "I-SKY", "O"]
    right = [a == b for row, own in zip(found, y, strict=True) for a, b in zip(row, own, strict=True)]
    assert fitted.score(X, y) == np.mean(right)


def test_probabilities_and_states_are_there_for_every_word(fitted):
    X, _ = sentences(5, 2)
    proba, states = fitted.predict_proba(X), fitted.transform(X)
    for row, p, z, labels in zip(X, proba, states, fitted.predict(X), strict=True):
        assert p.shape == (len(row), 5)
        np.testing.assert_allclose(p.sum(axis=1), 1)
        assert fitted.classes_[p.argmax(axis=1)].tolist() == labels
        assert z.shape == (len(row), 32)


def test_a_sentence_is_labelled_as_it_is_alone(fitted):
    X, _ = sentences(6, 3)
    assert [fitted.predict([row])[0] for row in X] == fitted.predict(X)
    assert fitted.predict([" ".join(row) for row in X]) == fitted.predict(X)


def begins(y):
    """A related task: only where a name begins."""
    return [["name" if label.startswith("B-") else "none" for label in row] for row in y]


def test_what_was_learned_helps_with_few_sentences(fitted):
    source, gains = fitted.network_.as_backbone(), []
    for seed in range(3):
        (X, y), (X_new, y_new) = sentences(8, 10 + seed), sentences(40, 20 + seed)
        short = {"n_epochs": 8, "lr": 0.01, "random_state": seed}
        learned, fresh = (make(s, **short).fit(X, begins(y)).score(X_new, begins(y_new)) for s in (source, None))
        gains.append(learned - fresh)
    assert np.mean(gains) > 0.05, gains


def test_the_label_is_that_of_the_first_piece_and_long_sentences_are_cut_between_words():
    words = WordPreprocess(TextPreprocess(tokenizer(pieces=True), 8))
    row = ["sea1", "sky2", "???", "ore3"]
    found = words.prepare(row[:2])
    assert found["ids"].tolist() == [2, 4, 9, 5, 10, 3]
    assert found["first"].tolist() == [1, 3]
    assert words.room == 6
    assert words.pieces(row) == [(0, 3), (3, 4)]
    batch = words.collate([words.prepare(row[:1]), words.prepare(row[:2])])
    assert batch["first"].tolist() == [[1, 0], [1, 3]]
    assert batch["attention_mask"].sum(dim=1).tolist() == [4, 6]


def test_a_word_without_any_token_still_gets_a_label():
    words = WordPreprocess(TextPreprocess(tokenizer(), 8))
    assert words.prepare(["sea1", " ", "sky1"])["ids"].tolist() == [2, 5, 1, 11, 3]


def test_a_sentence_longer_than_the_network_takes():
    X, y = sentences(30, 0)
    long, labels = ([item for row in rows[:10] for item in row] for rows in (X, y))
    model = make(source(max_length=12), n_epochs=2).fit([long, *X[10:]], [labels, *y[10:]])
    found = model.predict([long, X[0]])
    assert [len(row) for row in found] == [len(long), len(X[0])]


def test_held_back_sentences_judge_an_epoch():
    model = make(n_epochs=3, training={"validation": 0.25, "keep": "best"}).fit(*sentences(40, 0))
    assert all(0 <= row["validation"] <= 1 for row in model.history_)


def test_labels_may_be_numbers():
    X, y = sentences(40, 0)
    numbers = [[int(label != "O") for label in row] for row in y]
    found = make(n_epochs=2).fit(X, [np.array(row) for row in numbers]).predict(X)
    assert {type(label) for row in found for label in row} == {int}


def test_on_a_folder_of_transformers():
    import networks

    X, y = [["sea1", "ore2"], ["ore1", "sea3", "sea2"]] * 4, [["B", "O"], ["O", "B", "I"]] * 4
    model = make(f"hf:{networks.text_folder(True)}", n_epochs=15, lr=0.01).fit(X, y)
    assert model.score(X, y) > 0.8
    assert [g.name for g in model.network_.groups][-1] == "head"


@pytest.mark.parametrize(
    ("X", "y", "says"),
    [
        ([["a"], ["b"]], None, "y must hold the labels"),
        ([["a"], ["b"]], [["O"]], r"y must have one list of labels a sentence of X \(2\). Got 1"),
        ([["a"], ["b"]], [["O"], ["O", "B"]], "y must have one label a word, 1 at 1. Got 2"),
        ([["a"], ["b"]], [["O"], [1]], "y must hold text or whole numbers, one type throughout. Got int, str"),
        ([["a"], ["b"]], [["O"], ["O"]], r"y must hold at least two classes. Got \['O'\]"),
        ([["a"], []], [["O"], []], "X must hold sentences.*a sentence without words at 1"),
        ([["a"], [3]], [["O"], ["B"]], r"X must hold sentences.*\[3\] at 1"),
        ([], [], "X must have rows"),
        ("a text", ["O"], "X must hold sentences.*Got str"),
    ],
)
def test_what_cannot_be_used_is_named(X, y, says):
    with pytest.raises(DomainError, match=f"^TokenClassification.fit: {says}"):
        make().fit(X, y)


def test_a_source_without_states_is_refused():
    class Bag(nn.Module):
        def __init__(self):
            super().__init__()
            self.bag = nn.EmbeddingBag(32, 8)

        def forward(self, x):
            return self.bag(x["input_ids"])

    backbone = load_backbone(Bag(), preprocess=TextPreprocess(tokenizer(), 16))
    with pytest.raises(ParamError, match="a state for every token"):
        make(backbone).fit([["sea1", "ore1"]], [["B", "O"]])
