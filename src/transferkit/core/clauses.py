"""Tests in first-order logic and trees of them: plain data that can be read, saved and changed by hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Literal", "Node", "describe_tree", "leaves", "predicates_of", "tree_rules", "variable_name"]


@dataclass(frozen=True)
class Literal:
    """An atom with variables.

    Parameters
    ----------
    predicate : str
        Its name.
    args : tuple of int or str
        An int is a variable: 0 to arity - 1 are the arguments of the atom that the rule is about, higher ones exist
        ("there is a"). A str is a constant.
    """

    predicate: str
    args: tuple[int | str, ...]

    @property
    def variables(self) -> tuple[int, ...]:
        """Its variables, in order."""
        return tuple(a for a in self.args if isinstance(a, int))

    def __str__(self) -> str:
        names = (variable_name(a) if isinstance(a, int) else f'"{a}"' for a in self.args)
        return f"{self.predicate}({', '.join(names)})"


@dataclass(frozen=True)
class Node:
    """A node of a relational regression tree: a leaf with a value, or a test with two branches.

    The test is a conjunction, and it may use the variables of the tests above it that came out true: an example passes if
    there are constants for which all of these and this one are facts. In the branch ``no`` no new variable exists.

    Parameters
    ----------
    value : float
        The leaf's value; of an inner node the mean that a leaf here would have.
    weight : float
        Summed weight of the training examples that came here.
    test : tuple of Literal
        Empty for a leaf.
    yes, no : Node or None
        Where examples go that pass, and all others.
    """

    value: float
    weight: float = 0.0
    test: tuple[Literal, ...] = ()
    yes: Node | None = None
    no: Node | None = None

    @property
    def is_leaf(self) -> bool:
        """Whether it has no test."""
        return not self.test


def variable_name(number: int) -> str:
    """A, B, ..., Z, A1, B1, ..."""
    letter, round_ = chr(ord("A") + number % 26), number // 26
    return letter + (str(round_) if round_ else "")


def leaves(node: Node, path: tuple[Literal, ...] = ()) -> Iterator[tuple[tuple[Literal, ...], Node]]:
    """Each leaf with the literals that hold there (those of the tests that came out true), ``yes`` first."""
    if node.yes is None or node.no is None:
        yield path, node
        return
    yield from leaves(node.yes, path + node.test)
    yield from leaves(node.no, path)


def predicates_of(node: Node) -> set[str]:
    """Names of the predicates that a tree tests."""
    if node.yes is None or node.no is None:
        return set()
    return {literal.predicate for literal in node.test} | predicates_of(node.yes) | predicates_of(node.no)


def describe_tree(node: Node, indent: str = "") -> str:
    """A tree as lines of ``if ... then ... else``, with the value and the weight of each leaf."""
    if node.yes is None or node.no is None:
        return f"{indent}{node.value:+.3f}  ({node.weight:g} examples)"
    test = " and ".join(str(literal) for literal in node.test)
    inner = indent + "  "
    return f"{indent}if {test}:\n{describe_tree(node.yes, inner)}\n{indent}else:\n{describe_tree(node.no, inner)}"


def tree_rules(head: str, arity: int, node: Node) -> list[str]:
    """A tree as an ordered list of rules ``value: head <- body``, of which the first that fits an example counts."""
    found: list[str] = []
    atom = f"{head}({', '.join(variable_name(k) for k in range(arity))})"
    for path, leaf in leaves(node):
        body = ", ".join(str(literal) for literal in path)
        found.append(f"{leaf.value:+.3f}: {atom}" + (f" <- {body}" if body else ""))
    return found
