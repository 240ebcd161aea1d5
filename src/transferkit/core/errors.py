"""The one tree of errors, so that a caller can catch everything of ours by one name."""

__all__ = [
    "DataError",
    "DomainError",
    "MissingExtraError",
    "ParamError",
    "TrainingError",
    "TransferError",
    "TransferWarning",
]


class TransferError(Exception):
    """Anything that transferkit refuses; the message names the argument, the rule and what was got."""


class DomainError(TransferError, ValueError):
    """A source or target that a method cannot work on."""


class ParamError(TransferError, ValueError):
    """A constructor parameter or an option outside its declared range."""


class DataError(TransferError, ValueError):
    """A file, column or saved folder that cannot be read or written."""


class MissingExtraError(TransferError, ImportError):
    """A method whose optional dependency is not installed."""


class TrainingError(TransferError, RuntimeError):
    """A training that cannot go on; what was reached before is kept."""


class TransferWarning(UserWarning):
    """Something the user should know, after which the result is still valid."""
