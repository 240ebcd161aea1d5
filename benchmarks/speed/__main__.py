"""Fits beside skada 0.6, POT 0.9.7 and ADAPT 0.4.5, method by method; to results/speed.json, a cell at a time.

python -m venv .venv-bench && .venv-bench/bin/pip install -c constraints.txt -e . -r benchmarks/requirements.txt
.venv-bench/bin/python benchmarks/speed

Seconds are processor time of one thread: the whole fit, the inner estimator included, median of three. The sides take turns,
each in a process of its own; memory is by how much the first fit raises its process's largest resident size. Settings are
the same numbers wherever the sides have the parameter, and `match` in the result says where they cannot agree. A cell that is
there already is not run again, so that a stopped command goes on; `--again` runs it. A library that is not installed is
left out and said. Linux only: processes are forked.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from itertools import product
from pathlib import Path
from typing import Any

import one_thread  # noqa: F401  first: libraries read their number of threads at import
import reweighting
import subspaces
import target_labels
import transport
from sides import PEERS, Case
from turns import cell

RESULT = Path(__file__).parents[1] / "results" / "speed.json"
CASES = {c.name: c for module in (reweighting, subspaces, transport, target_labels) for c in module.CASES}


def installed() -> list[str]:
    """The sides that can be imported here."""
    found = ["transferkit"]
    for side, module in PEERS.items():
        try:
            importlib.import_module(module)
            found.append(side)
        except ImportError as err:
            print(f"without {side}: {err}")
    return [*found, "floor"]


def versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in ("transferkit", "skada", "POT", "adapt", "numpy", "scipy", "scikit-learn", "torch", "tensorflow"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def table_row(case: Case, n: int, d: int, sides: dict[str, Any]) -> dict[str, Any]:
    """What the sides did, and how many times longer the quickest peer took: than ours, and than the floor under it."""
    floor = sides.pop("floor", {})
    peers = [s["seconds"] for side, s in sides.items() if side != "transferkit" and "seconds" in s]
    row = {"method": case.name, "n": n, "d": d, "problem": case.problem, "match": case.match, "sides": sides}
    if peers and "seconds" in sides["transferkit"]:
        row["ratio"] = round(min(peers) / max(sides["transferkit"]["seconds"], 1e-4), 2)
    if peers and case.floor and "seconds" in floor:
        ratio = round(min(peers) / max(floor["seconds"], 1e-4), 2)
        row["floor"] = {"of": case.floor[0], "seconds": floor["seconds"], "ratio": ratio}
    return row


def show(row: dict[str, Any]) -> None:
    parts = [f"{row['method']:38} n={row['n']} d={row['d']}"]
    for side, s in row["sides"].items():
        said = f"{s['seconds']:.3f} s {s['score']:.3f} {s['mib']:.0f} MiB" if "seconds" in s else next(iter(s.values()))
        parts.append(f"{side} {said}")
    print(*parts, f"{row['ratio']}x" if "ratio" in row else "", sep=" | ", flush=True)


def tables(cells: Iterable[dict[str, Any]]) -> None:
    """Print one Markdown table for each number of rows and features."""
    groups: dict[tuple[int, int], list[dict[str, Any]]] = {}
    for row in cells:
        groups.setdefault((row["d"], row["n"]), []).append(row)
    sides = ["transferkit", *PEERS]
    order = list(CASES)
    for (d, n), rows in sorted(groups.items()):
        print(f"\n{n} + {n} rows, {d} features:\n\n| method | " + " | ".join(sides) + " | ratio |")
        print("|---" * 6 + "|")
        for row in sorted(rows, key=lambda r: order.index(r["method"])):
            entries = [_entry(row["sides"].get(side)) for side in sides]
            print("|", " | ".join([row["method"], *entries, _ratio(row)]), "|")


def _ratio(row: dict[str, Any]) -> str:
    most = f" (floor: {row['floor']['ratio']:.1f})" if "floor" in row else ""
    return f"{row['ratio']:.1f}{most}" if "ratio" in row else ""


def _entry(side: dict[str, Any] | None) -> str:
    if side is None:
        return ""
    if "seconds" not in side:
        return "error" if "error" in side else "given up"
    return f"{side['seconds']:.3g} s, {side['score']:.3f}, {side['mib']:.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks/speed", description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", default=list(CASES), choices=list(CASES), metavar="METHOD")
    parser.add_argument("--sizes", nargs="+", type=int, default=[500, 1000, 2000], help="rows a side")
    parser.add_argument("--features", nargs="+", type=int, default=[20, 200])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--once-from", type=float, default=120, help="seconds from which a fit is not repeated")
    parser.add_argument("--limit", type=int, default=600, help="seconds after which a fit is given up")
    parser.add_argument("--again", action="store_true", help="run cells that are there already too")
    parser.add_argument("--show", action="store_true", help="only print what is there, as Markdown")
    parser.add_argument("--out", type=Path, default=RESULT)
    args = parser.parse_args()
    if args.show:
        tables(json.loads(args.out.read_text(encoding="utf-8"))["cells"].values())
        return
    sides = installed()
    result = json.loads(args.out.read_text(encoding="utf-8")) if args.out.exists() else {"cells": {}}
    result = {
        "command": "python benchmarks/speed",
        "machine": {"cpu_count": os.cpu_count(), "system": platform.system()},
        "versions": versions(),
    } | {"cells": result["cells"]}
    for d, n, name in product(args.features, args.sizes, args.only):
        key, case = f"{name}, n={n}, d={d}", CASES[name]
        if key in result["cells"] and not args.again:
            continue
        here = [side for side in sides if side in case.timed]
        row = table_row(case, n, d, cell(case, n, d, here, args.repeats, args.once_from, args.limit))
        result["cells"][key] = row
        partial = args.out.with_suffix(".partial")
        partial.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        partial.replace(args.out)
        show(row)
    print(args.out)


if __name__ == "__main__":
    main()
