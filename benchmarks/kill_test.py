"""Twenty random kills: a fine-tuning with an unfreezing plan is shot with SIGKILL and resumed; it must equal the unbroken one.

    python benchmarks/kill_test.py

Each round starts the training in a process of its own, kills it after a random time, and starts it again until it is done;
the weights must equal those of the unbroken run bit for bit, the log line for line, and no file but the whole ones may be
left. The result is benchmarks/results/kill_test.json. PyTorch runs on one thread, so that sums have one order.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

RESULT = Path(__file__).parent / "results" / "kill_test.json"
N_KILLS = 20

TRAIN = """
import sys
import numpy as np, torch
torch.set_num_threads(1)
from safetensors.torch import save_file
from torch import nn
from transferkit import FineTuning
from transferkit.engine.training.settings import Training

torch.manual_seed(0)
net = nn.Sequential(
    nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(),
    nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.Dropout(0.2),
    nn.AdaptiveAvgPool2d(1), nn.Flatten(),
)
rng = np.random.default_rng(0)
X = rng.integers(0, 256, size=(240, 3, 24, 24), dtype=np.uint8)
y = np.arange(240) % 3
X[y == 1, 0] //= 2
X[y == 2, 1] //= 2
training = Training(
    n_epochs=12, batch_size=16, folder=sys.argv[1], checkpoint_every=3, average="ema", validation=0.2, progress=False,
    schedule="plateau", clip=1.0,
)
model = FineTuning(net, plan="gradual:1", batch_norm="train", dropout=0.2, training=training).fit(X, y)
save_file({k: v.contiguous() for k, v in model.network_.state_dict().items()}, sys.argv[2])
"""


def start(script: Path, folder: Path, weights: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, str(script), str(folder), str(weights)])


def finish(process: subprocess.Popen[bytes]) -> float:
    clock = time.perf_counter()
    if process.wait() != 0:
        raise SystemExit("the training failed by itself; see above")
    return time.perf_counter() - clock


def round_of_kills(home: Path, script: Path, span: float, rng: np.random.Generator, n: int) -> int:
    """Kill up to `n` times, then let it end. Gives the number of kills that met a living process."""
    kills = 0
    while kills < n:
        process = start(script, home / "broken", home / "broken.safetensors")
        time.sleep(float(rng.uniform(0.1, span)))
        if process.poll() is not None:
            return kills  # it was done before the shot
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills += 1
    finish(start(script, home / "broken", home / "broken.safetensors"))
    return kills


def main() -> None:
    from safetensors.numpy import load_file

    rng = np.random.default_rng(0)
    rounds: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        script = Path(name) / "train.py"
        script.write_text(TRAIN)
        whole = Path(name) / "whole"
        span = finish(start(script, whole, Path(name) / "whole.safetensors"))
        expected, log = load_file(Path(name) / "whole.safetensors"), (whole / "log.jsonl").read_text()
        killed = 0
        while killed < N_KILLS:
            home = Path(name) / f"round{len(rounds)}"
            home.mkdir()
            kills = round_of_kills(home, script, span, rng, min(3, N_KILLS - killed))
            killed += kills
            found = load_file(home / "broken.safetensors")
            rounds.append(
                {
                    "kills": kills,
                    "weights_equal": found.keys() == expected.keys()
                    and all(np.array_equal(found[k], expected[k]) for k in expected),
                    "log_equal": (home / "broken/log.jsonl").read_text() == log,
                    "files": sorted(p.name for p in (home / "broken").iterdir()),
                }
            )
            print(rounds[-1], flush=True)
    passed = all(
        r["weights_equal"] and r["log_equal"] and r["files"] == ["checkpoint.safetensors", "log.jsonl"] for r in rounds
    )
    facts = {"command": "python benchmarks/kill_test.py", "kills": killed, "passed": passed, "rounds": rounds}
    RESULT.write_text(json.dumps(facts, indent=1) + "\n")
    print(f"{killed} kills, {'all equal' if passed else 'NOT EQUAL'}")


if __name__ == "__main__":
    main()
