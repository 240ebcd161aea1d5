"""Data parallel: what torchrun starts is one training."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import loops
from loops import GROUPS, Classify, make, rows, state
from transferkit.core.errors import TrainingError
from transferkit.engine.networks.backbone import Group
from transferkit.engine.training.distribution import Processes
from transferkit.engine.training.loop import Loop

NORM = (Group("first", ("first.weight", "first.bias", "noise.weight", "noise.bias"), ("first", "noise")), GROUPS[1])

# What each process does: trainings one after the other; their weights, and what was found, go to a file for each process.
SCRIPT = """
import os, sys, warnings
sys.path.insert(0, {tests!r})
import torch, torch.distributed as dist
from torch import nn
from safetensors.torch import save_file
import loops
from loops import Classify, make, rows, state
torch.set_num_threads(1)
rank = os.environ["RANK"]
found = {{}}

def keep(name, loop):
    loop.run()
    assert loop.processes.world == {world}
    rows = loop.trained.history
    facts = {{"loss": [r["train/loss"] for r in rows], "validation": [r.get("validation", 0.0) for r in rows]}}
    found.update({{f"{{name}}/{{k}}": v for k, v in state(loop).items()}})
    found.update({{f"{{name}}/{{k}}": torch.tensor(v, dtype=torch.float64) for k, v in facts.items()}})

{body}
save_file(found, {folder!r} + "/" + rank + ".safetensors")
dist.destroy_process_group()
# Gloo's threads may still hold a tensor when the interpreter ends, and abort there (pytorch issue 190489).
sys.stderr.flush()
os._exit(0)
"""

BODY = """
keep("plain", make(optimizer="sgd", device="cpu"))

objective = Classify()
objective.net.noise = nn.BatchNorm1d(5)
NORM = {norm}
keep("norm", make(objective, groups=NORM, batch_norm="train", device="cpu", keep="best",
    validate=lambda: float(objective.net.noise.running_mean.sum())))

class Small(Classify):
    def loss(self, batch, progress):
        if rank == "0" and len(batch["target"]) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return super().loss(batch, progress)

warnings.simplefilter("ignore")
keep("memory", make(Small(), optimizer="sgd", device="cpu"))

class Stop(Exception):
    pass

def stopper(event, facts):
    if facts["update"] == 2:
        raise Stop

folder = {folder!r} + "/run"
try:
    make(folder=folder, checkpoint_every=1, optimizer="sgd", device="cpu", callbacks=[stopper]).run()
except Stop:
    pass
keep("resumed", make(folder=folder, checkpoint_every=1, optimizer="sgd", device="cpu"))

objective = Classify()
objective.unused = nn.Linear(2, 2)
keep("unused", make(objective, n_epochs=1, weight_decay=0.5, device="cpu"))
"""


def launch(tmp_path, body, world=2):
    script = tmp_path / "train.py"
    script.write_text(
        SCRIPT.format(tests=str(Path(loops.__file__).parent), folder=str(tmp_path), body=body, world=world)
    )
    found = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={world}", str(script)],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert found.returncode == 0, f"{found.stderr[:2000]} ... {found.stderr[-1000:]}"
    return [load_file(tmp_path / f"{rank}.safetensors") for rank in range(world)]


def part(found, name):
    return {k.removeprefix(name + "/"): v for k, v in found.items() if k.startswith(name + "/")}


def test_two_processes_equal_one(tmp_path):
    """Same global batch, gradients added up."""
    first, second = launch(tmp_path, BODY.format(norm=repr(NORM).replace("Group", "loops.Group"), folder=str(tmp_path)))
    for name, value in first.items():  # statistics and judgement included: both stop at the same epoch
        assert torch.equal(value, second[name]), name
    one = make(optimizer="sgd")
    one.run()
    losses = torch.tensor([row["train/loss"] for row in one.trained.history], dtype=torch.float64)
    for case in ("plain", "memory", "resumed"):
        torch.testing.assert_close(part(first, case)["loss"], losses, rtol=1e-5, atol=1e-6)
        for name, value in state(one).items():
            torch.testing.assert_close(value, part(first, case)[name], rtol=1e-5, atol=1e-6)
    assert torch.equal(part(first, "plain")["loss"], part(first, "resumed")["loss"])
    torch.manual_seed(0)
    objective = Classify()
    assert torch.equal(part(first, "unused")["unused.weight"], nn.Linear(2, 2).weight)
    assert not torch.equal(part(first, "unused")["net.head.weight"], objective.net.head.weight)


def test_no_process_is_without_rows(tmp_path):
    """The last of 18 rows, two, join the batch before: three processes cannot share two rows."""
    found = launch(tmp_path, 'keep("few", make(streams={"target": rows(18)}, n_epochs=1, device="cpu"))', world=3)
    assert all(torch.equal(found[0]["few/net.head.weight"], other["few/net.head.weight"]) for other in found[1:])


def test_fewer_rows_than_processes_are_refused(monkeypatch):
    monkeypatch.setattr("transferkit.engine.training.loop.find_processes", lambda device: Processes(0, 4))
    with pytest.raises(TrainingError, match=r"a row for each of 4 processes\. Got 3 of 22"):
        make(batch_size=3)
    assert isinstance(make(batch_size=4, streams={"target": rows(4)}), Loop)
