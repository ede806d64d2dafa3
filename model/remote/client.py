"""HTTP to an engine: kept connections, a time for each call, and what each trouble means."""

import logging
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

import urllib3
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError
from urllib3.exceptions import TimeoutError as TransferTimedOut

from model.errors import ModelError, ModelFailed, ModelTimedOut, ModelUnavailable
from model.remote.address import RemoteAddress

# 10,000 rows with 100 probabilities each are 20 MB of JSON.
_MOST_BYTES = 64 * 1024 * 1024
_PIECE_BYTES = 256 * 1024
# On one host or in one data centre, a connection is made at once or not at all.
_CONNECT_S = 1.0
_KEPT_CONNECTIONS = 4
_LONGEST_RETRY_AFTER_S = 60.0

# It is overloaded, restarting, or behind a proxy that cannot reach it.
_AWAY = frozenset({429, 502, 503, 504})
# It does not let us in, or does not have the model (any more, or not yet).
_CLOSED_TO_US = frozenset({401, 403, 404})

# Each of its warnings is either one of our errors or no news.
logging.getLogger("urllib3").setLevel(logging.ERROR)

Clock = Callable[[], float]


class EngineAway(ModelUnavailable):
    """The engine itself is away, for whoever calls it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back with status 200."""

    headers: Mapping[str, str]
    body: bytes


class RemoteClient:
    """Calls to one engine from one process: no socket of it may cross a fork.

    Raises in each call:
        EngineAway: it cannot be reached, restarts, or is overloaded.
        ModelUnavailable: it does not let us in, or does not have the model.
        ModelTimedOut: it did not answer within its time.
        ModelFailed: it answered, but nothing that can be used.
    """

    def __init__(self, address: RemoteAddress, clock: Clock = time.monotonic) -> None:
        """Raises ModelUnavailable, where the authorities' file cannot be read."""
        self._address = address
        self._clock = clock
        self._pool = _pool(address)
        self._prefix = urlsplit(address.url).path + "/v2"

    @property
    def model_path(self) -> str:
        """Of the model, below the server's own path; infer and ready come behind it."""
        path = f"/models/{quote(self._address.model, safe='')}"
        version = self._address.version
        return f"{path}/versions/{quote(version, safe='')}" if version else path

    def get(self, path: str) -> Answer:
        return self._call("GET", path, None, {})

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        return self._call("POST", path, body, headers)

    def _call(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Answer:
        sent = {**headers, "Accept-Encoding": "identity", **self._authorization()}
        status, answer = self._exchange(method, self._prefix + path, body, sent)
        if status != 200:
            raise _refusal(status, path, answer.headers)
        return answer

    def _authorization(self) -> dict[str, str]:
        if not self._address.token_file:
            return {}
        try:
            # Read for each call, because whoever renews a token replaces the file.
            token = Path(self._address.token_file).read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as exc:
            raise ModelUnavailable("the token_file of [remote] cannot be read") from exc
        if not token.isprintable() or " " in token or not token:
            raise ModelUnavailable("the token_file of [remote] holds no token")
        return {"Authorization": f"Bearer {token}"}

    def _exchange(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> tuple[int, Answer]:
        ends_at = self._clock() + self._address.timeout_s
        try:
            with self._open(method, path, body, headers) as response:
                return response.status, Answer(response.headers, self._read(response, ends_at))
        except HTTPError as exc:
            if isinstance(exc, TransferTimedOut) and not isinstance(exc, ConnectTimeoutError):
                raise ModelTimedOut(f"no answer within {self._address.timeout_s:g} s") from exc
            raise EngineAway(f"the engine cannot be reached ({type(exc).__name__})") from exc

    def _open(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> urllib3.BaseHTTPResponse:
        """Send once; again only where no connection came about, so that nothing was sent."""
        try:
            return self._send(method, path, body, headers)
        except NewConnectionError:
            return self._send(method, path, body, headers)

    def _send(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> urllib3.BaseHTTPResponse:
        timeout_s = self._address.timeout_s
        return self._pool.urlopen(
            method,
            path,
            body=body,
            headers=headers,
            retries=False,
            redirect=False,
            timeout=urllib3.Timeout(connect=min(_CONNECT_S, timeout_s), read=timeout_s),
            preload_content=False,
            decode_content=False,
        )

    def _read(self, response: urllib3.BaseHTTPResponse, ends_at: float) -> bytes:
        """The body, in time and not too much of it."""
        body = bytearray()
        while piece := response.read1(_PIECE_BYTES):
            body += piece
            if len(body) > _MOST_BYTES:
                raise ModelFailed(f"the engine's answer is longer than {_MOST_BYTES} bytes")
            if self._clock() > ends_at:
                raise ModelTimedOut(f"no whole answer within {self._address.timeout_s:g} s")
        return bytes(body)


def _pool(address: RemoteAddress) -> urllib3.HTTPConnectionPool:
    parts = urlsplit(address.url)
    host = parts.hostname or ""
    if parts.scheme == "http":
        return urllib3.HTTPConnectionPool(host, parts.port, maxsize=_KEPT_CONNECTIONS)
    try:
        context = ssl.create_default_context(cafile=address.ca_file or None)
    except OSError as exc:
        raise ModelUnavailable("the ca_file of [remote] cannot be read") from exc
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return urllib3.HTTPSConnectionPool(
        host, parts.port, maxsize=_KEPT_CONNECTIONS, ssl_context=context
    )


def _refusal(status: int, path: str, headers: Mapping[str, str]) -> ModelError:
    """Why there is no answer. What the engine says of it may quote a caller's rows, so that stays
    in the engine's own log.
    """
    reason = f"the engine answered {status} to {path}"
    if status in _AWAY:
        return EngineAway(reason, _retry_after_s(headers))
    return ModelUnavailable(reason) if status in _CLOSED_TO_US else ModelFailed(reason)


def _retry_after_s(headers: Mapping[str, str]) -> float:
    value = headers.get("Retry-After", "")
    if not value.isascii() or not value.isdigit() or len(value) > 6:
        return 1.0
    return min(max(float(value), 1.0), _LONGEST_RETRY_AFTER_S)
