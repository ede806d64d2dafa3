"""Who calls, and where: from a file as the gateway writes it for its partner `demo`."""

import ipaddress
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gateway.scoring.errors import ScoringFailed

_ASK = (
    "Give --credentials FILE (JSON with client_id, client_secret and base_url), or set"
    " GATEWAY_URL, GATEWAY_CLIENT_ID and GATEWAY_CLIENT_SECRET"
)


@dataclass(frozen=True)
class Credentials:
    """A client of a gateway. `base_url` has no slash at its end."""

    base_url: str
    client_id: str
    client_secret: str

    def __repr__(self) -> str:
        return f"Credentials({self.base_url}, {self.client_id})"


def credentials_from(
    file: Path | None,
    *,
    base_url: str | None = None,
    client_id: str | None = None,
    client_secret: str | None = None,
) -> Credentials:
    """What the file says, and above that what is given besides.

    Raises: ScoringFailed, naming what is missing or wrong.
    """
    kept = _read(file) if file is not None else {}
    given = {"base_url": base_url, "client_id": client_id, "client_secret": client_secret}
    found = kept | {name: value for name, value in given.items() if value}
    missing = [name for name in given if not found.get(name)]
    if missing:
        raise ScoringFailed(f"Not known: {', '.join(missing)}. {_ASK}.")
    url = _checked(found["base_url"])
    return Credentials(url, found["client_id"], found["client_secret"])


def _read(file: Path) -> dict[str, str]:
    try:
        document: Any = json.loads(file.read_text(encoding="utf-8"))
    except OSError as exc:
        raise ScoringFailed(f"{file}: {exc.strerror}.") from exc
    except ValueError as exc:
        raise ScoringFailed(f"{file} is not JSON. {_ASK}.") from exc
    if not isinstance(document, dict):
        raise ScoringFailed(f"{file} is not a JSON object. {_ASK}.")
    return {name: value for name, value in document.items() if isinstance(value, str)}


def _checked(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ScoringFailed(f"{url} is not the base URL of a gateway (https://host[:port]).")
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise ScoringFailed(f"{url}: the secret would travel in clear; use https.")
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
