"""Tables of mixed types as an Arrow stream. Needs pyarrow."""

import numpy as np
import pyarrow as pa

from gateway.scoring.contract import ModelContract
from gateway.scoring.rows import Chunk, Column

_TYPES = {
    "FP64": pa.float64(),
    "INT64": pa.int64(),
    "BOOL": pa.bool_(),
    "BYTES": pa.string(),
}


def arrow_stream(chunk: Chunk, contract: ModelContract) -> bytes | None:
    """The rows that can be sent; None where a cell is of another kind than its feature."""
    try:
        arrays = [
            _array(chunk.features[feature.name], _TYPES[feature.datatype])
            for feature in contract.features
        ]
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return None
    names = [feature.name for feature in contract.features]
    batch = pa.RecordBatch.from_arrays(arrays, names=names)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    stream: bytes = sink.getvalue().to_pybytes()
    return stream


def _array(column: Column, kind: pa.DataType) -> pa.Array:
    # A missing number is NaN in an array of doubles, and null in Arrow.
    return pa.array(column, type=kind, from_pandas=isinstance(column, np.ndarray))
