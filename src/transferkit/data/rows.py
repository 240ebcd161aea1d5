"""What every reader takes and gives: a question, and the rows, labels and domain names of one file."""

from __future__ import annotations

import difflib
import gzip
import io
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from warnings import warn

from ..core.errors import DataError, TransferWarning
from ..core.protocols import Array
from .samples import Samples

__all__ = ["Ask", "Part", "find_name", "first_line", "no_such_name", "opened", "payload", "reading", "tell_skipped"]

_SHOWN = 20  # names listed in a message


@dataclass(frozen=True)
class Ask:
    """What is wanted from a file; the arguments of `read` that a reader needs."""

    label: str | int | None = None
    domain_column: str | None = None
    require_label: bool = False
    n_features: int | None = None
    strict: bool = False
    samples: str | None = None  # the kind of samples that the source holds; None: find out
    path: str | int | None = None
    text: str | int | None = None
    split: str | None = None
    check: Literal["header", "decode"] = "decode"
    window: int | None = None
    hop: int | None = None
    empty: bool = False  # whether a table without rows is one
    columns: Mapping[str, str] | None = None  # the features that are wanted, and what each holds; None: find out


@dataclass(frozen=True, eq=False)
class Part:
    """The rows of one file.

    Attributes
    ----------
    X : polars.DataFrame, array or CSR matrix of shape (n_samples, n_features), or Samples
    y : array of shape (n_samples,) or None
    known : bool array of shape (n_samples,) or None
        Where `y` is a label; None is everywhere.
    groups : array of str of shape (n_samples,) or None
        The values of the domain column, where one was asked for.
    origin : str
        What messages call the file.
    typed : mapping of str to Series of str
        Columns as they were typed whose texts were taken for dates or booleans, which other files may tell otherwise.
    """

    X: Any
    y: Array | None
    known: Array | None
    groups: Array | None
    origin: str
    typed: Mapping[str, Any] = field(default_factory=dict)

    @property
    def n_rows(self) -> int:
        return len(self.X) if isinstance(self.X, Samples) else int(self.X.shape[0])


def no_such_name(origin: str, argument: str, wanted: Any, names: Sequence[str], noun: str = "column") -> DataError:
    """The error for a name that is not there: near names first, then all of them."""
    near = difflib.get_close_matches(str(wanted), names, n=3, cutoff=0.6)
    near += [n for n in names if n not in near and _loose(str(wanted)) in _loose(n)][: 3 - len(near)]
    hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
    listed = ", ".join(names[:_SHOWN]) + (f", ... ({len(names)} in all)" if len(names) > _SHOWN else "")
    return DataError(f"{origin}: {argument} must name a {noun}. Got {wanted!r}.{hint} It has: {listed}.")


def find_name(names: Sequence[str], wanted: str | int, origin: str, argument: str, *, required: bool) -> str | None:
    """The one of `names` that is meant: by name, by index (3, -1, "-1") or "last".

    Raises
    ------
    DataError
        If there is none and it is required, or if one differs by case or blanks only: that is a slip, not an absence.
    """
    if isinstance(wanted, str):
        if wanted in names:
            return wanted
        if wanted == "last":
            return names[-1]
    if isinstance(wanted, int) or re.fullmatch(r"-\d+", wanted):
        index = int(wanted)
        if -len(names) <= index < len(names):
            return names[index]
    elif not required and _loose(wanted) not in map(_loose, names):
        return None
    raise no_such_name(origin, argument, wanted, names)


def _loose(name: str) -> str:
    return re.sub(r"[\s_.-]", "", name).casefold()


def first_line(err: BaseException) -> str:
    """The first line of a library's message, or the error's kind where it says nothing."""
    lines = str(err).strip().splitlines()
    return lines[0][:200] if lines else type(err).__name__


@contextmanager
def reading(origin: str, kind: str, *errors: type[Exception]) -> Iterator[None]:
    """Turn whatever a library raises over a broken file into one line that names the file.

    A damaged file makes parsers fail in any way at all (an index out of range, a key that is missing), so the usual
    ones are caught together here, around the parser's call and nothing else.
    """
    usual = (
        OSError, ValueError, TypeError, LookupError, EOFError, ArithmeticError, AttributeError, NotImplementedError,
        MemoryError, RuntimeError, SyntaxError, zlib.error,
    )  # fmt: skip
    try:
        yield
    except DataError:
        raise
    except (*usual, *errors) as err:
        raise DataError(
            f"{origin}: the file must be readable as {kind}. It may be truncated or of another kind. Got: {first_line(err)}"
        ) from err


def payload(path: Path) -> str | io.BytesIO:
    """What to hand to a library: the path, or the content where the file is gzipped."""
    if path.suffix.lower() != ".gz":
        return str(path)
    with reading(str(path), "gzip"):
        return io.BytesIO(gzip.decompress(path.read_bytes()))


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The content as an open binary file, for libraries that forget to close a path they fail on."""
    content = payload(path)
    with open(content, "rb") if isinstance(content, str) else content as file:
        yield file


def tell_skipped(broken: Sequence[str], total: int, noun: str, origin: str, strict: bool, n_read: int) -> None:
    """Tell what was left out.

    Parameters
    ----------
    broken : sequence of str
        What, and why.
    total : int
        How many there were.
    noun, origin : str
        What messages call them, and their source.
    strict : bool
        Whether a broken one is an error.
    n_read : int
        How many are left.

    Raises
    ------
    DataError
        If none is left, or with `strict`.

    Warns
    -----
    TransferWarning
        Once for all.
    """
    shown = "; ".join(broken[:_SHOWN]) + (f"; and {len(broken) - _SHOWN} more" if len(broken) > _SHOWN else "")
    if not n_read:
        raise DataError(f"{origin}: there must be {noun} that can be read. Got none.{' ' + shown if shown else ''}")
    if broken and strict:
        raise DataError(f"{origin}: {len(broken)} of {total} {noun} cannot be used: {shown}")
    if broken:
        warn(f"{origin}: skipped {len(broken)} of {total} {noun}: {shown}", TransferWarning, stacklevel=2)
