"""A backbone as a scikit-learn transformer: raw images, texts or sounds in, rows of numbers out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted
from torch import nn

from ...core.constraints import Boolean, Either, Fulfils, Interval, Nothing, Options, check_params
from ...core.protocols import Array
from ..backbones import load_backbone, rebuild
from ..inputs.inputs import as_rows, check_input
from ..networks.backbone import Backbone
from .extraction import address_of, extract

__all__ = ["BackboneEncoder", "outputs_from_features", "source_posterior"]


class BackboneEncoder(BaseEstimator, TransformerMixin):  # type: ignore[misc]
    """Features of a frozen backbone, for methods that take vectors.

    Parameters
    ----------
    source : str, Module or Backbone
        The trained model; a name such as ``"timm:resnet18"``.
    layers : sequence of str, default=None
        Pool and join the outputs of these modules; None takes the last features.
    l2 : bool, default=False
        Whether every row is divided by its norm.
    cache : path or bool, default=None
        Folder that keeps features between calls; True is the user's cache folder, None and False keep nothing.
    device : str, default="auto"
        "auto" is a GPU where there is one.
    precision : {"auto", "fp32", "bf16", "fp16"}, default="fp32"
        fp32 gives the same features wherever it runs, up to rounding.
    batch_size : int in [1, inf), default=64
        Rows at a time.

    Attributes
    ----------
    backbone_ : Backbone
        The model; its weights are saved with the encoder.
    n_features_out_ : int
        Columns of the result.

    Examples
    --------
    >>> import numpy as np
    >>> from torch import nn
    >>> from transferkit.engine.features.encoder import BackboneEncoder
    >>> X = np.ones((4, 3), dtype=np.float32)
    >>> BackboneEncoder(nn.Linear(3, 5)).fit(X).transform(X).shape
    (4, 5)
    """

    _constraints: ClassVar = {
        "source": Fulfils(
            "be a backbone's name such as 'timm:resnet18', a torch Module or a Backbone",
            lambda v: isinstance(v, (str, nn.Module, Backbone)) and v != "",
        ),
        "layers": Either(
            Nothing(), Fulfils("be a sequence of module names", lambda v: isinstance(v, (list, tuple)) and len(v) > 0)
        ),
        "l2": Boolean(),
        "cache": Either(Nothing(), Boolean(), Fulfils("be a path", lambda v: isinstance(v, (str, Path)))),
        "device": Fulfils("be 'auto' or a device such as 'cpu'", lambda v: isinstance(v, str) and bool(v)),
        "precision": Options("auto", "fp32", "bf16", "fp16"),
        "batch_size": Interval(int, 1),
    }

    def __init__(
        self,
        source: Any,
        layers: Any = None,
        l2: bool = False,
        cache: str | Path | bool | None = None,
        device: str = "auto",
        precision: str = "fp32",
        batch_size: int = 64,
    ) -> None:
        self.source = source
        self.layers = layers
        self.l2 = l2
        self.cache = cache
        self.device = device
        self.precision = precision
        self.batch_size = batch_size

    def fit(self, X: Any, y: Any = None) -> Self:
        """Load the model. Nothing is learned from the rows; they only have to be of its kind.

        Parameters
        ----------
        X : Samples, list of str, array or torch Dataset
            Raw rows.
        y : ignored

        Returns
        -------
        self : BackboneEncoder
        """
        check_params(self)
        X = check_input("BackboneEncoder.fit", X)
        options: dict[str, Any] = {"l2": True} if self.l2 else {}
        if self.layers is not None:
            options["layers"] = ",".join(self.layers)
        if isinstance(self.source, nn.Module):
            options["sample"] = X[0]
        self.backbone_ = load_backbone(self.source, **options)
        as_rows("BackboneEncoder.fit", X, self.backbone_)
        self.n_features_out_ = self.backbone_.n_features
        return self

    def transform(self, X: Any) -> Array:
        """Features, float64 array of shape (n_samples, n_features_out_)."""
        check_is_fitted(self, "backbone_")
        X = check_input("BackboneEncoder.transform", X)
        as_rows("BackboneEncoder.transform", X, self.backbone_)
        found = extract(
            self.backbone_, X,
            cache=self.cache or None, device=self.device, precision=self.precision, batch_size=self.batch_size,
        )  # fmt: skip
        return np.asarray(found, dtype=np.float64)

    def get_feature_names_out(self, input_features: Any = None) -> Array:
        """Names of the columns: ``feature0``, ``feature1``, ..."""
        check_is_fitted(self, "backbone_")
        return np.array([f"feature{k}" for k in range(self.n_features_out_)], dtype=object)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "backbone_")

    # A saved encoder is its skeleton as JSON and its weights as plain arrays: no code, no original file.

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        backbone = state.pop("backbone_", None)
        if backbone is not None:
            if backbone.spec is None:
                raise TypeError(
                    f"{backbone.name}: a network of your own has no name to be rebuilt from; use a named one."
                )
            state["source"] = backbone.name
            state["_saved"] = {
                "spec": backbone.spec,
                "name": backbone.name,
                "fingerprint": backbone.fingerprint,
                "weights": {name: _as_array(value) for name, value in backbone.body.state_dict().items()},
            }
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        saved = state.pop("_saved", None)
        super().__setstate__(state)
        if saved is None:
            return
        with torch.random.fork_rng(devices=[]):  # first weights are drawn, and then replaced
            backbone = rebuild(saved["spec"])
        backbone.body.load_state_dict({name: _as_tensor(*value) for name, value in saved["weights"].items()})
        self.backbone_ = replace(backbone, name=saved["name"], fingerprint=saved["fingerprint"], source_head=None)
        self.backbone_.body.eval()


def source_posterior(backbone: Backbone, Z: Array) -> Array | None:
    """What a backbone's own classifier says of rows whose features are at hand.

    Parameters
    ----------
    backbone : Backbone
    Z : array of shape (n_samples, n_features)
        What `BackboneEncoder` gave for it.

    Returns
    -------
    array of shape (n_samples, n_source_classes) or None
        None where the backbone came without a classifier.
    """
    if backbone.source_head is None:
        return None
    head = backbone.source_head.cpu().eval()
    with torch.inference_mode():
        logits = head(torch.as_tensor(Z, dtype=torch.float32)).double()
    return torch.softmax(logits, dim=1).numpy()


def outputs_from_features(model: Any, address: str, Z: Array) -> Array | None:
    """Outputs of a fitted method for rows whose features are at hand, where its body is still the source's.

    Parameters
    ----------
    model : NetworkTransfer
        Fitted.
    address : str
        `address_of` the backbone that made the features, in fp32.
    Z : array of shape (n_samples, n_features)

    Returns
    -------
    array of shape (n_samples, n_outputs) or None
        None where the body, or what goes into it, is another one now.
    """
    network = model.network_
    if network.edits or address_of(network.backbone, "fp32") != address:
        return None
    head = network.head.cpu().eval()
    with torch.inference_mode():
        return head(torch.as_tensor(Z, dtype=torch.float32)).numpy()


def _as_array(tensor: torch.Tensor) -> tuple[str, Array]:
    """A tensor's type by name, and its values; types that numpy lacks as their bytes."""
    tensor = tensor.detach().cpu().contiguous()
    name = str(tensor.dtype).removeprefix("torch.")
    if tensor.dtype == torch.bfloat16:
        tensor = tensor.view(torch.int16)
    return name, tensor.numpy().copy()


def _as_tensor(name: str, values: Array) -> torch.Tensor:
    tensor = torch.from_numpy(np.array(values))
    return tensor.view(torch.bfloat16) if name == "bfloat16" else tensor
