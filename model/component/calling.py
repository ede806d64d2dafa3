"""Calling hooks: while a class is proved, and while it serves."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from model.component.construction import Component
from model.component.hooks import Hook
from model.component.raised import is_not_implemented, refusal_in
from model.errors import ArtifactRejected, ModelFailed


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


def raise_refusal(exc: Exception) -> None:
    """Raise what the exception says to the caller, if it says anything, and is not that itself."""
    refused = refusal_in(exc)
    if refused is exc:
        return
    if refused is not None:
        raise refused from exc
