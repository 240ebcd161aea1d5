"""What one update of each deep adaptation method costs, over a plain pass and beside skada 0.6.

python -m venv .venv-bench && .venv-bench/bin/pip install -c constraints.txt -e '.[deep,vision]' -r benchmarks/requirements.txt
OMP_NUM_THREADS=1 .venv-bench/bin/python benchmarks/deep_step_cost.py      # to results/deep_step_cost.json

The plain pass is written by hand: one batch of source and target through the network, cross-entropy on the source, backward,
AdamW. A method's update is everything that the training loop does for one batch; skada's is skorch's `train_step`. All have
the same network, batch and optimizer, and the same critic where both have one. Ours and the plain pass have the channels
last, which is the default here; skada trains the network as its user hands it over, "skada channels-last" one that the user
has converted. "ours bf16" is `Training(precision="bf16")`. Times are CPU time of this process (one thread), so that others
on the machine count little. Every round times the plain pass, ours and skada's one after the other,
and ratios are medians over the rounds. Of a method with phases it is the last one that is timed. The rows are random numbers.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import json
import platform
import time
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from transferkit import Domain, Training, catalogue
from transferkit.core.files import atomic_write
from transferkit.core.protocols import Array
from transferkit.engine.backbones import load_backbone
from transferkit.engine.training.loop import Loop
from transferkit.ops.nn.discriminator import Discriminator
from transferkit.ops.nn.grad_reverse import grad_reverse
from transferkit.ops.nn.multilinear import MultilinearMap

RESULT = Path(__file__).parent / "results" / "deep_step_cost.json"
N_EPOCHS, CLASSES, WIDTH, HIDDEN = 2, 10, 256, 256
# name: the shape of a row, rows of each domain in a batch
NETWORKS = {"lenet": ((1, 28, 28), 128), "resnet18": ((3, 64, 64), 8)}
# What a method does beyond one forward and backward pass of the joint batch and a critic as wide as the bottleneck.
MORE = {
    "adda": "in place of a joint pass: one of the target, and a forward pass of the source",
    "ada_match": "a second, strongly augmented view of every row, and the source by itself",
    "bsp": "two decompositions of the batch's features",
    "can": "a forward and backward pass of 60 more rows, drawn by class",
    "cdan": "a critic on 2560 products of features and probabilities: a third of LeNet's own arithmetic",
    "cogan": "a pair of generators and a pair of critics: two joint passes and a forward pass",
    "cycada": "two generators, two critics, and three joint passes",
    "daan": "a critic for each class",
    "dare_gram": "two decompositions of the batch's features, and a product as large as their Gram matrix",
    "domain_confusion": "a second step for the critic: two passes",
    "fix_match": "a second, strongly augmented view of the target: 1.5 passes",
    "gvb": "a critic of width 1024: twice the weights of LeNet",
    "iwan": "two critics of width 1024; in place of a joint pass: one of the target, and a forward pass of the source",
    "mcd": "three steps, the last one four times: six passes",
    "mean_teacher": "the teacher's forward pass of the target",
    "mix_style": "four passes over the whole maps of the first layers",
    "pada": "a critic of width 1024: twice the weights of LeNet",
    "pixel_da": "a generator and a critic of images, and a joint pass and a half",
    "rsd": "three decompositions of the batch's features",
    "spa": "the eigenvalues of two 128 x 128 matrices, and the batch's products with a memory of the target",
    "sliced_wasserstein": "three steps, the last one repeated: 2 + n_steps passes",
    "uan": "two critics of width 1024",
    "vada": "virtual adversarial rows of both domains: three passes",
    "wdgrl": "five steps of the critic on features of a pass of their own",
}


# The two sides ---------------------------------------------------------------------------------------------------


def rows_of(shape: tuple[int, ...], n: int) -> tuple[Array, Array, Array]:
    rng = np.random.default_rng(0)
    X, Xt = (rng.normal(size=(n, *shape)).astype(np.float32) for _ in range(2))
    return X, np.arange(n) % CLASSES, Xt + np.float32(0.3)


def backbone_of(network: str) -> Any:
    if network == "lenet":
        return "small:lenet"
    torch.manual_seed(0)
    return load_backbone(f"timm:{network}?pretrained=false").body


class _Trained(Exception):
    """Leaves a fit at the end of its training."""


def loop_of(card: Any, network: str, X: Array, y: Array, Xt: Array, size: int, precision: str = "fp32") -> Loop:
    """The training loop of a fit with a method's defaults, after its last update."""
    training = Training(n_epochs=N_EPOCHS, batch_size=size, precision=precision, progress=False, schedule="constant")
    found: list[Loop] = []
    run = Loop.run

    def kept(loop: Loop) -> Any:
        loop.validate = None  # scores of an epoch cost more than these few updates
        run(loop)
        found.append(loop)
        raise _Trained

    labels = y + 0.5 if "classification" not in card.tasks else y
    known = np.arange(len(Xt)) < size if "few_label" in card.settings else np.zeros(len(Xt), bool)
    groups = np.arange(len(X)) % 2 if "multi_source" in card.settings else None
    with mock.patch.object(Loop, "run", kept), contextlib.suppress(_Trained):
        method = catalogue.load(card.name)(backbone_of(network), training=training)
        method.fit(X, labels, target=Domain(Xt, labels, known=known), groups=groups)
    return found[0]


def our_update(loop: Loop) -> tuple[Callable[[], Any], Callable[[], Any], int]:
    """One update, the drawing of one batch, and the number of domains in it; at three quarters of the training."""
    start = 3 * loop.n_updates // 4
    batch = next(iter(loop.batches(start)))
    loop._modes = None  # the training has ended in evaluation mode

    def update() -> None:
        loop.done = start
        loop.update(batch)

    return update, lambda: next(iter(loop.batches(start))), len(batch)


def plain_update(loop: Loop, X: Tensor, y: Tensor) -> Callable[[], Any]:
    """Forward, backward and optimizer of a joint batch, whose first `len(y)` rows have labels."""
    network = copy.deepcopy(loop.network).train().requires_grad_(True)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, fused=True)

    def update() -> None:
        optimizer.zero_grad()
        outputs = network(X)
        functional.cross_entropy(outputs[: len(y)], y).backward()
        optimizer.step()

    return update


class _Plain(nn.Module):
    """The same network as skada calls it."""

    def __init__(self, network: Any, channels_last: bool) -> None:
        super().__init__()
        parts = copy.deepcopy(OrderedDict(body=network.body, neck=network.neck, head=network.head))
        self.layers = nn.Sequential(parts)
        self.layers.to(memory_format=torch.channels_last if channels_last else torch.contiguous_format)

    def forward(self, x: Tensor, sample_weight: Any = None) -> Tensor:
        return self.layers(x)


class _Critic(nn.Module):
    """Our critic as skada calls it: probabilities of reversed features."""

    def __init__(self, n_features: int) -> None:
        super().__init__()
        self.critic = Discriminator(n_features, HIDDEN)

    def forward(self, z: Tensor) -> Tensor:
        return torch.sigmoid(self.critic(grad_reverse(z, 1.0)))


class _Second(nn.Module):
    """MDD's second head as skada calls it."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, z: Tensor) -> Tensor:
        return self.head(grad_reverse(z, 1.0))


def their_nets(network: Any, size: int, channels_last: bool = False) -> dict[str, Any]:
    """skada's methods by the name of ours."""
    from skada import deep

    common: dict[str, Any] = {
        "module": _Plain(network, channels_last), "layer_name": "layers.neck", "batch_size": size, "max_epochs": 1,
        "train_split": None, "optimizer": torch.optim.AdamW, "lr": 1e-3, "verbose": 0,
    }  # fmt: skip
    product = MultilinearMap(WIDTH, CLASSES).n_features
    return {
        "dann": deep.DANN(**common, domain_classifier=_Critic(WIDTH)),
        "cdan": deep.CDAN(**common, domain_classifier=_Critic(product)),
        "deep_coral": deep.DeepCoral(**common),
        "dan": deep.DAN(**common),
        "deep_jdot": deep.DeepJDOT(**common),
        "mcc": deep.MCC(**common),
        "mdd": deep.MDD(**common, disc_classifier=_Second()),
        "can": deep.CAN(**common),
        "spa": deep.SPA(**common, domain_classifier=_Critic(WIDTH)),
    }


def their_update(net: Any, X: Array, y: Array, Xt: Array) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """One update of skorch and the drawing of one batch, after one epoch of a real fit."""
    domain = np.concatenate([np.ones(len(X), dtype=int), np.full(len(Xt), -2)])
    labels = np.concatenate([y, np.full(len(Xt), -1)])
    rows = np.concatenate([X, Xt])
    net.fit(rows, labels, sample_domain=domain)
    data = net.get_dataset(net._prepare_input(rows, labels, domain))
    batch = next(iter(net.get_iterator(data, training=True)))

    def draw() -> None:
        for _ in net.get_iterator(data, training=True):
            pass

    return lambda: net.train_step(batch), draw


# The clock -------------------------------------------------------------------------------------------------------


def milliseconds(work: Callable[[], Any]) -> float:
    clock = time.process_time()
    work()
    return 1000 * (time.process_time() - clock)


def compare(network: str, wanted: list[str], rounds: int) -> Iterator[dict[str, Any]]:
    """A row a method, one after the other."""
    shape, size = NETWORKS[network]
    X, y, Xt = rows_of(shape, 2 * size)
    cards = catalogue.cards()
    usual = loop_of(cards["dann"], network, X, y, Xt, size)
    joint = torch.as_tensor(np.concatenate([X, Xt])[size:])  # up to three domains
    plain = {n: plain_update(usual, joint[: n * size], torch.as_tensor(y[:size])) for n in (1, 2, 3)}
    try:
        nets, converted = their_nets(usual.network, size), their_nets(usual.network, size, channels_last=True)
    except ImportError as err:
        print(f"without skada: {err}")
        nets, converted = {}, {}
    for name in wanted:
        work: dict[str, Callable[[], Any]] = {}
        domains = 2
        if name in cards:
            work["ours"], work["ours draw"], domains = our_update(loop_of(cards[name], network, X, y, Xt, size))
        if name in nets:
            work["skada"], work["skada draw"] = their_update(nets.pop(name), X, y, Xt)
            work["skada channels-last"], _ = their_update(converted.pop(name), X, y, Xt)
        if "ours" in work and "skada" in work:
            work["ours bf16"], *_ = our_update(loop_of(cards[name], network, X, y, Xt, size, "bf16"))
        if work:
            work["plain"] = plain[domains]
            yield _row(name, alternate(work, rounds), domains, len(X) // size)


def alternate(work: dict[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Milliseconds of each, taking turns, every other round the other way about; the first two rounds warm up."""
    times: dict[str, list[float]] = {side: [] for side in work}
    for k in range(rounds + 2):
        for side in list(work)[:: -1 if k % 2 else 1]:
            spent = milliseconds(work[side])
            if k > 1:
                times[side].append(spent)
    return times


def _row(name: str, times: dict[str, list[float]], domains: int, batches: int) -> dict[str, Any]:
    def ratio(a: str, b: str) -> float:
        return round(median(x / z for x, z in zip(times[a], times[b])), 2)

    row: dict[str, Any] = {"method": name, "domains_in_batch": domains, "rounds": len(times["plain"])}
    row["plain_ms"] = round(median(times["plain"]), 2)
    if "ours" in times:
        row |= {"ms": round(median(times["ours"]), 2), "over_plain": ratio("ours", "plain")}
    if "skada" in times:
        row |= {"skada_ms": round(median(times["skada"]), 2), "skada_over_plain": ratio("skada", "plain")}
    if "ours" in times and "skada" in times:
        draw, their_draw = median(times["ours draw"]), median(times["skada draw"]) / batches
        row |= {
            "skada_over_ours": ratio("skada", "ours"),
            "skada_channels_last_over_ours": ratio("skada channels-last", "ours"),
            "skada_over_ours_bf16": ratio("skada", "ours bf16"),
            "draw_ms": round(draw, 2),
            "skada_draw_ms": round(their_draw, 2),
            "skada_over_ours_with_drawing": round((row["skada_ms"] + their_draw) / (row["ms"] + draw), 2),
        }
    print(row, flush=True)
    return row


def main() -> None:
    names = [
        c.name
        for c in catalogue.cards().values()
        if c.protocol == "Transfer" and "torch" in c.needs and c.paradigm != "baseline" and "graph" not in c.data
    ]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=names, metavar="METHOD", help="else all that the file has not")
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=list(NETWORKS))
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--out", type=Path, default=RESULT)
    args = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # random rows: of course predictions collapse
    tables = json.loads(args.out.read_text(encoding="utf-8"))["tables"] if args.out.exists() else {}
    facts = {
        "command": "OMP_NUM_THREADS=1 python benchmarks/deep_step_cost.py",
        "measured": __doc__.split("\n\n")[2].replace("\n", " "),
        "machine": {"processor": platform.machine(), "threads": 1},
        "versions": {"python": platform.python_version()} | _versions("transferkit", "torch", "skada", "skorch"),
        "tables": tables,
    }
    for network in args.networks:
        shape, size = NETWORKS[network]
        table = tables.setdefault(network, {})
        table["network"] = f"{network} with a bottleneck of {WIDTH}, {CLASSES} classes, rows of shape {list(shape)}"
        table["batch"] = f"{size} rows of each domain"
        rows = {row["method"]: row for row in table.get("methods", [])}
        wanted = args.only or [name for name in names if name not in rows]
        for row in compare(network, wanted, args.rounds):
            rows[row["method"]] = row
            table["methods"] = [{**rows[name], "more": MORE.get(name, "")} for name in names if name in rows]
            atomic_write(args.out, json.dumps(facts, indent=1) + "\n")
    print(args.out)


def _versions(*packages: str) -> dict[str, str]:
    found = {}
    for package in packages:
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


if __name__ == "__main__":
    main()
