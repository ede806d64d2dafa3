"""Formats of rows, one file each, and each named once here: the most liked first.

Those that need pyarrow are there where it is installed (`make extras`).
"""

from importlib.util import find_spec

from gateway.wire.formats import csv_rows, json_rows, ndjson, npy, npz, octets
from gateway.wire.formats.choice import Formats
from gateway.wire.formats.format import Format

_WITH_ARROW: tuple[Format, ...] = ()
if find_spec("pyarrow") is not None:
    # At start, before the fork: no request waits for it, and all workers share its memory.
    from gateway.wire.formats import arrow, parquet

    _WITH_ARROW = (arrow.STREAM_FORMAT, arrow.FILE_FORMAT, parquet.FORMAT)

FORMATS = Formats(
    (
        json_rows.FORMAT,
        ndjson.FORMAT,
        csv_rows.FORMAT,
        *_WITH_ARROW,
        npy.FORMAT,
        npz.FORMAT,
        octets.FORMAT,
    )
)
