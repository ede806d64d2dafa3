"""One change of the control store: the transaction, its audit row, the new revision."""

from typing import Any

from sqlalchemy import Connection, Row, Table, insert, select, update

from gateway.control.tables import audit, control_state


class ControlError(Exception):
    """A change that cannot be made. The text says why, and what would be right."""


class Change:
    """What happens inside the transaction. `before` and `after` go to the audit row."""

    def __init__(self, connection: Connection, now: float) -> None:
        self.connection = connection
        self.now = now
        self.before: Any = None
        self.after: Any = None
        # Incremented in the statement: reading first and writing then loses concurrent bumps.
        bump = update(control_state).values(revision=control_state.c.revision + 1)
        self.revision: int = connection.execute(
            bump.returning(control_state.c.revision)
        ).scalar_one()

    def run(self, statement: Any) -> None:
        """Make a part of the change."""
        self.connection.execute(statement)

    def find(self, table: Table, condition: Any) -> Row[Any] | None:
        """The first row like that, as this change sees it."""
        return self.connection.execute(select(table).where(condition)).first()

    def finish(self, actor: str, action: str, target: str) -> None:
        """Leave the audit row; the last thing before the transaction ends."""
        self.run(
            insert(audit).values(
                at=self.now,
                actor=actor,
                action=action,
                target=target,
                before=self.before,
                after=self.after,
                revision=self.revision,
                logged=False,
            )
        )
