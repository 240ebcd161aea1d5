"""Prompt tuning: learned tokens that a frozen transformer reads beside its own."""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ...core.constraints import Boolean, Interval
from ...core.errors import ParamError
from .structure import Hook, InputPart, Part, attach, check_option

__all__ = ["prompts"]


def prompts(module: nn.Module, *, n_tokens: int = 10, deep: bool = False, dropout: float = 0.0) -> list[nn.Parameter]:
    """Give a vision transformer, or a text model of transformers, learned tokens.

    Parameters
    ----------
    module : Module
        A timm or torchvision ``VisionTransformer``, a ViT, DeiT or DINOv2 of transformers, a text model of transformers
        (encoder or decoder, not both), or a module that contains one. Changed in place.
    n_tokens : int >= 1, default=10
        How many tokens.
    deep : bool, default=False
        Whether every block gets tokens of its own, in the place of what the block before made of its tokens.
    dropout : float in [0, 1), default=0
        Dropout of the tokens in training.

    Returns
    -------
    list of Parameter
        The new ones: tokens of shape (n_tokens, d), one such, or with `deep` one a block.

    Raises
    ------
    ParamError
        If an option is out of its range, or the network has no tokens, or (when it runs) a text is too long for the
        positions that are left.

    Notes
    -----
    Images: the tokens come after the class token (and registers), behind the position embedding, and are taken out
    again before the last normalisation, so that no pooling sees them (Jia et al., eq. 4-7: VPT-shallow; with `deep`, eq.
    8: VPT-deep). They start uniform in ±sqrt(6 / (fan_in of the patch embedding + d)), as in the authors' code.

    Text: the tokens come before the text's own embeddings, the attention mask and the token types are extended (Lester et
    al., section 2); of the output they are cut off, and a pooler is run once more on what is left, so that it sees the
    text's first token. They start as rows drawn from the embedding table (Lester et al., section 3.2), those of deeper
    blocks as N(0, 0.02) numbers. The hidden states equal those of `peft.PromptTuningConfig` at equal tokens; peft does
    not cut the tokens off. Learned positions start at the first learned token, as in peft.

    The output at the start is not that of the network without tokens: there is no token that changes nothing. They do
    not fold into anything.

    References
    ----------
    Jia et al. Visual Prompt Tuning. ECCV 2022. https://arxiv.org/abs/2203.12119
    Lester, Al-Rfou & Constant. The Power of Scale for Parameter-Efficient Prompt Tuning. EMNLP 2021.
    https://arxiv.org/abs/2104.08691
    """
    check_option("prompts", "n_tokens", n_tokens, Interval(int, 1))
    check_option("prompts", "deep", deep, Boolean())
    check_option("prompts", "dropout", dropout, Interval(float, 0, 1, closed="left"))
    for found in module.modules():
        # A classifier of transformers contains the model that has the tokens.
        inner = found.base_model if _is_a(found, "PreTrainedModel", "transformers") else found
        if vision := _vision(inner):
            blocks, prefix, width = vision
            return _image_prompts(inner, blocks, prefix, width, n_tokens, deep, dropout)
        if _is_text(inner):
            return _text_prompts(inner, n_tokens, deep, dropout)
    raise ParamError(
        "apply_edit: module must be or contain a vision transformer (timm, torchvision, transformers) or a text model of "
        f"transformers to take prompts. Got {type(module).__name__}, which has no tokens to put them beside."
    )


def _is_a(module: nn.Module, name: str, package: str) -> bool:
    return any(c.__name__ == name and c.__module__.startswith(f"{package}.") for c in type(module).__mro__)


def _vision(module: nn.Module) -> tuple[Sequence[nn.Module], int, int] | None:
    """Blocks, number of tokens before the patches, and width."""
    if _is_a(module, "VisionTransformer", "timm"):
        return list(module.blocks), module.num_prefix_tokens, module.embed_dim
    if _is_a(module, "VisionTransformer", "torchvision"):
        return list(module.encoder.layers), 1, module.hidden_dim
    if _is_a(module, "PreTrainedModel", "transformers") and module.main_input_name == "pixel_values":
        special = ("cls_token", "distillation_token", "register_tokens")
        tokens = [getattr(getattr(module, "embeddings", None), name, None) for name in special]
        if tokens[0] is not None:
            prefix = sum(t.shape[1] for t in tokens if t is not None)
            return _hidden_layers(module), prefix, module.config.hidden_size
    return None


def _is_text(module: nn.Module) -> bool:
    known = _is_a(module, "PreTrainedModel", "transformers") and module.main_input_name == "input_ids"
    return known and not module.config.is_encoder_decoder


def _hidden_layers(module: nn.Module) -> list[nn.Module]:
    count = module.config.num_hidden_layers
    return next(list(m) for m in module.modules() if isinstance(m, nn.ModuleList) and len(m) == count)


def _image_prompts(
    module: nn.Module, blocks: Sequence[nn.Module], prefix: int, width: int, n_tokens: int, deep: bool, dropout: float
) -> list[nn.Parameter]:
    patch = next(m for m in module.modules() if isinstance(m, (nn.Conv2d, nn.Linear)))
    bound = math.sqrt(6 / (patch.weight[0].numel() + width))
    new: list[nn.Parameter] = []
    for block in blocks if deep else blocks[:1]:
        part = _Insert(torch.empty(n_tokens, width).uniform_(-bound, bound), prefix, dropout)
        attach(block, "prompts", part)
        new.append(part.tokens)
    for block in blocks if deep else blocks[-1:]:
        attach(block, "prompts_out", _TakeOut(n_tokens, prefix))
    return new


def _text_prompts(model: nn.Module, n_tokens: int, deep: bool, dropout: float) -> list[nn.Parameter]:
    table = model.get_input_embeddings().weight.detach()
    rows = torch.randint(len(table), (n_tokens,))
    first = _TextPrompts(table[rows.to(table.device)].clone(), dropout)
    attach(model, "prompts", first)
    new = [first.tokens]
    for layer in _hidden_layers(model)[1:] if deep else []:
        part = _Exchange(0.02 * torch.randn(n_tokens, model.config.hidden_size), dropout)
        attach(layer, "prompts", part)
        new.append(part.tokens)
    return new


class _Insert(InputPart):
    """Put tokens behind the first `prefix` of a sequence of shape (batch, length, d)."""

    def __init__(self, tokens: Tensor, prefix: int, dropout: float) -> None:
        super().__init__()
        self.prefix = prefix
        self.tokens = nn.Parameter(tokens)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, output: None = None) -> Tensor:
        tokens = self.dropout(self.tokens.expand(len(x), -1, -1))
        return torch.cat([x[:, : self.prefix], tokens.to(x.dtype), x[:, self.prefix :]], dim=1)


class _TakeOut(Part):
    """Take tokens out again."""

    def __init__(self, n_tokens: int, prefix: int) -> None:
        super().__init__()
        self.n_tokens, self.prefix = n_tokens, prefix

    def forward(self, x: Tensor, output: Tensor) -> Tensor:
        return torch.cat([output[:, : self.prefix], output[:, self.prefix + self.n_tokens :]], dim=1)


class _Exchange(InputPart):
    """Put tokens in the place of the first ones."""

    def __init__(self, tokens: Tensor, dropout: float) -> None:
        super().__init__()
        self.tokens = nn.Parameter(tokens)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, output: None = None) -> Tensor:
        tokens = self.dropout(self.tokens.expand(len(x), -1, -1))
        return torch.cat([tokens.to(x.dtype), x[:, len(self.tokens) :]], dim=1)


class _TextPrompts(Part):
    """Tokens before a text, at the model itself: its inputs are rewritten and its outputs cut."""

    def __init__(self, tokens: Tensor, dropout: float) -> None:
        super().__init__()
        self.tokens = nn.Parameter(tokens)
        self.dropout = nn.Dropout(dropout)

    def register(self, layer: nn.Module, name: str) -> None:
        layer.register_forward_pre_hook(_BeforeText(name), with_kwargs=True)
        layer.register_forward_hook(_AfterText(name))

    def forward(self, x: Tensor, output: None = None) -> Tensor:
        """Embeddings of shape (batch, length, d) with the tokens before them."""
        return torch.cat([self.dropout(self.tokens.expand(len(x), -1, -1)).to(x.dtype), x], dim=1)


class _BeforeText(Hook):
    def __call__(self, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        part = model._modules[self.name]
        part.used = True
        kwargs = {**dict(zip(inspect.signature(model.forward).parameters, args)), **kwargs}
        if kwargs.get("position_ids") is not None or kwargs.get("past_key_values") is not None:
            raise ParamError("prompts: position_ids and past_key_values must be None. Got one of them.")
        ids, embeds = kwargs.pop("input_ids", None), kwargs.get("inputs_embeds")
        embeds = model.get_input_embeddings()(ids) if embeds is None else embeds
        kwargs["inputs_embeds"] = part(embeds)
        _check_length(model, kwargs["inputs_embeds"].shape[1], len(part.tokens))
        for name, value in (("attention_mask", 1), ("token_type_ids", 0)):
            given = kwargs.get(name)
            if given is not None:
                kwargs[name] = torch.cat([given.new_full((len(given), len(part.tokens)), value), given], dim=1)
        return (), kwargs


def _check_length(model: nn.Module, length: int, n_tokens: int) -> None:
    for name, table in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(table, nn.Embedding):
            limit = table.num_embeddings - (0 if table.padding_idx is None else table.padding_idx + 1)
            if length > limit:
                raise ParamError(
                    f"prompts: texts must have at most {limit - n_tokens} tokens, {n_tokens} of the network's {limit} "
                    f"positions go to the learned ones. Got {length - n_tokens}."
                )


class _AfterText(Hook):
    def __call__(self, model: nn.Module, args: Any, output: Any) -> Any:
        cut = len(model._modules[self.name].tokens)
        pooler = getattr(model, "pooler", None)
        if isinstance(output, tuple):
            hidden = output[0][:, cut:]
            return (hidden, pooler(hidden), *output[2:]) if pooler is not None else (hidden, *output[1:])
        output.last_hidden_state = hidden = output.last_hidden_state[:, cut:]
        if pooler is not None:
            output.pooler_output = pooler(hidden)
        if output.get("hidden_states") is not None:
            output.hidden_states = tuple(h[:, cut:] for h in output.hidden_states)
        return output
