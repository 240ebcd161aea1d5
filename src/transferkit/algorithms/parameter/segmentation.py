"""Segmentation: a source model's feature pyramid and a light decoder give every pixel a class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from ...core.constraints import Either, Interval, Nothing, Options
from ...core.protocols import Array
from ...engine.answers.masks import MaskLabels, find_masks, mask_loss, random_views, read_masks
from ...engine.fine_tuning.estimator import NETWORK_RULES, PLAN_RULES, Fit, NetworkTransfer
from ...engine.inputs.pictures import IMAGE_SIZE, check_pictures, decoded, picture_rows, squashed
from ...engine.inputs.preprocessing.image import AUGMENT
from ...engine.inputs.rows import Rows
from ...engine.networks.backbone import Backbone
from ...engine.networks.inference import outputs_of
from ...engine.networks.network import Network
from ...engine.training.device import find_place
from ...engine.training.freezing import FreezePlan
from ...engine.training.objective import Batch, Objective, Step
from ...engine.training.settings import Training
from ...ops.nn.decoders import DECODERS, Decoder, resize
from ...ops.nn.pyramid import find_maps

CARD = {
    "class": "Segmentation",
    "protocol": "ModelTransfer",
    "settings": ("few_label", "supervised"),
    "tasks": ("segmentation",),
    "data": ("images",),
    "needs": ("torch", "PIL"),
    "cost": "n",
    "paper": "Long, Shelhamer & Darrell. Fully Convolutional Networks for Semantic Segmentation. CVPR 2015.",
    "url": "https://arxiv.org/abs/1411.4038",
}

__all__ = ["Segmentation"]

_CHUNK = 32  # images whose logits are in memory at once


class Segmentation(NetworkTransfer):
    """Carry a source model over to masks: its maps at every resolution go through a decoder, and all is trained together.

    Parameters
    ----------
    source : str, Module or Backbone
        A trained image model; see `FineTuning`. Any that makes maps will do; a transformer gives four maps of its depth.
    decoder : {"unet", "fcn"}, default="unet"
        "fcn" scores the three coarsest maps and adds up (FCN-8s); "unet" goes back to the finest map step by step.
    width : int in [1, inf), default=128
        Channels of the coarsest stage of "unet"; they halve at each finer one, to 16 at least.
    dice : float in [0, inf), default=0.0
        Weight of the soft Dice loss beside the cross-entropy; it helps where classes are small.
    image_size : int or (int, int), default=None
        Height and width that images are brought to; None takes the source model's.
    ignore_index : int or None, default=255
        Pixels of this value count neither in training nor in the score.
    augment : {"none", "flip", "crop_flip"}, default="crop_flip"
        What training images and masks go through together: left-right flips, and random crops too.
    plan : str, mapping or FreezePlan, default="full"
        What trains when; see `FineTuning`. The decoder is the head.
    lr_decay : float in (0, 1], default=1.0
        Each part's learning rate is this times that of the part after it.
    batch_norm : {"frozen", "train", "off"}, default="frozen"
        What becomes of the source model's batch normalisation; see `FineTuning`.
    dropout : float in [0, 1), default=0.0
        Share of the channels that the decoder drops in training before the scores.
    training : Training, default=None
        Epochs, learning rate, batch size and all else; None is ``Training()``.
    random_state : int, RandomState or None, default=0
        Seed of the decoder, the batches and the augmentation.

    Attributes
    ----------
    network_ : Network
        Source model and decoder, trained.
    labels_ : MaskLabels
        How outputs become masks.
    classes_ : array of shape (n_classes,)
        The values of the masks.
    history_ : list of dict
        One row an epoch.
    n_updates_ : int
        Updates done.
    backbone_name_, fingerprint_ : str
        The source model's name, and the SHA-256 of its weights.
    facts_ : dict
        What the report shows.

    Notes
    -----
    Minimises the cross-entropy averaged over the pixels that count, plus `dice` times the soft Dice loss. Masks are brought
    to the input's size by the nearest pixel; logits are brought to an image's own size bilinearly before the largest wins.
    Long et al. initialise their upsampling layers bilinearly and train them; here upsampling stays bilinear. The U-Net here
    has the source model as its contracting path, upsamples bilinearly, pads its convolutions and normalises batches, which
    Ronneberger et al. do not.

    References
    ----------
    Long, Shelhamer & Darrell. Fully Convolutional Networks for Semantic Segmentation. CVPR 2015.
    Ronneberger, Fischer & Brox. U-Net: Convolutional Networks for Biomedical Image Segmentation. MICCAI 2015.
    Milletari, Navab & Ahmadi. V-Net. 3DV 2016 (the Dice loss).

    Examples
    --------
    >>> import numpy as np
    >>> from torch import nn
    >>> from transferkit import Segmentation
    >>> from transferkit import Training
    >>> X = np.random.default_rng(0).integers(0, 256, size=(16, 8, 8), dtype=np.uint8)
    >>> body = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    >>> model = Segmentation(body, augment="none", training=Training(n_epochs=20, lr=0.05, batch_size=8))
    >>> model.fit(X, (X > 127).astype(int)).predict(X).shape, model.score(X, (X > 127).astype(int)) > 0.8
    ((16, 8, 8), True)
    """

    task = "segmentation"
    _constraints: ClassVar = {
        "source": NETWORK_RULES["source"],
        "decoder": Options(*DECODERS),
        "width": Interval(int, 1),
        "dice": Interval(float, 0),
        "image_size": IMAGE_SIZE,
        "ignore_index": Either(Nothing(), Interval(int)),
        "augment": Options(*AUGMENT),
        **PLAN_RULES,
        **{name: NETWORK_RULES[name] for name in ("dropout", "training", "random_state")},
    }
    _test_params: ClassVar = {"source": "images"}

    def __init__(
        self,
        source: Any,
        decoder: str = "unet",
        width: int = 128,
        dice: float = 0.0,
        image_size: int | Sequence[int] | None = None,
        ignore_index: int | None = 255,
        augment: str = "crop_flip",
        plan: str | Mapping[str, Any] | FreezePlan = "full",
        lr_decay: float = 1.0,
        batch_norm: str = "frozen",
        dropout: float = 0.0,
        training: Training | None = None,
        random_state: Any = 0,
    ) -> None:
        self.source = source
        self.decoder = decoder
        self.width = width
        self.dice = dice
        self.image_size = image_size
        self.ignore_index = ignore_index
        self.augment = augment
        self.plan = plan
        self.lr_decay = lr_decay
        self.batch_norm = batch_norm
        self.dropout = dropout
        self.training = training
        self.random_state = random_state

    def _check_input(self, where: str, X: Any) -> Any:
        return check_pictures(where, X)

    def _backbone_options(self) -> dict[str, Any]:
        return {} if isinstance(self.source, Backbone) else {"image_size": self.image_size}

    def _rows(self, where: str, X: Any, backbone: Backbone) -> Rows:
        return picture_rows(where, X, backbone, self.image_size)

    def _read_labels(self, where: str, y: Any, X: Any, rows: Rows) -> tuple[Any, Array]:
        masks = read_masks(where, y, len(rows))
        labels = find_masks(where, masks, X, self.ignore_index)
        preprocess: Any = rows.preprocess
        rows.y = labels.encode(masks, preprocess.size)
        return labels, masks

    def _network(self, backbone: Backbone, labels: Any) -> Network:
        preprocess = squashed(backbone, self.image_size)
        maps = find_maps(backbone.body, preprocess.batch([preprocess.example()]))
        return Network(backbone, Decoder(maps, labels.n_outputs, self.decoder, self.width, self.dropout))

    def _objective(self, fit: Fit) -> Objective:
        return _Objective(fit.network, self.dice, self.augment if fit.training.augment else "none")

    def _judge(self, fit: Fit, objective: Objective) -> float:
        labels: Any = fit.labels
        found = self._masks(fit.network, labels, fit.held, [mask.shape for mask in fit.y_held], fit.training)
        return labels.score(fit.y_held, found)

    def _masks(
        self, network: Network, labels: MaskLabels, rows: Rows, sizes: Sequence[Any], training: Training
    ) -> list[Array]:
        """Masks of the sizes asked for; logits are kept for a few images at a time."""
        place = find_place(training.device, training.precision, training.channels_last)
        place.put(network)
        found: list[Array] = []
        for start in range(0, len(rows), _CHUNK):
            part = rows.take(np.arange(start, min(start + _CHUNK, len(rows))))
            logits = torch.from_numpy(outputs_of(network, network, part, place, _CHUNK, training.workers))
            found += [labels.decode(z, size) for z, size in zip(logits, sizes[start : start + _CHUNK])]
        return found

    def predict(self, X: Any) -> Any:
        """Masks at the size of each image: an array of shape (n, height, width) for an array, else a list of arrays."""
        check_is_fitted(self, "network_")
        where = f"{type(self).__name__}.predict"
        X = self._check_input(where, X)
        found: list[Array] = []
        for start in range(0, len(X), _CHUNK):  # decoded images too are kept for a few at a time
            images = [decoded(where, X, k) for k in range(start, min(start + _CHUNK, len(X)))]
            rows = self._rows(where, images, self.network_.backbone)
            training = Training() if self.training is None else self.training
            found += self._masks(self.network_, self.labels_, rows, [(i.height, i.width) for i in images], training)
        return np.stack(found) if isinstance(X, np.ndarray) else found

    def transform(self, X: Any) -> Array:
        """The source model's own pooled features after training, of shape (n_samples, n_features)."""
        return self._outputs(X, "transform", "body")

    def score(self, X: Any, y: Any, sample_weight: None = None) -> float:
        """Mean intersection over union of the classes."""
        predicted = self.predict(X)
        return self.labels_.score(read_masks(f"{type(self).__name__}.score", y, len(predicted)), predicted)


class _Objective(Objective):
    """Cross-entropy and Dice loss of augmented images."""

    def __init__(self, network: Network, dice: float, augment: str) -> None:
        super().__init__()
        self.network, self.dice, self.augment = network, dice, augment

    def steps(self) -> Sequence[Step]:
        return [Step("train", self._loss, list(self.parameters()))]

    def _loss(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        stream = batch["target"]
        assert stream.y is not None
        x, masks = random_views(stream.x, stream.y, self.augment)
        logits = resize(self.network(x).float(), masks.shape[-2:])
        return mask_loss(logits, masks, self.dice)

    def predict_step(self, x: Any) -> Tensor:
        return self.network(x)
