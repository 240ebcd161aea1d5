"""Detection: a trained detector finds objects of other classes after fine-tuning on boxes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from ...core.constraints import Interval, Options
from ...core.protocols import Array
from ...engine.answers.objects import as_targets, find_objects, flipped, read_objects
from ...engine.backbones.detector_models import load_detector, with_classes
from ...engine.fine_tuning.estimator import NETWORK_RULES, PLAN_RULES, Fit, NetworkTransfer
from ...engine.inputs.pictures import IMAGE_SIZE, check_pictures, decoded, picture_rows, size_in_memory
from ...engine.inputs.rows import Rows
from ...engine.networks.backbone import Backbone
from ...engine.networks.inference import outputs_of
from ...engine.networks.network import Network
from ...engine.training.freezing import FreezePlan
from ...engine.training.objective import Batch, Objective, Step
from ...engine.training.settings import Training
from ...ops.nn.detection_head import DetectionHead

CARD = {
    "class": "Detection",
    "protocol": "ModelTransfer",
    "settings": ("few_label", "supervised"),
    "tasks": ("detection",),
    "data": ("images",),
    "needs": ("torch", "transformers", "PIL"),
    "cost": "n",
    "paper": "Carion, Massa, Synnaeve, Usunier, Kirillov & Zagoruyko. End-to-End Object Detection with Transformers. ECCV 2020.",
    "url": "https://arxiv.org/abs/2005.12872",
}

__all__ = ["Detection"]

_CHUNK = 32  # decoded images that are in memory at once


class Detection(NetworkTransfer):
    """Carry a detector over to other classes: all of it but the layers for the old classes is kept and trained further.

    Parameters
    ----------
    source : str, Module or Backbone
        A trained detector: ``"hf:NAME_OR_FOLDER"`` of the families DETR, Conditional or Deformable DETR, RT-DETR or YOLOS,
        as in ``"hf:hustvl/yolos-tiny"``; or such a model of transformers itself.
    image_size : int or (int, int), default=None
        Height and width that images are brought to; None takes the detector's.
    augment : {"none", "flip"}, default="flip"
        Whether training images and boxes are turned left to right at random.
    min_score : float in [0, 1], default=0.3
        `predict` leaves out objects that are less sure. The score counts all.
    plan : str, mapping or FreezePlan, default="full"
        What trains when; see `FineTuning`. The head is the layers for the classes.
    lr_decay : float in (0, 1], default=1.0
        Each part's learning rate is this times that of the part after it.
    batch_norm : {"frozen", "train", "off"}, default="frozen"
        What becomes of the detector's batch normalisation; see `FineTuning`.
    training : Training, default=None
        Epochs, learning rate, batch size and all else; None is ``Training()``. Detectors want an lr of about 5e-5.
    random_state : int, RandomState or None, default=0
        Seed of the new layers, the batches and the augmentation.

    Attributes
    ----------
    network_ : Network
        The detector, trained.
    labels_ : ObjectLabels
        How outputs become objects.
    classes_ : array of shape (n_classes,)
        The labels, sorted.
    history_ : list of dict
        One row an epoch.
    n_updates_ : int
        Updates done.
    backbone_name_, fingerprint_ : str
        The detector's name, and the SHA-256 of its weights.
    facts_ : dict
        What the report shows.

    Notes
    -----
    Minimises the detector's own loss: predictions are matched one to one with the true objects, then a classification loss,
    the L1 distance of the boxes and their generalised IoU count (Carion et al., eq. 2), after every decoder layer where its
    configuration says so. Images are brought to one size without keeping the aspect ratio, as RT-DETR does; DETR and YOLOS
    resize the short side and pad. Boxes are shares of the image, so that this changes no box.

    References
    ----------
    Carion, Massa, Synnaeve, Usunier, Kirillov & Zagoruyko. End-to-End Object Detection with Transformers. ECCV 2020.
    Fang et al. You Only Look at One Sequence: Rethinking Transformer in Vision through Object Detection. NeurIPS 2021.
    Zhao et al. DETRs Beat YOLOs on Real-time Object Detection. CVPR 2024 (RT-DETR).

    Examples
    --------
    >>> from transferkit import Detection
    >>> from transferkit import Training
    >>> model = Detection("hf:hustvl/yolos-tiny", training=Training(n_epochs=20, lr=5e-5, batch_size=8))
    >>> objects = [{"boxes": [[10, 20, 60, 90]], "labels": ["ant"]}]
    >>> model.fit(images, objects).predict(images)  # doctest: +SKIP
    [{'boxes': array([[11., 19., 61., 88.]]), 'labels': array(['ant']), 'scores': array([0.97])}]
    """

    task = "detection"
    _constraints: ClassVar = {
        "source": NETWORK_RULES["source"],
        "image_size": IMAGE_SIZE,
        "augment": Options("none", "flip"),
        "min_score": Interval(float, 0, 1),
        **PLAN_RULES,
        **{name: NETWORK_RULES[name] for name in ("training", "random_state")},
    }
    _test_params: ClassVar = {"source": "detector"}

    def __init__(
        self,
        source: Any,
        image_size: int | Sequence[int] | None = None,
        augment: str = "flip",
        min_score: float = 0.3,
        plan: str | Mapping[str, Any] | FreezePlan = "full",
        lr_decay: float = 1.0,
        batch_norm: str = "frozen",
        training: Training | None = None,
        random_state: Any = 0,
    ) -> None:
        self.source = source
        self.image_size = image_size
        self.augment = augment
        self.min_score = min_score
        self.plan = plan
        self.lr_decay = lr_decay
        self.batch_norm = batch_norm
        self.training = training
        self.random_state = random_state

    def _check_input(self, where: str, X: Any) -> Any:
        return check_pictures(where, X)

    def _load(self, X: Any) -> Backbone:
        return load_detector(self.source, self.image_size)

    def _rows(self, where: str, X: Any, backbone: Backbone) -> Rows:
        return picture_rows(where, X, backbone, self.image_size)

    def _read_labels(self, where: str, y: Any, X: Any, rows: Rows) -> tuple[Any, Array]:
        objects = read_objects(where, y, len(rows))
        sizes = [size_in_memory(X, k) or decoded(where, X, k).size[::-1] for k in range(len(rows))]
        labels = find_objects(where, objects, sizes)
        rows.y = labels.encode(objects, sizes)
        return labels, objects

    def _network(self, backbone: Backbone, labels: Any) -> Network:
        return Network(with_classes(backbone, labels.n_outputs), DetectionHead())

    def _objective(self, fit: Fit) -> Objective:
        return _Objective(fit.network, self.augment == "flip" and fit.training.augment)

    def _judge(self, fit: Fit, objective: Objective) -> float:
        labels: Any = fit.labels
        found = labels.decode(outputs_of(fit.network, fit.network, fit.held, fit.place), [(1, 1)] * len(fit.held))
        assert fit.held.y is not None
        return labels.score(labels.as_shares(fit.held.y), found)

    def predict(self, X: Any) -> list[dict[str, Array]]:
        """For each image ``boxes`` (k, 4) in pixels (left, top, right, bottom), ``labels`` (k,), ``scores`` (k,)."""
        return self._found(X, "predict", self.min_score)

    def _found(self, X: Any, method: str, min_score: float) -> list[dict[str, Array]]:
        check_is_fitted(self, "network_")
        where = f"{type(self).__name__}.{method}"
        X = self._check_input(where, X)
        found: list[dict[str, Array]] = []
        for start in range(0, len(X), _CHUNK):
            images = [decoded(where, X, k) for k in range(start, min(start + _CHUNK, len(X)))]
            sizes = [(image.height, image.width) for image in images]
            found += self.labels_.decode(self._outputs(images, method), sizes, min_score)
        return found

    def transform(self, X: Any) -> Array:
        """The mean state of what the detector looks for objects with, of shape (n_samples, n_features)."""
        return self._outputs(X, "transform", "body")

    def score(self, X: Any, y: Any, sample_weight: None = None) -> float:
        """Mean average precision at an overlap (IoU) of one half."""
        found = self._found(X, "score", 0.0)
        return self.labels_.score(read_objects(f"{type(self).__name__}.score", y, len(found)), found)


class _Objective(Objective):
    """The detector's own loss."""

    def __init__(self, network: Network, flip: bool) -> None:
        super().__init__()
        self.network, self.flip = network, flip

    def steps(self) -> Sequence[Step]:
        return [Step("train", self._loss, list(self.parameters()))]

    def _loss(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        stream = batch["target"]
        assert stream.y is not None
        x, y = flipped(stream.x, stream.y) if self.flip else (stream.x, stream.y)
        body: Any = self.network.body
        found = body.detect(x, as_targets(y))
        # Those of the decoder's earlier layers end in a number; they are in the sum.
        parts = {
            n.removeprefix("loss_"): v
            for n, v in found.loss_dict.items()
            if n.startswith("loss_") and not n[-1].isdigit()
        }
        return {"loss": found.loss, **parts}

    def predict_step(self, x: Any) -> Tensor:
        return self.network(x)
