"""The catalogue: cards read without an import, and every way to get one wrong refused with the file's name."""

from pathlib import Path

import pytest

import transferkit
from transferkit import CORAL, MissingExtraError, ParamError, TransferError, catalogue

TEXT = Path(catalogue._FOLDER / "feature" / "coral.py").read_text(encoding="utf-8")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty catalogue in a folder of its own."""
    (tmp_path / "feature").mkdir()
    (tmp_path / "instance").mkdir()
    monkeypatch.setattr(catalogue, "_FOLDER", tmp_path)
    catalogue.cards.cache_clear()
    yield tmp_path
    catalogue.cards.cache_clear()


def put(folder, old="", new="", name="one"):
    assert old in TEXT
    path = folder / "feature" / f"{name}.py"
    path.write_text(TEXT.replace(old, new, 1), encoding="utf-8")
    return path


def test_a_card_is_what_the_file_says(folder):
    put(folder)
    card = catalogue.cards()["one"]
    assert (card.paradigm, card.cls, card.protocol) == ("feature", "CORAL", "Transfer")
    assert card.summary == TEXT.splitlines()[0].strip('"')
    assert card.module == "transferkit.algorithms.feature.one"
    assert card.missing == ()


def test_private_files_are_no_methods(folder):
    put(folder, name="_draft")
    assert catalogue.cards() == {}


def test_a_duplicate_id_or_class_is_an_error(folder):
    put(folder, name="one")
    put(folder, name="two")
    with pytest.raises(TransferError, match=r"two\.py: the name 'two' or the class 'CORAL' is taken"):
        catalogue.cards()
    put(folder, '"class": "CORAL"', '"class": "Other"', name="two")
    assert set(catalogue.cards()) == {"one", "two"}
    catalogue.cards.cache_clear()
    (folder / "instance" / "one.py").write_text(TEXT.replace('"class": "CORAL"', '"class": "Third"'), encoding="utf-8")
    with pytest.raises(TransferError, match=r"instance/one\.py: the name 'one'"):
        catalogue.cards()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('    "needs": (),\n', "", r"Missing \['needs'\]"),
        ('    "needs": (),\n', '    "needs": (),\n    "colour": "red",\n', r"unknown \['colour'\]"),
        ('"needs": ()', '"needs": tuple()', "must be a literal"),
        ('"needs": ()', '"needs": NEEDS', "must be a literal"),
        ("CARD = {", "OTHER = {", "one literal CARD"),
        ('"unsupervised"', '"clairvoyant"', r"CARD\['settings'\] must be a tuple .*clairvoyant"),
        ('("unsupervised", "few_label")', '["unsupervised", "few_label"]', r"CARD\['settings'\] must be a tuple"),
        ('"classification"', '"divination"', r"CARD\['tasks'\] must be a tuple"),
        ('"vectors"', '"scents"', r"CARD\['data'\] must be a tuple"),
        ('"protocol": "Transfer"', '"protocol": "Telepathy"', r"CARD\[.protocol.\] must be one of .*Telepathy"),
        ('"cost": "n"', '"cost": "free"', r"CARD\[.cost.\] must be one of .*free"),
        *(
            ('"cost": "n"', f'"cost": "n", {more}', rf"CARD\[.{more.split(chr(34))[1]}.\] must")
            for more in (
                '"grows": ("reg", 2000)',
                '"grows": {"reg": 0}',
                '"grows": {"reg": True}',
                '"grows": {"reg": "many"}',
                '"grows": {1: 2000}',
                '"with_pairs": ("classification",)',
                '"with_pairs": ("telepathy",)',
                '"with_pairs": "regression"',
                '"with_pairs": ["segmentation"]',
            )
        ),
        (TEXT.splitlines()[0], "", "must have a docstring"),
    ],
    ids=lambda v: v[:40],
)
def test_a_wrong_card_is_refused_with_its_file(folder, old, new, said):
    put(folder, old, new)
    with pytest.raises(TransferError, match=rf"one\.py: .*{said}"):
        catalogue.cards()


def test_two_cards_in_a_file_are_refused(folder):
    put(folder, "__all__ =", "CARD = {}\n__all__ =")
    with pytest.raises(TransferError, match="one literal CARD"):
        catalogue.cards()


def test_an_absent_extra_keeps_the_name_and_says_how_to_install_it(folder, monkeypatch):
    put(folder, '"needs": ()', '"needs": ("torch",)')
    monkeypatch.setattr(catalogue.importlib.util, "find_spec", lambda name: None)
    assert catalogue.cards()["one"].missing == ("torch",)
    assert [c.name for c in catalogue.find(installed=False)] == ["one"]
    with pytest.raises(MissingExtraError, match=r"CORAL needs torch: pip install 'transferkit\[deep\]'"):
        catalogue.load("one")


def test_an_unknown_extra_names_all(folder, monkeypatch):
    put(folder, '"needs": ()', '"needs": ("no_such_module_xyz.part",)')
    monkeypatch.setattr(catalogue.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"transferkit\[all\]"):
        catalogue.load("one")


def test_load_by_id_and_by_class():
    assert catalogue.load("coral") is catalogue.load("CORAL") is transferkit.CORAL is CORAL
    for asked in ("corl", "Coral"):
        with pytest.raises(ParamError, match=r"Did you mean .*(coral|CORAL)"):
            catalogue.load(asked)
    with pytest.raises(ParamError, match="transferkit list"):
        catalogue.load("qqqqqqq")


def test_every_card_loads_or_says_what_is_missing():
    for card in catalogue.cards().values():
        if card.missing:
            with pytest.raises(MissingExtraError, match=card.cls):
                catalogue.load(card.name)
        else:
            cls = catalogue.load(card.name)
            assert cls.__name__ == card.cls
            assert set(card.grows) <= set(cls._constraints), "weights that grow are parameters"
        assert card.cls in dir(transferkit)


def test_find_filters_and_refuses_unknown_words():
    assert {c.paradigm for c in catalogue.find(paradigm="feature")} == {"feature"}
    assert all("regression" in (*c.tasks, *c.with_pairs) for c in catalogue.find(task="regression"))
    assert all(
        "few_label" in c.settings and c.protocol == "Transfer"
        for c in catalogue.find(setting="few_label", protocol="Transfer")
    )
    assert catalogue.find(needs="no_such_module") == []
    for filters in (
        {"paradigm": "magic"},
        {"setting": "magic"},
        {"task": "magic"},
        {"data": "magic"},
        {"protocol": "magic"},
    ):
        with pytest.raises(ParamError, match=rf"find: {next(iter(filters))} must be one of .*Got 'magic'"):
            catalogue.find(**filters)


def test_the_package_has_no_other_names():
    with pytest.raises(AttributeError, match="Did you mean"):
        transferkit.Corral  # noqa: B018
    assert not hasattr(transferkit, "_private")
