"""What a model refuses or fails at, as problems. Apart from `errors`, because the token service,
which shares that, loads no model and nothing that models need.
"""

import traceback
from dataclasses import asdict

import structlog

import model
from gateway.errors import (
    InvalidInput,
    ModelFailed,
    ModelUnavailable,
    Problem,
    UnknownModel,
    UnknownVersion,
)

log = structlog.get_logger()


def problem_from_model(exc: model.ModelError) -> Problem:
    """The problem that stands for an error of the model package."""
    if isinstance(exc, model.InvalidInput):
        return _invalid_input(exc)
    if isinstance(exc, model.UnknownModel):
        return UnknownModel("See GET /v1/models for the models that this token may use.")
    if isinstance(exc, model.UnknownVersion):
        return UnknownVersion("See versions in GET /v1/models/{model}.")
    if isinstance(exc, model.ModelNotReady):
        return ModelUnavailable(retry_after_s=5)
    log.error("model_failed", reason=str(exc), frames=_frames(exc.__cause__ or exc))
    return ModelFailed()


def _frames(exc: BaseException) -> list[str]:
    # Where it happened, without its text: estimators quote their input in theirs.
    frames = traceback.extract_tb(exc.__traceback__)
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]


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
