"""[remote] in model.toml: which engine runs the model, and how it is reached."""

import ipaddress
import re
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import SplitResult, urlsplit

from model.errors import ArtifactRejected

_KEYS = ("url", "model", "version", "timeout_s", "token_file", "ca_file")
_LONGEST_TIMEOUT_S = 600.0
# A name or a version becomes a part of a path, and the URL a part of each message about it.
_UNSAFE = re.compile(r"[\x00-\x20\x7f\"'<>\\]")


@dataclass(frozen=True, slots=True)
class RemoteAddress:
    """A model on a server that speaks the Open Inference Protocol v2.

    Attributes:
        url: its base, what comes before `/v2`; https, or http on this machine's loopback.
        model: its name there.
        version: its version there; empty: the one the engine prefers.
        timeout_s: how long one answer may take.
        token_file: a file with the bearer token for it; empty: none is sent.
        ca_file: the authorities that its certificate is checked with; empty: the system's.
    """

    url: str
    model: str
    version: str = ""
    timeout_s: float = 5.0
    token_file: str = ""
    ca_file: str = ""


def parse_remote(table: Any) -> RemoteAddress:
    """The address in a [remote] table.

    Raises:
        ArtifactRejected: an unknown key, a wrong type, or a URL that would send rows or the token
            in clear text over a network.
    """
    if not isinstance(table, dict):
        _reject("it must be a table")
    for key in sorted(set(table) - set(_KEYS)):
        _reject(f"unknown key {key!r} (known: {', '.join(_KEYS)})")
    words = {key: _word(key, table.get(key, "")) for key in _KEYS if key != "timeout_s"}
    if not words["model"]:
        _reject("model must name the model on the engine")
    url = _base_url(words.pop("url"))
    return RemoteAddress(url=url, timeout_s=_timeout_s(table.get("timeout_s", 5.0)), **words)


def _word(key: str, value: Any) -> str:
    if not isinstance(value, str) or _UNSAFE.search(value):
        _reject(f"{key} must be text without spaces and quotes")
    return value


def _base_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment or parts.username is not None:
        _reject("url must be an http or https URL without user, query or fragment")
    if parts.scheme == "http" and not _on_loopback(parts):
        _reject("url must be https for any host but this machine's loopback")
    return url.rstrip("/").removesuffix("/v2")


def _on_loopback(parts: SplitResult) -> bool:
    host = parts.hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _timeout_s(value: Any) -> float:
    if type(value) not in {int, float} or not 0 < value <= _LONGEST_TIMEOUT_S:
        _reject(f"timeout_s must be a number above 0 and at most {_LONGEST_TIMEOUT_S:g}")
    return float(value)


def _reject(problem: str) -> NoReturn:
    raise ArtifactRejected(f"model.toml: [remote] {problem}.")
