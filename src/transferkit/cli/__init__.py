"""The command line: `transferkit COMMAND`. One module a group of commands; each imports what it needs when it is called."""

from .app import main

__all__ = ["main"]
