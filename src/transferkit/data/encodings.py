"""Text of any usual encoding as UTF-8."""

from __future__ import annotations

import codecs

from ..core.errors import DataError

__all__ = ["to_utf8"]

# UTF-32 first: its little-endian mark begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip


def to_utf8(raw: bytes, origin: str) -> bytes:
    """The same text in UTF-8, without a mark in front; the encoding is told from the bytes.

    Raises
    ------
    DataError
        Naming `origin`, where no encoding fits or the bytes are no text.
    """
    encoding = next((name for mark, name in _MARKS if raw.startswith(mark)), "utf-8")
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError:
        encoding = _guess_encoding(raw, origin)
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError as err:
            raise DataError(
                f"{origin}: the text must be in one encoding; save it as UTF-8. Got {encoding} up to byte {err.start}."
            ) from err
    if "\0" in text:
        # Plain ASCII in UTF-16 without a mark is also valid UTF-8, with a zero in every second byte.
        text = raw.decode(_guess_encoding(raw, origin), errors="replace")
    if "\0" in text:
        raise DataError(f"{origin}: the file must be text. It holds zero bytes.")
    return raw if encoding == "utf-8" and b"\0" not in raw else text.encode()


def _guess_encoding(raw: bytes, origin: str) -> str:
    from charset_normalizer import from_bytes

    # The encodings that tables come in, first: on a few bytes a free choice among all of them goes wrong.
    common = ["gb18030", "cp1252", "latin_1", "utf_16_le", "utf_16_be"]
    best = from_bytes(raw[: 1 << 18], cp_isolation=common).best() or from_bytes(raw[: 1 << 18]).best()
    if best is None:
        raise DataError(f"{origin}: the text must be in a known encoding; save it as UTF-8. No encoding fits.")
    return best.encoding
