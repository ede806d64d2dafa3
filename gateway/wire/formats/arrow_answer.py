"""An answer as an Arrow table: a column for each output, lists where an output has columns."""

from typing import Any

import numpy as np
import pyarrow as pa

from gateway.wire.table import Table
from model.batch import Array


def arrow_table(table: Table) -> Any:
    """The outputs; the names of an output's columns, the model and its version are metadata."""
    arrays, fields = [], []
    for name, array in table.outputs.items():
        column = _spread(table, _column(array))
        labels = table.labels.get(name)
        about = {"labels": "\n".join(map(str, labels))} if labels and array.ndim > 1 else None
        arrays.append(column)
        fields.append(pa.field(name, column.type, metadata=about))
    if table.refusals is not None:
        arrays.append(pa.array(table.refusals.words(), pa.string()))
        fields.append(pa.field("errors", pa.string()))
    metadata = {name: str(value) for name, value in table.about.items()}
    return pa.table(arrays, schema=pa.schema(fields, metadata=metadata or None))


def _spread(table: Table, column: Any) -> Any:
    if table.refusals is None or not table.refusals.faults:
        return column
    return column.take(pa.array(table.spread(range(len(column)), None), pa.int64()))


def _column(array: Array) -> Any:
    if array.ndim == 1:
        return _flat(array)
    return pa.FixedSizeListArray.from_arrays(_flat(array.reshape(-1)), array.shape[1])


def _flat(array: Array) -> Any:
    if array.dtype.kind not in "fiub":
        return _objects(array.tolist())
    return pa.array(np.ascontiguousarray(array, array.dtype.newbyteorder("=")))


def _objects(values: list[Any]) -> Any:
    try:
        return pa.array(values)
    except pa.ArrowException:
        # Of more than one type.
        return pa.array([None if value is None else str(value) for value in values], pa.string())
