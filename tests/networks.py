"""Tiny source models, with a task for each, for the common checks of methods that carry a trained network over.

A method says by ``_test_params = {"source": "images"}`` which kind of source model its tests need: "vectors" is the
default, "classifier" takes vectors and brings its own classifier, "images" has batch normalisation, "text" has tokens.
"""

from __future__ import annotations

import atexit
import copy
import json
import shutil
import tempfile
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

import source_worlds
from transferkit import Domain
from transferkit.engine.backbones import load_backbone
from transferkit.engine.networks.backbone import Backbone
from transferkit.engine.networks.torchvision_guard import guard_torchvision
from transferkit.engine.training.settings import Training


@dataclass(frozen=True)
class Kind:
    """A source model and its world.

    Attributes
    ----------
    rows : callable
        ``rows(n, seed)`` gives X, the four classes that the source model has learned, two of a related task, and numbers
        to regress on.
    fresh, learned : callable
        The source model before and after it has learned its own task, each time a new object (or a name).
    few : int
        Rows of the related task with which it takes what the source model has learned.
    """

    rows: Callable[[int, int], tuple[Any, np.ndarray, np.ndarray, np.ndarray]]
    fresh: Callable[[], Any]
    learned: Callable[[], Any]
    few: int


@dataclass(frozen=True)
class Task:
    """Rows to fit on, and rows to predict."""

    X: Any
    y: np.ndarray
    X_new: Any
    y_new: np.ndarray


def training(**params: Any) -> Training:
    """Settings that fit the tiny models in a fraction of a second."""
    return Training(**{"n_epochs": 12, "lr": 0.02, "body_lr_scale": 1.0, "batch_size": 16, "device": "cpu", **params})


def settings(own: Mapping[str, Any], params: Collection[str]) -> dict[str, Any]:
    """A method's cheap settings with the source model in the place of its kind, and with source data where it takes any."""
    kind = KINDS[kind_name(own)]
    given = (
        {"training": training()} if "training" in params else {}
    )  # one that adapts batch by batch has settings of its own
    found = {**given, **own, "source": kind.learned()}
    if "source_data" in params:
        X, learned, _, _ = kind.rows(40, 50)
        found = {"source_data": Domain(X, learned), **found}
    return found


def kind_name(own: Mapping[str, Any]) -> str:
    """The kind of source model that cheap settings name."""
    return str(own.get("source", "vectors"))


@cache
def easy(kind: str, task: str = "classification", n: int = 48) -> Task:
    """A task that the source model's features make easy."""
    found = []
    for rows, seed in ((n, 0), (40, 1)):
        X, learned, _, numbers = KINDS[kind].rows(rows, seed)
        y = np.minimum(learned, 2)
        if task == "regression":
            y = numbers
        elif task == "multilabel":
            y = np.column_stack([y == 0, y == 1, y != 2]).astype(int)
        elif task != "classification":
            X, y = DENSE[task](X)
        found += [X, y]
    return Task(*found)


def tagged(texts: list[str]) -> tuple[list[list[str]], list[list[str]]]:
    """Words, and the topic of each."""
    words = [text.split() for text in texts]
    return words, [[word.rstrip("0123456789") for word in row] for row in words]


def boxed(X: np.ndarray) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """Images, and the one box around what is bright in each."""
    found = []
    for image in X:
        rows, columns = np.nonzero(image > 200)
        box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        found.append({"boxes": [box], "labels": ["tall" if box[3] - box[1] > box[2] - box[0] else "wide"]})
    return X, found


# Tasks with more than one label a row: rows and their labels.
DENSE: Mapping[str, Callable[[Any], tuple[Any, Any]]] = {
    "segmentation": lambda X: (X, (X > 200).astype(int)),
    "detection": boxed,
    "tokens": tagged,
}


@cache
def related(kind: str, seed: int) -> Task:
    """Few rows of another task, to which what the source model has learned is the key."""
    (X, _, y, _), (X_new, _, y_new, _) = (
        KINDS[kind].rows(KINDS[kind].few, 100 + seed),
        KINDS[kind].rows(200, 200 + seed),
    )
    return Task(X, y, X_new, y_new)


def part(X: Any, rows: Any) -> Any:
    """Some rows of an array or a list."""
    return [X[i] for i in rows] if isinstance(X, list) else X[np.asarray(rows)]


def learn(body: nn.Module, batch: Any, y: np.ndarray, n_updates: int) -> nn.Linear:
    """Train a body with 16 features on one batch, and give the classifier that was trained with it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        head = nn.Linear(16, 4)
        optimizer = torch.optim.Adam([*body.parameters(), *head.parameters()], lr=0.01)
        body.train()
        for _ in range(n_updates):
            optimizer.zero_grad()
            functional.cross_entropy(head(body(batch)), torch.as_tensor(y)).backward()
            optimizer.step()
        optimizer.zero_grad()
    body.eval()
    return head


def seeded(build: Callable[[], nn.Module]) -> nn.Module:
    """A module with the same first weights every time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build()


# Vectors: two of the columns decide by their signs, the others are noise ---------------------------------------------


def vector_rows(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The source model knows the quadrants of two columns; the related task is exclusive-or of their signs."""
    rng = np.random.default_rng(seed)
    signs = rng.choice([-1, 1], size=(n, 2))
    signs[:8] = [[-1, -1], [-1, 1], [1, -1], [1, 1]] * 2  # every class, and as often as stratified halves need
    X = 0.7 * rng.normal(size=(n, 8))
    X[:, :2] = signs * rng.uniform(0.3, 1.5, size=(n, 2))
    quadrant = (signs[:, 0] > 0) * 2 + (signs[:, 1] > 0)
    X = X.astype(np.float32)
    return X, quadrant, (signs[:, 0] * signs[:, 1] > 0).astype(int), (X[:, 0] + 0.5 * X[:, 1]).astype(float)


def vector_net() -> nn.Sequential:
    return seeded(lambda: nn.Sequential(nn.Linear(8, 24), nn.ReLU(), nn.Linear(24, 16), nn.ReLU()))


@cache
def learned_vector_net() -> tuple[nn.Sequential, nn.Linear]:
    X = np.random.default_rng(7).normal(size=(512, 8)).astype(np.float32)
    quadrant = (X[:, 0] > 0) * 2 + (X[:, 1] > 0)
    body = vector_net()
    return body, learn(body, torch.as_tensor(X), quadrant.astype(np.int64), 150)


def halved_rows(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The same with a related task whose classes are two quadrants each, side by side: source classes tell them apart."""
    X, quadrant, _, numbers = vector_rows(n, seed)
    return X, quadrant, quadrant // 2, numbers


def classifier(body: nn.Sequential, head: nn.Linear) -> Backbone:
    """A source model that brings the classifier of its own task."""
    return load_backbone(
        nn.Sequential(*copy.deepcopy(body), copy.deepcopy(head)), sample=np.zeros(8, np.float32), head="4"
    )


# Images: a bar, lying or standing, in the upper or lower, left or right part -----------------------------------------


def image_rows(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The source model knows lying, standing, falling and rising bars; related is lying or falling against the others."""
    rng = np.random.default_rng(seed)
    shape = rng.integers(0, 4, n)
    shape[:8] = [0, 1, 2, 3] * 2
    X = rng.integers(0, 160, size=(n, 8, 8)).astype(np.uint8)
    top, left, size = rng.integers(0, 4, n), rng.integers(0, 4, n), 5
    for k in range(n):
        step = np.arange(size)
        rows = {0: np.full(size, 2), 1: step, 2: step, 3: step[::-1]}[int(shape[k])] + top[k]
        columns = {0: step, 1: np.full(size, 2), 2: step, 3: step}[int(shape[k])] + left[k]
        X[k, np.minimum(rows, 7), np.minimum(columns, 7)] = 255
    return X, shape, shape % 2, shape / 2 + 0.25


class ImageNet8(nn.Module):
    """Two convolutions with batch normalisation for images of one or three channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.conv2, self.norm2 = nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.relu(self.norm1(self.conv1(x)))
        return functional.relu(self.norm2(self.conv2(x))).amax(dim=(2, 3))


@cache
def learned_image_net() -> nn.Module:
    X, shape, _, _ = image_rows(256, 7)
    body = seeded(ImageNet8)
    learn(body, torch.as_tensor(X).float().div(255)[:, None].expand(-1, 3, -1, -1).contiguous(), shape, 60)
    return body


# Text: words of four topics ------------------------------------------------------------------------------------------

TOPICS = [[f"{topic}{k}" for k in range(15)] for topic in ("sea", "sky", "ore", "oak")]


def text_rows(n: int, seed: int) -> tuple[list[str], np.ndarray, np.ndarray, np.ndarray]:
    """The source model knows four topics; the related task is the first two against the last two."""
    rng = np.random.default_rng(seed)
    topic = rng.integers(0, 4, n)
    topic[:8] = [0, 1, 2, 3] * 2
    texts = [" ".join(rng.choice(TOPICS[t], size=rng.integers(2, 4))) for t in topic]
    return texts, topic, (topic >= 2).astype(int), topic / 2 + 0.25


@cache
def text_folder(trained: bool) -> str:
    """A BERT of one layer with a tokenizer of whole words, as a folder that ``hf:`` reads."""
    guard_torchvision()
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(w for topic in TOPICS for w in topic)]
    tokens = Tokenizer(models.WordLevel({w: k for k, w in enumerate(words)}, unk_token="[UNK]"))
    tokens.pre_tokenizer = pre_tokenizers.Whitespace()
    tokens.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=tokens,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    )
    config = BertConfig(
        vocab_size=len(words), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=16, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    body = seeded(lambda: BertModel(config, add_pooling_layer=False))
    if trained:
        texts, topic, _, _ = text_rows(256, 7)
        batch = tokenizer(texts, padding=True, return_tensors="pt")
        batch.pop("token_type_ids", None)

        class Mean(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.body = body

            def forward(self, batch: Any) -> torch.Tensor:
                mask = batch["attention_mask"][:, :, None]
                return (self.body(**batch).last_hidden_state * mask).sum(dim=1) / mask.sum(dim=1)

        learn(Mean(), batch, topic, 40)
    folder = Path(tempfile.mkdtemp(prefix="transferkit-test-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    body.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    assert json.loads((folder / "config.json").read_text())["vocab_size"] == len(words)
    return str(folder)


@cache
def dual_folder() -> str:
    """A dual encoder of one layer each that has learned nothing, as a folder that ``open_clip:`` reads."""
    guard_torchvision()
    import open_clip
    from safetensors.torch import save_file

    config = {
        "embed_dim": 12,
        "vision_cfg": {"image_size": 8, "layers": 1, "width": 16, "head_width": 8, "patch_size": 4},
        "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
    }
    model = seeded(lambda: open_clip.CLIP(**copy.deepcopy(config)))
    folder = Path(tempfile.mkdtemp(prefix="transferkit-test-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    about = {"model_cfg": config, "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.25] * 3, "interpolation": "bilinear"}}
    (folder / "open_clip_config.json").write_text(json.dumps(about))
    return str(folder)


def detector() -> nn.Module:
    """A YOLOS of one layer, as transformers makes it. It has learned nothing: what it learns is in its own tests."""
    guard_torchvision()
    from transformers import YolosConfig, YolosForObjectDetection

    config = YolosConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, image_size=[8, 8], patch_size=4,
        num_detection_tokens=3, num_labels=4, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    return seeded(lambda: YolosForObjectDetection(config)).eval()


# A classifier fitted on a source, and rows of a target that has moved: for methods that get nothing else ----------------


def shifted_rows(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    shift = source_worlds.leaning(seed, n)
    return shift.Xt, shift.yt, shift.yt % 2, shift.yt.astype(float)


KINDS: Mapping[str, Kind] = {
    "detector": Kind(image_rows, detector, detector, 16),
    "vectors": Kind(vector_rows, vector_net, lambda: copy.deepcopy(learned_vector_net()[0]), 20),
    "classifier": Kind(
        halved_rows,
        lambda: classifier(vector_net(), seeded(lambda: nn.Linear(16, 4))),
        lambda: classifier(*learned_vector_net()),
        12,
    ),
    "images": Kind(image_rows, lambda: seeded(ImageNet8).eval(), lambda: copy.deepcopy(learned_image_net()), 16),
    "shifted": Kind(shifted_rows, lambda: source_worlds.world()[1], lambda: source_worlds.world()[1], 16),
    "dual": Kind(image_rows, lambda: f"open_clip:{dual_folder()}", lambda: f"open_clip:{dual_folder()}", 16),
    "text": Kind(text_rows, lambda: f"hf:{text_folder(False)}", lambda: f"hf:{text_folder(True)}", 12),
}
