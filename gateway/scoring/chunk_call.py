"""One chunk, answered: rows that the gateway refuses are taken out, too large a chunk is halved."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import numpy as np
import numpy.typing as npt

from gateway.scoring.api import Api
from gateway.scoring.bodies import Bodies
from gateway.scoring.connection import Answer
from gateway.scoring.contract import ModelContract
from gateway.scoring.errors import ScoringFailed
from gateway.scoring.rows import Chunk, Fault, Scored
from gateway.scoring.sizing import ChunkSizer

# Rows are looked for that the model fails on; not in a model that fails on all.
_MOST_FAILED_IN_A_ROW = 20
_TOO_MUCH = frozenset({413, 504})


class ChunkCalls:
    """Calls of one job, from several threads. The version is named: a promotion changes nothing."""

    def __init__(
        self, api: Api, contract: ModelContract, bodies: Bodies, sizer: ChunkSizer
    ) -> None:
        model, version = quote(contract.model, safe=""), quote(contract.version, safe="")
        # Asked to, the gateway answers the good rows of a call and names the others.
        self._path = f"/v1/models/{model}/versions/{version}/predict?on_error=row"
        self._api = api
        self.contract = contract
        self._bodies = bodies
        self.sizer = sizer
        self._failed_in_a_row = 0

    def score(self, chunk: Chunk) -> Scored:
        """Raises: ScoringFailed, Stopped."""
        work = _Work(chunk, self.contract)
        pending = [chunk]
        while pending:
            part = pending.pop()
            if part.count:
                pending += self._ask(part, work)
        return work.scored()

    def _ask(self, part: Chunk, work: "_Work") -> list[Chunk]:
        """Send some rows; what is to be sent instead, where they are not answered."""
        body = self._bodies.body(part)
        answer = self._api.predict(self._path, body.content, body.headers, part.count)
        if answer.status == 200:
            self.sizer.learn(part.count, len(body.content), answer.duration_s)
            self._failed_in_a_row = 0
            faults = _faults(answer, part)
            work.refuse(part, faults)
            work.add(part, answer, faults)
            return []
        if answer.status == 415 and self._bodies.refuse(body, answer.code):
            return [part]
        if answer.status in _TOO_MUCH and part.count > 1:
            self.sizer.too_much(part.count)
            return list(part.halves())
        if answer.status == 422:
            return self._without_refused(part, work, answer)
        if answer.code == "model_failed":
            return self._search(part, work, Fault(None, "model_failed", "the model failed", ""))
        raise ScoringFailed(_sentence(answer, self.contract, part))

    def _without_refused(self, part: Chunk, work: "_Work", answer: Answer) -> list[Chunk]:
        errors: Any = answer.json().get("errors") or []
        for error in errors:
            if error["row"] is None:
                return self._smaller(part, answer, error)
        faults = _faults(answer, part)
        if not faults:
            # The model itself refused the call, and does not say for which row.
            reason = str(answer.json().get("detail"))
            return self._search(part, work, Fault(None, answer.code, reason, ""))
        work.refuse(part, faults)
        return [part.pick(np.array([at for at in range(part.count) if at not in faults], np.intp))]

    def _smaller(self, part: Chunk, answer: Answer, error: Mapping[str, Any]) -> list[Chunk]:
        """After a fault that is none of a row's: only too many rows can be helped."""
        if error["code"] == "too_many_rows" and part.count > 1:
            self.sizer.too_much(part.count)
            return list(part.halves())
        feature = f" {error['feature']}" if error["feature"] else ""
        said = f"{error['code']}{feature}: {error['found']}, expected {error['expected']}"
        raise ScoringFailed(f"{_sentence(answer, self.contract, part)} ({said})")

    def _search(self, part: Chunk, work: "_Work", fault: Fault) -> list[Chunk]:
        """Halve, until it is known which rows cannot be answered."""
        if part.count > 1:
            return list(part.halves())
        self._failed_in_a_row += 1
        if self._failed_in_a_row > _MOST_FAILED_IN_A_ROW:
            raise ScoringFailed(
                f"The model answers no row any more: {fault.code}, {fault.found}. Ask the operator."
            )
        work.refuse(part, {0: [fault]})
        return []


class _Work:
    """What is known so far of the rows of one chunk."""

    def __init__(self, chunk: Chunk, contract: ModelContract) -> None:
        self._chunk = chunk
        self._contract = contract
        self._refused = dict(chunk.refused)
        self._answers: list[tuple[npt.NDArray[np.intp], dict[str, Sequence[Any]]]] = []

    def add(self, part: Chunk, answer: Answer, refused: Collection[int]) -> None:
        """Take the answers to all rows but the refused, which have null in their place.

        Raises: ScoringFailed, where it is not an answer to these rows of this version.
        """
        good = [at for at in range(part.count) if at not in refused] if refused else None
        document = answer.json()
        if document.get("version") != self._contract.version:
            raise ScoringFailed(
                f"Version {document.get('version')} answered instead of {self._contract.version}."
            )
        columns: dict[str, Sequence[Any]] = {}
        for output in self._contract.outputs:
            cells: Any = document.get(output.name)
            if not isinstance(cells, list) or len(cells) != part.count:
                raise ScoringFailed(f"The answer has no {output.name} for each of its rows.")
            if good is not None:
                cells = [cells[at] for at in good]
            by_column = [cells] if output.labels is None else list(zip(*cells, strict=True))
            if not cells:
                continue
            columns |= dict(zip(output.columns, by_column, strict=True))
        self._answers.append((part.places if good is None else part.places[good], columns))

    def refuse(self, part: Chunk, faults: Mapping[int, Sequence[Fault]]) -> None:
        self._refused |= {int(part.places[at]): found for at, found in faults.items()}

    def scored(self) -> Scored:
        rows = self._chunk.rows
        if len(self._answers) == 1 and len(self._answers[0][0]) == rows.count:
            return Scored(rows, self._answers[0][1], self._refused)
        columns: dict[str, list[Any]] = {
            name: [None] * rows.count for name in self._contract.output_columns
        }
        for places, answered in self._answers:
            at = places.tolist()
            for name, cells in answered.items():
                column = columns[name]
                for place, cell in zip(at, cells, strict=True):
                    column[place] = cell
        return Scored(rows, columns, self._refused)


def _faults(answer: Answer, part: Chunk) -> Mapping[int, Sequence[Fault]]:
    """What the gateway says of single rows, by their place among those that were sent.

    An answer to the good rows has a list of faults for each of the others; a refusal of the call
    has one list of all faults.
    """
    errors: Any = answer.json().get("errors") or []
    faults: defaultdict[int, list[Fault]] = defaultdict(list)
    for error in errors:
        for said in error.get("faults", [error]):
            feature, found, expected = said["feature"], said["found"], said["expected"]
            value = part.value(feature or "", error["row"])
            faults[error["row"]].append(Fault(feature, said["code"], found, expected, value))
    return faults


def _sentence(answer: Answer, contract: ModelContract, part: Chunk) -> str:
    first = part.rows.start.row + int(part.places[0]) + 1
    last = part.rows.start.row + int(part.places[-1]) + 1
    if answer.code == "unknown_version":
        return (
            f"Version {contract.version} of {contract.model} is not in service any more. What is"
            " written is of that version; --restart scores all rows with the present one."
        )
    return f"The gateway refused rows {first} to {last}: {answer.reason}"
