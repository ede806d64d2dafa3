"""All parts of a job put together, as it was asked for."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.scoring.api import Api, Waiting
from gateway.scoring.bodies import Bodies, ToArrow
from gateway.scoring.chunk_call import ChunkCalls
from gateway.scoring.connection import Connection
from gateway.scoring.contract import ModelContract
from gateway.scoring.credentials import Credentials
from gateway.scoring.errors import ScoringFailed
from gateway.scoring.inputs import Input, load, open_input
from gateway.scoring.job import Files, Job, Watcher
from gateway.scoring.journal import Done, JobFacts, Journal, edges_sha256, journal_path
from gateway.scoring.output_lock import locked
from gateway.scoring.outputs import open_output, partial_path, require_output_kind
from gateway.scoring.pace import Pace
from gateway.scoring.preparation import (
    Columns,
    choose_columns,
    concurrency_of,
    most_rows_per_call,
    require_free,
)
from gateway.scoring.refused import RefusedReport, refused_path
from gateway.scoring.rows import Position
from gateway.scoring.sizing import ChunkSizer

_KEPT_CONNECTIONS = 64


@dataclass(frozen=True)
class Asked:
    """What somebody wants scored; see `gateway score --help`."""

    input_file: Path
    output: Path
    model: str
    model_version: str | None = None
    keep: tuple[str, ...] = ()
    concurrency: int | None = None
    rows_per_call: int | None = None
    compression: str = "auto"
    overwrite: bool = False
    restart: bool = False


@dataclass(frozen=True)
class Surroundings:
    """Who is told what, and who ends it.

    Attributes:
        say: takes a sentence for people.
        stop: makes every `Waiting.pause` end.
    """

    waiting: Waiting
    watcher: Watcher
    say: Callable[[str], None]
    stop: Callable[[], None]


def score_file(
    asked: Asked, credentials: Credentials, ca_file: Path | None, around: Surroundings
) -> Done:
    """Score a file, or what an interrupted run has left of it.

    Raises: ScoringFailed; OSError of a file; KeyboardInterrupt.
    """
    require_output_kind(asked.output)
    with ExitStack() as opened:
        source = open_input(asked.input_file)
        opened.callback(source.close)
        opened.enter_context(locked(asked.output))
        connection = Connection(credentials.base_url, ca_file, _KEPT_CONNECTIONS)
        opened.callback(connection.close)
        accepted = "identity" if asked.compression == "none" else "zstd, gzip"
        api = Api(connection, credentials, around.waiting, accepted)
        return _Session(asked, source, api, around).run(credentials.base_url, opened)


def _to_arrow() -> ToArrow | None:
    try:
        found: ToArrow = load("gateway.scoring.arrow_body").arrow_stream
    except ScoringFailed:
        return None
    return found


class _Session:
    """One call of `score_file`, once its input is open and its gateway known."""

    def __init__(self, asked: Asked, source: Input, api: Api, around: Surroundings) -> None:
        self._asked = asked
        self._source = source
        self._api = api
        self._around = around

    def run(self, base_url: str, opened: ExitStack) -> Done:
        asked, api = self._asked, self._api
        plan = api.limits()
        journal = Journal(journal_path(asked.output))
        before = None if asked.restart else self._before(journal, base_url)
        if before is None:
            require_free(asked.output, overwrite=asked.overwrite)
        contract = self._contract(before)
        columns = choose_columns(self._source, contract, asked.keep)
        numbers = {*columns.sent} - {*columns.kept} if contract.dense else set[str]()
        self._source.select({*columns.sent, *columns.kept}, numbers)
        for remark in columns.remarks:
            self._around.say(remark)
        done = before or Done(contract.version, Position())
        files = self._files(journal, base_url, contract, columns, done)
        opened.callback(files.close)
        return self._job(files, contract, columns, plan).run(done)

    def _before(self, journal: Journal, base_url: str) -> Done | None:
        before = journal.load(self._facts(base_url))
        if before is None:
            return None
        for path, size in (
            (partial_path(self._asked.output), before.output_bytes),
            (refused_path(self._asked.output), before.refused_bytes),
        ):
            if not path.is_file() or path.stat().st_size < size:
                raise ScoringFailed(f"{path} is not what it was; --restart begins anew.")
        self._around.say(f"Going on after {before.end.row:,} rows of an interrupted run.")
        return before

    def _contract(self, before: Done | None) -> ModelContract:
        """Of the version that is asked for, or that an earlier run was answered by."""
        asked = self._asked.model_version
        if before is not None and asked not in {None, before.version}:
            raise ScoringFailed(
                f"The interrupted run was answered by version {before.version}, not {asked}."
                " --restart begins anew."
            )
        version = before.version if before is not None else asked
        try:
            document = self._api.contract(self._asked.model, version)
        except ScoringFailed as exc:
            if before is None:
                raise
            raise ScoringFailed(
                f"The interrupted run was answered by version {before.version}, and cannot be"
                f" finished with it ({exc}) --restart scores all rows with the present one."
            ) from exc
        contract = ModelContract.from_json(document)
        if before is not None and contract.current_version != contract.version:
            self._around.say(
                f"Version {contract.current_version} is in service now; the rest is answered by"
                f" {contract.version} as the rows before. --restart scores all with the new one."
            )
        return contract

    def _facts(self, base_url: str) -> JobFacts:
        status = self._asked.input_file.stat()
        return JobFacts(
            status.st_size,
            status.st_mtime_ns,
            edges_sha256(self._asked.input_file),
            base_url,
            self._asked.model,
            self._asked.keep,
        )

    def _files(
        self,
        journal: Journal,
        base_url: str,
        contract: ModelContract,
        columns: Columns,
        done: Done,
    ) -> Files:
        output = open_output(
            self._asked.output, self._source, columns.kept, contract, done.output_bytes
        )
        refused = RefusedReport(refused_path(self._asked.output), done.refused_bytes)
        return Files(self._source, output, refused, journal, self._facts(base_url))

    def _job(
        self, files: Files, contract: ModelContract, columns: Columns, plan: dict[str, Any]
    ) -> Job:
        asked, around = self._asked, self._around
        pace = Pace(plan["limits"], contract.row_cost, around.waiting.clock)
        self._api.keep_pace(pace)
        most_rows = most_rows_per_call(plan, contract, pace.most_rows(), asked.rows_per_call)
        sizer = ChunkSizer(most_rows)
        bodies = Bodies(contract, asked.compression, _to_arrow())
        return Job(
            files,
            ChunkCalls(self._api, contract, bodies, sizer),
            kept=columns.kept,
            concurrency=concurrency_of(plan, asked.concurrency),
            stop=around.stop,
            watcher=around.watcher,
            clock=time.monotonic,
        )
