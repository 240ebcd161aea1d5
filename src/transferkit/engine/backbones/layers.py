"""Features of chosen layers, pooled and joined, or the unpooled map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...core.errors import ParamError

__all__ = ["LayerFeatures", "first_tensor", "last_map", "output_shapes"]


class LayerFeatures(nn.Module):
    """A network whose output is what chosen modules of it put out.

    Parameters
    ----------
    model : Module
        Put out by ``model(x)`` itself are the features called "out".
    layers : sequence of str
        Modules of `model`, or "out".
    l2 : bool, default=False
        Whether each row is divided by its norm at the end.
    pool : {"mean", "none"}, default="mean"
        Average over places (image) or tokens (text, without padding) and join layers; or the map of the one layer as it
        is, of shape (batch, n_features, height, width).
    channels_last : bool, default=False
        Whether the model's maps have the channels on the last axis.
    """

    def __init__(
        self,
        model: nn.Module,
        layers: Sequence[str],
        l2: bool = False,
        pool: str = "mean",
        channels_last: bool = False,
    ) -> None:
        super().__init__()
        self.model = model
        self.layers, self.l2, self.pool, self.channels_last = tuple(layers), l2, pool, channels_last
        names = [name for name, _ in model.named_modules() if name]
        for layer in self.layers:
            if layer != "out" and layer not in names:
                raise ParamError(
                    f"layers must name modules of the network, or 'out'. Got {layer!r}.{_near(layer, names)}"
                )

    def forward(self, x: Any) -> Tensor:
        """Features of shape (batch, n_features)."""
        found: dict[str, Any] = {}
        modules = dict(self.model.named_modules())
        hooks = [modules[n].register_forward_hook(_keep(found, n)) for n in self.layers if n != "out"]
        try:
            found["out"] = self.model(x)
        finally:
            for hook in hooks:
                hook.remove()
        mask = x.get("attention_mask") if isinstance(x, Mapping) else None
        parts = [self._shaped(first_tensor(found[name]), mask) for name in self.layers]
        joined = torch.cat(parts, dim=1) if len(parts) > 1 else parts[0]
        return functional.normalize(joined, dim=1) if self.l2 else joined

    def _shaped(self, z: Tensor, mask: Tensor | None) -> Tensor:
        if z.ndim == 4 and self.channels_last:
            z = z.permute(0, 3, 1, 2)
        if self.pool == "none":
            if z.ndim != 4:
                raise ParamError(
                    f"pool must be 'mean' where the network has no map. Got 'none', shape {tuple(z.shape)}."
                )
            return z
        if z.ndim == 3 and mask is not None and mask.shape == z.shape[:2]:
            weight = mask[:, :, None].to(z.dtype)
            return (z * weight).sum(dim=1) / weight.sum(dim=1)
        if z.ndim == 3:
            return z.mean(dim=1)
        return z.mean(dim=(2, 3)) if z.ndim == 4 else z


def first_tensor(value: Any) -> Tensor:
    """The tensor that a module put out, or the first one of several."""
    while not isinstance(value, Tensor):
        value = next(iter(value.values())) if isinstance(value, Mapping) else value[0]
    return value


def _keep(found: dict[str, Any], name: str) -> Any:
    def hook(_module: nn.Module, _args: Any, output: Any) -> None:
        found[name] = output

    return hook


def _near(name: str, names: Sequence[str]) -> str:
    import difflib

    near = difflib.get_close_matches(name, names, n=3) or [n for n in names if n.count(".") == 0][:8]
    return f" Near: {', '.join(near)}."


def _watched(model: nn.Module, x: Any) -> list[tuple[str, nn.Module, tuple[int, ...]]]:
    """The modules that put out a tensor (or several; then it is the first), in order of completion, with its shape."""
    seen: list[tuple[str, nn.Module, tuple[int, ...]]] = []

    def watch(name: str) -> Any:
        def hook(module: nn.Module, _args: Any, output: Any) -> None:
            if isinstance(output, (Tensor, tuple, list, Mapping)) and len(output):
                seen.append((name, module, tuple(first_tensor(output).shape)))

        return hook

    hooks = [m.register_forward_hook(watch(n)) for n, m in model.named_modules()]
    try:
        with torch.no_grad():
            model(x)
    finally:
        for hook in hooks:
            hook.remove()
    return seen


def output_shapes(model: nn.Module, layers: Sequence[str], x: Any) -> list[tuple[int, ...]]:
    """Shapes of what some modules put out; "out" is the network."""
    shapes = {name: shape for name, _, shape in _watched(model, x)}
    return [shapes.get("" if layer == "out" else layer, ()) for layer in layers]


def last_map(model: nn.Module, x: Any) -> str:
    """The module whose map of shape (batch, n_features, height, width) is pooled into the features.

    Raises
    ------
    ParamError
        If the network makes no maps.
    """
    seen = [(name, "Pool" in type(module).__name__, shape) for name, module, shape in _watched(model, x)]
    # A global pooling leaves one place; after the last of them come only head layers.
    ends = [k for k, (_, pools, shape) in enumerate(seen) if pools and (len(shape) == 2 or shape[2:] == (1, 1))]
    before = seen[: ends[-1]] if ends else seen
    inside = seen[ends[-1]][0] + "." if ends else "-"
    maps = [n for n, pools, shape in before if n and len(shape) == 4 and not pools and not n.startswith(inside)]
    if not maps:
        raise ParamError("load_backbone: pool must be 'mean' for a network that makes no maps. Got 'none'.")
    return maps[-1]
