"""Finding parts of a module by name, and small trainable parts that sit on a layer without changing any other name.

A trainable part (`Part`) is a child of the layer that it changes. A hook of the layer calls it with the layer's input and
output. So every parameter that was there keeps its name, the layer keeps its class, several parts can sit on one layer
(they act in the order in which they came), and a copy of the module has copies of its parts.
"""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from torch import Tensor, nn

from ...core.constraints import Either, Fulfils, Nothing, Rule
from ...core.errors import ParamError

__all__ = [
    "PATTERNS",
    "Hook",
    "InputPart",
    "Part",
    "WeightPart",
    "attach",
    "check_option",
    "detach",
    "find",
    "first_tensor",
    "matches",
    "parts_of",
    "replace",
]


class Part(nn.Module, ABC):
    """A trainable part that sits on one layer and changes its output.

    Attributes
    ----------
    order : int
        Which edit of the module it belongs to, counted from 0; -1 is none yet.
    edit : dict
        That edit, as JSON.
    used : bool
        Whether a forward pass came by. A layer whose weight is read by its parent, and which is never called, has parts
        that are never used: `transferkit.ops.nn.edits.unused` finds them.
    reads_input : bool
        Whether the layer's input enters the change.
    of_parent : bool
        Whether it sits on a child of the layer that it belongs to (between a normalisation and its built-in activation).
    """

    order: int = -1
    edit: Mapping[str, Any] = {}
    used: bool = False
    reads_input: bool = False
    of_parent: bool = False

    @abstractmethod
    def forward(self, x: Any, output: Tensor) -> Tensor:
        """The changed output of the layer.

        Parameters
        ----------
        x : Tensor
            What the layer got.
        output : Tensor
            What the layer made of it, after the parts that sit there since earlier.
        """

    def register(self, layer: nn.Module, name: str) -> None:
        """Let the layer call this part, which is its child of that name."""
        layer.register_forward_hook(_AfterLayer(name), with_kwargs=True)

    def merge(self, layer: nn.Module) -> None:
        """Fold this part into the layer's own parameters. Only called where `can_merge` is true."""
        raise NotImplementedError

    def can_merge(self, layer: nn.Module) -> bool:
        """Whether `merge` leaves the outputs of the layer, in evaluation mode, as they are."""
        return False


class InputPart(Part, ABC):
    """A trainable part that changes what its layer gets, before the layer sees it."""

    @abstractmethod
    def forward(self, x: Tensor, output: None = None) -> Tensor:
        """The changed input of the layer."""

    def register(self, layer: nn.Module, name: str) -> None:
        """Let the layer call this part before itself."""
        layer.register_forward_pre_hook(_BeforeLayer(name), with_kwargs=True)


class WeightPart(Part, ABC):
    """A trainable part that changes parameters of its layer for the length of a call.

    For layers that hand parameters of their own, or of their children, to a function, such as `nn.MultiheadAttention`.
    """

    @abstractmethod
    def forward(self, x: nn.Module, output: None = None) -> dict[str, Tensor]:
        """What takes the place of the parameters of these names below the layer; `x` is the layer."""

    def register(self, layer: nn.Module, name: str) -> None:
        """Let the layer call this part before itself."""
        layer.register_forward_pre_hook(_ShadowParameters(name))
        layer.register_forward_hook(_UncoverParameters(name), always_call=True)

    def can_merge(self, layer: nn.Module) -> bool:
        """Always: what the call would use becomes the parameter."""
        return True

    def merge(self, layer: nn.Module) -> None:
        """Write what the call would use into the layer's parameters."""
        for name, value in self(layer).items():
            layer.get_parameter(name).data.copy_(value)


class Hook:
    """Calls a child of the layer by its name. It holds no module, so that a deep copy of the layer calls its own child."""

    def __init__(self, name: str) -> None:
        self.name = name


class _AfterLayer(Hook):
    def __call__(self, layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> Any:
        part = layer._modules[self.name]
        part.used = True
        x = args[0] if args else next(iter(kwargs.values()))
        if isinstance(output, tuple):  # attention layers give (output, weights)
            return (part(x, output[0]), *output[1:])
        return part(x, output)


class _BeforeLayer(Hook):
    def __call__(self, layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        part = layer._modules[self.name]
        part.used = True
        if args:
            return (part(args[0]), *args[1:]), kwargs
        first = next(iter(kwargs))
        return args, {**kwargs, first: part(kwargs[first])}


class _ShadowParameters(Hook):
    """An attribute of the object hides the registered parameter of the same name, which stays where it is."""

    def __call__(self, layer: nn.Module, args: Any) -> None:
        part = layer._modules[self.name]
        part.used = True
        for name, value in part(layer).items():
            path, _, last = name.rpartition(".")
            layer.get_submodule(path).__dict__[last] = value


class _UncoverParameters(Hook):
    def __call__(self, layer: nn.Module, args: Any, output: Any) -> None:
        for owner in (layer, *layer.children()):
            for name in owner._parameters.keys() & owner.__dict__.keys():
                del owner.__dict__[name]


def attach(layer: nn.Module, name: str, part: Part) -> str:
    """Put a part on a layer.

    Parameters
    ----------
    layer : Module
        Changed in place: gets one child and one hook.
    name : str
        The child's name; a number is added where it is taken.
    part : Part
        Moved to the device of the layer's parameters.

    Returns
    -------
    str
        The name under which it is a child.
    """
    taken, free = 2, name
    while free in layer._modules or hasattr(layer, free):
        free, taken = f"{name}{taken}", taken + 1
    place = next(layer.parameters(), None)
    if place is not None:
        part.to(device=place.device, dtype=place.dtype if place.is_floating_point() else None)
    part.train(layer.training)
    layer.add_module(free, part)
    part.register(layer, free)
    return free


def detach(layer: nn.Module, name: str) -> None:
    """Take the part of that name, and its hook, off a layer."""
    for hooks, kwargs in (
        (layer._forward_hooks, layer._forward_hooks_with_kwargs),
        (layer._forward_pre_hooks, layer._forward_pre_hooks_with_kwargs),
    ):
        for key in [k for k, hook in hooks.items() if isinstance(hook, Hook) and hook.name == name]:
            del hooks[key]
            kwargs.pop(key, None)
    del layer._modules[name]


def parts_of(module: nn.Module) -> Iterator[tuple[str, nn.Module, str, Part]]:
    """Every part in a module, as (name of the layer, layer, name of the child, part), each layer's in order of action."""
    for name, layer in module.named_modules():
        if isinstance(layer, Part):
            continue
        for child, part in layer.named_children():
            if isinstance(part, Part):
                yield name, layer, child, part


# What a constructor parameter that names layers must be.
PATTERNS: Rule = Either(
    Nothing(),
    Fulfils("be None, a pattern or a sequence of patterns", lambda v: isinstance(v, (str, list, tuple)) and len(v) > 0),
)


def matches(name: str, patterns: str | Sequence[str]) -> bool:
    """Whether a full module name fits one of the patterns, as a whole or from one of its dots on.

    Examples
    --------
    >>> from transferkit.ops.nn.structure import matches
    >>> matches("blocks.0.attn.qkv", "qkv"), matches("blocks.0.attn.qkv", "blocks.*.qkv"), matches("mlp.fc1", "fc")
    (True, True, False)
    """
    patterns = [patterns] if isinstance(patterns, str) else patterns
    return any(fnmatchcase(name, p) or fnmatchcase(name, f"*.{p}") for p in patterns)


def find(
    module: nn.Module,
    patterns: str | Sequence[str] | None = None,
    able: Callable[[nn.Module], bool] = lambda layer: True,
    *,
    where: str = "find",
    kind: str = "modules",
) -> list[tuple[str, nn.Module]]:
    """Submodules by name and by type, each one once, in the order of ``module.named_modules()``.

    What belongs to a `Part` is no layer of the network and is never found.

    Parameters
    ----------
    module : Module
        Where to look; itself has the name "".
    patterns : str or sequence of str, optional
        `fnmatch` patterns for the full name or for its end after a dot; None is all.
    able : callable
        Which of them are wanted.
    where, kind : str
        For the message: who asks, and what `able` stands for.

    Returns
    -------
    list of (name, submodule)

    Raises
    ------
    ParamError
        If one of the patterns matches nothing that is wanted; the nearest names are offered.

    Examples
    --------
    >>> from torch import nn
    >>> from transferkit.ops.nn.structure import find
    >>> net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    >>> [name for name, _ in find(net, able=lambda m: isinstance(m, nn.Linear))]
    ['0', '2']
    """
    inside = {id(m) for _, _, _, part in parts_of(module) for m in part.modules()}
    known = [(n, m) for n, m in module.named_modules() if id(m) not in inside and able(m)]
    if patterns is None:
        return known
    patterns = [patterns] if isinstance(patterns, str) else list(patterns)
    for pattern in patterns:
        if not any(matches(n, pattern) for n, _ in known):
            names = [n for n, _ in known]
            near = difflib.get_close_matches(pattern, names, n=5, cutoff=0.3) or names[:5]
            offer = f"such as {', '.join(near)}" if near else "of which there are none here"
            raise ParamError(f"{where}: layers must match {kind}, {offer}. Got {pattern!r}.")
    return [(n, m) for n, m in known if matches(n, patterns)]


def replace(module: nn.Module, name: str, new: nn.Module) -> nn.Module:
    """Put a module in the place of the submodule of that full name, and return what was there."""
    path, _, last = name.rpartition(".")
    parent = module.get_submodule(path)
    old = parent.get_submodule(last)
    setattr(parent, last, new)
    return old


def first_tensor(output: Any) -> Tensor:
    """The tensor that a module's output is, or begins with (tuples, lists, mappings and outputs of transformers)."""
    while not isinstance(output, Tensor):
        output = next(iter(output.values())) if isinstance(output, Mapping) else output[0]
    return output


def check_option(edit: str, name: str, value: Any, rule: Rule) -> None:
    """Hold an option of an edit against its rule.

    Raises
    ------
    ParamError
        If it does not hold.
    """
    if not rule.holds(value):
        raise ParamError(f"apply_edit: {name} of {edit} must {rule.text}. Got {value!r}.")
