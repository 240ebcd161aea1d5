"""The HTTP interface: predictions, probabilities, what the model is, and a page to try it."""

# Annotations are evaluated here: FastAPI reads them, and its classes are imported in a function only.
import asyncio
import ipaddress
import logging
from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from .. import __version__
from ..core.errors import MissingExtraError, TransferError
from .page import page
from .rows import Refused, edges_of, rows_from_files, rows_from_json, sent_json
from .served import Served, length

__all__ = ["make_app"]

_LOG = logging.getLogger("transferkit.serve")
_JSON, _FORM = "application/json", "multipart/form-data"
_ENDINGS = {
    "text/csv": ".csv", "text/tab-separated-values": ".tsv", "image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp",
    "image/bmp": ".bmp", "image/tiff": ".tif", "audio/wav": ".wav", "audio/x-wav": ".wav", "audio/flac": ".flac",
}  # fmt: skip


def make_app(
    served: Served,
    *,
    max_bytes: int = 16 * 2**20,
    max_rows: int = 10_000,
    max_seconds: float = 60.0,
    hosts: Collection[str] | None = None,
) -> Any:
    """A FastAPI application around one model.

    Parameters
    ----------
    served : Served
        As `open_model` gives it.
    max_bytes : int, default=16 MiB
        Largest body of a request.
    max_rows : int, default=10000
        Most rows of a request.
    max_seconds : float, default=60.0
        Longest time that a body may take to arrive.
    hosts : collection of str, default=None
        Names by which the server may be asked, beside ``localhost`` and addresses. None is any name: then a page of
        another site, whose name is made to point here, can read the answers.

    Returns
    -------
    app : fastapi.FastAPI
        With ``POST /predict``, ``POST /predict_proba``, ``GET /model``, ``GET /health`` and the page ``GET /``. A body is JSON,
        a CSV file, an image or sound by itself, or a form with files. Errors are JSON with one sentence.

    Raises
    ------
    MissingExtraError
        If fastapi is not installed.
    """
    try:
        from fastapi import Depends, FastAPI, Request
        from fastapi.concurrency import run_in_threadpool
        from fastapi.responses import HTMLResponse, JSONResponse
        from starlette.exceptions import HTTPException
        from starlette.formparsers import MultiPartException
        from starlette.requests import ClientDisconnect
    except ImportError as err:
        raise MissingExtraError("serve: needs fastapi and uvicorn: pip install 'transferkit[serve]'") from err

    async def from_here(request: Request) -> None:
        """Refuse what a page of another site makes a browser send."""
        if hosts is not None and not _is_named(request.headers.get("host", ""), hosts):
            raise Refused(
                "host: must be localhost, an address, or a name that the server was told (--allow-host).", 421
            )
        if request.method == "POST" and request.headers.get("sec-fetch-site") == "cross-site":
            raise Refused("request: must not come from a page of another site.", 403)

    app = FastAPI(
        title="transferkit", version=__version__, docs_url=None, redoc_url=None, dependencies=[Depends(from_here)]
    )
    shown = page(served)

    def refuse(message: str, status: int) -> JSONResponse:
        whole = " ".join(message.split()).encode(errors="replace").decode()
        return JSONResponse({"error": whole}, status_code=status, headers={"X-Content-Type-Options": "nosniff"})

    async def body_of(request: Request) -> bytes:
        """The body, given up as soon as it is too large or too slow."""
        content = bytearray()
        try:
            async with asyncio.timeout(max_seconds):
                async for part in request.stream():
                    content += part
                    if len(content) > max_bytes:
                        raise Refused(f"body: must be at most {max_bytes} bytes.", 413)
        except TimeoutError as err:
            raise Refused(f"body: must arrive within {max_seconds:g} seconds.", 408) from err
        except ClientDisconnect as err:  # nobody reads the answer; without it the log fills
            raise Refused("body: must be sent as a whole.") from err
        return bytes(content)

    async def files_of(request: Request, content: bytes) -> list[tuple[str, bytes]]:
        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": content, "more_body": False}

        try:
            async with Request(request.scope, receive).form(max_part_size=max_bytes) as form:
                files = [v for _, v in form.multi_items() if not isinstance(v, str)]
                return [(f.filename or "file", await f.read()) for f in files]
        except (HTTPException, MultiPartException) as err:
            raise Refused(f"body: must be a form with files. Got: {getattr(err, 'detail', err)}") from err

    def answer(content: bytes, files: list[tuple[str, bytes]] | None, proba: bool) -> dict[str, Any]:
        if files is None:
            sent = sent_json(content)
            rows = rows_from_json(sent, served, max_rows)
            return told(rows, proba, edges_of(sent, length(rows)) if served.of_graph else None)
        with rows_from_files(files, served, max_rows) as rows:
            return told(rows, proba)

    def told(rows: Any, proba: bool, edges: Any = None) -> dict[str, Any]:
        labels, probabilities = served.predict(rows, proba=proba, edges=edges)
        if any(v is not None and v.dtype.kind == "f" and not np.isfinite(v).all() for v in (labels, probabilities)):
            raise Refused("rows: must be such that the model's answer is finite. Some values are far too large.")
        found: dict[str, Any] = {"predictions": labels.tolist(), "rows": length(rows), "notes": served.notes(rows)}
        if probabilities is not None:
            found.update(classes=served.classes, probabilities=probabilities.tolist())
        return found

    async def reply(request: Request, proba: bool) -> JSONResponse:
        declared = request.headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > max_bytes:
            raise Refused(f"body: must be at most {max_bytes} bytes. Got {declared}.", 413)
        content = await body_of(request)
        kind = request.headers.get("content-type", _JSON).partition(";")[0].strip().lower()
        files = None
        if kind == _FORM:
            files = await files_of(request, content)
        elif kind in _ENDINGS:
            files = [(f"body{_ENDINGS[kind]}", content)]
        elif kind != _JSON:
            raise Refused(f"content-type: must be {_JSON}, text/csv, an image, a sound or {_FORM}. Got {kind!r}.", 415)
        return JSONResponse(await run_in_threadpool(answer, content, files, proba))

    @app.exception_handler(TransferError)
    async def on_refused(request: Request, err: TransferError) -> JSONResponse:
        return refuse(str(err), err.status if isinstance(err, Refused) else 400)

    @app.exception_handler(HTTPException)
    async def on_http(request: Request, err: HTTPException) -> JSONResponse:
        return refuse(f"{request.method} {request.url.path}: {err.detail}.", err.status_code)

    @app.exception_handler(Exception)
    async def on_fault(request: Request, err: Exception) -> JSONResponse:
        _LOG.error("%s %r failed", request.method, request.url.path, exc_info=err)
        return refuse("the model failed on this request; the server's log says why.", 500)

    @app.post("/predict")
    async def predict(request: Request) -> JSONResponse:
        """The label or value of each row."""
        return await reply(request, proba=False)

    @app.post("/predict_proba")
    async def predict_proba(request: Request) -> JSONResponse:
        """The label and the probability of every class, of each row."""
        if not served.has_proba:
            raise Refused("/predict_proba: the model has no probabilities; use /predict.", 404)
        return await reply(request, proba=True)

    @app.get("/health")
    async def health() -> dict[str, str]:
        """Whether the server answers."""
        return {"status": "ok", "transferkit": __version__}

    @app.get("/model")
    async def model() -> dict[str, Any]:
        """What the model is, takes and is expected to reach."""
        return {
            **served.about,
            "takes": served.kind,
            "edges": served.of_graph,
            "columns": served.columns or None,
            "classes": served.classes,
            "probabilities": served.has_proba,
            "max_rows": max_rows,
            "max_bytes": max_bytes,
        }

    @app.get("/", response_class=HTMLResponse)
    async def root() -> HTMLResponse:
        """A page to try the model."""
        policy = (
            "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:;"
            " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        return HTMLResponse(shown, headers={"Content-Security-Policy": policy})

    return app


def _is_named(host: str, names: Collection[str]) -> bool:
    """Whether a request's ``Host`` is an address, or a name from the list."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    if name == "localhost" or name in {n.lower() for n in names}:
        return True
    try:
        return bool(ipaddress.ip_address(name))
    except ValueError:
        return False
