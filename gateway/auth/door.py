"""A door without tokens: whoever reaches this listener is one configured partner.

For a listener that only a platform can reach which has checked its caller already, as Amazon
SageMaker has by IAM. Only `gateway.sagemaker_app` builds one; no setting puts it into another app.
"""

import math
from collections.abc import Callable, Mapping

from flask import request

from gateway.auth.access import Authorization
from gateway.control.snapshot import Client
from gateway.control.watcher import SnapshotWatcher
from gateway.errors import ControlStoreUnavailable, Unauthenticated
from gateway.principal import Principal
from gateway.request_context import context


class CloudDoor(Authorization):
    """Takes every request for the partner's own; what that partner may do holds as ever.

    Args:
        partner: its name. Its plan and scopes are those of the control store, now; one that is
            disabled there is refused.
        refuse_after_s: nobody passes when the control store has been away for so long.
    """

    def __init__(
        self,
        watcher: SnapshotWatcher,
        partner: str,
        refuse_after_s: float,
        needs: Mapping[str, str],
        default_model_name: Callable[[], str],
    ) -> None:
        super().__init__(needs, default_model_name)
        self._watcher = watcher
        self._partner = partner
        self._refuse_after_s = refuse_after_s

    def admit(self) -> None:
        """Say who calls. No header is read: a token would change nothing.

        Raises: Unauthenticated, ControlStoreUnavailable.
        """
        if self.is_public(request.endpoint):
            return
        if self._watcher.age_s() > self._refuse_after_s:
            raise ControlStoreUnavailable(retry_after_s=5, facts={"reason": "snapshot_too_old"})
        clients = self._watcher.current.clients.values()
        client = next((one for one in clients if one.partner == self._partner), None)
        if client is None or not client.enabled:
            reason = "unknown_client" if client is None else "client_disabled"
            raise Unauthenticated(reason=reason, credentials_given=False)
        context().principal = _principal(client)


def _principal(client: Client) -> Principal:
    return Principal(
        partner=client.partner,
        client_id=client.client_id,
        scopes=client.scopes,
        plan=client.plan,
        key_id="",
        jti="",
        expires_at=math.inf,
    )
