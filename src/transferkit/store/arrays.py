"""Numpy arrays of any plain dtype as arrays that safetensors can hold, and back to the very same ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.protocols import Array

__all__ = ["can_pack", "pack", "unpack"]


def can_pack(dtype: np.dtype[Any]) -> bool:
    """Whether arrays of a dtype can be kept exactly: numbers up to 64 bits a part, booleans, times, fixed-width text."""
    return dtype.kind in "biuMmUS" or (dtype.kind in "fc" and dtype.itemsize <= (8 if dtype.kind == "f" else 16))


def pack(array: Array) -> tuple[Array, dict[str, Any]]:
    """A little-endian C-ordered array of numbers or booleans, and what `unpack` needs besides.

    Complex numbers become pairs, times become integers, and text becomes code units, on one more axis at the end. Column
    order is kept, since products of matrices can differ in the last bit with the order.
    """
    about: dict[str, Any] = {"dtype": array.dtype.str}
    if array.flags.f_contiguous and not array.flags.c_contiguous:
        about["order"] = "F"
        array = array.T
    dtype = array.dtype.newbyteorder("<")
    array = np.asarray(array, dtype=dtype, order="C")  # the very same one where it is so: it may be large
    if dtype.kind in "Mm":
        return array.view("<i8"), about
    if dtype.kind in "cUS":
        part = {"c": f"<f{dtype.itemsize // 2}", "U": "<u4", "S": "|u1"}[dtype.kind]
        width = dtype.itemsize // np.dtype(part).itemsize
        if not array.size or not width:
            return np.zeros((*array.shape, width), part), about
        return array.reshape(*array.shape, 1).view(part), about
    return array, about


def unpack(stored: Array, about: dict[str, Any]) -> Array:
    """The array that `pack` was given."""
    dtype = np.dtype(about["dtype"])
    if not can_pack(dtype):
        raise ValueError(f"dtype {dtype} cannot be stored")
    little = dtype.newbyteorder("<")
    if dtype.kind in "cUS":
        shape = stored.shape[:-1]
        empty = not stored.size
        array = np.zeros(shape, little) if empty else np.ascontiguousarray(stored).view(little).reshape(shape)
    elif dtype.kind in "Mm":
        array = stored.view(little)
    else:
        array = stored
    array = array.astype(dtype, copy=False)
    return array.T if about.get("order") == "F" else array
