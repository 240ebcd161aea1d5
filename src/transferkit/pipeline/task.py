"""What is asked: the task of a run, as a value that can be written down and read back."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass, fields
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np

from ..core.errors import DataError, ParamError
from ..core.protocols import Array, Domain
from .cluster import ENGINES

__all__ = ["TransferTask", "class_of", "model_place", "name_of", "place_of"]

KINDS = ("auto", "classification", "regression")
TARGET_LABELS = ("auto", "none", "few", "test")
ASSUME = ("nothing", "same-priors", "label-shift")


def class_of(text: str, classes: Sequence[Any]) -> Any:
    """The class that a text names: numbers by value (1 is 1.0), truth values in any case; None where there is none."""
    for c in classes:
        if str(c).strip() == text:
            return c
    for c in classes:
        if isinstance(c, bool):
            if str(c).lower() == text.lower():
                return c
        elif isinstance(c, (int, float)):
            try:
                if float(text) == c:
                    return c
            except ValueError:
                return None
    return None


def _named_shares(given: Any) -> dict[str, float]:
    """Shares by the text of the class, from a mapping or from "CLASS=SHARE" texts."""
    pairs = given.items() if isinstance(given, Mapping) else [item.rpartition("=")[::2] for item in given]
    return {str(name).strip(): float(share) for name, share in pairs}


@dataclass(frozen=True)
class TransferTask:
    """What is asked of `transferkit.run`.

    Parameters
    ----------
    sources : sequence of path, "NAME:DOMAIN", frame, (X, y) or Domain
        Labelled source domains. ``"NAME:DOMAIN"`` names a domain of a public data set (`transferkit data list`). Empty
        where the source is a pretrained model: `model` is then carried over to the labelled target.
    target : path, "NAME:DOMAIN", frame, X, (X, y) or Domain
        The target domain.
    label : str, optional
        The label column or variable; needed for tables.
    kind : {"auto", "classification", "regression"}
        ``"auto"`` is a regression where the source's labels are numbers with a fractional part, or whole numbers with
        more than 30 different values.
    target_labels : {"auto", "none", "few", "test"}
        What may be done with labels found in the target. ``"none"``: they are thrown away. ``"few"``: those that are
        there may be used (with `shots`: so many a class, the rest is held back). ``"test"``: all are held back for the
        final score. ``"auto"``: ``"test"`` where every row has one, ``"few"`` where some have, else ``"none"``.
    shots : int, optional
        With ``"few"``: labels used a class (for a regression: in all); the rest is held back for the final score.
    domain_column : str, optional
        One file holds all domains and this column tells them apart: give that file as the only source and as target.
    source_domains : sequence of str, optional
        With `domain_column`: its values that are sources; None is all but the target.
    target_domain : str, optional
        With `domain_column`: its value that is the target.
    methods : sequence of str, optional
        Ids of the methods to try; None is every method that fits.
    seed : int in [0, 2**32 - 1]
        Every random choice follows from it.
    jobs : int
        Candidates fitted at a time; -1 is one a core. The result does not depend on it.
    budget : float, optional
        Seconds after which no new candidate is started, and those that still run are ended. The baselines always run. What
        was not done is missing from the choice too; resume with more time to have it.
    strict : bool
        Whether a broken file in a folder is an error instead of a warning.
    model : str or sequence of str, optional
        The pretrained network for images, texts or audio, as in ``"timm:resnet18"`` or
        ``"file:weights.safetensors?arch=timm:resnet18"``; ``"auto"`` and None are the usual one for such data. Several
        are compared where `sources` is empty.
    text : str, optional
        The column of a table that holds the texts.
    epochs : int, optional
        Passes over the training rows of every network that is trained; None follows from their number.
    assume : {"nothing", "same-priors", "label-shift"}
        What may be taken for granted of the target's class shares where its labels are unknown: nothing; that they are
        roughly the source's; or that they moved, and nothing else did. A change of the shares cannot be told from other
        shifts by any rule, so what is assumed decides what may be promised.
    target_shares : mapping of class to float, or sequence of "CLASS=SHARE", optional
        The target's class shares, where they are known: one a class of the source, of sum 1. Stands for `assume`.
    distil : bool
        Whether a vote that wins is replaced with one plain model that it teaches; the report says what that costs.
    tune : int in [0, inf)
        Settings of the model inside the methods that Optuna tries, each judged by cross-validation of the source's labels; 0
        keeps the few that are always compared. With a budget at most a quarter of it is spent on this. Needs the extra
        ``tune``.
    tune_proposal : int in [0, inf)
        With a few target labels: settings of the one method that they test, its own numbers and those of the model inside it,
        that Optuna tries, each judged by cross-validation of these labels; 0 tunes nothing. Every fold of the test tunes anew
        without the labels that it tests with. With a budget at most a quarter of it is spent on this. Needs the extra ``tune``.
    engine : {"local", "dask", "ray"}
        Where candidates are fitted: in processes of this machine, or by the workers of a cluster, which must see the
        run's folder. The result does not depend on it. On a cluster `jobs` does not count, and what runs when the budget
        is used up is waited for.
    address : str, optional
        Of the cluster, as in ``"tcp://host:8786"``; needed for dask.
    pairs : path or array-like of shape (n_pairs, 2), optional
        Rows of the sources and of the target that are the same thing, where the target has columns of its own: a CSV file with
        the columns ``source`` and ``target``, numbers of rows from 0, those of several sources one after the other.

    Raises
    ------
    ParamError
        If an option is outside its range, named in the message.

    Examples
    --------
    >>> from transferkit import TransferTask
    >>> TransferTask(sources=["a.csv"], target="b.csv", label="y").target_labels
    'auto'
    """

    sources: Sequence[Any]
    target: Any
    label: str | None = None
    kind: str = "auto"
    target_labels: str = "auto"
    shots: int | None = None
    domain_column: str | None = None
    source_domains: Sequence[str] | None = None
    target_domain: str | None = None
    methods: Sequence[str] | None = None
    seed: int = 0
    jobs: int = -1
    budget: float | None = None
    strict: bool = False
    model: str | Sequence[str] | None = None
    text: str | None = None
    epochs: int | None = None
    assume: str = "nothing"
    target_shares: Mapping[Any, float] | Sequence[str] | None = None
    distil: bool = False
    tune: int = 0
    tune_proposal: int = 0
    engine: str = "local"
    address: str | None = None
    pairs: Any = None

    def __post_init__(self) -> None:
        def refuse(name: str, rule: str) -> ParamError:
            return ParamError(f"TransferTask: {name} must {rule}. Got {getattr(self, name)!r}.")

        if isinstance(self.sources, (str, Path)) or not isinstance(self.sources, Sequence):
            raise refuse("sources", "be a list of source domains")
        if not len(self.sources) and self.model is None:
            raise refuse("sources", "be a non-empty list of source domains, unless model is the source")
        if self.model is not None and not (self.models and all(isinstance(m, str) and m for m in self.models)):
            raise refuse("model", "be the name of a model, or a list of names")
        if len(self.sources) and len(self.models) > 1:
            raise refuse("model", "be one name where sources are domains")
        if not len(self.sources) and self.target_labels not in ("auto", "few"):
            raise refuse("target_labels", "be auto or few where a model is the source: it learns from them")
        for name in ("methods", "source_domains"):
            if isinstance(getattr(self, name), str):
                raise refuse(name, "be a list of names")
        for name in ("seed", "jobs", "shots", "epochs", "tune", "tune_proposal"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, Integral)):
                raise refuse(name, "be a whole number")
        if self.budget is not None and (isinstance(self.budget, bool) or not isinstance(self.budget, Real)):
            raise refuse("budget", "be a number of seconds")
        if self.kind not in KINDS:
            raise refuse("kind", f"be one of {', '.join(KINDS)}")
        if self.target_labels not in TARGET_LABELS:
            raise refuse("target_labels", f"be one of {', '.join(TARGET_LABELS)}")
        if self.shots is not None and (self.target_labels not in ("few", "auto") or self.shots < 1):
            raise refuse("shots", "be at least 1 and go with target_labels='few'")
        if self.epochs is not None and self.epochs < 1:
            raise refuse("epochs", "be at least 1")
        if self.assume not in ASSUME:
            raise refuse("assume", f"be one of {', '.join(ASSUME)}")
        if self.target_shares is not None:
            self._check_shares()
        if self.engine not in ENGINES:
            raise refuse("engine", f"be one of {', '.join(ENGINES)}")
        if not len(self.sources):
            alone, rows = "its networks are trained one at a time", "nothing is fitted on source rows"
            decide = "labels of the target decide"
            for name, usual, why in (
                ("engine", ("local",), alone), ("jobs", (-1, 1), alone), ("tune", (0,), rows), ("tune_proposal", (0,), rows),
                ("assume", ("nothing",), decide), ("target_shares", (None,), decide), ("distil", (False,), decide),
            ):  # fmt: skip
                if getattr(self, name) not in usual:
                    raise refuse(name, f"be left out where a model is the source: {why}")
        if (self.engine == "dask" and not self.address) or (self.engine == "local" and self.address is not None):
            raise refuse(
                "address", "be that of the scheduler, as in tcp://host:8786, with engine='dask', or of a ray cluster"
            )
        for name in ("tune", "tune_proposal"):
            if getattr(self, name) < 0:
                raise refuse(name, "be at least 0")
        if self.pairs is not None and (self.models or self.domain_column is not None or not len(self.sources)):
            raise refuse("pairs", "go with source and target tables of their own columns")
        if self.text is not None and self.domain_column is not None:
            raise refuse("text", "be left out with domain_column")
        if (self.domain_column is None) != (self.target_domain is None):
            raise refuse("target_domain", "be given together with domain_column")
        if self.source_domains is not None and self.domain_column is None:
            raise refuse("source_domains", "be given together with domain_column")
        if not 0 <= self.seed <= 2**32 - 1:
            raise refuse("seed", "be in [0, 4294967295]")
        if self.jobs == 0 or self.jobs < -1:
            raise refuse("jobs", "be at least 1, or -1 for one a core")
        if self.budget is not None and not self.budget > 0:
            raise refuse("budget", "be a positive number of seconds")

    @property
    def models(self) -> tuple[str, ...]:
        """The models that were named."""
        if self.model is None:
            return ()
        return (self.model,) if isinstance(self.model, str) else tuple(self.model)

    def _check_shares(self) -> None:
        given = self.target_shares
        try:
            shares = _named_shares(given)
        except (ValueError, TypeError):
            shares = {}
        twice = len(shares) < len(given) if isinstance(given, Sized) else False
        if (
            twice
            or len(shares) < 2
            or not all(0 <= v <= 1 for v in shares.values())
            or abs(sum(shares.values()) - 1) > 0.02
        ):
            raise ParamError(
                "TransferTask: target_shares must name two classes or more, each once, with shares in [0, 1] that sum to 1, as in"
                f" a=0.3,b=0.7. Got {given!r}."
            )
        if self.assume != "nothing":
            raise ParamError("TransferTask: target_shares must stand alone: it says what assume would leave open.")

    def shares_of(self, classes: Array) -> dict[Any, float] | None:
        """The given shares by class, scaled to sum exactly 1; None where none were given.

        Raises
        ------
        ParamError
            If the classes that were named are not those of the source.
        """
        if self.target_shares is None:
            return None
        named = _named_shares(self.target_shares)
        own = classes.tolist()
        found = {class_of(name, own): share for name, share in named.items()}
        if set(found) != set(own) or len(found) < len(named):
            raise ParamError(
                f"TransferTask: target_shares must name the source's classes, {', '.join(map(str, own[:20]))}."
                f" Got {', '.join(list(named)[:20])}."
            )
        total = sum(found.values())
        return {c: share / total for c, share in found.items()}

    @property
    def mode(self) -> Literal["nothing", "same-priors", "label-shift", "target-shares"]:
        """What is known of the target's class shares."""
        return "target-shares" if self.target_shares is not None else self.assume  # type: ignore[return-value]

    @property
    def options(self) -> dict[str, Any]:
        """What was asked, as plain values; without where and how long it runs, which a resumed run may change."""
        plain: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in ("jobs", "budget", "engine", "address") or value is None:
                continue
            if field.name in ("sources", "target"):
                value = [place_of(v) for v in value] if field.name == "sources" else place_of(value)
            if field.name == "target_shares":
                value = [f"{name}={share!r}" for name, share in _named_shares(value).items()]
            if (field.name, value) in (("assume", "nothing"), ("distil", False), ("tune", 0), ("tune_proposal", 0)):
                continue  # defaults: runs from before these were options resume
            if field.name == "model":
                value = [model_place(m) for m in self.models]
            if field.name == "pairs":
                value = place_of(value) if isinstance(value, (str, Path)) else np.asarray(value).tolist()
            if isinstance(value, Integral) and not isinstance(value, bool):
                value = int(value)
            plain[field.name] = list(value) if isinstance(value, tuple) else value
        return plain

    @property
    def from_files(self) -> bool:
        """Whether every domain is named by text, so that the task can be written down and read again."""
        return all(isinstance(v, (str, Path)) for v in [*self.sources, self.target])

    @classmethod
    def from_toml(cls, path: Path) -> Self:
        """Read a task as `run.toml` holds it.

        Raises
        ------
        DataError
            If the file is missing or is not such a task.
        """
        try:
            raw = tomllib.loads(path.read_text(encoding="utf-8"))
            return cls(**raw["task"])
        except OSError as err:
            raise DataError(f"{path}: cannot be read ({err.strerror}). Is this the folder of a run?") from err
        except (tomllib.TOMLDecodeError, KeyError, TypeError) as err:
            raise DataError(f"{path}: is not the task of a run of this version ({err}).") from err


def place_of(value: Any) -> str:
    """How a domain is written down: a file by its full path, so that a run can be resumed from any folder."""
    name = name_of(value)
    is_place = isinstance(value, (str, Path)) and (Path(name).exists() or ":" not in name)
    return os.path.abspath(name) if is_place else name


def model_place(name: str) -> str:
    """A model's name with the full path where it names a file or folder, so that a run can be resumed from any folder."""
    scheme, colon, rest = name.partition(":")
    path, mark, options = rest.partition("?")
    return f"{scheme}:{os.path.abspath(path)}{mark}{options}" if colon and path and Path(path).exists() else name


def name_of(value: Any) -> str:
    """How a domain is called: what was given, or its own name."""
    if isinstance(value, (str, Path)):
        return str(value)
    return value.name if isinstance(value, Domain) else type(value).__name__
