"""Why an atom is predicted as it is: what came true in each tree and what did not, with constants that show it."""

from __future__ import annotations

from collections.abc import Sequence

from scipy.special import expit

from ...core.clauses import Literal, Node, variable_name
from .coverage import Grounder

__all__ = ["explain_atom"]

Conjunction = tuple[Literal, ...]


def explain_atom(grounder: Grounder, example: int, name: str, trees: Sequence[Node], prior: float) -> str:
    """The parts that make up an atom's log-odds, those that weigh most first; trees that say the same are added up.

    Parameters
    ----------
    grounder : Grounder
        Over the atom and others.
    example : int
        Which it is.
    name : str
        Its predicate.
    trees : sequence of Node
        The model.
    prior : float
        Log-odds before the first tree.

    Returns
    -------
    text : str
    """
    args = grounder.witness(example, ()) or {}
    parts: dict[frozenset[str], tuple[str, list[float]]] = {}
    for tree in trees:
        value, said, text = _reason(grounder, example, args, tree)
        parts.setdefault(said, (text, []))[1].append(value)
    total = prior + sum(sum(values) for _, values in parts.values())
    lines = [
        f"{name}({', '.join(args.values())}): probability {expit(total):.3f}, log-odds {total:+.3f}",
        f"  {prior:+.3f}  before the first tree",
    ]
    for text, values in sorted(parts.values(), key=lambda part: -abs(sum(part[1]))):
        lines.append(f"  {sum(values):+.3f}  {'' if len(values) == 1 else f'in {len(values)} trees: '}{text}")
    return "\n".join(lines)


def _reason(grounder: Grounder, example: int, args: dict[int, str], node: Node) -> tuple[float, frozenset[str], str]:
    """The value of the leaf that an example comes to; what holds on the way there and what does not, as a set and in order."""
    path: Conjunction = ()
    failed: list[str] = []
    while (yes := node.yes) is not None and (no := node.no) is not None:
        if grounder.covered(path + node.test)[example]:
            path, node = path + node.test, yes
        else:
            text = ", ".join(_texts(node.test, _names(path, args), new="'"))
            failed.append(f"not ({text})")
            node = no
    holds = _texts(path, _names(path, args))
    found = grounder.witness(example, path) or {}
    others = ", ".join(f"{variable_name(v)} = {constant}" for v, constant in sorted(found.items()) if v not in args)
    shown = [", ".join(holds) + (f" [{others}]" if others else "")] if holds else []
    return node.value, frozenset([*holds, *failed]), "; ".join([*shown, *failed]) or "whatever holds"


def _names(path: Conjunction, args: dict[int, str]) -> dict[int, str]:
    """The atom's own constants, and letters for the variables of what holds."""
    return {v: variable_name(v) for literal in path for v in literal.variables} | args


def _texts(test: Conjunction, names: dict[int, str], new: str = "") -> list[str]:
    """The literals of a conjunction; a variable without a name has its letter and `new`."""
    words = {v: names.get(v, variable_name(v) + new) for literal in test for v in literal.variables}
    parts = ((one.predicate, [a if isinstance(a, str) else words[a] for a in one.args]) for one in test)
    return [f"{predicate}({', '.join(args)})" for predicate, args in parts]
