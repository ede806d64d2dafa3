"""Formats of rows, one file each, and each named once here: the most liked first."""

from gateway.wire.formats import csv_rows, json_rows, ndjson, npy, npz, octets
from gateway.wire.formats.choice import Formats

FORMATS = Formats(
    (
        json_rows.FORMAT,
        ndjson.FORMAT,
        csv_rows.FORMAT,
        npy.FORMAT,
        npz.FORMAT,
        octets.FORMAT,
    )
)
