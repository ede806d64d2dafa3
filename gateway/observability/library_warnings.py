"""Warnings of libraries and of models' code, as events: once for each line of code that warns."""

import sys
import warnings
from pathlib import PurePath
from typing import Any

import structlog

log = structlog.get_logger()

# What code says to its developers. Python itself does not show these either.
_FOR_DEVELOPERS = (
    DeprecationWarning,
    PendingDeprecationWarning,
    ImportWarning,
    ResourceWarning,
)
# Names are checked by the contract; estimators inside others would say this at each call.
_ABOUT_NAMES = "X does not have valid feature names"
_MOST_PLACES = 200
_SHOWN_PARTS = 3


def log_each_warning_once() -> None:
    """Replace this process's warning filters by a single one, and log what passes it.

    Libraries bring a dozen filters with them, and scikit-learn sets up each of them anew for each
    tree of a forest that it asks: without them a row takes 10 ms of 400 trees, and not 17.
    Filters that the operator gave (PYTHONWARNINGS) stay.
    """
    warnings.showwarning = _Once().say  # type: ignore[assignment]  # Its last two go unused.
    if not sys.warnoptions:
        warnings.resetwarnings()
        warnings.simplefilter("always")


class _Once:
    """What was said already. The text is left out: it may have a caller's values in it."""

    def __init__(self) -> None:
        self._places: set[str] = set()

    def say(
        self, message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: Any
    ) -> None:
        if issubclass(category, _FOR_DEVELOPERS) or str(message).startswith(_ABOUT_NAMES):
            return
        place = f"{'/'.join(PurePath(filename).parts[-_SHOWN_PARTS:])}:{lineno}"
        if place not in self._places and len(self._places) < _MOST_PLACES:
            self._places.add(place)
            log.warning("library_warning", category=category.__name__, place=place)
