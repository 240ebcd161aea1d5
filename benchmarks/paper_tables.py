"""Write the published tables, ours beside the paper's, as JSON: ``python benchmarks/paper_tables.py [NAME]``."""

from __future__ import annotations

import sys
from pathlib import Path

from rich.console import Console

from transferkit import bench
from transferkit.core.files import atomic_write, make_folder

RESULTS = Path(__file__).parent / "results"


def main(names: list[str]) -> None:
    """Run the named tables, or all of them."""
    make_folder(RESULTS)
    console = Console()
    for name in names or bench.tables():
        with console.status(name) as status:
            result = bench.run_table(name, progress=lambda done, total, cell: status.update(f"{done}/{total} {cell}"))
        console.print(bench.render(result))
        atomic_write(RESULTS / f"{name}.json", bench.to_json(result))


if __name__ == "__main__":
    main(sys.argv[1:])
