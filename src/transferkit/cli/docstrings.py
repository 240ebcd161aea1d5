"""Read a numpydoc docstring, where a parameter is described once for help, docs and report."""

from __future__ import annotations

import re

__all__ = ["parameters", "sections"]


def sections(doc: str) -> dict[str, str]:
    """Section title -> text; what stands before the first title is under ``""``."""
    found: dict[str, list[str]] = {"": []}
    title = ""
    lines = doc.splitlines()
    for k, line in enumerate(lines):
        if k + 1 < len(lines) and line.strip() and re.fullmatch(r"-{3,}", lines[k + 1].strip()):
            title = line.strip()
            found[title] = []
        elif not (re.fullmatch(r"-{3,}", line.strip()) and title):
            found[title].append(line)
    return {name: "\n".join(text).strip("\n") for name, text in found.items()}


def parameters(text: str) -> list[dict[str, str]]:
    """The entries of a Parameters section: name, type with default, description in one line."""
    found: list[dict[str, str]] = []
    for line in text.splitlines():
        if line and not line.startswith(" "):
            name, _, kind = line.partition(" : ")
            found.append({"name": name.strip(), "type": kind.strip(), "description": ""})
        elif found and line.strip():
            found[-1]["description"] = f"{found[-1]['description']} {line.strip()}".strip()
    return found
