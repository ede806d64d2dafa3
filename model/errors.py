"""What can go wrong with a model. No web, no statuses: callers translate."""

from dataclasses import dataclass

# A batch with a million faults must not become an answer with a million entries.
MAX_FAULTS = 100


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
