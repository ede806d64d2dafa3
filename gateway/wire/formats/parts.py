"""Large answers in parts: the first is on its way while the last is not yet written."""

from collections.abc import Iterator

from gateway.wire.table import Table

# Ten thousand predictions with their probabilities are some 400 kB.
ROWS_PER_PART = 10_000


def streamed(parts: Iterator[bytes], table: Table) -> bytes | Iterator[bytes]:
    """All parts of an answer, or the only one: then its length is known beforehand."""
    return parts if table.row_count > ROWS_PER_PART else b"".join(parts)
