"""The hooks of a class, and how each is called: decided once, from its signature.

Calling a hook with three arguments and, after a TypeError, with two would run it twice when the
TypeError came from inside.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from inspect import Parameter
from typing import Any

from model.errors import ArtifactRejected

Hook = Callable[..., Any]

_POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
_NAMES = ("names", "feature_names", "features_names", "column_names")


@dataclass(frozen=True, slots=True)
class Offered:
    """What a hook is given, in order; `names` are those by which a parameter asks for it.

    The first `always` are given by position. The others only to a parameter that has no default,
    or asks by name, or to `**kwargs`.
    """

    names: tuple[tuple[str, ...], ...]
    always: int
    example: str


NOTHING = Offered((), 0, "self")
MESSAGE = Offered((("msg",),), 1, "self, msg")
ROWS = Offered((("X",), _NAMES, ("meta",)), 2, "self, X, names, meta=None")
FEEDBACK = Offered(
    (("features", "X"), _NAMES, ("reward",), ("truth",), ("routing",)),
    4,
    "self, features, feature_names, reward, truth, routing=None",
)


def find_hook(instance: Any, name: str, offered: Offered) -> Hook | None:
    """The hook as a function of exactly what is offered; None where the class has none.

    Raises:
        ArtifactRejected: it is no ordinary method, or cannot be called with what is offered.
    """
    method = getattr(instance, name, None)
    if method is None:
        return None
    where = f"{type(instance).__name__}.{name}"
    if not callable(method):
        raise ArtifactRejected(f"{where} is not a method; write def {name}({offered.example}).")
    if inspect.iscoroutinefunction(method) or inspect.isasyncgenfunction(method):
        raise ArtifactRejected(f"{where} is async; write it as an ordinary method.")
    if inspect.isgeneratorfunction(method):
        raise ArtifactRejected(f"{where} is a generator; return the whole answer at once.")
    try:
        parameters = list(inspect.signature(method).parameters.values())
    except (TypeError, ValueError):
        # Compiled code may not tell its parameters; then what all servers give is given.
        return lambda *values: method(*values[: offered.always])
    return _arranged(method, _Arrangement(where, name, offered, parameters))


class _Arrangement:
    """Which of the offered values go where.

    Attributes:
        positions: indices of the offered values given by position, in order.
        keywords: those given by keyword.
    """

    def __init__(
        self, where: str, name: str, offered: Offered, parameters: Sequence[Parameter]
    ) -> None:
        self._where, self._name, self._offered = where, name, offered
        self._kinds = {parameter.kind for parameter in parameters}
        self.positions = self._by_position([p for p in parameters if p.kind in _POSITIONAL])
        self.keywords = self._by_keyword(parameters)

    def _by_position(self, parameters: Sequence[Parameter]) -> list[int]:
        offered, given = self._offered, list[int]()
        for place, parameter in enumerate(parameters):
            index = self._asked_for(parameter)
            if index is None and place < len(offered.names):
                index = place
            optional = parameter.default is not Parameter.empty
            if index is None or (place >= offered.always and optional):
                if not optional:
                    self._refuse(f"needs a value for {parameter.name!r}")
                break
            given.append(index)
        if len(set(given)) < len(given):
            self._refuse("asks twice for the same")
        if Parameter.VAR_POSITIONAL in self._kinds:
            given += range(len(given), offered.always)
        if offered.always and not given and not self._kinds & {Parameter.KEYWORD_ONLY}:
            self._refuse(f"takes no {offered.names[0][0]}")
        return given

    def _by_keyword(self, parameters: Sequence[Parameter]) -> dict[str, int]:
        given: dict[str, int] = {}
        for place, parameter in enumerate(parameters):
            if parameter.kind in _POSITIONAL and place < len(self.positions):
                continue
            index = self._asked_for(parameter)
            named = parameter.kind in {Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY}
            if named and index is not None and index not in self.positions:
                given[parameter.name] = index
            elif parameter.kind is Parameter.KEYWORD_ONLY and parameter.default is Parameter.empty:
                self._refuse(f"needs a value for {parameter.name!r}")
        if Parameter.VAR_KEYWORD in self._kinds:
            taken = {*self.positions, *given.values()}
            rest = range(self._offered.always, len(self._offered.names))
            given |= {self._offered.names[index][0]: index for index in rest if index not in taken}
        return given

    def _asked_for(self, parameter: Parameter) -> int | None:
        """The offered value that the parameter asks for by its name."""
        for index, names in enumerate(self._offered.names):
            if index and parameter.name in names:
                return index
        return 0 if parameter.name in self._first_names() else None

    def _first_names(self) -> tuple[str, ...]:
        return self._offered.names[0] if self._offered.names else ()

    def _refuse(self, problem: str) -> None:
        raise ArtifactRejected(
            f"{self._where} {problem}; write def {self._name}({self._offered.example})."
        )


def _arranged(method: Hook, arrangement: _Arrangement) -> Hook:
    positions, keywords = arrangement.positions, arrangement.keywords
    if not keywords:
        return lambda *values: method(*[values[index] for index in positions])
    return lambda *values: method(
        *[values[index] for index in positions],
        **{name: values[index] for name, index in keywords.items()},
    )
