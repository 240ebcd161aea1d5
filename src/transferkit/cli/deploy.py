"""`transferkit export` and `transferkit serve`: a model leaves its run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ..core.errors import DataError, MissingExtraError
from .console import complain, model_folder, out, print_json
from .run import AS_JSON, TEXT

__all__ = ["export", "serve"]

_MOST = 500  # rows of the target that a graph is compared on; of images and texts a tenth

_CONNECTIONS = 200  # at a time; one more is told to come back (503)


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN|MODEL", help="Folder of a run or a fit, or a saved model.")],
    output: Annotated[Path, typer.Option("--out", "-o", help="File to write.")],
    form: Annotated[
        str,
        typer.Option(
            "--format",
            "-f",
            help="onnx: one graph for any runtime; zip: the model's folder in one file; auto: by the ending.",
        ),
    ] = "auto",
    check: Annotated[
        str | None,
        typer.Option(
            "--check", help="Rows to compare graph and model on; without it the run's target, else made-up ones."
        ),
    ] = None,
    text: TEXT = None,
    tolerance: Annotated[
        float | None, typer.Option("--tolerance", help="Largest difference allowed; 1e-6, and 1e-4 with a network.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")] = False,
    as_json: AS_JSON = False,
) -> None:
    """Write a model as one ONNX graph, or as one zip file.

    Encoding of tables, maps, votes and networks are all in the graph; it is run beside the model and must give the same
    answers, else nothing is written. What has no form in ONNX is named; then run again with --distil, or take a zip file.

    [bold]Examples[/bold]

      transferkit export runs/clinic -o clinic.onnx

      transferkit export runs/clinic -o clinic.onnx --check new_patients.csv

      transferkit export runs/flowers --format zip -o flowers.zip
    """
    from ..report.deployed import about_run

    form = output.suffix.removeprefix(".").lower() if form == "auto" else form
    if form not in ("onnx", "zip"):
        raise typer.BadParameter(f"must be onnx or zip, or --out end so. Got {form!r}", param_hint="--format")
    if not run.exists():
        raise DataError(f"{run}: must be the folder of a run. Got no such folder.")
    folder, about = model_folder(run), about_run(run)
    if run.is_file():
        from ..store import read_about

        about = read_about(run)
    if form == "zip":
        from ..store import pack

        pack(folder, output, about=about, overwrite=overwrite)
        facts: dict[str, Any] = {"file": str(output), "format": form, "bytes": output.stat().st_size}
        if as_json:
            print_json(facts)
        else:
            out().print(f"{output}: {_size(facts['bytes'])}", soft_wrap=True, markup=False)
        return
    from .. import store
    from ..export import export_onnx

    model = store.load(folder)
    rows = _rows(check, text, run, model)
    found = export_onnx(model, output, rows=rows, tolerance=tolerance, overwrite=overwrite, metadata=about)
    if as_json:
        print_json({"file": str(output), "format": form, **found})
        return
    checked = found["check"]
    which = "made-up rows" if checked["made_up"] else "rows"
    out().print(
        f"{output}: {_size(found['bytes'])}. On {checked['rows']} {which} it differs from the model by at most"
        f" {checked['largest_difference']:.1e} (allowed: {checked['tolerance']:g}), and in {checked['labels_differ']} labels.",
        soft_wrap=True,
        markup=False,
    )


def _rows(check: str | None, text: str | None, run: Path, model: Any) -> Any:
    """Rows to compare on: as asked, else the run's own target where it still lies there."""
    from ..core.errors import TransferError
    from ..data.encode import columns_of
    from ..data.samples import Samples
    from ..pipeline.define import TransferTask, define, read_domain

    if check is not None:
        found = read_domain(check, label=None, require_label=False, text=text, columns=columns_of(model))
    elif (run / "run.toml").exists():
        try:
            found = define(TransferTask.from_toml(run / "run.toml")).target
        except TransferError as err:
            complain(f"note: the run's target cannot be read any more ({err}); made-up rows are compared instead.")
            return None
    else:
        return None
    most = _MOST // 10 if isinstance(found.X, Samples) else _MOST
    return found.X[:most]


def serve(
    run: Annotated[
        Path, typer.Argument(metavar="RUN|MODEL|FILE", help="Folder of a run or a fit, an exported .onnx or .zip file.")
    ],
    host: Annotated[str, typer.Option("--host", help="Address; 0.0.0.0 lets other machines in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", "-p", min=0, max=65535, help="0 takes any free one.")] = 8000,
    max_rows: Annotated[int, typer.Option("--max-rows", min=1, help="Most rows of a request.")] = 10_000,
    max_mb: Annotated[float, typer.Option("--max-mb", min=0.001, help="Largest request, in megabytes.")] = 16.0,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-host",
            help="A name by which the server may be asked, beside localhost and addresses; repeat. Without it any, where"
            " --host lets other machines in.",
        ),
    ] = None,
) -> None:
    """Put a model behind HTTP: POST /predict and /predict_proba, GET /model and /health, and a page to try it.

    Rows come as JSON, as a CSV file, or as files of images or sounds. There is no password: behind anything but this
    machine, put a proxy in front.

    [bold]Examples[/bold]

      transferkit serve runs/clinic

      transferkit serve clinic.onnx --port 9000

      curl -H 'Content-Type: application/json' -d '{"rows": [{"age": 41, "sex": "f"}]}' localhost:8000/predict_proba

      curl -H 'Content-Type: text/csv' --data-binary @new.csv localhost:8000/predict

      curl -F files=@ant.jpg -F files=@bee.jpg localhost:8000/predict
    """
    import socket

    from ..report.deployed import about_run
    from ..serve import make_app, open_model

    try:
        import uvicorn
    except ImportError as err:
        raise MissingExtraError("serve: needs uvicorn: pip install 'transferkit[serve]'") from err
    folder = model_folder(run)
    # On this machine alone no other name is right: one of a page in the browser, made to point here, would be let in.
    hosts = (
        [host, *allow_host] if allow_host else [] if host in ("localhost", "::1") or host.startswith("127.") else None
    )
    app = make_app(open_model(folder, about_run(run)), max_bytes=int(max_mb * 1e6), max_rows=max_rows, hosts=hosts)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as place:
        place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            place.bind((host, port))
            place.listen(2048)  # who reads the line below may ask at once
        except OSError as err:
            raise DataError(f"serve: {host}:{port} must be free. Got: {err.strerror or err}.") from err
        taken = place.getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        out().print(f"serving {run} on http://{shown}:{taken} (Ctrl-C stops)", soft_wrap=True, markup=False)
        config = uvicorn.Config(app, log_level="warning", server_header=False, limit_concurrency=_CONNECTIONS)
        uvicorn.Server(config).run(sockets=[place])


def _size(n: int) -> str:
    return f"{n / 1e6:.1f} MB" if n >= 1e6 else f"{n / 1e3:.1f} kB"
