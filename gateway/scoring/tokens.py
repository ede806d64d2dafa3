"""The access token: asked for once, renewed before it expires, and once more where it is refused.

Source: RFC 6749 section 4.4, and section 2.3.1 on how a client says its secret.
"""

import threading
from base64 import b64encode
from collections.abc import Callable
from urllib.parse import quote_plus

from gateway.scoring.connection import Answer
from gateway.scoring.credentials import Credentials
from gateway.scoring.errors import ScoringFailed

TOKEN_PATH = "/oauth/token"  # noqa: S105  # A path, no secret.
_RENEW_BEFORE_S = 60.0


class Tokens:
    """The token that all calls share.

    Args:
        post: sends a form to the token service, and tries again what is safe.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        credentials: Credentials,
        post: Callable[[str, bytes, dict[str, str]], Answer],
        clock: Callable[[], float],
    ) -> None:
        pair = f"{quote_plus(credentials.client_id)}:{quote_plus(credentials.client_secret)}"
        self._basic = f"Basic {b64encode(pair.encode()).decode()}"
        self._post = post
        self._clock = clock
        self._lock = threading.Lock()
        self._token = ""
        self._renew_at = 0.0

    def current(self) -> str:
        """A token that will live for a while. Raises ScoringFailed where none is given."""
        with self._lock:
            if not self._token or self._clock() >= self._renew_at:
                self._renew()
            return self._token

    def drop(self, refused: str) -> None:
        """Have a new one asked for, unless another thread already did."""
        with self._lock:
            if self._token == refused:
                self._token = ""

    def _renew(self) -> None:
        headers = {
            "Authorization": self._basic,
            "Content-Type": "application/x-www-form-urlencoded",
        }
        asked_at = self._clock()
        answer = self._post(TOKEN_PATH, b"grant_type=client_credentials", headers)
        document = answer.json()
        token, life_s = document.get("access_token"), document.get("expires_in", 0)
        if answer.status != 200 or not isinstance(token, str) or not isinstance(life_s, int):
            raise ScoringFailed(f"The gateway gives no access token: {answer.reason}.")
        self._token = token
        # Of a short life the last fifth.
        self._renew_at = asked_at + max(life_s - _RENEW_BEFORE_S, life_s * 0.8)
