"""Calling hooks: while a class is proved, and while it serves."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from model.component.construction import Component
from model.component.hooks import Hook
from model.component.raised import is_not_implemented, refusal_in
from model.errors import ArtifactRejected, ModelFailed

_A = TypeVar("_A")


@contextmanager
def proving(component: Component) -> Iterator[None]:
    """Within this the component is asked for the first time, in its folder.

    Raises: ArtifactRejected, with what the operator should do about any failure.
    """
    try:
        with component.placed.at_home(), warnings.catch_warnings():
            # Whether it answers is the question here; what it thinks of the example is not.
            warnings.simplefilter("ignore")
            yield
    except ArtifactRejected:
        raise
    except ModelFailed as exc:
        raise ArtifactRejected(f"The answer of {component.name} cannot be used: {exc}.") from exc
    except (Exception, SystemExit) as exc:
        refused = refusal_in(exc)
        said = component.origin(exc) if refused is None else refused.message
        raise ArtifactRejected(
            f"{component.name} does not answer its example ({said});"
            " correct it, or give rows that it answers in [example] of model.toml."
        ) from exc


def optional(hook: Hook | None) -> Any:
    """What a hook without arguments says; None where it is not there."""
    try:
        return None if hook is None else hook()
    except Exception as exc:
        if is_not_implemented(exc):
            return None
        raise


def answered(component: Component, ask: Callable[..., _A], *question: Any) -> _A:
    """What the component answers while it serves.

    Raises:
        Refused: it says why to its caller.
        ModelFailed: it ends the process.
        Exception: whatever else it raises.
    """
    try:
        return ask(*question)
    except SystemExit as exc:
        # It would end the worker, and with it the calls of everybody else.
        raise ModelFailed(f"{component.name} ends the process") from exc
    except Exception as exc:
        raise_refusal(exc)
        raise


def raise_refusal(exc: Exception) -> None:
    """Raise what the exception says to the caller, if it says anything, and is not that itself."""
    refused = refusal_in(exc)
    if refused is exc:
        return
    if refused is not None:
        raise refused from exc
