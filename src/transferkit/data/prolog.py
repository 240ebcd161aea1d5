"""Ground facts of Prolog text."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NoReturn

from ..core.errors import DataError
from .atoms import Collector, Records, Schema, text_of

__all__ = ["parse_prolog", "read_prolog"]

_TOKEN = re.compile(
    r"(?P<space>\s+|%[^\n]*|//[^\n]*|/\*.*?\*/)"
    r"|(?P<quoted>'(?:[^'\\]|''|\\.)*'|\"(?:[^\"\\]|\"\"|\\.)*\")"
    r"|(?P<word>-?\d+\.\d+(?:[eE][+-]?\d+)?|-?\w+)"
    r"|(?P<sign>\\\+|[(),.!])"
    r"|(?P<other>.)",
    re.DOTALL,
)
_NEGATIONS = ("neg", "not")


def read_prolog(path: str | Path, *, schema: Schema | None = None) -> Records:
    """Ground facts of a Prolog file, as in ``movie(oceans, clooney).``.

    Parameters
    ----------
    path : str or Path
        The file; ``.gz`` is unpacked.
    schema : mapping of str to sequence of str, optional
        Types of each predicate's arguments; a fact of another predicate or of another arity is then an error.

    Returns
    -------
    records : Records

    Raises
    ------
    DataError
        With the file and the line of what is no ground fact.
    """
    path = Path(path)
    return parse_prolog(text_of(path), origin=str(path), schema=schema)


def parse_prolog(text: str, *, origin: str = "text", schema: Schema | None = None) -> Records:
    """As `read_prolog`, of a text.

    Comments are ``% ...``, ``// ...`` and ``/* ... */``; constants with capitals or other signs in front are quoted.
    ``neg(p(a)).``, ``not(p(a)).``, ``\\+ p(a).`` and ``!p(a).`` state that a fact does not hold.

    Examples
    --------
    >>> from transferkit.data.prolog import parse_prolog
    >>> records = parse_prolog("movie(oceans, 'George C.').  % a comment\\nneg(movie(oceans, pitt)).")
    >>> records.positive, records.negative
    ({'movie': [('oceans', 'George C.')]}, {'movie': [('oceans', 'pitt')]})
    """
    collector = Collector(origin, schema)
    tokens = _Tokens(text, origin)
    while tokens.kind:
        place = tokens.place
        negative = tokens.skip("\\+") or tokens.skip("!")
        name, args = _atom(tokens)
        if args is None:
            tokens.fail("hold a ground fact with arguments")
        if name in _NEGATIONS and len(args) == 1 and isinstance(args[0], tuple):
            name, args, negative = args[0][0], args[0][1], not negative
        if any(isinstance(arg, tuple) for arg in args):
            raise DataError(f"{place}: the arguments of {name} must be constants. Got a compound term.")
        tokens.need(".")
        collector.add(name, args, bool(negative), place)
    return collector.records()


class _Tokens:
    """The text as words and signs, with the place of the one looked at."""

    def __init__(self, text: str, origin: str) -> None:
        self._text, self._origin = text, origin
        self._matches = _TOKEN.finditer(text)
        self._line, self._counted = 1, 0
        self.next()

    def next(self) -> None:
        for match in self._matches:
            if match.lastgroup != "space":
                self.kind, self.value, self._start = str(match.lastgroup), match.group(), match.start()
                return
        self.kind, self.value, self._start = "", "the end", len(self._text)

    @property
    def place(self) -> str:
        self._line += self._text.count("\n", self._counted, self._start)
        self._counted = self._start
        return f"{self._origin}:{self._line}"

    def fail(self, rule: str) -> NoReturn:
        raise DataError(f"{self.place}: the line must {rule}. Got {self.value!r}.")

    def skip(self, sign: str) -> bool:
        found = self.kind == "sign" and self.value == sign
        if found:
            self.next()
        return found

    def need(self, sign: str) -> None:
        if not self.skip(sign):
            self.fail(f"go on with {sign!r}")


def _atom(tokens: _Tokens, depth: int = 0) -> tuple[str, tuple[Any, ...] | None]:
    """A constant (without arguments), or a name with its arguments; of these, one that has arguments is a tuple."""
    if tokens.kind == "quoted":
        mark, inner = tokens.value[0], tokens.value[1:-1]
        name = re.sub(r"\\(.)", r"\1", inner.replace(mark * 2, mark), flags=re.DOTALL)
    elif tokens.kind == "word":
        name = tokens.value
        if name[0] == "_" or name[0].isupper():
            tokens.fail(
                "hold constants only: a word with a capital or _ in front is a variable; quote it to have a constant"
            )
    else:
        tokens.fail("hold a ground fact, as in pred(a, b)")
    tokens.next()
    if not tokens.skip("("):
        return name, None
    if depth > 2:  # neg(p(f(a))): this far the fact and the term in it can be named
        tokens.fail("hold constants, not compound terms")
    args: list[Any] = []
    while not args or tokens.skip(","):
        inner_name, inner_args = _atom(tokens, depth + 1)
        args.append(inner_name if inner_args is None else (inner_name, inner_args))
    tokens.need(")")
    return name, tuple(args)
