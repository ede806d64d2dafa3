"""Why something failed, as a log may tell it: without a word of what it failed at."""

import traceback
from typing import Any

_MAX_CAUSES = 10


def causes_of(exc: BaseException) -> list[dict[str, Any]]:
    """What was raised and where, the first cause last; the whole traceback without its texts."""
    # Models quote their input in the texts of their exceptions, and inputs are not logged.
    causes: list[dict[str, Any]] = []
    cause: BaseException | None = exc
    while cause is not None and len(causes) < _MAX_CAUSES:
        causes.append({"error": type(cause).__name__, "frames": _frames(cause)})
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return causes


def _frames(exc: BaseException) -> list[str]:
    frames = traceback.extract_tb(exc.__traceback__)
    return [f"{frame.filename}:{frame.lineno} {frame.name}: {frame.line}" for frame in frames]
