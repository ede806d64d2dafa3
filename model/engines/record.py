"""What the manifest keeps about the engines of a version."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from model.errors import ArtifactRejected

NATIVE, ONNX, TREELITE = "native", "onnx", "treelite"
COMPILED = (ONNX, TREELITE)
# What may be wished for.
AUTO = "auto"
WISHES = (AUTO, NATIVE, ONNX)

# Where the compiled form lies in the version's folder. No file that is brought lies in a folder of
# this name: a saved estimator has no folders.
FILES = {ONNX: "compiled/model.onnx", TREELITE: "compiled/model.treelite"}

# The package whose version decides what an engine answers.
PACKAGES = {ONNX: "onnxruntime", TREELITE: "treelite"}

# By how much a compiled form may differ: of each number, or of 1 where the number is smaller.
TOLERANCE = 1e-6

_MOST_CHARACTERS = 400


@dataclass(frozen=True, slots=True)
class EngineRecord:
    """Which engine answers, why, and how that was found.

    Attributes:
        routes: (from how many rows on, engine), ascending; the first is (1, …).
        reason: why no compiled form serves, or serves alone; "" where there is nothing to say.
        rows: on how many rows of each kind the engines were compared.
        largest_difference: between their numbers; None where nothing was compared.
        times_s: by engine, the processor's seconds for a batch by its number of rows.
    """

    routes: tuple[tuple[int, str], ...]
    reason: str = ""
    rows: Mapping[str, int] = field(default_factory=dict)
    largest_difference: float | None = None
    times_s: Mapping[str, Mapping[int, float]] = field(default_factory=dict)

    @property
    def engines(self) -> tuple[str, ...]:
        """Those that serve, each once."""
        return tuple(dict.fromkeys(engine for _, engine in self.routes))

    def to_json(self) -> dict[str, Any]:
        return {
            "routes": [list(route) for route in self.routes],
            "reason": self.reason,
            "rows": dict(self.rows),
            "largest_difference": self.largest_difference,
            "times_s": {
                engine: {str(rows): seconds for rows, seconds in times.items()}
                for engine, times in self.times_s.items()
            },
        }

    @classmethod
    def from_json(cls, document: Any) -> Self:
        """What `to_json` wrote down. Raises ArtifactRejected for anything else."""
        try:
            record = cls(
                routes=tuple((_count(rows), _engine(name)) for rows, name in document["routes"]),
                reason=_text(document["reason"]),
                rows={_text(kind): _count(rows) for kind, rows in document["rows"].items()},
                largest_difference=_number_or_none(document["largest_difference"]),
                times_s={
                    _engine(engine): {_count(int(rows)): _number(s) for rows, s in times.items()}
                    for engine, times in document["times_s"].items()
                },
            )
        except (KeyError, TypeError, ValueError, AttributeError) as exc:
            raise ArtifactRejected("What is said of the engines is damaged.") from exc
        starts = [rows for rows, _ in record.routes]
        if not starts or starts[0] != 1 or starts != sorted(set(starts)):
            raise ArtifactRejected("What is said of the engines is damaged.")
        return record


@dataclass(frozen=True, slots=True)
class EngineWish:
    """What whoever adds a version wants of its engines.

    Attributes:
        engine: "native"; "onnx", for this or nothing; or "auto".
        sample_file: the name of a file of rows like those that will come; "" for none.
        samples: its bytes.
    """

    engine: str = AUTO
    sample_file: str = ""
    samples: bytes = b""


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """What was found, and the compiled form by its path in the version's folder."""

    record: EngineRecord
    files: Mapping[str, bytes] = field(default_factory=dict)


def native_because(reason: str) -> EngineRecord:
    """The record of a version that its own library answers."""
    return EngineRecord(((1, NATIVE),), reason)


def _engine(name: Any) -> str:
    if name not in (NATIVE, *COMPILED):
        raise ValueError("no such engine")
    return str(name)


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError("no number of rows")
    return value


def _number(value: Any) -> float:
    if type(value) not in (int, float) or not math.isfinite(value) or value < 0:
        raise ValueError("no such number")
    return float(value)


def _number_or_none(value: Any) -> float | None:
    return None if value is None else _number(value)


def _text(value: Any) -> str:
    if type(value) is not str or len(value) > _MOST_CHARACTERS or not value.isprintable():
        raise ValueError("no text")
    return value
