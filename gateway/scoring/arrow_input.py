"""Parquet and Arrow files (IPC file and stream, Feather 2), a batch at a time. Needs pyarrow."""

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from gateway.scoring.errors import ScoringFailed
from gateway.scoring.rows import Column, Position, Rows

_BATCH_ROWS = 8192
_BUFFER_BYTES = 1024 * 1024

# Batches from about a row on: and how many rows are before the first of them.
Batches = Callable[[int, Sequence[str]], tuple[Iterator[Any], int]]


def open_parquet(path: Path) -> "ArrowInput":
    try:
        # A row group may be as large as the file: it is read a piece at a time.
        file = pq.ParquetFile(path, buffer_size=_BUFFER_BYTES, pre_buffer=False)
    except pa.ArrowInvalid as exc:
        raise ScoringFailed(f"{path} is no Parquet file: {exc}.") from exc
    groups = [file.metadata.row_group(at).num_rows for at in range(file.metadata.num_row_groups)]

    def batches(row: int, names: Sequence[str]) -> tuple[Iterator[Any], int]:
        first, before = _group_of(row, groups)
        wanted = list(range(first, len(groups)))
        return file.iter_batches(_BATCH_ROWS, row_groups=wanted, columns=list(names)), before

    return ArrowInput(path, file.schema_arrow, batches, file.metadata.num_rows, file.close)


def open_arrow(path: Path) -> "ArrowInput":
    source = pa.memory_map(str(path))
    try:
        if source.read(6) == b"ARROW1":
            file = pa.ipc.open_file(source)
            return ArrowInput(path, file.schema, _random_access(file), 0, source.close)
        source.seek(0)
        stream = pa.ipc.open_stream(source)
        return ArrowInput(path, stream.schema, _from_the_front(stream), 0, source.close)
    except pa.ArrowInvalid as exc:
        source.close()
        raise ScoringFailed(f"{path} is no Arrow file: {exc}.") from exc


def _random_access(file: Any) -> Batches:
    def batches(row: int, names: Sequence[str]) -> tuple[Iterator[Any], int]:
        counts = [file.get_batch(at).num_rows for at in range(file.num_record_batches)]
        first, before = _group_of(row, counts)
        wanted = range(first, len(counts))
        return (file.get_batch(at).select(list(names)) for at in wanted), before

    return batches


def _from_the_front(stream: Any) -> Batches:
    return lambda _row, names: ((batch.select(list(names)) for batch in stream), 0)


def _group_of(row: int, counts: Sequence[int]) -> tuple[int, int]:
    """The group that a row is in, and how many rows are before that group."""
    before = 0
    for at, count in enumerate(counts):
        if row < before + count:
            return at, before
        before += count
    return len(counts), before


class ArrowInput:
    """Rows of typed columns. `Position.offset` counts rows."""

    def __init__(
        self, path: Path, schema: Any, batches: Batches, size: int, close: Callable[[], None]
    ) -> None:
        self.path = path
        self.columns = tuple(schema.names)
        self.arrow_types = {field.name: field.type for field in schema}
        self.size = size
        self.close = close
        self._batches = batches
        self._names: Sequence[str] = ()
        self._row = 0
        self._rest: Iterator[Any] | None = None
        self._batch: Any = None

    def select(self, names: Collection[str], numbers: Collection[str]) -> None:  # noqa: ARG002
        self._names = [name for name in self.columns if name in names]

    def seek(self, position: Position) -> None:
        self._row = position.row
        self._rest = None

    def read(self, most_rows: int) -> Rows | None:
        start = Position(self._row, 0, self._row)
        try:
            slices = list(self._slices(most_rows))
        except (pa.ArrowException, OSError) as exc:
            raise ScoringFailed(f"{self.path} is damaged after row {self._row}: {exc}.") from exc
        if not slices:
            return None
        table = pa.Table.from_batches(slices)
        self._row += table.num_rows
        columns = {name: _column(table.column(name)) for name in self._names}
        return Rows(start, Position(self._row, 0, self._row), columns, False, (), {})

    def _slices(self, most_rows: int) -> Iterator[Any]:
        """Parts of batches, together at most so many rows."""
        if self._rest is None:
            self._rest, before = self._batches(self._row, self._names)
            self._skip(self._row - before)
        while most_rows:
            while self._batch is None or not self._batch.num_rows:
                self._batch = next(self._rest, None)
                if self._batch is None:
                    return
            part = self._batch.slice(0, most_rows)
            self._batch = self._batch.slice(part.num_rows)
            most_rows -= part.num_rows
            yield part

    def _skip(self, rows: int) -> None:
        self._batch = None
        for part in self._slices(rows) if rows else ():
            del part


def _column(column: Any) -> Column:
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
    elif pa.types.is_decimal(kind):
        column = column.cast(pa.float64())
    if pa.types.is_floating(column.type):
        # A missing number is NaN here, as in every array of this package.
        doubles: Column = column.cast(pa.float64()).to_numpy()
        return doubles
    values: list[Any] = column.to_pylist()
    return values
