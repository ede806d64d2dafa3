"""What is refused from now on: one token, all of a client, or all."""

from sqlalchemy import delete, insert

from gateway.control.change import Change
from gateway.control.tables import revocations


def revoke(
    change: Change, kind: str, subject: str, issued_before: float | None, expires_at: float
) -> None:
    """Keep a revocation until no token that it concerns can live.

    Args:
        kind: jti, client or all.
        subject: the jti or the client id; empty for all.
        issued_before: of a client and of all, the tokens issued at or before this time.
    """
    # Rows that no living token can match only make every snapshot larger.
    change.run(delete(revocations).where(revocations.c.expires_at < change.now))
    change.run(
        insert(revocations).values(
            kind=kind,
            subject=subject,
            issued_before=issued_before,
            expires_at=expires_at,
            created_at=change.now,
        )
    )
    change.after = {"issued_before": issued_before, "expires_at": expires_at}
