"""One file from the network: whole and with the right sum, or not there at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from ..core.errors import DataError
from ..core.files import make_folder

__all__ = ["Progress", "download"]

Progress = Callable[[str, int, int | None], object]  # (file name, bytes so far, bytes in all where known)

_CHUNK = 1 << 16


def download(
    url: str,
    path: Path,
    check: Callable[[Path], None],
    *,
    size: int | None = None,
    timeout: float = 30.0,
    progress: Progress | None = None,
) -> Path:
    """Download to a temporary neighbour, check it, then move it into place.

    Parameters
    ----------
    url : str
        An http or https address.
    path : Path
        Where the file goes; its folder is made.
    check : callable
        Called with the path of the whole temporary file; raises DataError where it is not what was expected.
    size : int, optional
        Bytes expected. A longer answer is given up at once.
    timeout : float, default=30.0
        Seconds without an answer after which the server is given up.
    progress : callable, optional
        Called with the file's name, the bytes so far and the bytes in all (None where unknown).

    Returns
    -------
    path : Path

    Raises
    ------
    DataError
        If the address does not answer, the answer is cut short, too long or fails the check, or the disk is full.
        Nothing of the file is left then; a file that lay there before stays as it was.
    """
    make_folder(path.parent)
    temporary = None
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        temporary = Path(name)
        with os.fdopen(handle, "wb") as file:
            done = 0
            for piece, total in _pieces(url, size, timeout):
                file.write(piece)
                done += len(piece)
                if progress is not None:
                    progress(path.name, done, total)
            file.flush()
            os.fsync(file.fileno())
        check(temporary)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as err:
        raise DataError(f"{path}: cannot be written ({err.strerror or err}).") from err
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
    return path


def _pieces(url: str, size: int | None, timeout: float) -> Iterator[tuple[bytes, int | None]]:
    """The answer bit by bit, with the bytes that it should have in all."""
    import http.client
    import urllib.error
    import urllib.request

    if not url.startswith(("http://", "https://")):
        raise DataError(f"{url}: an address must begin with http:// or https://.")
    request = urllib.request.Request(url, headers={"User-Agent": "transferkit"})
    done = 0
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            length = answer.headers.get("Content-Length")
            total = int(length) if length is not None and length.isdigit() else size
            if size is not None and total != size:
                raise DataError(f"{url}: must have {size} bytes. The server has {total}.")
            while piece := answer.read(_CHUNK):
                done += len(piece)
                if total is not None and done > total:
                    raise DataError(f"{url}: must have {total} bytes. The answer is longer.")
                yield piece, total
    except urllib.error.HTTPError as err:
        with err:
            raise DataError(f"{url}: cannot be downloaded (HTTP {err.code} {err.reason}).") from err
    except (OSError, http.client.HTTPException) as err:
        raise DataError(f"{url}: cannot be downloaded ({getattr(err, 'reason', None) or err}).") from err
    # The http client ends a cut answer silently when it is read in pieces.
    if total is not None and done < total:
        raise DataError(f"{url}: must have {total} bytes. The answer ended after {done}.")
