"""The folder `algorithms` is the catalogue: every method's card, read with `ast`, without importing the method."""

from __future__ import annotations

import ast
import importlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from .core.errors import MissingExtraError, ParamError, TransferError

__all__ = ["DATA", "PROTOCOLS", "SETTINGS", "TASKS", "Card", "cards", "find", "load", "suggest"]

SETTINGS = (
    "unsupervised", "few_label", "supervised", "source_free", "test_time", "multi_source", "partial", "open_set",
    "label_shift", "heterogeneous",
)  # fmt: skip
TASKS = ("classification", "regression", "segmentation", "detection", "tokens")
DATA = ("vectors", "chunks", "images", "text", "series", "graph", "relations")  # chunks: vectors that stay on disk
PROTOCOLS = ("Transfer", "ModelTransfer", "MultiTask", "MetaLearner", "Continual", "Selector")
COSTS = ("n", "n^2", "n^3", "epochs")
SCALINGS = ("source", "domain")

_FOLDER = Path(__file__).parent / "algorithms"
_REQUIRED = frozenset({"class", "protocol", "settings", "tasks", "data", "needs", "cost", "paper", "url"})
_OPTIONAL = frozenset({"portfolio", "scaling", "with_pairs", "grows"})
# The extra of pyproject.toml that brings a module.
_EXTRA_OF = {
    "torch": "deep", "accelerate": "deep", "timm": "vision", "torchvision": "vision", "PIL": "vision",
    "transformers": "text", "sentence_transformers": "text", "peft": "text", "soundfile": "audio", "tensorboard": "deep",
    "torch_geometric": "graph", "opacus": "privacy", "dask": "cluster", "fastapi": "serve",
    "open_clip": "clip",
}  # fmt: skip


@dataclass(frozen=True)
class Card:
    """What is known of a method without importing it.

    Attributes
    ----------
    name : str
        Public id, the file's name, as in ``coral``.
    paradigm : str
        Its folder, as in ``feature``.
    cls : str
        Class name, as in ``CORAL``.
    protocol : str
        The protocol of `transferkit.core.protocols` that it follows.
    settings, tasks, data : tuple of str
        What it can do.
    needs : tuple of str
        Importable module names beyond the core.
    cost : {"n", "n^2", "n^3", "epochs"}
        How fit time grows with the number of rows; "epochs" trains a network on both domains.
    portfolio : tuple of mappings
        Fixed parameter settings that `transferkit run` tries; empty where it tries the method only when it is named.
    scaling : {"source", "domain"}
        How `transferkit run` standardises columns for it: both domains with the source's mean and deviation, or, where
        the published protocol does so, each domain with its own.
    paper, url : str
        Where it comes from.
    summary : str
        First line of the file.
    with_pairs : tuple of str
        Further tasks, which a method between feature spaces does where rows of both sides are paired.
    grows : mapping of str to int
        Weights that count for less the more rows there are, by their square, each with the rows a domain up to which it can stay:
        with twice as many `transferkit run` takes four times the weight.
    """

    name: str
    paradigm: str
    cls: str
    protocol: str
    settings: tuple[str, ...]
    tasks: tuple[str, ...]
    data: tuple[str, ...]
    needs: tuple[str, ...]
    cost: str
    portfolio: tuple[Mapping[str, Any], ...]
    scaling: str
    paper: str
    url: str
    summary: str
    with_pairs: tuple[str, ...] = ()
    grows: Mapping[str, int] = field(default_factory=dict)

    @property
    def module(self) -> str:
        """Dotted name of the file."""
        return f"transferkit.algorithms.{self.paradigm}.{self.name}"

    @property
    def task_names(self) -> tuple[str, ...]:
        """The tasks for people, as in "classification", "regression with pairs"."""
        return (*self.tasks, *(f"{task} with pairs" for task in self.with_pairs))

    @property
    def missing(self) -> tuple[str, ...]:
        """Modules that it needs and that are not installed."""
        return tuple(m for m in self.needs if not _installed(m))


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # the package that the module would lie in
        return False


def read_card(path: Path) -> Card:
    """Read the card of one algorithm file.

    Raises
    ------
    TransferError
        If the file has no docstring or literal CARD, a key is missing or unknown, or a value is outside the vocabulary.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    docstring = ast.get_docstring(tree)
    literals = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "CARD" for t in node.targets)
    ]
    if not docstring or len(literals) != 1:
        raise TransferError(f"{path}: an algorithm file must have a docstring and one literal CARD.")
    try:
        raw = ast.literal_eval(literals[0])
    except ValueError as err:
        raise TransferError(f"{path}: CARD must be a literal. Got: {err}") from err
    missing, unknown = _REQUIRED - raw.keys(), raw.keys() - _REQUIRED - _OPTIONAL
    if missing or unknown:
        raise TransferError(
            f"{path}: CARD must have the keys of the design. Missing {sorted(missing)}, unknown {sorted(unknown)}."
        )
    for key, allowed in (("settings", SETTINGS), ("tasks", TASKS), ("data", DATA)):
        extra = set(raw[key]) - set(allowed)
        if extra or not isinstance(raw[key], tuple):
            raise TransferError(f"{path}: CARD[{key!r}] must be a tuple of {allowed}. Got {raw[key]!r}.")
    with_pairs = raw.get("with_pairs", ())
    if not isinstance(with_pairs, tuple) or set(with_pairs) - (set(TASKS) - set(raw["tasks"])):
        raise TransferError(
            f"{path}: CARD['with_pairs'] must be a tuple of tasks beside {raw['tasks']}. Got {with_pairs!r}."
        )
    grows = raw.get("grows", {})
    if not isinstance(grows, dict) or not all(
        isinstance(k, str) and type(n) is int and n > 0 for k, n in grows.items()
    ):
        raise TransferError(f"{path}: CARD['grows'] must map parameters to numbers of rows. Got {grows!r}.")
    for key, values in (("protocol", PROTOCOLS), ("cost", COSTS), ("scaling", SCALINGS)):
        if raw.get(key, values[0]) not in values:
            raise TransferError(f"{path}: CARD[{key!r}] must be one of {values}. Got {raw[key]!r}.")
    return Card(
        name=path.stem, paradigm=path.parent.name, cls=raw["class"], protocol=raw["protocol"], settings=raw["settings"],
        tasks=raw["tasks"], data=raw["data"], needs=raw["needs"], cost=raw["cost"],
        portfolio=tuple(MappingProxyType(p) for p in raw.get("portfolio", ({},))),
        scaling=raw.get("scaling", "source"), paper=raw["paper"], url=raw["url"],
        summary=docstring.splitlines()[0].strip(), with_pairs=with_pairs,
        grows=MappingProxyType(grows),
    )  # fmt: skip


@cache
def cards() -> Mapping[str, Card]:
    """All cards by public id, in the order of folders and files."""
    found: dict[str, Card] = {}
    classes: dict[str, str] = {}
    for path in sorted(_FOLDER.glob("*/*.py")):
        if path.name.startswith("_"):
            continue
        card = read_card(path)
        if card.name in found or card.cls in classes:
            raise TransferError(f"{path}: the name {card.name!r} or the class {card.cls!r} is taken already.")
        found[card.name], classes[card.cls] = card, card.name
    return MappingProxyType(found)


def suggest(name: str) -> str:
    """The end of an error message: the ids that look most like `name`."""
    import difflib

    known = list(cards()) + [c.cls for c in cards().values()]
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    return f" Did you mean {', '.join(near)}?" if near else " `transferkit list` shows all of them."


def card_of(name: str) -> Card:
    """The card of a method by its id (``coral``) or class (``CORAL``).

    Raises
    ------
    ParamError
        If there is no such method; the message suggests near names.
    """
    card = cards().get(name) or next((c for c in cards().values() if c.cls == name), None)
    if card is None:
        raise ParamError(f"catalogue: name must be the id or class of a method. Got {name!r}.{suggest(name)}")
    return card


def load(name: str) -> type[Any]:
    """The class of a method, by id or class name.

    Raises
    ------
    ParamError
        If there is no such method.
    MissingExtraError
        If it needs a package that is not installed; the message says how to install it.
    """
    card = card_of(name)
    if card.missing:
        extra = _EXTRA_OF.get(card.missing[0].split(".")[0], "all")
        raise MissingExtraError(f"{card.cls} needs {', '.join(card.missing)}: pip install 'transferkit[{extra}]'")
    cls: type[Any] = getattr(importlib.import_module(card.module), card.cls)
    return cls


def find(
    *,
    paradigm: str | None = None,
    setting: str | None = None,
    task: str | None = None,
    data: str | None = None,
    protocol: str | None = None,
    installed: bool | None = None,
    needs: str | None = None,
) -> list[Card]:
    """Cards that fit all the given filters.

    Parameters
    ----------
    paradigm : str, optional
        Folder name, as in ``"feature"``.
    setting, task, data, protocol : str, optional
        One value that the card must list; a task may be one of ``with_pairs``.
    installed : bool, optional
        Whether everything it needs is installed.
    needs : str, optional
        A module that it needs.

    Raises
    ------
    ParamError
        If a filter's value is not in the vocabulary.

    Examples
    --------
    >>> from transferkit import catalogue
    >>> "coral" in [card.name for card in catalogue.find(paradigm="feature", setting="unsupervised")]
    True
    """
    paradigms = tuple(sorted({c.paradigm for c in cards().values()}))
    for name, value, allowed in (
        ("paradigm", paradigm, paradigms), ("setting", setting, SETTINGS), ("task", task, TASKS),
        ("data", data, DATA), ("protocol", protocol, PROTOCOLS),
    ):  # fmt: skip
        if value is not None and value not in allowed:
            raise ParamError(f"find: {name} must be one of {', '.join(allowed)}. Got {value!r}.")
    return [
        c
        for c in cards().values()
        if (paradigm is None or c.paradigm == paradigm)
        and (setting is None or setting in c.settings)
        and (task is None or task in c.tasks or task in c.with_pairs)
        and (data is None or data in c.data)
        and (protocol is None or c.protocol == protocol)
        and (needs is None or needs in c.needs)
        and (installed is None or (not c.missing) == installed)
    ]
