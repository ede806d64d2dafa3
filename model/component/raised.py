"""What an exception of a model's code means. Seldon's are told by name, whoever defines them."""

from typing import Any

from model.errors import Refused

_UNAVAILABLE = 503


def is_not_implemented(exc: BaseException) -> bool:
    """Whether a hook says that it is not there, so that the default applies."""
    return isinstance(exc, NotImplementedError) or _is_a(exc, "SeldonNotImplementedError")


def refusal_in(exc: BaseException) -> Refused | None:
    """The message for the caller that the exception stands for, if it is one.

    Seldon's exception carries a status and a message for the caller: 4xx is what it sent, 503 is
    that the model cannot answer now. Every other status is a failure like any.
    """
    if isinstance(exc, Refused):
        return exc
    if not _is_a(exc, "SeldonMicroserviceException") or is_not_implemented(exc):
        return None
    status: Any = getattr(exc, "status_code", None)
    message = str(getattr(exc, "message", ""))
    if isinstance(status, int) and 400 <= status < 500:
        return Refused("invalid_input", message)
    return Refused("unavailable", message) if status == _UNAVAILABLE else None


def _is_a(exc: BaseException, name: str) -> bool:
    return any(kind.__name__ == name for kind in type(exc).__mro__)
