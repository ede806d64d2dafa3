"""What can go wrong with a model. No web, no statuses: callers translate."""

from dataclasses import dataclass

# A batch with a million faults must not become an answer with a million entries.
MAX_FAULTS = 100

MAX_REFUSAL_CHARACTERS = 500


class ModelError(Exception):
    """The family of all errors of this package."""


class ArtifactRejected(ModelError):
    """A model was refused before it served: its bytes, its libraries or its description.

    `reason` is one sentence for the operator; it quotes no exception of unknown origin.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class VersionExists(ModelError):
    """This version of the model was added before. Versions never change."""


class UnknownModel(ModelError):
    """No model of this name is in service."""


class UnknownVersion(ModelError):
    """The model is in service, but not this version of it."""


class ModelNotReady(ModelError):
    """The model should be in service, but no version of it could be loaded."""


class ModelFailed(ModelError):
    """The model raised, or its answer does not fit the batch. The cause is chained."""


class ModelUnavailable(ModelError):
    """What runs the model cannot be used now; the same call may succeed later.

    `str()` says why, for the log; `retry_after_s` is when to try again.
    """

    def __init__(self, reason: str, retry_after_s: float = 1.0) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class ModelUnwell(ModelError):
    """The model's own code says that it is not well. The cause is chained."""


class ModelTimedOut(ModelError):
    """What runs the model did not answer within the time it has."""


class Refused(ModelError):
    """Raised by a model's own code: it will not answer this call, and tells its caller why.

    Attributes:
        code: "invalid_input" (the caller should change the rows) or "unavailable" (the same call
            may be answered later).
        message: one sentence for the caller; cut to MAX_REFUSAL_CHARACTERS, without line breaks.
    """

    CODES = ("invalid_input", "unavailable")

    def __init__(self, code: str, message: str) -> None:
        if code not in self.CODES:
            raise ValueError(f"the code of Refused is one of {', '.join(self.CODES)}")
        super().__init__(code, message)
        self.code = code
        self.message = " ".join(str(message).split())[:MAX_REFUSAL_CHARACTERS]


@dataclass(frozen=True, slots=True)
class Fault:
    """One way in which a batch breaks the contract. Says kinds, never the caller's values."""

    row: int | None
    feature: str | None
    code: str
    found: str
    expected: str


class InvalidInput(ModelError):
    """A batch breaks the contract.

    `faults` are the first MAX_FAULTS in row order; `fault_count` counts all of them.
    """

    def __init__(self, faults: tuple[Fault, ...], fault_count: int | None = None) -> None:
        self.faults = faults[:MAX_FAULTS]
        self.fault_count = len(faults) if fault_count is None else fault_count
        super().__init__(f"{self.fault_count} faults in the input")
