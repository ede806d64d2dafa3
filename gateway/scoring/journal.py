"""How far a job is, beside its output: what a process that was killed leaves to the next."""

import hashlib
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from gateway.scoring.errors import ScoringFailed
from gateway.scoring.rows import Position

_EDGE_BYTES = 1024 * 1024
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class JobFacts:
    """What must be the same for a job to go on. All of it is compared."""

    input_size: int
    input_modified_ns: int
    input_edges_sha256: str
    gateway: str
    model: str
    kept: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Done:
    """What is safely on the disk.

    Attributes:
        version: of the model, the only one that answered.
        end: where to read on.
        output_bytes, refused_bytes: what is good of the two files; the rest is cut off.
    """

    version: str
    end: Position
    refused: int = 0
    output_bytes: int = 0
    refused_bytes: int = 0


class Journal:
    """`OUTPUT.progress`: replaced as a whole, so it is never half written."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self, facts: JobFacts) -> Done | None:
        """What an earlier run of the same job did; None where that is nothing.

        Raises: ScoringFailed, where it was another job.
        """
        try:
            document: Any = orjson.loads(self._path.read_bytes())
        except FileNotFoundError:
            return None
        except orjson.JSONDecodeError as exc:
            raise ScoringFailed(f"{self._path} is damaged; --restart begins anew.") from exc
        if document.get("format") != _FORMAT:
            raise ScoringFailed(f"{self._path} is of another release; --restart begins anew.")
        done = document["done"]
        if not done["end"][0]:
            return None
        before = document["job"] | {"kept": tuple(document["job"]["kept"])}
        other = [name for name, value in asdict(facts).items() if before.get(name) != value]
        if other:
            raise ScoringFailed(
                f"{self._path} belongs to an interrupted run that was not the same"
                f" ({', '.join(other)} differ). --restart begins anew."
            )
        return Done(**done | {"end": Position(*done["end"])})

    def save(self, facts: JobFacts, done: Done) -> None:
        """Call this once what it says is on the disk."""
        done_now = asdict(done) | {"end": list(done.end)}
        document = {"format": _FORMAT, "job": asdict(facts), "done": done_now}
        temporary = self._path.with_name(f"{self._path.name}.tmp")
        with temporary.open("wb") as file:
            file.write(orjson.dumps(document))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._path)

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)


def journal_path(output: Path) -> Path:
    return output.with_name(f"{output.name}.progress")


def edges_sha256(path: Path) -> str:
    """Of the first and the last MiB: a file that was written anew differs there, or in its time."""
    with path.open("rb") as file:
        digest = hashlib.sha256(file.read(_EDGE_BYTES))
        file.seek(max(0, path.stat().st_size - _EDGE_BYTES))
        digest.update(file.read(_EDGE_BYTES))
    return digest.hexdigest()
