"""Memory that the allocator keeps, given back to the system."""

import ctypes
from functools import cache
from typing import Any


def release_free_memory() -> None:
    """Give back what is free inside the allocator's heap, where it is glibc's.

    Loading a forest leaves as much free memory between its trees as it takes itself: measured,
    730 MB of a process for a forest of 374 MB. Takes some milliseconds.
    """
    trim = _trim()
    if trim is not None:
        trim(0)


@cache
def _trim() -> Any:
    return getattr(ctypes.CDLL(None), "malloc_trim", None)
