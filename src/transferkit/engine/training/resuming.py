"""A loop's state written down, and taken up again by a loop of the same fit."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import torch

from ...core.errors import TrainingError
from .checkpoint import Checkpoint, as_plain, pack, read_checkpoint, unpack, write_checkpoint
from .optimizers import load_state

if TYPE_CHECKING:
    from .loop import Loop

__all__ = ["fingerprint_of", "resume", "save"]

# What may differ between a run and its continuation.
_FREE = frozenset({"folder", "progress", "callbacks", "workers", "resume", "tensorboard", "checkpoint_every", "device"})


def fingerprint_of(loop: Loop) -> str:
    """What makes this fit the one it is: settings, plan, data and the weights it starts from."""
    settings = {k: v for k, v in loop.training.get_params().items() if k not in _FREE}
    plan = [[p.group, str(p.from_epoch), p.lr_scale] for p in loop.plan.parts], sorted(loop.plan.only or ())
    facts = [settings, plan, loop.plan.batch_norm, loop.seed, loop.key, loop.processes.world]
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True, default=as_plain).encode())
    for name, value in loop.objective.state_dict().items():
        digest.update(name.encode() + value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    for name, rows in loop.streams.items():
        digest.update(f"{name} {rows.digest()}".encode())
    return digest.hexdigest()


def save(loop: Loop, key: str) -> None:
    """Write the loop's state to its folder, under a fingerprint; the first of several processes does."""
    folder, trained = loop.training.folder, loop.trained
    if loop.processes.rank or folder is None:
        return
    kept = Checkpoint()
    pack(kept, "key", key)
    pack(kept, "objective", loop.objective.state_dict())
    pack(kept, "optimizer", loop.optimizer.state_dict())
    pack(kept, "average", loop.average.state_dict())
    pack(kept, "scaler", loop.scaler.state_dict())
    pack(kept, "plateau", loop.plateau.state)
    pack(kept, "best", loop.best)
    pack(kept, "progress", {"done": loop.done, "lr": loop.lr, "sums": loop.sums, "pieces": trained.pieces})
    kept.facts["history"] = [trained.history, trained.stopped_early, trained.best_epoch]
    write_checkpoint(folder, kept)


def resume(loop: Loop, key: str) -> None:
    """Bring the loop to the state that its folder holds, if it holds one.

    Raises
    ------
    TrainingError
        If that is the state of another fit.
    """
    folder, trained = loop.training.folder, loop.trained
    kept = None if folder is None else read_checkpoint(folder)
    if kept is None:
        return
    if unpack(kept, "key") != key:
        raise TrainingError(
            f"{folder}: the checkpoint must be of the same data, weights and settings. Got one of another fit;"
            " name another folder, or set resume=False to begin anew."
        )
    loop.objective.load_state_dict(unpack(kept, "objective"))
    load_state(loop.optimizer, unpack(kept, "optimizer"))
    loop.average.load_state_dict(unpack(kept, "average"))
    loop.scaler.load_state_dict(unpack(kept, "scaler"))
    loop.plateau.state = unpack(kept, "plateau")
    loop.best = unpack(kept, "best")
    progress = unpack(kept, "progress")
    loop.done, loop.lr, loop.sums = progress["done"], progress["lr"], progress["sums"]
    trained.pieces = progress["pieces"]
    trained.history, trained.stopped_early, trained.best_epoch = kept.facts["history"]
