"""HTTP to one gateway over kept connections. Verification of its certificate is never off."""

import logging
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import orjson
import urllib3
import zstandard
from isal import isal_zlib
from urllib3.exceptions import HTTPError, SSLError

from gateway.scoring.errors import ScoringFailed

# The gateway answers within 10 s; what is above that is the way there and back.
_TIMEOUT = urllib3.Timeout(connect=10.0, read=60.0)
_MOST_BYTES = 512 * 1024 * 1024
_GZIP_WBITS = 31

# Each of its warnings is either one of our errors or no news.
logging.getLogger("urllib3").setLevel(logging.ERROR)


class NoAnswer(Exception):
    """The connection failed before there was a whole answer. The message says how."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, with its body as it was before it was compressed, and how long it took."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    duration_s: float = 0.0

    def json(self) -> dict[str, object]:
        """The object in the body; an empty one where there is none."""
        try:
            document = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return {}
        return document if isinstance(document, dict) else {}

    @property
    def code(self) -> str:
        """The gateway's code for an error, or what OAuth calls it."""
        found = self.headers.get("Gateway-Error-Code") or self.json().get("code")
        return str(found or self.json().get("error") or "")

    @property
    def reason(self) -> str:
        """What the gateway says of an error, for people."""
        problem = self.json()
        detail = problem.get("detail") or problem.get("error_description") or problem.get("title")
        request_id = self.headers.get("X-Request-ID") or "unknown"
        said = f"{self.status} {self.code}".rstrip()
        return f"{said}: {detail or 'no more was said'} (request id {request_id})"


class Connection:
    """Calls to one gateway, from several threads.

    Args:
        base_url: checked before; see `credentials`.
        ca_file: authorities to trust instead of the system's.
        most_at_once: how many connections are kept.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        base_url: str,
        ca_file: Path | None,
        most_at_once: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Raises: ScoringFailed, where the authorities' file cannot be used."""
        self._clock = clock
        parts = urlsplit(base_url)
        self._prefix = parts.path.rstrip("/")
        self._pool = _pool(base_url, ca_file, most_at_once)

    def send(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Answer:
        """One call, once.

        Raises:
            NoAnswer: no connection, a broken one, or no answer in time.
            ScoringFailed: the certificate is not to be trusted; trying again would not help.
        """
        started = self._clock()
        try:
            response = self._pool.urlopen(
                method,
                self._prefix + path,
                body=body,
                headers=dict(headers),
                retries=False,
                redirect=False,
                timeout=_TIMEOUT,
                decode_content=False,
            )
        except SSLError as exc:
            raise ScoringFailed(
                f"TLS with {self._pool.host} failed: {_tls_reason(exc)}. An installation with its"
                " own authority needs --ca-file."
            ) from exc
        except (HTTPError, OSError) as exc:
            raise NoAnswer(_words(exc)) from exc
        coding = response.headers.get("Content-Encoding", "identity")
        body_received = _plain(response.data, coding)
        return Answer(response.status, response.headers, body_received, self._clock() - started)

    def close(self) -> None:
        self._pool.close()


def _pool(base_url: str, ca_file: Path | None, most_at_once: int) -> urllib3.HTTPConnectionPool:
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    if parts.scheme == "http":
        return urllib3.HTTPConnectionPool(host, parts.port, maxsize=most_at_once)
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as exc:
        raise ScoringFailed(f"{ca_file} cannot be used as authorities: {exc}.") from exc
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return urllib3.HTTPSConnectionPool(host, parts.port, maxsize=most_at_once, ssl_context=context)


def _words(exc: Exception) -> str:
    """The last part of what urllib3 says: the others repeat where it was going."""
    return str(exc).rpartition(": ")[2] or type(exc).__name__


def _tls_reason(exc: SSLError) -> str:
    cause = exc.args[0] if exc.args else exc
    return str(getattr(cause, "verify_message", None) or getattr(cause, "reason", None) or cause)


def _plain(body: bytes, coding: str) -> bytes:
    """Raises NoAnswer, where the answer was damaged on its way."""
    try:
        if coding == "zstd":
            return zstandard.ZstdDecompressor().decompress(body, max_output_size=_MOST_BYTES)
        if coding == "gzip":
            return isal_zlib.decompress(body, _GZIP_WBITS)
    except (zstandard.ZstdError, ValueError, OSError, EOFError) as exc:
        raise NoAnswer("damaged answer") from exc
    return body
