"""The names of `seldon_core` that model classes import, for where that package is not installed.

Its base class only says that a hook is missing, so a class derived from it needs no more than
this. Nothing of the package's servers is here. Source: seldon-core 1.17, user_model, flask_utils.
"""

import importlib.util
from types import ModuleType
from typing import Any


class SeldonMicroserviceException(Exception):
    """A failure with a status and a message for the caller."""

    status_code = 400

    def __init__(
        self,
        message: str,
        status_code: int | None = None,
        payload: Any = None,
        reason: str = "MICROSERVICE_BAD_DATA",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status_code = status_code or type(self).status_code
        self.payload = payload
        self.reason = reason


class SeldonNotImplementedError(SeldonMicroserviceException):
    """Raised by a hook that is not there: use the default."""


class SeldonComponent:
    """The optional base class of model classes."""

    def __init__(self, **_parameters: Any) -> None:
        pass

    def load(self) -> None:
        pass


class SeldonResponse:
    """An answer with tags and metrics of its own."""

    def __init__(
        self,
        data: Any,
        tags: dict[str, Any] | None = None,
        metrics: list[dict[str, Any]] | None = None,
    ) -> None:
        self.data = data
        self.tags = tags or {}
        self.metrics = metrics or []


def create_counter(key: str, value: float) -> dict[str, Any]:
    return {"key": key, "type": "COUNTER", "value": value}


def create_gauge(key: str, value: float) -> dict[str, Any]:
    return {"key": key, "type": "GAUGE", "value": value}


def create_timer(key: str, value: float) -> dict[str, Any]:
    return {"key": key, "type": "TIMER", "value": value}


_MEMBERS: dict[str, tuple[Any, ...]] = {
    "seldon_core.user_model": (SeldonComponent, SeldonResponse, SeldonNotImplementedError),
    "seldon_core.flask_utils": (SeldonMicroserviceException,),
    "seldon_core.metrics": (create_counter, create_gauge, create_timer),
}


def seldon_modules() -> dict[str, ModuleType]:
    """Modules that stand in for `seldon_core`, by name; none where it is installed."""
    if importlib.util.find_spec("seldon_core") is not None:
        return {}
    package = ModuleType("seldon_core", __doc__)
    package.__path__ = []
    modules = {"seldon_core": package}
    for name, members in _MEMBERS.items():
        modules[name] = module = ModuleType(name, __doc__)
        vars(module).update({member.__name__: member for member in members})
        setattr(package, name.rpartition(".")[2], module)
    return modules
