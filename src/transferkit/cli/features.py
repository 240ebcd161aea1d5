"""`transferkit features`: fill the feature cache."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .console import out, print_json
from .run import AS_JSON, LABEL

if TYPE_CHECKING:
    from ..engine.features.extraction import Extraction

__all__ = ["features"]


def features(
    data: Annotated[
        str,
        typer.Argument(metavar="DATA", help="A folder, zip file or table of images, texts or sounds, or NAME:DOMAIN."),
    ],
    model: Annotated[
        str, typer.Option("--model", "-m", help="timm:NAME, torchvision:NAME, hf:NAME, sentence:NAME or file:PATH.")
    ],
    cache: Annotated[
        Path | None,
        typer.Option("--cache", help="Folder of the cache. Default: TRANSFERKIT_CACHE, or the user's cache folder."),
    ] = None,
    layers: Annotated[
        str | None,
        typer.Option("--layers", help="Pool and join these modules, with commas between; out is the last output."),
    ] = None,
    l2: Annotated[bool, typer.Option("--l2", help="Divide every row by its norm.")] = False,
    precision: Annotated[str, typer.Option("--precision", help="auto, fp32 or bf16.")] = "auto",
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda, ...")] = "auto",
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Rows at a time.")] = 64,
    workers: Annotated[int, typer.Option("--workers", min=0, help="Processes that decode.")] = 0,
    label: LABEL = None,
    text: Annotated[str | None, typer.Option("--text", help="The column of a table that holds the texts.")] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="A broken file is an error, not skipped and listed.")
    ] = False,
    to: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write features, labels and names to this .npz file too.")
    ] = None,
    as_json: AS_JSON = False,
) -> None:
    """Compute the features of a pretrained network once, and keep them for every method that uses the same network.

    [bold]Examples[/bold]

      transferkit features photos/ --model timm:resnet18 --out features.npz

      transferkit features reviews.csv --text review --model sentence:all-MiniLM-L6-v2

      transferkit features photos.zip --model "timm:vit_small_patch16_224?image_size=224" --layers blocks.8,out
    """
    from ..core.errors import DataError

    if to is not None and to.suffix != ".npz":
        raise typer.BadParameter("must end in .npz", param_hint="--out")
    if to is not None and not to.parent.is_dir():
        raise DataError(f"{to}: its folder must exist. There is none.")
    from ..engine.backbones import load_backbone
    from ..engine.features.extraction import extract_features

    domain = _read(data, label, text, strict)
    backbone = load_backbone(model, layers=layers, l2=l2 or None)
    with _bar(as_json) as report:
        found = extract_features(
            backbone, domain.X, cache=cache or True, batch_size=batch_size, device=device, precision=precision,
            workers=workers, progress=report,
        )  # fmt: skip
    if to is not None:
        _write(to, domain, found)
    facts = _facts(backbone, found, to)
    if as_json:
        print_json(facts)
        return
    console = out()
    speed = f", {facts['per_second']:g} a second" if found.n_computed else ""
    console.print(f"{facts['rows']} rows x {facts['n_features']} features of {model}")
    console.print(
        f"computed {found.n_computed} in {found.seconds:.1f} s{speed} ({found.precision}, {found.device}); "
        f"{found.n_hits} were there, {found.n_duplicates} are copies of another row"
    )
    console.print(f"weights {backbone.fingerprint[:12]}", *backbone.notes, sep="; ")
    for place in (found.folder, to):
        if place is not None:
            console.print(str(place), soft_wrap=True)


def _read(data: str, label: str | None, text: str | None, strict: bool) -> Any:
    """The samples of a source, or of one domain of a named data set."""
    from ..core.errors import DataError
    from ..data import named
    from ..data.readers import read
    from ..data.samples import Samples

    domain = named.reference(data, label)
    if domain is None:
        domain = read(data, label=label, text=text, strict=strict)
    if not isinstance(domain.X, Samples):
        raise DataError(
            f"{data}: must hold images, texts, sounds or series, which a network takes; of a table, --text names the column "
            f"of texts. Got rows of {type(domain.X).__name__}."
        )
    return domain


def _bar(quiet: bool) -> Any:
    """A progress bar on standard error."""
    from contextlib import contextmanager

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    @contextmanager
    def bar() -> Any:
        console = Console(stderr=True)
        columns = (TextColumn("features"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as progress:
            line = progress.add_task("features", total=None)
            yield lambda done, total: progress.update(line, completed=done, total=total)

    return bar()


def _facts(backbone: Any, found: Extraction, to: Path | None) -> dict[str, Any]:
    n, width = found.features.shape
    return {
        "model": backbone.name,
        "weights": backbone.fingerprint,
        "notes": list(backbone.notes),
        "rows": n,
        "n_features": width,
        "computed": found.n_computed,
        "hits": found.n_hits,
        "duplicates": found.n_duplicates,
        "seconds": round(found.seconds, 3),
        "per_second": round(found.n_computed / found.seconds, 1) if found.n_computed else None,
        "precision": found.precision,
        "device": found.device,
        "folder": None if found.folder is None else str(found.folder),
        "out": None if to is None else str(to),
    }


def _write(to: Path, domain: Any, found: Extraction) -> None:
    import numpy as np

    from ..core.files import atomic_write

    arrays: dict[str, Any] = {"features": found.features}
    if domain.y is not None:
        y = np.asarray(domain.y)
        arrays["labels"] = y.astype(str) if y.dtype == object else y  # without pickle
        if domain.known is not None:
            arrays["known"] = domain.known
    if hasattr(domain.X, "name"):
        arrays["names"] = np.array([domain.X.name(i) for i in range(len(domain.X))])
    content = io.BytesIO()
    np.savez(content, **arrays)
    atomic_write(to, content.getvalue())
