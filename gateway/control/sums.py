"""Sums that all workers add to: one row of the status database for each measure of something.

They outlive the workers, and may be lost with that database.
"""

from collections.abc import Collection, Mapping

from sqlalchemy import Connection, Table, case, insert, update


def add_sums(
    connection: Connection,
    table: Table,
    subject: Mapping[str, str],
    measures: Mapping[str, float],
    *,
    latest: Collection[str] = (),
) -> None:
    """Add what a worker has measured of a subject to what is kept of it.

    Args:
        table: has the columns of the subject, `measure` and `value`.
        latest: measures of which the greatest value is kept, not the sum.
    """
    for measure, value in measures.items():
        _add(connection, table, {**subject, "measure": measure}, value, latest=measure in latest)


def _add(
    connection: Connection, table: Table, key: Mapping[str, str], value: float, *, latest: bool
) -> None:
    columns = table.c
    own = update(table).where(*[columns[name] == key[name] for name in key])
    # Added in the statement: other workers add to the same row.
    changed = columns.value + value
    if latest:
        changed = case((columns.value > value, columns.value), else_=value)
    if connection.execute(own.values(value=changed)).rowcount == 0:
        connection.execute(insert(table).values(**key, value=value))
