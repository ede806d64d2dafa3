"""Every change of the control store, said once in the service's log."""

import structlog

from gateway.control.store import ControlStore

log = structlog.get_logger()


class AuditLog:
    """Claims audit entries that no service has logged yet, and logs them."""

    def __init__(self, store: ControlStore) -> None:
        self._store = store

    def write(self) -> None:
        """One round."""
        for entry in self._store.claim_unlogged_audit():
            log.info(
                "control_changed",
                audit_id=entry.id,
                actor=entry.actor,
                action=entry.action,
                target=entry.target,
                before=entry.before,
                after=entry.after,
                revision=entry.revision,
            )
