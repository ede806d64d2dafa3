"""What a model refuses or fails at, as problems. Apart from `errors`, because the token service,
which shares that, loads no model and nothing that models need.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import structlog

import model
from gateway.causes import causes_of
from gateway.errors import (
    DeadlineExceeded,
    InvalidInput,
    ModelFailed,
    ModelUnavailable,
    Problem,
    UnknownModel,
    UnknownVersion,
)

log = structlog.get_logger()

_RETRY_AFTER_S = 5


def problem_from_model(exc: model.ModelError) -> Problem:
    """The problem that stands for an error of the model package."""
    for kind, problem in _PROBLEMS.items():
        if isinstance(exc, kind):
            return problem(exc)
    log.error("model_failed", reason=str(exc), causes=causes_of(exc.__cause__ or exc))
    return ModelFailed()


def _unwell(exc: model.ModelUnwell) -> Problem:
    log.error("model_failed", reason=str(exc), causes=causes_of(exc.__cause__ or exc))
    return ModelUnavailable("The model says that it is not well.", retry_after_s=_RETRY_AFTER_S)


def _refused(exc: model.Refused) -> Problem:
    facts = {"refused_by": "model"}
    if exc.code == "unavailable":
        return ModelUnavailable(exc.message, retry_after_s=_RETRY_AFTER_S, facts=facts)
    return InvalidInput(exc.message, members={"errors": [], "error_count": 0}, facts=facts)


def _unavailable(exc: model.ModelUnavailable) -> Problem:
    facts = {"reason": str(exc)}
    return ModelUnavailable(retry_after_s=max(1, math.ceil(exc.retry_after_s)), facts=facts)


def _invalid_input(exc: model.InvalidInput) -> Problem:
    return InvalidInput(
        _counted(exc.fault_count, shown=len(exc.faults)),
        members={
            "errors": [asdict(fault) for fault in exc.faults],
            "error_count": exc.fault_count,
        },
        facts={"fault_codes": sorted({fault.code for fault in exc.faults})},
    )


def _counted(faults: int, *, shown: int) -> str:
    if faults > shown:
        return f"The input has at least {faults} faults; the first {shown} are in errors."
    return f"The input has {faults} fault{'s' if faults != 1 else ''}: see errors."


_PROBLEMS: Mapping[type[model.ModelError], Callable[[Any], Problem]] = {
    model.InvalidInput: _invalid_input,
    model.Refused: _refused,
    model.UnknownModel: lambda _: UnknownModel(
        "See GET /v1/models for the models that this token may use."
    ),
    model.UnknownVersion: lambda _: UnknownVersion("See versions in GET /v1/models/{model}."),
    model.ModelNotReady: lambda _: ModelUnavailable(retry_after_s=_RETRY_AFTER_S),
    model.ModelUnavailable: _unavailable,
    model.ModelUnwell: _unwell,
    model.ModelTimedOut: lambda _: DeadlineExceeded("The model did not answer in time."),
}
