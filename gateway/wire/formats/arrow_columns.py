"""Columns of Arrow, as arrays of numpy's or as Python values."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from gateway.errors import BodyTooLarge
from gateway.wire.arrays import ANY_KIND, TypedColumn, missing_as_none
from model.batch import Array

_KINDS: Sequence[tuple[Callable[[Any], bool], str]] = (
    (pa.types.is_floating, "f"),
    (pa.types.is_signed_integer, "i"),
    (pa.types.is_unsigned_integer, "u"),
    (pa.types.is_boolean, "b"),
    (pa.types.is_string, "O"),
    (pa.types.is_large_string, "O"),
    (pa.types.is_string_view, "O"),
    (pa.types.is_null, ANY_KIND),
)
# A dictionary of one long text and a million references to it is small; the texts are not copied.
_VIEW_BYTES = 16


def typed_columns(batches: Sequence[Any], schema: Any, max_bytes: int) -> list[TypedColumn]:
    """Every column of these record batches, which must have been validated in full.

    Nested and other types that no feature takes are named, but not read.

    Args:
        max_bytes: how long the texts of a column may be in all.
    """
    columns = []
    for at, field in enumerate(schema):
        kind, called = _kind(field.type), f"{str(field.type)[:64]} data"
        chunks = [batch.column(at) for batch in batches] if kind else []
        values = [_values(chunk, kind, max_bytes) for chunk in chunks if len(chunk)]
        columns.append(TypedColumn(field.name, kind, called, _joined(values)))
    return columns


def _kind(data_type: Any) -> str:
    if pa.types.is_dictionary(data_type):
        data_type = data_type.value_type
    return next((kind for is_it, kind in _KINDS if is_it(data_type)), "")


def _joined(values: Sequence[Array]) -> Array:
    if not values:
        return np.empty(0)
    return values[0] if len(values) == 1 else np.concatenate(values)


def _values(chunk: Any, kind: str, max_bytes: int) -> Array:
    if pa.types.is_dictionary(chunk.type):
        return _looked_up(chunk, kind, max_bytes)
    if kind == "f":
        return chunk.to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]
    if kind in "iub":
        return _with_none(chunk, chunk.fill_null(False) if kind == "b" else chunk.fill_null(0))
    if pa.types.is_string_view(chunk.type):
        _refuse_long_views(chunk, max_bytes)
    return _objects(chunk.to_pylist())


def _with_none(chunk: Any, filled: Any) -> Array:
    values: Array = filled.to_numpy(zero_copy_only=False)
    if not chunk.null_count:
        return values
    return missing_as_none(values, chunk.is_null().to_numpy(zero_copy_only=False))


def _looked_up(chunk: Any, kind: str, max_bytes: int) -> Array:
    """The values that a dictionary's indices stand for."""
    listed = _values(chunk.dictionary, kind, max_bytes)
    if kind == "f":
        listed, nothing = listed.astype(np.float64), np.array([np.nan])
    else:
        listed, nothing = listed.astype(np.object_), _objects([None])
    # A missing index stands for the last entry, which is nothing.
    indices = chunk.indices.cast(pa.int64()).fill_null(len(listed))
    values: Array = np.concatenate([listed, nothing])[indices.to_numpy()]
    return values


def _refuse_long_views(chunk: Any, max_bytes: int) -> None:
    # Any number of views may show the same bytes, which become as many texts.
    views = np.frombuffer(chunk.buffers()[1], np.int32).reshape(-1, _VIEW_BYTES // 4)
    lengths = views[chunk.offset : chunk.offset + len(chunk), 0]
    if int(lengths.sum(dtype=np.int64)) > max_bytes:
        raise BodyTooLarge(f"The texts of a column may have {max_bytes} bytes in all.")


def _objects(values: Sequence[Any]) -> Array:
    return np.array(values, dtype=np.object_)
