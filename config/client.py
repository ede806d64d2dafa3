"""What a client of a gateway takes from its environment: where it is, and who calls."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ClientEnvironment:
    """`GATEWAY_URL`, `GATEWAY_CLIENT_ID` and so on; None for one that is not set.

    A secret is taken from here or from a file: on a command line every process could read it.
    """

    url: str | None
    client_id: str | None
    client_secret: str | None
    credentials: Path | None
    ca_file: Path | None

    def __repr__(self) -> str:
        return f"ClientEnvironment({self.url}, {self.client_id})"


def client_environment() -> ClientEnvironment:
    """Read it as it is now; an empty variable is as good as none."""
    credentials, ca_file = _variable("CREDENTIALS"), _variable("CA_FILE")
    return ClientEnvironment(
        _variable("URL"),
        _variable("CLIENT_ID"),
        _variable("CLIENT_SECRET"),
        Path(credentials) if credentials else None,
        Path(ca_file) if ca_file else None,
    )


def _variable(name: str) -> str | None:
    return os.environ.get(f"GATEWAY_{name}") or None
